"""What of an input's chunks and tags holds times, moved: see timedchunks.py and timedtags.py.

Imported only where times move, as most runs start without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torchfx_cli.stream import richtags
from torchfx_cli.stream.chunks import Chunk
from torchfx_cli.stream.id3limits import TagError
from torchfx_cli.stream.id3names import id3_names
from torchfx_cli.stream.metadatasource import MetadataSource
from torchfx_cli.stream.timedchunks import MOVERS, move
from torchfx_cli.stream.timedtags import is_timed, move_id3, move_tags
from torchfx_cli.stream.timeline import Timeline

__all__ = ["Moved", "move_chunks", "move_tags"]


@dataclass(frozen=True)
class Moved:
    """Chunks that hold times, with their content in the output: None where it cannot be told, b"" for nothing.

    lost, why  names of what cannot be moved, and the reason where there is one to tell.
    """

    contents: dict[Chunk, bytes | None]
    lost: tuple[str, ...] = ()
    why: str = ""


def move_chunks(metadata: MetadataSource, chunks: Sequence[Chunk], timeline: Timeline) -> Moved:
    """`chunks` are those of one file that go into its output; those without times are not in the result."""
    timed = {chunk: b"".join(metadata.content(chunk)) for chunk in chunks if chunk.name in MOVERS[metadata.kind]}
    contents: dict[Chunk, bytes | None] = {}
    moved = move(metadata.kind, [(chunk.name, content) for chunk, content in timed.items()], timeline)
    contents |= zip(timed, moved, strict=True)
    lost: list[str] = []
    why = ""
    for chunk in (chunk for chunk in chunks if chunk.name in ("id3", "ID3")):
        tag = b"".join(metadata.content(chunk))
        if any(map(is_timed, id3_names(tag))):
            contents[chunk], names, why = _moved_id3(tag, timeline)
            lost += names
    lost += [chunk.name for chunk, content in contents.items() if content is None]
    return Moved(contents, tuple(lost), why)


def _moved_id3(tag: bytes, timeline: Timeline) -> tuple[bytes | None, tuple[str, ...], str]:
    """The tag, names of frames that cannot be moved, and why it cannot be read where that is so."""
    if not richtags.is_available():
        return None, (), richtags.hint()
    try:
        with richtags.damage_told():
            return *move_id3(tag, timeline), ""
    except TagError as error:
        return None, (), f"; {error}"
