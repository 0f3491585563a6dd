"""Files that are named by a URL, such as s3://bucket/folder/in.wav; `storage` reaches them."""

from __future__ import annotations

import re
from pathlib import Path, PurePath, PurePosixPath
from typing import cast

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_LOCAL = ("file", "local")
_SLASHES = re.compile(r"([^:/]+):/*")


def is_url(word: str) -> bool:
    """Whether `word` begins like s3:// and is not of this machine's own files."""
    return "://" in word and (found := _SCHEME.match(word)) is not None and found[1].lower() not in _LOCAL


def local_path(word: str) -> str:
    """`word` without a file:// in front of it."""
    found = _SCHEME.match(word) if "://" in word else None
    return word[found.end() :] if found and found[1].lower() in _LOCAL else word


class Url(PurePosixPath):
    """A URL, whose parts are those of a path; it has nothing that a disk would be asked for."""

    def __str__(self) -> str:
        return _SLASHES.sub(r"\1://", super().__str__(), count=1)

    def __fspath__(self) -> str:
        return str(self)


def path_of(word: str) -> Path:
    """`word`, a path or a URL. A Url goes where a path does, as far as only its parts are asked for."""
    return cast(Path, Url(word)) if is_url(word) else Path(word)


def below(url: PurePath, root: PurePath) -> str:
    """The name of `url` below `root`."""
    return url.relative_to(root).as_posix()
