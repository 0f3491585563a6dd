"""Frequency responses on a grid, each with its derivative, from which the group delay follows exactly.

With H(w) = sum h[n] e^-jwn the derivative is j dH/dw = sum n h[n] e^-jwn, and the group delay -d(arg H)/dw is the real
part of (j dH/dw) / H (Smith, "Introduction to Digital Filters", 2007, "Numerical Computation of Group Delay"). Products
and sums have derivatives by the usual rules, so no phase is unwrapped and no difference taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt

from torchfx_cli.design.stages import Gain, Linear, Sections, Sum, Taps, quadratics

Array = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]

DIRECT_TAPS = 256
WINDOW_BINS = 14


@dataclass(frozen=True, eq=False)
class Curve:
    """`h` [F], complex: the response; `ramped` [F], in seconds: j times its derivative by the angular frequency."""

    h: Complex
    ramped: Complex

    def then(self, other: Curve) -> Curve:
        """This one and `other` behind it."""
        return Curve(self.h * other.h, self.ramped * other.h + self.h * other.ramped)

    def plus(self, other: Curve) -> Curve:
        """This one and `other` side by side, added."""
        return Curve(self.h + other.h, self.ramped + other.ramped)

    @property
    def magnitude_db(self) -> Array:
        """-inf where nothing passes."""
        with np.errstate(divide="ignore"):
            made: Array = 20.0 * np.log10(np.abs(self.h))
        return made

    @property
    def phase_deg(self) -> Array:
        """From -180 to 180."""
        return np.degrees(np.angle(self.h))

    @property
    def group_delay_s(self) -> Array:
        """NaN where nothing passes."""
        with np.errstate(divide="ignore", invalid="ignore"):
            made: Array = (self.ramped / self.h).real
        return np.where(self.h == 0.0, np.nan, made)


def extremes(values: Array, columns: int) -> npt.NDArray[np.intp]:
    """Places, in order, of the lowest and of the highest value in each of about so many columns: of what draws the
    same where a column is no wider than a dot. All places, where there are no more."""
    width = -(-len(values) // columns)
    if width <= 2:
        return np.arange(len(values))
    whole = values[: len(values) // width * width].reshape(-1, width)
    starts = np.arange(len(whole)) * width
    rest = np.arange(whole.size, len(values))  # less than a column
    return np.unique(np.concatenate([starts + whole.argmin(axis=1), starts + whole.argmax(axis=1), rest]))


def flat(frequencies_hz: Array, factor: float = 1.0) -> Curve:
    """The same at all frequencies, without delay."""
    return Curve(np.full(frequencies_hz.shape, factor, np.complex128), np.zeros(frequencies_hz.shape, np.complex128))


def of_linear(stages: Iterable[Linear], frequencies_hz: Array, fs: float) -> Curve:
    """The curve of linear stages in a row; the delay that they remove counts as removed."""
    builder = _Curves(frequencies_hz, fs)
    return reduce(Curve.then, (stage.build(builder) for stage in stages), flat(frequencies_hz))


def of_impulse(h: Array, times_s: tuple[float, float], frequencies_hz: Array) -> Curve:
    """Of the impulse response `h` [N]; `times_s` are those of its first sample, and from one to the next."""
    first, step = times_s
    at = first + step * np.arange(len(h))
    w = 2.0 * np.pi * frequencies_hz
    turn = np.exp(-1j * w * first)
    return Curve(turn * transform(h, w * step), turn * transform(h * at, w * step))


class _Curves:
    """A `Builder`: of every linear stage its curve."""

    def __init__(self, frequencies_hz: Array, fs: float) -> None:
        self._frequencies_hz, self._fs = frequencies_hz, fs
        self._w = 2.0 * np.pi * frequencies_hz / fs

    def sections(self, stage: Sections) -> Curve:
        total = flat(self._w)
        for row in stage.sos:
            (above,), (above_ramped,) = quadratics(row[None, :3], self._w)
            (below,), (below_ramped,) = quadratics(row[None, 3:], self._w)
            ramped = (above_ramped * below - above * below_ramped) / (below * below) / self._fs
            total = total.then(Curve(above / below, ramped))
        return total

    def taps(self, stage: Taps) -> Curve:
        return of_impulse(stage.taps, (-stage.delay_frames / self._fs, 1.0 / self._fs), self._frequencies_hz)

    def gain(self, stage: Gain) -> Curve:
        return flat(self._w, stage.factor)

    def sum(self, stage: Sum) -> Curve:
        rows = (reduce(Curve.then, (inner.build(self) for inner in row), flat(self._w)) for row in stage.rows)
        return reduce(Curve.plus, rows, flat(self._w, 0.0))


class Corners:
    """A `Builder`: of every linear stage the sections in it, whose poles and zeros say where a curve bends."""

    def sections(self, stage: Sections) -> list[Array]:
        return [stage.sos]

    def taps(self, stage: Taps) -> list[Array]:
        return []

    def gain(self, stage: Gain) -> list[Array]:
        return []

    def sum(self, stage: Sum) -> list[Array]:
        return [sos for row in stage.rows for inner in row for sos in inner.build(self)]


def transform(h: Array, w: Array) -> Complex:
    """sum h[n] e^-jwn at any `w` [F] from 0 to pi radians a sample: short ones by that sum, others from an FFT.

    The values of the FFT, of `h` divided by a Kaiser-Bessel window's transform, are interpolated with that window
    (Fourmont, "Non-equispaced fast Fourier transforms", J. Fourier Anal. Appl. 9, 2003); exact to about 1e-12.
    """
    frames = np.arange(len(h))
    if len(h) <= DIRECT_TAPS:
        turns = np.outer(w, frames)
        direct: Complex = np.cos(turns) @ h - 1j * (np.sin(turns) @ h)
        return direct
    size = 1 << (2 * len(h) - 1).bit_length()
    middle = len(h) // 2
    beta = np.pi * WINDOW_BINS * (1.0 - len(h) / (2.0 * size))
    root = np.sqrt(beta**2 - (np.pi * WINDOW_BINS * (frames - middle) / size) ** 2)
    placed = np.zeros(size)
    placed[(frames - middle) % size] = h * root / (WINDOW_BINS * np.sinh(root))
    half = np.fft.rfft(placed)
    bins = w * size / (2.0 * np.pi)
    near = np.ceil(bins - WINDOW_BINS / 2.0)[:, None] + np.arange(WINDOW_BINS)
    window = np.i0(beta * np.sqrt(np.maximum(0.0, 1.0 - (2.0 * (bins[:, None] - near) / WINDOW_BINS) ** 2)))
    at = np.abs((near.astype(np.intp) + size // 2) % size - size // 2)
    values = half[at]
    is_mirrored = (near < 0) | (near > size // 2)
    made: Complex = (np.where(is_mirrored, values.conj(), values) * window).sum(axis=1) * np.exp(-1j * w * middle)
    return made


def bends_hz(stages: Sequence[Linear], fs: float) -> Array:
    """Frequencies at which curves of `stages` bend: those of poles and zeros, and as far around as they are wide."""
    builder = Corners()
    rows = np.concatenate([np.empty((0, 6)), *(sos for stage in stages for sos in stage.build(builder))])
    roots = np.concatenate([np.empty(0), *(np.roots(half) for row in rows for half in (row[:3], row[3:]))])
    roots = roots[np.abs(roots) > 0.5]  # others are wider than any grid
    roots = roots[np.angle(roots) >= 0.0]
    angles, widths = np.angle(roots), np.abs(1.0 - np.abs(roots))
    narrowest = np.maximum(widths, 1e-3 * angles)
    around = np.array([-8.0, -4.0, -2.0, -1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0])
    made: Array = (angles[:, None] + narrowest[:, None] * around).ravel() * fs / (2.0 * np.pi)
    return made
