"""A de-esser in the form of a high shelf that comes down while there is sibilance, and only then.

A Butterworth filter at the frequency w0 gives h (above, 12 dB an octave) and b (around); with the gain g of a
compressor that hears h, the output is x + (g - 1) h + (sqrt(g) - 1) b: a shelf of |H|^2 = (1 + g^2 u) / (1 + u) with
u = (w / w0)^4 behind the bilinear transform, monotonic from 1 to g. Why a split band and not the whole: vowels keep
their level under an s. Why a shelf and not a Linkwitz-Riley crossover: at rest the sound is the same to the last bit,
where the halves of a crossover add up to an all-pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import ClassVar

import numpy as np

from torchfx_cli.design import biquad
from torchfx_cli.design.decay import ringing_frames
from torchfx_cli.design.stage import Array, Processor, Stage
from torchfx_cli.effects.following import SideChain, kept, knee, sidechain_sections, threshold, time_constant
from torchfx_cli.effects.kind import Q_BUTTERWORTH, Kind, StageSpec, frequency, param
from torchfx_cli.kernel.following import Curve
from torchfx_cli.kernel.load import load
from torchfx_cli.samples import Signal


@dataclass(frozen=True, kw_only=True)
class DeesserSpec(StageSpec):
    """Turns down sibilance: what is high and louder than a threshold, all channels alike."""

    is_filter = False

    threshold_db: float = threshold("level above the frequency from which on it works")
    frequency_hz: float = frequency("where the band of sibilance begins", 5000.0)
    ratio: float = param("dB in for one dB out, above the threshold", default=4.0, low=1.0, high=1000.0)
    range_db: float = param("how far it turns down at most, far above the frequency; of 12 dB 2.7 at the frequency, 6 "
                            "half an octave above, 9.3 an octave above", default=12.0, unit="dB", low=0.0, high=60.0)
    knee_db: float = knee()
    attack_s: float = time_constant("turning down", 0.001)
    release_s: float = time_constant("coming back", 0.05)

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        (above,) = sidechain_sections(self.frequency_hz, source.fs, f"{self.origin}.frequency")
        around = biquad.bandpass(self.frequency_hz, Q_BUTTERWORTH, source.fs)[0]
        curve = Curve(self.threshold_db, 1.0 / self.ratio - 1.0, self.knee_db, kept(self.attack_s, source.fs),
                      kept(self.release_s, source.fs), lowest_db=-self.range_db)
        return Deesser(curve, tuple(above), tuple(around.tolist()), f"deesser {self.threshold_db:g} dBFS")


KIND = Kind(DeesserSpec, "threshold_db", "- deesser: {threshold: -30 dBFS, frequency: 6 kHz}")


@dataclass(frozen=True)
class Deesser(Stage):
    """`above` and `around` are sections."""

    curve: Curve
    above: tuple[float, ...]
    around: tuple[float, ...]
    label: str
    cost_ns: ClassVar[float] = 11.0  # type: ignore[misc]
    pictures = ("levels",)
    peak_gain: ClassVar[float] = 2.5  # type: ignore[misc]  # of the shelf at any gain, the sum of |h|: 2.41

    def tail_frames(self, source: Signal) -> int:
        """See `Stage`."""
        return ceil(ringing_frames(np.array([self.above])))

    def open(self, source: Signal) -> Processor:
        """See `Stage`."""
        return _Deessing(self, source.channels)


class _Deessing:
    def __init__(self, stage: Deesser, channels: int) -> None:
        self._kernel, self._curve = load(), stage.curve
        self._above, self._around = (SideChain((section,), channels) for section in (stage.above, stage.around))
        self._state = np.zeros(1 + channels)

    def process(self, samples: Array) -> Array:
        """See `Processor`."""
        above, around = self._above.heard(samples), self._around.heard(samples)
        self._kernel.follow(samples, above, self._curve, self._state, around)
        return samples

    def flush(self) -> Iterator[Array]:
        """Nothing is held."""
        return iter(())
