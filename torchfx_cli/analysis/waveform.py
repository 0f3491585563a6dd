"""What can be wrong with a waveform, heard in one pass: DC, clipping, silence at the ends, unused bits.

Meters as those of effects/meters.py: each the same however the file is cut.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from torchfx_cli.design.stage import Array
from torchfx_cli.effects.meters import PeakMeter, RmsMeter, highest
from torchfx_cli.render.engine import Block

RUN = 3  # samples; two neighbours at full scale may be the top of an honest wave
SILENCE = 10.0 ** (-60.0 / 20.0)
PIECE_FRAMES = 1 << 10


class BlockMeter(ABC):
    """A meter that hears, beside the samples, how the file stores them."""

    @abstractmethod
    def hear(self, block: Block, samples: Array) -> None:
        """Take the next block, and the same as float64 in which what is no number is 0."""


class PeakAndRms(NamedTuple):
    """Linear, 1 = full scale."""

    peak: float
    rms: float

    @property
    def crest(self) -> float:
        """The crest factor, peak over RMS (IEC 60050-103-02-31): 2 ** 0.5 for a sine; 0 of silence."""
        return self.peak / self.rms if self.rms else 0.0


class LevelMeter:
    """Highest sample and root of the mean square, both over all channels."""

    def __init__(self, channels: int) -> None:
        self._peak, self._rms = PeakMeter(), RmsMeter(channels)

    def process(self, samples: Array) -> None:
        """See `Meter`."""
        self._peak.process(samples)
        self._rms.process(samples)

    def reading(self) -> PeakAndRms:
        """See `Meter`."""
        return PeakAndRms(self._peak.reading(), self._rms.reading())


class DcMeter:
    """The mean of each channel (IEC 60050-103-06-05: the direct component is the mean value)."""

    def __init__(self, channels: int) -> None:
        self._sums, self._frames = np.zeros(channels), 0

    def process(self, samples: Array) -> None:
        """See `Meter`."""
        self._frames += len(samples)
        self._sums += [channel.sum() for channel in samples.T]  # a tenth of the time of a sum over axis 0

    def reading(self) -> float:
        """Of the channel that is furthest off, absolute, 1 = full scale; 0 of no frames."""
        return float(np.abs(self._sums).max()) / self._frames if self._frames else 0.0


class ClippedMeter:
    """Counts runs of `RUN` samples or more, each in one channel, at the highest value of the file or at its lowest.

    These count where they reach full scale, less one `step`: what was clipped there stays at one value, where a wave
    that just touches it does not. ("Clipping" of Adobe Audition's amplitude statistics, and of ffmpeg's astats, are
    single samples.)
    """

    def __init__(self, channels: int, step: float) -> None:
        self._sides = _Plateaus(channels, 1.0 - step), _Plateaus(channels, 1.0 - step)

    def process(self, samples: Array) -> None:
        """See `Meter`."""
        for sign, side in zip((1.0, -1.0), self._sides, strict=True):
            side.process(samples, sign)

    def reading(self) -> float:
        """How many runs."""
        return sum(side.count for side in self._sides)


class _Plateaus:
    """The runs at the highest value so far; those at a lower one are forgotten where a higher one comes."""

    def __init__(self, channels: int, lowest: float) -> None:
        self._top, self._before, self.count = lowest, np.zeros((RUN, channels)), 0

    def process(self, samples: Array, sign: float) -> None:
        """Take the next block, times `sign`."""
        if not len(samples):
            return
        top = float(samples.max()) if sign > 0.0 else -float(samples.min())
        if top > self._top:
            self._top, self.count = top, 0
        if top == self._top:
            at_top = np.concatenate([self._before, samples]) == sign * top
            frames = len(samples)
            run = ~at_top[:frames]
            for later in range(1, RUN + 1):
                run &= at_top[later : later + frames]
            self.count += int(np.count_nonzero(run))
        self._before = np.concatenate([self._before, samples[-RUN:]])[-RUN:]


class EndsMeter:
    """How long a file is silent at its beginning and at its end: all channels below -60 dBFS.

    That is where RX, SoX and most encoders' gap detection are set by default: below the noise of a room.
    """

    def __init__(self, fs: float) -> None:
        self._fs, self._frames = fs, 0
        self._first: int | None = None
        self._behind = 0  # the last frame that is heard

    def process(self, samples: Array) -> None:
        """See `Meter`."""
        if highest(samples) >= SILENCE:
            if self._first is None:
                start = next(at for at in range(0, len(samples), PIECE_FRAMES)
                             if highest(samples[at : at + PIECE_FRAMES]) >= SILENCE)
                self._first = self._frames + start + _heard(samples[start : start + PIECE_FRAMES])[0]
            end = next(at for at in range(len(samples), 0, -PIECE_FRAMES)
                       if highest(samples[max(0, at - PIECE_FRAMES) : at]) >= SILENCE)
            start = max(0, end - PIECE_FRAMES)
            self._behind = self._frames + start + _heard(samples[start:end])[-1] + 1
        self._frames += len(samples)

    def reading(self) -> tuple[float, float]:
        """Both in ms; of a file that is silent throughout both are all of it."""
        first = self._frames if self._first is None else self._first
        return 1000.0 * first / self._fs, 1000.0 * (self._frames - self._behind) / self._fs


def _heard(samples: Array) -> list[int]:
    """The frames that are not silent."""
    return np.flatnonzero(np.abs(samples).max(axis=1) >= SILENCE).tolist()


class NonFiniteMeter(BlockMeter):
    """Counts samples that are no numbers (NaN) or infinite; only floats can be."""

    def __init__(self) -> None:
        self._count = 0

    def hear(self, block: Block, samples: Array) -> None:
        """See `BlockMeter`."""
        if block.dtype.kind == "f":
            self._count += block.size - int(np.count_nonzero(np.isfinite(block)))

    def reading(self) -> float:
        """How many samples."""
        return self._count


class BitsMeter(BlockMeter):
    """How many bits of integer samples are in use: from the sign down to the lowest bit that is ever set.

    So 16 bits that were stored in 24 are found: the rest are zeros (as "wasted bits" of FLAC, RFC 9639, 9.2.2, and the
    "bit depth" of ffmpeg's astats). Of silence 0.
    """

    def __init__(self) -> None:
        self._bits = self._width = 0

    def hear(self, block: Block, samples: Array) -> None:
        """See `BlockMeter`; integers, left-justified in their type (see samples.py)."""
        self._width = 8 * block.dtype.itemsize
        self._bits |= int(np.bitwise_or.reduce(block, axis=None)) & ((1 << self._width) - 1)

    def reading(self) -> float:
        """The number of bits."""
        return self._width - (self._bits & -self._bits).bit_length() + 1 if self._bits else 0
