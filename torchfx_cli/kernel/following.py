"""The numbers of gains that follow a level; dynamics.h has them in the same order."""

from __future__ import annotations

from dataclasses import astuple
from functools import cached_property

import numpy as np
import numpy.typing as npt

from torchfx_cli.records import dataclass


class _Numbers:
    @cached_property
    def numbers(self) -> npt.NDArray[np.float64]:
        """All fields in order, as the C kernel takes them."""
        return np.array(astuple(self))  # type: ignore[call-overload]


@dataclass(frozen=True)
class Curve(_Numbers):
    """A static curve in dB with a soft knee, and the smoothing of what it gives.

    slope       dB of gain for a dB beyond the threshold; sign 1: beyond is above, -1: below.
    down, up    what the gain in dB keeps of itself in a frame, where it falls and where it rises.
    wet, dry    the factor of the sound is dry + wet times the gain.
    lowest_db   the gain falls no further.
    averaging   what the mean square keeps of itself in a frame; 0: the level is that of the sample.
    """

    threshold_db: float
    slope: float
    knee_db: float
    down: float
    up: float
    wet: float = 1.0
    dry: float = 0.0
    lowest_db: float = -1e300
    sign: float = 1.0
    averaging: float = 0.0

    @property
    def silence_db(self) -> float:
        """The gain that silence comes to, at which a sound begins."""
        return self.lowest_db if self.sign < 0.0 else 0.0


@dataclass(frozen=True)
class Gate(_Numbers):
    """Open from the level `open` on until it was below `close` for `hold` frames, the gain then `closed`.

    attack, release   what the gain keeps of itself in a frame, opening and closing.
    """

    open: float
    close: float
    attack: float
    release: float
    closed: float
    hold: int
