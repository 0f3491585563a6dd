"""Outputs that would destroy something: found beforehand, by what names lead to and not by how they are written."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Sequence

from torchfx_cli.records import dataclass
from torchfx_cli.stream.place import DASH, STDIN, followed, stream_at
from torchfx_cli.tasks.urls import is_url

Pair = tuple[str, str]
# How two inputs come to outputs of different names.
BY_NAME = "--name '{name}{ext}' keeps both names whole, a.mp3.wav beside a.wav.wav"
BY_FOLDER = "give the folder that holds them as the input, or a --name with {number}"
Place = tuple[int | str, ...]  # device, inode, and the names from there on


@dataclass(frozen=True)
class Named:
    """A file by its name, and what it is to the command: `--report`, `the list names.txt`."""

    role: str
    path: str


def find_conflicts(pairs: Sequence[Pair], *, in_place: bool) -> list[str]:
    """What is wrong with `pairs` of (input, output), a sentence each.

    Two inputs must not share an output, and no output may be an input, also through links; `in_place` each output is
    its own input, and only that.
    """
    problems = _shared(pairs)
    if not in_place:
        problems += _overwritten(pairs)
    return problems


def find_clashes(written: Sequence[Named], read: Sequence[Named] = (), inputs: Iterable[str] = (),
                 made: Iterable[str] = ()) -> list[str]:
    """What is wrong with the files of a command that are not its audio, a sentence for each; links are followed.

    written  beside the audio: reports, lists, tables, pictures. `-` is the standard output.
    read     beside the audio: chains, taps, lists of inputs. `-` is the standard input.
    inputs, made  the audio that is read, and all else that is made; nothing that was read may be written in any way.
    """
    told: dict[str, str] = {}  # one sentence a file
    folders: dict[str, Place] = {}
    taken: dict[Place, Named] = {}
    for file in written:
        for key in _keys_of_written(file.path, folders):
            other = taken.setdefault(key, file)
            if other is not file:
                told[file.path] = f"{other.role} and {file.role} are the same file: {file.path}"
    known = {key: file.role for file in read for key in _keys_of_read(file.path, folders)}
    sources = {key: f"the input {path}" for path in inputs for key in _keys_of_read(path, folders)} if taken else {}
    for key, file in taken.items():
        if role := known.get(key) or sources.get(key):
            told.setdefault(file.path, f"{file.role}: {file.path} is {role}; choose another file")
    for path in made:
        place = _place(path, folders)
        if place in known:
            told[path] = f"the output {path} would overwrite {known[place]}; choose another --output"
        for end in range(2, len(place) + 1) if taken else ():
            if found := taken.get(place[:end]):
                why = "an output of this run" if end == len(place) else f"where the folder of the output {path} must be"
                told.setdefault(found.path, f"{found.role}: {found.path} is {why}; choose another file")
    return list(told.values())


def _keys_of_written(path: str, folders: dict[str, Place]) -> list[Place]:
    """By what a file is known again: its place and its identity. A stream has no place, and many ends."""
    try:
        stream = stream_at(path)
        found = os.stat(path if stream is None else stream)
    except (OSError, ValueError):
        return [_place(path, folders)]
    if stream is None:
        return [_place(path, folders), _identity_of(found)]
    is_for_all = stat.S_ISCHR(found.st_mode) or stat.S_ISSOCK(found.st_mode)  # a terminal, /dev/null
    return [] if is_for_all else [_identity_of(found)]


def _keys_of_read(path: str, folders: dict[str, Place]) -> list[Place]:
    identity = _identity(STDIN if path == DASH else path)
    return [*([] if path == DASH else [_place(path, folders)]), *([] if identity is None else [identity])]


def _shared(pairs: Sequence[Pair]) -> list[str]:
    first: dict[Place, int] = {}
    folders: dict[str, Place] = {}
    problems = []
    have_names = True  # of their own, the two of each pair
    for number, (source, output) in enumerate(pairs):
        before = first.setdefault(_place(output, folders), number)
        if before != number:
            other = pairs[before][0]
            problems.append(f"{other} and {source} would both become {output}")
            have_names = have_names and os.path.basename(other) != os.path.basename(source)
    if problems:
        problems[-1] += "; " + (BY_NAME if have_names else BY_FOLDER)
    return problems


def _overwritten(pairs: Sequence[Pair]) -> list[str]:
    inputs = {identity: source for source, _ in pairs if (identity := _identity(STDIN if source == DASH else source))}
    return [
        f"{source}: the output {output} would overwrite the input {inputs[identity]}; choose another --output"
        for source, output in pairs
        if (identity := _identity(output)) in inputs and identity is not None
    ]


def _place(path: str, folders: dict[str, Place]) -> Place:
    """The same for all ways to write one place, whether or not something is there: its folder, and its name."""
    if is_url(path):
        return (path,)
    with contextlib.suppress(OSError, ValueError):  # a loop of links leads nowhere
        path = followed(path)
    folder, name = os.path.split(path)
    if folder not in folders:
        folders[folder] = _place_of_folder(folder or ".")
    return (*folders[folder], name)


def _place_of_folder(folder: str) -> Place:
    """Its identity, or where it is missing that of the nearest folder above it, and the names from there."""
    identity, missing = _identity(folder), []
    while identity is None and folder not in ("", "/"):
        folder, name = os.path.split(os.path.normpath(folder))
        missing.append(name)
        identity = _identity(folder or ".")
    return (*(identity or ()), *reversed(missing))


def _identity(path: str | int) -> Place | None:
    """Device and inode behind a name, links followed: the same for all names of one file. A URL is its own."""
    if isinstance(path, str) and is_url(path):
        return (path,)
    try:
        return _identity_of(os.stat(path))
    except (OSError, ValueError):
        return None


def _identity_of(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
