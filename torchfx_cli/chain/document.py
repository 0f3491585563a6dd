"""A chain file's bytes -> a tree of plain nodes that remember their lines.

Every scalar stays the text that was written, tags, anchors and aliases are refused, and depth and size are bounded.
Chains as they are mostly written are read by plainyaml.py, all others by anyyaml.py.

A chain from a stranger may name any file as a preset, so nothing is quoted of a file that has no key `chain`.
"""

from __future__ import annotations

import os
import re
import stat
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from dataclasses import field
from errno import ENOENT

from torchfx_cli.records import dataclass

MAX_FILE_BYTES = 1 << 20

# What YAML 1.1, section 4.1, leaves out; what it names, turned round, would take ten times as long to compile.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
NULLS = ("", "~", "null", "Null", "NULL")


class Mistake(Exception):
    """Something wrong at `line` (0: nowhere in particular), `column` too where the scanner says so.

    `path` leads on from the key at hand ("[3]", ".cutoff").
    """

    def __init__(self, message: str, line: int = 0, path: str = "", column: int = 0) -> None:
        self.line, self.path, self.column = line, path, column
        super().__init__(message)


@dataclass
class Scalar:
    """Text as written, quotes and escapes resolved. `is_null`: nothing was written, or null."""

    line: int
    text: str
    is_null: bool = False


@dataclass
class Sequence:
    line: int
    items: list[Node] = field(default_factory=list)


@dataclass
class Mapping:
    line: int
    pairs: list[tuple[Node, Node]] = field(default_factory=list)


Node = Scalar | Sequence | Mapping


def found(node: Node) -> str:
    """How a message names what was found."""
    if isinstance(node, Sequence):
        return f"a list of {len(node.items)}"
    if isinstance(node, Mapping):
        return "a map of keys"
    return "nothing" if node.is_null else quoted(node.text)


def quoted(text: str, limit: int = 60) -> str:
    return f"'{text}'" if len(text) <= limit else f"'{text[:limit]}...'"


def read_bytes(path: str | os.PathLike[str], limit: int) -> bytes:
    """The content of a regular file of at most `limit` bytes; a FIFO or a device is refused without waiting.

    Raises Mistake.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Mistake("no such file" if error.errno == ENOENT else f"cannot be opened: {error.strerror}") from None
    except ValueError:  # NUL or an undecodable character in the name
        raise Mistake("no file can have this name") from None
    try:
        content = _read_regular(descriptor, limit + 1)
    except OSError as error:
        raise Mistake(f"cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise Mistake(f"is too large: at most {limit // 1024:,} KiB are read".replace(",", " "))
    return content


def _read_regular(descriptor: int, size: int) -> bytes:
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISDIR(mode):
        raise Mistake("is a folder, not a file")
    if not stat.S_ISREG(mode):
        raise Mistake("is not a regular file")
    with open(descriptor, "rb", closefd=False) as file:
        return file.read(size)


def decode(content: bytes) -> str:
    """UTF-8, with or without a byte order mark. Raises Mistake."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if b"\0" in content and not content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
            raise Mistake("is no text, such as a sound; a chain file is YAML") from None
        line = content.count(b"\n", 0, error.start) + 1
        raise Mistake(f"is not UTF-8: byte 0x{content[error.start]:02x}; save the file as UTF-8", line) from None


def parse_document(text: str) -> Node:
    """The one document in `text`. Raises Mistake."""
    if bad := _FORBIDDEN.search(text):
        line = text.count("\n", 0, bad.start()) + 1
        raise Mistake(f"control character {bad.group()!a} is not allowed in YAML", line,
                      column=bad.start() - text.rfind("\n", 0, bad.start()))
    from torchfx_cli.chain.plainyaml import read_plain

    root = read_plain(text)
    if root is None:
        from torchfx_cli.chain.anyyaml import read_any

        root = read_any(text)
    if root is None or (isinstance(root, Scalar) and root.is_null):
        raise Mistake("is empty: write at least `chain:` and one stage, like `- highpass: 80 Hz`")
    return root
