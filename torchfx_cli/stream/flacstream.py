"""What the headers of a FLAC say (RFC 9639), and what of them libsndfile must not be told.

Its STREAMINFO may promise fewer frames than there are, and libsndfile reads no more. It knows samples of 8, 16 and 24
bits only, but where each frame tells its own width it decodes the others as well: it need not know. And a tag behind
the last frame, which belongs there in an MP3, is damage to it.
"""

from __future__ import annotations

import os

import numpy as np

from torchfx_cli.records import dataclass
from torchfx_cli.stream.chunks import id3_bytes, marks
from torchfx_cli.stream.mpegtags import tags_begin
from torchfx_cli.stream.sound import Block, Part, patched

MAX_BLOCKS = 4096  # of metadata
SEARCH_BYTES = 1 << 17  # for the last frame, where the file does not tell how long one is
NUMBER_BYTES = 7
STREAMINFO_HEADS = (b"\0\0\0\x22", b"\x80\0\0\x22")
_FACTS = 18  # where STREAMINFO tells rate, channels, width and frames, behind "fLaC" and the header of its block
_FRAMES = 0xFFFFFFFFF  # bits of them
_TOLD_WIDTHS = {8: 1, 12: 2, 16: 4, 20: 5, 24: 6, 32: 7}  # how a frame tells its own
_READABLE = {12: 16, 20: 24, 32: 24}  # what libsndfile is told instead


@dataclass(frozen=True)
class Flac:
    """The STREAMINFO of the FLAC that begins at `start`, and where its frames begin and end.

    block_frames, frame_bytes  of the longest frame of FLAC, 0 bytes where it does not say.
    facts                      rate, channels, bits of a sample and frames that are promised (0 for unknown), packed.
    md5                        of the samples, zeros for unknown.
    """

    start: int
    begin: int
    end: int
    block_frames: int
    frame_bytes: int
    facts: int
    md5: bytes

    @property
    def bits(self) -> int:
        return (self.facts >> 36 & 0x1F) + 1

    @property
    def channels(self) -> int:
        return (self.facts >> 41 & 7) + 1

    @property
    def frames(self) -> int:
        return self.facts & _FRAMES

    @property
    def can_be_read(self) -> bool:
        return self.bits in (8, 16, 24) or self.bits in _READABLE

    def parts(self, found: int, file_bytes: int) -> list[Part] | None:
        """What libsndfile is given instead of the file; None for nothing else. `found`: frames that there are."""
        patches: dict[int, bytes] = {}
        facts = self.facts
        if found > self.frames > 0:
            facts &= ~_FRAMES
        if self.bits in _READABLE:
            facts = facts & ~(0x1F << 36) | (_READABLE[self.bits] - 1) << 36
        if facts != self.facts:
            patches = {self.start + _FACTS: facts.to_bytes(8, "big")}
        return patched(self.end, patches) if patches or self.end < file_bytes else None

    def second(self, fd: int) -> int:
        """Where another FLAC begins behind the frames of this one, 0 for none; all of the file is read for it."""
        found = (at for at in marks(fd, b"fLaC", self.begin, self.end) if os.pread(fd, 4, at + 4) in STREAMINFO_HEADS)
        return next(found, 0)

    def last_end(self, fd: int) -> int:
        """How many frames there are by the number in the last frame of FLAC; 0 where none is found."""
        size = min(self.end - self.begin, (self.frame_bytes or SEARCH_BYTES) + 32)
        tail = os.pread(fd, size, self.end - size)
        at = len(tail)
        while (at := tail.rfind(b"\xff", 0, at)) >= 0:
            end = self.end_of(tail[at : at + 16])
            if end:
                return end
        return 0

    def end_of(self, head: bytes) -> int:
        """Where the frame of FLAC with the header `head` ends; 0 where it is none."""
        if len(head) < 6 or head[1] not in (0xF8, 0xF9) or head[3] & 1:
            return 0
        sizes, layout, width = head[2] >> 4, head[3] >> 4, head[3] >> 1 & 7
        if layout != self.channels - 1 and not (8 <= layout <= 10 and self.channels == 2):
            return 0
        if width not in (0, _TOLD_WIDTHS.get(self.bits, 0)):
            return 0
        count = max(1, 8 - (head[4] ^ 0xFF).bit_length())  # of bytes of the number, as in UTF-8
        number = head[4] & (0x7F >> count if count > 1 else 0x7F)
        for byte in head[5 : 4 + count]:
            number = number << 6 | byte & 0x3F
        at = 4 + count
        more = {6: 1, 7: 2}.get(sizes, 0)
        frames = int.from_bytes(head[at : at + more], "big") + 1 if more else _block_frames(sizes)
        at += more + {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
        if not frames or len(head) <= at or _crc8(head[:at]) != head[at]:
            return 0
        return (number if head[1] & 1 else number * self.block_frames) + frames


class SampleSum:
    """The MD5 of samples as an encoder of FLAC takes it: integers of as many whole bytes as they need."""

    def __init__(self, flac: Flac) -> None:
        import hashlib

        self._bits, self._told = flac.bits, flac.md5
        self._sum = hashlib.md5(usedforsecurity=False)

    def update(self, block: Block) -> None:
        """Add `block` [frames, channels] of left-justified integers, C-contiguous."""
        wide, size = block.dtype.itemsize, -(-self._bits // 8)
        if self._bits % 8:
            block = np.right_shift(block, wide * 8 - self._bits)  # type: ignore[call-overload, unused-ignore]
            self._sum.update(np.ascontiguousarray(block.view(np.uint8).reshape(-1, wide)[:, :size]).data)
        elif size == wide:
            self._sum.update(block.data)
        else:
            self._sum.update(np.ascontiguousarray(block.view(np.uint8).reshape(-1, wide)[:, wide - size :]).data)

    @property
    def fits(self) -> bool:
        return self._sum.digest() == self._told


def look(fd: int, file_bytes: int) -> Flac | None:
    """What the FLAC in the file open as `fd` says; None where it is none, or its STREAMINFO is damaged."""
    start = id3_bytes(os.pread(fd, 10, 0))
    head = os.pread(fd, 42, start)
    if head[:4] != b"fLaC" or len(head) < 42 or head[4] & 0x7F:
        return None
    at = start + 4
    for _ in range(MAX_BLOCKS):
        block = os.pread(fd, 4, at)
        if len(block) < 4:
            return None
        at += 4 + int.from_bytes(block[1:], "big")
        if block[0] & 0x80:
            break
    end = max(at, tags_begin(fd, at, file_bytes))
    return Flac(start, at, end, int.from_bytes(head[10:12], "big"), int.from_bytes(head[15:18], "big"),
                int.from_bytes(head[_FACTS:26], "big"), head[26:42])


def _block_frames(code: int) -> int:
    if code == 1:
        return 192
    return 576 << code - 2 if 2 <= code <= 5 else 256 << code - 8 if code >= 8 else 0


def _crc8(content: bytes) -> int:
    crc = 0
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ (0x07 if crc & 0x80 else 0)) & 0xFF
    return crc
