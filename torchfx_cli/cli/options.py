"""Values of options that are checked by hand, so that a wrong one is answered in the words of this program."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeVar

from torchfx_cli.errors import UsageError, printable
from torchfx_cli.stream.bitrate import MAX_QUALITY, RateWish

T = TypeVar("T")

MAX_CHUNK_S = 1e6  # eleven days; what is asked for is taken, memory is bounded elsewhere
MAX_TAIL_S = 3600.0
MAX_TIMEOUT_S = 1e6
MAX_JOBS = 256
MAX_BYTES = 1e15
MAX_RATE_HZ = 10_000_000
MAX_CHANNELS = 1024
KBPS = 6, 4000
LISTS = {"--suite": "fir,iir", "--backends": "cuda,native,scipy", "--durations": "5,60", "--channels": "1,8",
         "--rate": "44100,48000"}
# Two of these say different things about the same outputs.
CONTRADICTIONS = (
    ("--quiet", "--verbose"), ("--overwrite", "--skip-existing"), ("--resume", "--skip-existing"),
    ("--in-place", "--output"), ("--in-place", "--name"), ("--in-place", "--format"),
    ("--in-place", "--skip-existing"), ("--bitrate", "--quality"), ("--normalize", "--loudness"),
    ("--album", "--skip-existing"), ("--cluster", "--jobs"), ("--cluster", "--in-place"),
)
DITHERS = ("auto", "none", "tpdf")
ON_NAN = ("fail", "repair")
ON_TRUNCATED = ("fail", "keep")
ON_CLIP = ("fail", "keep", "attenuate")
OLD_WORDS = {"limit": "attenuate"}  # of --on-clip; a limiter is something else
_UNITS_S = {"ms": 0.001, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_SIZE = re.compile(r"(\d+\.?\d*)\s*([kmgt])?b?", re.IGNORECASE)
_TIME = re.compile(r"([-+.\de]*?\d\.?)\s*(ms|s|sec|m|min|h)?")
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


def timeout_seconds(value: str | None) -> float | None:
    """Seconds for one file: above 0, at most `MAX_TIMEOUT_S`."""
    return None if value is None else _seconds("--timeout", value, MAX_TIMEOUT_S, zero=False)


def wait_seconds(option: str, value: str, *, zero: bool = False) -> float:
    """Seconds to wait: above 0, or also 0, at most `MAX_TIMEOUT_S`."""
    return _seconds(option, value, MAX_TIMEOUT_S, zero=zero)


def rate_wish(bitrate: str | None, quality: str | None) -> RateWish:
    """Bit rate in kbit/s, or quality, of lossy outputs."""
    kbps = None if bitrate is None else _number("--bitrate", bitrate.lower().removesuffix("k"), *KBPS, " kbit/s")
    return RateWish(kbps, None if quality is None else _number("--quality", quality, 0, MAX_QUALITY))


def sample_rate(value: str) -> float:
    """Hz of --rate; 48k and 48 kHz are read as meant."""
    word = value.strip().lower().removesuffix("hz").rstrip()
    if word.endswith("k"):
        return 1000.0 * _number("--rate", word[:-1], 0.001, MAX_RATE_HZ / 1000, " kHz")
    return _number("--rate", word, 1, MAX_RATE_HZ, " Hz")


def listed(option: str, text: str, item: Callable[[str], T]) -> tuple[T, ...]:
    """What is between the commas, each once."""
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        raise UsageError(f"{option}: found {quoted(text)}; expected a list such as {LISTS[option]}")
    return tuple(dict.fromkeys(item(word) for word in words))


def whole(option: str, word: str, high: int) -> int:
    """A whole number from 1 to `high`."""
    if not word.isascii() or not word.isdigit() or len(word) > 12 or not 1 <= int(word) <= high:
        raise UsageError(f"{option}: found {quoted(word)}; allowed is a whole number from 1 to {high}")
    return int(word)


def whole_rate(value: str) -> int:
    """Hz of --rate where a whole number is needed, as files have one."""
    rate = sample_rate(value)
    if not rate.is_integer():
        raise UsageError(f"--rate: found {quoted(value)}; allowed is a whole number of Hz")
    return int(rate)


def _number(option: str, value: str, low: float, high: float, unit: str = "") -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if low <= number <= high:
        return number
    raise UsageError(f"{option}: found {quoted(value)}; allowed is a number from {low:g} to {high:g}{unit}")


def job_count(value: str | None) -> int | None:
    """Files at a time: 1 to `MAX_JOBS`, or None where nothing was asked for."""
    if value is None:
        return None
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= MAX_JOBS:
        raise UsageError(f"--jobs: found {quoted(value)}; allowed is a whole number from 1 to {MAX_JOBS}")
    return int(value)


def cluster_address(value: str | None) -> str:
    """Of a Dask scheduler, or how many processes of this machine; "" where there is to be no cluster."""
    if value is None or re.fullmatch(r"local:[1-9]\d{0,2}|(?!local:)([a-z]+://)?[^\s/]+:\d{1,5}/?", value):
        return value or ""
    raise UsageError(f"--cluster: found {quoted(value)}; allowed is the address of a Dask scheduler, such as "
                     "tcp://scheduler:8786, or local:4 for 4 processes of this machine")


def usual_jobs(engine: str) -> int:
    """Files at a time where nothing was asked for: one a core, but one for torch, which takes all cores itself."""
    if engine == "torch":
        return 1
    if hasattr(os, "sched_getaffinity"):
        return min(MAX_JOBS, len(os.sched_getaffinity(0)))
    return min(MAX_JOBS, os.cpu_count() or 1)


def byte_count(option: str, value: str | None) -> int | None:
    """20GB, 500M or a number of bytes; None where nothing was asked for."""
    if value is None:
        return None
    found = _SIZE.fullmatch(value.strip())
    count = float(found[1]) * 1000 ** " kmgt".index((found[2] or " ").lower()) if found else 0.0
    if not 0 < count < MAX_BYTES:
        raise UsageError(f"{option}: found {quoted(value)}; allowed is a size such as 500M or 20GB")
    return int(count)


def check_suffix(value: str) -> None:
    """A suffix of a backup makes another name in the same folder."""
    if not value or "/" in value or "\0" in value:
        raise UsageError(f"--backup: found {quoted(value)}; allowed is what is put behind the name, such as .bak")


def check_together(given: Mapping[str, object]) -> None:
    """Raise UsageError where two options of `given` (name to value) contradict each other."""
    for first, second in CONTRADICTIONS:
        if given.get(first) and given.get(second):
            raise UsageError(f"{first} and {second} contradict each other; give one of them")


def _seconds(option: str, value: str, high: float, *, zero: bool, also: str = "") -> float:
    seconds = _in_seconds(value)
    if (seconds > 0 or (zero and seconds == 0)) and seconds <= high:
        return seconds
    low = "0" if zero else "above 0"
    raise UsageError(f"{option}: found {quoted(value)}; allowed is a number of seconds, {low} to {high:g}{also}; also "
                     "500ms, 1.5s, 2min or 1h")


def _in_seconds(value: str) -> float:
    """The time that `value` says, in seconds where it names no unit; nan where it says none."""
    found = _TIME.fullmatch(value.strip().lower())
    try:
        return float(found[1]) * _UNITS_S[found[2] or "s"] if found else math.nan
    except ValueError:
        return math.nan


def quoted(value: str) -> str:
    return f"'{printable(value)}'"
