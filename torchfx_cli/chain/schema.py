"""The table of kinds for others to read: a JSON Schema of chain files for editors, plain records for `filters`."""

from __future__ import annotations

from dataclasses import MISSING
from typing import Any

from torchfx_cli.chain.values import SECTION_COLUMNS, allowed, any_case, number_pattern, points_params
from torchfx_cli.effects.beside import BESIDE
from torchfx_cli.effects.gain import GainSpec
from torchfx_cli.effects.kind import Kind, Origin, Param, key_of, params_of
from torchfx_cli.effects.parallel import MAX_BRANCHES
from torchfx_cli.effects.table import KINDS
from torchfx_cli.samples import STARTS

PRESET = "preset"
NESTED = ("chain", "branches")  # forms that hold stages
PRESET_DOC = "Puts another chain in this place: a preset's name, or a file relative to this one."
TOP_KEYS = {
    "name": "Name of the chain; the file's name without one.",
    "description": "What the chain is for, in a line.",
    "start": "How filters begin: at rest, or steady, as if the first sample of each channel had always been there.",
    "chain": "The stages, applied in this order.",
}


def describe_kinds() -> list[dict[str, Any]]:
    """One plain dict a kind, in the table's order, ready for JSON; a missing default or limit is None."""
    return [
        {
            "kind": name,
            "doc": _doc(kind),
            "shorthand": key_of(kind.shorthand) if kind.shorthand else None,
            "example": kind.example,
            "params": [_describe_param(key, param, default) for key, param, default in _params(kind)],
        }
        for name, kind in KINDS.items()
    ]


def json_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12. It knows keys, forms and ranges; what keys must satisfy together it does not."""
    bare = [name for name, kind in KINDS.items() if _stands_alone(kind)]
    bodies: dict[str, Any] = {PRESET: {"type": "string", "description": PRESET_DOC}}
    for name in KINDS:
        keys = {"$ref": f"#/$defs/{name}"}
        bodies[name] = {"anyOf": [keys, {"type": "null"}]} if name in bare else keys
    beside = {key: {"description": f"{param.doc}; {allowed(param)}", **_param_schema(param)}
              for key, param in BESIDE.items()}
    stages = [_stage_schema({key: body for key, body in bodies.items() if key not in beside}, beside)]
    stages += [_stage_schema({key: bodies[key]}, {**beside, key: bodies[key]}) for key in beside if key in bodies]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "torchfx chain",
        "type": "object",
        "properties": {
            "name": {**_line(), "description": TOP_KEYS["name"]},
            "description": {**_line(), "description": TOP_KEYS["description"]},
            "start": {"enum": list(STARTS), "description": TOP_KEYS["start"]},
            "chain": {"$ref": "#/$defs/chain", "description": TOP_KEYS["chain"]},
        },
        "required": ["chain"],
        "additionalProperties": False,
        "$defs": {"stage": {"anyOf": [*stages, {"enum": bare}, {"type": "string", "pattern": _inline_pattern()}]},
                  "chain": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/stage"}},
                  **{name: _kind_schema(kind) for name, kind in KINDS.items()}},
    }


def schema_text() -> str:
    """`json_schema` as a file."""
    import json

    return json.dumps(json_schema(), indent=2) + "\n"


def _stage_schema(bodies: dict[str, Any], beside: dict[str, Any]) -> dict[str, Any]:
    """An entry with exactly one of the kinds in `bodies`, and keys beside it."""
    return {
        "type": "object",
        "properties": {**bodies, **beside},
        "oneOf": [{"required": [name]} for name in bodies],
        "additionalProperties": False,
        # `swap:` with nothing behind it needs a key beside it.
        "anyOf": [{"minProperties": 2}, {"not": {"additionalProperties": {"type": "null"}}}],
    }


def _line() -> dict[str, Any]:
    """A line of text, which YAML may take for something else."""
    return {"type": ["string", "number", "boolean"], "pattern": r"\S"}


def _inline_pattern() -> str:
    """Of a stage as behind -e: highpass:80, highpass:80,order=4, fade:in=1, fade:{in: 1}; see inline.py."""
    forms = [rf"{PRESET}\s*:\s*\S.*", *(rf"{name}\s*:\s*({_behind_colon(kind)})" for name, kind in KINDS.items())]
    return rf"^\s*({'|'.join(forms)})\s*$"


def _behind_colon(kind: Kind) -> str:
    """What may follow the name of a kind and its colon."""
    pair = rf"\s*({'|'.join([*(key for key, _, _ in _params(kind)), *BESIDE])})\s*=[^=]+"
    forms = [rf"{pair}(,{pair})*", r"\{.*"]
    for param in _shorthands(kind):
        if param.form in ("number", "integer", "share", "numbers", "taps"):
            number = number_pattern(param).removeprefix("^").removesuffix("$")
            first = "|".join([*param.choices, number, *([r"[^=,]+%"] if param.form == "share" else [])])
        else:
            first = "|".join(param.choices) or r"[^=,]+"
        forms.append(rf"({first})(,{pair})*")
        if param.form in (*NESTED, "numbers", "matrix", "rows", "points", "band", "taps", "channels"):
            forms.append(r"\[.*")
    return "|".join(forms)


def _shorthands(kind: Kind) -> list[Param]:
    """The keys whose value may stand in the place of all keys."""
    bare = {key_of(field) for field in (kind.shorthand, *(field for _, field in kind.by_unit)) if field}
    return [param for key, param, _ in _params(kind) if key in bare]


def _stands_alone(kind: Kind) -> bool:
    """Whether its name alone is a stage."""
    if _required(kind):
        return False
    record = kind.record(kind="", origin=Origin("", 0, ""))
    return not any(record.problems(()))


def _doc(kind: Kind) -> str:
    """The kind's own line, or the first sentence of its record's."""
    return kind.doc or (kind.record.__doc__ or "").partition("\n")[0].strip()


def _params(kind: Kind) -> list[tuple[str, Param, Any]]:
    return [(key, param, field.default) for key, (field, param) in params_of(kind.record).items()]


def _required(kind: Kind) -> list[str]:
    return [key for key, _, default in _params(kind) if default is MISSING]


def _describe_param(key: str, param: Param, default: Any) -> dict[str, Any]:
    return {
        "key": key,
        "doc": param.doc,
        "form": param.form,
        "unit": param.unit,
        "required": default is MISSING,
        "default": None if default is MISSING else default,
        "allowed": allowed(param),
        "low": param.low,
        "high": param.high,
        "open_low": param.open_low,
        "choices": list(param.choices),
    }


def _kind_schema(kind: Kind) -> dict[str, Any]:
    params = _params(kind)
    ends = "|".join(map(any_case, kind.record.files))
    file = {"pattern": rf"({ends})\s*$"} if ends else {}

    def value(param: Param) -> dict[str, Any]:
        return {**_param_schema(param), **(file if param.form == "path" else {})}

    keys = {
        "type": "object",
        "properties": {key: {"description": f"{param.doc}; {allowed(param)}", **value(param)}
                       for key, param, _ in params},
        "required": _required(kind),
        "minProperties": 0 if _stands_alone(kind) else 1,
        "additionalProperties": False,
    }
    return {"description": _doc(kind), "anyOf": [keys, *map(value, _shorthands(kind))]}


def _param_schema(param: Param) -> dict[str, Any]:
    if param.form == "word":
        return {"enum": list(param.choices)}
    if param.form == "bool":
        return {"enum": [True, False, "true", "false"]}
    if param.form == "path":
        return {"type": "string"}
    if param.form in NESTED:
        chain = [{"$ref": "#/$defs/chain"}, {"$ref": "#/$defs/stage"}]
        keys = {"chain": {"anyOf": chain}, "gain": _param_schema(params_of(GainSpec)["gain"][1])}
        branch = {"type": "object", "properties": keys, "minProperties": 1, "additionalProperties": False}
        return {"anyOf": chain} if param.form == "chain" else _list_of({"anyOf": [*chain, branch]}, 1, MAX_BRANCHES)
    if param.form == "points":
        hz, db = (_number_schema(each) for each in points_params(param))
        return {"anyOf": [{"type": "object", "patternProperties": {number_pattern(points_params(param)[0]): db},
                           "additionalProperties": False, "minProperties": 1},
                          _list_of({"type": "array", "prefixItems": [hz, db], "minItems": 2, "maxItems": 2}, 1)]}
    number = _number_schema(param)
    if param.form == "share":
        hundred = r"(100(\.0*)?|[1-9]?[0-9](\.[0-9]*)?|\.[0-9]+)"
        return {"anyOf": [number, {"type": "string", "pattern": rf"^\s*\+?{hundred}\s*%\s*$"}]}
    if param.form == "channels":
        one = {"anyOf": [number, {"enum": list(param.choices)}]}
        return {"anyOf": [one, {**_list_of(one, 1), "uniqueItems": True}]}
    if param.form in ("number", "integer"):
        return {"anyOf": [{"enum": list(param.choices)}, number]} if param.choices else number
    if param.form == "rows":
        return _list_of(_list_of(number, SECTION_COLUMNS, SECTION_COLUMNS), 1)
    if param.form == "matrix":
        return _list_of(_list_of(number, 1), 1)
    if param.form == "band":
        return _list_of(number, 2, 2)
    if param.form == "taps":
        return {"anyOf": [number, _list_of(_number_schema(Param(param.doc)), 1)]}
    return {"anyOf": [number, _list_of(number)]}


def _number_schema(param: Param) -> dict[str, Any]:
    """A number in its range, or text with a unit, whose range a schema cannot check."""
    limits = {"exclusiveMinimum" if param.open_low else "minimum": param.low, "maximum": param.high}
    number = {"type": "integer" if param.form in ("integer", "taps", "channels") else "number",
              **{name: limit for name, limit in limits.items() if limit is not None}}
    return {"anyOf": [number, {"type": "string", "pattern": number_pattern(param)}]}


def _list_of(items: dict[str, Any], least: int = 0, most: int | None = None) -> dict[str, Any]:
    return {"type": "array", "items": items, **({"minItems": least} if least else {}),
            **({"maxItems": most} if most else {})}
