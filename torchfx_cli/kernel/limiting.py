"""The state of a limiter that looks ahead, and the way of its gain.

    level ─▶ needed gain ─▶ minimum of a window ─▶ exponential release ─▶ mean of a mean ─▶ times the sound, delayed

The means are as long as the look-ahead together, the window as long as that and `hold` frames to either side: so every
gain that the means see for a frame and its neighbours is at most what these need, hence their mean too, and it comes
there in a smooth bend (a triangle's integral) without a step.
"""

from __future__ import annotations

from dataclasses import field

import numpy as np
import numpy.typing as npt

from torchfx_cli.records import dataclass

Samples = npt.NDArray[np.float64]

GRAIN = 1.5 * 2.0**14  # x + GRAIN - GRAIN is x, rounded to a multiple of 2^-38: sums of 2^15 of these are exact
MAX_LOOK_AHEAD = 1 << 16  # frames: each mean is half as long


def largest_gain(taps: Samples) -> float:
    """What the loudest thinkable samples make of themselves in between: the largest sum of absolute taps."""
    even, odd = np.abs(taps[:, ::2]), np.abs(taps[:, 1::2])
    even[:, :3] = np.maximum(even[:, :3], odd)
    return 2.0 * float(even.sum(axis=0).max())


@dataclass
class LimiterState:
    """Of one sound. `taps` [PEAK_TAPS / 2, 7] find the peaks between samples (see design/truepeak.py), None: no such.

    look_ahead  frames in which the gain comes down, 1 or more.
    hold        frames before and behind a peak that have its gain too; at least 1 where there are taps.
    """

    channels: int
    ceiling: float
    release: float
    look_ahead: int
    hold: int = 0
    taps: Samples | None = None
    norm: float = field(init=False, default=0.0)
    places: list[int] = field(init=False, default_factory=lambda: [0, 0, 0, 0])  # in held, block, and the means' rings
    memory: list[float] = field(init=False)  # lowest of the block, released gain, the means' sums

    def __post_init__(self) -> None:
        self.window = self.look_ahead + 2 * self.hold
        self.first = (self.look_ahead + 1) // 2
        self.second = self.look_ahead + 1 - self.first
        half = 0 if self.taps is None else len(self.taps)
        self.delay = self.look_ahead - 1 + self.hold + half
        if self.taps is not None:
            self.norm = largest_gain(self.taps)
        self.held = np.zeros((self.delay, self.channels))
        self.heard = np.zeros((self.channels, max(2 * half - 1, 0)))
        self.block, self.before = np.ones(self.window), np.ones(self.window + 1)
        self.first_ring, self.second_ring = np.ones(self.first), np.ones(self.second)
        self.memory = [1.0, 1.0, float(self.first), float(self.second)]
