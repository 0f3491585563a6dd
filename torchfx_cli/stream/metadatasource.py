"""What an input holds besides its samples and the texts that libsndfile knows, and which chunks may be copied.

Most outputs lie on the time line of their inputs (latency is taken out, tails come at the end), so cue points, loops,
markers and time references stay right and chunks go over byte for byte, into a file of the same kind; where rate or
beginning change, `timeline` tells where they are. Copied is what is not known to be wrong: unknown chunks too, but
none that describes the old samples.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from torchfx_cli.records import dataclass
from torchfx_cli.stream.broadcast import BEXT_BYTES, NO_CHANGE, Made, has_loudness
from torchfx_cli.stream.chunks import FILES, Chunk, Layout
from torchfx_cli.stream.diagnose import reading
from torchfx_cli.stream.forsome import chantag, sphere

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchfx_cli.stream.timeline import Timeline

MAX_BYTES = 64 << 20  # of all that is copied, and of the tags of a file
MAX_VALUES = 10_000  # of the tags of a file
PIECE_BYTES = 1 << 20

# Made anew by the writer, or only filling.
_STRUCTURE = {
    "WAV": frozenset({"fmt", "data", "fact", "PEAK", "JUNK", "junk", "PAD", "FLLR", "ds64"}),
    "AIFF": frozenset({"COMM", "SSND", "FVER", "PEAK"}),
    "CAF": frozenset({"desc", "data", "pakt", "kuki", "free", "peak"}),
}
# True of the old samples only: an overview, a checksum.
_STALE = frozenset({"levl", "MD5", "md5", "ovvw", "wavl", "slnt"})
# ADM says what each channel is, as does the layout of a CAF or AIFF; one that is understood is written anew.
_LAYOUTS = frozenset({"chan", "CHAN"})
_OF_CHANNELS = frozenset({"chna", "axml"}) | _LAYOUTS
# Counts frames in a form that nobody has published.
_UNMOVABLE = frozenset({"strc"})
# Container.word -> kind.
_KINDS = {"wav": "WAV", "rf64": "WAV", "aiff": "AIFF", "caf": "CAF"}
# What libsndfile reads, and what richtags.py does.
_TEXTS = frozenset({"LIST-INFO", "NAME", "AUTH", "ANNO", "(c)", "APPL", "info"})
_TAGS = frozenset({"id3", "ID3"})


@dataclass(frozen=True)
class MetadataSource:
    """An open input as far as metadata goes. `container`: libsndfile's name; `fd` must stay open until it is used.

    made      how the output is made of it.
    comments, pictures  its tags as Vorbis comments and (MIME type, picture) where a decoder hands them out, else None.
    timeline  where times of the input are in the output; None where it begins and ends as the input does, at its rate.

    Reading moves no file position.
    """

    fd: int
    file_bytes: int
    container: str
    channels: int
    layout: Layout | None
    timeline: Timeline | None = None
    made: Made = NO_CHANGE
    comments: tuple[tuple[str, str], ...] | None = None
    pictures: tuple[tuple[str, bytes], ...] = ()

    @property
    def kind(self) -> str:
        """WAV (RF64 is one, too), AIFF or CAF where its chunks can go into another file of that kind, else ""."""
        if self.layout is None or (self.layout.kind == "WAV" and self.layout.big_endian):
            return ""
        kind = "WAV" if self.layout.kind == "RF64" else self.layout.kind
        return kind if kind in _STRUCTURE else ""

    def fits(self, word: str) -> bool:
        """Whether chunks can be copied into what `--format` calls `word`."""
        return bool(self.kind) and _KINDS.get(word) == self.kind

    def chunks(self) -> tuple[Chunk, ...]:
        """All that is not structure, in file order; behind samples of unknown size nothing is known."""
        if self.layout is None:
            return ()
        data, unsure = self.layout.data, self.layout.is_unfinished or self.layout.is_streamed
        end = data.start if data and unsure else self.file_bytes
        structure = _STRUCTURE.get(self.layout.kind, _STRUCTURE["WAV"]) | FILES
        if self.layout.kind in ("AIFF", "CAF") and chantag.told(self.fd, self.layout, self.channels):
            structure |= _LAYOUTS
        return tuple(chunk for chunk in self.layout.chunks if chunk.name not in structure and chunk.start < end)

    @property
    def has_id3_chunk(self) -> bool:
        return self.layout is not None and self.layout.first("id3", "ID3") is not None

    def foreign_chunks(self) -> tuple[str, ...]:
        """Names of the chunks that only a file of the same kind could hold, each once; of a SPHERE, of its fields."""
        if self.container == "NIST":
            return sphere.comments(self.fd)
        return tuple(dict.fromkeys(chunk.name for chunk in self.chunks() if chunk.name not in _TEXTS | _TAGS))

    def sorted_out(self, channels: int) -> tuple[tuple[Chunk, ...], tuple[str, ...]]:
        """The chunks to copy into an output of `channels`, and the names of the others."""
        kept: list[Chunk] = []
        lost: list[str] = []
        room = MAX_BYTES
        for chunk in self.chunks():
            cut = chunk.size < 0 or chunk.start + chunk.size > self.file_bytes
            if cut or chunk.size > room or not self._is_true(chunk, channels):
                lost.append(chunk.name)
            else:
                kept.append(chunk)
                room -= chunk.size
        return tuple(kept), tuple(dict.fromkeys(lost))

    def _is_true(self, chunk: Chunk, channels: int) -> bool:
        if chunk.name in _STALE or (chunk.name in _UNMOVABLE and self.timeline is not None):
            return False
        return chunk.name not in _OF_CHANNELS or channels == self.channels

    def has_loudness(self, chunk: Chunk) -> bool:
        """Whether it is a bext in which loudness values were put."""
        return chunk.name == "bext" and has_loudness(os.pread(self.fd, min(chunk.size, BEXT_BYTES), chunk.start))

    def content(self, chunk: Chunk) -> Iterator[bytes]:
        """The bytes of a chunk in pieces; fewer than its size where the file has shrunk."""
        at, end = chunk.start, chunk.start + chunk.size
        with reading():
            while at < end and (piece := os.pread(self.fd, min(PIECE_BYTES, end - at), at)):
                yield piece
                at += len(piece)


def has_texts(names: tuple[str, ...]) -> bool:
    """Whether one of the named chunks holds texts that libsndfile reads, and can write instead."""
    return bool(_TEXTS.intersection(names))
