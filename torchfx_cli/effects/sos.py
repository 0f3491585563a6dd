"""Raw second-order sections: H(z) = (b0 + b1 z^-1 + b2 z^-2) / (a0 + a1 z^-1 + a2 z^-2) a row, one after another."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from torchfx_cli.design.stage import Stage
from torchfx_cli.effects.checks import validated
from torchfx_cli.effects.kind import Complaint, Kind, StageSpec, frequency, param
from torchfx_cli.effects.zero_phase import zero_phase
from torchfx_cli.errors import DesignError
from torchfx_cli.samples import Signal, hertz


@dataclass(frozen=True, kw_only=True)
class SosSpec(StageSpec):
    """Raw second-order sections, for one sample rate only."""

    sections: tuple[tuple[float, ...], ...] = param("rows of b0, b1, b2, a0, a1, a2", form="rows")
    rate_hz: float | None = frequency("the sample rate they were made for; other files are refused", None)
    zero_phase: bool = zero_phase()

    @property
    def suits_any_rate(self) -> bool:
        """See `StageSpec`."""
        return self.rate_hz is None

    def problems(self, given: Collection[str]) -> Iterator[Complaint]:
        """See `StageSpec`."""
        if len(self.sections) == 2 and self.sections[1][0] == 1.0 and any(row[3] != 1.0 for row in self.sections):
            yield "sections", ("two rows, of which the second begins with 1, are b and a of a transfer function; "
                               "write rows of b0, b1, b2, a0, a1, a2 (scipy.signal.tf2sos makes them)")
            return
        for index, (_b0, _b1, _b2, a0, a1, a2) in enumerate(self.sections):
            if a0 == 0:
                yield f"sections[{index}]", "a0, the fourth number, is 0; rows are b0, b1, b2, a0, a1, a2"
            elif not (radius := pole_radius(a0, a1, a2)) < 1:
                yield f"sections[{index}]", f"not stable: pole radius {radius:.9g}; must be below 1"

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        fs = source.fs
        if self.rate_hz is not None and self.rate_hz != fs:
            made_for = hertz(self.rate_hz)
            raise DesignError(f"{self.origin}.rate: these sections are for {made_for}, the file has {hertz(fs)}")
        rows = np.array(self.sections, dtype=np.float64)
        with np.errstate(all="ignore"):
            rows = rows / rows[:, 3:4]
        return validated(self, fs, rows, f"sos, {len(rows)} section{'s' * (len(rows) > 1)}")


def pole_radius(a0: float, a1: float, a2: float) -> float:
    """Largest |z| with a0 z^2 + a1 z + a2 = 0; inf or nan where float64 cannot say."""
    half, product = -a1 / a0 / 2, a2 / a0
    discriminant = half * half - product
    return math.sqrt(product) if discriminant < 0 else abs(half) + math.sqrt(discriminant)


KIND = Kind(SosSpec, None, "- sos: {sections: [[0.5, 0.5, 0, 1, 0, 0]], rate: 48 kHz}")
