"""A first-order high-pass that removes a constant offset: H(s) = s / (s + 1), s = j at the cut-off, bilinear."""

from __future__ import annotations

from dataclasses import dataclass

from torchfx_cli.design import biquad
from torchfx_cli.design.stage import Stage
from torchfx_cli.effects.checks import check_frequencies, validated
from torchfx_cli.effects.kind import Kind, StageSpec, frequency
from torchfx_cli.effects.notch import HALF_POWER_DB
from torchfx_cli.effects.zero_phase import zero_phase
from torchfx_cli.samples import Signal, hertz


@dataclass(frozen=True, kw_only=True)
class DcBlockSpec(StageSpec):
    """Removes a constant offset with a first-order high-pass."""

    cutoff_hz: float = frequency("-3 dB", 5.0)
    zero_phase: bool = zero_phase()

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        fs = source.fs
        check_frequencies(self, fs)
        section = biquad.first_order_highpass(self.cutoff_hz, fs)
        return validated(self, fs, section, f"dc_block {hertz(self.cutoff_hz)}", (self.cutoff_hz, HALF_POWER_DB))


KIND = Kind(DcBlockSpec, "cutoff_hz", "- dc_block: 5 Hz")
