"""Chain files that need no YAML parser: keys, dashes, and plain words, lists and maps that end where their line does.

PyYAML loads its readers and writers of all kinds, which takes longer than all the rest of a chain. So YAML as chains
are mostly written is read here, a line at a time, and `None` returned for any other. That both read alike is tested.
"""

from __future__ import annotations

import re

from torchfx_cli.chain.document import NULLS, Mapping, Node, Scalar, Sequence
from torchfx_cli.records import dataclass

MAX_CHARACTERS, MAX_LINE, MAX_DEPTH = 20_000, 500, 20
_OTHER_BREAKS = re.compile("[\t\r\x85\u2028\u2029\ufeff]")
_KEY = r"[A-Za-z_][\w-]*"
_FIRST = r"(?:-(?=[\d.])|[A-Za-z\d_.+/(])"
_WORDS = rf"{_FIRST}[A-Za-z\d_.+/()=;-]*(?: +[A-Za-z\d_.+/()=;-]+)*"
_TEXT = re.compile(rf"{_FIRST}[A-Za-z\d_.+/()=;,-]*(?: +[A-Za-z\d_.+/()=;,-]+)*")  # where no comma parts anything
_COMMENT = re.compile(r"(?:^| +)(?:#.*)?$")
_DASH = re.compile(r"- +")
_KEYED = re.compile(rf"({_KEY}):(?: +|$)", re.ASCII)
_TOKEN = re.compile(rf" *(?:([\[{{])|({_WORDS})) *", re.ASCII)
_FLOW_KEY = re.compile(rf" *({_KEY}): +", re.ASCII)
_NEXT = re.compile(r" *, *")


class _Other(Exception):
    """It is for PyYAML to read, or to complain of."""


@dataclass
class _Part:
    """A dash, a key with the value behind it, or a value alone, and where it stands."""

    column: int
    line: int
    key: str | None
    value: str


DASH = "- "  # as a key


def read_plain(text: str) -> Node | None:
    """The tree of `text`; None: that is for PyYAML to say."""
    if len(text) > MAX_CHARACTERS or _OTHER_BREAKS.search(text):
        return None
    try:
        parts = [part for number, line in enumerate(text.split("\n"), 1) for part in _parts(line, number)]
        if not parts:
            return None
        root, end = _block(parts, 0, 0)
    except _Other:
        return None
    return root if end == len(parts) and not isinstance(root, Scalar) else None


def _parts(line: str, number: int) -> list[_Part]:
    if len(line) > MAX_LINE:
        raise _Other
    comment = _COMMENT.search(line)
    text = line if comment is None else line[: comment.start()]
    column, parts = len(text) - len(text.lstrip(" ")), list[_Part]()
    while column < len(text):
        if dash := _DASH.match(text, column):
            parts.append(_Part(column, number, DASH, ""))
            column = dash.end()
            continue
        keyed = _KEYED.match(text, column)
        parts.append(_Part(column, number, keyed and keyed[1], text[keyed.end() if keyed else column :]))
        break
    return parts


def _block(parts: list[_Part], at: int, depth: int) -> tuple[Node, int]:
    """The node that begins with part `at`, and which part follows it."""
    first = parts[at]
    if depth > MAX_DEPTH:
        raise _Other
    if first.key is None:
        return _inline(first, depth), at + 1
    if first.key is DASH:
        items = []
        while at < len(parts) and parts[at].column == first.column and parts[at].key is DASH:
            if at + 1 == len(parts) or parts[at + 1].line != parts[at].line:
                raise _Other
            item, at = _block(parts, at + 1, depth + 1)
            items.append(item)
        return Sequence(first.line, items), at
    pairs = list[tuple[Node, Node]]()
    while at < len(parts) and parts[at].column == first.column and parts[at].key not in (None, DASH):
        part = parts[at]
        value, at = _value(parts, at, depth + 1)
        pairs.append((Scalar(part.line, str(part.key), part.key in NULLS), value))
    return Mapping(first.line, pairs), at


def _value(parts: list[_Part], at: int, depth: int) -> tuple[Node, int]:
    """That of the key at `at`: behind it, or below it, where a list need not be further to the right."""
    part, below = parts[at], parts[at + 1 : at + 2]
    if part.value:
        return _inline(part, depth), at + 1
    if below and (below[0].column > part.column or (below[0].column == part.column and below[0].key is DASH)):
        return _block(parts, at + 1, depth)
    return Scalar(part.line, "", is_null=True), at + 1


def _inline(part: _Part, depth: int) -> Node:
    if part.value[0] not in "[{":
        if not _TEXT.fullmatch(part.value):
            raise _Other
        return _scalar(part.line, part.value)
    node, end = _flow(part.value, 0, part.line, depth)
    if end != len(part.value):
        raise _Other
    return node


def _flow(text: str, at: int, line: int, depth: int) -> tuple[Node, int]:
    """The words, list or map at `at`, and what follows it."""
    token = _TOKEN.match(text, at)
    if token is None or depth > MAX_DEPTH:
        raise _Other
    if token[2]:
        return _scalar(line, token[2]), token.end()
    at, is_map = token.end(), token[1] == "{"
    found = list[tuple[Node, Node]]()
    while not text.startswith("}" if is_map else "]", at):
        key = _FLOW_KEY.match(text, at) if is_map else None
        if is_map and key is None:
            raise _Other
        value, at = _flow(text, key.end() if key else at, line, depth + 1)
        found.append((_scalar(line, key[1] if key else ""), value))
        comma = _NEXT.match(text, at)
        if comma is None and text[at : at + 1] not in ("}", "]"):
            raise _Other
        at = comma.end() if comma else at
    at += 1 + len(text[at + 1 :]) - len(text[at + 1 :].lstrip(" "))
    return Mapping(line, found) if is_map else Sequence(line, [value for _, value in found]), at


def _scalar(line: int, text: str) -> Scalar:
    return Scalar(line, text, text in NULLS)
