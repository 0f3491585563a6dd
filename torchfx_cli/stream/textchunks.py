"""Texts in the chunks of WAV (LIST INFO), AIFF (NAME, AUTH, ANNO, (c)) and CAF (info), changed where they stand.

libsndfile would write these chunks anew, and lose what it does not know in them. Keys are Vorbis comments.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from torchfx_cli.stream.formats import Container
from torchfx_cli.stream.metadata import lost_tags
from torchfx_cli.stream.tagchanges import TagChanges

INFO: Mapping[str, bytes] = {
    "TITLE": b"INAM", "ARTIST": b"IART", "COMMENT": b"ICMT", "COPYRIGHT": b"ICOP", "DATE": b"ICRD", "GENRE": b"IGNR",
    "SOFTWARE": b"ISFT", "ALBUM": b"IPRD", "TRACKNUMBER": b"ITRK",
}
_AIFF: Mapping[str, bytes] = {"TITLE": b"NAME", "ARTIST": b"AUTH", "COMMENT": b"ANNO", "COPYRIGHT": b"(c) "}
# Apple's names beside libsndfile's own.
_CAF: Mapping[str, tuple[str, ...]] = {
    "TRACKNUMBER": ("track number",), "COMMENT": ("comments",), "DATE": ("year", "recorded date"),
}

TEXT_CHUNKS = frozenset({b"LIST", b"info", *_AIFF.values()})
Chunks = Sequence[tuple[bytes, bytes]]  # (four letters, content)


def changed(chunks: Chunks, changes: TagChanges, container: Container) -> list[tuple[bytes, bytes]]:
    """The `chunks` of texts of a file of this kind, with what of `changes` they have a place for.

    Of several values the first is taken; what libsndfile could not read back has no place.
    """
    strings = changes.in_strings({})
    lost = lost_tags(strings, container)
    first = {name.upper(): text for name, text in strings.items() if name not in lost}
    if container.word == "aiff":
        ours = {name: key for key, name in _AIFF.items()}
        kept = [chunk for chunk in chunks if ours.get(chunk[0]) not in changes.keys]
        return [*kept, *((name, first[key].encode()) for key, name in _AIFF.items() if key in first)]
    contents = [content for _, content in chunks]
    name, new = (b"info", _in_caf(contents, changes, first)) if container.word == "caf" else (
        b"LIST", _in_info(contents, changes, first))
    return [(name, new)] if new else []


def info_pairs(content: bytes) -> list[tuple[bytes, bytes]]:
    """Name and text, as it stands there, of each entry of a LIST INFO chunk."""
    pairs, at = [], 4
    while at + 8 <= len(content):
        size = struct.unpack_from("<I", content, at + 4)[0]
        pairs.append((content[at : at + 4], content[at + 8 : at + 8 + size]))
        at += 8 + size + size % 2
    return pairs


def _in_info(contents: Sequence[bytes], changes: TagChanges, first: Mapping[str, str]) -> bytes:
    gone = {INFO[key] for key in changes.keys if key in INFO}
    gone |= {b"IPRT"} if "TRACKNUMBER" in changes.keys else set()  # FFmpeg's
    pairs = [pair for content in contents for pair in info_pairs(content) if pair[0] not in gone]
    pairs += [(name, first[key].encode() + b"\0") for key, name in INFO.items() if key in first]
    parts = [name + struct.pack("<I", len(text)) + text + bytes(len(text) % 2) for name, text in pairs]
    return b"INFO" + b"".join(parts) if parts else b""


def _in_caf(contents: Sequence[bytes], changes: TagChanges, first: Mapping[str, str]) -> bytes:
    words = b"".join(content[4:] for content in contents).split(b"\0")
    gone = {name.encode() for key in changes.keys for name in (key.lower(), *_CAF.get(key, ()))}
    pairs = [pair for pair in zip(words[::2], words[1::2], strict=False) if pair[0].lower() not in gone]
    pairs += [(key.lower().encode(), text.encode()) for key, text in first.items()]
    texts = b"".join(name + b"\0" + text + b"\0" for name, text in pairs)
    return struct.pack(">I", len(pairs)) + texts if pairs else b""
