"""Stages in a row, several times over; the parser writes them out, so that they are like any others."""

from __future__ import annotations

from torchfx_cli.design.stage import Stage
from torchfx_cli.effects.beside import MAX_STAGES
from torchfx_cli.effects.kind import Kind, StageSpec, param
from torchfx_cli.effects.parallel import added, designed
from torchfx_cli.records import dataclass
from torchfx_cli.samples import Signal


@dataclass(frozen=True, kw_only=True)
class RepeatSpec(StageSpec):
    """Several stages in a row, all of them so many times; for one stage, `repeat: 4` beside it does the same."""

    is_filter = False

    times: int = param("how often", form="integer", low=1, high=MAX_STAGES)
    stages: tuple[StageSpec, ...] = param("the stages", form="chain")

    @property
    def chains(self) -> tuple[tuple[StageSpec, ...], ...]:
        """See `StageSpec`."""
        return (self.stages,)

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        return added((designed(self.stages * self.times, source),), source)


KIND = Kind(RepeatSpec, None, "- repeat: {times: 3, stages: [allpass: 300 Hz, gain: -1 dB]}")
