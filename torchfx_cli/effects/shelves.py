"""Low and high shelf: first order, or the section of the RBJ Audio EQ Cookbook.

With A = 10^(gain/40) and s = j at the frequency. Second order, r = sqrt(A)/Q: H(s) = A (s^2 + r s + A) / (A s^2 + r s
+ 1) for the low shelf, A (A s^2 + r s + 1) / (s^2 + r s + A) for the high one (R. Bristow-Johnson, "Cookbook formulae
for audio EQ biquad filter coefficients", W3C note, 2021). First order: (s + A) / (s + 1/A) and (A s + 1) / (s/A + 1)
(U. Zoelzer, ed., "DAFX", 2nd ed., section 2.3). Both go through the bilinear transform.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from torchfx_cli.design import biquad
from torchfx_cli.design.stage import Stage
from torchfx_cli.effects.checks import check_frequencies, validated
from torchfx_cli.effects.kind import Q_BUTTERWORTH, Complaint, Kind, StageSpec, frequency, gain, order, param, quality
from torchfx_cli.effects.width import width, width_problems
from torchfx_cli.effects.zero_phase import zero_phase
from torchfx_cli.samples import Signal, hertz


@dataclass(frozen=True, kw_only=True)
class ShelfSpec(StageSpec):
    """Raises or lowers everything below (low_shelf) or above (high_shelf) a frequency."""

    frequency_hz: float = frequency("middle of the slope: half of the gain in dB")
    gain_db: float = gain("gain on the shelf")
    q: float = quality("steepness (order 2 only)", Q_BUTTERWORTH)
    slope: float | None = param("steepness instead of q (order 2 only); 1 is the steepest without an overshoot",
                                default=None, low=1e-3, high=1.0)
    order: int = order("1 or 2", 2, high=2)
    zero_phase: bool = zero_phase()

    def problems(self, given: Collection[str]) -> Iterator[Complaint]:
        """See `StageSpec`."""
        return width_problems(given, self.order, "slope")

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        fs = source.fs
        check_frequencies(self, fs)
        make = biquad.low_shelf if self.kind == "low_shelf" else biquad.high_shelf
        q = self.q if self.slope is None else biquad.q_of_slope(self.slope, self.gain_db)
        section = make(self.frequency_hz, self.gain_db, q, self.order, fs)
        steep = width(self.q, order=self.order) if self.slope is None else f"slope {self.slope:g}"
        label = f"{self.kind} {hertz(self.frequency_hz)} {self.gain_db:+g} dB {steep}"
        return validated(self, fs, section, label, (self.frequency_hz, self.gain_db / 2.0))


LOW = Kind(ShelfSpec, None, "- low_shelf: {frequency: 120 Hz, gain: -3 dB}",
           "Raises or lowers everything below a frequency.")
HIGH = Kind(ShelfSpec, None, "- high_shelf: {frequency: 8 kHz, gain: 2 dB, order: 1}",
            "Raises or lowers everything above a frequency.")
