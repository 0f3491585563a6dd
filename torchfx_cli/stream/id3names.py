"""The names of ID3v2 frames (2.2 to 2.4), as far as it takes to say what a tag holds; mutagen reads them in earnest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from torchfx_cli.stream.metadatasource import MAX_VALUES

# What libsndfile hands out as strings: one value of each.
_STRING_FRAMES = frozenset(
    {"TIT2", "TCOP", "TPE1", "TDRC", "TYER", "TALB", "TRCK", "TCON"}
    | {"TT2", "TCR", "TP1", "TYE", "TAL", "TRK", "TCO"}
)
# Players and encoders keep figures in comments that they give a name.
UNNAMED_COMMENTS = ("", "ID3v1 Comment")


def id3_names(tag: bytes) -> list[str]:
    """What each frame is called that libsndfile does not hand out whole."""
    return [name for frame, body in islice(_id3_frames(tag), MAX_VALUES) for name in _frame_names(frame, body)]


def frame_count(tag: bytes, most: int) -> int:
    """How many frames there are, counted up to `most`.

    Sizes in ID3v2.4 have 7 bits a byte, but some programs write 8, so the tag is read both ways.
    """
    return max(sum(1 for _ in islice(_id3_frames(tag, bits), most)) for bits in (None, 8))


def _id3_frames(tag: bytes, bits: int | None = None) -> Iterator[tuple[str, bytes]]:
    """Name and content of each frame; content that is compressed or split stays so.

    bits  of a byte of a frame's size, where not the version decides.
    """
    if tag[:3] != b"ID3" or len(tag) < 10 or not 2 <= tag[3] <= 4:
        return
    version, flags, body = tag[3], tag[5], tag[10:]
    if flags & 0x80 and version < 4:
        body = body.replace(b"\xff\x00", b"\xff")
    at = _extended_header_bytes(body, version) if flags & 0x40 and version > 2 else 0
    letters, width = (3, 6) if version == 2 else (4, 10)
    while at + width <= len(body) and body[at : at + letters].isalnum():
        size, start = _frame_bytes(body[at + letters : at + 2 * letters], version, bits), at + width
        yield body[at : at + letters].decode("ascii"), body[start : start + size]
        at = start + size


def _extended_header_bytes(body: bytes, version: int) -> int:
    return _frame_bytes(body[:4], version) + (4 if version == 3 else 0)


def _frame_bytes(raw: bytes, version: int, bits: int | None = None) -> int:
    bits = bits or (7 if version == 4 else 8)
    return sum(byte << bits * place for place, byte in enumerate(reversed(raw)))


def _frame_names(frame: str, body: bytes) -> Iterable[str]:
    """By its description, where it has one; () where libsndfile hands it out."""
    if frame in ("TXXX", "TXX"):
        return (_texts(body[:1], body[1:])[0] or frame,)
    if frame in ("COMM", "COM"):
        description = _texts(body[:1], body[4:])[0]
        return () if description in UNNAMED_COMMENTS else (description,)
    return () if frame in _STRING_FRAMES and len(_texts(body[:1], body[1:])) == 1 else (frame,)


def _texts(encoding: bytes, raw: bytes) -> list[str]:
    """The texts in a frame, which zeros part; there is at least one."""
    codec = {b"\1": "utf-16", b"\2": "utf-16-be", b"\3": "utf-8"}.get(encoding, "latin-1")
    return raw[:4096].decode(codec, "replace").rstrip("\0").split("\0")
