"""A curve given by the corner frequencies of an analogue circuit.

Poles and zeros go to exp(-2 pi f / fs) (matched z-transform: A. V. Oppenheim and R. W. Schafer, "Digital Signal
Processing", 1975, section 5.1), and zeros fitted by least squares straighten the top octaves: see design/analog.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from torchfx_cli.design.analog import analog
from torchfx_cli.design.stage import Stage
from torchfx_cli.effects.checks import not_below, validated
from torchfx_cli.effects.kind import MAX_HZ, MAX_ORDER, Complaint, Kind, StageSpec, param
from torchfx_cli.effects.zero_phase import zero_phase
from torchfx_cli.errors import DesignError
from torchfx_cli.samples import Signal, hertz


@dataclass(frozen=True, kw_only=True)
class AnalogSpec(StageSpec):
    """A curve given by the corner frequencies of its analogue circuit: RIAA, de-emphasis, weightings.

    Real poles and zeros, in Hz; a zero at 0 Hz is a differentiator. The digital filter keeps the analogue
    magnitude up to half the sample rate (matched poles, and zeros added so that the top octaves fit).
    """

    poles_hz: tuple[float, ...] = param(f"pole corner frequencies, at most {MAX_ORDER}", unit="Hz", form="numbers",
                                        low=0.0, high=MAX_HZ, open_low=True)
    zeros_hz: tuple[float, ...] = param("zero corner frequencies, no more than poles", default=(), unit="Hz",
                                        form="numbers", low=0.0, high=MAX_HZ)
    unity_hz: float = param("where the gain is 0 dB", default=1000.0, unit="Hz", low=0.0, high=MAX_HZ)
    zero_phase: bool = zero_phase()

    def problems(self, given: Collection[str]) -> Iterator[Complaint]:
        """See `StageSpec`."""
        if not self.poles_hz:
            yield "poles", "found an empty list; at least one pole is needed"
        elif len(self.poles_hz) > MAX_ORDER:
            yield "poles", f"found {len(self.poles_hz)}; at most {MAX_ORDER} are allowed"
        elif len(self.zeros_hz) > len(self.poles_hz):
            yield "zeros", f"found {len(self.zeros_hz)}; no more than the {len(self.poles_hz)} poles are allowed"
        if self.unity_hz == 0 and 0.0 in self.zeros_hz:
            yield "unity", "found 0 Hz; with a zero at 0 Hz nothing passes there, write another frequency"

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        fs = source.fs
        if not self.unity_hz < fs / 2.0:
            raise DesignError(f"{self.origin}.unity: {not_below(self.unity_hz, fs)}")
        try:
            sos = analog(self.poles_hz, self.zeros_hz, self.unity_hz, fs)
        except ValueError as error:
            raise DesignError(f"{self.origin}: {error}") from error
        corners = f"poles {', '.join(map(hertz, self.poles_hz))}"
        if self.zeros_hz:
            corners += f"; zeros {', '.join(map(hertz, self.zeros_hz))}"
        return validated(self, fs, sos, f"analog ({corners})", (self.unity_hz, 0.0))


KIND = Kind(AnalogSpec, None, "- analog: {poles: [50.05, 2122.07], zeros: [500.5], unity: 1 kHz}")
