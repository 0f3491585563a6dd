"""A stage from what was written of it."""

from __future__ import annotations

from torchfx_cli.design.stage import Stage
from torchfx_cli.effects.kind import StageSpec
from torchfx_cli.samples import Signal


def design(spec: StageSpec, fs: float, channels: int = 1) -> Stage:
    """The stage for a signal of `fs` Hz."""
    return spec.design(Signal(fs, channels))
