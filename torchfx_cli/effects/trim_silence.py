"""Silence cut off at the ends, never inside.

A frame is silent where every channel is below the threshold, sample by sample; so nothing that reaches it is ever lost.
The file is read once for the first and the last frame that do, and then trimmed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from torchfx_cli.design.stage import Array, Measured, Meter, Stage
from torchfx_cli.effects.kind import Kind, StageSpec, param
from torchfx_cli.effects.trim import Trim
from torchfx_cli.errors import FileError
from torchfx_cli.samples import Signal

MAX_S = 3600.0
FIRST_SAMPLES, MOST_SAMPLES = 1 << 7, 1 << 13  # in a piece, which stays in the cache


@dataclass(frozen=True, kw_only=True)
class TrimSilenceSpec(StageSpec):
    """Cuts silence off at the ends, never inside; a silent file fails. Reads the file twice."""

    is_measured, is_filter = True, False

    threshold_db: float = param("peak level from which on it is sound", default=-60.0, unit="dBFS", low=-300.0,
                                high=0.0)
    min_s: float = param("the shortest silence that is cut", default=0.1, unit="s", low=0.0, high=MAX_S)
    margin_s: float = param("how much of the silence stays beside the sound", default=0.05, unit="s", low=0.0,
                            high=MAX_S)
    ends: str = param("where it is cut", default="both", form="word", choices=("both", "start", "end"))

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`; times are rounded to whole frames."""
        return TrimSilence(self.threshold_db, round(self.min_s * source.fs), round(self.margin_s * source.fs),
                           self.ends, source.fs, f"trim silence below {self.threshold_db:g} dBFS")


KIND = Kind(TrimSilenceSpec, "threshold_db", "- trim_silence: {threshold: -60 dBFS, margin: 50 ms}")


@dataclass(frozen=True)
class Heard:
    """Of `frames` frames the sound begins with `first` and ends before `end`; there is none where both are 0."""

    frames: int
    first: int
    end: int


@dataclass(frozen=True)
class TrimSilence(Measured):
    """Silence of `shortest` frames or more is cut down to `margin` frames."""

    threshold_db: float
    shortest: int
    margin: int
    ends: str
    fs: float
    label: str
    minds_end: ClassVar[bool] = True  # type: ignore[misc]
    changes_length: ClassVar[bool] = True

    def meter(self, source: Signal) -> Meter:
        """See `Measured`."""
        return SoundMeter(10.0 ** (self.threshold_db / 20.0))

    def resolved(self, reading: Heard) -> Stage:
        """The `Trim`. FileError where there is no sound, in a file that is not empty."""
        if reading.frames and not reading.end:
            raise FileError(f"silent: no sample reaches {self.threshold_db:g} dBFS, so nothing would be left of it")
        start = self._cut(reading.first) if self.ends != "end" else 0
        after = self._cut(reading.frames - reading.end) if self.ends != "start" else 0
        cut = f"{start / self.fs:.3f} s at the start and {after / self.fs:.3f} s at the end are cut"
        return Trim(start, reading.frames - after if after else None, f"{self.label}: {cut}")

    def _cut(self, silence: int) -> int:
        return max(0, silence - self.margin) if silence >= self.shortest else 0


class SoundMeter:
    """Where the first and the last frame are in which a channel reaches `threshold` (linear, 1 = full scale)."""

    def __init__(self, threshold: float) -> None:
        self._threshold, self._frames, self._first, self._end = threshold, 0, 0, 0

    def process(self, samples: Array) -> None:
        """See `Meter`."""
        end = -(-self._end_of(samples.reshape(-1)) // samples.shape[1])
        if end:
            if not self._end:
                self._first = self._frames + int(self._is_sound(samples).any(axis=1).argmax())
            self._end = self._frames + end
        self._frames += len(samples)

    def _end_of(self, samples: Array) -> int:
        """How many there are to the last that is sound; in pieces from the end, where a file mostly sounds."""
        end, count = len(samples), FIRST_SAMPLES
        while end:
            start = max(0, end - count)
            places = self._is_sound(samples[start:end]).nonzero()[0]
            if len(places):
                return start + int(places[-1]) + 1
            end, count = start, min(2 * count, MOST_SAMPLES)
        return 0

    def _is_sound(self, samples: Array) -> npt.NDArray[np.bool_]:
        return np.abs(samples) >= self._threshold

    def reading(self) -> Heard:
        """See `Meter`."""
        return Heard(self._frames, self._first, self._end)
