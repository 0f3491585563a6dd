"""What follows -e on the command line, as the nodes that a chain file would have given.

`invert`, `gain:-3`, `highpass:cutoff=80,order=4`, `highpass:80,order=4`, `fir:bandpass=[300, 3400],taps=255`,
`fir:file="a, b.wav"`, `preset:rumble-filter`, `parallel:[[highpass: 80], [gain: -6]]`.
"""

from __future__ import annotations

import re

from torchfx_cli.chain.document import Mapping, Mistake, Node, Scalar, parse_document, quoted
from torchfx_cli.chain.schema import PRESET
from torchfx_cli.effects.kind import key_of
from torchfx_cli.effects.table import KINDS

# A comma divides unless it stands in quotes or brackets; rows of `sos` are brackets in brackets.
_PIECE = re.compile(r"""(?:"[^"]*"|'[^']*'|\[(?:[^\[\]]|\[[^\[\]]*\])*\]|[^,])+""")


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
    pieces = [piece.strip() for piece in _PIECE.findall(rest)]
    if "=" not in rest and (len(pieces) == 1 or rest[0] + rest[-1] == "[]"):
        return Mapping(0, [(Scalar(0, kind), _value(rest))])
    return Mapping(0, [(Scalar(0, kind), Mapping(0, [_pair(piece, kind, at) for at, piece in enumerate(pieces)]))])


def _pair(piece: str, kind: str, position: int) -> tuple[Node, Node]:
    key, equals, value = piece.partition("=")
    if equals:
        return Scalar(0, key.strip()), _value(value.strip())
    shorthand = KINDS[kind].shorthand if kind in KINDS and position == 0 else None
    if shorthand is None:
        raise Mistake(f"found {quoted(piece)}; write key=value, and a comma between two of them")
    return Scalar(0, key_of(shorthand)), _value(piece)


def _value(text: str) -> Node:
    """Lists and quoted text as YAML reads them, all else as it stands."""
    if text[:1] not in ("[", '"', "'"):
        return Scalar(0, text, is_null=not text)
    try:
        return parse_document(text)
    except Mistake as mistake:
        raise Mistake(f"{quoted(text)} {mistake}") from None
