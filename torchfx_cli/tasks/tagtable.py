"""A table of tags, a row a file: CSV as spreadsheets write it, with a column `file` and a column for each tag.

A row is of the inputs whose paths end with what stands under `file`, in whole names: `a.wav` or `day 1/a.wav`, or the
full path. Rows that could be of several files are refused, as the wrong one would get the tags.
"""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from torchfx_cli.errors import UsageError, printable
from torchfx_cli.stream.tagchanges import comment_key, is_key
from torchfx_cli.tasks.job import Job

FILE = "FILE"
MAX_BYTES = 1 << 28
_DIVIDERS = "\t;,"
_MOST_SHOWN = 3
_SAYING_THE_DIVIDER = re.compile(r"sep=.\r?\n")  # a line that Excel takes for itself

Values = tuple[tuple[str, str], ...]
Place = tuple[str, ...]  # names of folders and a file, the last first


@dataclass(frozen=True)
class Row:
    """What stands in a line of the table: whose it is, and (key, text) of what is not empty."""

    line: int
    name: str
    values: Values


def read_table(path: str) -> list[Row]:
    """The rows of the table `path`; raises UsageError where it is none."""
    shown = printable(path)
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"--tags-from {shown}: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise UsageError(f"--tags-from {shown} is larger than {MAX_BYTES >> 20} MiB")
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeError as error:
        raise UsageError(f"--tags-from {shown} is not in UTF-8: {error}; save it as CSV UTF-8") from None
    text = _SAYING_THE_DIVIDER.sub("", text, count=1)
    head = text.lstrip("\r\n").partition("\n")[0]
    divider = next((mark for mark in _DIVIDERS if mark in head), ",")
    try:
        return list(_rows(csv.reader(io.StringIO(text, newline=""), delimiter=divider, strict=True), shown))
    except csv.Error as error:
        raise UsageError(f"--tags-from {shown} is no CSV: {error}") from None


def _rows(reader: Iterator[list[str]], shown: str) -> Iterator[Row]:
    header = _without_empty_ends(next(filter(any, reader), []))
    keys = [comment_key(word) for word in header]
    if FILE not in keys:
        raise UsageError(f"--tags-from {shown}: the first line names the columns, and one must be file; found "
                         f"{', '.join(map(printable, header)) or 'nothing'}")
    for word, key in zip(header, keys, strict=True):
        if not is_key(key) or key == "COVER":
            raise UsageError(f"--tags-from {shown}: the column {printable(word)!r} is no tag"
                             + ("; give a picture with --cover" if key == "COVER" else ""))
    for number, row in enumerate(reader, 2):
        cells = _without_empty_ends(row)
        if len(cells) > len(keys):
            raise UsageError(f"--tags-from {shown}: row {number} has {len(cells)} cells, and there are {len(keys)} "
                             "columns; a text with commas stands in quotes")
        found = [(key, cell.strip()) for key, cell in zip(keys, cells, strict=False) if cell.strip()]
        if any("\0" in text for _, text in found):
            raise UsageError(f"--tags-from {shown}: row {number} has a NUL character in it")
        names = [text for key, text in found if key == FILE]
        if found and len(names) != 1:
            raise UsageError(f"--tags-from {shown}: row {number} names {'no' if not names else 'more than one'} file")
        if found:
            yield Row(number, names[0], tuple(pair for pair in found if pair[0] != FILE))


def _without_empty_ends(cells: Sequence[str]) -> list[str]:
    """Without the empty cells at the end that spreadsheets write where a wider row is, or was."""
    length = next((place for place in range(len(cells), 0, -1) if cells[place - 1].strip()), 0)
    return list(cells[:length])


def tagged(jobs: Sequence[Job], rows: Sequence[Row]) -> tuple[list[Job], list[str]]:
    """`jobs` with the tags of their rows, and remarks on rows and files without each other; UsageError for doubts."""
    by_place: dict[Place, Row] = {}
    for row in rows:
        other = by_place.setdefault(_place_of(row.name), row)
        if other is not row:
            raise UsageError(f"--tags-from: rows {other.line} and {row.line} are both of {printable(row.name)}")
    found, owner = [], dict[int, Job]()
    for job in jobs:
        own = _row_of(str(job.source), by_place)
        if own is None:
            found.append(job)
            continue
        if own.line in owner:
            raise UsageError(f"--tags-from: row {own.line}, {printable(own.name)}, could be of "
                             f"{owner[own.line].source} and of {job.source}; write more of the path")
        owner[own.line] = job
        found.append(replace(job, values=own.values))
    idle = [row.name for row in rows if row.line not in owner]
    rowless = {str(job.source) for job in jobs} - {str(job.source) for job in owner.values()}
    bare = [str(job.source) for job in jobs if str(job.source) in rowless]
    remarks = [f"--tags-from: no input is {_some(idle)}"] if idle else []
    remarks += [f"--tags-from: no row is of {_some(bare)}"] if bare else []
    return found, remarks


def _row_of(path: str, rows: Mapping[Place, Row]) -> Row | None:
    """That which says most of the path."""
    place = _place_of(os.path.abspath(path))
    return next((rows[place[:length]] for length in range(len(place), 0, -1) if place[:length] in rows), None)


def _place_of(name: str) -> Place:
    path = os.path.normpath(name.replace("\\", "/") if "/" not in name else name)
    return tuple(reversed(path.split("/")))


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MOST_SHOWN
    return ", ".join(map(printable, names[:_MOST_SHOWN])) + (f" and {more} more" if more > 0 else "")
