"""What the samples of a block are: the one word that files, plans and engines share.

Integers are left-justified in their type, as libsndfile hands them out: a 24-bit sample lies in the upper
24 bits of an int32, an 8-bit one in the upper 8 of an int16. Full scale is 2^(width-1) of the *type*.
"""

from __future__ import annotations

from math import inf, log10
from typing import Literal

from torchfx_cli.records import dataclass

# Samples in a block where nobody says otherwise: long enough to make Python's share small, short enough that the few
# blocks in flight stay near 10 MB for any number of channels.
BLOCK_SAMPLES = 1 << 17

DType = Literal["int16", "int32", "float32", "float64"]
# How filters begin: at rest, or as if the first sample of each channel had always been there.
Start = Literal["rest", "steady"]
STARTS: tuple[Start, ...] = ("rest", "steady")


def decibels(factor: float) -> float:
    """A factor, such as a level of which 1 is full scale, in dB; -inf of 0."""
    return 20.0 * log10(factor) if factor > 0.0 else -inf


def block_frames(channels: int, samples: int = BLOCK_SAMPLES) -> int:
    """Frames in a block of about so many samples, one at least."""
    return max(1, samples // channels)


@dataclass(frozen=True)
class Signal:
    """What is true between two stages of a chain: the sample rate in Hz, and the number of channels.

    mask  of their speakers, the bits of a WAVEFORMATEXTENSIBLE in the order of the channels; 0 where nothing tells.
    """

    fs: float
    channels: int
    mask: int = 0


@dataclass(frozen=True)
class SampleFormat:
    """How a sample is stored in a block.

    dtype   of the block's array.
    bits    significant bits of an integer sample, 0 for floats.
    limit   values beyond full scale must be clipped (always so for integers; for float blocks that go
            to a lossy codec, which would crash or wrap).
    """

    dtype: DType
    bits: int = 0
    limit: bool = False

    @property
    def is_integer(self) -> bool:
        return self.bits > 0

    @property
    def highest(self) -> float:
        """The highest level that fits, linear: below full scale by the top step of an integer and one of dither, or
        by what is lost in rounding.
        """
        return 1.0 - 2.0 ** (2 - self.bits) if self.is_integer else 1.0 - 2.0**-50

    def fitting(self, level: float) -> float:
        """`level`; where it is full scale, the highest that fits."""
        return self.highest if self.highest < level <= 1.0 else level


FLOAT64 = SampleFormat("float64")  # in which everything is computed

# A minus sign as typographers write it, and spaces that do not break lines: numbers are pasted with them.
PLAIN_SIGNS = {0x2212: "-", 0x00A0: " ", 0x202F: " ", 0x2009: " "}


def hertz(frequency_hz: float) -> str:
    """80 Hz, 3.2 kHz."""
    return f"{frequency_hz / 1000.0:.10g} kHz" if frequency_hz >= 1000.0 else f"{frequency_hz:.10g} Hz"
