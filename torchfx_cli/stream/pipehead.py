"""What stands before the samples in a pipe, and what is found behind them, as the chunks of a file.

Only what has samples of a fixed size, and FLAC, can be read as it comes: libsndfile looks for the end of an Ogg or the
length of an MP3, and an AIFF or a CAF may tell behind its samples what they are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace

from torchfx_cli.stream.chunks import Chunk, Layout
from torchfx_cli.stream.inpipe import ENDLESS, InPipe

WAVES = (b"RIFF", b"RIFX", b"RF64")
AU_HEADER_BYTES = 24
# Codes of a fmt chunk and of an AU header that mean samples of a fixed size: PCM, floats, A-law, u-law.
PLAIN_WAVE = frozenset({1, 3, 6, 7})
PLAIN_AU = frozenset({1, 2, 3, 4, 5, 6, 7, 27})
EXTENSIBLE = 0xFFFE


def head_of(pipe: InPipe) -> bytes:
    """What is before the samples, or the first four bytes of what is read otherwise; raises ReadError."""
    magic = pipe.exactly(4)
    if magic == b"fLaC":
        _walk_flac(pipe)
    elif magic == b".snd":
        pipe.skip(AU_HEADER_BYTES - 4)
    elif magic in WAVES:
        _walk_wave(pipe)
    if pipe.fault is not None:
        raise pipe.fault
    return pipe.head


def can_stream(head: bytes) -> bool:
    """Whether samples behind `head` can be read as they come."""
    if head[:4] == b".snd":
        return int.from_bytes(head[12:16], "big") in PLAIN_AU
    if head[:4] == b"fLaC":  # libsndfile is told another width than some have, see flacstream.py
        return len(head) > 21 and int.from_bytes(head[20:22], "big") >> 4 & 0x1F in (7, 15, 23)
    return (head[:4] in WAVES and _wave_code(head) in PLAIN_WAVE)


def _wave_code(head: bytes) -> int:
    fmt, order = _fmt(head), _order(head)
    code = struct.unpack_from(f"{order}H", fmt)[0] if len(fmt) >= 16 else 0
    return struct.unpack_from(f"{order}H", fmt, 24)[0] if code == EXTENSIBLE and len(fmt) >= 26 else code


def _fmt(head: bytes) -> bytes:
    """The content of the fmt chunk, b"" where there is none."""
    at = 12
    while len(head) >= at + 8:
        name, size = struct.unpack_from(f"{_order(head)}4sI", head, at)
        if name == b"fmt ":
            return head[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    return b""


def _walk_wave(pipe: InPipe) -> None:
    order = _order(pipe.head)
    pipe.skip(8)  # the size of the whole, and "WAVE"
    while len(header := pipe.exactly(8)) == 8:
        name, size = struct.unpack(f"{order}4sI", header)
        if name == b"data" or pipe.skip(size + size % 2) < size:
            return


def _walk_flac(pipe: InPipe) -> None:
    while len(header := pipe.exactly(4)) == 4:
        size = int.from_bytes(header[1:], "big")
        if pipe.skip(size) < size or header[0] & 0x80:
            return


def _order(head: bytes) -> str:
    return ">" if head[:4] == b"RIFX" else "<"


def promised_bytes(layout: Layout | None, head: bytes) -> int:
    """Bytes of samples by the header; -1 where it does not say, also because it was never finished."""
    if layout is None or layout.data is None:
        return 0
    size = layout.data.size
    if layout.is_streamed or size >= ENDLESS:
        return -1
    return -1 if size == 0 and layout.kind != "AU" and not _is_finished(layout, head) else size


def _is_finished(layout: Layout, head: bytes) -> bool:
    """Whether the header knows of something behind its 0 samples."""
    ds64 = layout.first("ds64")
    whole = struct.unpack_from(f"{_order(head)}I", head, 4)[0] if ds64 is None else _uint64(head, ds64.start)
    return bool(whole + 8 > len(head))


def _uint64(head: bytes, at: int) -> int:
    return int.from_bytes(head[at : at + 8], "little")


def align(head: bytes) -> int:
    """Bytes of a frame: nBlockAlign of the fmt chunk."""
    return max(1, struct.unpack_from(f"{_order(head)}H", _fmt(head), 12)[0])


def size_patch(layout: Layout, data: Chunk, size: int) -> tuple[int, bytes]:
    """Where the header tells the size of the samples, and the bytes that say `size`."""
    ds64 = layout.first("ds64")
    if layout.kind == "RF64" and ds64 is not None:
        return ds64.start + 8, struct.pack("<Q", size)
    return data.start - 4, struct.pack(f"{'>' if layout.big_endian else '<'}I", size)


def ending(layout: Layout, size: int, pipe: InPipe) -> Layout:
    """`layout` with what is found behind the samples, of which `size` bytes were promised, or -1."""
    data = layout.data
    assert data is not None
    if size < 0:
        unfinished = data.size == 0
        told = replace(data, size=0 if unfinished else -1)
        chunks = tuple(told if chunk is data else chunk for chunk in layout.chunks)
        return replace(layout, chunks=chunks, end=data.start if unfinished else ENDLESS)
    if layout.kind == "AU":
        return replace(layout, end=data.start + size)
    end = data.start + size + size % 2
    pipe.skip(end - pipe.go_on())
    tail = tuple(_chunks_here(pipe, layout.big_endian))
    if tail:
        end = tail[-1].start + tail[-1].size + tail[-1].size % 2
    return replace(layout, chunks=(*layout.chunks, *tail), end=end)


def _chunks_here(pipe: InPipe, big_endian: bool) -> Iterator[Chunk]:
    """The chunks that begin where the pipe is, up to what is none."""
    while len(header := pipe.exactly(8)) == 8:
        name, size = struct.unpack(">4sI" if big_endian else "<4sI", header)
        if not (name.isascii() and name.decode("ascii").isprintable()):
            return
        yield Chunk(name.decode("ascii").rstrip(), pipe.go_on(), size)
        pipe.skip(size + size % 2)
