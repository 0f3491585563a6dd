"""Which files are meant: by name, as a folder, as a pattern, in a list.

A word of the command line is, in this order: `-` (the standard input), a file or folder of that name, a list
(`names.txt@`, a name a line, empty lines and `#` lines left out), a pattern (`raw/**/*.flac`, where the shell did not
expand it), or the name of a file that is not there, which fails later on its own. Names in lists are relative to
the current folder, as find(1) prints them.

What is named is always tried. What is found in a folder must look like audio and not be hidden.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from torchfx_cli.errors import RunError, UsageError
from torchfx_cli.stream.formats import format_words
from torchfx_cli.tasks.scan import Finder, is_pattern

STDIN = "-"
LIST_MARK = "@"


@dataclass(frozen=True, slots=True)
class Input:
    """An input that was found.

    path      as the user would name it.
    relative  its place under an output folder.
    root      the folder, or the fixed beginning of the pattern, that it was found under; None where it was named.
    """

    path: str
    relative: str
    root: str | None


@dataclass
class Gathered:
    """The inputs in order; how many were left out, by reason; and what is worth a word, a line each."""

    inputs: list[Input] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def gather(words: Sequence[str], *, files_from: str | None = None, zero: bool = False, include: Sequence[str] = (),
           exclude: Sequence[str] = (), output: str | None = None, stdin: BinaryIO | None = None) -> Gathered:
    """All inputs that `words` and the list `files_from` (a path, or - for `stdin`) mean, each once.

    zero              names in `files_from` end with NUL, not with a line.
    include, exclude  patterns for what is found in folders and by patterns; of its name, or of its relative path.
    output            the output folder, which is never searched; None for `processed` folders.

    Raises UsageError for a list that cannot be read, RunError where nothing was found at all.
    """
    found = Gathered()
    finder = Finder(include, exclude, output, found.skipped, found.remarks)
    empty: list[str] = []
    for word in words:
        count = len(found.inputs)
        found.inputs += _of_word(word, finder, found)
        if len(found.inputs) == count and word != STDIN:
            empty.append(word)
    if files_from is not None:
        found.inputs += map(_named, _names(files_from, zero=zero, stdin=stdin))
    found.inputs = _once(found)
    if not found.inputs:
        raise RunError(_nothing(empty, files_from, found.skipped))
    found.remarks += [f"no audio files in {word}" for word in empty]
    return found


def _of_word(word: str, finder: Finder, found: Gathered) -> Iterator[Input]:
    if word == STDIN or not word:
        yield _named(word)
    elif os.path.isdir(word):
        yield from (Input(path, relative, word) for path, relative in finder.folder(word))
    elif os.path.lexists(word):
        yield _named(word)
    elif word.endswith(LIST_MARK) and len(word) > 1:
        yield from map(_named, _names(word[:-1], comments=True))
    elif is_pattern(word):
        root, matches = finder.pattern(word)
        yield from (Input(path, relative, root) for path, relative in matches)
    else:
        yield _named(word)


def _named(path: str) -> Input:
    return Input(path, os.path.basename(os.path.normpath(path)), None)


def _names(path: str, *, zero: bool = False, comments: bool = False, stdin: BinaryIO | None = None) -> Iterator[str]:
    """The names in a list: bytes as they are, so that any name can stand in it."""
    try:
        if path == STDIN and stdin is not None:
            data = stdin.read()
        else:
            with open(path, "rb") as file:
                data = file.read()
    except OSError as error:
        raise UsageError(f"the list {path} cannot be read: {error.strerror}") from None
    for line in data.split(b"\0" if zero else b"\n"):
        line = line if zero else line.removesuffix(b"\r")
        if line and not (comments and (line.startswith(b"#") or not line.strip())):
            yield os.fsdecode(line)


def _once(found: Gathered) -> list[Input]:
    """Each path once: a list and a pattern may name the same file."""
    seen: dict[str, Input] = {}
    for one in found.inputs:
        seen.setdefault(one.path if one.path == STDIN else os.path.normpath(one.path), one)
    again = len(found.inputs) - len(seen)
    if again:
        found.skipped["named twice"] = found.skipped.get("named twice", 0) + again
    return list(seen.values())


def _nothing(empty: Iterable[str], files_from: str | None, skipped: dict[str, int]) -> str:
    places = ", ".join([*empty, *([f"the list {files_from}"] if files_from is not None else [])])
    left_out = ", ".join(f"{number} {reason}" for reason, number in skipped.items())
    return (f"no audio files in {places} (looked for {', '.join('.' + word for word in format_words()[:6])}, ...)"
            + (f"; left out: {left_out}" if left_out else ""))
