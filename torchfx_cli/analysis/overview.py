"""A file at a glance, for pictures: level and spectrum over time, in a few hundred columns, however long it is.

How long a file is may not be known before its end, so the columns begin short; when there are too many, neighbours
become one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from torchfx_cli.design.stage import Array

MOST_COLUMNS = 1024
FIRST_FRAMES = 512  # of a column
WINDOW_FRAMES = 2048
BINS = WINDOW_FRAMES // 2 + 1
WINDOWS_A_COLUMN = 8  # of long columns, evenly apart; of short ones there are fewer
ROWS = 192
LOWEST_HZ = 30.0


@dataclass(frozen=True)
class Overview:
    """Levels are linear, 1 = full scale; a sine at full scale has an `rms` of 0.707.

    column_s  how long a column is; the last one may be shorter.
    peak, rms  [T] over all channels.
    row_hz    [R] the centres of the rows, evenly apart on a logarithmic axis.
    power     [R, T] the mean square in each row, the mean of all channels.
    hz, spectrum  [F] the mean square of each bin, from 0 to half of the sample rate, over the whole file.
    """

    column_s: float
    peak: Array
    rms: Array
    row_hz: Array
    power: Array
    hz: Array
    spectrum: Array


class OverviewMeter:
    """Makes an `Overview` of a signal of `fs` Hz in `channels`.

    columns       at most; half as many at least, of a file that is long enough. An even number.
    first_frames  of a column, as long as there are few.
    """

    def __init__(self, fs: float, channels: int, columns: int = MOST_COLUMNS, first_frames: int = FIRST_FRAMES) -> None:
        self._fs, self._channels, self._most = fs, channels, columns
        self._column_frames = first_frames
        self._at = 0
        self._peak, self._square = np.zeros(columns), np.zeros(columns)
        self._window, self._shaped = np.hanning(WINDOW_FRAMES + 1)[:-1], np.empty((channels, WINDOW_FRAMES))
        self._power, self._windows = np.zeros((columns, BINS)), np.zeros(columns)
        self._held = np.zeros((WINDOW_FRAMES // 2, channels))  # so that the first window has its middle at frame 0
        self._next = 0  # the frame in the middle of the next window

    def process(self, samples: Array) -> None:
        """Take the next block, float64 [frames, channels]."""
        while self._at + len(samples) > self._most * self._column_frames:
            self._halve()
        for start in (0, *range(-self._at % self._column_frames or self._column_frames, len(samples),
                                self._column_frames)):
            column, rest = divmod(self._at + start, self._column_frames)
            inside = samples[start : start + self._column_frames - rest]
            if inside.size:
                self._peak[column] = max(self._peak[column], inside.max(), -inside.min())
                self._square[column] += np.vdot(inside, inside)
        self._hear(samples)
        self._at += len(samples)

    def result(self) -> Overview:
        """What was heard; the meter is of no use afterwards."""
        self._hear(np.zeros((WINDOW_FRAMES // 2, self._channels)))
        count = -(-self._at // self._column_frames)
        frames = np.full(count, self._column_frames)
        if count:
            frames[-1] = self._at - (count - 1) * self._column_frames
        rms = np.sqrt(self._square[:count] / (frames * self._channels))
        scale = 2.0 / (self._channels * WINDOW_FRAMES * np.square(self._window).sum())  # of one side
        row_hz, rows = _rows(self._fs)
        power = rows @ self._power[:count].T * (scale / np.maximum(self._windows[:count], 1.0))
        spectrum = self._power.sum(axis=0) * (scale / max(1.0, self._windows.sum()))
        hz: Array = np.arange(BINS, dtype=np.float64) * (self._fs / WINDOW_FRAMES)
        return Overview(self._column_frames / self._fs, self._peak[:count], rms, row_hz, power, hz, spectrum)

    def _hear(self, samples: Array) -> None:
        """The windows that are complete; `held` begins half a window before the frame `_at`, at most."""
        held = np.concatenate([self._held, samples])
        first = self._at + len(samples) - len(held) + WINDOW_FRAMES // 2  # in the middle of a window at the start
        while self._next - first + WINDOW_FRAMES <= len(held):
            start = self._next - first
            np.multiply(held[start : start + WINDOW_FRAMES].T, self._window, out=self._shaped)  # channels in rows
            parts = np.fft.rfft(self._shaped).view(np.float64)
            both = np.einsum("cf,cf->f", parts, parts)  # of real and imaginary parts by turns
            column = min(self._next // self._column_frames, self._most - 1)
            self._power[column] += both[0::2] + both[1::2]
            self._windows[column] += 1.0
            self._next += max(WINDOW_FRAMES // 4, self._column_frames // WINDOWS_A_COLUMN)
        self._held = held[max(0, min(len(held), self._next - first)) :].copy()

    def _halve(self) -> None:
        half = self._most // 2
        self._peak = np.append(self._peak.reshape(half, 2).max(axis=1), np.zeros(half))
        self._square = np.append(self._square.reshape(half, 2).sum(axis=1), np.zeros(half))
        self._power = np.append(self._power.reshape(half, 2, BINS).sum(axis=1), np.zeros((half, BINS)), axis=0)
        self._windows = np.append(self._windows.reshape(half, 2).sum(axis=1), np.zeros(half))
        self._column_frames *= 2


@lru_cache(maxsize=1)  # it takes as long as all of a short file, and a batch has many of one rate
def _rows(fs: float) -> tuple[Array, Array]:
    """The centres of the rows [R] in Hz, and what each takes of every bin [R, F]: bins are shared at the edges."""
    edges = np.geomspace(min(LOWEST_HZ, fs / 8.0), fs / 2.0, ROWS + 1)
    step = fs / WINDOW_FRAMES
    bins = np.arange(BINS) * step
    low, high = np.maximum(edges[:-1, None], bins - step / 2.0), np.minimum(edges[1:, None], bins + step / 2.0)
    return np.sqrt(edges[:-1] * edges[1:]), np.maximum(0.0, high - low) / step
