"""Puts chunks behind the samples of a WAV, RF64, AIFF or CAF that libsndfile has closed, and finds them there again.

Not in front of the samples: those would have to be moved, and libsndfile's own way (`sf_set_chunk`) rounds sizes
up to 4 bytes and forgets what exceeds 100 kB. Readers must take chunks in any order (RIFF; EBU Tech 3285).
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence

from torchfx_cli.records import dataclass
from torchfx_cli.stream.chunks import GRAMMARS, walk
from torchfx_cli.stream.metadatasource import PIECE_BYTES

MAX_SIZE = 2**32 - 1
_DS64_RIFF_SIZE = 20


class AppendError(Exception):
    """Not the disk's fault."""


@dataclass(frozen=True)
class Extra:
    """A chunk to be written: its four letters, the bytes of its content, and where they come from."""

    name: bytes
    size: int
    content: Callable[[], Iterable[bytes]]


@dataclass(frozen=True)
class Placed:
    """A chunk that was written: where its content begins, and zlib.crc32 over it."""

    name: bytes
    start: int
    size: int
    crc: int


def append(fd: int, extras: Sequence[Extra]) -> tuple[Placed, ...]:
    """Write `extras` at the end of the file open as `fd`; its position is not moved.

    Raises OSError, and AppendError where a content is shorter than was said or the file outgrows its header.
    """
    magic, at = os.pread(fd, 4, 0), os.fstat(fd).st_size
    grammar = GRAMMARS[magic]
    layout = walk(fd, at)
    if layout is not None and layout.kind == "CAF":
        at = min(at, layout.end)  # libsndfile fills up to an even size; a CAF knows no such byte
    placed = []
    for extra in extras:
        at += write_all(fd, bytes(-at % grammar.align), at)
        at += write_all(fd, struct.pack(grammar.header, extra.name, extra.size), at)
        placed.append(_put(fd, extra, at))
        at += extra.size
    at += write_all(fd, bytes(-at % grammar.align), at)
    _tell_size(fd, magic, at - 8)
    return tuple(placed)


def _put(fd: int, extra: Extra, start: int) -> Placed:
    at, crc = start, 0
    for piece in extra.content():
        at += write_all(fd, piece, at)
        crc = zlib.crc32(piece, crc)
    if at - start != extra.size:
        raise AppendError("the input changed while its metadata was copied")
    return Placed(extra.name, start, extra.size, crc)


def write_all(fd: int, content: bytes, at: int) -> int:
    """Write all of `content` at `at`, as a system call may take less; how much that was."""
    view = memoryview(content)
    while view:
        done = os.pwrite(fd, view, at)
        view, at = view[done:], at + done
    return len(content)


def insert(fd: int, content: bytes, at: int) -> None:
    """Put `content` at `at` of the file open as `fd`, before what is there; all that moves, from its end on."""
    end = os.fstat(fd).st_size
    while end > at:
        start = max(at, end - PIECE_BYTES)
        write_all(fd, os.pread(fd, end - start, start), start + len(content))
        end = start
    write_all(fd, content, at)


def _tell_size(fd: int, magic: bytes, size: int) -> None:
    """The header's size of the whole; CAF has none."""
    if magic == b"RF64":
        write_all(fd, struct.pack("<Q", size), _DS64_RIFF_SIZE)
    elif magic in (b"RIFF", b"FORM"):
        if size > MAX_SIZE:
            raise AppendError("with its metadata it would be larger than 4 GiB; use --format rf64, w64 or caf")
        write_all(fd, struct.pack("<I" if magic == b"RIFF" else ">I", size), 4)


def what_is_missing(fd: int, placed: Sequence[Placed]) -> str:
    """What distinguishes the end of the file open as `fd` from what was put there, "" for nothing."""
    if not placed:
        return ""
    size = os.fstat(fd).st_size
    layout = walk(fd, size)
    if layout is None or layout.trailing_bytes or _told_size(fd) not in (None, size - 8):
        return "the sizes in the header are wrong"
    found = {(chunk.start, chunk.size) for chunk in layout.chunks}
    for chunk in placed:
        name = os.pread(fd, 4, chunk.start - struct.calcsize(GRAMMARS[os.pread(fd, 4, 0)].header))
        if (chunk.start, chunk.size) not in found or name != chunk.name or _crc(fd, chunk) != chunk.crc:
            return f"the chunk {chunk.name.decode('latin-1').strip()} cannot be read back"
    return ""


def _told_size(fd: int) -> int | None:
    head = os.pread(fd, _DS64_RIFF_SIZE + 8, 0)
    if head[:4] == b"RF64":
        return int(struct.unpack_from("<Q", head, _DS64_RIFF_SIZE)[0])
    if head[:4] == b"caff":
        return None
    return int(struct.unpack_from("<I" if head[:4] == b"RIFF" else ">I", head, 4)[0])


def _crc(fd: int, chunk: Placed) -> int:
    crc = 0
    for at in range(0, chunk.size, PIECE_BYTES):
        crc = zlib.crc32(os.pread(fd, min(PIECE_BYTES, chunk.size - at), chunk.start + at), crc)
    return crc
