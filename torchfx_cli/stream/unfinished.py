"""Tells by its bytes whether a file is still being written: recorded, uploaded or copied.

RIFF, RF64, AIFF, Wave64, CAF and AU give the sizes of their chunks at the front. A FLAC ends with the frame that
completes the count of samples in its head, an Ogg with a page that says so (RFC 3533), an MP3 where its Xing frame
says or its last frame ends. A file may look unfinished for ever: a stream has no size, a file
that was cut stays cut. So this is a reason to wait, not to refuse.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from torchfx_cli.errors import TorchfxError
from torchfx_cli.libsndfile import soundfile
from torchfx_cli.stream import chunks
from torchfx_cli.stream.chunks import Layout
from torchfx_cli.stream.diagnose import open_regular
from torchfx_cli.stream.mpegwalk import walk
from torchfx_cli.stream.sound import LibraryError

HEAD_BYTES = 512
MAX_OGG_PAGE_BYTES = 27 + 255 + 255 * 255
MAGICS = (b"RIFF", b"RIFX", b"RF64", b"FORM", b"riff", b"caff", b".snd", b"fLaC", b"OggS", b"ID3", b"\xff")
# Where a container gives the size of all that follows, in which form, and how many bytes are not counted.
WHOLE_SIZES = {"WAV": (4, "I", 8), "AIFF": (4, "I", 8), "W64": (16, "Q", 0)}
UNKNOWN_SIZES = (0, 0xFFFFFFFF)


def why_unfinished(path: Path) -> str:
    """What of `path` is still to come, by its own words; "" where it is whole, or nothing is known of it."""
    try:
        fd = open_regular(path)
    except TorchfxError:
        return ""
    try:
        return _why(fd, os.fstat(fd).st_size)
    except OSError:
        return ""
    finally:
        os.close(fd)


def _why(fd: int, file_bytes: int) -> str:
    head = os.pread(fd, HEAD_BYTES, 0)
    if not any(head):
        return "it holds only zeros so far" if head else "it is empty so far"
    if len(head) < 12 and any(head.startswith(magic) or magic.startswith(head) for magic in MAGICS):
        return "its header is not whole"
    layout = chunks.walk(fd, file_bytes)
    if layout is not None:
        return _of_chunks(fd, layout)
    if head[:4] == b"fLaC":
        return _of_flac(fd)
    if head[:4] == b"OggS":
        return "" if _ends_ogg(fd, file_bytes) else "its last page is not the end of the stream"
    return _of_mp3(fd, file_bytes)


def _of_chunks(fd: int, layout: Layout) -> str:
    data = layout.data
    if data is None or not data.size:
        return "its header promises no samples yet"
    if layout.is_streamed:
        return "its header gives no size of the samples"
    if data.start + data.size > layout.file_bytes:
        return f"{layout.held_bytes} of {data.size} bytes of samples are there"
    return _of_whole_size(fd, layout)


def _of_whole_size(fd: int, layout: Layout) -> str:
    """Chunks may be promised behind the samples."""
    if layout.kind not in WHOLE_SIZES:
        return ""
    at, form, uncounted = WHOLE_SIZES[layout.kind]
    form = (">" if layout.big_endian else "<") + form
    raw = os.pread(fd, struct.calcsize(form), at)
    if len(raw) < struct.calcsize(form):
        return ""
    size = struct.unpack(form, raw)[0]
    if size in UNKNOWN_SIZES:
        return "its header gives no size"
    if size + uncounted > layout.file_bytes + chunks.HARMLESS_BYTES:
        return f"{layout.file_bytes} of {size + uncounted} bytes are there"
    return ""


def _of_flac(fd: int) -> str:
    """The last sample is sought: libsndfile decodes the frame that holds it, and no other."""
    if not chunks.flac_header_is_final(fd):
        return "its header was not closed"
    os.lseek(fd, 0, os.SEEK_SET)
    try:
        with soundfile.SoundFile(fd, closefd=False) as sound:
            sound.seek(sound.frames - 1)
            is_whole = not sound.frames or len(sound.read(1)) == 1
    except (LibraryError, ValueError, OSError):
        is_whole = False
    return "" if is_whole else "the end of its samples is not there"


def _ends_ogg(fd: int, file_bytes: int) -> bool:
    tail = os.pread(fd, MAX_OGG_PAGE_BYTES, max(0, file_bytes - MAX_OGG_PAGE_BYTES))
    page = tail[max(0, tail.rfind(b"OggS")):]
    if len(page) < 27 or not page[5] & 4:
        return False
    segments = page[27 : 27 + page[26]]
    return 27 + len(segments) + sum(segments) <= len(page) and len(segments) == page[26]


def _of_mp3(fd: int, file_bytes: int) -> str:
    stream = walk(fd, file_bytes)
    if stream is None or not stream.is_cut:
        return ""
    counted = stream.counted
    whole = "its last frame is not whole"
    return whole if counted is None else f"{stream.packets} of {counted} frames of MPEG audio are there"
