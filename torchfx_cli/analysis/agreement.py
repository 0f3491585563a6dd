"""Do all ways to compute a chain agree on a file? Blocks of any length, the engines, the devices.

The law: on the CPU an engine gives the same numbers, to the last bit, however the file is cut. Engines compute in other
orders, so between them only rounding may differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from math import inf, log10
from typing import Literal

import numpy as np

from torchfx_cli.chain.spec import ChainSpec, design_chain
from torchfx_cli.design.stage import Array
from torchfx_cli.plan.assemble import RenderPlan, assemble
from torchfx_cli.render.choose import open_engine
from torchfx_cli.render.device import cuda_devices, torch_version
from torchfx_cli.render.engine import Block
from torchfx_cli.samples import FLOAT64, SampleFormat, Signal

ROUNDING_DB = -180.0  # of the loudest sample: far below a step of 24 bits, -144 dB
UNEVEN = (1, 509, 17, 4410, 2, 20_011, 96)  # lengths of blocks, in turn
CUTS: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("17 frames", (17,)), ("509 frames", (509,)), ("44100 frames", (44_100,)), ("uneven blocks", UNEVEN))
ENGINES = (("native", "cpu"), ("scipy", "cpu"), ("torch", "cpu"), ("torch", "cuda"))


@dataclass(frozen=True)
class Way:
    """One way to compute the file, held against another one; `error_db` of the loudest sample, -inf of no difference.

    blocks    how the input was cut.
    against   what it is held against, in words.
    bound_db  the largest error that is allowed; -inf where every bit has to be the same.
    skipped   why it could not be computed here; "" where it was.
    """

    engine: str
    blocks: str
    against: str = ""
    error_db: float = -inf
    bound_db: float = -inf
    skipped: str = ""

    @property
    def agrees(self) -> bool:
        return self.error_db <= self.bound_db


def ways(chain: ChainSpec, samples: Block, sample_format: SampleFormat, signal: Signal) -> Iterator[Way]:
    """Compute `samples` [frames, channels], of `signal`, in each way there is. Raises FileError."""
    stages = design_chain(chain, signal.fs, signal.channels, signal.mask)
    plan = assemble(stages, int(signal.fs), signal.channels, sample_format, FLOAT64, start=chain.start)
    truth = _computed(plan, samples, "native", "cpu", ())
    for engine, device in ENGINES:
        name = engine if device == "cpu" else f"{engine} on {device}"
        skipped = _why_not(engine, device)
        if skipped:
            yield Way(name, "whole file", skipped=skipped)
            continue
        whole = truth if engine == "native" else _computed(plan, samples, engine, device, ())
        if engine != "native":
            yield Way(name, "whole file", "native", _error_db(whole, truth), ROUNDING_DB)
        bound_db: float = -inf if device == "cpu" else ROUNDING_DB
        for words, cut in CUTS:
            yield Way(name, words, "whole file", _error_db(_computed(plan, samples, engine, device, cut), whole),
                      bound_db)


def _why_not(engine: str, device: Literal["cpu", "cuda"] | str) -> str:
    if engine == "torch" and torch_version() is None:
        return "torch is not installed"
    if device == "cuda":
        names, problem = cuda_devices()
        return "" if names else problem
    return ""


def _computed(plan: RenderPlan, samples: Block, engine: str, device: str, cut: Sequence[int]) -> Array:
    """All that comes out, float64 [frames, channels]; `cut` are lengths of blocks, none for one block."""
    plan = plan.measured_by(lambda measuring: _blocks(measuring, samples, engine, device, cut))
    return np.concatenate(list(_blocks(plan, samples, engine, device, cut)))


def _blocks(plan: RenderPlan, samples: Block, engine: str, device: str, cut: Sequence[int]) -> Iterator[Array]:
    opened = open_engine(replace(plan, sink=FLOAT64), engine, device)
    at, lengths = 0, cycle(cut or (max(1, len(samples)),))
    while at < len(samples):
        frames = next(lengths)
        yield opened.process(samples[at : at + frames].copy()).view(np.float64)
        at += frames
    for block in opened.flush():
        yield block.view(np.float64)


def _error_db(found: Array, truth: Array) -> float:
    """Of the loudest sample of `truth`; inf where they are not as long."""
    if found.shape != truth.shape:
        return inf
    if np.array_equal(found.view(np.int64), truth.view(np.int64)):
        return -inf
    error, peak = float(np.abs(found - truth).max()), float(np.abs(truth).max())
    return 20.0 * log10(error / (peak or 1.0)) if error else -inf
