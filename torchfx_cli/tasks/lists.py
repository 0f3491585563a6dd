"""Names of files in a list: bytes as they are, so that any name can stand in one.

In a list `/./` marks where that part of a path begins that an output keeps, as rsync reads it. In a list that this
program writes each name has the mark, which others hardly ever write: so it knows its own lists again.
"""

from __future__ import annotations

import codecs
import contextlib
import os
from collections.abc import Sequence
from typing import BinaryIO

from torchfx_cli.errors import UsageError, printable

STDIN = "-"
TREE_MARK = "/./"
MAX_LIST_BYTES = 1 << 28
MAX_NAMES = 1_000_000  # each takes about a kilobyte of memory in all


def read_names(path: str, *, zero: bool = False, stdin: BinaryIO | None = None) -> list[str]:
    """The names in the list `path` (- is `stdin`), each ended by a NUL where `zero`, else by a line's end.

    A list of this program says by itself that its names end with NUL. Raises UsageError where the list cannot be read,
    or is not of that kind.
    """
    data = _content(path, stdin)
    if zero or (data.endswith(b"\0") and is_own(data)):
        return [os.fsdecode(name) for name in data.split(b"\0") if name]
    data = _plain(data)
    if b"\0" in data:
        raise UsageError(f"the list {printable(path)} has NUL characters in it: give -0 if find -print0 wrote it; "
                         "a sound file or a text in UTF-16 without a mark is no list")
    return [os.fsdecode(line) for line in (line.removesuffix(b"\r") for line in data.split(b"\n")) if line]


def read_commented(path: str) -> list[str]:
    """The same for a list that people write: without empty lines and `# remarks`."""
    return [name for name in read_names(path) if name.strip() and not name.startswith("#")]


def as_list(names: Sequence[str], *, zero: bool) -> bytes:
    """`names`, which have their marks, as a list that `read_names` reads.

    Where a name cannot stand on a line, each ends with a NUL, as all do where `zero`.
    """
    lines = [os.fsencode(name) for name in names]
    end = b"\0" if zero or any(b"\n" in line or line.endswith(b"\r") for line in lines) else b"\n"
    return b"".join(line + end for line in lines)


def is_own(head: bytes) -> bool:
    """Whether a list that begins like this was written by `as_list`; its last name may be cut off."""
    *names, _ = head.split(b"\0" if b"\0" in head else b"\n")
    return bool(names) and all(os.fsencode(TREE_MARK) in name for name in names)


def _plain(data: bytes) -> bytes:
    """The bytes of names on lines: without the byte order mark of an editor, and from UTF-16 as Windows writes it."""
    first = data.split(b"\n", 1)[0].removesuffix(b"\r")
    if data.startswith(codecs.BOM_UTF8) and not os.path.lexists(first):  # a name may begin like that
        return data.removeprefix(codecs.BOM_UTF8)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and b"\0" in data:
        with contextlib.suppress(UnicodeError):
            return data.decode("utf-16").encode()
    return data


def _content(path: str, stdin: BinaryIO | None) -> bytes:
    if path == STDIN and stdin is None:
        raise UsageError("the list - cannot be read: there is no standard input")
    try:
        if path == STDIN and stdin is not None:
            data = stdin.read(MAX_LIST_BYTES + 1)
        else:
            with open(path, "rb") as file:
                data = file.read(MAX_LIST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"the list {printable(path)} cannot be read: {error.strerror}") from None
    if len(data) > MAX_LIST_BYTES:
        raise UsageError(f"the list {printable(path)} is larger than {MAX_LIST_BYTES >> 20} MiB; divide it")
    if max(data.count(b"\n"), data.count(b"\0")) > MAX_NAMES:
        raise UsageError(f"the list {printable(path)} has more than {MAX_NAMES} names; divide it")
    return data
