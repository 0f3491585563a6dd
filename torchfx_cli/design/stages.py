"""What design hands on: stages with numbers in them, and how they respond.

A chain's stages, designed for one sample rate, are a tuple of the records below. Everything but
`Normalize` is linear and time-invariant, so neighbours may be joined and gains moved (see `plan`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def _frozen(values: npt.ArrayLike, ndim: int) -> Array:
    array = np.array(values, dtype=np.float64, ndmin=ndim)
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False)
class Sections:
    """Second-order sections, `sos` [K, 6] float64: b0 b1 b2 1 a1 a2 a row, applied in order."""

    sos: Array
    label: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sos", _frozen(self.sos, 2))


@dataclass(frozen=True, eq=False)
class Taps:
    """An impulse response, `taps` [N] float64. `delay_frames` of its delay are to be removed from the output."""

    taps: Array
    delay_frames: int = 0
    label: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "taps", _frozen(self.taps, 1))


@dataclass(frozen=True)
class Gain:
    """A factor, linear; negative turns the polarity over."""

    factor: float
    label: str = ""


@dataclass(frozen=True)
class Normalize:
    """The whole file's highest peak, over all channels, is brought to `peak` (linear, 1 = full scale)."""

    peak: float
    label: str = ""


Stage = Sections | Taps | Gain | Normalize
