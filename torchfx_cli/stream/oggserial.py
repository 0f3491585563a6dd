"""Gives an Ogg stream a serial number that follows from its content; libsndfile takes one by chance.

The number must differ between streams that are put one behind the other (RFC 3533, section 4), so it is a checksum of
the first pages, headers and some sound; two runs then give the same bytes. It stands in every page, under the page's
own CRC, which need not be computed anew: that CRC is linear (polynomial 0x04c11db7, nothing inverted), so the change
of four bytes changes it by a number that depends on how many bytes follow them, and on nothing else.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator

from torchfx_cli.stream.append import write_all
from torchfx_cli.stream.metadatasource import PIECE_BYTES

FIRST_BYTES = 1 << 14  # of the pages that decide; a second of sound, more where it is quiet
_HEADER_BYTES, _SERIAL, _CRC = 27, 14, 22  # of a page; where in it


class Renumbering:
    """Takes a stream in pieces of any size and hands it out in whole pages, the same ones however it was cut."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._serial: int | None = None
        self._changes: list[int] = []  # of the CRC, by the number of bytes behind the serial number

    def take(self, data: bytes | bytearray) -> bytes:
        """What can be handed out now that `data` has come, too."""
        self._waiting += data
        ends = list(_page_ends(self._waiting))
        if self._serial is None:
            first = next((end for end in ends if end >= FIRST_BYTES), 0)
            if not first:
                return b""
            self._decide(ends[: ends.index(first) + 1])
        return self._handed_out(ends)

    def rest(self) -> bytes:
        """All that is left, at the end of the stream."""
        ends = list(_page_ends(self._waiting))
        if self._serial is None and ends:
            self._decide(ends)
        return self._handed_out(ends) + bytes(self._waiting)

    def _decide(self, ends: list[int]) -> None:
        serial = 0
        for start, end in zip([0, *ends], ends, strict=False):
            page = self._waiting[start:end]
            page[_SERIAL : _SERIAL + 4] = page[_CRC : _CRC + 4] = bytes(4)
            serial = zlib.crc32(page, serial)
        self._serial = serial
        old = struct.unpack_from("<I", self._waiting, _SERIAL)[0]
        self._changes = [_crc_of(struct.pack("<I", old ^ serial))]

    def _handed_out(self, ends: list[int]) -> bytes:
        for start, end in zip([0, *ends], ends, strict=False):
            crc = struct.unpack_from("<I", self._waiting, start + _CRC)[0]
            struct.pack_into("<I", self._waiting, start + _SERIAL, self._serial)
            struct.pack_into("<I", self._waiting, start + _CRC, crc ^ self._change(end - start - _SERIAL - 4))
        done = bytes(self._waiting[: ends[-1]]) if ends else b""
        del self._waiting[: len(done)]
        return done

    def _change(self, behind: int) -> int:
        while len(self._changes) <= behind:
            self._changes.append(_shifted(self._changes[-1]))
        return self._changes[behind]


def renumber(fd: int) -> None:
    """The same for the whole file open as `fd`; its position is not moved. Raises OSError."""
    numbering = Renumbering()
    read = written = 0
    while piece := os.pread(fd, PIECE_BYTES, read):
        read += len(piece)
        written += write_all(fd, numbering.take(piece), written)
    write_all(fd, numbering.rest(), written)


def _page_ends(data: bytearray) -> Iterator[int]:
    """Where each whole page ends."""
    at = 0
    while data[at : at + 4] == b"OggS" and len(data) >= at + _HEADER_BYTES:
        segments = data[at + _HEADER_BYTES - 1]
        lengths = data[at + _HEADER_BYTES : at + _HEADER_BYTES + segments]
        at += _HEADER_BYTES + segments + sum(lengths)
        if len(lengths) < segments or at > len(data):
            return
        yield at


def _table() -> tuple[int, ...]:
    values = []
    for byte in range(256):
        crc = byte << 24
        for _ in range(8):
            crc = (crc << 1) ^ (0x104C11DB7 if crc & 0x80000000 else 0)
        values.append(crc)
    return tuple(values)


_TABLE = _table()


def _shifted(crc: int) -> int:
    """The CRC once a byte 0 follows."""
    return ((crc << 8) & 0xFFFFFFFF) ^ _TABLE[crc >> 24]


def _crc_of(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc = _shifted(crc ^ byte << 24)
    return crc
