"""A peak or a dip around one frequency: the section of the RBJ Audio EQ Cookbook."""

from __future__ import annotations

from dataclasses import dataclass

from torchfx_cli.design import biquad
from torchfx_cli.design.stage import Stage
from torchfx_cli.effects.checks import check_frequencies, validated
from torchfx_cli.effects.kind import Kind, StageSpec, frequency, gain, quality
from torchfx_cli.samples import Signal, hertz


@dataclass(frozen=True, kw_only=True)
class PeakingSpec(StageSpec):
    """Raises or lowers the band around a frequency (RBJ cookbook)."""

    frequency_hz: float = frequency("centre")
    gain_db: float = gain("gain at the centre")
    q: float = quality("centre over bandwidth", 1.0)

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        fs = source.fs
        check_frequencies(self, fs)
        label = f"peaking {hertz(self.frequency_hz)} {self.gain_db:+g} dB q {self.q:g}"
        section = biquad.peaking(self.frequency_hz, self.gain_db, self.q, fs)
        return validated(self, fs, section, label, (self.frequency_hz, self.gain_db))


KIND = Kind(PeakingSpec, None, "- peaking: {frequency: 3.2 kHz, gain: 2.5 dB, q: 0.9}")
