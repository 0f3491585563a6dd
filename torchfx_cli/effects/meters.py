"""Meters of the whole file's level, block by block, each the same however the file is cut."""

from __future__ import annotations

from array import array
from collections.abc import Callable
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


class Hops:
    """Means of every `hop` values, however these are cut; `held` are those of the hop that is not yet whole."""

    def __init__(self, hop: int) -> None:
        self.hop, self.held = hop, np.empty(0)

    def process(self, values: Array) -> Array:
        """The mean of each hop that the next values make whole."""
        first = self.hop - len(self.held)
        if len(values) < first:
            self.held = np.concatenate([self.held, values])
            return np.empty(0)
        begun, whole = np.concatenate([self.held, values[:first]]), first + (len(values) - first) // self.hop * self.hop
        self.held = values[whole:].copy()
        hops = begun.reshape(1, -1), values[first:whole].reshape(-1, self.hop)
        return np.concatenate([some.mean(axis=1) for some in hops])


class Powers:
    """Mean squares of every `hop` frames behind `sections` [K, 6], all channels added by their `weights`.

    heard  is given the power of each frame, too.
    """

    def __init__(self, hop: int, weights: Array, sections: Array | None = None,
                 heard: Callable[[Array], None] | None = None) -> None:
        self._sections = np.empty((0, 6)) if sections is None else sections
        self._state = at_rest(len(self._sections), len(weights))
        self._weights, self._kernel = np.ascontiguousarray(weights, np.float64), load()
        self._hops, self._means, self._heard = Hops(hop), array("d"), heard

    def process(self, samples: Array) -> None:
        """Take the next block, float64 [frames, channels]."""
        power = np.empty(len(samples))
        self._kernel.power(np.ascontiguousarray(samples), self._sections, self._state, self._weights, power)
        self._means.frombytes(self._hops.process(power).tobytes())
        if self._heard is not None:
            self._heard(power)

    def of_hops(self) -> Array:
        """The mean of each whole hop."""
        return np.array(self._means)

    def of_all(self) -> float:
        """The mean of all frames, 0 of none."""
        total, frames = self.sum()
        return total / frames if frames else 0.0

    def sum(self) -> tuple[float, int]:
        """Of all frames, and how many they are."""
        hop, held = self._hops.hop, self._hops.held
        return fsum(self._means) * hop + fsum(held.tolist()), len(self._means) * hop + len(held)


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
