"""Values of options that are checked by hand, so that a wrong one is answered in the words of this program."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from torchfx_cli.errors import UsageError, printable

MAX_CHUNK_S = 1e6  # eleven days; what is asked for is taken, memory is bounded elsewhere
MAX_TAIL_S = 3600.0
DITHERS = ("auto", "none", "tpdf")
ENGINES = ("auto", "native", "torch", "scipy")  # for the help; `render.choose` checks


def one_of(option: str, value: str, allowed: Sequence[str]) -> str:
    """`value`, which must be one of `allowed`."""
    if value.lower() in allowed:
        return value.lower()
    raise UsageError(f"{option}: found {quoted(value)}; allowed are {', '.join(allowed)}")


def chunk_seconds(value: str | None) -> float | None:
    """Seconds of audio in a block: above 0, at most `MAX_CHUNK_S`."""
    return None if value is None else _seconds("--chunk", value, MAX_CHUNK_S, zero=False)


def tail_seconds(value: str) -> float | Literal["auto"]:
    """Seconds from 0 to `MAX_TAIL_S`, or "auto"."""
    return "auto" if value.lower() == "auto" else _seconds("--tail", value, MAX_TAIL_S, zero=True, also=" or auto")


def contradiction(first: str, second: str) -> UsageError:
    return UsageError(f"{first} and {second} contradict each other; give one of them")


def _seconds(option: str, value: str, high: float, *, zero: bool, also: str = "") -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if (seconds > 0 or (zero and seconds == 0)) and seconds <= high:
        return seconds
    low = "0" if zero else "above 0"
    raise UsageError(f"{option}: found {quoted(value)}; allowed is a number of seconds, {low} to {high:g}{also}")


def quoted(value: str) -> str:
    return f"'{printable(value)}'"
