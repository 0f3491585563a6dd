"""Stages -> RenderPlan: what will be computed, in which order, in how many passes."""
