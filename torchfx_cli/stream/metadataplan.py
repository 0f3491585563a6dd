"""What of an input's metadata goes into one output, and by which way; what cannot go is named, once.

Three ways: chunks are copied into a file of the same kind; tags that libsndfile knows go through libsndfile; richer
ones (more keys, several values, pictures) through mutagen, as an `id3 ` chunk where the output is WAV or AIFF, which
is where players look for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from torchfx_cli.errors import FileError
from torchfx_cli.records import dataclass
from torchfx_cli.stream.broadcast import Made, Target, update
from torchfx_cli.stream.chunks import Chunk
from torchfx_cli.stream.diagnose import reading
from torchfx_cli.stream.formats import Container, OutputFormat
from torchfx_cli.stream.forsome import append, moving, richtags, taglist, textchunks
from torchfx_cli.stream.metadata import lost_tags, utf8_text
from torchfx_cli.stream.metadatasource import MetadataSource, has_texts
from torchfx_cli.stream.tagchanges import NO_CHANGES, TagChanges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchfx_cli.stream.append import Extra
    from torchfx_cli.stream.richtags import RichTags

MAX_NAMES = 12
BROADCAST = ("bext", "iXML", "axml")
MAX_BROADCAST_BYTES = 16 << 20
_REWRITTEN = frozenset({"flac", "ogg", "opus", "mp3"})
_ID3_CHUNKS = {"wav": b"id3 ", "rf64": b"id3 ", "aiff": b"ID3 "}


@dataclass(frozen=True)
class MetadataPlan:
    """What goes into an output.

    strings  for libsndfile.
    extras   chunks to put behind the samples.
    tags     to be written into the closed file.
    """

    strings: Mapping[str, str]
    extras: tuple[Extra, ...] = ()
    tags: RichTags | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def extra_bytes(self) -> int:
        return sum(extra.size + 32 for extra in self.extras)


@reading()
def contents(metadata: MetadataSource) -> tuple[str, ...]:
    """What an input holds besides samples and libsndfile's strings, for a listing."""
    return (*taglist.info_names(metadata), *taglist.tag_names(metadata), *metadata.foreign_chunks())


@reading()
def pack(strings: Mapping[str, str], metadata: MetadataSource | None, out_format: OutputFormat, fs: int, channels: int,
         changes: TagChanges = NO_CHANGES) -> MetadataPlan:
    """The plan of an output of `channels` at `fs` Hz; `strings` as from `read_tags`.

    Raises FileError where it cannot hold what `changes` give it.
    """
    container = out_format.container
    check_changes(changes, container)
    if metadata is not None and metadata.fits(container.word):
        target = Target(fs, channels, out_format, metadata.timeline is not None)
        plan = _same_kind(strings, metadata, target)
        return _retagged(plan, strings, changes, container) if changes else plan
    strings = changes.in_strings(strings)
    if metadata is None:
        return _made(strings, changes, container)
    return _other_kind(strings, metadata, out_format, changes)


def check_changes(changes: TagChanges, container: Container) -> None:
    """Raise FileError where an output of this kind cannot hold what `changes` give it."""
    word = container.word
    changes.check_held(container, takes_rich=word in _REWRITTEN or word in _ID3_CHUNKS)
    beyond = changes.beyond(container)
    if beyond and not richtags.is_available():
        raise FileError(f"{word.upper()} takes {_list(beyond)} only with mutagen: {richtags.advice()}")


def _made(strings: Mapping[str, str], changes: TagChanges, container: Container) -> MetadataPlan:
    """Of an output that takes nothing from its input, but what was given."""
    lost = lost_tags(strings, container)
    if not (changes.beyond(container) or (changes and _is_vague(strings, container))):
        return MetadataPlan(strings, warnings=_named(lost))
    tags = richtags.RichTags().changed(changes).filled(_plain_texts(strings))
    return _with_tags(strings, tags, [], (), container.word)


def _same_kind(strings: Mapping[str, str], metadata: MetadataSource, target: Target) -> MetadataPlan:
    """Raw chunks win over strings: those are the same texts, and libsndfile would add its name to them."""
    kept, lost = metadata.sorted_out(target.channels)
    extras, unmoved, why = _extras(metadata, kept)
    extras, warnings, notes = _made_true(metadata.made, extras, target)
    loud = ["bext"] if not metadata.made.is_changed and any(map(metadata.has_loudness, kept)) else []
    loud += ["id3"] if metadata.has_id3_chunk and taglist.id3_loudness(metadata) else []
    return MetadataPlan(
        strings if has_texts(lost) else {},
        extras,
        warnings=(*_named((*lost, *unmoved), why), *warnings),
        notes=(*notes, *((f"the loudness values in {' and '.join(loud)} are those of the input",) if loud else ())),
    )


def _retagged(plan: MetadataPlan, strings: Mapping[str, str], changes: TagChanges, container: Container
              ) -> MetadataPlan:
    """`plan` with its chunks of texts and its ID3 tag changed; such a tag is made where nothing else holds all."""
    texts, tag, others = list[tuple[bytes, bytes]](), b"", list[append.Extra]()
    for extra in plan.extras:
        content = b"".join(extra.content()) if extra.name in textchunks.TEXT_CHUNKS else b""
        if content and (extra.name != b"LIST" or content.startswith(b"INFO")):
            texts.append((extra.name, content))
        elif extra.name in _ID3_CHUNKS.values():
            tag = b"".join(extra.content())
        else:
            others.append(extra)
    texts = [] if plan.strings else textchunks.changed(texts, changes, container)  # those of a chunk that is cut off
    others += [_extra(*chunk) for chunk in texts]
    if tag or changes.beyond(container):
        others += _changed_id3(tag, strings, changes, container)
    return replace(plan, strings=changes.in_strings(plan.strings) if plan.strings else {}, extras=tuple(others))


def _changed_id3(tag: bytes, strings: Mapping[str, str], changes: TagChanges, container: Container) -> list[Extra]:
    if not richtags.is_available():
        raise FileError(f"its ID3 tag can be changed only with mutagen: {richtags.advice()}")
    try:
        with richtags.damage_told():
            old = richtags.read_frames(tag) if tag else richtags.RichTags().filled(_plain_texts(strings))
            tags = old.changed(changes)
            return [_extra(_ID3_CHUNKS[container.word], richtags.as_id3(tags))] if tags != richtags.RichTags() else []
    except richtags.TagError as error:
        raise FileError(f"its ID3 tag cannot be changed: {error}") from None


def _made_true(made: Made, extras: Sequence[Extra], target: Target
               ) -> tuple[tuple[Extra, ...], tuple[str, ...], tuple[str, ...]]:
    """`extras` with what they say of the sound put right where that can be, warnings where not, and notes."""
    if not made.by:
        return tuple(extras), (), ()
    found = []
    for extra in extras:
        name = extra.name.decode("latin-1")
        is_broadcast = name in BROADCAST and extra.size <= MAX_BROADCAST_BYTES
        content = b"".join(extra.content()) if is_broadcast else b""
        new, warning, note = update(name, content, made, target)
        found.append((extra if new == content else _extra(extra.name, new), warning, note))
    return (tuple(extra for extra, _, _ in found), tuple(words for _, words, _ in found if words),
            tuple(words for _, _, words in found if words))


def _extras(metadata: MetadataSource, chunks: Sequence[Chunk]) -> tuple[tuple[Extra, ...], tuple[str, ...], str]:
    """`chunks` as they go into the output, names of what holds times that cannot be moved, and why."""
    if metadata.timeline is None:
        return tuple(_copy(metadata, chunk) for chunk in chunks), (), ""
    moved = moving.move_chunks(metadata, chunks, metadata.timeline)
    extras = (_changed(chunk, moved.contents[chunk] or b"") if chunk in moved.contents else _copy(metadata, chunk)
              for chunk in chunks if moved.contents.get(chunk, b"as it is"))
    return tuple(extras), moved.lost, moved.why


def _copy(metadata: MetadataSource, chunk: Chunk) -> Extra:
    return append.Extra(chunk.four_letters, chunk.size, partial(metadata.content, chunk))


def _changed(chunk: Chunk, content: bytes) -> Extra:
    return _extra(chunk.four_letters, content)


def _extra(name: bytes, content: bytes) -> Extra:
    return append.Extra(name, len(content), lambda: (content,))


def _other_kind(strings: Mapping[str, str], metadata: MetadataSource, out_format: OutputFormat, changes: TagChanges
                ) -> MetadataPlan:
    word, names = out_format.container.word, taglist.tag_names(metadata)
    names = tuple(changes.let_pass(names)) if changes else names
    measured = [name for name in names if taglist.is_loudness(name)]
    richer = [name for name in names if name not in measured and name not in taglist.BLOCK_NAMES]
    richer += changes.beyond(out_format.container)
    dropped = lost_tags(strings, out_format.container)
    blocks = [name for name in names if name in taglist.BLOCK_NAMES]
    others = [*taglist.info_names(metadata), *blocks, *metadata.foreign_chunks()]
    if word in _ID3_CHUNKS:  # ID3 has a frame only for the software of the file that it is in
        others += [name for name in (*dropped, *richer) if name.lower() == "software"]
    notes = (f"dropped, because filtering changes it: {_list(measured)}",) if measured else ()
    takes = word in _REWRITTEN or word in _ID3_CHUNKS
    if not (takes and (richer or dropped or _is_vague(strings, out_format.container))):
        return MetadataPlan(strings, warnings=_named((*dropped, *richer, *others)), notes=notes)
    if not richtags.is_available():
        return MetadataPlan(strings, warnings=_named((*dropped, *richer, *others), richtags.hint()), notes=notes)
    try:
        tags = richtags.read(metadata).changed(changes).filled(_texts(strings, metadata))
    except richtags.TagError as error:
        if changes.beyond(out_format.container):
            raise FileError(f"its tags cannot be changed: {error}") from None
        why = f"; {error}"
        return MetadataPlan(strings, warnings=_named((*dropped, *richer, *others), why), notes=notes)
    if metadata.timeline is not None:
        tags, unmoved = moving.move_tags(tags, metadata.timeline)
        others += unmoved
    return _with_tags(strings, tags, others, notes, word)


def _is_vague(strings: Mapping[str, str], container: Container) -> bool:
    """Whether LAME would put letters into an MP3 that not all players read: of ID3v1, which names no encoding."""
    return container.word == "mp3" and not "".join(strings.values()).isascii() and richtags.is_available()


def _texts(strings: Mapping[str, str], metadata: MetadataSource) -> dict[str, str]:
    """`strings` as proper text; an MP3 calls its encoder its software."""
    skipped = "software" if metadata.container == "MP3" else ""
    return _plain_texts({name: text for name, text in strings.items() if name != skipped})


def _plain_texts(strings: Mapping[str, str]) -> dict[str, str]:
    return {name: utf8_text(text) for name, text in strings.items()}


def _with_tags(strings: Mapping[str, str], tags: RichTags, others: list[str], notes: tuple[str, ...],
               word: str) -> MetadataPlan:
    if word in _ID3_CHUNKS:
        content = richtags.as_id3(tags)
        return MetadataPlan(strings, (_extra(_ID3_CHUNKS[word], content),), warnings=_named(others), notes=notes)
    lost = () if word == "mp3" else tags.only_id3
    tags, too_large = richtags.fitting(tags, word)
    return MetadataPlan(strings, tags=tags, warnings=_named((*lost, *too_large, *others)), notes=notes)


def _named(names: Iterable[str], hint: str = "") -> tuple[str, ...]:
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(name.lower(), name)  # several values of ARTIST are lost together with artist
    return (f"not carried over: {_list(found.values())}{hint}",) if found else ()


def _list(names: Iterable[str]) -> str:
    found = [name if len(name) <= 40 else name[:39] + "…" for name in names]
    more = f" and {len(found) - MAX_NAMES} more" if len(found) > MAX_NAMES else ""
    return ", ".join(found[:MAX_NAMES]) + more
