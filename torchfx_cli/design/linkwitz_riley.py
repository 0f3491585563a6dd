"""Linkwitz-Riley splits: what lies below a frequency, what lies above, and the all-pass that both add up to.

Linkwitz, "Active Crossover Networks for Noncoincident Drivers", JAES 24 (1976): each half is a Butterworth filter of
order n, twice. Of its polynomial B, B(s) B(-s) = 1 + (-1)^n s^2n, so 1 / B^2 + (-1)^n s^2n / B^2 = B(-s) / B(s): for an
odd n the upper half is turned over.
"""

from __future__ import annotations

from math import pi, sin
from typing import NamedTuple

import numpy as np

from torchfx_cli.design import biquad
from torchfx_cli.design.stages import Array


class Halves(NamedTuple):
    """Second-order sections [K, 6]: low and high add up to the all-pass."""

    low: Array
    high: Array
    all_pass: Array


def halves(frequency_hz: float, order: int, fs: float) -> Halves:
    """Of an even `order`; both are at -6 dB at the frequency."""
    half = order // 2
    qs = [0.5 / sin(pi * (2 * n - 1) / (2 * half)) for n in range(1, half // 2 + 1)]
    low = [biquad.lowpass(frequency_hz, q, fs) for q in qs]
    high = [biquad.highpass(frequency_hz, q, fs) for q in qs]
    turns = [biquad.allpass(frequency_hz, q, 2, fs) for q in qs]
    if half % 2:
        low.append(biquad.first_order_lowpass(frequency_hz, fs))
        high.append(biquad.first_order_highpass(frequency_hz, fs))
        turns.append(biquad.allpass(frequency_hz, 1.0, 1, fs))
    above = np.concatenate(high * 2)
    above[0, :3] *= (-1.0) ** half
    return Halves(np.concatenate(low * 2), above, np.concatenate(turns))
