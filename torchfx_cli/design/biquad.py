"""Cookbook sections, second and first order, each one row [1, 6]: b0 b1 b2 1 a1 a2.

Second order: R. Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients" (W3C note, 2021). Each is
written as the analogue H(s) that stands beside it there, with s = 1 at the frequency, and goes through one bilinear
transform; the coefficients are those of the cookbook, without its loss of digits at low frequencies.
"""

from __future__ import annotations

from math import atan, hypot, log, pi, sin, sinh, sqrt, tan

import numpy as np

from torchfx_cli.design.stages import Array

Polynomial = tuple[float, float, float]  # of s^2, s and 1


def lowpass(frequency_hz: float, q: float, fs: float) -> Array:
    """Gain q at the frequency."""
    return _bilinear((0.0, 0.0, 1.0), (1.0, 1.0 / q, 1.0), frequency_hz, fs)


def highpass(frequency_hz: float, q: float, fs: float) -> Array:
    """Gain q at the frequency."""
    return _bilinear((1.0, 0.0, 0.0), (1.0, 1.0 / q, 1.0), frequency_hz, fs)


def bandpass(frequency_hz: float, q: float, fs: float) -> Array:
    """Gain 1 at the frequency, which is q times the bandwidth."""
    return _bilinear((0.0, 1.0 / q, 0.0), (1.0, 1.0 / q, 1.0), frequency_hz, fs)


def notch(frequency_hz: float, q: float, fs: float) -> Array:
    """Gain 0 at the frequency, 1 far away."""
    return _bilinear((1.0, 0.0, 1.0), (1.0, 1.0 / q, 1.0), frequency_hz, fs)


def upper_edge_hz(frequency_hz: float, q: float, fs: float) -> float:
    """Where a band-pass or notch of this q has half its power above the frequency: s - 1/s = 1/q."""
    s = 0.5 / q + hypot(1.0, 0.5 / q)
    return atan(s * tan(pi * frequency_hz / fs)) * fs / pi


def q_of_bandwidth(octaves: float, frequency_hz: float, fs: float) -> float:
    """The q whose digital filter has this bandwidth: between -3 dB points, or those of half the gain of a peak."""
    w = 2.0 * pi * frequency_hz / fs
    return 0.5 / sinh(min(700.0, 0.5 * log(2.0) * octaves * w / sin(w)))  # beyond, a float64 has no number for it


def q_of_slope(slope: float, gain_db: float) -> float:
    """The q of a shelf of this slope; 1 is as steep as it gets without an overshoot."""
    a = 10.0 ** (gain_db / 40.0)
    return 1.0 / sqrt((a + 1.0 / a) * (1.0 / slope - 1.0) + 2.0)


def allpass(frequency_hz: float, q: float, order: int, fs: float) -> Array:
    """Gain 1 everywhere; -180 degrees (order 2) or -90 degrees (order 1, without q) at the frequency."""
    if order == 1:
        return _bilinear((0.0, -1.0, 1.0), (0.0, 1.0, 1.0), frequency_hz, fs)
    return _bilinear((1.0, -1.0 / q, 1.0), (1.0, 1.0 / q, 1.0), frequency_hz, fs)


def peaking(frequency_hz: float, gain_db: float, q: float, fs: float) -> Array:
    """gain_db at the frequency, 0 dB far away."""
    a = 10.0 ** (gain_db / 40.0)
    return _bilinear((1.0, a / q, 1.0), (1.0, 1.0 / (a * q), 1.0), frequency_hz, fs)


def low_shelf(frequency_hz: float, gain_db: float, q: float, order: int, fs: float) -> Array:
    """gain_db far below the frequency, half of it in dB there; q counts for order 2 only."""
    a = 10.0 ** (gain_db / 40.0)
    if order == 1:
        return _bilinear((0.0, 1.0, a), (0.0, 1.0, 1.0 / a), frequency_hz, fs)
    slope = a**0.5 / q
    return _bilinear((a, a * slope, a * a), (a, slope, 1.0), frequency_hz, fs)


def high_shelf(frequency_hz: float, gain_db: float, q: float, order: int, fs: float) -> Array:
    """gain_db far above the frequency, half of it in dB there; q counts for order 2 only."""
    a = 10.0 ** (gain_db / 40.0)
    if order == 1:
        return _bilinear((0.0, a, 1.0), (0.0, 1.0 / a, 1.0), frequency_hz, fs)
    slope = a**0.5 / q
    return _bilinear((a * a, a * slope, a), (1.0, slope, a), frequency_hz, fs)


def first_order_lowpass(frequency_hz: float, fs: float) -> Array:
    """-3 dB at the frequency, 1 at 0 Hz."""
    return _bilinear((0.0, 0.0, 1.0), (0.0, 1.0, 1.0), frequency_hz, fs)


def first_order_highpass(frequency_hz: float, fs: float) -> Array:
    """-3 dB at the frequency, 0 at 0 Hz."""
    return _bilinear((0.0, 1.0, 0.0), (0.0, 1.0, 1.0), frequency_hz, fs)


def _bilinear(numerator: Polynomial, denominator: Polynomial, frequency_hz: float, fs: float) -> Array:
    """s = (1 - z^-1) / (k (1 + z^-1)) with k = tan(pi f / fs), so that s = j lies at the frequency.

    A quadratic (c2, c1, c0) becomes c2 (1-z^-1)^2 + c1 k (1-z^-1)(1+z^-1) + c0 k^2 (1+z^-1)^2, whose coefficients are
    here written as top * (1, -2, 1) plus what is small for small k. First order is the same with k = 1 power less.
    """
    k = tan(pi * frequency_hz / fs)
    b, a = ((c2, c1 * k, c0 * k * k) for c2, c1, c0 in (numerator, denominator))
    if denominator[0] == 0.0:
        return _first_order(b, a)
    norm = sum(a)
    return np.array([[*_expanded(b, norm), *_expanded(a, norm)]])


def _expanded(c: Polynomial, norm: float) -> Polynomial:
    top = sum(c) / norm
    return top, -2.0 * top + (2.0 * c[1] + 4.0 * c[2]) / norm, top - 2.0 * c[1] / norm


def _first_order(b: Polynomial, a: Polynomial) -> Array:
    norm = a[1] + a[2]
    b0 = (b[1] + b[2]) / norm
    return np.array([[b0, -b0 + 2.0 * b[2] / norm, 0.0, 1.0, -1.0 + 2.0 * a[2] / norm, 0.0]])
