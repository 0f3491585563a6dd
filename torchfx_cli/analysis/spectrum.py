"""The long-term spectrum of a file, read in blocks of any length, in constant memory.

Welch's method (P. D. Welch, "The use of fast Fourier transform for the estimation of power spectra", IEEE Trans. Audio
Electroacoustics 15, 1967): the mean of the periodograms of Hann windows that overlap by half. It is scaled so that the
power of all frequencies together is the mean square: a sine at full scale has -3.01 dBFS.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from torchfx_cli.design.stage import Array

WINDOW_FRAMES = 1 << 14
BATCH_FRAMES = 1 << 15  # transformed at a time: larger arrays are fresh memory each time, which takes as long again
FIRST_BAND, LAST_BAND = -17, 13  # third octaves of 20 Hz to 20 kHz


class SpectrumMeter:
    """The power spectrum of a signal of `fs` Hz in `channels`; `hop` frames from window to window, half of one."""

    def __init__(self, fs: float, channels: int, frames: int = WINDOW_FRAMES, hop: int | None = None) -> None:
        self.fs = fs
        self._hop = hop or frames // 2
        self._window = np.hanning(frames + 1)[:-1]
        self._held = np.zeros((0, channels))
        self._squares = np.zeros((channels, 2 * (frames // 2 + 1)))  # of real and imaginary parts by turns
        self._shaped = np.empty((max(1, BATCH_FRAMES // frames), channels, frames))
        self._windows = 0

    @property
    def frequencies_hz(self) -> Array:
        """Of the bins [F], from 0 to half of the sample rate."""
        bins: Array = np.fft.rfftfreq(len(self._window), 1.0 / self.fs).astype(np.float64)
        return bins

    def process(self, samples: Array) -> None:
        """Take the next block, float64 [frames, channels]."""
        held = np.concatenate([self._held, samples])
        count = max(0, (len(held) - len(self._window)) // self._hop + 1)
        if count:
            frames = sliding_window_view(held, len(self._window), axis=0)[:: self._hop]
            batch = len(self._shaped)
            for start in range(0, count, batch):
                self._add(frames[start : min(count, start + batch)])
        self._held = held[count * self._hop :].copy()

    def power(self) -> Array:
        """The mean square of each bin, [F, channels]; of a file shorter than a window that of all of it."""
        if self._windows:
            return self._scaled(self._squares[:, 0::2] + self._squares[:, 1::2]) / self._windows
        if not len(self._held):
            return np.zeros((len(self._window) // 2 + 1, len(self._squares)))
        window = np.hanning(len(self._held) + 2)[1:-1]
        spectra = np.fft.rfft(self._held.T * window, len(self._window))
        power = squares(spectra) * (np.square(self._window).sum() / np.square(window).sum())
        return self._scaled(power)

    def _add(self, frames: Array) -> None:
        """`frames` [K, channels, N]. As little fresh memory as can be: to get it takes as long as to compute."""
        shaped = np.multiply(frames, self._window, out=self._shaped[: len(frames)])
        parts = np.fft.rfft(shaped).view(np.float64)
        np.square(parts, out=parts)
        for of_window in parts:
            self._squares += of_window
        self._windows += len(frames)

    def _scaled(self, sums: Array) -> Array:
        """One-sided, so that the bins add up to the mean square."""
        sides = np.full(sums.shape[-1], 2.0)
        sides[0] = sides[-1] = 1.0
        return (sums * sides / (len(self._window) * np.square(self._window).sum())).T


def squares(spectra: npt.NDArray[np.complex128]) -> Array:
    """The squared magnitudes."""
    found: Array = np.square(spectra.real) + np.square(spectra.imag)
    return found


def third_octaves(frequencies_hz: Array, power: Array) -> tuple[Array, Array]:
    """See `bands`: the 31 from 20 Hz to 20 kHz, or as many as fit."""
    return bands(frequencies_hz, power, 10)


def bands(frequencies_hz: Array, power: Array, a_decade: int) -> tuple[Array, Array]:
    """The centres [B] in Hz of bands of which so many are in a decade (thirds of an octave: ten, IEC 61260-1, base
    ten), from 20 Hz to 20 kHz where they fit, and their power [B, ...].

    A bin that reaches over an edge is shared by its bands.
    """
    numbers = np.arange(round(FIRST_BAND * a_decade / 10.0), round(LAST_BAND * a_decade / 10.0) + 1)
    centres = 1000.0 * 10.0 ** (numbers / a_decade)
    half = 10.0 ** (0.5 / a_decade)
    edges = np.concatenate([centres / half, centres[-1:] * half])
    step = frequencies_hz[1]
    centres = centres[edges[1:] <= frequencies_hz[-1]]
    edges = edges[: len(centres) + 1]
    below = np.concatenate([np.zeros((1, *power.shape[1:])), np.cumsum(power, axis=0)])
    places = np.concatenate([frequencies_hz - step / 2.0, frequencies_hz[-1:] + step / 2.0])
    columns = below.reshape(len(below), -1)
    at_edges = np.stack([np.interp(edges, places, column) for column in columns.T], axis=-1)
    return centres, np.diff(at_edges, axis=0).reshape(len(centres), *power.shape[1:])
