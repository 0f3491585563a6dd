"""Title, artist and the like, from one container to another, without changing a letter.

Tags are str with undecodable bytes as surrogates (PEP 383): WAV and AIFF say nothing about their encoding, so a
Latin-1 title goes into the next WAV byte for byte. Where a container demands an encoding, such bytes are read as
Latin-1.

libsndfile appends its own name to a `software` tag that lacks it, once; it cannot be told not to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torchfx_cli.libsndfile import soundfile
from torchfx_cli.stream.formats import Container
from torchfx_cli.stream.sound import TAG_NUMBERS, get_tag, set_tag

SOFTWARE_BYTES = 100  # libsndfile's buffer has 128, its own name included
# What LAME leaves as it is; it cuts other dates to a year, and reads "17" as Rock.
_FOR_LAME = {"date": re.compile(r"\d{4}"), "tracknumber": re.compile(r"[1-9]\d*(/\d+)?"), "genre": re.compile(r"\D.*")}


def read_tags(sound: soundfile.SoundFile, copyright_text: bytes = b"") -> dict[str, str]:
    """The tags that are not blank, padding removed; `copyright_text`, where given, is believed over libsndfile's."""
    raw = {name: get_tag(sound, name) for name in TAG_NUMBERS}
    raw["copyright"] = copyright_text or raw["copyright"]
    found = {name: text.decode("utf-8", "surrogateescape").rstrip(" \0") for name, text in raw.items()}
    is_latin = sound.format == "MP3"  # ID3v1, where that is all there is; of ID3v2 libsndfile makes UTF-8
    return {name: utf8_text(text) if is_latin else text for name, text in found.items() if text}


def write_tags(sound: soundfile.SoundFile, tags: Mapping[str, str], container: Container) -> None:
    """Set what the container keeps; before the first sample is written, where containers expect it."""
    for name, text in tags.items():
        raw = _bytes(name, text, container)
        if raw is not None and name in TAG_NUMBERS:
            set_tag(sound, name, raw)


def lost_tags(tags: Mapping[str, str], container: Container) -> tuple[str, ...]:
    """Tags that libsndfile cannot put whole into the container, but for `software`: MP3 encoders put in their own."""
    return tuple(name for name, text in tags.items() if not _is_kept(name, text, container)
                 and (name != "software" or name in container.tags))


def _is_kept(name: str, text: str, container: Container) -> bool:
    changed = container.word == "mp3" and name in _FOR_LAME and not _FOR_LAME[name].fullmatch(text)
    return not changed and _bytes(name, text, container) is not None


def utf8_text(text: str) -> str:
    """A tag as proper text: what is not UTF-8 is read as Latin-1."""
    raw = _as_it_was(text)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _bytes(name: str, text: str, container: Container) -> bytes | None:
    """`text` as the container takes it, None where it does not."""
    if name not in container.tags:
        return None
    try:
        raw = utf8_text(text).encode(container.text_encoding) if container.text_encoding else _as_it_was(text)
    except UnicodeEncodeError:
        return None
    limit = SOFTWARE_BYTES if name == "software" else container.text_bytes
    return raw if limit is None or len(raw) <= limit else None


def _as_it_was(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
