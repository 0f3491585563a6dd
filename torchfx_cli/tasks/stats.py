"""Figures of a whole file, read in one pass: its levels, what EBU R 128 adds, and what is wrong with its waveform.

RMS and noise floor count a full-scale sine as -3.01 dBFS and go over all channels, as ACX Check does for each.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from math import inf
from operator import attrgetter, itemgetter
from typing import Any

import numpy as np

from torchfx_cli.analysis.bandwidth import BandwidthMeter
from torchfx_cli.analysis.waveform import (
    BitsMeter,
    BlockMeter,
    ClippedMeter,
    DcMeter,
    EndsMeter,
    LevelMeter,
    NonFiniteMeter,
)
from torchfx_cli.design.stage import Array, Meter
from torchfx_cli.effects.loudness import SHELF_HZ, weights_of
from torchfx_cli.effects.meters import NoiseFloorMeter, TruePeakMeter, highest
from torchfx_cli.effects.programme import ProgrammeMeter
from torchfx_cli.kernel.load import load
from torchfx_cli.render.engine import Block, bad_input
from torchfx_cli.samples import SampleFormat, Signal, block_frames, decibels
from torchfx_cli.stream.reader import Source
from torchfx_cli.stream.speakers import mask_of

# There is no meter where it cannot be measured.
Metering = Callable[[Signal, SampleFormat], "Meter | BlockMeter | None"]
SILENCE = "silence"
FLOAT_STEP = 2.0**-15  # in which most sounds that floats hold were clipped


@dataclass(frozen=True)
class Figure:
    """A figure in `unit`: `value` of what `metering` reads; figures of one metering share its meter.

    heading       of its column, a few letters.
    follows_gain  a gain raises it by its dB.
    absent        what it means where there is none, -inf.
    unmeasured    the same where there is no meter.
    digits        that are shown behind the point.
    is_brief      shown in a table for people, however narrow that is.
    scale         from the unit to that of its column.
    """

    unit: str
    heading: str
    metering: Metering
    value: Callable[[Any], float]
    follows_gain: bool = True
    absent: str = SILENCE
    unmeasured: str = "cannot be measured"
    digits: int = 2
    is_brief: bool = False
    scale: float = 1.0

    def tells(self, value: float | None) -> bool:
        """Whether `value` is one: -inf is the level of silence, and of other figures that there is none."""
        return value is not None and (value != -inf or (self.follows_gain and self.absent == SILENCE))


def _programme(signal: Signal, stored: SampleFormat) -> Meter | None:
    return ProgrammeMeter(signal.fs, weights_of(signal)[0]) if signal.fs > 2.0 * SHELF_HZ else None


def _level(signal: Signal, stored: SampleFormat) -> Meter:
    return LevelMeter(signal.channels)


def _true_peak(signal: Signal, stored: SampleFormat) -> Meter:
    return TruePeakMeter(signal.channels)


def _noise_floor(signal: Signal, stored: SampleFormat) -> Meter:
    return NoiseFloorMeter(signal.fs, signal.channels)


def _dc(signal: Signal, stored: SampleFormat) -> Meter:
    return DcMeter(signal.channels)


def _clipped(signal: Signal, stored: SampleFormat) -> Meter:
    return ClippedMeter(signal.channels, 2.0 ** (1 - stored.bits) if stored.is_integer else FLOAT_STEP)


def _non_finite(signal: Signal, stored: SampleFormat) -> BlockMeter:
    return NonFiniteMeter()


def _ends(signal: Signal, stored: SampleFormat) -> Meter:
    return EndsMeter(signal.fs)


def _bandwidth(signal: Signal, stored: SampleFormat) -> BlockMeter:
    return BandwidthMeter(signal.fs, signal.channels, is_integer=stored.is_integer)


def _bits(signal: Signal, stored: SampleFormat) -> BlockMeter | None:
    return BitsMeter() if stored.is_integer else None


NO_BLOCK, NO_WINDOW = "silence, or shorter than 400 ms", "silence, or shorter than 3 s"
FIGURES = {
    "loudness": Figure("LUFS", "LUFS", _programme, attrgetter("lufs"), absent=NO_BLOCK, is_brief=True),
    "loudness_range": Figure("LU", "LRA", _programme, attrgetter("range_lu"), follows_gain=False, absent=NO_WINDOW,
                             is_brief=True),
    "max_momentary": Figure("LUFS", "max M", _programme, attrgetter("max_momentary"), absent=NO_BLOCK),
    "max_short_term": Figure("LUFS", "max S", _programme, attrgetter("max_short_term"), absent=NO_WINDOW),
    "true_peak": Figure("dBTP", "dBTP", _true_peak, decibels, is_brief=True),
    "peak": Figure("dBFS", "peak", _level, lambda level: decibels(level.peak)),
    "rms": Figure("dBFS", "RMS", _level, lambda level: decibels(level.rms)),
    "crest": Figure("dB", "crest", _level, lambda level: decibels(level.crest), follows_gain=False, is_brief=True),
    "noise_floor": Figure("dBFS", "noise", _noise_floor, decibels),
    "dc_offset": Figure("%", "DC %", _dc, lambda mean: 100.0 * mean, follows_gain=False, digits=3),
    "clipped_runs": Figure("", "clips", _clipped, int, follows_gain=False, digits=0, is_brief=True),
    "non_finite": Figure("", "NaN", _non_finite, int, follows_gain=False, digits=0),
    "silence_start": Figure("ms", "ms in", _ends, itemgetter(0), follows_gain=False, digits=0),
    "silence_end": Figure("ms", "ms out", _ends, itemgetter(1), follows_gain=False, digits=0),
    "bandwidth": Figure("Hz", "kHz", _bandwidth, float, follows_gain=False, digits=0, is_brief=True, scale=1e-3),
    "bits": Figure("", "bits", _bits, int, follows_gain=False, digits=0, unmeasured="no integers", is_brief=True),
}


def read_all(source: Source, wanted: Collection[str] = (), advanced: Callable[[int], object] = lambda frames: None
             ) -> tuple[float, dict[str, float | None]]:
    """The peak of the whole file, 1 = full scale, and the `wanted` of `FIGURES`, in their units; -inf of silence.

    Samples that are no numbers are taken as 0 where they are to be counted. `advanced` hears of frames.
    Raises FileError where the file is damaged, or holds such samples and they are not counted.
    """
    facts = source.facts
    signal, stored = Signal(facts.fs, facts.channels, mask_of(facts.channel_map)), facts.sample_format
    figures = {name: figure for name, figure in FIGURES.items() if name in wanted}
    meters = {metering: metering(signal, stored) for metering in {one.metering: None for one in figures.values()}}
    peak = 0.0
    for block, samples in _blocks(source, signal, counts="non_finite" in wanted):
        peak = max(peak, highest(samples))
        for meter in meters.values():
            if isinstance(meter, BlockMeter):
                meter.hear(block, samples)
            elif meter is not None:
                meter.process(samples)
        advanced(len(samples))
    readings = {metering: meter.reading() for metering, meter in meters.items() if meter is not None}  # type: ignore[union-attr]
    return peak, {name: figure.value(readings[figure.metering]) if figure.metering in readings else None
                  for name, figure in figures.items()}


def _blocks(source: Source, signal: Signal, *, counts: bool) -> Iterator[tuple[Block, Array]]:
    """Blocks as they are stored, and as float64."""
    kernel, at = load(), 0
    for block in source.blocks(block_frames(signal.channels)):
        samples = np.empty(block.shape)
        bad = kernel.load_samples(block, samples)
        if bad >= 0:
            if not counts:
                raise bad_input(signal, at, bad)
            np.nan_to_num(samples, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        at += len(block)
        yield block, samples
