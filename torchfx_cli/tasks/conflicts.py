"""Outputs that would destroy something: found beforehand, by what names lead to and not by how they are written."""

from __future__ import annotations

import os
from collections.abc import Sequence

Pair = tuple[str, str]
Place = tuple[int | str, ...]  # device, inode, and the names from there on


def find_conflicts(pairs: Sequence[Pair], *, in_place: bool) -> list[str]:
    """What is wrong with `pairs` of (input, output), a sentence each.

    Two inputs must not share an output, and no output may be an input, also through links; `in_place` each output is
    its own input, and only that.
    """
    problems = _shared(pairs)
    if not in_place:
        problems += _overwritten(pairs)
    return problems


def _shared(pairs: Sequence[Pair]) -> list[str]:
    first: dict[Place, int] = {}
    folders: dict[str, Place] = {}
    problems = []
    for number, (source, output) in enumerate(pairs):
        other = first.setdefault(_place(output, folders), number)
        if other != number:
            problems.append(f"{pairs[other][0]} and {source} would both become {output}")
    if problems:
        problems[-1] += "; give the folder that holds them as the input, or a --name with {number}"
    return problems


def _overwritten(pairs: Sequence[Pair]) -> list[str]:
    inputs = {identity: source for source, _ in pairs if (identity := _identity(source))}
    return [
        f"{source}: the output {output} would overwrite the input {inputs[identity]}; choose another --output"
        for source, output in pairs
        if (identity := _identity(output)) in inputs and identity is not None
    ]


def _place(path: str, folders: dict[str, Place]) -> Place:
    """The same for all ways to write one place, whether or not something is there: its folder, and its name."""
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


def _identity(path: str) -> tuple[int, int] | None:
    """Device and inode behind a name, links followed: the same for all names of one file."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino
