"""The parts of gpu_check.py: what is checked, what is timed, and the rows that come of it."""
