"""Low and high shelf: first order, or the section of the RBJ Audio EQ Cookbook."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from torchfx_cli.design import biquad
from torchfx_cli.design.stage import Stage
from torchfx_cli.effects.checks import check_frequencies, validated
from torchfx_cli.effects.kind import (
    Q_BUTTERWORTH,
    Complaint,
    Kind,
    StageSpec,
    first_order_has_no_q,
    frequency,
    gain,
    order,
    quality,
    steepness,
)
from torchfx_cli.samples import Signal, hertz


@dataclass(frozen=True, kw_only=True)
class ShelfSpec(StageSpec):
    """Raises or lowers everything below (low_shelf) or above (high_shelf) a frequency."""

    frequency_hz: float = frequency("middle of the slope: half of the gain in dB")
    gain_db: float = gain("gain on the shelf")
    q: float = quality("steepness (order 2 only)", Q_BUTTERWORTH)
    order: int = order("1 or 2", 2, high=2)

    def problems(self, given: Collection[str]) -> Iterator[Complaint]:
        """See `StageSpec`."""
        return first_order_has_no_q(self.order, given)

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        fs = source.fs
        check_frequencies(self, fs)
        make = biquad.low_shelf if self.kind == "low_shelf" else biquad.high_shelf
        section = make(self.frequency_hz, self.gain_db, self.q, self.order, fs)
        label = f"{self.kind} {hertz(self.frequency_hz)} {self.gain_db:+g} dB {steepness(self.order, self.q)}"
        return validated(self, fs, section, label, (self.frequency_hz, self.gain_db / 2.0))


LOW = Kind(ShelfSpec, None, "- low_shelf: {frequency: 120 Hz, gain: -3 dB}",
           "Raises or lowers everything below a frequency.")
HIGH = Kind(ShelfSpec, None, "- high_shelf: {frequency: 8 kHz, gain: 2 dB, order: 1}",
            "Raises or lowers everything above a frequency.")
