"""Finds sound files in folders and by patterns, quickly: names and kinds of entries alone, nothing is opened."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from functools import lru_cache

from torchfx_cli.stream.formats import is_audio_name
from torchfx_cli.tasks.naming import DEFAULT_FOLDER

MAGIC = re.compile(r"[*?[]")


class Finder:
    """Searches folders; counts what it leaves out in `skipped`, by reason, and remarks on what is odd.

    output  the output folder of the run, never searched; None: no folder called `processed` is.
    """

    def __init__(self, include: Sequence[str], exclude: Sequence[str], output: str | None, skipped: dict[str, int],
                 remarks: list[str]) -> None:
        self._include = [_compiled(pattern) for pattern in include]
        self._exclude = [_compiled(pattern) for pattern in exclude]
        self._output = _identity(output) if output is not None else None
        self._default = output is None
        self._skipped, self._remarks = skipped, remarks
        self._folders: set[tuple[int, int]] = set()

    def folder(self, top: str) -> Iterator[tuple[str, str]]:
        """(path, path below `top`) of each sound file under `top`, in order of names, folders behind files."""
        self._folders = set()  # one folder may be given twice, and its files are told apart later
        yield from self._search(top, "", None)

    def pattern(self, pattern: str) -> tuple[str, Iterator[tuple[str, str]]]:
        """The fixed beginning of `pattern`, and (path, path below it) of each sound file that matches."""
        root, rest = _split(pattern)
        wanted = re.compile(_expression(rest))
        top = root or "."
        if not os.path.isdir(top):
            return root, iter(())
        self._folders = set()
        return root, self._search(root, "", wanted)

    def _search(self, folder: str, relative: str, wanted: re.Pattern[str] | None) -> Iterator[tuple[str, str]]:
        if not self._enter(folder or "."):
            return
        try:
            with os.scandir(folder or ".") as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self._remarks.append(f"{folder}: cannot be searched: {error.strerror}")
            return
        folders = []
        for entry in found:
            path, below = os.path.join(folder, entry.name), os.path.join(relative, entry.name)
            kind = self._kind(entry, path)
            if kind == "folder" and self._is_searched(entry.name, path):
                folders.append((path, below))
            elif kind == "file" and (wanted is None or wanted.fullmatch(below)) and self._is_wanted(entry.name, below):
                yield path, below
        for path, below in folders:
            yield from self._search(path, below, wanted)

    def _enter(self, folder: str) -> bool:
        """Whether `folder` is searched: each once, however links lead to it."""
        identity = _identity(folder)
        if identity is None:
            self._remarks.append(f"{folder}: cannot be searched")
            return False
        if identity == self._output:
            self._skip("in the output folder")
            return False
        if identity in self._folders:
            self._skip("reached twice through links")
            return False
        self._folders.add(identity)
        return True

    def _kind(self, entry: os.DirEntry[str], path: str) -> str:
        try:
            if entry.is_dir():
                return "folder"
            if entry.is_file():
                return "file"
            is_link = entry.is_symlink()
        except OSError as error:
            self._remarks.append(f"{path}: {error.strerror}")
            return ""
        if not is_audio_name(entry.name):
            self._skip("no audio")
        elif is_link and not os.path.exists(path):
            self._remarks.append(f"{path}: a link that leads nowhere")
        else:
            self._skip("no regular file")
        return ""

    def _is_searched(self, name: str, path: str) -> bool:
        if name.startswith("."):
            self._skip("hidden")
            return False
        if self._default and name == DEFAULT_FOLDER:
            self._skip("in a folder of outputs")
            return False
        return True

    def _is_wanted(self, name: str, relative: str) -> bool:
        if name.startswith("."):
            self._skip("hidden")
        elif not is_audio_name(name):
            self._skip("no audio")
        elif (self._include and not _matches(self._include, name, relative)) or _matches(self._exclude, name, relative):
            self._skip("excluded")
        else:
            return True
        return False

    def _skip(self, reason: str) -> None:
        self._skipped[reason] = self._skipped.get(reason, 0) + 1


def is_pattern(word: str) -> bool:
    return MAGIC.search(word) is not None


def _split(pattern: str) -> tuple[str, str]:
    """`raw/**/*.flac` -> (`raw`, `**/*.flac`)."""
    parts = pattern.split("/")
    fixed = next(number for number, part in enumerate(parts) if is_pattern(part))
    root = "/".join(parts[:fixed])
    return ("/" if pattern.startswith("/") and not root else root), "/".join(parts[fixed:])


def _matches(patterns: Sequence[re.Pattern[str]], name: str, relative: str) -> bool:
    return any(pattern.fullmatch(relative) or pattern.fullmatch(name) for pattern in patterns)


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(_expression(pattern))


def _expression(pattern: str) -> str:
    """A pattern of the shell as a regular expression: `*` and `?` within a name, `**` across folders, `[!a-z]`."""
    out, at = "", 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if pattern.startswith("**/", at - 1):
            out, at = out + "(?:.*/)?", at + 2
        elif pattern.startswith("**", at - 1):
            out, at = out + ".*", at + 1
        elif character == "*":
            out += "[^/]*"
        elif character == "?":
            out += "[^/]"
        elif character == "[" and (end := pattern.find("]", at + 1 + pattern.startswith("!", at))) > 0:
            inside = pattern[at:end].replace("\\", "\\\\").replace("[", "\\[")
            out, at = out + f"[{'^' + inside[1:] if inside.startswith('!') else inside}]", end + 1
        else:
            out += re.escape(character)
    return f"(?s:{out})"


def _identity(path: str) -> tuple[int, int] | None:
    try:
        facts = os.stat(path)
    except (OSError, ValueError):
        return None
    return (facts.st_dev, facts.st_ino) if stat.S_ISDIR(facts.st_mode) else None
