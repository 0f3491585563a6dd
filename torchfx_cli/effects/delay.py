"""Echoes: the sound again after a time, and again, each weaker than the one before.

A feedback comb filter (Smith, "Physical Audio Signal Processing", 2.6.2) beside the dry sound: with the delay D in
frames, e[n] = x[n - D] + feedback e[n - D], and the output is (1 - mix) x + mix e. What lies within D frames does not
depend on itself, so it is computed at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor, log
from typing import ClassVar

import numpy as np

from torchfx_cli.design.decay import FLOOR
from torchfx_cli.design.stage import Array, Processor, Stage
from torchfx_cli.effects.kind import Kind, StageSpec, param
from torchfx_cli.samples import Signal

MIN_S, MAX_S = 0.001, 60.0
MAX_FEEDBACK = 0.99
ROUNDER = 1e-280  # added and taken away, it leaves no number below 1e-297: subnormal ones cost a hundred times more


@dataclass(frozen=True, kw_only=True)
class DelaySpec(StageSpec):
    """Echoes at equal distances; the time is rounded to whole frames. A plain shift is pad."""

    is_filter = False

    time_s: float = param("from one echo to the next", unit="s", low=MIN_S, high=MAX_S)
    feedback: float = param("part of each echo that the next one keeps; negative turns its polarity over", default=0.3,
                            low=-MAX_FEEDBACK, high=MAX_FEEDBACK)
    mix: float = param("part of the echoes; the rest is the sound as it was", default=0.5, low=0.0, high=1.0)

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        frames = max(1, round(self.time_s * source.fs))
        label = f"delay {1000.0 * self.time_s:g} ms ({frames} frames), feedback {self.feedback:g}"
        return Delay(frames, self.feedback, self.mix, label)


KIND = Kind(DelaySpec, "time_s", "- delay: {time: 250 ms, feedback: 0.3, mix: 0.5}")


@dataclass(frozen=True)
class Delay(Stage):
    """Echoes every `frames` frames; see the module."""

    frames: int
    feedback: float
    mix: float
    label: str
    cost_ns: ClassVar[float] = 4.0  # type: ignore[misc]

    @property
    def peak_gain(self) -> float:  # type: ignore[override]
        return 1.0 - self.mix + self.mix / (1.0 - abs(self.feedback))

    def tail_frames(self, source: Signal) -> int:
        """See `Stage`: up to the last echo that is not below -120 dB of the first."""
        if not self.mix:
            return 0
        repeats = floor(log(FLOOR) / log(abs(self.feedback))) if self.feedback else 0
        return (1 + repeats) * self.frames

    def memory_bytes(self, source: Signal) -> int:
        """See `Stage`."""
        return 8 * self.frames * source.channels

    def open(self, source: Signal) -> Processor:
        """See `Stage`."""
        return _Echoing(self, source.channels)


class _Echoing:
    """`ring` holds the last D frames of x + feedback e; `at` is the oldest, which is the echo that is due."""

    def __init__(self, stage: Delay, channels: int) -> None:
        self._stage, self._ring, self._at = stage, np.zeros((stage.frames, channels)), 0

    def process(self, samples: Array) -> Array:
        """See `Processor`."""
        done = 0
        while done < len(samples):
            count = min(len(samples) - done, len(self._ring) - self._at)
            self._echo(samples[done : done + count], self._ring[self._at : self._at + count])
            done += count
            self._at = (self._at + count) % len(self._ring)
        return samples

    def _echo(self, samples: Array, ring: Array) -> None:
        """Both in place: `ring` has the echoes of `samples`, and takes what will sound D frames later."""
        echo = ring.copy()
        ring *= self._stage.feedback
        ring += ROUNDER
        ring -= ROUNDER
        ring += samples
        samples *= 1.0 - self._stage.mix
        echo *= self._stage.mix
        samples += echo

    def flush(self) -> Iterator[Array]:
        """Nothing is held; echoes beyond the end are the chain's tail."""
        return iter(())
