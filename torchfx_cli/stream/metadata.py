"""Title, artist and the like, from one container to another, without changing a letter.

Tags are str with undecodable bytes as surrogates (PEP 383): WAV and AIFF say nothing about their encoding, so a
Latin-1 title goes into the next WAV byte for byte. Where a container demands UTF-8, such bytes are read as Latin-1.

libsndfile appends its own name to a `software` tag that lacks it, once; it cannot be told not to.
"""

from __future__ import annotations

from collections.abc import Mapping

import soundfile

from torchfx_cli.stream.formats import Container
from torchfx_cli.stream.sound import TAG_NUMBERS, get_tag, set_tag


def read_tags(sound: soundfile.SoundFile, copyright_text: bytes = b"") -> dict[str, str]:
    """The tags that are not blank, padding removed; `copyright_text`, where given, is believed over libsndfile's."""
    raw = {name: get_tag(sound, name) for name in TAG_NUMBERS}
    raw["copyright"] = copyright_text or raw["copyright"]
    found = {name: text.decode("utf-8", "surrogateescape").rstrip(" \0") for name, text in raw.items()}
    return {name: text for name, text in found.items() if text}


def write_tags(sound: soundfile.SoundFile, tags: Mapping[str, str], container: Container) -> None:
    """Set what the container keeps; before the first sample is written, where containers expect it."""
    for name, text in tags.items():
        if name in container.tags and name in TAG_NUMBERS:
            set_tag(sound, name, _bytes(text, container))


def lost_tags(tags: Mapping[str, str], container: Container) -> tuple[str, ...]:
    """Tags that the container cannot hold, but for `software`: MP3 encoders put in their own."""
    return tuple(name for name in tags if name not in container.tags | {"software"})


def utf8_text(text: str) -> str:
    """A tag as proper text: what is not UTF-8 is read as Latin-1."""
    raw = text.encode("utf-8", "surrogateescape")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _bytes(text: str, container: Container) -> bytes:
    return utf8_text(text).encode("utf-8") if container.utf8_tags else text.encode("utf-8", "surrogateescape")
