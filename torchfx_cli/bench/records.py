"""What a run of the bench leaves: the machine, and for each cell of the matrix a measurement or why there is none.

A measurement whose result was wrong keeps its times for the record, but has no speed: `Measurement.seconds` is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import comb
from statistics import median, quantiles
from typing import Literal

SCHEMA = 2  # of the JSON, see `stored`
FS = 44_100

Status = Literal["ok", "unavailable", "skipped", "wrong", "failed"]
STATUSES: tuple[Status, ...] = ("ok", "unavailable", "skipped", "wrong", "failed")

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Environment:
    """The machine and the programs; "" or 0 is what could not be found out.

    cores    that this process may use.       threads  of torch and of the libraries below NumPy.
    kernel   of the native engine.            clock    what measured, and the processor's clock rate at the start.
    when     UTC, ISO 8601.
    waited   for a core that others used, where that was long enough to spoil the times.
    """

    cpu: str = ""
    cores: int = 0
    threads: int = 0
    memory_mb: int = 0
    gpu: str = ""
    gpu_driver: str = ""
    system: str = ""
    python: str = ""
    torchfx: str = ""
    numpy: str = ""
    scipy: str = ""
    torch: str = ""
    kernel: str = ""
    clock: str = ""
    when: str = ""
    waited: str = ""


@dataclass(frozen=True)
class Cell:
    """One field of the matrix: `duration_s` of audio in so many channels; `label` tells variants of a backend apart."""

    suite: str
    backend: str
    duration_s: float
    channels: int
    fs: int = FS
    label: str = ""

    @property
    def frames(self) -> int:
        return max(1, round(self.duration_s * self.fs))

    @property
    def samples(self) -> int:
        return self.frames * self.channels

    @property
    def group(self) -> tuple[str, float, int, int]:
        """The cells that do the same work, so that their times can be compared."""
        return self.suite, self.duration_s, self.channels, self.fs

    @property
    def name(self) -> str:
        return f"{self.backend} {self.label}".rstrip()

    @property
    def is_gpu(self) -> bool:
        return self.backend.startswith("cuda")


@dataclass(frozen=True)
class Measurement:
    """What came of a cell.

    times_s    each repetition, in order, after a run to warm up.
    reason     why there is no speed: one line.
    snr_db   signal over error against float64 SciPy, inf where every bit is the same; None where nobody looked.
    host_mb    by how much the process grew at most;  device_mb  what torch held on the device at most. None: unknown.
    """

    status: Status
    times_s: tuple[float, ...] = ()
    reason: str = ""
    snr_db: float | None = None
    host_mb: float | None = None
    device_mb: float | None = None

    @property
    def seconds(self) -> float | None:
        """The median time; None where there is none, or where the result was wrong."""
        return median(self.times_s) if self.status == "ok" and self.times_s else None

    @property
    def least_s(self) -> float | None:
        return min(self.times_s) if self.seconds is not None else None

    @property
    def spread(self) -> float | None:
        """The middle half of the times, its width over the median; None of fewer than two."""
        if self.seconds is None or len(self.times_s) < 2:
            return None
        low, _, high = quantiles(self.times_s, n=4, method="inclusive")
        return (high - low) / self.seconds

    @property
    def precision(self) -> float | None:
        """How well the median is known, see `median_precision`."""
        return median_precision(self.times_s) if self.seconds is not None else None


@dataclass(frozen=True)
class Results:
    """A whole run. `missing` are the cells that it was to measure and did not come to.

    chains  (suite, what tells its filters from any others), so that a run is resumed with the same ones.
    """

    rows: tuple[tuple[Cell, Measurement], ...]
    environment: Environment = Environment()
    missing: tuple[Cell, ...] = ()
    chains: tuple[tuple[str, str], ...] = ()


def median_precision(times_s: Sequence[float]) -> float | None:
    """Half the width of the 95 % interval of the median, over the median; None where there are fewer than six times.

    The interval lies between the k-th smallest and the k-th largest time: whatever the distribution, the true median is
    outside with twice the probability of fewer than k heads in n throws (David & Nagaraja, "Order Statistics", 7.1).
    """
    k = _rank(len(times_s))
    if not k:
        return None
    ordered = sorted(times_s)
    return (ordered[-k] - ordered[k - 1]) / 2.0 / median(ordered)


@lru_cache(maxsize=4096)
def _rank(count: int) -> int:
    """k of the interval that holds the median of `count` times with 95 %; 0 where there is none."""
    throws, outside, k = 2**count, 2, 0  # of so many throws of a coin, those with fewer than k + 1 heads, or tails
    while outside <= (1.0 - CONFIDENCE) * throws:
        k += 1
        outside += 2 * comb(count, k)
    return k
