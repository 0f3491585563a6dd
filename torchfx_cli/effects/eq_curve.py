"""A curve of frequencies and gains as an FIR, see `design.curve`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise

from torchfx_cli.design.curve import MOST_TAPS, linear_phase, minimum_phase
from torchfx_cli.design.stages import Stage, Taps
from torchfx_cli.effects.kind import Complaint, Kind, StageSpec, param
from torchfx_cli.errors import DesignError
from torchfx_cli.samples import Signal, hertz


@dataclass(frozen=True, kw_only=True)
class EqCurveSpec(StageSpec):
    """Follows a curve of frequencies and gains, by an FIR of linear phase (its delay removed) or minimum phase."""

    points: tuple[tuple[float, float], ...] = param("frequencies and their gains, straight lines between them over the "
                                                    "logarithm of the frequency", form="points", high=200.0)
    phase: str = param("linear keeps the shape, minimum has no pre-echo", default="linear", form="word",
                       choices=("linear", "minimum"))
    tolerance_db: float = param("how far from the curve the response may be", default=0.25, unit="dB", low=1e-3,
                                high=6.0)

    def problems(self, given: Collection[str]) -> Iterator[Complaint]:
        """See `StageSpec`."""
        for (first, _), (second, _) in pairwise(self.points):
            if not first < second:
                yield "points", f"{hertz(second)} is not above {hertz(first)} in front of it"

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        taps = linear_phase(self.points, source.fs, self.tolerance_db)
        if taps is None:
            raise DesignError(f"{self.origin}: {MOST_TAPS} taps do not follow this curve within "
                              f"{self.tolerance_db:g} dB at {hertz(source.fs)}; allow more "
                              "tolerance, or write it less steep")
        label = f"eq_curve of {len(self.points)} points, {self.phase} phase"
        if self.phase == "minimum":
            return Taps(minimum_phase(taps), 0, label)
        return Taps(taps, len(taps) // 2, label)


KIND = Kind(EqCurveSpec, "points", "- eq_curve: {points: [[100, 3], [1000, 0], [10000, -2]], phase: minimum}")
