"""What the tests of the engines share: one case a stage kind, signals, and a render in blocks of any size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, repeat

import numpy as np
from numpy.typing import NDArray
from support.designing import design

from torchfx_cli.design.stages import Stage
from torchfx_cli.effects.allpass import AllpassSpec
from torchfx_cli.effects.analog import AnalogSpec
from torchfx_cli.effects.bandpass_bandstop import BandSpec
from torchfx_cli.effects.classical import FAMILIES
from torchfx_cli.effects.dc_block import DcBlockSpec
from torchfx_cli.effects.eq_curve import EqCurveSpec
from torchfx_cli.effects.fir import FirSpec
from torchfx_cli.effects.gain import GainSpec, InvertSpec
from torchfx_cli.effects.graphic_eq import GraphicEqSpec
from torchfx_cli.effects.highpass_lowpass import CutSpec
from torchfx_cli.effects.kind import Origin, StageSpec
from torchfx_cli.effects.normalize import NormalizeSpec
from torchfx_cli.effects.notch import NotchSpec
from torchfx_cli.effects.peaking import PeakingSpec
from torchfx_cli.effects.shelves import ShelfSpec
from torchfx_cli.effects.sos import SosSpec
from torchfx_cli.effects.tilt import TiltSpec
from torchfx_cli.plan.assemble import RenderPlan, assemble
from torchfx_cli.render.engine import Block, Engine, Levels
from torchfx_cli.samples import SampleFormat

RATES = (8000, 44100, 48000, 96000, 192000)
HERE = Origin("test", 0, "chain")

INT8 = SampleFormat("int16", 8)
INT16 = SampleFormat("int16", 16)
INT24 = SampleFormat("int32", 24)
INT32 = SampleFormat("int32", 32)
FLOAT32 = SampleFormat("float32")
FLOAT64 = SampleFormat("float64")

# Frequencies that exist at 8 kHz as well. Every kind of the table, and every family and form of it.
SPECS: dict[str, StageSpec] = {
    "highpass": CutSpec(kind="highpass", origin=HERE, cutoff_hz=20),
    "highpass order 9": CutSpec(kind="highpass", origin=HERE, cutoff_hz=80, order=9),
    "lowpass": CutSpec(kind="lowpass", origin=HERE, cutoff_hz=3000, order=4),
    "lowpass q": CutSpec(kind="lowpass", origin=HERE, cutoff_hz=500, q=3.0),
    **{
        family: CutSpec(kind="lowpass", origin=HERE, cutoff_hz=1000, order=6, family=family)
        for family in FAMILIES
    },
    "bandpass": BandSpec(kind="bandpass", origin=HERE, low_hz=300, high_hz=3400, order=4),
    "bandpass q": BandSpec(kind="bandpass", origin=HERE, frequency_hz=1000, q=5.0),
    "bandstop": BandSpec(kind="bandstop", origin=HERE, low_hz=900, high_hz=1100),
    "peaking": PeakingSpec(kind="peaking", origin=HERE, frequency_hz=3200, gain_db=6, q=0.9),
    "low_shelf": ShelfSpec(kind="low_shelf", origin=HERE, frequency_hz=120, gain_db=6),
    "high_shelf": ShelfSpec(kind="high_shelf", origin=HERE, frequency_hz=3000, gain_db=-6, order=1),
    "notch": NotchSpec(kind="notch", origin=HERE, frequency_hz=50),
    "allpass": AllpassSpec(kind="allpass", origin=HERE, frequency_hz=700),
    "dc_block": DcBlockSpec(kind="dc_block", origin=HERE),
    "analog": AnalogSpec(kind="analog", origin=HERE, poles_hz=(50.05, 2122.07), zeros_hz=(500.5,)),
    "sos": SosSpec(kind="sos", origin=HERE, sections=((0.2, 0.3, 0.2, 1.0, -0.5, 0.3), (1, 0, 0, 1, 0.9, 0))),
    "fir": FirSpec(kind="fir", origin=HERE, lowpass_hz=2000, taps=511),
    "fir of 24 taps": FirSpec(kind="fir", origin=HERE, lowpass_hz=2000, taps=24),
    "fir aligned": FirSpec(kind="fir", origin=HERE, highpass_hz=1000, taps=101, align=True),
    "fir listed": FirSpec(kind="fir", origin=HERE, taps=(0.5, 0.25, -0.125)),
    "graphic_eq": GraphicEqSpec(kind="graphic_eq", origin=HERE, bands=((63.0, 2.0), (1000.0, -3.0))),
    "tilt": TiltSpec(kind="tilt", origin=HERE, gain_db=3.0),
    "eq_curve": EqCurveSpec(kind="eq_curve", origin=HERE, points=((100.0, 3.0), (1000.0, 0.0)), phase="minimum"),
    "gain": GainSpec(kind="gain", origin=HERE, gain_db=-3),
    "invert": InvertSpec(kind="invert", origin=HERE),
    "normalize": NormalizeSpec(kind="normalize", origin=HERE, peak_db=-1),
}

BLEND = ("highpass order 9", "fir", "peaking", "fir of 24 taps", "gain", "notch")
FORMATS = {"int8": INT8, "int16": INT16, "int24": INT24, "int32": INT32, "float32": FLOAT32, "float64": FLOAT64}


def stages_of(*names: str, fs: float = 48000) -> tuple[Stage, ...]:
    return tuple(design(SPECS[name], fs) for name in names)


def plan_of(
    stages: Sequence[Stage],
    channels: int = 2,
    source: SampleFormat = FLOAT64,
    sink: SampleFormat = FLOAT64,
    fs: int = 48000,
    **options: object,
) -> RenderPlan:
    return assemble(stages, fs, channels, source, sink, **options)  # type: ignore[arg-type]


def signal(frames: int, channels: int = 2, source: SampleFormat = FLOAT64) -> Block:
    """Noise of a quarter of full scale, as `source`."""
    x = 0.25 * np.random.default_rng(frames + channels).uniform(-1, 1, (frames, channels))
    if not source.is_integer:
        return x.astype(source.dtype)
    width = np.dtype(source.dtype).itemsize * 8
    return np.rint(x * 2.0 ** (source.bits - 1)).astype(source.dtype) << (width - source.bits)


@dataclass(frozen=True)
class Rendered:
    """Everything that an engine gave for a file."""

    block: Block
    levels: Levels

    def same(self, other: Rendered) -> bool:
        return self.block.tobytes() == other.block.tobytes() and self.levels == other.levels


def cut(block: Block, lengths: Iterable[int]) -> Iterable[Block]:
    """`block` in pieces of these lengths, the last one shorter."""
    start = 0
    for length in lengths:
        if start >= len(block):
            return
        yield block[start : start + length]
        start += length


def render(engine: type[Engine], plan: RenderPlan, block: Block, lengths: Iterable[int] | int = 0) -> Rendered:
    """`block` through fresh engines, in pieces of `lengths` (0: whole), once for each pass of the plan."""
    pieces = list(cut(block, repeat(lengths or len(block)) if isinstance(lengths, int) else lengths))
    while plan.passes > 1:
        plan = plan.measured(_once(engine, plan.measuring(), pieces).levels.peak)
    return _once(engine, plan, pieces)


def _once(engine: type[Engine], plan: RenderPlan, pieces: list[Block]) -> Rendered:
    running = engine(plan)
    blocks = [running.process(piece) for piece in pieces]
    empty = np.empty((0, plan.channels), plan.sink.dtype)
    return Rendered(np.concatenate([empty, *chain(blocks, running.flush())]), running.levels)


def snr_db(found: NDArray[np.generic], truth: NDArray[np.generic]) -> float:
    """Signal to error, infinite where there is no error."""
    truth = truth.astype(np.float64)
    error = np.sum((found - truth) ** 2)
    return float(10 * np.log10(np.sum(truth**2) / error)) if error else np.inf
