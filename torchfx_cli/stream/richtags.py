"""Vorbis comments, ID3 frames and pictures, from any file that has them to any that can hold them, with mutagen.

mutagen is an optional install (it is GPL); this module may be imported without it, but only `is_available` works
then. What was true of the old samples or of the old file only is left out, see taglist.py.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from torchfx_cli.records import dataclass
from torchfx_cli.stream.id3limits import TagError, read_id3
from torchfx_cli.stream.id3map import apic_of, comments_of, frames_of, key_of, picture_of
from torchfx_cli.stream.metadatasource import MAX_BYTES, MAX_VALUES, MetadataSource
from torchfx_cli.stream.sound import PartedFile
from torchfx_cli.stream.tagchanges import Cover, TagChanges
from torchfx_cli.stream.taglist import comment_count, flac_blocks, id3_of, is_loudness, is_of_the_file, tag_bytes

FLAC_BLOCK_BYTES = (1 << 24) - 4096  # a block's size has 24 bits; the rest is for mime and description
PADDING_BYTES = 1024  # behind the tag of an MP3, for editors
_PICTURE_KEY = "METADATA_BLOCK_PICTURE"
_NO_V1 = 0  # 30 letters of Latin-1 are no second truth beside ID3v2


@dataclass(frozen=True)
class RichTags:
    """All tags of a file.

    comments  (key in capitals, value), a key as often as it has values.
    pictures  `mutagen.flac.Picture`.
    frames    ID3 frames as they were, where the file had ID3; `version` its second number (3 is ID3v2.3).
    only_id3  names of frames that no other kind of tag can hold.
    """

    comments: tuple[tuple[str, str], ...] = ()
    pictures: tuple[Any, ...] = ()
    frames: tuple[Any, ...] = ()
    version: int = 4
    only_id3: tuple[str, ...] = ()

    def filled(self, strings: Mapping[str, str]) -> RichTags:
        """With those of libsndfile's strings for which there is nothing here; they must be proper text."""
        known = {key for key, _ in self.comments}
        more = tuple((name.upper(), text) for name, text in strings.items() if name.upper() not in known)
        return replace(self, comments=self.comments + more)


    def changed(self, changes: TagChanges) -> RichTags:
        """With `changes` in comments, pictures and frames alike."""
        frames = tuple(frame for frame in self.frames if key_of(frame) not in changes.keys)
        found = replace(self, comments=changes.in_comments(self.comments), frames=frames)
        return found if changes.cover is None else found._with_cover(changes.cover)

    def _with_cover(self, cover: Cover) -> RichTags:
        """A front cover and a picture of no kind (0) make room for it; all do for none."""
        gone = (0, 3) if cover.data else range(256)
        pictures = tuple(picture for picture in self.pictures if picture.type not in gone)
        frames = tuple(frame for frame in self.frames if frame.FrameID != "APIC" or frame.type not in gone)
        made = (_cover(cover.mime, cover.data),) if cover.data else ()
        return replace(self, pictures=(*made, *pictures), frames=(*frames, *map(apic_of, made)) if frames else ())


def is_available() -> bool:
    """Whether mutagen is installed and can be loaded, which this does: ask where it is needed next."""
    return not _fault()


def advice() -> str:
    """What to do where it is not."""
    fault = _fault()
    return f"pip install --force-reinstall mutagen (the installed one is broken: {fault})" if (
        fault and _is_installed()) else "pip install mutagen"


def hint() -> str:
    """Behind a warning about tags that are left behind."""
    return f"; {advice()} would carry the tags"


def _fault() -> str:
    """What loading mutagen says; "" for nothing."""
    try:
        import mutagen.flac
        import mutagen.id3  # noqa: F401
    except Exception as error:  # of a broken installation almost anything
        return str(error) or type(error).__name__
    return ""


def _is_installed() -> bool:
    import importlib.util

    return importlib.util.find_spec("mutagen") is not None


def read(metadata: MetadataSource) -> RichTags:
    """The tags of an input. Raises TagError, also where they would take too much memory."""
    if tag_bytes(metadata) > MAX_BYTES:
        raise TagError(f"the tags are larger than {MAX_BYTES >> 20} MiB")
    if comment_count(metadata) > MAX_VALUES:
        raise TagError(f"there are more than {MAX_VALUES} of them")
    with damage_told():
        if metadata.comments is not None:
            return _of_comments(metadata.comments, [_cover(*picture) for picture in metadata.pictures])
        if metadata.container == "FLAC":
            return _read_flac(metadata.fd)
        if metadata.container == "OGG":
            return _read_ogg(metadata)
        return read_frames(id3_of(metadata))


@contextmanager
def damage_told() -> Iterator[None]:
    """Raises TagError for whatever mutagen raises inside, and the OSError that it has met."""
    try:
        yield
    except (OSError, TagError):
        raise
    except Exception as error:  # a damaged tag makes mutagen raise almost anything
        raise _unwrapped(error, f"the tags are damaged ({str(error) or type(error).__name__})") from None


def _unwrapped(error: Exception, words: str) -> Exception:
    """The OSError that mutagen has wrapped into its own error, else a TagError of `words`."""
    cause = error.args[0] if error.args else None
    return cause if isinstance(cause, OSError) else TagError(words)


def _read_flac(fd: int) -> RichTags:
    """mutagen's reader of files believes the sizes in a block over the size of the block."""
    from mutagen.flac import Picture, VCFLACDict

    blocks = [(kind, os.pread(fd, size, start)) for kind, start, size in flac_blocks(fd) if kind in (4, 6)]
    comments = next((VCFLACDict(block) for kind, block in blocks if kind == 4), ())
    return _of_comments(comments, [Picture(block) for kind, block in blocks if kind == 6])


def _read_ogg(metadata: MetadataSource) -> RichTags:
    return _of_comments(_open(io.BufferedReader(PartedFile(metadata.fd, [(0, metadata.file_bytes)]))).tags or ())


def _open(file: Any) -> Any:
    import mutagen
    from mutagen.flac import FLAC
    from mutagen.oggflac import OggFLAC
    from mutagen.oggopus import OggOpus
    from mutagen.oggvorbis import OggVorbis

    found = mutagen.File(file, options=[FLAC, OggVorbis, OggOpus, OggFLAC])
    if found is None:
        raise TagError("no tags found")
    return found


def _of_comments(comments: Iterable[tuple[str, str]], pictures: Iterable[Any] = ()) -> RichTags:
    from mutagen.flac import Picture

    pairs = [(key.upper(), value) for key, value in comments]
    coded = [Picture(base64.b64decode(value)) for key, value in pairs if key == _PICTURE_KEY]
    kept = tuple((key, value) for key, value in pairs if key != _PICTURE_KEY and _is_kept(key))
    return RichTags(kept, (*pictures, *coded))


def _cover(mime: str, data: bytes) -> Any:
    from mutagen.flac import Picture

    picture = Picture()
    picture.type, picture.mime, picture.data = 3, mime, data  # 3: the front
    return picture


def _is_kept(name: str) -> bool:
    return not is_loudness(name) and not is_of_the_file(name)


def read_frames(tag: bytes) -> RichTags:
    if not tag:
        return RichTags()
    found = read_id3(tag)
    frames = [frame for frame in found.values() if _is_kept(frame.FrameID) and _is_kept(getattr(frame, "desc", ""))]
    pictures = [picture_of(frame) for frame in frames if frame.FrameID == "APIC"]
    comments, lost = comments_of(frame for frame in frames if frame.FrameID != "APIC")
    return RichTags(tuple(comments), tuple(pictures), tuple(frames), max(3, found.version[1]), tuple(lost))


def fitting(tags: RichTags, word: str) -> tuple[RichTags, tuple[str, ...]]:
    """`tags` without what is too large for what `--format` calls `word`, and the names of that."""
    if word != "flac":
        return tags, ()
    pictures = tuple(picture for picture in tags.pictures if len(picture.data) <= FLAC_BLOCK_BYTES)
    comments, lost, room = [], [], FLAC_BLOCK_BYTES
    for key, text in tags.comments:
        size = len(f"{key}={text}".encode()) + 4
        if size > room:
            lost.append(key)
        else:
            comments.append((key, text))
            room -= size
    if len(pictures) < len(tags.pictures):
        lost.append("PICTURE")
    return replace(tags, pictures=pictures, comments=tuple(comments)), tuple(lost)


def write(tags: RichTags, fd: int) -> None:
    """Make `tags` the tags of the whole FLAC, Ogg or MP3 open as `fd`, and find them there. Raises TagError, OSError.

    The encoder's own words about itself stay.
    """
    from mutagen import MutagenError

    head = os.pread(fd, 4, 0)
    try:
        with os.fdopen(os.dup(fd), "r+b") as file:
            file.seek(0)
            if head in (b"fLaC", b"OggS"):
                _write_comments(tags, file)
            else:
                _write_id3(tags, file)
        _check(tags, fd, head)
    except MutagenError as error:
        raise _unwrapped(error, str(error) or type(error).__name__) from None


def _write_comments(tags: RichTags, file: Any) -> None:
    song = _open(file)
    if song.tags is None:
        song.add_tags()
    own = [(key, value) for key, value in song.tags if is_of_the_file(key) and key.upper() == "ENCODER"]
    song.tags[:] = [*own, *tags.comments]
    for picture in tags.pictures:
        if hasattr(song, "add_picture"):
            song.add_picture(picture)
        else:
            song.tags.append((_PICTURE_KEY, base64.b64encode(picture.write()).decode("ascii")))
    file.seek(0)
    song.save(file)


def _write_id3(tags: RichTags, file: Any) -> None:
    _make_id3(tags, _encoder(file)).save(file, v1=_NO_V1, v2_version=tags.version, padding=lambda info: PADDING_BYTES)


def _encoder(file: Any) -> list[Any]:
    """What an MP3 says of its encoder; libsndfile gives it no ID3 tag at all where it has no string to put there."""
    from mutagen.id3 import ID3, ID3NoHeaderError

    try:
        return list(ID3(file).getall("TSSE"))
    except ID3NoHeaderError:
        return []
    finally:
        file.seek(0)


def as_id3(tags: RichTags) -> bytes:
    """An ID3v2 tag, for a chunk of WAV or AIFF."""
    buffer = io.BytesIO()
    _make_id3(tags).save(buffer, v1=_NO_V1, v2_version=tags.version, padding=lambda info: 0)
    return buffer.getvalue()


def _make_id3(tags: RichTags, more: Iterable[Any] = ()) -> Any:
    """The old frames as they were, and what only `comments` have."""
    from mutagen.id3 import ID3

    known = {key for key, _ in comments_of(frame for frame in tags.frames if frame.FrameID != "APIC")[0]}
    made = frames_of((key, text) for key, text in tags.comments if key not in known and key != "SOFTWARE")
    id3 = ID3()
    for frame in (*more, *tags.frames, *made):
        id3.add(frame)
    for picture in () if tags.frames else tags.pictures:
        frame = apic_of(picture)
        while frame.HashKey in id3:
            frame.desc += " "  # each needs a description of its own (ID3v2.4, section 4.14)
        id3.add(frame)
    if tags.version == 3:
        id3.update_to_v23()
    return id3


def _check(tags: RichTags, fd: int, head: bytes) -> None:
    """Raise TagError where `tags` cannot be read back from a file that begins with `head`."""
    container = {b"fLaC": "FLAC", b"OggS": "OGG"}.get(head, "MP3")
    found = read(MetadataSource(fd, os.fstat(fd).st_size, container, 0, None))
    missing = [] if container == "MP3" else [key for key, value in tags.comments
                                             if (key, value) not in found.comments and _is_kept(key)]
    if missing or _hashes(found) != _hashes(tags):
        raise TagError("the tags that read back are not those that were written")


def _hashes(tags: RichTags) -> list[bytes]:
    """Of the pictures, which ID3 sorts by size."""
    import hashlib

    return sorted(hashlib.sha256(picture.data).digest() for picture in tags.pictures)
