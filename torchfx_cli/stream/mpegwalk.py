"""Walks the packets of an MP3 from header to header; nothing is decoded.

A header says how long its packet is, so the next one is found behind it. Where none is there the stream has a hole; it
goes on where `RUN` headers of one kind follow one another, as by chance they never do: one is in each 5 kB of any file.

libmpg123 does not tell what it skips. After 1 KiB without a header it gives up, or it goes on with what merely looks
like one; where no packet counts the others it guesses their number from the first, and reads no more. So it is given
whole packets only, behind one that counts them (see `Stream.parts`).
"""

from __future__ import annotations

import os
import re
import struct
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import replace

from torchfx_cli.stream.mpeg import HEADER_MASK, NO_CHECKSUM, PADDING_BIT, RATE_BITS, Kind, kind_of
from torchfx_cli.stream.mpegstream import Hole, Stream
from torchfx_cli.stream.mpegtags import Info, info_of, made_info, tags_begin, tags_end
from torchfx_cli.stream.sound import Part

RUN = 3
MAX_TRIES = 50_000  # to find where a stream goes on, in a file that was made to have none
MAX_HOLES = 1000
MAX_REACH_BYTES = 511  # of earlier packets, that one of layer III may need
PIECE_BYTES = 1 << 20
SEARCH_BYTES = 1 << 16
FREE_BYTES = range(24, 3457)  # of a packet whose header leaves its length open, as libmpg123 allows
INFO_BITS = 9 << 12  # of the packet that we make: 144 to 720 bytes

_WORD = struct.Struct(">I")
_HEADER = re.compile(rb"\xff(?=[\xe2-\xe7\xf2-\xf7\xfa-\xff][\x00-\xef])")


def walk(fd: int, end: int, begin: int = 0) -> Stream | None:
    """The stream in the file, or between two places of it; None where no run of headers is there."""
    return _Walk(fd, begin, end).stream()


class _Walk:
    """What was found so far: see `Stream`; `silent`: where the packets are that want bytes out of holes."""

    def __init__(self, fd: int, begin: int, end: int) -> None:
        self._fd = fd
        self._begin = tags_end(fd, begin)
        self._end = tags_begin(fd, self._begin, end)
        self._tries = MAX_TRIES
        self._runs: list[tuple[int, int]] = []
        self._holes: list[Hole] = []
        self._silent: list[int] = []
        self._last: list[int] = []
        self._packets = self._cut_bytes = 0

    def stream(self) -> Stream | None:
        first = self._next_run(self._begin)
        if first is None:
            return None
        start, kind = first
        info, at = self._info(start, kind)
        is_counted = info is not None and info.count > 0
        if not is_counted and start > self._begin and self._reach(start, kind):
            self._holes.append(Hole(0, start - self._begin))
        if info is None:
            self._silent += self._reaching(start, kind)
        at, goes_on = self._follow(at, kind)
        can_count = kind.layer == 3 and not kind.free_bytes
        is_exact = is_counted and info is not None and info.count_at > 0 and info.count == self._packets
        is_whole = start == self._begin and len(self._runs) == 1 and at == self._end and not self._cut_bytes
        if can_count and (info is None or not info.count_at or not is_counted):
            info = self._made_info(start, kind, 0 if info is None else info.count)
        held_bytes = sum(stop - start for start, stop in self._runs)
        return Stream(kind, self._packets, info, tuple(self._audio(kind)), held_bytes, len(set(self._silent)),
                      tuple(self._holes), self._begin, self._end, self._cut_bytes, self._end - at, goes_on,
                      is_plain=is_whole and not self._silent and (is_exact or not can_count))

    def _follow(self, at: int, kind: Kind) -> tuple[int, bool]:
        """All runs of `kind` from `at` on; where the last ends, and whether packets of another kind are behind it."""
        found: tuple[int, Kind] | None = (at, kind)
        while found is not None and found[1] == kind and len(self._holes) < MAX_HOLES:
            start = found[0]
            if start > at:
                self._holes.append(Hole(self._packets, start - at))
                self._silent += [*self._last, *self._reaching(start, kind)]
            stop = self._take(start, kind)
            at = self._end if self._cut_bytes else min(tags_end(self._fd, stop), self._end)
            found = self._next_run(at)
        return at, found is not None and found[1] != kind

    def _reaching(self, at: int, kind: Kind) -> list[int]:
        """The packets from `at` on that need bytes from before it, which are lost: they would be noise, and loud."""
        found: list[int] = []
        held = 0
        while held < MAX_REACH_BYTES and (size := kind.sizes.get(self._word(at) & HEADER_MASK)) is not None:
            found += [at] * (self._reach(at, kind) > held)
            held += at + size - self._side(at) - kind.side_bytes
            at += size
        return found

    def _reach(self, at: int, kind: Kind) -> int:
        """How many bytes of earlier packets the one at `at` needs: none with which a stream of layer III begins."""
        return self._word(self._side(at)) >> 32 - kind.reach_bits if kind.layer == 3 else 0

    def _side(self, at: int) -> int:
        """Where the side information of a packet begins: behind its header, and a checksum."""
        return at + (4 if self._word(at) & NO_CHECKSUM else 6)

    def _audio(self, kind: Kind) -> Iterator[Part]:
        """The runs, their silent packets without side information.

        It says still how far the packet reaches back, and what lies behind it stays: that may be for later packets.
        """
        silent = sorted(set(self._silent))
        for start, stop in self._runs:
            for at in silent[bisect_left(silent, start) : bisect_left(silent, stop)]:
                side, reach = self._side(at), self._reach(at, kind) << 16 - kind.reach_bits
                yield start, side
                yield reach.to_bytes(2, "big").ljust(kind.side_bytes, b"\0")
                start = side + kind.side_bytes
            yield start, stop

    def _info(self, start: int, kind: Kind) -> tuple[Info | None, int]:
        """What counts the packets that begin at `start`, and where sound begins."""
        size = kind.sizes[self._word(start) & HEADER_MASK]
        info = info_of(os.pread(self._fd, size, start)) if kind.layer == 3 else None
        return info, start + size * (info is not None)

    def _made_info(self, start: int, kind: Kind, count: int) -> Info:
        word = self._word(start) & ~(RATE_BITS | PADDING_BIT) | INFO_BITS | NO_CHECKSUM
        return made_info(word, kind.sizes[word & HEADER_MASK], kind.side_bytes, kind.frames, count)

    def _take(self, start: int, kind: Kind) -> int:
        """The whole packets that follow one another from `start`; where they end."""
        sizes, unpack = kind.sizes, _WORD.unpack_from
        at, count, size = start, 0, 0
        found: int | None = 0
        while found is not None and at + 4 <= self._end:
            piece = os.pread(self._fd, min(PIECE_BYTES, self._end - at), at)
            limit, here = len(piece) - 4, 0
            while here <= limit:
                found = sizes.get(unpack(piece, here)[0] & HEADER_MASK)
                if found is None:
                    break
                size = found
                here += size
                count += 1
            if not here:
                break
            at += here
        self._cut_bytes = max(0, at - self._end)
        if self._cut_bytes:
            at, count = at - size, count - 1
        if count:
            self._runs.append((start, at))
            self._last = [at - size] if kind.layer == 3 and not self._cut_bytes else []
        self._packets += count
        return at

    def _word(self, at: int) -> int:
        return int.from_bytes(os.pread(self._fd, 4, at).ljust(4, b"\0"), "big")

    def _next_run(self, at: int) -> tuple[int, Kind] | None:
        """Where the next run begins at or behind `at`, and of what kind it is."""
        while at + 4 <= self._end and self._tries:
            piece = os.pread(self._fd, min(SEARCH_BYTES, self._end - at), at)
            for match in _HEADER.finditer(piece):
                self._tries -= 1
                kind = self._run_at(at + match.start())
                if kind is not None:
                    return at + match.start(), kind
                if not self._tries:
                    return None
            at += max(1, len(piece) - 2)
        return None

    def _run_at(self, at: int) -> Kind | None:
        """The kind of the packets of which `RUN` follow one another from `at`; fewer where the stream ends before."""
        word = self._word(at)
        kind = kind_of(word & HEADER_MASK)
        if kind is None or word & RATE_BITS:
            return kind if kind is not None and self._is_run(at, kind) else None
        return self._free_run_at(at, kind)

    def _is_run(self, at: int, kind: Kind) -> bool:
        needed = RUN - (at == self._begin)
        for number in range(RUN):
            if at + 4 > self._end:
                return at == self._end or number >= needed - 1
            size = kind.sizes.get(self._word(at) & HEADER_MASK)
            if size is None:
                return number >= needed
            at = tags_end(self._fd, at + size)
        return True

    def _free_run_at(self, at: int, kind: Kind) -> Kind | None:
        """The same where headers leave the length open: it is the distance to the next one."""
        near = os.pread(self._fd, FREE_BYTES.stop + 4, at)
        for match in _HEADER.finditer(near, FREE_BYTES.start):
            word, = _WORD.unpack_from(near.ljust(match.start() + 4, b"\0"), match.start())
            if kind_of(word & HEADER_MASK) == kind and not word & RATE_BITS:
                padding = (self._word(at) & PADDING_BIT > 0) * (4 if kind.layer == 1 else 1)
                free = replace(kind, free_bytes=match.start() - padding)
                if self._is_run(at, free):
                    return free
        return None
