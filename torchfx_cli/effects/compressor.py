"""A feed-forward compressor with one gain for all channels, its level smoothed in dB.

Giannoulis, Massberg and Reiss, "Digital Dynamic Range Compressor Design", JAES 60 (2012): static curve with a soft
knee (eq. 4) of the highest channel, then a smooth branching peak detector on the gain (eq. 16). The loop is one of the
kernel; its memory is the smoothed gain, one number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp
from typing import ClassVar

import numpy as np

from torchfx_cli.design.stage import Array, Processor, Stage
from torchfx_cli.effects.kind import Kind, StageSpec, gain, param
from torchfx_cli.kernel.load import load
from torchfx_cli.samples import Signal


@dataclass(frozen=True, kw_only=True)
class CompressorSpec(StageSpec):
    """Turns down what is louder than a threshold, all channels alike."""

    is_filter = False

    threshold_db: float = param("level from which on it works", unit="dBFS", low=-120.0, high=0.0)
    ratio: float = param("dB in for one dB out, above the threshold", default=4.0, low=1.0, high=1000.0)
    knee_db: float = param("width of the bend around the threshold", default=6.0, unit="dB", low=0.0, high=60.0)
    attack_s: float = param("time constant of turning down", default=0.005, unit="s", low=0.0, high=10.0)
    release_s: float = param("time constant of coming back", default=0.1, unit="s", low=0.0, high=10.0)
    makeup_db: float = gain("gain behind it", 0.0)

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        attack, release = (exp(-1.0 / (s * source.fs)) if s else 0.0 for s in (self.attack_s, self.release_s))
        label = f"compressor {self.threshold_db:g} dBFS {self.ratio:g}:1"
        return Compressor(self.threshold_db, 1.0 / self.ratio - 1.0, self.knee_db, attack, release,
                          10.0 ** (self.makeup_db / 20.0), label)


KIND = Kind(CompressorSpec, "threshold_db", "- compressor: {threshold: -20 dBFS, ratio: 4}")


@dataclass(frozen=True)
class Compressor(Stage):
    """`slope` is what a dB above the threshold adds to the gain in dB; `attack` and `release` are factors a frame."""

    threshold_db: float
    slope: float
    knee_db: float
    attack: float
    release: float
    makeup: float
    label: str
    cost_ns: ClassVar[float] = 7.0  # type: ignore[misc]

    @property
    def peak_gain(self) -> float:  # type: ignore[override]
        return self.makeup

    def open(self, source: Signal) -> Processor:
        """See `Stage`."""
        return _Compressing(self)


class _Compressing:
    def __init__(self, stage: Compressor) -> None:
        self._kernel = load()
        self._curve = np.array([stage.threshold_db, stage.slope, stage.knee_db, stage.attack, stage.release,
                                stage.makeup])
        self._gain_db = np.zeros(1)

    def process(self, samples: Array) -> Array:
        """See `Processor`."""
        self._kernel.compress(samples, self._curve, self._gain_db)
        return samples

    def flush(self) -> Iterator[Array]:
        """Nothing is held."""
        return iter(())
