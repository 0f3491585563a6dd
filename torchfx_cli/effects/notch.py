"""A notch: the section of the RBJ Audio EQ Cookbook.

H(s) = (s^2 + 1) / (s^2 + s/Q + 1), s = j at the frequency, by the bilinear transform (R. Bristow-Johnson, "Cookbook
formulae for audio EQ biquad filter coefficients", W3C note, 2021).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from torchfx_cli.design import biquad
from torchfx_cli.design.stage import Stage
from torchfx_cli.effects.checks import check_frequencies, validated
from torchfx_cli.effects.kind import Complaint, Kind, StageSpec, frequency, quality
from torchfx_cli.effects.width import bandwidth, q_of, width, width_problems
from torchfx_cli.effects.zero_phase import zero_phase
from torchfx_cli.samples import Signal, hertz

HALF_POWER_DB = -10.0 * np.log10(2.0)


@dataclass(frozen=True, kw_only=True)
class NotchSpec(StageSpec):
    """Removes one frequency (RBJ cookbook)."""

    frequency_hz: float = frequency("what is removed")
    q: float = quality("frequency over bandwidth", 30.0)
    bandwidth: float | None = bandwidth("octaves between the -3 dB points, instead of q")
    zero_phase: bool = zero_phase()

    def problems(self, given: Collection[str]) -> Iterator[Complaint]:
        """See `StageSpec`."""
        return width_problems(given)

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        fs = source.fs
        check_frequencies(self, fs)
        q = q_of(self.q, self.bandwidth, self.frequency_hz, fs)
        return notched(self, self.frequency_hz, q, fs,
                       f"notch {hertz(self.frequency_hz)} {width(self.q, self.bandwidth)}")


def notched(spec: StageSpec, frequency_hz: float, q: float, fs: float, label: str) -> Stage:
    """A section that removes `frequency_hz`, validated at its upper -3 dB point."""
    edge_hz = biquad.upper_edge_hz(frequency_hz, q, fs)
    return validated(spec, fs, biquad.notch(frequency_hz, q, fs), label, (edge_hz, HALF_POWER_DB))


KIND = Kind(NotchSpec, "frequency_hz", "- notch: {frequency: 50 Hz, q: 30}")
