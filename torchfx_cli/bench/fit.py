"""Measured seconds -> what a run costs at all, and what each sample costs: t = fixed + per_sample * samples.

Least squares on relative errors, so that a cell of a millisecond counts as much as one of a minute, with coefficients
that are not negative: a negative start-up would promise that short files take no time. There are so few
columns that the active set need not be searched (Lawson & Hanson, "Solving Least Squares Problems", 1974, chapter 23):
every subset is solved, and of those without a negative number the best one is taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

MAX_COLUMNS = 8  # 2^8 small systems


@dataclass(frozen=True)
class Line:
    """Seconds = `fixed_s` + `sample_s` * samples; `error` is what it is off where measured, relative (RMS)."""

    fixed_s: float
    sample_s: float
    error: float = 0.0

    def seconds(self, samples: float) -> float:
        """What `samples`, all channels together, should take."""
        return self.fixed_s + self.sample_s * samples

    def crossover(self, other: Line) -> float | None:
        """Samples from which on `other` is the faster one; 0 where it always is, None where it never is."""
        if other.sample_s >= self.sample_s:
            return 0.0 if other.sample_s == self.sample_s and other.fixed_s < self.fixed_s else None
        return max(0.0, (other.fixed_s - self.fixed_s) / (self.sample_s - other.sample_s))


def fit_line(points: Iterable[tuple[float, float]]) -> Line:
    """The line through (samples, seconds); of one length alone nothing fixed can be told, so it is taken as 0.

    Raises ValueError where there is no point, or a time that is not above 0.
    """
    samples, seconds = _columns(points)
    if len(set(samples)) == 1:
        columns = samples[:, None]
        (sample_s,) = nonnegative(columns, seconds)
        return Line(0.0, float(sample_s), typical_error(columns, seconds, np.array([sample_s])))
    columns = np.stack([np.ones_like(samples), samples], axis=1)
    found = nonnegative(columns, seconds)
    return Line(float(found[0]), float(found[1]), typical_error(columns, seconds, found))


def nonnegative(columns: npt.ArrayLike, seconds: npt.ArrayLike) -> Array:
    """Coefficients c [K] >= 0 that make the sum of ((columns @ c - seconds) / seconds)^2 least.

    `columns` is [N, K], at most `MAX_COLUMNS` wide, `seconds` [N] above 0. Columns that nothing
    tells apart share what they explain.
    """
    a, t = np.asarray(columns, dtype=np.float64), np.asarray(seconds, dtype=np.float64)
    if a.ndim != 2 or t.shape != a.shape[:1] or not len(t) or a.shape[1] > MAX_COLUMNS:
        raise ValueError(f"columns [N, K] and seconds [N] are due, not {a.shape} and {t.shape}")
    if not (np.isfinite(t).all() and (t > 0.0).all()):
        raise ValueError("a measured time is above 0 s")
    a = a / t[:, None]
    scale = np.maximum(np.abs(a).max(axis=0), np.finfo(np.float64).tiny)
    best, least = np.zeros(a.shape[1]), float(len(t))  # all zero: every relative error is 1
    for chosen in _subsets(a.shape[1]):
        solved = np.linalg.lstsq(a[:, chosen] / scale[chosen], np.ones(len(t)), rcond=None)[0] / scale[chosen]
        error = float(((a[:, chosen] @ solved - 1.0) ** 2).sum())
        if (solved >= 0.0).all() and error < least:
            best, least = np.zeros(a.shape[1]), error
            best[chosen] = solved
    return best


def typical_error(columns: npt.ArrayLike, seconds: npt.ArrayLike, found: Array) -> float:
    """The root mean square of predicted / measured - 1."""
    predicted = np.asarray(columns, dtype=np.float64) @ found
    return float(np.sqrt(np.mean((predicted / np.asarray(seconds, dtype=np.float64) - 1.0) ** 2)))


def _subsets(count: int) -> list[list[int]]:
    """Larger ones first, so that of equally good ones the fuller one stays."""
    return [list(chosen) for size in range(count, 0, -1) for chosen in combinations(range(count), size)]


def _columns(points: Iterable[tuple[float, float]]) -> tuple[Array, Array]:
    rows = np.array(list(points), dtype=np.float64).reshape(-1, 2)
    if not len(rows):
        raise ValueError("nothing was measured")
    return rows[:, 0], rows[:, 1]
