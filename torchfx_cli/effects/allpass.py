"""An all-pass of first order, or the section of the RBJ Audio EQ Cookbook.

H(s) = (1 - s) / (1 + s), or (s^2 - s/Q + 1) / (s^2 + s/Q + 1), s = j at the frequency, by the bilinear transform
(R. Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients", W3C note, 2021).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from torchfx_cli.design import biquad
from torchfx_cli.design.stage import Stage
from torchfx_cli.effects.checks import check_frequencies, validated
from torchfx_cli.effects.kind import Q_BUTTERWORTH, Complaint, Kind, StageSpec, frequency, order, quality
from torchfx_cli.effects.width import bandwidth, q_of, width, width_problems
from torchfx_cli.samples import Signal, hertz


@dataclass(frozen=True, kw_only=True)
class AllpassSpec(StageSpec):
    """Turns the phase around a frequency, leaves the level alone."""

    frequency_hz: float = frequency("-90 degrees (order 1) or -180 degrees (order 2) here")
    q: float = quality("steepness (order 2 only)", Q_BUTTERWORTH)
    bandwidth: float | None = bandwidth("octaves over which the phase turns from -90 to -270 degrees, instead of q")
    order: int = order("1 or 2", 2, high=2)

    def problems(self, given: Collection[str]) -> Iterator[Complaint]:
        """See `StageSpec`."""
        return width_problems(given, self.order)

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        fs = source.fs
        check_frequencies(self, fs)
        q = q_of(self.q, self.bandwidth, self.frequency_hz, fs)
        section = biquad.allpass(self.frequency_hz, q, self.order, fs)
        label = f"allpass {hertz(self.frequency_hz)} {width(self.q, self.bandwidth, self.order)}"
        return validated(self, fs, section, label, (self.frequency_hz, 0.0))


KIND = Kind(AllpassSpec, "frequency_hz", "- allpass: {frequency: 1 kHz, order: 1}")
