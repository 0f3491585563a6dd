"""Walks the chunks of a file: what its header promises, what the file holds, and where it all lies.

libsndfile clamps a header that promises too much, says nothing about it, and reads a header that was never
finished as 0 frames. So the sizes are read here too: RIFF, RIFX, RF64 (EBU Tech 3306), AIFF, Wave64, CAF and
AU by their chunks (MP3: see mpegwalk.py, Ogg: oggpages.py). Reads are small and bounded; no promised size is
ever allocated.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import replace

from torchfx_cli.records import dataclass

MAX_CHUNKS = 4096
MAX_TEXT_BYTES = 1 << 15
AU_HEADER_BYTES = 24
# Bytes behind the last chunk that are none themselves: sizes off by a few bytes are common and harmless.
HARMLESS_BYTES = 8
ALAC_FLAGS = {16: 1, 20: 2, 24: 3}
FILES = frozenset({"RIFF", "RIFX", "RF64", "FORM", "riff", "caff"})  # begin a file, and are no chunk inside one
# Sizes that programs write into a pipe because they cannot come back to correct them: sox, arecord, ffmpeg.
_STREAMED = (range(0x7FFFF000, 0x80000001), range(0xFFFFFF00, 0x100000000))


@dataclass(frozen=True)
class Chunk:
    """A chunk's name, where its content begins, and the size that its header tells (-1: to the end of the file)."""

    name: str
    start: int
    size: int

    @property
    def four_letters(self) -> bytes:
        """The name as it stands in the file: a list's is LIST, whatever it is a list of."""
        return b"LIST" if self.name.startswith("LIST-") else self.name.ljust(4).encode("latin-1")


@dataclass(frozen=True)
class Layout:
    """The chunks of a file of `file_bytes`, found up to `end`; what lies behind that is not a chunk."""

    kind: str
    chunks: tuple[Chunk, ...]
    file_bytes: int
    end: int
    big_endian: bool = False

    def count(self, name: str) -> int:
        return sum(chunk.name == name for chunk in self.chunks)

    def first(self, *names: str) -> Chunk | None:
        return next((chunk for chunk in self.chunks if chunk.name in names), None)

    @property
    def data(self) -> Chunk | None:
        return self.first("data", "SSND")

    @property
    def joined(self) -> tuple[Chunk, ...]:
        """Whole files of this kind behind the samples, as `cat` joins them."""
        data = self.data
        return tuple(chunk for chunk in self.chunks if data and chunk.start > data.start and chunk.name in FILES)

    @property
    def held_bytes(self) -> int:
        """Bytes of samples that the file really has."""
        if self.data is None:
            return 0
        rest = max(0, self.file_bytes - self.data.start)
        return rest if self.is_streamed else min(rest, self.data.size)

    @property
    def is_streamed(self) -> bool:
        """The size of the samples is one of those that mean "whatever comes"."""
        size = self.data.size if self.data else 0
        beyond = self.data is not None and self.data.start + size > self.file_bytes
        return size < 0 or (beyond and any(size in values for values in _STREAMED))

    @property
    def is_unfinished(self) -> bool:
        """The size of the samples is 0, as it was when recording began, though something follows."""
        return self.data is not None and self.data.size == 0 and self.trailing_bytes > HARMLESS_BYTES

    @property
    def trailing_bytes(self) -> int:
        """Bytes at the end that no chunk accounts for."""
        return max(0, self.file_bytes - self.end)


@dataclass(frozen=True)
class Grammar:
    """How the chunks of a file are told: the first one's place, the header's form, what starts are multiples of."""

    kind: str
    first: int
    header: str
    align: int = 2
    inclusive: bool = False  # sizes count the chunk's own header


GRAMMARS = {
    b"RIFF": Grammar("WAV", 12, "<4sI"),
    b"RIFX": Grammar("WAV", 12, ">4sI"),
    b"RF64": Grammar("RF64", 12, "<4sI"),
    b"BW64": Grammar("RF64", 12, "<4sI"),
    b"FORM": Grammar("AIFF", 12, ">4sI"),
    b"riff": Grammar("W64", 40, "<16sq", 8, True),
    b"caff": Grammar("CAF", 8, ">4sq", 1),
}


def walk(fd: int, file_bytes: int) -> Layout | None:
    """The layout of the file open as `fd` (its position is not moved), None where it has no chunks."""
    tag_bytes = id3_bytes(os.pread(fd, 10, 0))  # in front of a WAV, where some programs put what belongs into a chunk
    head = os.pread(fd, 12, tag_bytes)
    if tag_bytes and head[:4] not in (b"RIFF", b"RF64"):
        return None
    if head[:4] == b".snd" and len(head) == 12:
        start, size = struct.unpack(">II", head[4:])
        text = Chunk("annotation", AU_HEADER_BYTES, start - AU_HEADER_BYTES)
        is_told = text.size > 0 and os.pread(fd, min(text.size, MAX_TEXT_BYTES), text.start).strip(b"\0 ")
        found = (Chunk("data", start, size), *((text,) if is_told else ()))
        return Layout("AU", found, file_bytes, min(start + size, file_bytes), True)
    grammar = GRAMMARS.get(head[:4])
    form = head[8:12]
    if grammar is None or (grammar.kind in ("WAV", "RF64") and form not in b"WAVE"[: len(form)]):
        return None
    if grammar.kind == "AIFF" and form[:3] not in b"AIF"[: len(form)]:
        return None
    tag = (Chunk("id3", 0, tag_bytes),) * bool(tag_bytes)
    chunks = tag + tuple(_chunks(fd, file_bytes, replace(grammar, first=tag_bytes + grammar.first)))
    end = tag_bytes + grammar.first
    for chunk in chunks[len(tag) :]:
        end = _end(chunk, grammar) if chunk.size >= 0 else file_bytes
    return Layout(grammar.kind, chunks, file_bytes, end, grammar.header[0] == ">")


def _chunks(fd: int, file_bytes: int, grammar: Grammar) -> Iterator[Chunk]:
    at, width = grammar.first, struct.calcsize(grammar.header)
    sizes64: dict[str, int] = {}
    for _ in range(MAX_CHUNKS):
        raw = os.pread(fd, width, at) if at < file_bytes else b""  # `at` may be more than a C long
        if len(raw) < width:
            return
        name, size = struct.unpack(grammar.header, raw)
        if not _is_name(name[:4]):
            return
        size -= width if grammar.inclusive else 0
        chunk = _named(fd, name[:4], at + width, size, sizes64, grammar)
        yield chunk
        if chunk.size < 0:
            return
        end = chunk.start + chunk.size
        is_joined = chunk.name == "data" and end < file_bytes and os.pread(fd, 4, end) in GRAMMARS
        at = end if is_joined else _end(chunk, grammar)  # not all programs fill up the last chunk of a file


def _named(fd: int, name: bytes, start: int, size: int, sizes64: dict[str, int], grammar: Grammar) -> Chunk:
    text = name.decode("latin-1").rstrip()
    if text == "LIST":
        text = "LIST-" + os.pread(fd, 4, start).decode("latin-1").rstrip()
    if text == "ds64":
        sizes = os.pread(fd, 16, start)
        sizes64["data"] = struct.unpack("<Q", sizes[8:])[0] if len(sizes) == 16 else size
    if text == "SSND":
        start, size = start + 8, max(0, size - 8)
    if text == "data" and grammar.kind == "RF64" and size == 0xFFFFFFFF:
        size = sizes64.get("data", size)
    if text == "data" and grammar.kind == "CAF":
        start, size = start + 4, size - 4 if size >= 0 else -1
    return Chunk(text, start, size)


def _end(chunk: Chunk, grammar: Grammar) -> int:
    return chunk.start + -(-chunk.size // grammar.align) * grammar.align


def _is_name(name: bytes) -> bool:
    return all(0x20 <= byte < 0x7F or byte == 0xA9 for byte in name)


def repaired_header(layout: Layout | None) -> dict[int, bytes]:
    """Position -> bytes that make libsndfile read all there is, where it would read nothing; else empty.

    A WAV or RF64 whose size is 0 though samples follow (its recorder died), a CAF whose size is -1 (legal) or too
    large, and an AU whose size is too large: from 2^31 - 24 on libsndfile reads nothing. Nor does it read a WAV
    or an AIFF that is followed by another one, which it is not to see.
    """
    if layout is None or layout.data is None:
        return {}
    data, ds64, rest = layout.data, layout.first("ds64"), layout.file_bytes - layout.data.start
    if layout.is_unfinished and layout.kind == "WAV":
        order = ">" if layout.big_endian else "<"
        return {data.start - 4: struct.pack(f"{order}I", min(rest, 0xFFFFFFFF))}
    if layout.is_unfinished and layout.kind == "RF64" and ds64 is not None:
        return {ds64.start + 8: struct.pack("<Q", rest)}
    if layout.kind == "CAF" and (data.size < 0 or data.size > rest):
        return {data.start - 12: struct.pack(">q", rest + 4)}
    if layout.kind == "AU" and data.size > rest:
        return {8: struct.pack(">I", 0xFFFFFFFF)}
    return {chunk.start - 8: b"JUNK" for chunk in layout.joined if layout.kind in ("WAV", "RF64", "AIFF")}


def seen_bytes(layout: Layout | None, file_bytes: int) -> int:
    """How much of the file libsndfile is to see: of a Wave64 it takes all that follows for samples."""
    data = layout.data if layout is not None and layout.kind == "W64" else None
    return file_bytes if data is None or data.size <= 0 else min(file_bytes, data.start + data.size)


def wave_codec(fd: int, layout: Layout) -> int:
    """The number of the codec of a WAV, 0 for all else; that of an extensible header is in its GUID."""
    fmt = layout.first("fmt") if layout.kind in ("WAV", "RF64") and not layout.big_endian else None
    head = b"" if fmt is None else os.pread(fd, 26, fmt.start)
    return int.from_bytes(head[24:26] if head[:2] == b"\xfe\xff" else head[:2], "little")


def alac_width(fd: int, layout: Layout | None) -> dict[int, bytes]:
    """Position -> bytes that tell libsndfile how wide the samples of an ALAC in a CAF are, which ffmpeg does not tell.

    It stands in the format flags of desc (Apple Core Audio Format 1.0), and in the decoder's own cookie.
    """
    cookie = alac_cookie(fd, layout)
    desc = layout.first("desc") if layout is not None else None
    if desc is None or len(cookie) < 6 or os.pread(fd, 8, desc.start + 8) != b"alac\0\0\0\0":
        return {}
    flag = ALAC_FLAGS.get(cookie[5])
    return {} if flag is None else {desc.start + 12: struct.pack(">I", flag)}


def alac_cookie(fd: int, layout: Layout | None) -> bytes:
    """What the decoder of an ALAC in a CAF is told, b"" of all else; it may lie in an atom `alac` behind one `frma`."""
    desc, kuki = (layout.first(name) if layout is not None and layout.kind == "CAF" else None
                  for name in ("desc", "kuki"))
    if desc is None or kuki is None or os.pread(fd, 4, desc.start + 8) != b"alac":
        return b""
    cookie = os.pread(fd, min(kuki.size, 48), kuki.start)
    for name, atom_bytes in ((b"frma", 12), (b"alac", 12)):
        cookie = cookie[atom_bytes:] if cookie[4:8] == name else cookie
    return cookie


def aiff_frames(fd: int, layout: Layout) -> int | None:
    """The number of frames that an AIFF's COMM chunk promises."""
    comm = layout.first("COMM") if layout.kind == "AIFF" else None
    raw = os.pread(fd, 6, comm.start) if comm else b""
    return struct.unpack(">I", raw[2:])[0] if len(raw) == 6 else None


def aiff_copyright(fd: int, layout: Layout | None) -> bytes:
    """An AIFF's "(c) " chunk as it is; libsndfile puts dots for all that is not ASCII."""
    chunk = layout.first("(c)") if layout is not None and layout.kind == "AIFF" else None
    return os.pread(fd, min(chunk.size, MAX_TEXT_BYTES), chunk.start) if chunk else b""


def flac_header_is_final(fd: int) -> bool:
    """False for a FLAC whose STREAMINFO lacks the frame sizes or the MD5 sum, which are known only at the end."""
    head = os.pread(fd, 42, 0)
    return head[:4] != b"fLaC" or (any(head[12:18]) and any(head[26:42]))


MAX_FALSE_MARKS = 1000  # of pages, in an Ogg
MARKS_WINDOW_BYTES = 1 << 20


def false_pages(fd: int, file_bytes: int) -> int | None:
    """Where the first of more than MAX_FALSE_MARKS marks lies inside a page of an Ogg; None where there are fewer.

    By chance there is hardly one in a file, but libsndfile takes each for a page when it opens one, and adds up the
    64 KiB that this may have: 2 s for a MB of marks.
    """
    first, false, end = 0, 0, 0
    for at in marks(fd, b"OggS", 0, file_bytes):
        if at >= end:
            header = os.pread(fd, 27 + 255, at)
            end = at + 27 + header[26] + sum(header[27 : 27 + header[26]]) if len(header) > 26 else file_bytes
        else:
            first, false = first or at, false + 1
            if false > MAX_FALSE_MARKS:
                return first
    return None


def marks(fd: int, mark: bytes, begin: int, end: int) -> Iterator[int]:
    """Where `mark` stands."""
    for start in range(begin, end, MARKS_WINDOW_BYTES):
        window = os.pread(fd, MARKS_WINDOW_BYTES + len(mark) - 1, start)
        at = window.find(mark)
        while at >= 0:
            yield start + at
            at = window.find(mark, at + len(mark))


def id3_bytes(head: bytes) -> int:
    """The size of the ID3v2 tag (without footer) that begins with these 10 bytes, 0 where none does."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    return 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
