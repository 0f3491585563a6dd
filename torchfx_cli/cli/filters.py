"""`torchfx filters`: the stage kinds and what may be written for them, from the one table of kinds."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from torchfx_cli.cli import complete, options, show
from torchfx_cli.errors import UsageError

# Short words for a column; `allowed` of the record says it in full.
FORMS = {
    "word": "word", "bool": "true | false", "numbers": "numbers", "rows": "rows of 6", "matrix": "rows",
    "path": "file name", "taps": "number | numbers", "band": "[low, high]", "chain": "stages",
    "branches": "chains",
    "points": "Hz: dB, ...", "share": "0 to 1, or %", "channels": "channels",
}


def filters(
    kind: Annotated[str | None, typer.Argument(metavar="KIND", hidden=True, autocompletion=complete.kinds)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON record a kind.")] = False,
) -> None:
    """List the filters and effects; with KIND, its keys.

    \b
      torchfx filters peaking       keys, units, ranges, defaults and an example
    """
    from torchfx_cli.chain.schema import describe_kinds

    records = [record for record in describe_kinds() if kind in (None, record["kind"])]
    if kind is not None and not records:
        raise UsageError(_unknown(kind))
    if as_json:
        for record in records:
            show.say(json.dumps(record))
    elif kind is None:
        show.table(("kind", "what it does"), [(record["kind"], record["doc"]) for record in records])
    else:
        _print_kind(records[0])


def _unknown(kind: str) -> str:
    from torchfx_cli.chain.elsewhere import hint
    from torchfx_cli.chain.values import nearest
    from torchfx_cli.effects.table import KINDS

    near = hint(kind) or nearest(kind, KINDS) or "; `torchfx filters` lists them"
    return f"there is no filter {options.quoted(kind)}{near}"


def _print_kind(record: dict[str, Any]) -> None:
    from torchfx_cli.effects.beside import BESIDE

    show.say(f"{record['kind']}: {record['doc']}", "")
    rows = key_rows(record)
    if rows:
        show.table(("key", "unit", "allowed", "default", "meaning"), rows, indent="  ")
        show.say("")
    show.table(("beside it", "what it does"), [(key, param.doc) for key, param in BESIDE.items()], indent="  ")
    show.say("")
    if record["shorthand"]:
        show.say(f"A bare value is its {record['shorthand']}.")
    show.say(f"In a chain file:      {record['example']}")
    show.say(f"On the command line:  -e \"{inline(record['example'])}\"")


def key_rows(record: dict[str, Any]) -> list[tuple[str, ...]]:
    """(key, unit, what is allowed, default, meaning) of each key of a kind."""
    return [
        (param["key"], param["unit"], _range(param), _default(param), _meaning(param)) for param in record["params"]
    ]


def _range(param: dict[str, Any]) -> str:
    if param["form"] in FORMS:
        return FORMS[param["form"]]
    from torchfx_cli.effects.kind import MAX_HZ

    number = "whole " if param["form"] == "integer" else ""
    above = "above " if param["open_low"] else ""
    if param["low"] is None:
        return f"{number}number"
    is_bounded = param["high"] is not None and param["high"] < MAX_HZ
    high = f" to {param['high']:g}" if is_bounded else "" if above else " or more"
    return f"{number}{above}{param['low']:g}{high}"


def _default(param: dict[str, Any]) -> str:
    default = param["default"]
    if param["required"] or default in (None, ()):
        return "required" if param["required"] else "none"
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:.6g}" if isinstance(default, float) else str(default)


def _meaning(param: dict[str, Any]) -> str:
    return f"{param['doc']}: {', '.join(param['choices'])}" if param["choices"] else str(param["doc"])


def inline(entry: str) -> str:
    """A stage as it stands in a chain file, `- kind: {key: value, ...}`, as it is written after -e."""
    kind, _, values = entry.removeprefix("- ").partition(": ")
    if values.startswith("[") or ": " in values.partition("[")[2]:
        return f"{kind}:{values}"
    return f"{kind}:{values.strip('{}').replace(': ', '=').replace(', ', ',')}" if values else kind
