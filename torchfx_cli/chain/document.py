"""A chain file's bytes -> a tree of plain nodes that remember their lines.

The tree is built from YAML *events*, never by PyYAML's constructors: those turn `010` into 8, `no` into
False, keep the last of two equal keys, follow aliases (294 bytes hold 10^8 nodes) and recurse. Here every
scalar stays the text that was written, tags, anchors and aliases are refused, and depth and size are bounded.

A chain from a stranger may name any file as a preset, so nothing is quoted of a file that has no key `chain`.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import field
from errno import ENOENT

import yaml

from torchfx_cli.records import dataclass

MAX_FILE_BYTES = 1 << 20
MAX_DEPTH = 26  # file > chain > stage > keys > rows > numbers: 6, and 5 for each parallel > branches > branch > chain
MAX_NODES = 100_000  # read in well under a second; longer lists of taps belong in a file of their own

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FORBIDDEN = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # YAML 1.1, section 4.1
_CHAIN_KEY = re.compile(r"""(?m)(?:^|[{,])[ \t]*["']?chain["']?[ \t]*:""")
_NULLS = ("", "~", "null", "Null", "NULL")


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
        line = content.count(b"\n", 0, error.start) + 1
        raise Mistake(f"is not UTF-8: byte 0x{content[error.start]:02x}; save the file as UTF-8", line) from None


def parse_document(text: str) -> Node:
    """The one document in `text`. Raises Mistake."""
    if bad := _FORBIDDEN.search(text):
        line = text.count("\n", 0, bad.start()) + 1
        raise Mistake(f"control character {bad.group()!a} is not allowed in YAML", line,
                      column=bad.start() - text.rfind("\n", 0, bad.start()))
    try:
        root = _build(yaml.parse(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        raise _syntax_mistake(error, text) from None
    except yaml.YAMLError:
        raise Mistake("is not YAML") from None
    if root is None or (isinstance(root, Scalar) and root.is_null):
        raise Mistake("is empty: write at least `chain:` and one stage, like `- highpass: 80 Hz`")
    return root


def _build(events: Iterator[yaml.Event]) -> Node | None:
    """Nodes from events, with a stack instead of recursion."""
    root: Node | None = None
    open_nodes: list[Sequence | Mapping] = []
    keys: list[Node | None] = []  # for every open mapping the key whose value is due
    nodes = 0
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            node: Node = open_nodes.pop()
            keys.pop()
        elif isinstance(event, yaml.NodeEvent):
            nodes += 1
            node = _node(event)
            _check_budget(node, nodes, len(open_nodes))
            if not isinstance(node, Scalar):
                open_nodes.append(node)
                keys.append(None)
                continue
        elif isinstance(event, yaml.DocumentStartEvent) and root is not None:
            raise Mistake("a second document starts here ('---'); one file holds one chain", _line(event))
        else:
            continue
        if not open_nodes:
            root = node
        elif isinstance(parent := open_nodes[-1], Sequence):
            parent.items.append(node)
        elif (key := keys[-1]) is None:
            keys[-1] = node
        else:
            parent.pairs.append((key, node))
            keys[-1] = None
    return root


def _node(event: yaml.NodeEvent) -> Node:
    line = _line(event)
    if isinstance(event, yaml.AliasEvent):
        raise Mistake("aliases (*NAME) are not allowed; write it out, or use `- preset: FILE`", line)
    if event.anchor is not None:
        raise Mistake("anchors (&NAME) are not allowed; write it out, or use `- preset: FILE`", line)
    if getattr(event, "tag", None) is not None:
        raise Mistake("tags (!NAME) are not allowed: a chain holds only maps, lists, words and numbers", line)
    if isinstance(event, yaml.SequenceStartEvent):
        return Sequence(line)
    if isinstance(event, yaml.MappingStartEvent):
        return Mapping(line)
    assert isinstance(event, yaml.ScalarEvent)
    return Scalar(line, event.value, is_null=event.style in (None, "") and event.value in _NULLS)


def _check_budget(node: Node, nodes: int, depth: int) -> None:
    if nodes > MAX_NODES:
        raise Mistake(f"holds more than {MAX_NODES} values; put long lists of taps into a file (fir: {{file: ...}})",
                      node.line)
    if depth >= MAX_DEPTH:
        raise Mistake(f"nesting deeper than {MAX_DEPTH} is not allowed", node.line)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0


def _syntax_mistake(error: yaml.MarkedYAMLError, text: str) -> Mistake:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Mistake("is not YAML")
    lines = text.splitlines()
    at_end = mark.line >= len(lines) or not lines[mark.line].strip()
    if not at_end and "\t" in lines[mark.line][: mark.column + 1]:
        return Mistake("a tab cannot indent in YAML; use spaces", mark.line + 1, column=mark.column + 1)
    what = f"is not YAML: {error.problem or error.context}".replace("did not find expected", "expected")
    if error.context and (start := error.context_mark) and start.line != mark.line:
        what += f", {error.context} from line {start.line + 1}"
    if at_end:
        what += "; at the end of the file"
    elif _CHAIN_KEY.search(text):
        what += f"; at {quoted(lines[mark.line].strip())}"
    return Mistake(what, mark.line + 1, column=mark.column + 1)
