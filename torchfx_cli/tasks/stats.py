"""Levels of a whole file, read in one pass: peak, true peak, RMS, noise floor, loudness.

RMS and noise floor count a full-scale sine as -3.01 dBFS and go over all channels, as ACX Check does for each.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from math import inf, log10

from torchfx_cli.design.stage import Meter
from torchfx_cli.effects.loudness import SHELF_HZ, Heard, LoudnessMeter, weights_of
from torchfx_cli.effects.meters import NoiseFloorMeter, PeakMeter, RmsMeter, TruePeakMeter
from torchfx_cli.plan.assemble import assemble
from torchfx_cli.render.native import NativeEngine
from torchfx_cli.samples import FLOAT64, Signal, block_frames
from torchfx_cli.stream.reader import Source
from torchfx_cli.stream.speakers import mask_of


@dataclass(frozen=True)
class Level:
    """What is measured of a signal, in `unit`; there is no meter where it cannot be."""

    unit: str
    meter: Callable[[Signal], Meter | None]


def _loudness_meter(signal: Signal) -> Meter | None:
    return LoudnessMeter(signal.fs, weights_of(signal)[0]) if signal.fs > 2.0 * SHELF_HZ else None


LEVELS = {
    "loudness": Level("LUFS", _loudness_meter),
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
    meters = {name: LEVELS[name].meter(signal) for name in LEVELS if name in wanted}
    engine = NativeEngine(assemble((), facts.fs, facts.channels, facts.sample_format, FLOAT64))
    for block in source.blocks(block_frames(facts.channels)):
        samples = engine.process(block).view("f8")
        for meter in meters.values():
            if meter is not None:
                meter.process(samples)
    return engine.levels.peak, {name: None if meter is None else _in_unit(meter.reading())
                                 for name, meter in meters.items()}


def _in_unit(reading: float | Heard) -> float:
    """LUFS as they are; of a linear level its dB."""
    if isinstance(reading, Heard):
        return reading.lufs
    return 20.0 * log10(reading) if reading > 0.0 else -inf
