"""Another sample rate, by libsoxr: band-limited interpolation with linear phase, in float64, the same for any cutting.

Its qualities (soxr.h): quick is cubic interpolation; low, medium and high keep the rejection of 16 bits up to about
80, 91 and 91 % of the band; very_high that of 28 bits up to 91 %. Where the output has no more than 16 bits, high is
as good.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from torchfx_cli.design.stage import Array, Processor, Stage
from torchfx_cli.design.stages import Gain
from torchfx_cli.effects.kind import Kind, StageSpec, param
from torchfx_cli.errors import DesignError
from torchfx_cli.samples import SampleFormat, Signal, hertz

QUALITIES = {"quick": "QQ", "low": "LQ", "medium": "MQ", "high": "HQ", "very_high": "VHQ"}
AUTO, FEW_BITS = "auto", 16
COST_NS = {"quick": 3.0, "low": 5.0, "medium": 6.0, "high": 8.0, "very_high": 12.0}  # a sample of the input
MAX_RATIO = 1 << 12  # beyond, libsoxr's filters take memory without bound


@dataclass(frozen=True, kw_only=True)
class ResampleSpec(StageSpec):
    """Changes the sample rate."""

    is_filter = False

    rate_hz: int = param("the new sample rate", unit="Hz", form="integer", low=1, high=10_000_000)
    quality: str = param("how steep and how clean the filter is; auto is very_high, or high where the output has 16 "
                         "bits or fewer", default=AUTO, form="word", choices=(AUTO, *QUALITIES))

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        label = f"resample {hertz(source.fs)} to {hertz(self.rate_hz)}"
        if self.rate_hz == source.fs:
            return Gain(1.0, label)
        if not 1 / MAX_RATIO <= self.rate_hz / source.fs <= MAX_RATIO:
            raise DesignError(f"{self.origin}.rate: {hertz(self.rate_hz)} from {hertz(source.fs)} is more than "
                              f"{MAX_RATIO} times; resample in two stages")
        return Resample(self.rate_hz, self.quality, label)


KIND = Kind(ResampleSpec, "rate_hz", "- resample: 16 kHz")


@dataclass(frozen=True)
class Resample(Stage):
    """See the module; `quality` is one of `QUALITIES`, or "auto" until the output is known."""

    rate_hz: int
    quality: str
    label: str

    @property
    def cost_ns(self) -> float:  # type: ignore[override]
        return COST_NS[self._settled]

    @property
    def _settled(self) -> str:
        return "very_high" if self.quality == AUTO else self.quality

    def for_output(self, sink: SampleFormat) -> Stage:
        """See `Stage`."""
        few = self.quality == AUTO and sink.is_integer and sink.bits <= FEW_BITS
        return replace(self, quality="high" if few else self._settled)

    def describe(self) -> str:
        """See `Stage`."""
        return f"{self.label}, {self._settled.replace('_', ' ')} quality"

    def output(self, source: Signal) -> Signal:
        """See `Stage`."""
        return replace(source, fs=self.rate_hz)

    def frames_out(self, frames: int, source: Signal) -> int:
        """As many as last as long, rounded to the nearest whole number."""
        return int(frames * self.rate_hz / source.fs + 0.5)

    def place(self, frame: float, source: Signal) -> float:
        """See `Stage`."""
        return frame * self.rate_hz / source.fs

    def open(self, source: Signal) -> Processor:
        """See `Stage`."""
        return _Resampling(self, source, self._settled)


class _Resampling:
    """`soxr.ResampleStream` removes its own delay."""

    def __init__(self, stage: Resample, source: Signal, quality: str) -> None:
        import soxr

        self._channels = source.channels
        self._stream: Any = soxr.ResampleStream(source.fs, stage.rate_hz, source.channels, "float64",
                                                QUALITIES[quality])
        self._stage, self._source = stage, source
        self._heard = self._made = 0

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("what libsoxr has heard cannot be copied; copy the chain, and open it anew")

    def process(self, samples: Array) -> Array:
        """See `Processor`."""
        self._heard += len(samples)
        made: Array = self._stream.resample_chunk(samples)
        self._made += len(made)
        return made

    def flush(self) -> Iterator[Array]:
        """See `Processor`; libsoxr's own count may be one off where the length is between two frames."""
        rest: Array = self._stream.resample_chunk(np.zeros((0, self._channels)), last=True)
        left = self._stage.frames_out(self._heard, self._source) - self._made
        yield rest[:left]
        if len(rest) < left:
            yield np.zeros((left - len(rest), self._channels))
