"""The linear time-invariant stages, with numbers in them, and how they respond.

Neighbours among them may be fused and gains moved across them, see `plan`; every engine computes them its own way.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from torchfx_cli.design.stage import Array, Linear, Stage

__all__ = ["Array", "Gain", "Sections", "Stage", "Taps", "is_stable", "pole_radius", "response"]


def _frozen(values: npt.ArrayLike, ndim: int) -> Array:
    array = np.array(values, dtype=np.float64, ndmin=ndim)
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False)
class Sections(Linear):
    """Second-order sections, `sos` [K, 6] float64: b0 b1 b2 1 a1 a2 a row, applied in order."""

    sos: Array
    label: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sos", _frozen(self.sos, 2))

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

    def __post_init__(self) -> None:
        object.__setattr__(self, "taps", _frozen(self.taps, 1))

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


def response(stages: Iterable[Stage], frequencies_hz: npt.ArrayLike, fs: float) -> npt.NDArray[np.complex128]:
    """The complex frequency response [F] of `stages`, one after the other, at `frequencies_hz` [F] (or a number).

    The delay that `Taps` remove counts as removed; stages that are not linear count as 1.
    """
    w = 2.0 * np.pi * np.atleast_1d(np.asarray(frequencies_hz, dtype=np.float64)) / fs
    total = np.ones(w.shape, dtype=np.complex128)
    for stage in stages:
        if isinstance(stage, Sections):
            total *= section_responses(stage.sos, w).prod(axis=0)
        elif isinstance(stage, Taps):
            total *= _taps_response(stage, w)
        elif isinstance(stage, Gain):
            total *= stage.factor
    return total


def section_responses(sos: Array, w: Array) -> npt.NDArray[np.complex128]:
    """The response of each section, [K, F], at `w` [F] radians a sample."""
    return _quadratics(sos[:, :3], w) / _quadratics(sos[:, 3:], w)


def _quadratics(rows: Array, w: Array) -> npt.NDArray[np.complex128]:
    """c0 + c1 z^-1 + c2 z^-2 on the unit circle, in powers of u = 1 - z^-1.

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
    result: npt.NDArray[np.complex128] = at_zero - 2.0 * (c2 + c1 / 2.0) * u + c2 * u * u
    return result


def _taps_response(stage: Taps, w: Array) -> npt.NDArray[np.complex128]:
    frames = np.arange(len(stage.taps)) - stage.delay_frames
    return np.array([np.exp(-1j * w_i * frames) @ stage.taps for w_i in w], dtype=np.complex128)


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
