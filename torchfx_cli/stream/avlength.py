"""How long a sound is that FFmpeg decodes, and which of the last frames belong to it.

Encoders of AAC put frames in front (priming) and fill the last packet. FFmpeg leaves out those in front, as the file
says; those behind are left out here, by the edit list, the length of the last packet or iTunes' own count (iTunSMPB).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torchfx_cli.stream.foreign import Foreign
from torchfx_cli.stream.mp4boxes import sound_length

if TYPE_CHECKING:
    from torchfx_cli.stream.avpackets import Packets

MAX_FRAMES_PER_BYTE = 8192
MAX_PADDING = 1 << 14  # frames of priming and filling
ROUNDING_S = 0.002  # of an edit list, whose clock may tick 600 times a second


class Length:
    """The length of the sound in `packets`, whose first piece belongs at `start`, in frames at `fs`.

    frames   by the header; None where it does not count them.
    longest  that it may be.
    told_s   what a header tells that does not count frames, 0 where none does.
    """

    def __init__(self, fd: int, file_bytes: int, kind: Foreign, packets: Packets, fs: int, start: int | None) -> None:
        self._packets, self._kind, self._start = packets, kind, start
        self._tick = packets.ticks_at(fs)
        self._rounding = ROUNDING_S * fs if kind.demuxer == "mov" else 0.0
        self._is_counted = False
        self.frames = self._told(fd, file_bytes, fs)
        duration_s = (packets.container.duration or 0) / 1e6  # in FFmpeg's microseconds
        self.longest = max(self.frames or 0, (duration_s + 1.0) * fs)
        if kind.is_bare or not duration_s:  # time stamps of a bare kind are counted, and cannot leap
            self.longest = file_bytes * MAX_FRAMES_PER_BYTE
        self.told_s = 0.0
        if not (kind.is_exact or kind.is_bare):
            self.told_s = _clock(packets.stream.metadata.get("DURATION", ""))  # of Matroska, by stream
            if not self.told_s and not packets.container.streams.video:
                self.told_s = duration_s

    def _told(self, fd: int, file_bytes: int, fs: int) -> int | None:
        if self._kind.frames:
            return self._kind.frames
        stream = self._packets.stream
        is_indexed = self._kind.demuxer != "mov" or stream.frames
        if not self._kind.is_exact or not is_indexed or not stream.duration or stream.duration < 0:
            return None
        told = math.floor(stream.duration * self._tick)
        if self._kind.demuxer != "mov":
            return told
        length = sound_length(fd, file_bytes)
        exact = length[0] * fs // length[1] if length is not None and length[1] else told
        told = exact if abs(exact - told) <= self._rounding else told
        return self._counted(told)

    def _counted(self, told: int) -> int:
        """`told`, or iTunes' count, if it can be of this file: a program that cuts one may leave the old count."""
        count = self._packets.container.metadata.get("iTunSMPB", "").split()
        if len(count) < 4 or not _is_hex(count[3]):
            return told
        told -= self._start or 0  # what stands in front, where that is told by no edit list
        self._is_counted = -self._rounding <= told - int(count[3], 16) <= MAX_PADDING
        return int(count[3], 16) if self._is_counted else told

    def promised(self, made: int) -> int | None:
        """`frames` after the last of `made`; an edit list may be off by a few."""
        return made if self.frames is not None and 0 <= self.frames - made <= self._rounding else self.frames

    def kept(self, made: int, count: int, *, is_last: bool) -> int:
        """How many of the next `count` frames belong to the sound, behind `made`; the last packet may be filled up."""
        end = self.frames
        if not self._is_counted:
            if not is_last or not self._kind.is_exact or self._start is None:
                return count
            if self._packets.longest_ticks * self._tick >= count:  # else its time stamps tell nothing of lengths
                last = round(self._packets.end_ticks * self._tick) - self._start
                end = last if end is None or abs(last - end) <= self._rounding else end
        return count if end is None else max(0, min(count, end - made))


def _clock(text: str) -> float:
    """Seconds of 00:00:01.008000000, 0 for what is no such text."""
    parts = text.split(":")
    try:
        return float(parts[0]) * 3600 + float(parts[1]) * 60 + float(parts[2]) if len(parts) == 3 else 0.0
    except ValueError:
        return 0.0


def _is_hex(text: str) -> bool:
    return len(text) <= 16 and all(letter in "0123456789abcdefABCDEF" for letter in text)
