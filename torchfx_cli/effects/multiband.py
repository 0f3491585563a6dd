"""Compressors for bands that Linkwitz-Riley filters of 24 dB an octave split, and that add up flat.

Low and high of one frequency add up to an all-pass of second order (see `design.linkwitz_riley`). Each band goes
through the all-passes of the splits that it was not split by, so that all bands are in phase where they meet: at rest
the sound has its level at every frequency, and the phase of those all-passes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import ceil

import numpy as np

from torchfx_cli.design.decay import ringing_frames
from torchfx_cli.design.linkwitz_riley import halves
from torchfx_cli.design.stage import Array, Processor, Stage
from torchfx_cli.effects.checks import not_below
from torchfx_cli.effects.crossover import split_problems
from torchfx_cli.effects.following import Follower, Rows, SideChain, kept, knee, time_constant
from torchfx_cli.effects.kind import MAX_HZ, Complaint, Kind, StageSpec, param
from torchfx_cli.errors import DesignError
from torchfx_cli.kernel.base import at_rest
from torchfx_cli.kernel.following import Curve
from torchfx_cli.kernel.load import load
from torchfx_cli.samples import Signal, hertz


@dataclass(frozen=True, kw_only=True)
class MultibandSpec(StageSpec):
    """Compresses each band of the sound by itself; a list has a number a band, one number is that of all."""

    is_filter = False

    crossover_hz: tuple[float, ...] = param("where one band ends and the next begins", form="numbers", unit="Hz",
                                            low=0.0, high=MAX_HZ, open_low=True)
    threshold_db: tuple[float, ...] = param("level from which on it works", form="numbers", unit="dBFS", low=-120.0,
                                            high=0.0)
    ratio: tuple[float, ...] = param("dB in for one dB out, above the threshold", unit="ratio", default=(3.0,),
                                     form="numbers", low=1.0, high=1000.0)
    makeup_db: tuple[float, ...] = param("gain behind it", default=(0.0,), form="numbers", unit="dB", low=-300.0,
                                         high=300.0)
    knee_db: float = knee()
    attack_s: float = time_constant("turning down", 0.01)
    release_s: float = time_constant("coming back", 0.15)

    def problems(self, given: Collection[str]) -> Iterator[Complaint]:
        """See `StageSpec`."""
        yield from split_problems("crossover", self.crossover_hz)
        bands = len(self.crossover_hz) + 1
        for key, values in (("threshold", self.threshold_db), ("ratio", self.ratio), ("makeup", self.makeup_db)):
            if len(values) not in (1, bands):
                yield key, f"found {len(values)} numbers; write one, or one for each of the {bands} bands"

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        if not self.crossover_hz[-1] < source.fs / 2.0:
            raise DesignError(f"{self.origin}.crossover: {not_below(self.crossover_hz[-1], source.fs)}")
        attack, release = kept(self.attack_s, source.fs), kept(self.release_s, source.fs)
        bands = len(self.crossover_hz) + 1
        each = (values * bands if len(values) == 1 else values
                for values in (self.threshold_db, self.ratio, self.makeup_db))
        curves = (Curve(threshold, 1.0 / ratio - 1.0, self.knee_db, attack, release, 10.0 ** (makeup / 20.0))
                  for threshold, ratio, makeup in zip(*each, strict=True))
        return Multiband(splits(self.crossover_hz, source.fs), tuple(Follower(curve, "") for curve in curves),
                         f"multiband {', '.join(map(hertz, self.crossover_hz))}")


KIND = Kind(MultibandSpec, None, "- multiband: {crossover: [200 Hz, 3 kHz], threshold: [-24, -22, -26], ratio: 2}")


@dataclass(frozen=True)
class Split:
    """Sections: of the band, with the all-passes that it needs, and of what goes on to the next split."""

    band: Rows
    rest: Rows


def splits(crossover_hz: tuple[float, ...], fs: float) -> tuple[Split, ...]:
    """From the lowest frequency up; the last rest is the highest band."""
    made = [halves(frequency, 4, fs) for frequency in crossover_hz]
    return tuple(Split(_rows(split.low, *(above.all_pass for above in made[n + 1 :])), _rows(split.high))
                 for n, split in enumerate(made))


def _rows(*sections: Array) -> Rows:
    return tuple(map(tuple, np.concatenate(sections).tolist()))


@dataclass(frozen=True)
class Multiband(Stage):
    """A compressor more than splits."""

    splits: tuple[Split, ...]
    compressors: tuple[Follower, ...]
    label: str
    pictures = ("response", "levels")

    @property
    def cost_ns(self) -> float:  # type: ignore[override]
        return 10.0 * len(self.compressors)

    @cached_property
    def peak_gain(self) -> float:  # type: ignore[override]
        """The sum over bands of that of |h|."""
        rest, kernel, highest = np.zeros((self._ringing + 1, 1)), load(), []
        rest[0] = 1.0
        for split in self.splits:
            band = rest.copy()
            for samples, rows in ((band, split.band), (rest, split.rest)):
                kernel.sos(samples, np.array(rows), at_rest(len(rows), 1))
            highest.append(np.abs(band).sum())
        highest.append(np.abs(rest).sum())
        return float(sum(h * compressor.curve.wet for h, compressor in zip(highest, self.compressors, strict=True)))

    @cached_property
    def _ringing(self) -> int:
        """Frames; each band passes sections of every split."""
        return ceil(ringing_frames(np.array([row for split in self.splits for row in split.band[:2]])))

    def tail_frames(self, source: Signal) -> int:
        """See `Stage`."""
        return self._ringing

    def open(self, source: Signal) -> Processor:
        """See `Stage`."""
        return _Splitting(self, source)


class _Splitting:
    def __init__(self, stage: Multiband, source: Signal) -> None:
        self._splits = [(SideChain(split.band, source.channels), SideChain(split.rest, source.channels))
                        for split in stage.splits]
        self._compressors = [compressor.open(source) for compressor in stage.compressors]

    def process(self, samples: Array) -> Array:
        """See `Processor`."""
        rest = samples
        bands = []
        for band, above in self._splits:
            bands.append(band.heard(rest))
            rest = above.heard(rest)
        bands.append(rest)
        samples[...] = 0.0
        for compressor, heard in zip(self._compressors, bands, strict=True):
            samples += compressor.process(heard)
        return samples

    def flush(self) -> Iterator[Array]:
        """Nothing is held."""
        return iter(())
