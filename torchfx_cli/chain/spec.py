"""A chain as written, and its design for one signal."""

from __future__ import annotations

from dataclasses import dataclass, field

from torchfx_cli.design.stage import Stage
from torchfx_cli.effects.kind import StageSpec
from torchfx_cli.samples import Signal


@dataclass(frozen=True, slots=True)
class ChainSpec:
    """A chain as written, presets already put in their places.

    `digest` is the SHA-256 of everything that was read to make it (chain files, presets, taps files), `files` where
    that was read.
    """

    name: str
    stages: tuple[StageSpec, ...]
    description: str = ""
    digest: str = ""
    files: tuple[str, ...] = field(default=(), compare=False, repr=False)


def design_chain(chain: ChainSpec, fs: float, channels: int = 1) -> tuple[Stage, ...]:
    """Every stage of `chain`, for what reaches it of a signal of `fs` Hz in `channels`.

    Raises DesignError, naming where a stage was written, when it cannot exist for such a signal.
    """
    stages: list[Stage] = []
    signal = Signal(fs, channels)
    for spec in chain.stages:
        stages.append(spec.design(signal))
        signal = stages[-1].output(signal)
    return tuple(stages)
