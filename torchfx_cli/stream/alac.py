"""ALAC in a CAF that libsndfile decodes wrongly, without a word: packets that do not compress, of more than 16 bits.

Where samples do not compress, as noise does not, a packet holds them as they are. libsndfile (1.2) reads the second
channel of such a pair from the wrong places, and of 32 bits the first one, too; FFmpeg reads them right. Each packet
tells of it in the head of its first element (ALACDecoder.cpp: 3 bits of its tag, 4 of its instance, 12 that are not
used, 1 for a shorter packet, 2 of bytes shifted, then 1 for "as they are"). Elements behind it are not looked at.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from torchfx_cli.stream.chunks import Layout, alac_cookie
from torchfx_cli.stream.foreign import Foreign

HEAD_BYTES, HEAD_BITS, COUNT_BITS = 7, 23, 32  # the head of an element, and how long a shorter packet is
AS_THEY_ARE, SHORTER = 1 << 1, 1 << 4  # bits of the third byte
PLAIN_BITS = 16
MAX_TABLE_BYTES = 1 << 26
_TABLE_HEAD = 24  # of "pakt": how many packets, and frames, which ffmpeg does not count right


def misread(fd: int, layout: Layout | None) -> Foreign | None:
    """The kind to decode the file open as `fd` as, where libsndfile would be wrong; else None."""
    cookie = alac_cookie(fd, layout)
    if layout is None or len(cookie) < 10 or cookie[5] <= PLAIN_BITS or (cookie[9] < 2 and cookie[5] < 32):
        return None
    table, data = layout.first("pakt"), layout.first("data")
    if table is None or data is None or table.size > MAX_TABLE_BYTES:
        return None
    at, longest, frames, is_wrong = data.start, int.from_bytes(cookie[:4], "big"), 0, False
    for size in _sizes(os.pread(fd, table.size, table.start)):
        head = os.pread(fd, HEAD_BYTES, at).ljust(HEAD_BYTES, b"\0")
        is_wrong |= bool(head[2] & AS_THEY_ARE)
        after = int.from_bytes(head, "big") >> (8 * HEAD_BYTES - HEAD_BITS - COUNT_BITS) & (1 << COUNT_BITS) - 1
        frames += min(longest, after) if head[2] & SHORTER else longest
        at += size
    if not is_wrong:
        return None
    return Foreign(f"ALAC of {cookie[5]} bits that does not compress", "caf", is_exact=True, name="CAF", frames=frames)


def _sizes(table: bytes) -> Iterator[int]:
    """Of the packets: seven bits a byte, the high bit says that more follow (Apple Core Audio Format 1.0)."""
    left, size = int.from_bytes(table[:8], "big"), 0
    for byte in table[_TABLE_HEAD:]:
        size = size << 7 | byte & 0x7F
        if not byte & 0x80:
            if not left:
                return
            yield size
            left, size = left - 1, 0
