"""Band-pass and band-stop: the classical families between two edges, or the cookbook section around one frequency.

Families: the analogue prototype (A. V. Oppenheim and R. W. Schafer, "Discrete-Time Signal Processing", 3rd ed.,
appendix B) with (s^2 + w0^2) / (B s), or its inverse, for s, by the bilinear transform with prewarped edges. With
a q: H(s) = (s/Q) / (s^2 + s/Q + 1), or (s^2 + 1) / (s^2 + s/Q + 1), s = j at the frequency (R. Bristow-Johnson,
"Cookbook formulae for audio EQ biquad filter coefficients", W3C note, 2021).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from torchfx_cli.design import biquad, iir
from torchfx_cli.design.prototypes import edge_db
from torchfx_cli.design.stage import Stage
from torchfx_cli.effects.checks import check_family, check_frequencies, validated
from torchfx_cli.effects.classical import FAMILIES, cookbook_problems, family_problems, family_words, sections_of
from torchfx_cli.effects.kind import Complaint, Kind, StageSpec, frequency, listed, order, param, quality
from torchfx_cli.effects.notch import notched
from torchfx_cli.effects.width import bandwidth, q_of, width, width_problems
from torchfx_cli.effects.zero_phase import zero_phase
from torchfx_cli.errors import DesignError
from torchfx_cli.samples import Signal, hertz


@dataclass(frozen=True, kw_only=True)
class BandSpec(StageSpec):
    """Passes (bandpass) or removes (bandstop) what lies between two edges, or around one frequency with a Q."""

    low_hz: float | None = frequency("lower edge", None)
    high_hz: float | None = frequency("upper edge", None)
    order: int = order("order of each edge", 2)
    family: str = param("classical design", default="butterworth", form="word", choices=FAMILIES[:5])
    ripple_db: float = param("pass-band ripple (chebyshev1, elliptic)", default=0.5, unit="dB", low=1e-4, high=20.0)
    attenuation_db: float = param("stop-band attenuation (chebyshev2, elliptic)", default=60.0, unit="dB",
                                  low=3.1, high=200.0)
    frequency_hz: float | None = frequency("centre, for the cookbook section (with q, instead of low and high)", None)
    q: float | None = quality("Q of the cookbook section; its peak gain is 0 dB", None)
    bandwidth: float | None = bandwidth("octaves between its -3 dB points, instead of q")
    zero_phase: bool = zero_phase()

    def problems(self, given: Collection[str]) -> Iterator[Complaint]:
        """See `StageSpec`."""
        edges, centre = {"low", "high"} & set(given), {"frequency", "q", "bandwidth"} & set(given)
        yield from width_problems(given)
        if edges and centre:
            yield "", f"{listed(edges)} contradicts {listed(centre)}: write low and high, or frequency and q"
        elif len(edges or centre) < 2:
            missing = (("frequency", *sorted(centre - {"frequency"} or {"q"})) if centre else ("low", "high"))
            absent = [key for key in missing if key not in given]
            yield "", f"{listed(absent)} missing: write low and high, or frequency and q"
        elif centre:
            yield from cookbook_problems(given)
        elif self.low_hz is not None and self.high_hz is not None and self.low_hz >= self.high_hz:
            yield "low", f"found {self.low_hz:g} Hz; must be below high, {self.high_hz:g} Hz"
        if not centre:
            yield from family_problems(self, given)

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        fs = source.fs
        check_frequencies(self, fs)
        if self.frequency_hz is not None and (self.q is not None or self.bandwidth is not None):
            label = f"{self.kind} {hertz(self.frequency_hz)} {width(self.q or 0.0, self.bandwidth)}"
            q = q_of(self.q or 0.0, self.bandwidth, self.frequency_hz, fs)
            if self.kind == "bandstop":
                return notched(self, self.frequency_hz, q, fs, label)
            return validated(self, fs, biquad.bandpass(self.frequency_hz, q, fs), label, (self.frequency_hz, 0.0))
        if self.low_hz is None or self.high_hz is None or not self.low_hz < self.high_hz:
            raise DesignError(f"{self.origin}: needs low and high, low below high, or frequency and q")
        check_family(self, self.origin)
        edges_hz = self.low_hz, self.high_hz
        make = iir.bandpass if self.kind == "bandpass" else iir.bandstop
        sos = sections_of(self, make, edges_hz, fs)
        level_db = edge_db(self.family, self.ripple_db, self.attenuation_db)
        label = f"{self.kind} {hertz(self.low_hz)} to {hertz(self.high_hz)} {family_words(self)}"
        return validated(self, fs, sos, label, *((edge_hz, level_db) for edge_hz in edges_hz))


BANDPASS = Kind(BandSpec, None, "- bandpass: {low: 300, high: 3.4 kHz, order: 4}",
                "Passes what lies between two edges, or around one frequency.")
BANDSTOP = Kind(BandSpec, None, "- bandstop: {low: 45, high: 55, order: 2}",
                "Removes what lies between two edges, or around one frequency.")
