"""What follows -e on the command line, as the nodes that a chain file would have given.

`invert`, `gain:-3`, `highpass:cutoff=80,order=4`, `highpass:80,order=4`, `fir:bandpass=[300, 3400],taps=255`,
`fir:file="a, b.wav"`, `preset:rumble-filter`, `parallel:[[highpass: 80], [gain: -6]]`, `fade:{in: 20 ms, out: 1}`;
a key that the kind has not, as in `peaking:frequency=3000,gain=2,channels=left`, stands beside it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

from torchfx_cli.chain.document import Mapping, Mistake, Node, Scalar, Sequence, parse_document, quoted
from torchfx_cli.chain.schema import PRESET
from torchfx_cli.effects.beside import BESIDE
from torchfx_cli.effects.kind import key_of, params_of
from torchfx_cli.effects.table import KINDS

# A comma divides unless it stands in quotes or brackets, which may stand in each other, so deep.
DEPTH = 8
_EFFECT = re.compile(r"\s*\w+:")
Pair = tuple[Node, Node]


@cache
def _piece() -> re.Pattern[str]:
    brackets = r"[\[{][^\[\]{}]*[\]}]"
    for _ in range(DEPTH - 1):
        brackets = rf"[\[{{](?:[^\[\]{{}}]|{brackets})*[\]}}]"
    return re.compile(rf"""(?:"[^"]*"|'[^']*'|{brackets}|[^,])+""")


def effect_node(text: str) -> Node:
    """The stage entry for one inline effect. Raises Mistake."""
    kind, colon, rest = text.strip().partition(":")
    kind, rest = kind.strip(), rest.strip()
    if not kind:
        raise Mistake("nothing is written here; write kind or kind:key=value,..., like highpass:cutoff=80,order=4")
    if not colon:
        return Scalar(0, kind)
    if not rest:
        raise Mistake(f"nothing follows the colon; write {kind} or {kind}:key=value,...")
    if kind == PRESET:
        return Mapping(0, [(Scalar(0, kind), Scalar(0, rest))])
    pieces = [piece.strip() for piece in _piece().findall(rest)]
    if rest[0] + rest[-1] == "{}" or ("=" not in rest and (len(pieces) == 1 or rest[0] + rest[-1] == "[]")):
        return Mapping(0, [(Scalar(0, kind), _value(rest))])
    own, beside = list[Pair](), list[Pair]()
    if pieces[0][0] + pieces[0][-1] == "{}":  # its own keys; behind the braces are those beside it
        return Mapping(0, [(Scalar(0, kind), _value(pieces[0])), *(_pair(piece, kind, 1) for piece in pieces[1:])])
    for at, piece in enumerate(pieces):
        key, value = _pair(piece, kind, at)
        (beside if key.text in BESIDE and not _knows(kind, key.text) else own).append((key, value))
    return Mapping(0, [(Scalar(0, kind), Mapping(0, own)), *beside])


def as_in_a_file(entry: Node) -> Node:
    """`entry` of a chain file; one written as behind -e, `- highpass:80` without a space, as what it means."""
    if not isinstance(entry, Scalar) or _EFFECT.match(entry.text) is None:
        return entry
    try:
        return _in_line(effect_node(entry.text), entry.line)
    except Mistake as mistake:
        raise Mistake(str(mistake), entry.line) from None


def _in_line(node: Node, line: int) -> Node:
    if isinstance(node, Mapping):
        return Mapping(line, [(_in_line(key, line), _in_line(value, line)) for key, value in node.pairs])
    if isinstance(node, Sequence):
        return Sequence(line, [_in_line(item, line) for item in node.items])
    return replace(node, line=line)


def _knows(kind: str, key: str) -> bool:
    return kind in KINDS and key in params_of(KINDS[kind].record)


def _pair(piece: str, kind: str, position: int) -> tuple[Scalar, Node]:
    key, equals, value = piece.partition("=")
    if equals:
        return Scalar(0, key.strip()), _value(value.strip())
    shorthand = KINDS[kind].shorthand if kind in KINDS and position == 0 else None
    if shorthand is None:
        raise Mistake(f"found {quoted(piece)}; write key=value, and a comma between two of them")
    return Scalar(0, key_of(shorthand)), _value(piece)


def _value(text: str) -> Node:
    """Lists, maps and quoted text as YAML reads them, all else as it stands."""
    if text[:1] not in ("[", "{", '"', "'"):
        return Scalar(0, text, is_null=not text)
    try:
        return parse_document(text)
    except Mistake as mistake:
        raise Mistake(f"{quoted(text)} {mistake}") from None
