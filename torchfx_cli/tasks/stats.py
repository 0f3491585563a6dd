"""Levels of a whole file, read in one pass: peak, true peak, RMS, noise floor, loudness and what EBU R 128 adds.

RMS and noise floor count a full-scale sine as -3.01 dBFS and go over all channels, as ACX Check does for each.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from math import inf, log10
from operator import attrgetter
from typing import Any

from torchfx_cli.design.stage import Meter
from torchfx_cli.effects.loudness import SHELF_HZ, weights_of
from torchfx_cli.effects.meters import NoiseFloorMeter, PeakMeter, RmsMeter, TruePeakMeter
from torchfx_cli.effects.programme import ProgrammeMeter
from torchfx_cli.plan.assemble import assemble
from torchfx_cli.render.native import NativeEngine
from torchfx_cli.samples import FLOAT64, Signal, block_frames
from torchfx_cli.stream.reader import Source
from torchfx_cli.stream.speakers import mask_of

Metering = Callable[[Signal], "Meter | None"]  # there is no meter where it cannot be measured


@dataclass(frozen=True)
class Level:
    """A level in `unit`: `value` of what `metering` reads; levels of one metering share its meter.

    follows_gain  a gain raises it by its dB.
    absent        what it means where there is none, -inf.
    """

    unit: str
    metering: Metering
    value: Callable[[Any], float] = lambda linear: 20.0 * log10(linear) if linear > 0.0 else -inf
    follows_gain: bool = True
    absent: str = "silence"


def _programme(signal: Signal) -> Meter | None:
    return ProgrammeMeter(signal.fs, weights_of(signal)[0]) if signal.fs > 2.0 * SHELF_HZ else None


NO_BLOCK, NO_WINDOW = "silence, or shorter than 400 ms", "silence, or shorter than 3 s"
LEVELS = {
    "loudness": Level("LUFS", _programme, attrgetter("lufs"), absent=NO_BLOCK),
    "loudness_range": Level("LU", _programme, attrgetter("range_lu"), follows_gain=False, absent=NO_WINDOW),
    "max_momentary": Level("LUFS", _programme, attrgetter("max_momentary"), absent=NO_BLOCK),
    "max_short_term": Level("LUFS", _programme, attrgetter("max_short_term"), absent=NO_WINDOW),
    "true_peak": Level("dBTP", lambda signal: TruePeakMeter(signal.channels)),
    "peak": Level("dBFS", lambda signal: PeakMeter()),
    "rms": Level("dBFS", lambda signal: RmsMeter(signal.channels)),
    "noise_floor": Level("dBFS", lambda signal: NoiseFloorMeter(signal.fs, signal.channels)),
}


def read_all(source: Source, wanted: Collection[str] = ()) -> tuple[float, dict[str, float | None]]:
    """The peak of the whole file, 1 = full scale, and the `wanted` of `LEVELS`, in their units; -inf of silence.

    Raises FileError where the file is damaged or holds samples that are no numbers.
    """
    facts = source.facts
    signal = Signal(facts.fs, facts.channels, mask_of(facts.channel_map))
    levels = {name: level for name, level in LEVELS.items() if name in wanted}
    meters = {metering: metering(signal) for metering in {level.metering: None for level in levels.values()}}
    engine = NativeEngine(assemble((), facts.fs, facts.channels, facts.sample_format, FLOAT64))
    for block in source.blocks(block_frames(facts.channels)):
        samples = engine.process(block).view("f8")
        for meter in meters.values():
            if meter is not None:
                meter.process(samples)
    readings = {metering: meter.reading() for metering, meter in meters.items() if meter is not None}
    return engine.levels.peak, {name: level.value(readings[level.metering]) if level.metering in readings else None
                                for name, level in levels.items()}
