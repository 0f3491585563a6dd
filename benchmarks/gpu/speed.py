"""How fast: the suites in memory against a copy of the same sound, a whole file, what `--device auto` has to know.

Goals on an H200, 600 s x 12 channels at 44.1 kHz: at most 20 ms, and at most 15 copies; a whole file in 1 / 0.8 of the
slowest of reading, writing and the bus.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import torch
from accuracy import FLOAT32, FLOAT64
from torch import Tensor

from gpu.correct import packed_plan, through
from gpu.rows import REPEATS, Check
from torchfx_cli.bench.accuracy import truth_of
from torchfx_cli.bench.backends import backend_of
from torchfx_cli.bench.calibrate import LENGTHS, calibrate
from torchfx_cli.bench.candidates import Candidate
from torchfx_cli.bench.end_to_end import process_rows
from torchfx_cli.bench.loads import load_of
from torchfx_cli.bench.measure import Rule, measure
from torchfx_cli.bench.records import FS, Cell
from torchfx_cli.bench.suites import END_TO_END, suite_of
from torchfx_cli.library.units import UNIT_GRID
from torchfx_cli.plan.assemble import assemble
from torchfx_cli.render.batched import BatchedRun
from torchfx_cli.render.quantiser import by_tensors
from torchfx_cli.render.torch_engine import TorchEngine, modules_of

TO_REACH = 0.8
UNITS = (1 << 22, 1 << 24, 1 << 26)  # the first is the engine's; what it loses in launches, it may gain in caches


def sizes_of(check: Check) -> list[tuple[float, int]]:
    """The largest first: it says the most."""
    return [(2.0, 2)] if check.small else [(600.0, 12), (60.0, 2), (5.0, 1)]


def suites(check: Check) -> None:
    """What the goals are for."""
    for seconds, channels in sizes_of(check):
        for name in ("fir", "iir"):
            check.row("suite", f"{name} {seconds:g} s x {channels}", partial(suite, check, name, seconds, channels))
    seconds = 5.0 if check.small else 600.0
    check.row("end2end", f"wav, {seconds:g} s x 2", partial(whole_file, check, seconds))


def everything(check: Check) -> None:
    for name in ("fir", "iir"):
        for units in UNITS:
            work = partial(in_units, check, name, units, *sizes_of(check)[0])
            check.row("variant", f"{name} in units of {units} samples", work)
    check.row("stage", "dither and rounding to 16 bits", partial(rounding, check))
    check.row("packed", "files of 1 to 3 s together, and one by one", partial(packing, check))
    check.row("costs", "for render/costs.py", partial(costs, check))


def suite(check: Check, name: str, seconds: float, channels: int) -> dict[str, Any]:
    load = load_of(suite_of(name), seconds, channels)
    found = measure(backend_of(check.device), load, partial(truth_of, load), Rule(reps=REPEATS))
    if found.seconds is None:
        return {"ok": False, "reason": found.reason}
    copy_s = check.seconds(torch.from_numpy(load.sound).to(check.device, torch.float64).clone)
    return {"snr_db": round(found.snr_db or 0.0, 1), "ms": found.seconds * 1e3, "copy_ms": copy_s * 1e3,
            "copies": found.seconds / copy_s, "ns_per_sample": found.seconds / load.samples * 1e9}


@torch.inference_mode()
def in_units(check: Check, name: str, samples: int, seconds: float, channels: int) -> dict[str, Any]:
    """As the engine and the library do it, the state carried over; with the copy that joins the units again."""
    load = load_of(suite_of(name), seconds, channels)
    chain = modules_of(load.plan.stages).to(check.device)
    sound = torch.from_numpy(load.sound).to(check.device, torch.float64)

    def run() -> Tensor:
        state, done = chain.initial_state(channels), []
        for piece in sound.split(samples // channels // UNIT_GRID * UNIT_GRID, dim=-1):
            y, state = chain.step(piece, state)
            done.append(y)
        return torch.cat(done, dim=-1)

    taken = check.seconds(run)
    return {"ms": taken * 1e3, "ns_per_sample": taken / load.samples * 1e9}


@torch.inference_mode()
def rounding(check: Check) -> dict[str, Any]:
    plan = packed_plan(FLOAT32)
    plan = assemble(plan.stages, FS, 2, FLOAT64, plan.source, "tpdf")
    samples = torch.rand(1 << 19, 2, dtype=torch.float64, device=check.device)
    return {"ns_per_sample": check.seconds(lambda: by_tensors(plan, samples, 0)) / samples.numel() * 1e9}


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


def whole_file(check: Check, seconds: float) -> dict[str, Any]:
    """`torchfx process`, without its start, against the slowest of its parts; on the CPU by the native engine."""
    cell = Cell("io", "native" if check.small else check.device, seconds, 2, label=END_TO_END)
    parts = {cell.label: found.seconds or 0.0 for cell, found in process_rows(cell, suite_of("io"), Rule())}
    taken = parts["end to end"] - parts["start-up"]
    share = max(parts["read"], parts["write"], parts.get("transfer", 0.0)) / taken
    return {**parts, "share": share, "reached": share >= TO_REACH}


def costs(check: Check) -> dict[str, Any]:
    lengths = (1 << 14, 1 << 18) if check.small else LENGTHS
    (found,) = calibrate(lengths=lengths, backends={check.device: Candidate("torch", check.device)})
    return {"ok": found.cost is not None, "reason": found.reason} if found.cost is None else asdict(found.cost)
