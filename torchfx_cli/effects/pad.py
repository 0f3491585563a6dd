"""Silence in front of the sound and behind it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import ClassVar

from torchfx_cli.design.silence import Padding
from torchfx_cli.design.stage import Processor, Stage
from torchfx_cli.effects.kind import Complaint, Kind, StageSpec, param
from torchfx_cli.samples import Signal

MAX_S = 120.0  # the silence in front comes out in one block


@dataclass(frozen=True, kw_only=True)
class PadSpec(StageSpec):
    """Adds silence at the beginning and at the end; an empty file stays empty."""

    is_filter = False

    start_s: float = param("silence in front", default=0.0, unit="s", low=0.0, high=MAX_S)
    end_s: float = param("silence behind", default=0.0, unit="s", low=0.0, high=MAX_S)

    def problems(self, given: Collection[str]) -> Iterator[Complaint]:
        """See `StageSpec`."""
        if not given:
            yield "", "nothing says how much silence to add; write start, end or both"

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`; times are rounded to whole frames."""
        sides = [f"{s:g} s {side}" for s, side in ((self.start_s, "in front"), (self.end_s, "behind")) if s]
        return Pad(round(self.start_s * source.fs), round(self.end_s * source.fs),
                   f"pad {' and '.join(sides) or 'by nothing'}")


KIND = Kind(PadSpec, None, "- pad: {start: 0.5 s, end: 1 s}")


@dataclass(frozen=True)
class Pad(Stage):
    """Adds `start` and `end` frames of silence."""

    start: int
    end: int
    label: str
    cost_ns: ClassVar[float] = 0.5  # type: ignore[misc]
    pictures = ()

    def frames_out(self, frames: int, source: Signal) -> int:
        """See `Stage`."""
        return self.start + frames + self.end if frames else 0

    def place(self, frame: float, source: Signal) -> float:
        """See `Stage`."""
        return frame + self.start

    def open(self, source: Signal) -> Processor:
        """See `Stage`."""
        return Padding(self.start, self.end, source.channels)
