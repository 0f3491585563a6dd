"""The pages of an Ogg (RFC 3533): those that are whole and whose CRC fits, as libogg takes no others.

That CRC takes the bits of a byte in the other order than zlib's (polynomial 0x04c11db7, nothing inverted), so bytes
are turned round and zlib does the work.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

CONTINUED, BEGINS, ENDS = 1, 2, 4
HEADER_BYTES = 27
MAX_PAGE_BYTES = HEADER_BYTES + 255 + 255 * 255
WINDOW_BYTES = 1 << 20
NO_GRANULE = -1  # of a page in which no packet ends
_CRC = slice(22, 26)
_TURNED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True)
class Page:
    """A page from `start` to `end`; `granule`: the position at the end of the last packet that ends in it."""

    start: int
    end: int
    flags: int
    granule: int
    serial: int
    number: int
    lacing: bytes

    @property
    def packets(self) -> int:
        """How many end in it."""
        return sum(length < 255 for length in self.lacing)


def pages(fd: int, file_bytes: int) -> Iterator[Page]:
    """The pages of the file open as `fd`, whatever lies between them."""
    at = base = 0
    window = b""
    while at < file_bytes:
        if at + MAX_PAGE_BYTES > base + len(window) and base + len(window) < file_bytes:
            window, base = os.pread(fd, WINDOW_BYTES, at), at
            if not window:
                return
        page = _page_at(window, at - base, base)
        if page is None:
            found = window.find(b"OggS", at - base + 1)
            at = base + (found if found >= 0 else max(at - base + 1, len(window) - 3))
        else:
            yield page
            at = page.end


def _page_at(window: bytes, at: int, base: int) -> Page | None:
    head = window[at : at + HEADER_BYTES]
    if head[:4] != b"OggS" or len(head) < HEADER_BYTES:
        return None
    flags, granule, serial, number = struct.unpack_from("<BqII", head, 5)
    lacing = window[at + HEADER_BYTES : at + HEADER_BYTES + head[26]]
    end = at + HEADER_BYTES + head[26] + sum(lacing)
    if end > len(window) or crc_of(window[at:end]) != head[_CRC]:
        return None
    ends_packet = any(length < 255 for length in lacing)
    return Page(base + at, base + end, flags, granule if ends_packet else NO_GRANULE, serial, number, lacing)


def crc_of(page: bytes) -> bytes:
    """As it belongs into `page`."""
    turned = page[: _CRC.start].translate(_TURNED) + bytes(4) + page[_CRC.stop :].translate(_TURNED)
    crc = zlib.crc32(turned, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return crc.to_bytes(4, "little").translate(_TURNED)[::-1]


def sealed(page: bytes) -> bytes:
    """`page` with its CRC."""
    return page[: _CRC.start] + crc_of(page) + page[_CRC.stop :]
