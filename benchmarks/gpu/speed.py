"""How fast: the fir and iir suites on a tensor that is there, against a copy of the same tensor; their parts; packing.

Goals on an H200, 600 s x 12 channels at 44.1 kHz: at most 20 ms, and at most 15 copies.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np
import torch
from accuracy import FLOAT32, FLOAT64, render
from torch import Tensor

from gpu.correct import packed_plan, through
from gpu.rows import Check
from torchfx_cli.bench.accuracy import snr_db
from torchfx_cli.bench.suites import FIR, IIR
from torchfx_cli.chain.parse import join
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.design.stages import Taps
from torchfx_cli.library.units import UNIT_GRID
from torchfx_cli.plan.assemble import assemble
from torchfx_cli.render.batched import BatchedRun
from torchfx_cli.render.modules import Filter, toeplitz
from torchfx_cli.render.quantiser import by_tensors
from torchfx_cli.render.torch_engine import TorchEngine, modules_of

FS = 44_100
SUITES = {"fir": [*FIR], "iir": [*IIR]}
TO_HOLD_DB = 140.0
HEAD_FRAMES = FS
UNITS = (1 << 22, 1 << 24, 1 << 26)  # the first is the engine's; what it loses in launches, it may gain in caches


def everything(check: Check) -> None:
    sizes = [(2, 2)] if check.small else [(5, 1), (60, 2), (600, 12)]
    for seconds, channels in sizes:
        signal = torch.rand(channels, seconds * FS, dtype=torch.float64, device=check.device) * 2.0 - 1.0
        copy_s = check.seconds(signal.clone)
        for name in SUITES:
            check.row("suite", f"{name} {seconds} s x {channels}", partial(suite, check, name, signal, copy_s))
        if seconds == sizes[-1][0]:
            size = f"{seconds} s x {channels}"
            check.row("variant", f"fir by matrices {size}", partial(by_matrices, check, signal, copy_s))
            for name in SUITES:
                for units in UNITS:
                    work = partial(in_units, check, name, signal, copy_s, units)
                    check.row("variant", f"{name} in units of {units} samples {size}", work)
            check.row("stage", "dither and rounding to 16 bits", partial(rounding, check, signal, copy_s))
        del signal
    check.row("packed", "files of 1 to 3 s together, and one by one", lambda: packing(check))


def chain_of(name: str) -> Filter:
    return modules_of(assemble(design_chain(join([], SUITES[name]), FS), FS, 1, FLOAT64, FLOAT64).stages).eval()


@torch.inference_mode()
def suite(check: Check, name: str, signal: Tensor, copy_s: float) -> dict[str, Any]:
    chain = chain_of(name).to(check.device)
    taken = check.seconds(lambda: chain(signal))
    return timed(check, name, signal, copy_s, taken, chain(signal[:, :HEAD_FRAMES].contiguous()))


@torch.inference_mode()
def in_units(check: Check, name: str, signal: Tensor, copy_s: float, samples: int) -> dict[str, Any]:
    """As the engine and the library do it, the state carried over; with the copy that joins the units again."""
    chain = chain_of(name).to(check.device)

    def run(x: Tensor) -> Tensor:
        state, done = chain.initial_state(len(x)), []
        for piece in x.split(samples // len(x) // UNIT_GRID * UNIT_GRID, dim=-1):
            y, state = chain.step(piece, state)
            done.append(y)
        return torch.cat(done, dim=-1)

    taken = check.seconds(lambda: run(signal))
    return timed(check, name, signal, copy_s, taken, run(signal[:, :HEAD_FRAMES].contiguous()))


def timed(check: Check, name: str, signal: Tensor, copy_s: float, taken: float, head: Tensor) -> dict[str, Any]:
    x = signal[:, :HEAD_FRAMES].T.contiguous().cpu().numpy()
    plan = assemble(design_chain(join([], SUITES[name]), FS), FS, x.shape[1], FLOAT64, FLOAT64)
    found = snr_db(head.T.cpu().numpy(), render(plan, x, "scipy", "cpu"))
    return {
        "ok": found >= TO_HOLD_DB,
        "snr_db": round(found, 1),
        "ms": taken * 1e3,
        "copy_ms": copy_s * 1e3,
        "copies": taken / copy_s,
        "ns_per_sample": taken / signal.numel() * 1e9,
    }


@torch.inference_mode()
def by_matrices(check: Check, signal: Tensor, copy_s: float, hop: int = 256) -> dict[str, Any]:
    """The fir suite as products with blocks of a Toeplitz matrix, which FP64 tensor cores may do faster than FFTs.

    On paper, for 511 taps on 318 million samples: 1536 operations a sample are 9 ms at 55 TFLOP/s; the FFTs' eight
    passes over 2.5 GB and their transforms are 10 ms at 4.3 TB/s, on any GPU, with tensor cores for FP64 or without.
    """
    (stage,) = [s for s in assemble(design_chain(join([], SUITES["fir"]), FS), FS, 1, FLOAT64, FLOAT64).stages
                if isinstance(s, Taps)]
    reach = -(-(len(stage.taps) - 1) // hop) * hop
    padded = np.concatenate([stage.taps, np.zeros(reach + 1 - len(stage.taps))])
    tables = torch.from_numpy(toeplitz(padded, hop)).to(check.device).split(hop)

    def convolve(x: Tensor) -> Tensor:
        frames = x.shape[-1]
        heard = torch.nn.functional.pad(x, (reach, -frames % hop)).unflatten(-1, (-1, hop))
        blocks = heard.shape[-2] - len(tables) + 1
        y = heard.narrow(-2, 0, blocks) @ tables[0]
        for at, table in enumerate(tables[1:], 1):
            y.baddbmm_(heard.narrow(-2, at, blocks), table.expand(len(y), -1, -1))
        return y.flatten(-2).narrow(-1, 0, frames)

    taken = check.seconds(lambda: convolve(signal))
    return timed(check, "fir", signal, copy_s, taken, convolve(signal[:, :HEAD_FRAMES].contiguous()))


@torch.inference_mode()
def rounding(check: Check, signal: Tensor, copy_s: float) -> dict[str, Any]:
    plan, frames = packed_plan(FLOAT32), min(signal.shape[-1], 1 << 19)
    plan = assemble(plan.stages, FS, len(signal), FLOAT64, plan.source, "tpdf")
    samples = signal.narrow(-1, 0, frames).T
    taken = check.seconds(lambda: by_tensors(plan, samples, 0))
    return {"ns_per_sample": taken / samples.numel() * 1e9, "copies": taken / (copy_s * frames / signal.shape[-1])}


def packing(check: Check) -> dict[str, Any]:
    """With copies to and from the device; by the wall clock, as the host has its part in it."""
    plan = packed_plan(FLOAT32)
    lengths = np.random.default_rng(1).integers(FS, 3 * FS, 10 if check.small else 200)
    blocks = [np.zeros((n, 2), np.int16) for n in lengths]
    run = BatchedRun(plan, check.device)
    run.render(blocks[:4])
    before = time.perf_counter()
    run.render(blocks)
    packed_s, before = time.perf_counter() - before, time.perf_counter()
    for block in blocks:
        through(TorchEngine(plan, check.device), block, len(block))
    alone_s = time.perf_counter() - before
    return {"files": len(blocks), "packed_s": packed_s, "one_by_one_s": alone_s, "times": alone_s / packed_s}
