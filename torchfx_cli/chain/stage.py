"""One entry of a chain's list -> one record, with all mistakes in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Mapping as MappingOf
from dataclasses import MISSING
from typing import Any

from torchfx_cli.chain.document import Mapping, Mistake, Node, Scalar, Sequence, found, quoted
from torchfx_cli.chain.elsewhere import hint, key_hint
from torchfx_cli.chain.schema import NESTED, PRESET
from torchfx_cli.chain.values import allowed, nearest, read_value
from torchfx_cli.effects.beside import BESIDE
from torchfx_cli.effects.kind import Kind, Origin, StageSpec, key_of, params_of
from torchfx_cli.effects.table import KINDS

LISTS = ("numbers", "rows", "matrix", "band", "taps", "points", *NESTED)
ONE_STAGE = "one stage an entry, like `- highpass: {cutoff: 80, order: 4}`"


def name_and_body(entry: Node) -> tuple[Scalar, Node | None, list[tuple[Node, Node]]]:
    """The kind's name, what is written behind it, and the keys of `BESIDE` that stand beside it. Raises Mistake.

    `- kind: body`, or `- kind` alone. Where the names of all are among those of `BESIDE`, the first is the kind's.
    """
    if isinstance(entry, Scalar) and not entry.is_null:
        return entry, None, []
    if not isinstance(entry, Mapping) or not entry.pairs:
        raise Mistake(f"found {found(entry)}; {ONE_STAGE}", entry.line)
    named = [pair for pair in entry.pairs if not (isinstance(pair[0], Scalar) and pair[0].text in BESIDE)]
    stage = (named or entry.pairs)[0]
    name, body = stage
    if not isinstance(name, Scalar):
        raise Mistake(f"found {found(name)}; expected the name of a stage", name.line)
    if len(named) > 1:
        second, _ = named[1]
        close = nearest(second.text, BESIDE) if isinstance(second, Scalar) and second.text not in KINDS else ""
        raise Mistake(f"found {found(second)} beside {found(name)}{close}; {ONE_STAGE} (keys of a stage stand deeper "
                      f"than its name; beside it may stand {', '.join(BESIDE)})", second.line)
    beside = [pair for pair in entry.pairs if pair is not stage]
    return name, None if beside and isinstance(body, Scalar) and body.is_null else body, beside


def read_beside(pairs: Iterable[tuple[Node, Node]]) -> tuple[dict[str, Any], list[Mistake]]:
    """The values of the keys beside a stage, and every mistake; a mistake's `path` is ".channels[1]"."""
    mistakes: list[Mistake] = []
    values: dict[str, Any] = {}
    for key, node in unique_keys(pairs, list(BESIDE), mistakes).items():
        try:
            values[key] = read_value(node, BESIDE[key])
        except Mistake as mistake:
            mistakes.append(Mistake(str(mistake), mistake.line, f".{key}{mistake.path}"))
    return values, mistakes


def kind_named(name: Scalar) -> Kind:
    """The row of the table. Raises Mistake."""
    if name.text in BESIDE and name.text not in KINDS:
        raise Mistake(f"is a key that stands beside a stage, like {{highpass: 80 Hz, {name.text}: ...}}", name.line)
    if name.text not in KINDS:
        known = [*KINDS, PRESET]
        near = hint(name.text) or nearest(name.text, known) or " (`torchfx filters` lists all)"
        raise Mistake(f"unknown stage {quoted(name.text)}{near}", name.line)
    return KINDS[name.text]


def read_stage(name: Scalar, body: Node | None, origin: Origin, read_nested: MappingOf[str, Callable[[Node], Any]]
               ) -> tuple[StageSpec | None, list[Mistake]]:
    """The record, or None and every mistake; a mistake's `path` leads on from the stage (".cutoff").

    read_nested  by forms: what reads the chains inside it, whose mistakes are its own to tell.
    """
    spec, mistakes = _read_stage(name, body, origin, read_nested)
    if name.text in BESIDE and name.text in KINDS and mistakes and not isinstance(body, Mapping):
        first, hint = mistakes[0], f"as a key it stands beside a stage: {{highpass: 80 Hz, {name.text}: ...}}"
        mistakes[0] = Mistake(f"{first} ({hint})", first.line, first.path)
    return spec, mistakes


def _read_stage(name: Scalar, body: Node | None, origin: Origin, read_nested: MappingOf[str, Callable[[Node], Any]]
                ) -> tuple[StageSpec | None, list[Mistake]]:
    try:
        kind = kind_named(name)
        pairs = _pairs(kind, body)
    except Mistake as mistake:
        return None, [mistake]
    known = params_of(kind.record)
    mistakes: list[Mistake] = []
    nodes = unique_keys(pairs, list(known), mistakes, name.text)
    values: dict[str, Any] = {}
    for key, node in nodes.items():
        try:
            about = known[key][1]
            values[key] = read_nested[about.form](node) if about.form in NESTED else read_value(node, about)
        except Mistake as mistake:
            mistakes.append(Mistake(str(mistake), mistake.line, f".{key}{mistake.path}"))
    misspelt = " ".join(map(str, mistakes))
    mistakes += [Mistake(f"missing; allowed: {allowed(param)}", name.line, f".{key}")
                 for key, (field, param) in known.items()
                 if field.default is MISSING and key not in nodes and f"did you mean {key}?" not in misspelt]
    if mistakes:
        return None, mistakes
    spec = kind.record(kind=name.text, origin=origin, **{known[key][0].name: value for key, value in values.items()})
    mistakes = [Mistake(message, nodes.get(key.partition("[")[0], name).line, f".{key}" if key else "")
                for key, message in spec.problems(values)]
    mistakes += [Mistake(message, node.line, f".{key}") for key, node in nodes.items()
                 if isinstance(node, Scalar) and (message := spec.wording_problem(key, node.text))]
    return (None if mistakes else spec), mistakes


def unique_keys(pairs: Iterable[tuple[Node, Node]], known: list[str], mistakes: list[Mistake], kind: str = ""
                ) -> dict[str, Node]:
    """Key -> value for the `known` keys, of a stage those of its `kind`; others and repeated ones are `mistakes`."""
    nodes: dict[str, Node] = {}
    for key, value in pairs:
        if not isinstance(key, Scalar):
            mistakes.append(Mistake(f"found {found(key)}; expected a key", key.line))
        elif key.text not in known:
            keys = f"keys: {', '.join(known)}" if known else "it takes no keys"
            hint = f"; {key.text} stands beside a stage, not in it" if key.text in BESIDE else ""
            close = key_hint(kind, key.text) or nearest(key.text, known)
            mistakes.append(Mistake(f"unknown key {quoted(key.text)}{close} ({keys}){hint}", key.line))
        elif key.text in nodes:
            first = nodes[key.text].line
            again = f" (also in line {first})" if first != key.line else ""
            mistakes.append(Mistake(f"given twice{again}; keep one", key.line, f".{key.text}"))
        else:
            nodes[key.text] = value
    return nodes


def _pairs(kind: Kind, body: Node | None) -> list[tuple[Node, Node]]:
    if body is None:
        return []
    if isinstance(body, Mapping) and not _is_points(kind, body):
        return body.pairs
    if isinstance(body, Scalar) and body.is_null:
        raise Mistake(f"nothing is written after the colon; write {kind.example}", body.line)
    field = kind.field_of(body.text) if isinstance(body, Scalar) else kind.shorthand
    if isinstance(body, Scalar) and field and _is_key(kind, body.text, field):
        raise Mistake(f"found {found(body)}, which is a key; write {{{body.text}: ...}}", body.line)
    if field is None or (isinstance(body, Sequence) and not _takes_a_list(kind, field)):
        expected = "expected keys" if params_of(kind.record) else "it takes no value"
        raise Mistake(f"found {found(body)}; {expected}: write {kind.example}", body.line)
    return [(Scalar(body.line, key_of(field)), body)]


def _is_points(kind: Kind, body: Mapping) -> bool:
    """Whether the map is the value of the shorthand, `eq_curve: {100: 3, 1 kHz: 0}`, and not that of keys."""
    if kind.shorthand is None or params_of(kind.record)[key_of(kind.shorthand)][1].form != "points":
        return False
    return bool(body.pairs) and all(isinstance(key, Scalar) and key.text[:1].isdigit() for key, _ in body.pairs)


def _is_key(kind: Kind, text: str, field: str) -> bool:
    """Whether `text` is a key in the place of the number that `field` is."""
    params = params_of(kind.record)
    own = params[key_of(field)][1]
    return own.form == "number" and text in params and text not in own.choices


def _takes_a_list(kind: Kind, field: str) -> bool:
    return params_of(kind.record)[key_of(field)][1].form in LISTS
