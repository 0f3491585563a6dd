"""Results as lines, each backend's median time against duration by suite and channel count; and where two cross."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torchfx_cli.bench.records import Results


@dataclass(frozen=True)
class Series:
    """One backend at one channel count: durations in s, rising, and the median, least and highest time of each in s.

    label  as of `Cell`: one of the ways that share the backend, or a part of its run.
    """

    backend: str
    channels: int
    durations_s: tuple[float, ...]
    medians_s: tuple[float, ...]
    lows_s: tuple[float, ...] = ()
    highs_s: tuple[float, ...] = ()
    label: str = ""

    @property
    def name(self) -> str:
        return f"{self.backend} {self.label}".rstrip()

    def at(self, duration_s: float) -> float | None:
        """The time at `duration_s`, along straight lines on logarithmic axes; None outside what was measured."""
        known = list(zip(self.durations_s, self.medians_s, strict=True))
        for (left, before), (right, after) in pairwise(known):
            if left <= duration_s <= right:
                part = math.log(duration_s / left) / math.log(right / left)
                return before * (after / before) ** part
        return known[0][1] if [duration_s] == [left for left, _ in known] else None


@dataclass(frozen=True)
class Crossover:
    """At `duration_s`, taking `seconds`, `faster` overtakes `slower`, which was the fastest until there."""

    duration_s: float
    seconds: float
    slower: str
    faster: str


def crossovers(lines: Sequence[Series]) -> list[Crossover]:
    """Where the fastest of `lines`, all of one channel count, gives way to another, as duration grows.

    Parts of a run are no rivals, so labelled lines are left out.
    """
    lines = [line for line in lines if not line.label]
    marks = sorted({duration for line in lines for duration in line.durations_s})
    found: list[Crossover] = []
    for left, right in pairwise(marks):
        both = [(line, before, after) for line in lines
                if (before := line.at(left)) is not None and (after := line.at(right)) is not None]
        if not both:
            continue
        first, last = min(both, key=lambda row: row[1]), min(both, key=lambda row: row[2])
        if first[0] is not last[0]:
            gain, loss = math.log(last[1] / first[1]), math.log(first[2] / last[2])
            part = gain / (gain + loss) if gain + loss else 0.0
            found.append(Crossover(left * (right / left) ** part, first[1] * (first[2] / first[1]) ** part,
                                   first[0].backend, last[0].backend))
    return found


def panels(results: Results) -> dict[tuple[str, int], list[Series]]:
    """(suite, channels) -> its lines, in the order in which backends first appear. Wrong results have no speed."""
    cells: dict[tuple[str, int], dict[tuple[str, str], list[tuple[float, float, float, float]]]] = {}
    for cell, measurement in results.rows:
        if measurement.seconds is not None:
            row = cell.duration_s, measurement.seconds, min(measurement.times_s), max(measurement.times_s)
            lines = cells.setdefault((cell.suite, cell.channels), {})
            lines.setdefault((cell.backend, cell.label), []).append(row)
    return {place: [_series(*key, place[1], rows) for key, rows in lines.items()]
            for place, lines in sorted(cells.items())}


def _series(backend: str, label: str, channels: int, rows: Iterable[tuple[float, float, float, float]]) -> Series:
    durations, medians, lows, highs = zip(*sorted(rows), strict=True)
    return Series(backend, channels, durations, medians, lows, highs, label)
