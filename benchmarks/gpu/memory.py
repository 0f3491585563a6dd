"""What happens where memory is short, and how much is used where it is not; last, what a failed GPU says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accuracy import FLOAT64, INT16

from gpu.correct import LAW, noise, packed_plan, through
from gpu.rows import Check
from torchfx_cli.render.engine import Engine
from torchfx_cli.render.torch_engine import TorchEngine

ROOT = Path(__file__).resolve().parents[2]
CHANNELS, SECONDS = 2, 600

STICKY = """
import sys, warnings
sys.path[:0] = sys.argv[1:3]
import numpy as np, torch
from gpu.correct import packed_plan
from torchfx_cli.errors import DeviceError
from torchfx_cli.render.torch_engine import TorchEngine
engine = TorchEngine(packed_plan(), "cuda")
real = engine.chain.step
def broken(x, state):
    y = real(x, state)
    x.new_zeros(4)[torch.tensor([2**40], device="cuda")]  # a device-side assertion: the context is lost
    return y
engine.chain.step = broken
try:
    engine.process(np.zeros((engine.unit_frames * 4, 2), np.int16))
    print("nothing was noticed")
except DeviceError as error:
    print(error)
try:
    TorchEngine(packed_plan(), "cuda")
    print("| the next file runs in the same process")
except DeviceError as error:
    print("| the next file in the same process:", error)
"""


def everything(check: Check) -> None:
    check.row("memory", f"{SECONDS} s in units: the ceiling", lambda: ceiling(check), needs_cuda=True)
    check.row("memory", "the same in units of 65,536 frames", lambda: ceiling(check, 1 << 16), needs_cuda=True)
    check.row("memory", "too little: smaller blocks, the same samples", lambda: starved(check), needs_cuda=True)
    check.row("memory", "none at all: one line", lambda: nothing_left(check), needs_cuda=True)
    check.row("fault", "an error in a kernel: one line", sticky, needs_cuda=True)


def ceiling(check: Check, unit_frames: int | None = None) -> dict[str, Any]:
    """The most that is held does not depend on the length of the file."""
    peaks = []
    for seconds in (SECONDS // 10, SECONDS):
        engine = TorchEngine(packed_plan(INT16), check.device, unit_frames)
        block = np.zeros((44_100 * 10, CHANNELS), np.int16)
        for _ in range(seconds // 10):
            engine.process(block)
        for _ in engine.flush():
            pass
        peaks.append(torch.cuda.max_memory_allocated() / 2**20)
    return {"ok": peaks[1] <= 1.1 * peaks[0], "mb_short": peaks[0], "mb_long": peaks[1], "note": engine.notes[-1]}


def starved(check: Check) -> dict[str, Any]:
    """Between what the buffers take and what a whole unit needs, the engine halves its pieces."""
    x = np.int16(noise(44_100, 6_000_000) * 32768)
    whole = through(TorchEngine(packed_plan(FLOAT64), check.device), x, 100_000)
    total = torch.cuda.get_device_properties(0).total_memory
    engine = limited(check, torch.cuda.max_memory_allocated() * 0.6 / total)
    try:
        got = through(engine, x, 100_000)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    said = [note for note in engine.notes if "ran out of memory" in note]
    worst = float(np.abs(got - whole).max())
    return {"ok": len(said) == 1 and worst <= LAW, "worst": worst, "note": said[0] if said else "memory sufficed"}


def limited(check: Check, fraction: float) -> Engine:
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(fraction)
    return TorchEngine(packed_plan(FLOAT64), check.device)


def nothing_left(check: Check) -> dict[str, Any]:
    try:
        engine = limited(check, 1e-4)
        through(engine, np.zeros((5_000_000, CHANNELS), np.int16), 100_000)
    except Exception as error:
        return {"ok": type(error).__name__ == "DeviceError", "said": f"{type(error).__name__}: {error}"}
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    return {"ok": False, "said": "it had enough"}


def sticky() -> dict[str, Any]:
    """In a process of its own, as CUDA is lost to it."""
    command = [sys.executable, "-c", STICKY, str(ROOT), str(ROOT / "benchmarks")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    said = " ".join(done.stdout.split())
    return {"ok": done.returncode == 0 and said.startswith("cuda failed:"), "said": said or done.stderr[-200:]}
