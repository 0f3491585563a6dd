"""Tags that outputs get, whatever their inputs say: as they are typed, and where they take the place of others.

A tag is a Vorbis comment: a key in capitals and a text, several of one key being several values. Every container's own
words are made of these, see metadataplan.py.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import field

from torchfx_cli.errors import FileError
from torchfx_cli.records import dataclass
from torchfx_cli.stream.formats import Container, tag_words

MAX_COVER_BYTES = 16_000_000  # a block of FLAC holds 16 MiB
# What people and FFmpeg call keys that are written otherwise.
_KEYS = {
    "track": "TRACKNUMBER", "disc": "DISCNUMBER", "album_artist": "ALBUMARTIST", "publisher": "LABEL", "year": "DATE",
    "sort_name": "TITLESORT", "sort_artist": "ARTISTSORT", "sort_album": "ALBUMSORT", "comments": "COMMENT",
    "sort_album_artist": "ALBUMARTISTSORT", "sort_composer": "COMPOSERSORT", "encoded_by": "ENCODEDBY",
}
_KEY = re.compile(r"[ -<>-}]+")  # RFC 9639, 8.6
_PICTURE_NAMES = frozenset({"PICTURE", "APIC", "PIC"})
_PICTURES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png", b"GIF8": "image/gif"}


def comment_key(word: str) -> str:
    """The key of a Vorbis comment for what people or FFmpeg call it."""
    return _KEYS.get(re.sub("[ -]", "_", word.strip().lower()), word.strip().upper())


def is_key(key: str) -> bool:
    return _KEY.fullmatch(key) is not None and key != "METADATA_BLOCK_PICTURE"


@dataclass(frozen=True)
class Cover:
    """A front cover; without `data`, none."""

    mime: str = ""
    data: bytes = field(default=b"", repr=False)
    digest: str = ""


def cover_of(data: bytes) -> Cover | None:
    """The cover in a file of a picture; None for what is none that players show."""
    mime = next((mime for head, mime in _PICTURES.items() if data.startswith(head)), None)
    if mime is None:
        return None
    import hashlib

    return Cover(mime, data, hashlib.sha256(data).hexdigest())


def is_cut_off(picture: bytes) -> bool:
    """Whether the JPEG, PNG or GIF lacks its end; what some programs write behind the end is no fault."""
    if picture.startswith(b"\x89PNG"):
        return b"IEND\xaeB`\x82" not in picture
    if picture.startswith(b"GIF"):
        return not picture.rstrip(b"\0").endswith(b";")
    return picture.rfind(b"\xff\xd9") <= picture.rfind(b"\xff\xda")  # none of the two occurs in coded data


@dataclass(frozen=True)
class TagChanges:
    """What is to be changed.

    values  (key, text): a key that stands here has these values afterwards and no others; "" stands for none.
    cover   takes the place of the front cover; an empty one of all pictures.
    """

    values: tuple[tuple[str, str], ...] = ()
    cover: Cover | None = None

    def __bool__(self) -> bool:
        return bool(self.values) or self.cover is not None

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(key for key, _ in self.values)

    def let_pass(self, names: Iterable[str]) -> list[str]:
        """Those of an input's tags, of a Vorbis comment or ID3, that the output is to have as they are."""
        from torchfx_cli.stream.id3map import KEYS

        is_bare = self.cover is not None and not self.cover.data
        gone = self.keys | (_PICTURE_NAMES if is_bare else frozenset())
        return [name for name in names if not gone & {name.upper(), KEYS.get(name)}]

    @property
    def given(self) -> tuple[tuple[str, str], ...]:
        """The values that are to be there."""
        return tuple((key, text) for key, text in self.values if text)

    def over(self, other: TagChanges) -> TagChanges:
        """These, and those of `other` that these say nothing of."""
        rest = tuple(pair for pair in other.values if pair[0] not in self.keys)
        return TagChanges((*rest, *self.values), other.cover if self.cover is None else self.cover)

    def in_comments(self, comments: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        return (*(pair for pair in comments if pair[0] not in self.keys), *self.given)

    def in_strings(self, strings: Mapping[str, str]) -> dict[str, str]:
        """libsndfile's `strings`, which hold one value of each of its keys, the first."""
        kept = {name: text for name, text in strings.items() if name.upper() not in self.keys}
        first = {key.lower(): text for key, text in reversed(self.given)}
        return kept | {name: first[name] for name in reversed(first) if name in tag_words()}

    def beyond(self, container: Container) -> tuple[str, ...]:
        """Of what is to be there, all that libsndfile cannot put whole into `container`."""
        from torchfx_cli.stream.metadata import lost_tags  # it loads libsndfile

        counts = Counter(key for key, _ in self.given)
        strings = self.in_strings({})
        lost = {name.upper() for name in lost_tags(strings, container)}
        names = [key for key, count in counts.items() if count > 1 or key in lost or key.lower() not in strings]
        return (*names, "PICTURE") if self.cover is not None and self.cover.data else tuple(names)

    def check_held(self, container: Container, *, takes_rich: bool) -> None:
        """Raise FileError where `container` has no place for what is to be there."""
        name = container.word.upper()
        if not container.tags and (self.given or (self.cover is not None and self.cover.data)):
            raise FileError(f"{name} holds no tags: leave out --tag and --cover, or choose another --format, such as "
                            "wav or flac")
        beyond = () if takes_rich else self.beyond(container)
        if beyond:
            raise FileError(f"{name} cannot hold {', '.join(beyond)} as given; it holds one short value each of "
                            f"{', '.join(sorted(container.tags))}")


NO_CHANGES = TagChanges()
