"""Where a time in the input is in its output, for chunks and tags that hold times.

A chain may cut off the beginning or the end and change the sample rate. Points outside the output are dropped, spans
are clipped at its edges, and a reference such as "samples since midnight" moves by what is cut off in front.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from torchfx_cli.records import dataclass


@dataclass(frozen=True)
class Timeline:
    """From frames of the input to frames of the output.

    place           where a frame of the input comes out; None where it does not.
    fs_in, fs_out   sample rates in Hz.
    first           the frame of the input with which the output begins; below 0 for silence in front.
    frames_out      length of the output; more than any file has where it is unknown.
    is_told         frames are in order; of a sound that is turned round only `reference` is known: the recording's.
    heard           the first frame of the input that is in the output, where silence comes before it; None: `first`.
    """

    place: Callable[[float], float | None]
    fs_in: int
    fs_out: int
    first: float
    frames_out: int
    is_told: bool = True
    heard: float | None = None

    @property
    def _heard(self) -> float:
        return self.first if self.heard is None else self.heard

    def is_cut_off(self, at: float) -> bool:
        """Whether the frame `at` of the input lies in front of all that is in the output."""
        return at < self._heard

    def point(self, at: float) -> int | None:
        """The frame of the output nearest to the frame `at` of the input; None outside the output.

        ValueError where it cannot be told.
        """
        if not self.is_told:
            raise ValueError("the sound is turned round")
        place = self.place(at)
        if place is None and abs(at - self._heard) <= 0.5:  # the chain's own times are rounded to frames, too
            place = (self._heard - self.first) * self.fs_out / self.fs_in
        found = None if place is None else math.floor(place + 0.5)
        return found if found is not None and 0 <= found <= self.frames_out else None

    def span(self, start: float, end: float) -> tuple[int, int] | None:
        """What is in the output of the frames from `start` up to `end`, which is not one of them; None for nothing."""
        if end <= self._heard:
            return None
        left = self.point(max(start, self._heard))
        right = self.point(end)
        right = self.frames_out if right is None else right
        return (left, right) if left is not None and left < right else None

    def length(self, frames: int) -> int:
        """A number of frames of the input, at the rate of the output."""
        return (frames * self.fs_out + self.fs_in // 2) // self.fs_in

    def reference(self, frames: int) -> int:
        """The time at which the output begins, in its frames, where the input began at `frames`; exact in 64 bits."""
        moved = frames * self.fs_out + math.floor(self.first * self.fs_out + 0.5)
        return max(0, (moved + self.fs_in // 2) // self.fs_in)

    def at_rest(self) -> Timeline:
        """Only the rate changes, for `reference`: times that do not depend on where the file begins."""
        return replace(self, first=0.0)

    def in_units(self, per_second: int) -> Timeline:
        """The same for times that are counted in units of their own, such as milliseconds."""
        def place(at: float) -> float | None:
            found = self.place(at * self.fs_in / per_second)
            return None if found is None else found * per_second / self.fs_out

        frames = math.floor(self.frames_out * per_second / self.fs_out + 0.5)
        units = per_second / self.fs_in
        heard = None if self.heard is None else self.heard * units
        return Timeline(place, per_second, per_second, self.first * units, frames, self.is_told, heard)
