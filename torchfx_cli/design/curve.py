"""An FIR that follows a curve of frequencies and gains, with linear or minimum phase.

Between two points the gain in dB is a straight line over the logarithm of the frequency, outside it stays: that is the
GraphicEQ of Equalizer APO. The curve is sampled far more densely than there are taps, turned into an impulse response
and windowed (Oppenheim & Schafer, "Discrete-Time Signal Processing", 7.5); the taps are doubled until the whole
response lies within the tolerance. Minimum phase is had from the finished taps by the cepstrum, folded (ibid. 13.5):
the zeros outside the unit circle move inside and the magnitude stays.
"""

from __future__ import annotations

import numpy as np

from torchfx_cli.design.fir import window_of
from torchfx_cli.design.stages import Array

FEWEST_TAPS = 255
MOST_TAPS = (1 << 17) - 1
DENSITY = 8  # frequencies a tap
KAISER_BETA = 2.0  # a curve has corners, not stop bands: a narrow main lobe halves the taps that a Hann window needs


def level_db(points: tuple[tuple[float, float], ...], at_hz: Array) -> Array:
    """The curve at `at_hz`."""
    hz, gains_db = np.array(points).T
    return np.interp(np.log(np.maximum(at_hz, hz[0])), np.log(hz), gains_db)


def linear_phase(points: tuple[tuple[float, float], ...], fs: float, tolerance_db: float) -> Array | None:
    """An odd number of symmetric taps within `tolerance_db` of the curve everywhere; None where too many are needed."""
    taps = FEWEST_TAPS
    while taps <= MOST_TAPS:
        size = DENSITY * (taps + 1)
        wanted_db = level_db(points, np.arange(size // 2 + 1) * fs / size)
        response = np.fft.irfft(10.0 ** (wanted_db / 20.0), size)
        half = taps // 2
        designed = np.concatenate([response[-half:], response[: half + 1]]) * window_of("kaiser", taps, KAISER_BETA)
        if np.abs(_levels_db(designed, size) - wanted_db).max() <= tolerance_db:
            return designed
        taps = 2 * taps + 1
    return None


def minimum_phase(taps: Array) -> Array:
    """As many taps of the same magnitude whose zeros lie inside the unit circle."""
    size = DENSITY * (len(taps) + 1)
    cepstrum = np.fft.irfft(np.log(np.abs(np.fft.rfft(taps, size))), size)
    cepstrum[1 : size // 2] *= 2.0
    cepstrum[size // 2 + 1 :] = 0.0
    folded: Array = np.fft.irfft(np.exp(np.fft.rfft(cepstrum)), size)[: len(taps)]
    return folded


def _levels_db(taps: Array, size: int) -> Array:
    with np.errstate(divide="ignore"):
        levels: Array = 20.0 * np.log10(np.abs(np.fft.rfft(taps, size)))
    return levels
