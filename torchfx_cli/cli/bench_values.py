"""Values of the options of `torchfx bench`: numbers and lists of them, each mistake in one line."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TypeVar

from torchfx_cli.cli.options import quoted
from torchfx_cli.errors import UsageError

MAX_DURATION_S, MAX_CHANNELS = 86_400.0, 1024
EXAMPLES = {"--suite": "fir,iir", "--backends": "cuda,native,scipy", "--durations": "5,60", "--channels": "1,8"}
T = TypeVar("T")


def listed(option: str, text: str, item: Callable[[str], T]) -> tuple[T, ...]:
    """What is between the commas, each once."""
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        raise UsageError(f"{option}: found {quoted(text)}; a list such as {EXAMPLES[option]} is due")
    return tuple(dict.fromkeys(item(word) for word in words))


def seconds(word: str) -> float:
    return number("--durations", word, MAX_DURATION_S, "seconds")


def count_of_channels(word: str) -> int:
    return whole("--channels", word, MAX_CHANNELS)


def number(option: str, word: str, high: float, unit: str) -> float:
    """A number above 0, at most `high`."""
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not 0.0 < value <= high:
        raise UsageError(f"{option}: found {quoted(word)}; allowed is a number of {unit} above 0, at most {high:g}")
    return value


def whole(option: str, word: str, high: int) -> int:
    """A whole number from 1 to `high`."""
    if not word.isascii() or not word.isdigit() or len(word) > 12 or not 1 <= int(word) <= high:
        raise UsageError(f"{option}: found {quoted(word)}; allowed is a whole number from 1 to {high}")
    return int(word)


def one(option: str, values: Iterable[T] | None, default: T) -> T:
    """The only one of `values`; `default` where nothing was said."""
    found = [default] if values is None else list(values)
    if len(found) > 1:
        raise UsageError(f"{option}: one value is enough here, not {len(found)}")
    return found[0]
