"""Opens a file by descriptor, or says in plain words why it cannot be read; libsndfile's own words often
are wrong or meant for programmers.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torchfx_cli.errors import ReadError, RunError
from torchfx_cli.stream.chunks import Layout, walk

HEAD_BYTES = 512

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG", "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"GIF8", "GIF"),
    (0, b"%PDF", "PDF"),
    (0, b"PK\x03\x04", "ZIP"),
    (0, b"\x1f\x8b", "GZIP"),
    (0, b"\x7fELF", "a program"),
    (0, b"DSD ", "DSD"),
    (0, b"FRM8", "DSD"),
    (0, b"MThd", "MIDI"),
    (0, b"\xff\xf1", "AAC"),
    (0, b"\xff\xf9", "AAC"),
)
_CODECS = {
    0x0055: "MP3", 0x0092: "AC-3 S/PDIF", 0x00FF: "AAC", 0x0160: "WMA 1", 0x0161: "WMA", 0x0162: "WMA Pro",
    0x0163: "WMA Lossless", 0x0270: "ATRAC3", 0x1610: "HE-AAC", 0x2000: "AC-3", 0x2001: "DTS", 0x674F: "Vorbis",
    0xF1AC: "FLAC",
}
_KNOWN_CODECS = frozenset({1, 2, 3, 6, 7, 0x11, 0x31, 0x38, 0x40, 0x55, 0x64, 0xFFFE})
_STANDARD_GUID = b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"

_KINDS = (
    (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
)


def kind_of(mode: int) -> str:
    """What a file that is not regular is."""
    return next((word for test, word in _KINDS if test(mode)), "something else")


@contextmanager
def reading() -> Iterator[None]:
    """Within, an OSError is one of reading an input, and becomes a ReadError."""
    try:
        yield
    except OSError as error:
        raise fault(error) from None


def fault(error: OSError) -> ReadError:
    """The error for an input that the system cannot read."""
    words = error.strerror or str(error)
    return ReadError(f"cannot be read ({words[:1].lower()}{words[1:]})")


def open_regular(path: Path) -> int:
    """A descriptor of `path`, open for reading at 0. O_NONBLOCK: opening a FIFO must not wait for a writer."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError:
        raise ReadError("a name cannot hold a null character") from None
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise RunError(f"too many open files (opening {path})") from None
        raise ReadError(_open_words(error)) from None
    mode = os.fstat(fd).st_mode
    if not stat.S_ISREG(mode):
        os.close(fd)
        way = "; `torchfx process -` reads what is piped into the standard input" if stat.S_ISFIFO(mode) else ""
        raise ReadError(f"is {kind_of(mode)}, not a regular file{way}")
    return fd


def _open_words(error: OSError) -> str:
    words = {
        errno.ENOENT: "does not exist",
        errno.ENOTDIR: "does not exist",
        errno.ENXIO: "is a socket, not a regular file",
        errno.ELOOP: "is a loop of symbolic links",
        errno.EACCES: "may not be read (permission denied)",
        errno.ENAMETOOLONG: "the path is too long for the system",
    }
    return words.get(error.errno or 0, f"cannot be opened ({error.strerror})")


def why_not_opened(fd: int, file_bytes: int, library_words: str) -> str:
    """One sentence for a file that libsndfile refused; `library_words` are used only where nothing better is known."""
    head = os.pread(fd, HEAD_BYTES, 0)
    if 0 < len(head) < 4 and b"RIFF".startswith(head[:4]):
        return f"WAV header cut off at byte {file_bytes}"
    layout = walk(fd, file_bytes)
    if layout is not None:
        words = _wav_words(fd, layout) if layout.kind in ("WAV", "RF64") else ""
        return words or f"{layout.kind} file is damaged or cut off ({_tidy(library_words)})"
    if head[:7] == b"NIST_1A" and b"shorten" in head:
        return "a SPHERE file that is packed with shorten cannot be decoded here; w_decode or sph2pipe unpack it"
    for start, magic, word in ((0, b"fLaC", "FLAC"), (0, b"OggS", "Ogg"), (0, b"ID3", "MP3")):
        if head[start : start + len(magic)] == magic:
            return f"{word} file is damaged or cut off ({_tidy(library_words)})"
    if _is_mpeg(head):
        return "MP3 file is damaged or cut off"
    return f"not an audio file ({_looks_like(head, file_bytes)})"


def _is_mpeg(head: bytes) -> bool:
    """Whether it begins with a header of MPEG audio, and not with the mark of a text in UTF-16."""
    from torchfx_cli.stream import mpeg

    return not head.startswith(b"\xff\xfe") and mpeg.kind_of(int.from_bytes(head[:4], "big")) is not None


def _tidy(words: str) -> str:
    text = words.removeprefix("Error : ").strip().rstrip(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _looks_like(head: bytes, file_bytes: int) -> str:
    for start, magic, word in _MAGIC:
        if head[start : start + len(magic)] == magic:
            return f"looks like {word}"
    if not any(head):
        return "only zeros"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text[:9].lower() == b"<!doctype" or text[:5].lower() in (b"<html", b"<head"):
        return "looks like HTML"
    if file_bytes < 12:
        return f"{file_bytes} byte{'s' if file_bytes > 1 else ''}"
    if all(byte in b"\t\r\n\f\x1b" or byte >= 0x20 for byte in head):
        return "looks like text"
    return "no known format"


def _wav_words(fd: int, layout: Layout) -> str:
    """The first thing that is wrong with the header of a WAV, "" where nothing is found."""
    fmt, data, size = layout.first("fmt"), layout.data, layout.file_bytes
    last = layout.chunks[-1] if layout.chunks else None
    if data is None and (last is None or last.start + last.size > size) and size - layout.end < 8:
        return f"WAV header cut off at byte {size}"
    if layout.kind == "RF64" and layout.first("ds64") is None:
        return "RF64 file has no ds64 chunk, so its size is unknown"
    for name in ("fmt", "data"):
        if layout.count(name) > 1:
            return f"WAV file has {layout.count(name)} {name} chunks; one is allowed"
    if data is None and layout.trailing_bytes:
        return f"WAV header is damaged: no chunk begins at byte {layout.end}"
    if fmt is None or data is None:
        return f"WAV file has no {'fmt' if fmt is None else 'data'} chunk"
    return _fmt_words(os.pread(fd, min(fmt.size, 40), fmt.start), layout.big_endian)


def _fmt_words(fmt: bytes, big_endian: bool) -> str:
    if len(fmt) < 16:
        return f"WAV file has a fmt chunk of {len(fmt)} bytes; 16 is the least"
    tag, channels, fs, _, _, bits = struct.unpack((">" if big_endian else "<") + "HHIIHH", fmt[:16])
    if not 1 <= channels <= 1024:
        return f"WAV header says {channels} channels; 1 to 1024 can be read"
    if not 1 <= fs < 2**31:
        return f"WAV header says sample rate {fs} Hz; 1 to 2147483647 can be read"
    if tag == 0xFFFE and len(fmt) >= 40:
        if fmt[26:] != _STANDARD_GUID:
            return f"WAV with codec {fmt[24:40].hex()} (extensible GUID) is not supported"
        tag = struct.unpack("<H", fmt[24:26])[0]
    if tag not in _KNOWN_CODECS:
        name = f" ({_CODECS[tag]})" if tag in _CODECS else ""
        return f"WAV with codec 0x{tag:04x}{name} is not supported"
    if tag == 1 and not 1 <= bits <= 32:
        return f"WAV header says {bits} bits a sample; 1 to 32 can be read"
    return f"WAV header is not one that can be read (codec 0x{tag:04x}, {bits} bits a sample)"
