"""A gain that swings with time, between 1 and 1 - depth, from 1 in the first frame; all channels alike.

The gain at the time t is 1 - depth w(rate t), where over a period p from 0 to 1 the wave w is (1 - cos 2 pi p) / 2 for
a sine, and 1 - |1 - 2 p| for a triangle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from torchfx_cli.design.stage import Array, Processor, Stage
from torchfx_cli.effects.checks import check_frequencies
from torchfx_cli.effects.kind import Kind, StageSpec, frequency, param
from torchfx_cli.samples import Signal, hertz

PIECE_FRAMES = 4096
SWINGS, LONGEST_S = 3.0, 60.0  # of its picture
Wave = Callable[[float], Array]  # a piece of it, by the period that has gone by at its first frame


def _sine(periods: Array) -> Wave:
    """cos(a + b) = cos a cos b - sin a sin b, so that a piece takes no cosine a frame."""
    turns = np.exp(2j * np.pi * periods)

    def wave(first: float) -> Array:
        made: Array = (1.0 - (turns * np.exp(2j * np.pi * first)).real) / 2.0
        return made

    return wave


def _triangle(periods: Array) -> Wave:
    def wave(first: float) -> Array:
        p = first + periods
        made: Array = 1.0 - np.abs(1.0 - 2.0 * (p - np.floor(p)))
        return made

    return wave


WAVES = {"sine": _sine, "triangle": _triangle}


@dataclass(frozen=True, kw_only=True)
class TremoloSpec(StageSpec):
    """Lets the level swing: at its lowest by a depth below what came in, so many times a second."""

    is_filter = False

    rate_hz: float = frequency("how often it swings", 5.0)
    depth: float = param("how far it comes down: 1 is silence at the lowest point", default=0.5, low=0.0, high=1.0)
    shape: str = param("of the swing", default="sine", form="word", choices=tuple(WAVES))

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        check_frequencies(self, source.fs)
        return Tremolo(self.rate_hz, self.depth, self.shape,
                       f"tremolo {hertz(self.rate_hz)}, depth {self.depth:g}, {self.shape}")


KIND = Kind(TremoloSpec, "rate_hz", "- tremolo: {rate: 5 Hz, depth: 0.5}")


@dataclass(frozen=True)
class Tremolo(Stage):
    """See the module."""

    rate_hz: float
    depth: float
    shape: str
    label: str
    cost_ns: ClassVar[float] = 3.0  # type: ignore[misc]
    pictures = ("envelope",)

    def envelope_frames(self, source: Signal) -> int:
        """See `Stage`: a few swings."""
        return round(min(SWINGS / self.rate_hz, LONGEST_S) * source.fs)

    def open(self, source: Signal) -> Processor:
        """See `Stage`."""
        return _Swinging(self, source.fs)


class _Swinging:
    """The gains are made in pieces of one length, on a grid from the first frame, so that cuts do not matter."""

    def __init__(self, stage: Tremolo, fs: float) -> None:
        self._stage, self._fs = stage, fs
        self._wave = WAVES[stage.shape](np.arange(float(PIECE_FRAMES)) * stage.rate_hz / fs)
        self._at, self._gains = 0, np.empty(0)

    def process(self, samples: Array) -> Array:
        """See `Processor`."""
        done = 0
        while done < len(samples):
            inside = self._at % PIECE_FRAMES
            if not inside:
                self._gains = self._piece(self._at)
            part = samples[done : done + PIECE_FRAMES - inside]
            for channel in part.T:  # broadcasting would go from frame to frame
                channel *= self._gains[inside : inside + len(part)]
            done += len(part)
            self._at += len(part)
        return samples

    def flush(self) -> Iterator[Array]:
        """See `Processor`: nothing is held."""
        return iter(())

    def _piece(self, first: int) -> Array:
        gains: Array = 1.0 - self._stage.depth * self._wave(first * self._stage.rate_hz / self._fs % 1.0)
        return gains
