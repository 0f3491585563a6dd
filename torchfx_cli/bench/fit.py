"""Measured seconds -> what a run costs at all, and what each sample costs: t = fixed + per_sample * samples.

Least squares on relative errors, so that a cell of a millisecond counts as much as one of a minute, with coefficients
that are not negative: a negative start-up would promise that short files take no time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

MOST_ERROR = 0.2  # RMS, relative: on a quiet machine 0.02 to 0.1


@dataclass(frozen=True)
class Line:
    """Seconds = `fixed_s` + `sample_s` * samples; `error` is what it is off the times that it is of, relative (RMS)."""

    fixed_s: float
    sample_s: float
    error: float = field(default=0.0, compare=False)

    @property
    def is_known(self) -> bool:
        """Whether it says how the time grows: no audio takes no time a sample."""
        return self.sample_s > 0.0 and self.error <= MOST_ERROR

    def seconds(self, samples: float) -> float:
        """What `samples`, all channels together, should take."""
        return self.fixed_s + self.sample_s * samples

    def crossover(self, other: Line) -> float | None:
        """Samples from which on `other` is the faster one; 0 where it always is, None where it never is."""
        if other.sample_s >= self.sample_s:
            return 0.0 if other.sample_s == self.sample_s and other.fixed_s < self.fixed_s else None
        return max(0.0, (other.fixed_s - self.fixed_s) / (self.sample_s - other.sample_s))


def fit_line(points: Sequence[tuple[float, float]]) -> Line:
    """The line through (samples, seconds); of one length alone nothing fixed can be told, so it is taken as 0."""
    is_one_length = len({samples for samples, _ in points}) == 1
    columns = [(0.0 if is_one_length else 1.0, samples) for samples, _ in points]
    (fixed_s, sample_s), error = nonnegative(columns, [seconds for _, seconds in points])
    return Line(fixed_s, sample_s, error)


def nonnegative(columns: npt.ArrayLike, seconds: npt.ArrayLike) -> tuple[list[float], float]:
    """Coefficients c [K] >= 0 that make the sum of ((columns @ c - seconds) / seconds)^2 least; and its RMS.

    `columns` is [N, K], `seconds` [N] above 0.
    """
    from scipy.optimize import nnls

    a, t = np.asarray(columns, dtype=np.float64), np.asarray(seconds, dtype=np.float64)
    if not (len(t) and np.isfinite(t).all() and (t > 0.0).all()):
        raise ValueError("nothing was measured, or a time that is not above 0 s")
    a = a / t[:, None]
    scale = np.maximum(np.abs(a).max(axis=0), np.finfo(np.float64).tiny)
    found, residual = nnls(a / scale, np.ones(len(t)))
    return (found / scale).tolist(), float(residual / np.sqrt(len(t)))
