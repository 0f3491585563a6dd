"""Patterns of the shell: `*` and `?` within a name, `**` across folders, `[a-z]`, `[!a]`.

Written out here because `fnmatch` lets `*` cross folders, and `glob` neither counts nor tells what it leaves out. As a
regular expression, `*a*a*a*b` takes minutes for a name of many a. So a pattern is followed through a name once, at all
the places in it where that may stand by then, as bits of a number (Thompson, "Regular expression search algorithm",
CACM 11, 1968): the time is the length of the name times that of the pattern at most, whatever they hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from torchfx_cli.errors import UsageError, printable

MAX_STEPS = 1 << 12  # that a pattern remembers

# Parts that stand for any number of characters; `**/` is made of the last three.
_STAR, _ANY, _ENTER = "*", "**", "**/"


class Pattern:
    """A pattern that was read; UsageError for a range that is none."""

    def __init__(self, pattern: str) -> None:
        self._parts: list[str | re.Pattern[str]] = []  # one character each, a bracket, or one of those above
        at = 0
        while at < len(pattern):
            parts, at = _next(pattern, at)
            if self._parts[-len(parts) :] != parts or parts[0] not in (_STAR, _ANY, _ENTER):  # twice is once
                self._parts += parts
        self._enter, stars, self._any = (_bits(part == kind for part in self._parts) for kind in (_ENTER, _STAR, _ANY))
        self._stays = stars | self._any
        self._steps: dict[tuple[int, str], int] = {}
        self._takers: dict[str, int] = {}  # of a character
        self._start = self._skipping(1)

    def fullmatch(self, name: str) -> bool:
        """Whether it says all of `name`."""
        places, steps = self._start, self._steps
        for character in name:
            step = steps.get((places, character))
            if step is None:
                if len(steps) == MAX_STEPS:
                    steps.clear()
                step = steps[places, character] = self._step(places, character)
            if not step:
                return False
            places = step
        return bool(places >> len(self._parts) & 1)

    def _step(self, places: int, character: str) -> int:
        if character not in self._takers:
            self._takers[character] = _bits(_takes(part, character) for part in self._parts)
        taken = places & self._takers[character]
        return self._skipping(taken << 1 | places & (self._any if character == "/" else self._stays))

    def _skipping(self, places: int) -> int:
        """With those that are reached by taking nothing."""
        while True:
            entered = places & self._enter
            more = places | (places & self._stays | entered) << 1 | entered << 3
            if more == places:
                return places
            places = more

def is_pattern(word: str) -> bool:
    bracket = word.find("[")
    return "*" in word or "?" in word or (bracket >= 0 and word.rfind("]") > bracket + 1)


def split(pattern: str) -> tuple[str, str]:
    """The fixed beginning and the rest: `raw/**/*.flac` -> (`raw`, `**/*.flac`)."""
    parts = pattern.split("/")
    fixed = next((number for number, part in enumerate(parts) if is_pattern(part)), len(parts) - 1)
    root = "/".join(parts[:fixed])
    return ("/" if pattern.startswith("/") and not root else root), "/".join(parts[fixed:])


def folders_deep(pattern: str) -> int | None:
    """How many folders down `pattern` can match; None for any number."""
    return None if "**" in pattern else pattern.count("/")


def matches(patterns: Sequence[Pattern], name: str, relative: str) -> bool:
    """Whether a file's name, or its place below the folder that is searched, is what one of `patterns` says."""
    return any(pattern.fullmatch(relative) or pattern.fullmatch(name) for pattern in patterns)


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Pattern:
    """See `Pattern`; the same one is read once."""
    return Pattern(pattern)


def _next(pattern: str, at: int) -> tuple[list[str | re.Pattern[str]], int]:
    """The parts for what stands in `pattern` at `at`, and where the next begin."""
    if pattern.startswith("**/", at):
        return [_ENTER, _ANY, "/"], at + 3
    if pattern.startswith("**", at):
        return [_ANY], at + 2
    if pattern[at] == "[":
        first = at + 1 + (pattern[at + 1 : at + 2] in ("!", "^"))
        end = pattern.find("]", first + 1)  # a bracket that comes first is one of the characters
        if end > 0:
            return [_one_of(pattern, pattern[first:end], negated=first > at + 1)], end + 1
    return [_NOT_SLASH if pattern[at] == "?" else pattern[at]], at + 1


def _bits(wanted: Iterable[bool]) -> int:
    """The first is the lowest."""
    return int("0" + "".join("01"[one] for one in wanted)[::-1], 2)


def _takes(part: str | re.Pattern[str], character: str) -> bool:
    return part == character != _STAR if isinstance(part, str) else part.fullmatch(character) is not None


def _one_of(pattern: str, inside: str, *, negated: bool) -> re.Pattern[str]:
    """`a-z_` -> `[a-z_]`, every character escaped, for re gives meaning to some pairs of them."""
    out = ""
    while inside:
        if inside[1:2] == "-" and len(inside) > 2:
            low, high, inside = inside[0], inside[2], inside[3:]
            if low > high:
                raise UsageError(f"the pattern {printable(pattern)}: {printable(low)}-{printable(high)} runs backwards")
            out += f"{re.escape(low)}-{re.escape(high)}"
        else:
            out, inside = out + re.escape(inside[0]), inside[1:]
    return re.compile(f"(?!/)[{'^' * negated}{out}]")


_NOT_SLASH = re.compile("[^/]")
