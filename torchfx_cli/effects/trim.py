"""A part of the file, from one time to another."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import ClassVar

from torchfx_cli.design.stage import Array, Processor, Stage
from torchfx_cli.effects.kind import Complaint, Kind, StageSpec, param
from torchfx_cli.samples import Signal

MAX_S = 1e7  # four months


@dataclass(frozen=True, kw_only=True)
class TrimSpec(StageSpec):
    """Keeps what lies between two times."""

    is_filter = False

    start_s: float = param("where it begins", default=0.0, unit="s", low=0.0, high=MAX_S)
    end_s: float | None = param("where it ends; a file that ends sooner is kept to its end", default=None, unit="s",
                                low=0.0, high=MAX_S, open_low=True)
    duration_s: float | None = param("how long it lasts, instead of end", default=None, unit="s", low=0.0, high=MAX_S,
                                     open_low=True)

    def problems(self, given: Collection[str]) -> Iterator[Complaint]:
        """See `StageSpec`."""
        if self.end_s is not None and self.duration_s is not None:
            yield "duration", "contradicts end; write one of them"
        elif self.end_s is not None and self.end_s <= self.start_s:
            yield "end", f"found {self.end_s:g} s; must be behind start, {self.start_s:g} s"
        elif not given:
            yield "", "nothing says what to keep; write start, end or duration"

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`; times are rounded to whole frames."""
        end_s = self.start_s + self.duration_s if self.duration_s is not None else self.end_s
        until = "the end" if end_s is None else f"{end_s:g} s"
        end = None if end_s is None else round(end_s * source.fs)
        return Trim(round(self.start_s * source.fs), end, f"trim {self.start_s:g} s to {until}")


KIND = Kind(TrimSpec, None, "- trim: {start: 0.5 s, end: 30 s}")


@dataclass(frozen=True)
class Trim(Stage):
    """Keeps the frames from `start` on, up to `end` or to the last."""

    start: int
    end: int | None
    label: str
    cost_ns: ClassVar[float] = 0.5  # type: ignore[misc]
    pictures = ()

    @property
    def minds_end(self) -> bool:  # type: ignore[override]
        return self.end is not None

    def frames_out(self, frames: int, source: Signal) -> int:
        """See `Stage`."""
        return max(0, (frames if self.end is None else min(frames, self.end)) - self.start)

    def place(self, frame: float, source: Signal) -> float | None:
        """See `Stage`."""
        return frame - self.start if frame >= self.start and (self.end is None or frame <= self.end) else None

    def open(self, source: Signal) -> Processor:
        """See `Stage`."""
        return _Trimming(self)


class _Trimming:
    def __init__(self, stage: Trim) -> None:
        self._stage, self._at = stage, 0

    def process(self, samples: Array) -> Array:
        """See `Processor`."""
        first, end = self._stage.start - self._at, len(samples)
        if self._stage.end is not None:
            end = min(end, self._stage.end - self._at)
        self._at += len(samples)
        return samples[max(0, first) : max(0, end)]

    def flush(self) -> Iterator[Array]:
        """Nothing is held."""
        return iter(())
