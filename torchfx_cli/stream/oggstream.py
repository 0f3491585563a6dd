"""What the pages of an Ogg say of it: how many streams, whether it ends, and where pages of the first are missing.

The pages of a stream are counted, so those that are lost, or whose CRC does not fit, leave a gap in the numbers.
Between gaps lie runs, each of which is decoded by itself: libsndfile goes on behind a gap as if there were none.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from torchfx_cli.stream.oggpages import BEGINS, CONTINUED, ENDS, HEADER_BYTES, NO_GRANULE, Page, pages, sealed
from torchfx_cli.stream.sound import Part

MAX_GAPS = 1000
_MAGICS = {b"\x01vorbis": 3, b"OpusHead": 2}  # with which a stream begins, and how many packets are headers
_PRE_SKIP = 10  # where OpusHead says how many frames a decoder leaves out at the beginning
_FAMILY = 18  # where it says how channels are mapped
OPUS_HZ = 48000


@dataclass(frozen=True)
class Run:
    """Pages that follow one another: as parts of the file, and the position at their end."""

    parts: tuple[Part, ...]
    granule: int


@dataclass(frozen=True)
class OggStream:
    """The first stream of a file. Only of Vorbis and Opus are there `runs`, the first with the headers in front.

    first       the page that begins it.
    headers     the parts of the file that hold the other pages of headers.
    is_late     whether pages are missing between those of the headers and the first run.
    repeats     whether pages came twice; `runs` have them once.
    streams     streams that begin after another has ended (1 = a plain file).
    is_whole    whether the last page of the file ends a stream.
    """

    first: bytes
    headers: tuple[Part, ...]
    runs: tuple[Run, ...]
    is_late: bool
    repeats: bool
    streams: int
    is_whole: bool

    @property
    def has_gap(self) -> bool:
        """Whether pages are missing, behind those of the headers."""
        return self.is_late or len(self.runs) > 1

    @property
    def is_opus(self) -> bool:
        return _magic(self.first) == b"OpusHead"

    @property
    def has_speakers(self) -> bool:
        """Whether its channels are for speakers by their number; Opus may have others (mapping family 2 and more)."""
        at = HEADER_BYTES + self.first[26]
        return bool(_magic(self.first)) and (not self.is_opus or self.first[at + _FAMILY : at + _FAMILY + 1] == b"\1")

    @property
    def pre_skip(self) -> int:
        """Frames at 48 kHz that a decoder of Opus leaves out at the beginning, 0 for Vorbis."""
        at = HEADER_BYTES + self.first[26] + _PRE_SKIP
        return int(struct.unpack_from("<H", self.first, at)[0]) if self.is_opus else 0

    def parts(self, run: Run, *, is_first: bool) -> list[Part]:
        """A stream that is `run` alone. libsndfile does not leave out what it shall where a stream begins late."""
        return [self.first if is_first else self._without_pre_skip(), *self.headers, *run.parts]

    def _without_pre_skip(self) -> bytes:
        if not self.is_opus:
            return self.first
        at = HEADER_BYTES + self.first[26] + _PRE_SKIP
        return sealed(self.first[:at] + bytes(2) + self.first[at + 2 :])


def walk(fd: int, file_bytes: int) -> OggStream | None:
    """The first stream of the file open as `fd`; None where not even its first page is whole."""
    return _Walk(fd).stream(pages(fd, file_bytes))


@dataclass
class _Walk:
    """What was found so far; `waiting`: pages in which no packet ended, behind the last run."""

    fd: int
    headers: list[Part] = field(default_factory=list)
    runs: list[tuple[list[Part], int]] = field(default_factory=list)
    waiting: list[Page] = field(default_factory=list)
    last: Page | None = None
    is_late: bool = False
    repeats: bool = False
    has_ended: bool = False

    def stream(self, found: Iterator[Page]) -> OggStream | None:
        first = next(found, None)
        if first is None or not first.flags & BEGINS:
            return None
        raw = os.pread(self.fd, first.end - first.start, first.start)
        self.last, page = first, first
        missing = _MAGICS.get(_magic(raw), 0) - 1  # packets of headers
        streams, began = 1, True
        for page in found:
            begins = bool(page.flags & BEGINS)
            streams += begins and not began
            began = begins
            if page.serial != first.serial or self.has_ended:
                continue
            if missing > 0:
                _join(self.headers, page)
                missing -= page.packets
                self.last = page
            elif missing == 0:
                self._take(page)
        runs = tuple(Run(tuple(parts), granule) for parts, granule in self.runs)
        return OggStream(raw, tuple(self.headers), runs, self.is_late, self.repeats, streams, bool(page.flags & ENDS))

    def _take(self, page: Page) -> None:
        """A page of sound. One whose number was there already comes a second time, if its position did, too."""
        last = self.last
        follows = last is not None and page.number == last.number + 1
        if last is not None and not follows and page.number <= last.number and page.granule <= last.granule:
            self.repeats = True
            return
        self.has_ended = bool(page.flags & ENDS)
        if not follows:
            self.waiting.clear()
            if page.granule == NO_GRANULE or len(self.runs) > MAX_GAPS:
                return
            self.is_late |= not self.runs
            self.runs.append((self._begun(page), page.granule))
        elif page.granule == NO_GRANULE:
            self.waiting.append(page)
        else:
            parts = self.runs.pop()[0] if self.runs else []
            for more in (*self.waiting, page):
                _join(parts, more)
            self.waiting.clear()
            self.runs.append((parts, page.granule))
        self.last = page

    def _begun(self, page: Page) -> list[Part]:
        """The first page of a run, without the end of a packet that began before."""
        if not page.flags & CONTINUED:
            return [(page.start, page.end)]
        count = next(number for number, length in enumerate(page.lacing, 1) if length < 255)
        raw = os.pread(self.fd, page.end - page.start, page.start)
        body = raw[HEADER_BYTES + len(page.lacing) + sum(page.lacing[:count]) :]
        head = raw[:5] + bytes([page.flags & ~CONTINUED]) + raw[6:26] + bytes([len(page.lacing) - count])
        return [sealed(head + page.lacing[count:] + body)]


def _join(parts: list[Part], page: Page) -> None:
    last = parts[-1] if parts else b""
    if isinstance(last, tuple) and last[1] == page.start:
        parts[-1] = last[0], page.end
    else:
        parts.append((page.start, page.end))


def _magic(first: bytes) -> bytes:
    begin = HEADER_BYTES + first[26]
    return next((magic for magic in _MAGICS if first.startswith(magic, begin)), b"")
