"""Results as lines, each backend's median time against duration by suite and channel count; and where two cross."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torchfx_cli.bench.records import Measurement, Results


@dataclass(frozen=True)
class Series:
    """One backend at one channel count: its measurements by duration in s, rising.

    label  as of `Cell`: one of the variants that share the backend, or a part of its run.
    """

    backend: str
    points: tuple[tuple[float, Measurement], ...]
    label: str = ""

    @property
    def name(self) -> str:
        return f"{self.backend} {self.label}".rstrip()

    @property
    def durations_s(self) -> list[float]:
        return [duration_s for duration_s, _ in self.points]

    @property
    def medians_s(self) -> list[float]:
        return [measurement.seconds or 0.0 for _, measurement in self.points]

    def at(self, duration_s: float) -> float | None:
        """The time at `duration_s`, along straight lines on logarithmic axes; None outside what was measured."""
        known = list(zip(self.durations_s, self.medians_s, strict=True))
        for (left, before), (right, after) in pairwise(known):
            if left <= duration_s <= right:
                part = math.log(duration_s / left) / math.log(right / left)
                return before * (after / before) ** part
        return known[0][1] if [duration_s] == self.durations_s else None


@dataclass(frozen=True)
class Crossover:
    """At `duration_s`, taking `seconds`, `faster` overtakes what was the fastest until there."""

    duration_s: float
    seconds: float
    faster: str


def crossovers(lines: Sequence[Series]) -> list[Crossover]:
    """Where the fastest of `lines`, all of one channel count, gives way to another, as duration grows.

    Labelled lines are left out: parts of a run are not compared.
    """
    lines = [line for line in lines if not line.label]
    marks = sorted({duration for line in lines for duration in line.durations_s})
    found: list[Crossover] = []
    for left, right in pairwise(marks):
        both = [(line.backend, before, after) for line in lines
                if (before := line.at(left)) is not None and (after := line.at(right)) is not None]
        if not both:
            continue
        first, last = min(both, key=lambda row: row[1]), min(both, key=lambda row: row[2])
        if first[0] != last[0]:
            gain, loss = math.log(last[1] / first[1]), math.log(first[2] / last[2])
            part = gain / (gain + loss) if gain + loss else 0.0
            seconds = first[1] * (first[2] / first[1]) ** part
            found.append(Crossover(left * (right / left) ** part, seconds, last[0]))
    return found


def panels(results: Results) -> dict[tuple[str, int], list[Series]]:
    """(suite, channels) -> its lines, in the order in which backends first appear. Wrong results have no speed."""
    cells: dict[tuple[str, int], dict[tuple[str, str], dict[float, Measurement]]] = {}
    for cell, measurement in results.rows:
        if measurement.seconds is not None:
            lines = cells.setdefault((cell.suite, cell.channels), {})
            lines.setdefault((cell.backend, cell.label), {})[cell.duration_s] = measurement
    return {place: [Series(backend, tuple(sorted(points.items())), label) for (backend, label), points in lines.items()]
            for place, lines in sorted(cells.items())}
