"""The sound of a room that never was: a feedback delay network.

Jot and Chaigne, "Digital delay networks for designing artificial reverberators", 90th AES Convention, 1991: sixteen
delay lines into one another through a matrix that loses nothing (here Hadamard's), and behind each line a one-pole
low-pass whose gain is what the decay leaves in the time that the line takes. So the decay time is what is asked for,
and half of it at the frequency `damping`. The rows of the matrix are orthogonal: channels come out unlike each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, cos, log, pi, sqrt
from typing import ClassVar

import numpy as np

from torchfx_cli.design.stage import Array, Processor, Stage
from torchfx_cli.effects.held import Held
from torchfx_cli.effects.kind import MAX_HZ, Kind, StageSpec, param
from torchfx_cli.errors import DesignError
from torchfx_cli.kernel.load import load
from torchfx_cli.kernel.reverberating import LINES, ReverbState, hadamard_rows
from torchfx_cli.samples import Signal, hertz

SHORTEST_S, LONGEST_S = 0.013, 0.067  # of the lines of a room of size 1
DECIBELS_60 = 3.0 * log(10.0)  # 60 dB as the exponent of a decaying amplitude


@dataclass(frozen=True, kw_only=True)
class ReverbSpec(StageSpec):
    """A room: a feedback delay network of a given decay time (Jot and Chaigne, 1991)."""

    is_filter = False

    decay_s: float = param("time in which it falls by 60 dB (RT60)", unit="s", low=0.1, high=60.0)
    damping_hz: float = param("frequency that decays twice as fast, and those above it faster; none from half of the "
                              "sample rate on", default=6000.0, unit="Hz", low=100.0, high=MAX_HZ)
    predelay_s: float = param("from the sound to the room's answer, beside what its size takes", default=0.0, unit="s",
                              low=0.0, high=1.0)
    size: float = param("of the room: its delays are 13 to 67 ms times this", default=1.0, low=0.1, high=4.0)
    width: float = param("1: channels of the room are unlike each other, 0: all are their mean", default=1.0, low=0.0,
                         high=1.0)
    mix: float = param("part of the room, which is as loud as the sound; the rest is the sound as it was", default=0.3,
                       low=0.0, high=1.0)

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        if source.channels > LINES:
            raise DesignError(f"{self.origin}: has room for {LINES} channels, the signal has {source.channels} here")
        is_damped = self.damping_hz < source.fs / 2.0
        damping = f", {hertz(self.damping_hz)} in half of it" if is_damped else ""
        return Reverb(self.decay_s, self.damping_hz if is_damped else None, round(self.predelay_s * source.fs),
                      self.size, self.width, self.mix, f"reverb {self.decay_s:g} s{damping}")


KIND = Kind(ReverbSpec, "decay_s", "- reverb: {decay: 1.8 s, predelay: 20 ms, mix: 0.25}")


@dataclass(frozen=True)
class Reverb(Stage):
    """See `ReverbSpec`; `predelay` in frames, `damping_hz` None: all frequencies decay alike."""

    decay_s: float
    damping_hz: float | None
    predelay: int
    size: float
    width: float
    mix: float
    label: str
    cost_ns: ClassVar[float] = 16.0  # type: ignore[misc]

    @property
    def peak_gain(self) -> float:  # type: ignore[override]
        """Of a noise of energy 1 that decays so; it grows with the root of the rate, here that of 48 kHz."""
        frames = self.decay_s * 48_000.0 / DECIBELS_60
        return 1.0 - self.mix + self.mix * sqrt(4.0 * frames / pi)

    def tail_frames(self, source: Signal) -> int:
        """See `Stage`: twice the decay."""
        return (self.predelay + ceil((2.0 * self.decay_s + LONGEST_S * self.size) * source.fs)) if self.mix else 0

    def state(self, source: Signal) -> ReverbState:
        """The network at rest."""
        lengths = line_lengths(self.size, source.fs)
        kept = np.exp(-DECIBELS_60 * lengths / (self.decay_s * source.fs))
        pole = np.zeros(LINES) if self.damping_hz is None else _poles(kept, 2.0 * pi * self.damping_hz / source.fs)
        channels, rows = source.channels, hadamard_rows() / sqrt(LINES)
        ways_in = rows[::-1][:channels] / sqrt(channels)
        spread = self.width * np.eye(channels) + (1.0 - self.width) / channels
        ways_out = np.zeros((channels, LINES))
        ways_out[:, :channels] = self.mix * _loudness(kept) * spread
        return ReverbState(lengths, kept * (1.0 - pole), pole, np.ascontiguousarray(ways_in), ways_out, 1.0 - self.mix)

    def open(self, source: Signal) -> Processor:
        """See `Stage`."""
        return _Reverberating(self, source)


def line_lengths(size: float, fs: float) -> np.ndarray:
    """Sixteen different primes [LINES], so that no two lines come round together, in equal ratios."""
    found: list[int] = []
    for wanted in np.geomspace(SHORTEST_S, LONGEST_S, LINES) * size * fs:
        frames = max(2, round(wanted), *(length + 1 for length in found[-1:]))
        while any(frames % divisor == 0 for divisor in range(2, int(sqrt(frames)) + 1)):
            frames += 1
        found.append(frames)
    return np.array(found, dtype=np.int64)


def _poles(kept: Array, w: float) -> Array:
    """Of low-passes g (1 - b) / (1 - b/z) that have g at 0 and, g being `kept` of the amplitude, g^2 at `w`.

    Hence (1 - b)^2 = g^2 (1 - 2 b cos w + b^2).
    """
    middle, side = 1.0 - kept**2 * cos(w), 1.0 - kept**2
    poles: Array = (middle - np.sqrt(middle**2 - side**2)) / side
    return poles


def _loudness(kept: Array) -> float:
    """The factor that gives a row of the matrix the energy 1 for an impulse of energy 1.

    Each time round, the part q of the energy is left, and a row has its share: q + q^2 + ... = q / (1 - q).
    """
    q = float(np.mean(kept**2))
    return sqrt((1.0 - q) / q)


class _Reverberating:
    def __init__(self, stage: Reverb, source: Signal) -> None:
        self._kernel, self._state = load(), stage.state(source)
        self._late = Held(stage.predelay, source.channels)
        self._late.push(np.zeros((stage.predelay, source.channels)))

    def process(self, samples: Array) -> Array:
        """See `Processor`."""
        self._kernel.reverb(samples, np.ascontiguousarray(self._late.push(samples)), self._state)
        return samples

    def flush(self) -> Iterator[Array]:
        """Nothing is held; what the room still answers is the chain's tail."""
        return iter(())
