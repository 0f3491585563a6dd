"""A voice that reads sentences, made of sines and noise, and the levels that norms ask for, by a path of their own."""

from __future__ import annotations

from functools import cache
from math import gcd

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter, resample_poly

Samples = NDArray[np.float64]

# ITU-R BS.1770-5, annex 1, tables 1 and 2, at 48 kHz.
K_FS = 48_000
K_SHELF = ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585))
K_RLB = ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621))

SENTENCE_S, PAUSE_S = 0.9, 0.7


def voice(fs: int, channels: int = 1, seconds: float = 1.6, rms_db: float = -26.0, floor_db: float = -90.0) -> Samples:
    """[frames, channels]: syllables around 120 Hz in sentences and pauses; `floor_db` is the RMS of the noise."""
    sound = _sentences(fs, round(seconds * fs))[:, None] * np.linspace(1.0, 0.9, channels)
    noise = np.random.default_rng(channels).standard_normal(sound.shape)
    return 10.0 ** (rms_db / 20.0) * sound + 10.0 ** (floor_db / 20.0) * noise


@cache
def _sentences(fs: int, frames: int) -> Samples:
    """Of an RMS of 1."""
    t = np.arange(frames) / fs
    phase = 2.0 * np.pi * (120.0 * t + 3.0 * np.sin(2.0 * np.pi * 0.7 * t))
    harmonics = range(1, int(min(0.45 * fs, 4000.0) // 120.0))
    sound = sum((1.0 + 1.5 * np.exp(-((120.0 * k - 600.0) / 300.0) ** 2)) / k**1.2 * np.sin(k * phase + 0.7 * k * k)
                for k in harmonics)
    sound *= (0.15 + 0.85 * np.abs(np.sin(2.0 * np.pi * 2.2 * t))) * (t % (SENTENCE_S + PAUSE_S) < SENTENCE_S)
    return sound / np.sqrt(np.mean(sound**2))


def db(linear: float) -> float:
    return 20.0 * float(np.log10(linear))


def rms_db(x: Samples) -> float:
    return db(np.sqrt(np.mean(x**2)))


def peak_db(x: Samples) -> float:
    return db(np.abs(x).max())


def true_peak_db(x: Samples) -> float:
    """Of sixteen times as many values, by SciPy's interpolator."""
    return peak_db(resample_poly(x, 16, 1, axis=0))


def noise_floor_db(x: Samples, fs: int) -> float:
    """The RMS of the quietest half second, in steps of 100 ms."""
    hop = fs // 10
    return min(rms_db(x[at : at + 5 * hop]) for at in range(0, len(x) - 5 * hop + 1, hop))


def loudness_lufs(x: Samples, fs: int) -> float:
    """Integrated, of mono and stereo, with the standard's own coefficients."""
    common = gcd(fs, K_FS)
    x = resample_poly(x, K_FS // common, fs // common, axis=0) if fs != K_FS else x
    for b, a in (K_SHELF, K_RLB):
        x = lfilter(b, a, x, axis=0)
    block, hop = 4 * K_FS // 10, K_FS // 10
    powers = np.array([np.sum(np.mean(x[at : at + block] ** 2, axis=0)) for at in range(0, len(x) - block + 1, hop)])
    powers = powers[_lufs(powers) > -70.0]
    return float(_lufs(powers[_lufs(powers) > _lufs(powers.mean()) - 10.0].mean()))


def _lufs(power: Samples) -> Samples:
    return -0.691 + 10.0 * np.log10(np.maximum(power, 1e-30))
