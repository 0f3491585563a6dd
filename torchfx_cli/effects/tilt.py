"""A tilt equaliser: what lies above a frequency is raised by as much as what lies below is lowered.

H(s) = (g s + 1) / (s + g), with g the gain and s = j at the frequency: a first-order shelf (U. Zoelzer, ed., "DAFX",
2nd ed., section 2.3) of twice the gain in dB, lowered by once the gain, so that the frequency itself stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from torchfx_cli.design import biquad
from torchfx_cli.design.stage import Stage
from torchfx_cli.effects.checks import check_frequencies, validated
from torchfx_cli.effects.kind import Q_BUTTERWORTH, Kind, StageSpec, frequency, param
from torchfx_cli.samples import Signal, hertz


@dataclass(frozen=True, kw_only=True)
class TiltSpec(StageSpec):
    """Makes the sound brighter or darker: raises the highs by as much as it lowers the lows, first order."""

    gain_db: float = param("gain far above the frequency; far below it is the opposite", unit="dB", low=-60.0,
                           high=60.0)
    frequency_hz: float = frequency("where the sound turns around: 0 dB", 1000.0)

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        check_frequencies(self, source.fs)
        section = biquad.high_shelf(self.frequency_hz, 2.0 * self.gain_db, Q_BUTTERWORTH, 1, source.fs)
        section[:, :3] *= 10.0 ** (-self.gain_db / 20.0)
        return validated(self, source.fs, section, f"tilt {self.gain_db:+g} dB around {hertz(self.frequency_hz)}",
                         (self.frequency_hz, 0.0), (0.0, -self.gain_db), (source.fs / 2.0, self.gain_db))


KIND = Kind(TiltSpec, "gain_db", "- tilt: {gain: 2 dB, frequency: 1 kHz}")
