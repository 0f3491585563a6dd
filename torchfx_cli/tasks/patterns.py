"""Patterns of the shell as regular expressions: `*` and `?` within a name, `**` across folders, `[a-z]`, `[!a]`.

Written out here because `fnmatch` lets `*` cross folders, and `glob` neither counts nor tells what it leaves out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from torchfx_cli.errors import UsageError, printable

MAGIC = re.compile(r"[*?]|\[.+\]", re.DOTALL)
Pattern = re.Pattern[str]


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


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Pattern:
    """To be used with `fullmatch`; raises UsageError for a range that is none."""
    out, at = "", 0
    while at < len(pattern):
        part, at = _next(pattern, at)
        out += part
    return re.compile(out, re.DOTALL)


def _next(pattern: str, at: int) -> tuple[str, int]:
    """The expression for what stands in `pattern` at `at`, and where the next begins."""
    if pattern.startswith("**/", at):
        return "(?:.*/)?", at + 3
    if pattern.startswith("**", at):
        return ".*", at + 2
    if pattern[at] == "[":
        first = at + 1 + (pattern[at + 1 : at + 2] in ("!", "^"))
        end = pattern.find("]", first + 1)  # a bracket that comes first is one of the characters
        if end > 0:
            return _one_of(pattern, pattern[first:end], negated=first > at + 1), end + 1
    return {"*": "[^/]*", "?": "[^/]"}.get(pattern[at], re.escape(pattern[at])), at + 1


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
