"""A peak or a dip around one frequency: the section of the RBJ Audio EQ Cookbook.

H(s) = (s^2 + s A/Q + 1) / (s^2 + s/(A Q) + 1) with A = 10^(gain/40) and s = j at the frequency, by the bilinear
transform (R. Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients", W3C note, 2021).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from torchfx_cli.design import biquad
from torchfx_cli.design.stage import Stage
from torchfx_cli.effects.checks import check_frequencies, validated
from torchfx_cli.effects.kind import Complaint, Kind, StageSpec, frequency, gain, quality
from torchfx_cli.effects.width import bandwidth, q_of, width, width_problems
from torchfx_cli.effects.zero_phase import zero_phase
from torchfx_cli.samples import Signal, hertz


@dataclass(frozen=True, kw_only=True)
class PeakingSpec(StageSpec):
    """Raises or lowers the band around a frequency (RBJ cookbook)."""

    frequency_hz: float = frequency("centre")
    gain_db: float = gain("gain at the centre")
    q: float = quality("centre over bandwidth", 1.0)
    bandwidth: float | None = bandwidth("octaves between the points of half the gain in dB, instead of q")
    zero_phase: bool = zero_phase()

    def problems(self, given: Collection[str]) -> Iterator[Complaint]:
        """See `StageSpec`."""
        return width_problems(given)

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        fs = source.fs
        check_frequencies(self, fs)
        q = q_of(self.q, self.bandwidth, self.frequency_hz, fs)
        label = f"peaking {hertz(self.frequency_hz)} {self.gain_db:+g} dB {width(self.q, self.bandwidth)}"
        section = biquad.peaking(self.frequency_hz, self.gain_db, q, fs)
        return validated(self, fs, section, label, (self.frequency_hz, self.gain_db))


KIND = Kind(PeakingSpec, None, "- peaking: {frequency: 3.2 kHz, gain: 2.5 dB, q: 0.9}")
