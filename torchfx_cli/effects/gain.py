"""Louder, quieter, or upside down: y = 10^(gain/20) x, and y = -x."""

from __future__ import annotations

from torchfx_cli.design.stages import Gain, Stage
from torchfx_cli.effects.kind import Kind, StageSpec, gain
from torchfx_cli.records import dataclass
from torchfx_cli.samples import Signal


@dataclass(frozen=True, kw_only=True)
class GainSpec(StageSpec):
    """Makes everything louder or quieter."""

    is_flat = True

    gain_db: float = gain("how much")

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        return Gain(10.0 ** (self.gain_db / 20.0), f"gain {self.gain_db:+g} dB")


@dataclass(frozen=True, kw_only=True)
class InvertSpec(StageSpec):
    """Turns the polarity over."""

    is_flat = True

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        return Gain(-1.0, "invert")


GAIN = Kind(GainSpec, "gain_db", "- gain: -3 dB")
INVERT = Kind(InvertSpec, None, "- invert")
