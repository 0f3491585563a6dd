"""What an input holds besides its samples, in a form to be read: more tags, pictures, markers, bext and iXML.

What is damaged, or too large to be read by people, is left out here; its name is told by `metadataplan.contents`.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from torchfx_cli.stream import richtags
from torchfx_cli.stream.broadcast import BEXT_BYTES, BEXT_LOUDNESS, BEXT_UNSET, BEXT_VERSION, has_loudness
from torchfx_cli.stream.chunks import Chunk
from torchfx_cli.stream.diagnose import reading
from torchfx_cli.stream.metadata import utf8_text
from torchfx_cli.stream.metadatasource import MetadataSource
from torchfx_cli.stream.richtags import RichTags, TagError
from torchfx_cli.stream.taglist import STRING_KEYS, info_names, tag_names
from torchfx_cli.stream.textchunks import INFO, info_pairs
from torchfx_cli.stream.timedchunks import MAX_TIMED_BYTES, markers_of

MAX_TEXT_BYTES = 1 << 20  # of a bext or an iXML
_PICTURE_KINDS = {0: "other", 3: "front", 4: "back"}
_LEAF = re.compile(r"<([A-Za-z][\w:.-]*)(?:\s[^<>]*)?>([^<]*)</\1\s*>")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&amp;": "&"}
_CHAPTER = re.compile(r"CHAPTER(\d{3})(NAME)?")
_LOUDNESS = ("loudness", "loudness_range", "true_peak", "momentary_max", "short_term_max")
_DAMAGED = (struct.error, ValueError, IndexError)
T = TypeVar("T")


@reading()
def described(metadata: MetadataSource, fs: int) -> dict[str, Any]:
    """By name, what was found of: tags, pictures, markers, bext, ixml; and `shown`, the names that these stand for."""
    found: dict[str, Any] = {}
    shown: set[str] = set()
    rich = _rich(metadata)
    _put(found, shown, "tags", _more_tags(metadata, rich), info_names(metadata))
    shown |= set() if rich == RichTags() else set(tag_names(metadata))
    _put(found, shown, "pictures", [_picture(picture) for picture in rich.pictures], ("PICTURE", "APIC"))
    chunks = {chunk.name: chunk for chunk in metadata.chunks()}
    marks = _whole(lambda: list(_markers(metadata, rich, fs))) or []
    names = [name for name in ("cue", "LIST-adtl", "MARK", "mark") if name in chunks]
    _put(found, shown, "markers", sorted(marks, key=lambda mark: float(mark["at_s"])), (*names, "CHAP", "CTOC"))
    if "bext" in chunks:
        _put(found, shown, "bext", _whole(lambda: _bext(_content(metadata, chunks["bext"]), fs)), ("bext",))
    if "iXML" in chunks:
        _put(found, shown, "ixml", _whole(lambda: _ixml(_content(metadata, chunks["iXML"]))), ("iXML",))
    return found | {"shown": sorted(shown)}


def _put(found: dict[str, Any], shown: set[str], key: str, value: Any, names: Sequence[str]) -> None:
    if value:
        found[key] = value
        shown |= set(names)


def _whole(read: Callable[[], T]) -> T | None:
    """None of what is damaged."""
    try:
        return read()
    except _DAMAGED:
        return None


def _content(metadata: MetadataSource, chunk: Chunk, most: int = MAX_TEXT_BYTES) -> bytes:
    if not 0 <= chunk.size <= most or chunk.start + chunk.size > metadata.file_bytes:
        raise ValueError
    return b"".join(metadata.content(chunk))


def _rich(metadata: MetadataSource) -> RichTags:
    """All tags, where there are more than libsndfile reads and mutagen can be asked."""
    if not tag_names(metadata) or not richtags.is_available():
        return RichTags()
    try:
        return richtags.read(metadata)
    except TagError:
        return RichTags()


def _more_tags(metadata: MetadataSource, rich: RichTags) -> dict[str, str]:
    """What libsndfile does not hand out, by key; several values in a row."""
    found: dict[str, list[str]] = {}
    for key, text in rich.comments:
        if not _CHAPTER.fullmatch(key):
            found.setdefault(key, []).append(text)
    for chunk in (chunk for chunk in metadata.chunks() if chunk.name == "LIST-INFO"):
        for name, raw in info_pairs(_whole(partial(_content, metadata, chunk)) or b""):
            if name not in INFO.values():
                found.setdefault(name.decode("latin-1"), []).append(_text(raw))
    return {key.lower(): "; ".join(texts) for key, texts in found.items() if key not in STRING_KEYS or len(texts) > 1}


def _picture(picture: Any) -> dict[str, Any]:
    return {"kind": _PICTURE_KINDS.get(picture.type, str(picture.type)), "mime": picture.mime,
            "bytes": len(picture.data)}


def _markers(metadata: MetadataSource, rich: RichTags, fs: int) -> Iterator[dict[str, Any]]:
    if metadata.layout is not None:
        chunks = [(chunk.name, _content(metadata, chunk, MAX_TIMED_BYTES)) for chunk in metadata.chunks()
                  if chunk.name in ("cue", "LIST-adtl", "MARK", "mark")]
        for at, frames, name in markers_of(metadata.kind, chunks):
            yield _marker(at / fs, _text(name), frames / fs if frames else None)
    names = {key[7:10]: text for key, text in rich.comments if key.endswith("NAME") and _CHAPTER.fullmatch(key)}
    for key, text in rich.comments:
        if (chapter := _CHAPTER.fullmatch(key)) and not chapter[2]:
            hours, minutes, seconds = text.split(":")
            yield _marker(int(hours) * 3600 + int(minutes) * 60 + float(seconds), names.get(chapter[1], ""))
    for frame in rich.frames:
        if frame.FrameID == "CHAP":
            titles = [str(title) for title in frame.sub_frames.getall("TIT2")]
            length = (frame.end_time - frame.start_time) / 1000
            yield _marker(frame.start_time / 1000, titles[0] if titles else "", length if length > 0 else None)


def _marker(at_s: float, name: str, length_s: float | None = None) -> dict[str, Any]:
    return {"at_s": at_s, "name": name, "length_s": length_s}


def _bext(raw: bytes, fs: int) -> dict[str, Any]:
    """EBU Tech 3285, section 2.3."""
    if len(raw) < BEXT_BYTES:
        raise ValueError
    description, originator, reference, day, time = (
        _text(raw[start:end]) for start, end in ((0, 256), (256, 288), (288, 320), (320, 330), (330, 338)))
    frames = struct.unpack_from("<Q", raw, 338)[0]
    version = struct.unpack_from("<H", raw, BEXT_VERSION)[0]
    umid = raw[348:412].rstrip(b"\0").hex() if version else ""
    values = struct.unpack_from("<5h", raw, BEXT_LOUDNESS) if has_loudness(raw) else ()
    levels = {name: value / 100 for name, value in zip(_LOUDNESS, values, strict=False) if value != BEXT_UNSET}
    found = {"description": description, "originator": originator, "originator_reference": reference,
             "date": day, "time": time, "time_reference_frames": frames, "time_reference": clock(frames / fs),
             "version": version, "umid": umid, "levels": levels,
             "coding_history": [line for line in _text(raw[BEXT_BYTES:]).splitlines() if line.strip()]}
    return {key: value for key, value in found.items() if value not in ("", {}, [])}


def clock(seconds: float) -> str:
    """A time of day, or a place in a recording: 10:00:00.000."""
    ms = round(seconds * 1000)
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"


def _ixml(raw: bytes) -> Mapping[str, str]:
    """The texts in its innermost elements; those of one name, as of several tracks, in a row."""
    is_wide = raw[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = raw.decode("utf-16", "replace") if is_wide else utf8_text(raw.decode("utf-8", "surrogateescape"))
    found: dict[str, list[str]] = {}
    for name, content in _LEAF.findall(text):
        if content.strip():
            found.setdefault(name, []).append(_plain(content))
    return {name: ", ".join(dict.fromkeys(texts) if len(set(texts)) == 1 else texts) for name, texts in found.items()}


def _plain(content: str) -> str:
    for entity, letter in _ENTITIES.items():
        content = content.replace(entity, letter)
    return content.strip()


def _text(raw: bytes) -> str:
    """Up to the first NUL; what is not UTF-8 is read as Latin-1."""
    return utf8_text(raw.partition(b"\0")[0].decode("utf-8", "surrogateescape")).strip()
