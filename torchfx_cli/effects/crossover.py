"""Bands on channels of their own, as active loudspeakers need them: see `design.linkwitz_riley`.

Each band goes through the all-passes of the splits that it was not split by, so that all bands are in phase where they
meet, and add up to the sound with the phase of all of these all-passes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

import numpy as np

from torchfx_cli.design.linkwitz_riley import halves
from torchfx_cli.design.stage import Array, Branched, Processor, Stage
from torchfx_cli.design.stages import Sections, ringing_s
from torchfx_cli.effects.channels import MAX_CHANNELS
from torchfx_cli.effects.checks import check_frequencies, validated
from torchfx_cli.effects.kind import MAX_HZ, Complaint, Kind, StageSpec, param
from torchfx_cli.effects.parallel import cost_ns_of
from torchfx_cli.errors import DesignError
from torchfx_cli.samples import Signal, block_frames, hertz

MAX_BANDS, MAX_CROSSOVER_ORDER = 8, 16
PIECE_SAMPLES = 1 << 13
HALVED_DB = 20.0 * float(np.log10(0.5))


@dataclass(frozen=True, kw_only=True)
class CrossoverSpec(StageSpec):
    """Splits the sound into bands that add up flat, each on channels of its own: first all of the lowest band."""

    is_filter = False

    frequencies_hz: tuple[float, ...] = param("where one band ends and the next begins", form="numbers", unit="Hz",
                                              low=0.0, high=MAX_HZ, open_low=True)
    order: int = param("of each slope: 6 dB per octave each, even", default=4, form="integer", low=2,
                       high=MAX_CROSSOVER_ORDER)

    def problems(self, given: Collection[str]) -> Iterator[Complaint]:
        """See `StageSpec`."""
        yield from split_problems("frequencies", self.frequencies_hz)
        if self.order % 2:
            yield "order", f"found {self.order}; Linkwitz-Riley needs an even order, like {self.order + 1}"

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        check_frequencies(self, source.fs)
        bands = len(self.frequencies_hz) + 1
        if bands * source.channels > MAX_CHANNELS:
            raise DesignError(f"{self.origin}: {bands} bands of {source.channels} channels make "
                              f"{bands * source.channels}; at most {MAX_CHANNELS} are allowed")
        label = f"crossover {', '.join(map(hertz, self.frequencies_hz))} order {self.order}"
        return Crossover(tuple((band,) for band in self._bands(source.fs, label)), label)

    def _bands(self, fs: float, name: str) -> Iterator[Sections]:
        splits = [halves(frequency, self.order, fs) for frequency in self.frequencies_hz]
        for frequency, split in zip(self.frequencies_hz, splits, strict=True):
            validated(self, fs, split.low, f"below {hertz(frequency)}", (frequency, HALVED_DB))
            validated(self, fs, split.high, f"above {hertz(frequency)}", (frequency, HALVED_DB))
        edges = ["", *map(hertz, self.frequencies_hz), ""]
        for n, (low, high) in enumerate(pairwise(edges)):
            rows = [split.high for split in splits[:n]] + [split.low for split in splits[n : n + 1]]
            label = f"{low} to {high}" if low and high else f"below {high}" if high else f"above {low}"
            yield Sections(np.concatenate(rows + [split.all_pass for split in splits[n + 1 :]]), f"{name}, {label}")


KIND = Kind(CrossoverSpec, "frequencies_hz", "- crossover: {frequencies: [200 Hz, 2 kHz], order: 4}")


def split_problems(key: str, frequencies_hz: Sequence[float]) -> Iterator[Complaint]:
    """Too many bands, or none; frequencies that do not rise."""
    if not 1 <= len(frequencies_hz) < MAX_BANDS:
        yield key, f"found {len(frequencies_hz)} frequencies; 1 to {MAX_BANDS - 1} are allowed"
    for low, high in pairwise(frequencies_hz):
        if low >= high:
            yield key, f"{hertz(high)} does not lie above {hertz(low)} in front of it"


@dataclass(frozen=True, eq=False)
class Crossover(Branched):
    """`branches` from the lowest band up; behind it are the channels of the first, then those of the second..."""

    branches: tuple[tuple[Stage, ...], ...]
    label: str

    @property
    def cost_ns(self) -> float:  # type: ignore[override]
        return 2.0 * len(self.branches) + sum(map(cost_ns_of, self.branches))

    def output(self, source: Signal) -> Signal:
        """See `Stage`."""
        return Signal(source.fs, source.channels * len(self.branches))

    def tail_frames(self, source: Signal) -> int:
        """See `Stage`."""
        return max(ceil(ringing_s(branch, source) * source.fs) for branch in self.branches)

    def raised(self, gains: Sequence[float]) -> float:
        """See `Branched`."""
        return max(gains)

    def joined(self, branches: Sequence[Processor], source: Signal) -> Processor:
        """See `Branched`."""
        return _Bands(branches, source.channels)


class _Bands:
    """Sections answer each frame at once, so nothing waits. A piece that stays in the cache goes through all bands."""

    def __init__(self, bands: Sequence[Processor], channels: int) -> None:
        self._bands, self._channels = bands, channels

    def process(self, samples: Array) -> Array:
        """See `Processor`."""
        made = np.empty((len(samples), len(self._bands), self._channels))
        step = block_frames(self._channels, PIECE_SAMPLES)
        for at in range(0, len(samples), step):
            piece = samples[at : at + step]
            for n, band in enumerate(self._bands):
                made[at : at + step, n] = band.process(piece.copy())
        return made.reshape(len(samples), len(self._bands) * self._channels)

    def flush(self) -> Iterator[Array]:
        """Nothing is held."""
        return iter(())
