"""How two files differ, sample for sample: the null test, and what would explain what is left of it.

The second file is taken as it stands, and where it turns out to be shifted, once more with the shift taken back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np

from torchfx_cli.analysis.samples import float_blocks, part, side_by_side
from torchfx_cli.analysis.spectrum import SpectrumMeter, third_octaves
from torchfx_cli.design.stage import Array
from torchfx_cli.samples import decibels
from torchfx_cli.stream.reader import Source

LOOK_FRAMES = 1 << 18  # of the first file, that are looked for in the second
MAX_SHIFT_FRAMES = 1 << 17  # about 3 s at 44.1 kHz
AUDIBLE = 1e-3  # the look begins where the first file is louder
LEAST_CORRELATION = 0.5
EQUALLY_HIGH = 1e-6  # of correlations, as those of a sine a period apart: the nearest place is meant
SILENT_BAND_DB = -120.0  # below it a band counts as that


@dataclass(frozen=True)
class Residual:
    """What is left of the second file less the first one; levels in dB of full scale, -inf of none.

    peak_frame, peak_channel  where the largest error is: the frame of the first file, and the channel from 0.
    snr_db   the first file's power over the error's.
    gain_db  how much louder the second is, where the error is the least; None where one of them is silent.
    matched_db  the mean square of the error with this gain taken back.
    is_inverted  its polarity is turned over; this is taken back, too.
    """

    peak_db: float
    peak_frame: int
    peak_channel: int
    rms_db: float
    snr_db: float
    gain_db: float | None
    matched_db: float
    is_inverted: bool


@dataclass(frozen=True)
class Difference:
    """How the second file differs from the first.

    shift     by how many frames it is later, negative for earlier; None where nothing in it resembles the first.
    residual  with both as they stand, the shorter one ending in silence.
    aligned   with the shift taken back, where there is one, over what both have.
    bands     (centre in Hz, dB by which the second is louder) of each third octave in which one of them has sound;
              of the aligned sound where there is a shift.
    """

    frames: tuple[int, int]
    shift: int | None
    residual: Residual
    aligned: Residual | None
    bands: tuple[tuple[float, float], ...]

    def is_within(self, max_error_db: float, *, aligned: bool = False) -> bool:
        """Whether no sample differs by more; with `aligned`, after the shift is taken back."""
        residual = self.aligned if aligned and self.aligned else self.residual
        same = self.residual.peak_db == -inf and self.frames[0] == self.frames[1]
        return same if max_error_db == -inf and not aligned else residual.peak_db <= max_error_db


def difference(a: Source, b: Source) -> Difference:
    """Read both, of the same rate and number of channels, and compare them. Raises FileError."""
    shift = _shift(a, b)
    meter = _measured(a, b, 0)
    frames = a.frames_read, b.frames_read
    aligned = _measured(a, b, shift) if shift else None
    return Difference(frames, shift, meter.residual(), aligned.residual() if aligned else None,
                      (aligned or meter).bands())


def _measured(a: Source, b: Source, shift: int) -> _Meter:
    meter = _Meter(a.facts.fs, a.facts.channels, first=max(0, -shift))
    for x, y in side_by_side(float_blocks(a), float_blocks(b), shift):
        meter.process(x, y)
    return meter


def _shift(a: Source, b: Source) -> int | None:
    start = _first_sound(float_blocks(a))
    if start is None:
        return None
    x = part(float_blocks(a), start, LOOK_FRAMES)
    y = part(float_blocks(b), start - MAX_SHIFT_FRAMES, len(x) + 2 * MAX_SHIFT_FRAMES)
    channel = int(np.square(x).sum(axis=0).argmax())
    return best_shift(x[:, channel], y[:, channel])


def _first_sound(blocks: Iterable[Array]) -> int | None:
    at = 0
    for block in blocks:
        loud = (np.abs(block) > AUDIBLE).any(axis=1)
        if loud.any():
            return at + int(loud.argmax())
        at += len(block)
    return None


def best_shift(x: Array, y: Array) -> int | None:
    """Where `x` [N] is found in `y`, from -`MAX_SHIFT_FRAMES` on; None where nothing resembles it.

    The normalised cross-correlation, by the FFT; also of what is turned over.
    """
    size = 1 << (len(x) + 2 * MAX_SHIFT_FRAMES).bit_length()
    products = np.fft.irfft(np.fft.rfft(y, size) * np.fft.rfft(x, size).conj(), size)[: 2 * MAX_SHIFT_FRAMES + 1]
    squares = np.concatenate([[0.0], np.cumsum(np.square(y)), np.zeros(1)])
    places = np.arange(len(products))
    inside = squares[np.minimum(places + len(x), len(y))] - squares[np.minimum(places, len(y))]
    energy = np.square(x).sum()
    floor = 1e-12 * max(energy, inside.max())
    likeness = np.abs(products) / np.sqrt(np.maximum(inside, floor) * max(energy, floor))
    best = likeness.max()
    if not best >= LEAST_CORRELATION:
        return None
    shifts = np.flatnonzero(likeness >= best * (1.0 - EQUALLY_HIGH)) - MAX_SHIFT_FRAMES
    return int(shifts[np.abs(shifts).argmin()])


class _Meter:
    """Adds up what a `Residual` and the bands need."""

    def __init__(self, fs: float, channels: int, first: int) -> None:
        self._at = first
        self._peak, self._place = 0.0, (0, 0)
        self._xx = self._yy = self._xy = self._ee = 0.0
        self._values = 0
        self._spectra = SpectrumMeter(fs, channels), SpectrumMeter(fs, channels)

    def process(self, x: Array, y: Array) -> None:
        error = y - x
        size = np.abs(error)
        highest = int(size.argmax())
        if size.flat[highest] > self._peak:
            frame, channel = divmod(highest, error.shape[1])
            self._peak, self._place = float(size.flat[highest]), (self._at + frame, channel)
        for name, left, right in (("_xx", x, x), ("_yy", y, y), ("_xy", x, y), ("_ee", error, error)):
            setattr(self, name, getattr(self, name) + float(np.vdot(left, right)))
        self._at += len(x)
        self._values += x.size
        for spectrum, samples in zip(self._spectra, (x, y), strict=True):
            spectrum.process(samples)

    def residual(self) -> Residual:
        has_both = self._xx > 0.0 and self._yy > 0.0 and self._xy != 0.0
        factor = self._xy / self._xx if has_both else 1.0
        left = min(self._ee, max(0.0, self._yy - factor * self._xy)) if has_both else self._ee
        values = max(1, self._values)
        return Residual(
            decibels(self._peak), *self._place, decibels(sqrt(self._ee / values)),
            decibels(sqrt(self._xx / self._ee)) if self._ee else inf,
            decibels(abs(factor)) if has_both else None,
            decibels(sqrt(left / values)) if self._ee else -inf, factor < 0.0)

    def bands(self) -> tuple[tuple[float, float], ...]:
        (centres, x), (_, y) = (third_octaves(each.frequencies_hz, each.power().sum(axis=1)) for each in self._spectra)
        floor = 10.0 ** (SILENT_BAND_DB / 10.0)
        has_sound = np.maximum(x, y) > floor
        changes = 10.0 * np.log10(np.maximum(y, floor) / np.maximum(x, floor))
        return tuple(zip(centres[has_sound].tolist(), changes[has_sound].tolist(), strict=True))
