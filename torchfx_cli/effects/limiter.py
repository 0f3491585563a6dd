"""A brick wall: one gain for all channels comes down before each peak and is where it must be when the peak comes.

The gain is the smallest that any frame of the look-ahead needs, released exponentially and smoothed by two means, so
that its way down is a bend and not a step; see kernel/limiting.py. True peaks are those of eight times the rate as an
interpolator of 64 taps reads them, see design/truepeak.py. Delay is removed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import exp, log10

import numpy as np

from torchfx_cli.design.stage import Array, Processor, Stage
from torchfx_cli.design.truepeak import TAPS, folded
from torchfx_cli.effects.following import time_constant
from torchfx_cli.effects.kind import Kind, StageSpec, param
from torchfx_cli.errors import DesignError
from torchfx_cli.kernel.limiting import MAX_LOOK_AHEAD, LimiterState
from torchfx_cli.kernel.load import load
from torchfx_cli.samples import SampleFormat, Signal

HOLD = TAPS // 2  # frames around a peak between samples that keep its gain, as it is made of them
LOOKAHEAD_S, RELEASE_S = 0.005, 0.05
COST_NS, TRUE_PEAK_COST_NS = 8.0, 25.0


@dataclass(frozen=True, kw_only=True)
class LimiterSpec(StageSpec):
    """Lets nothing above a ceiling, without clipping, all channels alike."""

    is_filter = False

    ceiling_db: float = param("the highest level that comes out", default=-1.0, unit="dBTP", low=-120.0, high=0.0)
    lookahead_s: float = param("how long before a peak the gain begins to come down", default=LOOKAHEAD_S, unit="s",
                               low=0.0, high=0.1)
    release_s: float = time_constant("coming back", RELEASE_S)
    true_peak: bool = param("whether peaks between samples count (ITU-R BS.1770-5, annex 2)", default=True, form="bool")

    def wording_problem(self, key: str, text: str) -> str:
        """See `StageSpec`."""
        if key != "ceiling" or self.true_peak or not text.lower().endswith("dbtp"):
            return ""
        return f"found '{text}', a true peak, and true_peak is false; write dBFS, or leave true_peak out"

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        look_ahead = max(1, round(self.lookahead_s * source.fs))
        if look_ahead > MAX_LOOK_AHEAD:
            raise DesignError(f"{self.origin}.lookahead: found {look_ahead} frames; allowed: up to {MAX_LOOK_AHEAD}")
        release = exp(-1.0 / (self.release_s * source.fs)) if self.release_s else 0.0
        label = f"limiter {self.ceiling_db:g} {'dBTP' if self.true_peak else 'dBFS'}"
        return Limiter(self.ceiling_db, look_ahead, release, self.true_peak, label)


def limiter_at(ceiling_db: float, fs: float) -> Limiter:
    """A true-peak limiter with the defaults of its kind."""
    look_ahead = min(max(1, round(LOOKAHEAD_S * fs)), MAX_LOOK_AHEAD)
    return Limiter(ceiling_db, look_ahead, exp(-1.0 / (RELEASE_S * fs)), True, f"limiter {ceiling_db:g} dBTP")


KIND = Kind(LimiterSpec, "ceiling_db", "- limiter: -1 dB")


@dataclass(frozen=True)
class Limiter(Stage):
    """`look_ahead` in frames, `release` a factor a frame."""

    ceiling_db: float
    look_ahead: int
    release: float
    true_peak: bool
    label: str
    pictures = ("levels",)

    @property
    def ceiling(self) -> float:  # type: ignore[override]
        return float(10.0 ** (self.ceiling_db / 20.0))

    @property
    def cost_ns(self) -> float:  # type: ignore[override]
        return TRUE_PEAK_COST_NS if self.true_peak else COST_NS

    def for_output(self, sink: SampleFormat) -> Limiter:
        """See `Stage`: full scale becomes what fits."""
        fitting = sink.fitting(self.ceiling)
        return self if fitting == self.ceiling else replace(self, ceiling_db=20.0 * log10(fitting))

    def open(self, source: Signal) -> Processor:
        """See `Stage`."""
        return _Limiting(self, source.channels)


class _Limiting:
    def __init__(self, stage: Limiter, channels: int) -> None:
        self._kernel = load()
        hold, taps = (HOLD, folded()) if stage.true_peak else (0, None)
        self._state = LimiterState(channels, stage.ceiling, stage.release, stage.look_ahead, hold, taps)
        self._early = self._state.delay  # frames still to come that lie before the first

    def process(self, samples: Array) -> Array:
        """See `Processor`."""
        self._kernel.limit(samples, self._state)
        early = min(self._early, len(samples))
        self._early -= early
        return samples[early:]

    def flush(self) -> Iterator[Array]:
        """See `Processor`."""
        yield self.process(np.zeros((self._state.delay, self._state.channels)))
