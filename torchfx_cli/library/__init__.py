"""Stages -> torch modules for the Python library: one stage, chains and sums of them, what computes them where."""
