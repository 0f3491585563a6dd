"""Patterns of the shell: `*` and `?` within a name, `**` across folders, `[a-z]`, `[!a]`.

Written out here because `fnmatch` lets `*` cross folders, and `glob` neither counts nor tells what it leaves out. They
are not made regular expressions, which try every way: years for `*a*a*a*b` against a name of many a. A pattern is
followed once instead, as all the places at which it may stand, in the bits of a number (Thompson, "Regular expression
search algorithm", CACM 11, 1968), and where a character leads from there is remembered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from torchfx_cli.errors import UsageError, printable

MAGIC = re.compile(r"[*?]|\[.+\]", re.DOTALL)
MOST_REMEMBERED = 10_000  # of them; then all is forgotten
# Parts of a pattern that may stand for nothing: any characters, those of a name, whole folders with their slashes.
ANYTHING, IN_NAME, FOLDERS = "**", "*", "**/"


def is_pattern(word: str) -> bool:
    return MAGIC.search(word) is not None


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


class Pattern:
    """One pattern; raises UsageError for a range that is none."""

    def __init__(self, pattern: str) -> None:
        self._parts = list(_parts(pattern))
        self._end = 1 << len(self._parts)
        self._steps: dict[tuple[int, str], int] = {}

    def fullmatch(self, name: str) -> bool:
        """Whether all of `name` is what the pattern says."""
        places, steps = self._with_empty(1), self._steps
        for character in name:
            found = steps.get((places, character))
            if found is None:
                found = self._step(places, character)
            if not found:
                return False
            places = found
        return bool(places & self._end)

    def _step(self, places: int, character: str) -> int:
        """The places behind `character`; bit n: in front of part n."""
        behind = 0
        for n, part in enumerate(self._parts):
            if not places >> n & 1:
                continue
            if part == ANYTHING or (part == IN_NAME and character != "/"):
                behind |= 1 << n
            elif part == FOLDERS:  # within a folder, and at its end
                behind |= 1 << n | (character == "/") << n + 1
            elif isinstance(part, re.Pattern) and part.fullmatch(character):
                behind |= 1 << n + 1
        if len(self._steps) >= MOST_REMEMBERED:
            self._steps.clear()
        self._steps[places, character] = found = self._with_empty(behind, in_folder=character != "/")
        return found

    def _with_empty(self, places: int, *, in_folder: bool = False) -> int:
        """`places`, and those behind parts that may stand for nothing; folders only where a folder begins."""
        for n, part in enumerate(self._parts):
            if places >> n & 1 and (part in (ANYTHING, IN_NAME) or (part == FOLDERS and not in_folder)):
                places |= 1 << n + 1
        return places


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Pattern:
    """To be used with `fullmatch`; raises UsageError for a range that is none."""
    return Pattern(pattern)


Part = str | re.Pattern[str]


def _parts(pattern: str) -> Iterator[Part]:
    """What stands in `pattern`, each kind of star once in a row."""
    at, before = 0, None
    while at < len(pattern):
        part, at = _next(pattern, at)
        if part != before or not isinstance(part, str):
            yield part
        before = part


def _next(pattern: str, at: int) -> tuple[Part, int]:
    """What stands in `pattern` at `at`, and where the next begins: a star, or the expression for one character."""
    for star in (FOLDERS, ANYTHING, IN_NAME):
        if pattern.startswith(star, at):
            return star, at + len(star)
    if pattern[at] == "[":
        first = at + 1 + (pattern[at + 1 : at + 2] in ("!", "^"))
        end = pattern.find("]", first + 1)  # a bracket that comes first is one of the characters
        if end > 0:
            return re.compile(_one_of(pattern, pattern[first:end], negated=first > at + 1), re.DOTALL), end + 1
    return re.compile("[^/]" if pattern[at] == "?" else re.escape(pattern[at]), re.DOTALL), at + 1


def _one_of(pattern: str, inside: str, *, negated: bool) -> str:
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
    return f"(?!/)[{'^' * negated}{out}]"
