"""What files are held to: `loudness=-23±0.5, true_peak<=-1, rate=48 kHz`; and the gain that would make them fit.

Figures are compared as they are shown, levels to 0.01 dB: what is shown as -1.00 dBTP is not above -1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import inf, isfinite
from operator import itemgetter

from torchfx_cli.chain.document import Mistake, Scalar
from torchfx_cli.chain.values import nearest, read_value
from torchfx_cli.effects.kind import Param
from torchfx_cli.errors import UsageError, printable
from torchfx_cli.tasks.stats import FIGURES

OPTION = "--require"
STEP_DB = 0.01
SPREAD = 0.1  # of a level that is to be equal and has no ± of its own, what EBU Tech 3341 allows a meter
UNITS = {**{name: figure.unit for name, figure in FIGURES.items()}, "rate": "Hz", "channels": "", "duration": "s"}
DECIBELS = ("dB", "dBFS", "dBTP", "LUFS", "LU")
EQUAL, BELOW = ("=", "=="), ("<", "<=", "≤")
EXAMPLE = 'like "loudness=-23±0.5,true_peak<=-1"'

_TERM = re.compile(r"\s*([a-zA-Z_ -]+?)\s*(<=|>=|==|=|<|>|≤|≥)\s*(.*?)\s*(?:(?:±|\+-|\+/-)\s*(.*?)\s*)?")


@dataclass(frozen=True)
class Requirement:
    """`text` as it was written: `key` lies between `low` and `high`, which are allowed unless `is_open`."""

    text: str
    key: str
    low: float
    high: float
    is_open: bool = False

    @property
    def is_measured(self) -> bool:
        """Whether it is a figure of the samples."""
        return self.key in FIGURES

    @property
    def follows_gain(self) -> bool:
        """Whether a gain changes it."""
        return self.is_measured and FIGURES[self.key].follows_gain

    def is_met(self, value: float | None) -> bool:
        """None: it could not be measured."""
        if value is None:
            return False
        value = shown(self.key, value)
        edge = self.high if self.low == -inf else self.low  # silence, -inf, is below whatever is written
        return self.low <= value <= self.high and not (self.is_open and value == edge)

    def gains_db(self, value: float) -> tuple[float, float]:
        """The least and the highest gain that bring the level `value` in; of silence, -inf, the least is endless."""
        margin, value = STEP_DB if self.is_open else 0.0, shown(self.key, value)
        return (-inf if self.low == -inf else self.low - value + margin), self.high - value - margin


def parse_requirements(text: str) -> tuple[Requirement, ...]:
    """Of the words behind --require; raises UsageError."""
    requirements = tuple(_requirement(term) for term in text.split(","))
    for first, second in combinations(requirements, 2):
        if first.key == second.key and (first.low > second.high or second.low > first.high):
            raise UsageError(f"{OPTION}: {printable(first.text)} and {printable(second.text)} contradict each other")
    return requirements


def _requirement(term: str) -> Requirement:
    match = _TERM.fullmatch(term)
    if match is None:
        raise UsageError(f"{OPTION}: found '{printable(term.strip())}'; allowed is a key, =, <=, >=, < or >, and a "
                         f"value, {EXAMPLE}")
    word, sign, text, spread_text = match.groups()
    key = re.sub("[ -]", "_", word.lower())
    if key not in UNITS:
        raise UsageError(f"{OPTION}: unknown key '{printable(word)}'{nearest(key, UNITS)}; "
                         f"known: {', '.join(UNITS)}")
    value, is_in_db = _number(key, text, Param(key, unit=UNITS[key])), is_level(key)
    if sign not in EQUAL and spread_text is not None:
        raise UsageError(f"{OPTION}: found '{printable(term.strip())}'; ± goes with =")
    spread = SPREAD if is_in_db else 0.0
    if spread_text is not None:
        spread = _number(key, spread_text, Param(key, unit="dB" if is_in_db else UNITS[key], low=0.0))
    low = value - spread if sign in EQUAL else -inf if sign in BELOW else value
    high = value + spread if sign in EQUAL else value if sign in BELOW else inf
    return Requirement(term.strip(), key, low, high, sign in ("<", ">"))


def _number(key: str, text: str, param: Param) -> float:
    try:
        return float(read_value(Scalar(0, text), param))
    except Mistake as mistake:
        raise UsageError(f"{OPTION}: {key}: {mistake}") from None


@dataclass(frozen=True)
class Verdict:
    """What a file misses, in words; the gain that mends all levels in it, and the same in words.

    gain_db  None where no gain mends them, or they need none.
    """

    misses: tuple[str, ...]
    gain_db: float | None
    advice: str


def verdict(requirements: Iterable[Requirement], values: Mapping[str, float | None]) -> Verdict:
    """Of a file with `values`, in the units of `UNITS`, by key; None: it could not be measured."""
    levels, missed, mends = [], [], False
    for one in requirements:
        value = values[one.key]
        if not one.is_met(value):
            missed.append(f"{one.text}: {in_words(one.key, value)}")
            mends |= one.follows_gain and value is not None
        if one.follows_gain and value is not None:
            levels.append((one, *one.gains_db(value)))
    return Verdict(tuple(missed), *(_gain(levels) if mends else (None, "")))


def _gain(levels: Sequence[tuple[Requirement, float, float]]) -> tuple[float | None, str]:
    """The gain to the middle of the first range, or the nearest that suits each of `levels`; or why none does."""
    most, low, _ = max(levels, key=itemgetter(1))
    least, _, high = min(levels, key=itemgetter(2))
    if low == inf:
        return None, "no gain brings it there"
    if low > high + STEP_DB / 2:
        return None, (f"no gain alone is enough: {most.text} needs {low:+.2f} dB or more, "
                      f"{least.text} allows {high:+.2f} dB or less")
    middle = next(((first + last) / 2 for _, first, last in levels if isfinite(first + last)), 0.0)
    gain_db = round(min(max(middle, low), high), 2)
    return gain_db, f"needs a gain of {gain_db:+.2f} dB"


def in_words(key: str, value: float | None) -> str:
    """With its unit, as it is compared."""
    figure = FIGURES.get(key)
    if value is None:
        return "cannot be measured" if figure is None else figure.unmeasured
    if value == -inf and figure is not None:
        return figure.absent
    return f"{shown(key, value):.{digits(key)}f} {UNITS[key]}".rstrip() if figure or key == "duration" else (
        f"{value:g} {UNITS[key]}".rstrip())


def is_level(key: str) -> bool:
    """Whether it is a figure in decibels."""
    return key in FIGURES and UNITS[key] in DECIBELS


def digits(key: str) -> int:
    """That are shown of it behind the point."""
    return FIGURES[key].digits if key in FIGURES else 2


def shown(key: str, value: float) -> float:
    """`value` as it is compared."""
    return round(value, digits(key)) + 0.0  # never -0.0
