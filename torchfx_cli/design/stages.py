"""The linear time-invariant stages, with numbers in them, and how they respond.

Neighbours among them may be fused and gains moved across them, see `plan`; every engine computes them its own way,
which is a `Builder`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from math import ceil, isqrt
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from torchfx_cli.design.decay import ringing_frames
from torchfx_cli.design.stage import Array, Processor, Stage
from torchfx_cli.errors import DesignError
from torchfx_cli.records import dataclass
from torchfx_cli.samples import Signal

__all__ = ["Array", "Builder", "Gain", "Linear", "Sections", "Stage", "Sum", "Taps", "decay_frames", "is_stable",
           "labels", "linear", "pole_radius", "response", "ringing_s"]

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")

FREQUENCIES = 64  # of a response that taps are computed for at a time


class Builder(Protocol[T_co]):
    """How an engine computes each linear stage: it makes something of its own of every one, see `Linear.build`."""

    def sections(self, stage: Sections) -> T_co: ...

    def taps(self, stage: Taps) -> T_co: ...

    def gain(self, stage: Gain) -> T_co: ...

    def sum(self, stage: Sum) -> T_co: ...


class Linear(Stage):
    """Base of the linear time-invariant stages."""

    is_linear = True

    @abstractmethod
    def build(self, builder: Builder[T]) -> T:
        """What `builder` makes of this stage; another linear kind builds from those that every builder knows."""

    @abstractmethod
    def response(self, w: Array) -> npt.NDArray[np.complex128]:
        """The frequency response [F] at `w` [F] radians a sample; delay that is removed counts as removed."""

    def recursive(self) -> Array:
        """The second-order sections [K, 6] that the signal passes one after another."""
        return np.empty((0, 6))

    def undelayed(self) -> Linear:
        """The same with the delay left in that it removes."""
        return self

    def span_frames(self) -> int:
        """How many frames an impulse lasts, beside what `recursive` says and the delay that is removed."""
        return 0

    def open(self, source: Signal) -> Processor:
        """Engines have their own ways to compute these."""
        raise TypeError(f"{self.label} is computed by an engine, in a run of linear stages")


def _frozen(values: npt.ArrayLike, ndim: int) -> Array:
    array = np.array(values, dtype=np.float64, ndmin=ndim)
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False)
class Sections(Linear):
    """Second-order sections, `sos` [K, 6] float64: b0 b1 b2 1 a1 a2 a row, applied in order."""

    sos: Array
    label: str = ""
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "sos", _frozen(self.sos, 2))

    def build(self, builder: Builder[T]) -> T:
        """See `Linear`."""
        return builder.sections(self)

    def response(self, w: Array) -> npt.NDArray[np.complex128]:
        """See `Linear`."""
        product: npt.NDArray[np.complex128] = section_responses(self.sos, w).prod(axis=0)
        return product

    def recursive(self) -> Array:
        """See `Linear`."""
        return self.sos

    @property
    def section_count(self) -> int:  # type: ignore[override]
        return len(self.sos)

    def describe(self) -> str:
        """See `Stage`."""
        return f"{len(self.sos)} second-order section{'s' * (len(self.sos) > 1)}: {self.label}"


@dataclass(frozen=True, eq=False)
class Taps(Linear):
    """An impulse response, `taps` [N] float64. `delay_frames` of its delay are to be removed from the output."""

    taps: Array
    delay_frames: int = 0
    label: str = ""
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "taps", _frozen(self.taps, 1))

    def build(self, builder: Builder[T]) -> T:
        """See `Linear`."""
        return builder.taps(self)

    def response(self, w: Array) -> npt.NDArray[np.complex128]:
        """See `Linear`."""
        columns = max(1, isqrt(len(self.taps)))
        rows = -(-len(self.taps) // columns)  # e^(-j w (r C + c)) is a product: two roots of exponentials, not all
        table = np.pad(self.taps, (0, rows * columns - len(self.taps))).reshape(rows, columns)
        starts, within = columns * np.arange(rows) - self.delay_frames, np.arange(columns)
        total = np.empty(len(w), dtype=np.complex128)
        for first in range(0, len(w), FREQUENCIES):
            some = w[first : first + FREQUENCIES]
            inner = np.exp(-1j * np.outer(within, some))
            sums = table @ inner.real + 1j * (table @ inner.imag)  # real products: `table` is not copied to complex
            total[first : first + FREQUENCIES] = (np.exp(-1j * np.outer(starts, some)) * sums).sum(axis=0)
        return total

    def undelayed(self) -> Taps:
        """See `Linear`."""
        return replace(self, delay_frames=0)

    def span_frames(self) -> int:
        """See `Linear`."""
        return len(self.taps) - 1 - self.delay_frames

    @property
    def latency_frames(self) -> int:  # type: ignore[override]
        return self.delay_frames

    @property
    def tap_count(self) -> int:  # type: ignore[override]
        return len(self.taps)

    def describe(self) -> str:
        """See `Stage`."""
        delay = f"{self.delay_frames} frames removed" if self.delay_frames else "delay kept"
        return f"FIR of {len(self.taps)} taps ({delay}): {self.label}"


@dataclass(frozen=True)
class Gain(Linear):
    """A factor, linear; negative turns the polarity over."""

    factor: float
    label: str = ""

    def build(self, builder: Builder[T]) -> T:
        """See `Linear`."""
        return builder.gain(self)

    def response(self, w: Array) -> npt.NDArray[np.complex128]:
        """See `Linear`."""
        return np.full(w.shape, self.factor, dtype=np.complex128)


@dataclass(frozen=True)
class Sum(Linear):
    """Branches: `rows` of linear stages side by side on the same input, added. All of them remove the same delay."""

    rows: tuple[tuple[Linear, ...], ...]

    def build(self, builder: Builder[T]) -> T:
        """See `Linear`."""
        return builder.sum(self)

    def response(self, w: Array) -> npt.NDArray[np.complex128]:
        """See `Linear`."""
        total = np.zeros(w.shape, dtype=np.complex128)
        for row in self.rows:
            total += _product(row, w)
        return total

    def undelayed(self) -> Sum:
        """See `Linear`."""
        return Sum(tuple(tuple(stage.undelayed() for stage in row) for row in self.rows))

    def span_frames(self) -> int:
        """See `Linear`: the branch that rings longest."""
        return max(map(decay_frames, self.rows), default=0)

    @property
    def label(self) -> str:  # type: ignore[override]
        """Such as "(lowpass + notch, gain)"."""
        return f"({' + '.join(map(labels, self.rows))})"

    @property
    def remarks(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(remark for row in self.rows for stage in row for remark in stage.remarks)

    @property
    def latency_frames(self) -> int:  # type: ignore[override]
        delays = {sum(stage.latency_frames for stage in row) for row in self.rows}
        if len(delays) > 1:
            raise DesignError(f"the branches of a sum remove different delays: {sorted(delays)} frames")
        return max(delays, default=0)

    @property
    def section_count(self) -> int:  # type: ignore[override]
        return sum(stage.section_count for row in self.rows for stage in row)

    @property
    def tap_count(self) -> int:  # type: ignore[override]
        return sum(stage.tap_count for row in self.rows for stage in row)


def linear(stages: Iterable[Stage]) -> tuple[Linear, ...]:
    """`stages`, all of which are to be linear; TypeError names one that is not."""
    found = []
    for stage in stages:
        if not isinstance(stage, Linear):
            raise TypeError(f"{stage.label} is not linear: it has a processor of its own")
        found.append(stage)
    return tuple(found)


def decay_frames(stages: Iterable[Linear]) -> int:
    """Frames until `stages`, one after another, have fallen to -120 dB of the loudest frequency's level."""
    row = list(stages)
    sections = np.concatenate([np.empty((0, 6)), *(stage.recursive() for stage in row)])
    return ceil(ringing_frames(sections)) + sum(stage.span_frames() for stage in row)


def ringing_s(stages: Iterable[Stage], source: Signal) -> float:
    """Seconds until what the last sample left behind in `stages` has fallen to -120 dB: what each takes, added up."""
    total_s = 0.0
    for is_linear, run in groupby(stages, lambda stage: stage.is_linear):
        row = list(run)
        if is_linear:
            total_s += decay_frames(linear(row)) / source.fs
        for stage in () if is_linear else row:
            total_s += stage.tail_frames(source) / source.fs
            source = stage.output(source)
    return total_s


def labels(stages: Iterable[Stage]) -> str:
    """The labels of `stages`, separated by commas."""
    return ", ".join(stage.label for stage in stages if stage.label)


def response(stages: Sequence[Stage], frequencies_hz: npt.ArrayLike, fs: float) -> npt.NDArray[np.complex128]:
    """The complex frequency response [F] of linear `stages`, one after the other, at `frequencies_hz` [F] or a number.

    The delay that they remove counts as removed. TypeError where one is not linear.
    """
    w = 2.0 * np.pi * np.atleast_1d(np.asarray(frequencies_hz, dtype=np.float64)) / fs
    return _product(linear(stages), w)


def _product(stages: Iterable[Linear], w: Array) -> npt.NDArray[np.complex128]:
    total = np.ones(w.shape, dtype=np.complex128)
    for stage in stages:
        total *= stage.response(w)
    return total


def section_responses(sos: Array, w: Array) -> npt.NDArray[np.complex128]:
    """The response of each section, [K, F], at `w` [F] radians a sample."""
    return quadratics(sos[:, :3], w)[0] / quadratics(sos[:, 3:], w)[0]


def quadratics(rows: Array, w: Array) -> tuple[npt.NDArray[np.complex128], npt.NDArray[np.complex128]]:
    """P = c0 + c1 z^-1 + c2 z^-2 on the unit circle, in powers of u = 1 - z^-1, and j dP/dw = c1 z^-1 + 2 c2 z^-2.

    At low frequencies the plain sum loses everything: c0 + c1 + c2 of a 1 Hz pole pair at 192 kHz is 1e-9. With
    c1 halved, both differences below are exact, and what remains is small from the start. Above fs/4 the same
    is done around z = -1, where the sign of c1 is turned.
    """
    c0, c1, c2 = (column[:, None] for column in rows.T)
    upper = w > np.pi / 2.0
    c1 = np.where(upper, -c1, c1)
    angle = np.where(upper, w - np.pi, w)
    u = 2j * np.sin(angle / 2.0) * np.exp(-0.5j * angle)
    at_zero = (c0 + c1 / 2.0) + (c2 + c1 / 2.0)
    value: npt.NDArray[np.complex128] = at_zero - 2.0 * (c2 + c1 / 2.0) * u + c2 * u * u
    ramped: npt.NDArray[np.complex128] = 2.0 * (1.0 - u) * ((c2 + c1 / 2.0) - c2 * u)
    return value, ramped


def pole_radius(sos: npt.ArrayLike) -> float:
    """The distance of the outermost pole of `sos` [K, 6] from the origin; 0 where there is none."""
    a1, a2 = np.atleast_2d(np.asarray(sos, dtype=np.float64)).T[4:]
    # z^2 - 2hz + a2 = 0. With h = 1 - x and a2 = 1 - y, both exact near the circle, h^2 - a2 = y - 2x + x^2.
    h = np.abs(a1) / 2.0
    x, y = 1.0 - h, 1.0 - a2
    spread = y - 2.0 * x + x * x
    radii = np.where(spread < 0.0, np.sqrt(np.abs(a2)), h + np.sqrt(np.abs(spread)))
    return float(radii.max(initial=0.0))


def is_stable(sos: npt.ArrayLike) -> bool:
    """Whether every pole of `sos` [K, 6] lies strictly inside the unit circle: |a2| < 1 and |a1| < 1 + a2."""
    a1, a2 = np.atleast_2d(np.asarray(sos, dtype=np.float64)).T[4:]
    half = np.abs(a1) / 2.0
    return bool(np.all((np.abs(a2) < 1.0) & ((1.0 - half) + (a2 - half) > 0.0)))
