"""Two recorded results, cell by cell: what became faster, what slower, and what only looks so.

A median is known to its `median_precision`; where the intervals of two medians do not meet, they differ. Too few times
to have such an interval say nothing of their spread, so `BLIND` is taken for it. The clock and the neighbours of a
shared machine differ from run to run and no cell shows it: a change below `LEAST_CHANGE` is "same".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Literal

from torchfx_cli.bench.records import Cell, Measurement, Results, median_precision

Verdict = Literal["faster", "slower", "same", "new", "gone"]

BLIND = 0.10  # relative, each side, where there are too few times to see a spread
LEAST_CHANGE = 0.02
ALWAYS_NEW = frozenset({"when", "clock", "waited"})  # of the environment: never twice the same


@dataclass(frozen=True)
class Change:
    """One cell in both results. `ratio` is new over old, below 1 is faster; `noise` what of it may be chance, relative.

    reason  why one of them has no speed, for "new" and "gone".
    """

    cell: Cell
    verdict: Verdict
    old_s: float | None = None
    new_s: float | None = None
    ratio: float | None = None
    noise: float = 0.0
    reason: str = ""

    @property
    def words(self) -> str:
        """`1.31x slower (noise 4 %)`, `same within 4 %`, or why there is nothing to compare."""
        if self.ratio is None:
            return f"{self.verdict}: {self.reason}" if self.reason else self.verdict
        if self.verdict == "same":
            return f"same within {100.0 * max(self.noise, LEAST_CHANGE):.0f} %"
        factor = self.ratio if self.ratio > 1.0 else 1.0 / self.ratio
        return f"{factor:.2f}x {self.verdict} (noise {100.0 * self.noise:.0f} %)"


def compare(old: Results, new: Results) -> list[Change]:
    """Every cell of either, those of `new` first, in their order."""
    before, after = dict(old.rows), dict(new.rows)
    return [_change(cell, before.get(cell), after.get(cell)) for cell in {**after, **before}]


def differences(old: Results, new: Results) -> list[str]:
    """What is not the same about the two machines and programs, one line each: to be said before any ratio."""
    before, after = asdict(old.environment), asdict(new.environment)
    return [f"{key}: {_word(before[key])} -> {_word(after[key])}" for key in after
            if key not in ALWAYS_NEW and before[key] != after[key]]


def noise_of(times_s: Sequence[float]) -> float:
    """By how much the true median may be off, relative, each side."""
    precision = median_precision(times_s)
    return BLIND if precision is None else precision


def _change(cell: Cell, old: Measurement | None, new: Measurement | None) -> Change:
    old_times, new_times = _times(old), _times(new)
    if not old_times:
        return Change(cell, "new", new_s=median(new_times) if new_times else None, reason=_reason(new_times, new, old))
    if not new_times:
        return Change(cell, "gone", old_s=median(old_times), reason=_reason((), new, None))
    old_s, new_s = median(old_times), median(new_times)
    noise = noise_of(old_times) + noise_of(new_times) * new_s / old_s
    change = abs(new_s / old_s - 1.0)
    verdict: Verdict = "same" if change <= max(noise, LEAST_CHANGE) else "slower" if new_s > old_s else "faster"
    return Change(cell, verdict, old_s, new_s, new_s / old_s, noise)


def _times(measurement: Measurement | None) -> tuple[float, ...]:
    """A wrong result has no speed."""
    return measurement.times_s if measurement is not None and measurement.status == "ok" else ()


def _reason(new_times: Sequence[float], new: Measurement | None, old: Measurement | None) -> str:
    shown = old if new_times else new
    if shown is None:
        return "not measured before" if new_times else "not measured now"
    return f"{'it was' if new_times else 'it is now'} {shown.status}{f' ({shown.reason})' if shown.reason else ''}"


def _word(value: object) -> str:
    return str(value) if value else "none"
