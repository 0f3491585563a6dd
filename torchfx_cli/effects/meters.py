"""Meters of the whole file's level, block by block, each the same however the file is cut."""

from __future__ import annotations

from math import fsum, sqrt

import numpy as np

from torchfx_cli.design.stage import Array
from torchfx_cli.design.truepeak import folded
from torchfx_cli.kernel.base import at_rest
from torchfx_cli.kernel.load import load

POWER_FRAMES = 1 << 12
FLOOR_HOPS_A_SECOND, FLOOR_HOPS = 10, 5  # windows of 500 ms


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

    def __init__(self, channels: int) -> None:
        self._taps, self._kernel = folded(), load()
        self._heard = np.zeros((channels, 2 * len(self._taps) - 1))
        self._peak = 0.0

    def process(self, samples: Array) -> None:
        """See `Meter`."""
        self._peak = self._kernel.true_peak(samples, self._taps, self._heard, self._peak)

    def reading(self) -> float:
        """Linear, 1 = full scale."""
        behind = np.zeros((len(self._taps), len(self._heard)))
        return self._kernel.true_peak(behind, self._taps, self._heard.copy(), self._peak)


class Powers:
    """Mean squares of every `hop` frames behind `sections` [K, 6], all channels added by their `weights`."""

    def __init__(self, hop: int, weights: Array, sections: Array | None = None) -> None:
        self._sections = np.empty((0, 6)) if sections is None else sections
        self._state = at_rest(len(self._sections), len(weights))
        self._hop, self._weights, self._kernel = hop, np.ascontiguousarray(weights, np.float64), load()
        self._means: list[float] = []
        self._held = np.empty(0)

    def process(self, samples: Array) -> None:
        """Take the next block, float64 [frames, channels]."""
        held = len(self._held)
        power = np.empty(held + len(samples))
        power[:held] = self._held
        self._kernel.power(np.ascontiguousarray(samples), self._sections, self._state, self._weights, power[held:])
        whole = len(power) // self._hop * self._hop
        if whole:
            self._means += (np.add.reduce(power[:whole].reshape(-1, self._hop), axis=1) / self._hop).tolist()
        self._held = power[whole:].copy()

    def of_hops(self) -> Array:
        """The mean of each whole hop."""
        return np.array(self._means)

    def of_all(self) -> float:
        """The mean of all frames, 0 of none."""
        total, frames = self.sum()
        return total / frames if frames else 0.0

    def sum(self) -> tuple[float, int]:
        """Of all frames, and how many they are."""
        return fsum(self._means) * self._hop + fsum(self._held.tolist()), len(self._means) * self._hop + len(self._held)


class RmsMeter:
    """The root of the mean square over all channels and the whole file."""

    def __init__(self, channels: int) -> None:
        self._powers = Powers(POWER_FRAMES, np.full(channels, 1.0 / channels))

    def process(self, samples: Array) -> None:
        """See `Meter`."""
        self._powers.process(samples)

    def sum(self) -> tuple[float, int]:
        """Of the mean squares of all frames, and how many these are."""
        return self._powers.sum()

    def reading(self) -> float:
        """Linear: a sine of full scale has 0.5 ** 0.5."""
        return sqrt(self._powers.of_all())


class NoiseFloorMeter:
    """The RMS of the quietest half second, looked for in steps of 100 ms; of all where there is no half second.

    This is the noise floor of "ACX Check" (W. McCown, 2015), a plug-in that audiobooks are checked with, over all
    channels together.
    """

    def __init__(self, fs: float, channels: int) -> None:
        self._powers = Powers(max(1, round(fs / FLOOR_HOPS_A_SECOND)), np.full(channels, 1.0 / channels))

    def process(self, samples: Array) -> None:
        """See `Meter`."""
        self._powers.process(samples)

    def reading(self) -> float:
        """Linear: a sine of full scale has 0.5 ** 0.5."""
        hops = self._powers.of_hops()
        if len(hops) < FLOOR_HOPS:
            return sqrt(self._powers.of_all())
        windows = np.lib.stride_tricks.sliding_window_view(hops, FLOOR_HOPS)
        return sqrt(float(windows.mean(axis=1).min()))


def highest(samples: Array) -> float:
    """The highest absolute sample, 0 of none."""
    return max(float(samples.max(initial=0.0)), -float(samples.min(initial=0.0)))
