"""The boxes of an MP4 or QuickTime file (ISO 14496-12), as far as they tell how long the sound is.

FFmpeg hands out the length of the edit list, which counts in a clock of the whole file, of milliseconds mostly; that of
the sound itself counts its frames.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

MAX_BOXES = 100_000


class Box(NamedTuple):
    """The name of a box, and where its content begins and ends."""

    name: bytes
    start: int
    end: int


def boxes(fd: int, at: int, end: int) -> Iterator[Box]:
    """The boxes from `at` on, the last of which may reach beyond `end`."""
    for _ in range(MAX_BOXES):
        head = os.pread(fd, 16, at)
        size, start = int.from_bytes(head[:4], "big"), at + 8
        if size == 1:
            size, start = int.from_bytes(head[8:], "big"), at + 16
        if start > end or size < start - at or not head[4:8].isascii():
            return
        yield Box(head[4:8], start, at + size)
        at += size


def sound_length(fd: int, file_bytes: int) -> tuple[int, int] | None:
    """Ticks of the first sound behind what its edit list leaves out in front, and ticks a second; None if not told."""
    for track in _inside(fd, Box(b"", 0, file_bytes), b"moov", b"trak"):
        if not any(os.pread(fd, 4, box.start + 8) == b"soun" for box in _inside(fd, track, b"mdia", b"hdlr")):
            continue
        header = next(_inside(fd, track, b"mdia", b"mdhd"), None)
        content = b"" if header is None else os.pread(fd, 32, header.start)
        if len(content) < 32:
            return None
        rate, ticks = struct.unpack_from(">IQ", content, 20) if content[0] else struct.unpack_from(">II", content, 12)
        edits = next(_inside(fd, track, b"edts", b"elst"), None)
        return int(ticks) - (0 if edits is None else _left_out(os.pread(fd, 28, edits.start))), int(rate)
    return None


def _left_out(edits: bytes) -> int:
    """Where the first edit begins in the sound."""
    form, at = (">q", 16) if edits[:1] == b"\1" else (">i", 12)
    return max(0, struct.unpack_from(form, edits, at)[0]) if len(edits) >= at + struct.calcsize(form) else 0


def _inside(fd: int, box: Box, *names: bytes) -> Iterator[Box]:
    """The boxes that are called by the last of `names` in those called by the ones before, in `box`."""
    for found in boxes(fd, box.start, box.end):
        if found.name == names[0]:
            yield from _inside(fd, found, *names[1:]) if len(names) > 1 else (found,)
