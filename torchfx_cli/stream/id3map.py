"""ID3 frames as Vorbis comments and back. mutagen is imported inside: only files with such tags need it.

The pairs are those that MusicBrainz Picard documents; what has none becomes a TXXX frame under its own key. A
picture is the same record in both worlds: FLAC took it from ID3's APIC (RFC 9639, section 8.8).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torchfx_cli.stream.id3names import UNNAMED_COMMENTS

KEYS: Mapping[str, str] = {
    "TIT2": "TITLE", "TIT1": "GROUPING", "TIT3": "SUBTITLE", "TALB": "ALBUM", "TSST": "DISCSUBTITLE",
    "TPE1": "ARTIST", "TPE2": "ALBUMARTIST", "TPE3": "CONDUCTOR", "TPE4": "REMIXER", "TCOM": "COMPOSER",
    "TEXT": "LYRICIST", "TENC": "ENCODEDBY", "TPUB": "LABEL", "TCOP": "COPYRIGHT", "TRCK": "TRACKNUMBER",
    "TPOS": "DISCNUMBER", "TCON": "GENRE", "TDRC": "DATE", "TDOR": "ORIGINALDATE", "TSRC": "ISRC", "TBPM": "BPM",
    "TKEY": "KEY", "TLAN": "LANGUAGE", "TMED": "MEDIA", "TMOO": "MOOD", "TCMP": "COMPILATION", "TSOP": "ARTISTSORT",
    "TSO2": "ALBUMARTISTSORT", "TSOA": "ALBUMSORT", "TSOT": "TITLESORT", "TSOC": "COMPOSERSORT",
}  # fmt: skip
_FRAMES = {key: frame for frame, key in KEYS.items()}
_SYNONYMS = {"ORGANIZATION": "LABEL", "INITIALKEY": "KEY", "UNSYNCEDLYRICS": "LYRICS"}
_UTF8 = 3
_UNKNOWN_LANGUAGE = "XXX"
_TRACK_OWNER, _TRACK_KEY = "http://musicbrainz.org", "MUSICBRAINZ_TRACKID"
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d([T ]\d\d(:\d\d(:\d\d)?)?)?)?)?")
_NO_KEY = re.compile(r"[^ -<>-}]")  # RFC 9639, 8.6


def comments_of(frames: Iterable[Any]) -> tuple[list[tuple[str, str]], list[str]]:
    """Vorbis comments (key, value) of ID3 frames but pictures, and the names of frames that have no such form."""
    pairs: list[tuple[str, str]] = []
    lost: list[str] = []
    for frame in frames:
        key = key_of(frame)
        if key is None:
            lost.append(frame.FrameID)
        else:
            pairs += [(key, value) for value in _values_of(frame)]
    return list(dict.fromkeys(pairs)), list(dict.fromkeys(lost))


def key_of(frame: Any) -> str | None:
    """The key of the Vorbis comment that says the same."""
    name = frame.FrameID
    if name == "COMM" and frame.desc in UNNAMED_COMMENTS:
        return "COMMENT"
    if name == "USLT":
        return "LYRICS"
    if name == "UFID":
        return _TRACK_KEY if frame.owner == _TRACK_OWNER else None
    if name in ("TXXX", "COMM"):
        return _NO_KEY.sub("_", frame.desc).upper() or None
    return KEYS.get(name)


def _values_of(frame: Any) -> list[str]:
    if frame.FrameID == "TCON":
        return list(frame.genres)  # "(17)" means Rock
    if frame.FrameID == "UFID":
        return [frame.data.decode("ascii", "replace")]
    return [str(text) for text in ([frame.text] if isinstance(frame.text, str) else frame.text)]


def frames_of(comments: Iterable[tuple[str, str]]) -> list[Any]:
    """ID3 frames of Vorbis comments (key in capitals, value); what comes twice is one frame of two values."""
    values: dict[str, list[str]] = {}
    for key, value in comments:
        values.setdefault(_SYNONYMS.get(key, key), []).append(value)
    return [_frame_of(key, texts) for key, texts in values.items()]


def _frame_of(key: str, texts: Sequence[str]) -> Any:
    from mutagen import id3

    if key == "COMMENT":
        return id3.COMM(encoding=_UTF8, lang=_UNKNOWN_LANGUAGE, desc="", text=texts)
    if key == "LYRICS":
        return id3.USLT(encoding=_UTF8, lang=_UNKNOWN_LANGUAGE, desc="", text="\n".join(texts))
    if key == _TRACK_KEY and len(texts) == 1 and texts[0].isascii():
        return id3.UFID(owner=_TRACK_OWNER, data=texts[0].encode("ascii"))
    name = _FRAMES.get(key)
    is_odd_date = name in ("TDRC", "TDOR") and not all(_DATE.fullmatch(text) for text in texts)
    if name is None or is_odd_date:
        return id3.TXXX(encoding=_UTF8, desc=key, text=texts)
    return getattr(id3, name)(encoding=_UTF8, text=texts)


def picture_of(frame: Any) -> Any:
    """The FLAC picture of an APIC frame; its size in pixels is left 0, for unknown."""
    from mutagen.flac import Picture

    picture = Picture()
    picture.type, picture.mime, picture.desc, picture.data = frame.type, frame.mime, frame.desc, frame.data
    return picture


def apic_of(picture: Any) -> Any:
    """The APIC frame of a FLAC picture."""
    from mutagen.id3 import APIC

    return APIC(encoding=_UTF8, mime=picture.mime, type=picture.type, desc=picture.desc, data=picture.data)
