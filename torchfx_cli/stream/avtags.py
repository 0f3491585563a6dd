"""Titles, names and covers in FFmpeg's words, as Vorbis comments and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from av.stream import Disposition

from torchfx_cli.stream.tagchanges import comment_key

MAX_COVERS = 16
_OF_THE_FILE = frozenset({
    "major_brand", "minor_version", "compatible_brands", "encoder", "itunsmpb", "creation_time", "gapless_playback",
    "media_type", "wmfsdkversion", "wmfsdkneeded", "isvbr", "devicenominalspeed",
})
_STRINGS = ("title", "artist", "album", "date", "genre", "comment", "copyright", "tracknumber")  # libsndfile's
_MIMES = {"mjpeg": "image/jpeg", "png": "image/png", "gif": "image/gif", "bmp": "image/bmp", "webp": "image/webp"}


def comments(metadata: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """FFmpeg's `metadata` as (key, value), without what tells of the old file."""
    return tuple((comment_key(key), text) for key, text in metadata.items()
                 if key.lower() not in _OF_THE_FILE and text.strip())


def strings(metadata: Mapping[str, str]) -> dict[str, str]:
    """Those of them that libsndfile knows, by its names."""
    found = dict(comments(metadata))
    return {name: found[name.upper()] for name in _STRINGS if name.upper() in found}


def is_cover(stream: Any) -> bool:
    """Whether a video stream is a picture that belongs to the sound."""
    return bool(stream.disposition & Disposition.attached_pic)


def covers(container: Any) -> tuple[tuple[str, bytes], ...]:
    """MIME type and content of the covers in FFmpeg's fresh `container`; it hands them out in front of the sound."""
    found = []
    for stream in [stream for stream in container.streams.video if is_cover(stream)][:MAX_COVERS]:
        packet = next(container.demux(stream), None)
        if packet is not None and packet.size:
            found.append((_MIMES.get(stream.codec_context.name, "image/x-unknown"), bytes(packet)))
    return tuple(found)
