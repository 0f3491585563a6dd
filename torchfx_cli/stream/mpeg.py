"""The frames of an MPEG audio stream (ISO 11172-3, 13818-3), walked from header to header: nothing is decoded.

A frame's header says how long it is, so the next one is found behind it. Where none is there the stream has a hole; it
goes on where a run of `RUN` headers of one version, layer and rate follow one another, as by chance they never do.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache

from torchfx_cli.stream.chunks import id3_bytes

RUN = 3
MAX_TRIES = 50_000  # to find where a stream goes on, in a file that was made to have none
PIECE_BYTES = 1 << 20
LONGEST_FRAME_BYTES = 1 << 13
_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_KBIT = {  # a second; by MPEG-1 or not, and layer
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_TAGS_BEHIND = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3", b"3DI")


@dataclass(frozen=True)
class Header:
    """What a frame's header says: its length in bytes and in frames of audio, its rate in Hz, mono or not."""

    size: int
    frames: int
    fs: int
    is_mono: bool


@dataclass(frozen=True)
class Hole:
    """Bytes that are no MPEG audio, behind `frames` frames of audio."""

    frames: int
    size: int


@dataclass(frozen=True)
class Stream:
    """What was found; all frames are of one rate.

    start       where, in bytes, its first header is.
    frames      of audio, that the headers hold.
    lost        frames of audio that would have filled the holes, about.
    holes       before the end.
    ends_with   bytes at the end that are neither audio nor a tag; more than `LONGEST_FRAME_BYTES` say that it goes on.
    cut_bytes   that the last frame lacks.
    other       frames of audio in front of the first header of another rate or number of channels; None: there is none.
    """

    fs: int
    start: int
    frames: int
    lost: int
    holes: tuple[Hole, ...]
    ends_with: int
    cut_bytes: int
    other: int | None


@lru_cache(maxsize=1024)
def header_of(first: int, second: int, third: int) -> Header | None:
    """What the second, third and fourth byte of a header say; None for what is none, or of free format."""
    version, layer = first >> 3 & 3, 4 - (first >> 1 & 3)
    kbit, rate = second >> 4, second >> 2 & 3
    if first & 0xE0 != 0xE0 or version == 1 or layer == 4 or kbit in (0, 15) or rate == 3:
        return None
    is_1, fs = version == 3, _RATES_HZ[version][rate]
    bits = 1000 * _KBIT[is_1, layer if is_1 else min(layer, 2)][kbit - 1]
    frames = 384 if layer == 1 else 1152 if layer == 2 or is_1 else 576
    padding = second >> 1 & 1
    size = (12 * bits // fs + padding) * 4 if layer == 1 else frames // 8 * bits // fs + padding
    return Header(size, frames, fs, third >> 6 == 3)


def walk(fd: int, file_bytes: int) -> Stream | None:
    """The stream in the file; None where no run of headers is in it."""
    at = _behind_tags(fd)
    window = _Window(fd)
    start = window.next_run(at, file_bytes, None)
    if start is None:
        return None
    first = window.header(start)
    assert first is not None
    at, frames, count, used, other = start, 0, 0, 0, None
    holes: list[Hole] = []
    while at < file_bytes:
        header = window.header(at)
        if header is None or header.fs != first.fs:
            found = window.next_run(at, file_bytes, first)
            if found is None:
                break
            holes.append(Hole(frames, found - at))
            at = found
            continue
        if other is None and header.is_mono != first.is_mono and window.is_run(at, file_bytes, header):
            other = frames
        at, frames, count, used = at + header.size, frames + header.frames, count + 1, used + header.size
    behind = file_bytes - at
    if other is None and behind > LONGEST_FRAME_BYTES and window.next_run(at, file_bytes, None) is not None:
        other = frames
    is_tag = window.bytes_at(at, 11).startswith(_TAGS_BEHIND)
    lost = round(sum(hole.size for hole in holes) * count / max(1, used)) * first.frames
    return Stream(first.fs, start, frames, lost, tuple(holes), 0 if is_tag else max(0, behind), max(0, -behind), other)


def _behind_tags(fd: int) -> int:
    at = 0
    while size := id3_bytes(os.pread(fd, 10, at)):
        at += size
    return at


class _Window:
    """Some of the file in memory, around where it was asked for last."""

    def __init__(self, fd: int) -> None:
        self._fd, self._start, self._data = fd, 0, b""
        self._tries = 0

    def bytes_at(self, at: int, count: int) -> bytes:
        if not self._start <= at <= self._start + len(self._data) - count:
            self._start, self._data = at, os.pread(self._fd, PIECE_BYTES, at)
        return self._data[at - self._start : at - self._start + count]

    def header(self, at: int) -> Header | None:
        raw = self.bytes_at(at, 4)
        return header_of(raw[1], raw[2], raw[3] & 0xC0) if len(raw) == 4 and raw[0] == 0xFF else None

    def next_run(self, at: int, end: int, like: Header | None) -> int | None:
        """Where the next run of headers begins at or behind `at`, of the rate of `like`; the last may end the file."""
        while at < end and self._tries < MAX_TRIES:
            self._tries += 1
            self.bytes_at(at, 1)
            place = self._data.find(b"\xff", at - self._start)
            if place < 0:
                at = self._start + len(self._data)
                continue
            at = self._start + place
            if self.is_run(at, end, like):
                return at
            at += 1
        return None

    def is_run(self, at: int, end: int, like: Header | None) -> bool:
        """Whether `RUN` headers follow one another from `at` on; of a file that ends before, one is enough."""
        found: list[bool] = []
        while len(found) < RUN and at < end:
            header = self.header(at)
            if header is None or (like is not None and (header.fs, header.frames) != (like.fs, like.frames)):
                return False
            like, at = like or header, at + header.size
            found.append(header.is_mono)
        return bool(found) and len(set(found)) == 1
