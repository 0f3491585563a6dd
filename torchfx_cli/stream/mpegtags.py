"""What lies around the packets of an MP3: tags before and behind them, and a first packet that counts the others.

That packet is silence to an old decoder. Xing made it up; LAME and ffmpeg write it too, with the frames that they put
before and behind the sound. Fraunhofer's (VBRI) is much the same.
"""

from __future__ import annotations

import os
import struct

from torchfx_cli.records import dataclass
from torchfx_cli.stream.chunks import id3_bytes

# Frames by which every decoder of layer III is late. Where packets are counted libmpg123 leaves them out, with those
# that the encoder tells of.
DECODER_DELAY = 529

_HAS_COUNT, _HAS_BYTES = 1, 2
_FIELDS = ((_HAS_COUNT, 4), (_HAS_BYTES, 4), (4, 100), (8, 4))  # flag and bytes; the others: table of contents, quality
_XING_AT = (13, 15, 21, 23, 36, 38)  # behind header, checksum and side information
_LAME_DELAYS_AT = 21
_VBRI_AT, _VBRI_COUNT_AT = 36, 50
_MAX_TAGS = 8
_LYRICS_BYTES = 5120  # of Lyrics3 version 1, at most


@dataclass(frozen=True)
class Info:
    """The packet that counts the others.

    count                 of packets, without itself; 0 where it does not say.
    is_exact              the count is not wrong by one, as those of old encoders may be.
    count_at, bytes_at    where in the packet the count and the size of the stream stand, 0 where they do not; libmpg123
                          heeds nothing without a count.
    before, behind        frames that a decoder leaves out in front and at the end.
    packet                all of it.
    lead                  a packet of silence that follows in a stream to which we have added both.
    """

    count: int
    is_exact: bool
    count_at: int
    bytes_at: int
    before: int
    behind: int
    packet: bytes
    lead: bytes = b""

    def counting(self, count: int, size: int) -> bytes:
        """The packet with another count, of others that take `size` bytes."""
        packet = bytearray(self.packet)
        for at, number in ((self.count_at, count + bool(self.lead)), (self.bytes_at, size + len(packet))):
            if at:
                packet[at : at + 4] = struct.pack(">I", number & 0xFFFFFFFF)
        return bytes(packet) + self.lead


def info_of(packet: bytes) -> Info | None:
    """What `packet` counts; None where it holds sound."""
    if packet[_VBRI_AT : _VBRI_AT + 4] == b"VBRI":
        return Info(_number(packet, _VBRI_COUNT_AT), False, 0, 0, 0, 0, packet)
    at = next((at for at in _XING_AT if packet[at : at + 4] in (b"Xing", b"Info")), None)
    if at is None:
        return None
    flags, at = _number(packet, at + 4), at + 8
    count_at = at if flags & _HAS_COUNT else 0
    bytes_at = at + 4 * bool(count_at) if flags & _HAS_BYTES else 0
    lame = packet[at + sum(size for flag, size in _FIELDS if flags & flag) :]
    delay, padding = divmod(_number(lame, _LAME_DELAYS_AT) >> 8 if any(lame[:1]) else 0, 1 << 12)
    before, behind = delay + DECODER_DELAY, max(0, padding - DECODER_DELAY)
    count = _number(packet, count_at) if count_at else 0
    return Info(count, bool(delay or padding), count_at, bytes_at, before, behind, packet)


def made_info(word: int, size: int, side_bytes: int, packet_frames: int, count: int) -> Info:
    """Two packets of `size` bytes with the header `word` for a stream without a count that libmpg123 heeds.

    What it leaves out in front, the delay of the decoder and of the encoder, is all of the silent one and no more.
    """
    head = struct.pack(">I", word) + bytes(side_bytes)
    lame = b"torchfx  ".ljust(_LAME_DELAYS_AT, b"\0") + struct.pack(">I", packet_frames - DECODER_DELAY << 20)[:3]
    packet = head + struct.pack(">4sII", b"Info", _HAS_COUNT, 0) + lame
    return Info(count, False, len(head) + 8, 0, 0, 0, packet.ljust(size, b"\0"), head.ljust(size, b"\0"))


def _number(packet: bytes, at: int) -> int:
    return int.from_bytes(packet[at : at + 4].ljust(4, b"\0"), "big")


def tags_end(fd: int, at: int) -> int:
    """Where the tags that begin at `at` have ended: ID3v2, and what others left of ID3v1 and APE in joined files."""
    for _ in range(_MAX_TAGS):
        head = os.pread(fd, 32, at)
        size = id3_bytes(head[:10])
        if size:
            size += 10 * (head[5] >> 4 & 1)  # a footer
        elif head[:3] == b"TAG":
            size = 128
        elif head[:8] == b"APETAGEX" and len(head) == 32:
            size = 32 + int.from_bytes(head[12:16], "little")
        if not size:
            break
        at += size
    return at


def tags_begin(fd: int, start: int, end: int) -> int:
    """Where the tags that end at `end` begin, not before `start`: ID3v1, APE, Lyrics3, ID3v2 with a footer."""
    for _ in range(_MAX_TAGS):
        size = _tag_bytes(os.pread(fd, max(0, min(end - start, _LYRICS_BYTES)), max(start, end - _LYRICS_BYTES)))
        if not size or end - size < start:
            break
        end -= size
    return end


def _tag_bytes(tail: bytes) -> int:
    """The size of the tag that ends with these bytes, 0 where none does."""
    if tail[-128:-125] == b"TAG":
        return 128 + 227 * (tail[-355:-351] == b"TAG+")
    if tail[-32:-24] == b"APETAGEX":
        size, _, flags = struct.unpack("<III", tail[-20:-8])
        return int(size) + 32 * (flags >> 31)
    if tail[-10:-7] == b"3DI":
        return id3_bytes(b"ID3" + tail[-7:]) + 10
    if tail[-9:] == b"LYRICS200" and tail[-15:-9].isdigit():
        return int(tail[-15:-9]) + 15
    begin = tail.rfind(b"LYRICSBEGIN") if tail[-9:] == b"LYRICSEND" else -1
    return len(tail) - begin if begin >= 0 else 0
