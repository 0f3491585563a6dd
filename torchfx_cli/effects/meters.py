"""Meters of the whole file's level, block by block, each the same however the file is cut."""

from __future__ import annotations

from math import fsum, sqrt

import numpy as np

from torchfx_cli.design.stage import Array
from torchfx_cli.design.truepeak import TAPS, phases
from torchfx_cli.kernel.load import load

SEGMENT = 1 << 13  # frames that are interpolated, or skipped, at once
POWER_FRAMES = 1 << 12


class PeakMeter:
    """The highest absolute sample, over all channels."""

    def __init__(self) -> None:
        self._peak = 0.0

    def process(self, samples: Array) -> None:
        """See `Meter`."""
        self._peak = max(self._peak, highest(samples))

    def reading(self) -> float:
        """Linear, 1 = full scale."""
        return self._peak


class TruePeakMeter:
    """The highest value between the samples, over all channels; before and behind the file is silence."""

    def __init__(self, fs: float, channels: int) -> None:
        self._phases, self._kernel = phases(fs), load()
        self._reach = float(np.abs(self._phases).sum(axis=1).max()) * (1.0 + 1e-9)
        self._held = np.zeros((TAPS - 1, channels))
        self._peak = 0.0

    def process(self, samples: Array) -> None:
        """See `Meter`."""
        for at in range(0, len(samples), SEGMENT):
            segment = samples[at : at + SEGMENT]
            whole = np.concatenate([self._held, segment])
            self._held = whole[len(segment) :]
            self._peak = self._peak_with(whole)

    def reading(self) -> float:
        """Linear, 1 = full scale."""
        return self._peak_with(np.concatenate([self._held, np.zeros((TAPS // 2, self._held.shape[1]))]))

    def _peak_with(self, whole: Array) -> float:
        """The peak so far and in `whole`, which is not interpolated where that cannot reach it."""
        top = highest(whole)
        peak = max(self._peak, top)
        if top * self._reach <= peak:
            return peak
        out = np.empty((len(whole) - TAPS + 1, whole.shape[1]))
        for taps in self._phases:
            self._kernel.fir_direct(whole[TAPS - 1 :], taps, whole[: TAPS - 1].copy(), out)
            peak = max(peak, highest(out))
        return peak


class Powers:
    """Mean squares of every `hop` frames, all channels added by their `weights`."""

    def __init__(self, hop: int, weights: Array) -> None:
        self._hop, self._weights = hop, weights
        self._means: list[float] = []
        self._held = np.empty(0)

    def process(self, samples: Array) -> None:
        """Take the next block, float64 [frames, channels]."""
        power = np.concatenate([self._held, np.einsum("fc,fc,c->f", samples, samples, self._weights)])
        whole = len(power) // self._hop * self._hop
        self._means += power[:whole].reshape(-1, self._hop).mean(axis=1).tolist()
        self._held = power[whole:].copy()

    def of_hops(self) -> Array:
        """The mean of each whole hop."""
        return np.array(self._means)

    def of_all(self) -> float:
        """The mean of all frames, 0 of none."""
        frames = len(self._means) * self._hop + len(self._held)
        return (fsum(self._means) * self._hop + fsum(self._held.tolist())) / frames if frames else 0.0


class RmsMeter:
    """The root of the mean square over all channels and the whole file."""

    def __init__(self, channels: int) -> None:
        self._powers = Powers(POWER_FRAMES, np.full(channels, 1.0 / channels))

    def process(self, samples: Array) -> None:
        """See `Meter`."""
        self._powers.process(samples)

    def reading(self) -> float:
        """Linear: a sine of full scale has 0.5 ** 0.5."""
        return sqrt(self._powers.of_all())


def highest(samples: Array) -> float:
    """The highest absolute sample, 0 of none."""
    return max(float(samples.max(initial=0.0)), -float(samples.min(initial=0.0)))
