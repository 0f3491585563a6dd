"""High-pass and low-pass: the classical families, or the second-order section of the RBJ Audio EQ Cookbook.

Families: the analogue prototype of this order (A. V. Oppenheim and R. W. Schafer, "Discrete-Time Signal Processing",
3rd ed., appendix B; Bessel: W. E. Thomson, Proc. IEE 96, 1949) by the bilinear transform, its edge prewarped. With a q:
H(s) = s^2 / (s^2 + s/Q + 1) for high-pass and 1 / (s^2 + s/Q + 1) for low-pass, s = j at the cut-off
(R. Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients", W3C note, 2021).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from torchfx_cli.design import biquad, iir
from torchfx_cli.design.prototypes import edge_db
from torchfx_cli.design.stage import Stage
from torchfx_cli.effects.checks import check_family, check_frequencies, validated
from torchfx_cli.effects.classical import FAMILIES, cookbook_problems, family_problems, family_words, sections_of
from torchfx_cli.effects.kind import Complaint, Kind, StageSpec, frequency, order, param, quality
from torchfx_cli.effects.zero_phase import zero_phase
from torchfx_cli.samples import Signal, hertz


@dataclass(frozen=True, kw_only=True)
class CutSpec(StageSpec):
    """Passes what lies above (highpass) or below (lowpass) the cut-off."""

    cutoff_hz: float = frequency("cut-off: -3 dB (butterworth, bessel), -6 dB (linkwitz_riley), "
                                  "edge of the ripple (chebyshev1, elliptic) or of the stop band (chebyshev2)")
    order: int = order("order; 6 dB per octave each (linkwitz_riley: even; 4, 8, 12 sum flat as they are, "
                       "2, 6, 10 with one half inverted)", 2)
    family: str = param("classical design", default="butterworth", form="word", choices=FAMILIES)
    ripple_db: float = param("pass-band ripple (chebyshev1, elliptic)", default=0.5, unit="dB", low=1e-4, high=20.0)
    attenuation_db: float = param("stop-band attenuation (chebyshev2, elliptic)", default=60.0, unit="dB",
                                  low=3.1, high=200.0)
    q: float | None = quality("use the second-order cookbook section of this Q instead", None)
    zero_phase: bool = zero_phase()

    def problems(self, given: Collection[str]) -> Iterator[Complaint]:
        """See `StageSpec`."""
        yield from family_problems(self, given) if self.q is None else cookbook_problems(given)
        if self.family == "linkwitz_riley" and self.order % 2:
            yield "order", f"found {self.order}; linkwitz_riley needs an even order, like {self.order + 1}"

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        fs = source.fs
        check_frequencies(self, fs)
        label = f"{self.kind} {hertz(self.cutoff_hz)}"
        if self.q is not None:
            section = (biquad.lowpass if self.kind == "lowpass" else biquad.highpass)(self.cutoff_hz, self.q, fs)
            return validated(self, fs, section, f"{label} q {self.q:g}", (self.cutoff_hz, 20.0 * np.log10(self.q)))
        check_family(self, self.origin)
        make = iir.lowpass if self.kind == "lowpass" else iir.highpass
        sos = sections_of(self, make, self.cutoff_hz, fs)
        halves = 2 if self.family == "linkwitz_riley" else 1
        level_db = halves * edge_db(self.family, self.ripple_db, self.attenuation_db)
        remarks = (CANCELS,) if halves == 2 and self.order % 4 else ()
        return validated(self, fs, sos, f"{label} {family_words(self)}", (self.cutoff_hz, level_db), remarks=remarks)


CANCELS = ("linkwitz_riley of order 2, 6, 10, ...: low-pass and high-pass of one frequency cancel there when they are "
           "added; turn one of them over (invert)")
HIGHPASS = Kind(CutSpec, "cutoff_hz", "- highpass: {cutoff: 80 Hz, order: 4}", "Passes what lies above the cut-off.")
LOWPASS = Kind(CutSpec, "cutoff_hz", "- lowpass: {cutoff: 12 kHz, order: 6, family: chebyshev1, ripple: 0.1 dB}",
               "Passes what lies below the cut-off.")
