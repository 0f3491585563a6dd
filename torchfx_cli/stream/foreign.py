"""The kinds of files that libsndfile does not read and FFmpeg does, through PyAV, which is an optional install.

They are known by what stands at their beginning, whatever their names say; FFmpeg is told which kind it is, so that it
does not guess. What is read here is only what it takes to know them, and to see that their ends are missing.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from functools import lru_cache

from torchfx_cli.records import dataclass
from torchfx_cli.stream.chunks import id3_bytes
from torchfx_cli.stream.facts import OGG_FLAC
from torchfx_cli.stream.mp4boxes import boxes

HINT = 'pip install av would decode it'
HEAD_BYTES = 1 << 16
ADTS_RUN = 3  # headers that must follow one another; noise has one soon
_ASF_HEADER_BYTES = 30
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_EBML, _SEGMENT = b"\x1aE\xdf\xa3", b"\x18S\x80\x67"
# ATSC A/52, table 5.18.
_AC3_KBITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)


@dataclass(frozen=True)
class Foreign:
    """A kind of file: what users call it, and FFmpeg's name of what reads it.

    name      of the container, where `word` names several.
    begin     where its sound begins, behind an ID3 tag.
    is_exact  its header counts the frames.
    is_bare   it holds packets of sound and tags, nothing else.
    frames    how many there are, 0 where FFmpeg tells that.
    """

    word: str
    demuxer: str
    begin: int = 0
    is_exact: bool = False
    is_bare: bool = False
    name: str = ""
    frames: int = 0

    @property
    def container(self) -> str:
        return self.name or self.word

    @property
    def refusal(self) -> str:
        return f"{self.word} cannot be decoded here; {HINT}"


_MAGIC: tuple[tuple[int, bytes, Foreign], ...] = (
    (4, b"ftyp", Foreign("MP4 or M4A", "mov", is_exact=True, name="MP4")),
    *((4, name, Foreign("QuickTime", "mov", is_exact=True)) for name in (b"moov", b"wide")),
    (0, _EBML, Foreign("Matroska or WebM", "matroska", name="Matroska")),
    (0, bytes.fromhex("3026b2758e66cf11"), Foreign("WMA or WMV", "asf", name="ASF")),
    (0, b"wvpk", Foreign("WavPack", "wv", is_exact=True)),
    (0, b"MAC ", Foreign("Monkey's Audio", "ape", is_exact=True)),
    (0, b"TTA1", Foreign("TTA", "tta", is_exact=True)),
)


@lru_cache(maxsize=1)
def is_available() -> bool:
    """Whether PyAV is installed; it is not imported for that."""
    return importlib.util.find_spec("av") is not None


def kind_at(fd: int) -> Foreign | None:
    """The kind of the file open as `fd`; None for what may be one that libsndfile reads."""
    head = os.pread(fd, 64, 0)
    for at, magic, kind in _MAGIC:
        if head.startswith(magic, at):
            return kind
    if head.startswith(b"OggS") and b"\x7fFLAC" in head:
        return Foreign(OGG_FLAC, "ogg", is_exact=True)
    begin = id3_bytes(head[:10])
    head = os.pread(fd, 6, begin) if begin else head
    if _is_adts(fd, begin):
        return Foreign("AAC", "aac", begin, is_bare=True)
    if head.startswith(b"\x0bw") and len(head) > 5:
        number = head[5] >> 3  # of the version (ATSC A/52, 5.4.2.1 and E.2.3.1.6)
        if number <= 16:
            return Foreign("AC-3" if number <= 10 else "E-AC-3", "ac3" if number <= 10 else "eac3", begin, is_bare=True)
    return None


def _is_adts(fd: int, at: int) -> bool:
    """Whether headers of ADTS (ISO 13818-7, 6.2) follow one another from `at` on, up to the end in a short file."""
    seen: tuple[int, int] | None = None
    for number in range(ADTS_RUN):
        head = os.pread(fd, 7, at)
        if number and not head:
            return True
        size = int.from_bytes(head[3:6], "big") >> 5 & 0x1FFF
        if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or size < 7:
            return False
        kept = head[1], head[2] >> 2  # version, profile and rate stay
        if seen not in (None, kept):
            return False
        seen, at = kept, at + size
    return True


def packet_bytes(head: bytes, kind: Foreign) -> int:
    """The size of the packet of a bare kind that begins with `head`, by itself; 0 where it does not say."""
    if kind.demuxer == "aac":
        return int.from_bytes(head[3:6], "big") >> 5 & 0x1FFF
    if kind.demuxer == "eac3":
        return 2 * ((int.from_bytes(head[2:4], "big") & 0x7FF) + 1)
    if kind.demuxer != "ac3" or len(head) < 5 or head[4] & 0x3F >= 2 * len(_AC3_KBITS) or head[4] >> 6 > 2:
        return 0
    rate_kbits, fs = _AC3_KBITS[(head[4] & 0x3F) // 2], (48000, 44100, 32000)[head[4] >> 6]
    return 2 * (rate_kbits * 96000 // fs + (head[4] & 1 if fs == 44100 else 0))


def lacking_bytes(fd: int, file_bytes: int, kind: Foreign) -> int:
    """How many bytes are missing at the end, by what the file says of its own length."""
    measure: Callable[[int, int], int] | None = {"mov": _boxes, "matroska": _segment, "asf": _asf}.get(kind.demuxer)
    return max(0, measure(fd, file_bytes) - file_bytes) if measure is not None else 0


def _boxes(fd: int, file_bytes: int) -> int:
    """Where the last box of an MP4 ends."""
    return max((box.end for box in boxes(fd, 0, file_bytes)), default=0)


def _segment(fd: int, file_bytes: int) -> int:
    """Where the segment of a Matroska ends (RFC 8794, 4 to 6), 0 where it does not say."""
    head, at = os.pread(fd, HEAD_BYTES, 0), 0
    for name in (_EBML, _SEGMENT):
        if not head.startswith(name, at) or len(head) < at + 12:
            return 0
        width = 9 - head[at + 4].bit_length()
        size = int.from_bytes(head[at + 4 : at + 4 + width], "big") & (1 << 7 * width) - 1
        if width > 8 or size == (1 << 7 * width) - 1:
            return 0
        at += 4 + width + size
    return at


def _asf(fd: int, file_bytes: int) -> int:
    """The size of the file by the file properties of an ASF (its specification, 3.2), 0 where it was streamed."""
    head, at = os.pread(fd, HEAD_BYTES, 0), _ASF_HEADER_BYTES
    while at + 92 <= len(head):
        if head.startswith(_ASF_PROPERTIES, at):
            is_streamed = head[at + 88] & 1
            return 0 if is_streamed else int.from_bytes(head[at + 40 : at + 48], "little")
        at += max(24, int.from_bytes(head[at + 16 : at + 24], "little"))
    return 0
