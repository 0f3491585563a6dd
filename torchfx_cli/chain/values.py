"""Scalars and lists with units, read by their text alone.

One rule for every number: decimal digits with a point, maybe an exponent, maybe a unit (`80`, `1e3`,
`3.2 kHz`, `3.2k`, `-3 dB`, `250 ms`), quoted or not. What YAML 1.1 would turn into a number in silence
(`1:30` is 90, `010` is 8, `1_000`, `0x3E8`, `no`) is refused with what to write instead.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from torchfx_cli.chain.document import Mapping, Mistake, Node, Scalar, Sequence, found
from torchfx_cli.effects.kind import MAX_HZ, Param
from torchfx_cli.samples import PLAIN_SIGNS

RATIO = "ratio"  # a number from 1 on, so that 4:1 and 1:4 both mean 4
# Unit of a field -> what may be written behind the number (in lower case) -> power of ten.
UNITS: dict[str, dict[str, int]] = {
    "Hz": {"hz": 0, "khz": 3, "k": 3},
    "dB": {"db": 0, "lu": 0},
    "dBFS": {"db": 0, "dbfs": 0},
    "dBTP": {"db": 0, "dbtp": 0, "dbfs": 0},
    "LUFS": {"lufs": 0, "lkfs": 0, "db": 0},
    "LU": {"lu": 0, "db": 0},
    "s": {"s": 0, "ms": -3, "us": -6, "µs": -6},
    "ms": {"ms": 0, "s": 3},
    "%": {"%": 0},
    "": {},
    RATIO: {},
}
DECIBELS = ("dB", "dBFS", "dBTP")
EXAMPLES = {"Hz": "80, 80 Hz or 3.2 kHz", "dB": "-3 or -3 dB", "dBFS": "-1 or -1 dBFS",
            "dBTP": "-1 or -1 dBTP", "LUFS": "-16 or -16 LUFS", "LU": "8 or 8 LU", "s": "0.25, 250 ms or 2 s",
            "ms": "250, 250 ms or 0.25 s", "%": "0.5 or 0.5 %",
            RATIO: "4 or 4:1"}
SECTION_COLUMNS = 6

_NUMBER = re.compile(r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?:[eE]([+-]?[0-9]{1,9}))?\s*([A-Za-zµ%]*)")
_OTHER_FORMS: tuple[tuple[re.Pattern[str], Callable[[str], str]], ...] = (
    (re.compile(r"[+-]?0[0-9]+(\.[0-9]*)?\s*[A-Za-z]*"), lambda text: f"leading zeros; write {_unpadded(text)}"),
    (re.compile(r"[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+\s*[A-Za-z]*"),
     lambda text: f"write {text.replace(',', '')}, or {text.replace(',', '.', 1)} if the comma is a decimal one"),
    (re.compile(r"[+-]?[0-9]+,[0-9]+\s*[A-Za-z]*"), lambda text: f"write the decimal point: {text.replace(',', '.')}"),
    (re.compile(r"[+-]?[0-9]+(_[0-9]+)+(\.[0-9]*)?\s*[A-Za-z]*"), lambda text: f"write {text.replace('_', '')}"),
    (re.compile(r"0[xX][0-9a-fA-F]{1,16}"), lambda text: f"write {int(text, 16)}"),
    (re.compile(r"0[oO][0-7]{1,20}"), lambda text: f"write {int(text[2:], 8)}"),
    (re.compile(r"[0-9]+(:[0-9.]+)+"), lambda _: "a colon makes no number; write one decimal number"),
    (re.compile(r"(?i)yes|no|on|off|true|false|y|n"), lambda text: f"{text} is a word, not a number"),
    (re.compile(r"[0-9]{4}-[0-9]+-[0-9]+.*"), lambda _: "a date is no number"),
)
_NOT_FINITE = re.compile(r"(?i)[+-]?\.?(nan|inf|infinity)")


def read_value(node: Node, param: Param) -> Any:
    """What `param` allows, from `node`: float, int, str, bool or tuples of them. Raises Mistake."""
    if isinstance(node, Scalar) and node.is_null:
        raise Mistake(f"nothing is written here; allowed: {allowed(param)}", node.line)
    return _READERS[param.form](node, param)


def allowed(param: Param) -> str:
    """What may be written, in words."""
    if param.form == "word":
        return "one of " + ", ".join(param.choices)
    words = {"bool": "true or false", "share": "a number from 0 to 1, like 0.3 or 30 %",
             "channels": f"the number of a channel {_range(param)}, {' or '.join(param.choices)}, or a list of them",
             "path": "the name of a file", "rows": "a list of rows [b0, b1, b2, a0, a1, a2]",
             "matrix": "a list of rows of numbers",
             "chain": "a stage, or a list of them",
             "branches": "a list of chains, each a stage, a list of stages, or {chain: stages, gain: in dB}"}
    if param.form in words:
        return words[param.form]
    if param.form == "taps":
        return f"a whole number {_range(param)}, or a list of numbers"
    if param.form == "points":
        return f"frequencies and gains up to {param.high:g} dB, like {{100: -3, 1 kHz: 2}} or [[100, -3], [1000, 2]]"
    one = f"{'a whole number' if param.form == 'integer' else 'a number'} {_range(param)}".rstrip()
    one += f", like {EXAMPLES[param.unit]}" if param.unit else ""
    one = ", or ".join([*param.choices, one])
    return {"numbers": f"a list, each {one}", "band": f"two frequencies [low, high], each {one}"}.get(param.form, one)


def number_pattern(param: Param) -> str:
    """A regular expression (ECMA-262, as JSON Schema has them) of the text that is a number for `param`.

    It minds the sign, zero where that is not allowed, and what is not whole; further than that no range.
    """
    units = "|".join(any_case(name) for name in UNITS[param.unit])
    minus, zero = "[-\u2212]", r"0(\.0*)?(?![0-9.])"
    digits = r"((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
    if param.form in ("integer", "taps", "channels") and not units:
        digits = r"(0|[1-9][0-9]*)(\.0*)?([eE]\+?[0-9]+)?"
    if param.low is not None and param.low >= 0.0:
        is_zero_allowed = param.low == 0.0 and not param.open_low
        number = rf"\+?{digits}" if is_zero_allowed else rf"\+?(?!{zero}){digits}"
    elif param.high is not None and param.high <= 0.0:
        number = rf"({minus}{digits}|\+?{zero})"
    else:
        number = rf"(\+|{minus})?{digits}"
    number += rf"\s*({units})?" if units else ""
    if param.unit == RATIO:
        number = rf"(1\s*:\s*{number}|{number}(\s*:\s*1)?)"
    return rf"^\s*{number}\s*$"


def any_case(text: str) -> str:
    """A regular expression of `text` in small letters or capitals."""
    return re.sub("[a-z]", lambda letter: f"[{letter[0]}{letter[0].upper()}]", re.escape(text))


def nearest(name: str, known: Iterable[str]) -> str:
    """'; did you mean lowpass?' or nothing."""
    names = list(known)
    from difflib import get_close_matches

    close = get_close_matches(name[:60].lower().replace("-", "_"), [n.replace("-", "_") for n in names], n=1)
    return f"; did you mean {next(n for n in names if n.replace('-', '_') == close[0])}?" if close else ""


def read_text(node: Node, what: str) -> str:
    """A word or a sentence. Raises Mistake."""
    if not isinstance(node, Scalar) or not node.text.strip():
        raise Mistake(f"found {found(node)}; allowed: {what}", node.line)
    return node.text


def _number(node: Node, param: Param) -> Any:
    if not isinstance(node, Scalar):
        raise _unlike(node, param)
    if node.text in param.choices:
        return node.text
    text = node.text.translate(PLAIN_SIGNS).strip()
    if param.unit == RATIO:
        text = re.sub(r"^1\s*:\s*|\s*:\s*1$", "", text, count=1)
    match = _NUMBER.fullmatch(text)
    if not match or _unpadded(match[1]) != match[1]:
        raise _unlike(node, param, _hint(text, param.unit))
    mantissa, exponent, unit = match[1], int(match[2] or 0), match[3].lower()
    powers = UNITS[param.unit]
    if unit and unit not in powers:
        expected = f"a number in {param.unit}" if powers else "a number without a unit"
        other = _elsewhere(match[1], unit, param.unit)
        raise _unlike(node, param, f"{match[3]} is not a unit here; expected {expected}{other}")
    # The unit moves the decimal point in the text, so that 8.2 kHz is 8200 and not 8199.999999999999.
    value = float(f"{mantissa}e{exponent + powers.get(unit, 0)}")
    return _in_range(value, node, param)


def _in_range(value: float, node: Node, param: Param) -> float:
    low, high = param.low, param.high
    too_low = low is not None and (value <= low if param.open_low else value < low)
    if not math.isfinite(value) or too_low or (high is not None and value > high):
        other = -value if value > 0.0 else math.nan
        is_meant = high is not None and low is not None and high <= 0.0 and low <= other <= high
        raise _unlike(node, param, "out of range", f"; did you mean {other:g}?" if is_meant else "")
    return value


def _elsewhere(number: str, unit: str, wanted: str) -> str:
    """What to write for a number in a unit of something else."""
    if unit in UNITS["LUFS"] and wanted in DECIBELS and number.startswith("-"):
        return f"; for a loudness write the stage `loudness: {number} LUFS`"
    if unit in UNITS["dBTP"] and wanted == "LUFS":
        return f"; for a peak write its key, like true_peak: {number} dBTP"
    if unit == "%" and wanted in DECIBELS and float(number) > 0.0:
        return f"; {number} % are {20.0 * math.log10(float(number) / 100.0):.2f} dB"
    return ""


def _share(node: Node, param: Param) -> float:
    if not isinstance(node, Scalar) or not node.text.rstrip().endswith("%"):
        return _number(node, param)
    per_cent = replace(node, text=node.text.rstrip().removesuffix("%"))
    try:
        return _number(per_cent, Param(param.doc, low=0.0, high=100.0)) / 100.0
    except Mistake:
        raise _unlike(node, param) from None


def _channels(node: Node, param: Param) -> tuple[int | str, ...]:
    """Numbers and words, each channel once."""
    taken: list[int | str] = []
    for index, item in enumerate(node.items if isinstance(node, Sequence) else [node]):
        place = f"[{index}]" if isinstance(node, Sequence) else ""
        is_word = isinstance(item, Scalar) and item.text in param.choices
        try:
            channel = item.text if isinstance(item, Scalar) and is_word else _integer(item, param)
        except Mistake as mistake:
            raise Mistake(str(mistake), mistake.line, place) from None
        if channel in taken:
            raise Mistake(f"channel {channel} is given twice; keep one", item.line, place)
        taken.append(channel)
    if not taken:
        raise _unlike(node, param)
    return tuple(taken)


def _integer(node: Node, param: Param) -> int:
    value = _number(node, param)
    if value != int(value):
        raise _unlike(node, param, "not whole")
    return int(value)


def _word(node: Node, param: Param) -> str:
    if isinstance(node, Scalar) and node.text in param.choices:
        return node.text
    raise _unlike(node, param, suggestion=nearest(node.text, param.choices) if isinstance(node, Scalar) else "")


def _bool(node: Node, param: Param) -> bool:
    if isinstance(node, Scalar) and node.text in ("true", "false"):
        return node.text == "true"
    raise _unlike(node, param)


def _path(node: Node, param: Param) -> str:
    return read_text(node, allowed(param))


def _numbers(node: Node, param: Param) -> tuple[float, ...]:
    if isinstance(node, Scalar):
        return (_number(node, param),)
    if not isinstance(node, Sequence):
        raise _unlike(node, param)
    return tuple(_item(index, item, param) for index, item in enumerate(node.items))


def _item(index: int, item: Node, param: Param) -> float:
    try:
        return _number(item, param)
    except Mistake as mistake:
        raise Mistake(str(mistake), mistake.line, f"[{index}]") from None


def _band(node: Node, param: Param) -> tuple[float, float]:
    if not isinstance(node, Sequence) or len(node.items) != 2:
        raise _unlike(node, param)
    low_hz, high_hz = _numbers(node, param)
    if low_hz >= high_hz:
        raise _unlike(node, param, f"the first, {low_hz:g} Hz, is not below the second, {high_hz:g} Hz")
    return low_hz, high_hz


def _rows(node: Node, param: Param) -> tuple[tuple[float, ...], ...]:
    if not isinstance(node, Sequence) or not node.items:
        raise _unlike(node, param)
    rows = []
    for index, row in enumerate(node.items):
        wanted = SECTION_COLUMNS if param.form == "rows" else None
        if not isinstance(row, Sequence) or (wanted and len(row.items) != wanted):
            raise Mistake(f"found {found(row)}; allowed: {allowed(param)}", row.line, f"[{index}]")
        try:
            rows.append(_numbers(row, param))
        except Mistake as mistake:
            raise Mistake(str(mistake), mistake.line, f"[{index}]{mistake.path}") from None
    return tuple(rows)


def _points(node: Node, param: Param) -> tuple[tuple[float, float], ...]:
    if isinstance(node, Mapping):
        pairs: list[tuple[Node, Node]] = node.pairs
    elif isinstance(node, Sequence) and all(isinstance(item, Sequence) and len(item.items) == 2 for item in node.items):
        pairs = [(item.items[0], item.items[1]) for item in node.items if isinstance(item, Sequence)]
    else:
        raise _unlike(node, param)
    if not pairs:
        raise _unlike(node, param)
    hz, db = points_params(param)
    return tuple((_item(index, key, hz), _item(index, value, db)) for index, (key, value) in enumerate(pairs))


def points_params(param: Param) -> tuple[Param, Param]:
    """What may be written for a frequency and for a gain."""
    high = param.high or 0.0
    return (Param("frequency", unit="Hz", low=0.0, high=MAX_HZ, open_low=True),
            Param("gain", unit="dB", low=-high, high=high))


def _taps(node: Node, param: Param) -> int | tuple[float, ...]:
    if not isinstance(node, Sequence):
        return _integer(node, param)
    if not node.items:
        raise _unlike(node, param)
    return _numbers(node, Param(param.doc))


_READERS: dict[str, Callable[[Node, Param], Any]] = {
    "number": _number, "integer": _integer, "word": _word, "bool": _bool, "path": _path,
    "numbers": _numbers, "band": _band, "rows": _rows, "matrix": _rows, "taps": _taps, "points": _points,
    "share": _share, "channels": _channels,
}


def _unlike(node: Node, param: Param, reason: str = "", suggestion: str = "") -> Mistake:
    why = f" ({reason})" if reason else ""
    return Mistake(f"found {found(node)}{why}; allowed: {allowed(param)}{suggestion}", node.line)


def _hint(text: str, unit: str) -> str:
    if _NOT_FINITE.fullmatch(text):
        return "out of range"
    if unit == "s" and re.fullmatch(r"([0-9]+:){1,2}[0-9]+(\.[0-9]+)?", text):
        return f"write {sum(60**n * float(part) for n, part in enumerate(reversed(text.split(':')))):g} s"
    return next((say(text) for form, say in _OTHER_FORMS if form.fullmatch(text)), "not a number")


def _unpadded(text: str) -> str:
    """Without leading zeros: 010 -> 10, -007.5 -> -7.5; 0.5 as it is."""
    return re.sub(r"^([+-]?)0+(?=[0-9])", r"\1", text)


def _range(param: Param) -> str:
    unit = f" {param.unit}" if UNITS[param.unit] else ""
    low = "" if param.low is None else f"above {param.low:g}" if param.open_low else f"from {param.low:g}"
    high = "" if param.high is None else f"up to {_short(param.high)}" if param.open_low else f"to {_short(param.high)}"
    return f"{low} {high}".strip() + unit if low or high else ""


def _short(value: float) -> str:
    return str(int(value)) if value == int(value) and value < 1e9 else f"{value:g}".replace("e+0", "e")
