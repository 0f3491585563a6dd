"""Files that are named by a URL, such as s3://bucket/folder/in.wav; `storage` reaches them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import cast

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_LOCAL = ("file", "local")


def is_url(word: str) -> bool:
    """Whether `word` begins like s3:// and is not of this machine's own files."""
    return "://" in word and (found := _SCHEME.match(word)) is not None and found[1].lower() not in _LOCAL


def local_path(word: str) -> str:
    """`word` without a file:// in front of it."""
    found = _SCHEME.match(word) if "://" in word else None
    return word[found.end() :] if found and found[1].lower() in _LOCAL else word


class Url(str):
    """A URL that goes where a path does, as far as only its parts are asked for. A batch may hold a million of them."""

    __slots__ = ()

    def __new__(cls, word: str) -> Url:
        return super().__new__(cls, word.rstrip("/"))

    @property
    def scheme(self) -> str:
        """What stands before ://, in small letters."""
        return self.partition("://")[0].lower()

    @property
    def name(self) -> str:
        """What stands behind the last slash."""
        return self.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The extension, with its dot."""
        return os.path.splitext(self.name)[1]

    @property
    def parent(self) -> Url:
        """The folder that it lies in."""
        return Url(self.rpartition("/")[0])

    def __truediv__(self, name: str) -> Url:
        return Url(f"{self}/{name}")


def path_of(word: str) -> Path:
    """`word`, a path or a URL."""
    return cast(Path, Url(word)) if is_url(word) else Path(word)


def below(url: object, root: object) -> str:
    """The name of `url` below the folder `root`."""
    return str(url).removeprefix(f"{root}/")


def bytes_of(stamp: str) -> int:
    """The length of an object with this stamp, see `storage.stamp_of`; 0 where it is not known."""
    count = stamp.partition("-")[0]
    return int(count) if count.isdigit() else 0
