"""Outputs that would destroy something: found beforehand, by what names lead to and not by how they are written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

Pair = tuple[str, str]
Identity = tuple[int, int] | tuple[int, int, str]


def find_conflicts(pairs: Sequence[Pair], *, in_place: bool) -> list[str]:
    """What is wrong with `pairs` of (input, output), a sentence each.

    Two inputs must not share an output, and no output may be an input, also through links; `in_place` each output is
    its own input, and only that.
    """
    problems = _shared(pairs)
    if not in_place:
        problems += _overwritten(pairs)
    return problems


def _shared(pairs: Iterable[Pair]) -> list[str]:
    first: dict[Identity, str] = {}
    problems = []
    folders: dict[str, tuple[int, int] | None] = {}
    for source, output in pairs:
        other = first.setdefault(_place(output, folders), source)
        if other is not source:
            problems.append(f"{other} and {source} would both become {output}")
    return problems


def _overwritten(pairs: Sequence[Pair]) -> list[str]:
    inputs = {identity: source for source, _ in pairs if (identity := _identity(source))}
    return [
        f"{source}: the output {output} would overwrite the input {inputs[identity]}; choose another --output"
        for source, output in pairs
        if (identity := _identity(output)) in inputs and identity is not None
    ]


def _place(path: str, folders: dict[str, tuple[int, int] | None]) -> Identity:
    """The same for all ways to write one place, whether or not something is there: its folder, and its name."""
    folder, name = os.path.split(os.path.abspath(path))
    if folder not in folders:
        folders[folder] = _identity(folder)
    identity = folders[folder]
    return (0, 0, os.path.join(folder, name)) if identity is None else (*identity, name)


def _identity(path: str) -> tuple[int, int] | None:
    """Device and inode behind a name, links followed: the same for all names of one file."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino
