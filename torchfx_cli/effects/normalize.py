"""The peak of the whole file brought to a level."""

from __future__ import annotations

from dataclasses import dataclass
from math import log10

from torchfx_cli.design.stage import Array, Measured, Meter, Stage
from torchfx_cli.design.stages import Gain
from torchfx_cli.effects.kind import Kind, StageSpec, param
from torchfx_cli.samples import Signal


@dataclass(frozen=True, kw_only=True)
class NormalizeSpec(StageSpec):
    """Brings the highest peak of the whole file, over all channels, to a level. Reads the file twice."""

    is_measured, is_filter = True, False

    peak_db: float = param("level of the highest sample", default=-1.0, unit="dBFS", low=-300.0, high=60.0)

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        return Normalize(10.0 ** (self.peak_db / 20.0), f"normalize to {self.peak_db:g} dBFS")


@dataclass(frozen=True)
class Normalize(Measured):
    """The whole file's highest peak, over all channels, is brought to `peak` (linear, 1 = full scale)."""

    peak: float
    label: str = ""

    @property
    def ceiling(self) -> float:  # type: ignore[override]
        return self.peak

    def meter(self, source: Signal) -> Meter:
        """See `Measured`."""
        return PeakMeter()

    def resolved(self, reading: float) -> Stage:
        """The gain that brings the peak `reading` to `peak`; silence stays."""
        factor = self.peak / reading if reading > 0.0 else 1.0
        return Gain(factor, f"{self.label} ({20 * log10(factor):+.2f} dB)")


class PeakMeter:
    """The highest absolute sample, over all channels."""

    def __init__(self) -> None:
        self._peak = 0.0

    def process(self, samples: Array) -> None:
        """See `Meter`."""
        self._peak = max(self._peak, float(samples.max(initial=0.0)), -float(samples.min(initial=0.0)))

    def reading(self) -> float:
        """Linear, 1 = full scale."""
        return self._peak


KIND = Kind(NormalizeSpec, "peak_db", "- normalize: {peak: -1 dBFS}")
