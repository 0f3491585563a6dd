"""The Python library on the CPU: the memory that each step reads and writes, beside its filtering.

All rows are timed in turn in one run, on [channels, seconds at 48 kHz] of float32, and give the median time and how
many times faster that is than `scipy.signal.lfilter`, a call for each filter, which computes in float64. "written out"
is `wave | a | b | ...`; "kernel + clone" is what its steps cannot do without: the filters on blocks that are there, as
many threads as torch uses, and one `Tensor.clone` a step.

    python benchmarks/library.py [--channels 8] [--seconds 60] [--repeats 7]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial, reduce
from operator import or_
from statistics import median

import numpy as np
import torch
from scipy import signal
from torch import nn

import torchfx_cli as fx
from torchfx_cli.bench.timings import in_turn, seconds_of
from torchfx_cli.kernel.load import load
from torchfx_cli.render.native import Filters
from torchfx_cli.samples import block_frames

FS = 48_000
IIRS = {
    fx.filter.HiButterworth(80, 2, FS): signal.butter(2, 80, "high", fs=FS),
    fx.filter.LoButterworth(8000, 4, FS): signal.butter(4, 8000, fs=FS),
    fx.filter.HiChebyshev1(40, 2, 0.5, FS): signal.cheby1(2, 0.5, 40, "high", fs=FS),
    fx.filter.LoChebyshev1(12_000, 2, 0.5, FS): signal.cheby1(2, 0.5, 12_000, fs=FS),
}
FIRS = {fx.filter.DesignableFIR(taps, 8000, FS): (signal.firwin(taps, 8000, fs=FS), 1.0) for taps in range(101, 106)}


def lfilters(filters: dict[nn.Module, tuple[np.ndarray, np.ndarray | float]], x: np.ndarray) -> np.ndarray:
    return reduce(lambda y, ba: signal.lfilter(*ba, y), filters.values(), x)


def kernel_alone(filters: list[nn.Module], channels: int, frames: int, threads: int) -> None:
    """Each of the filters by itself, over as many frames, on a block that stays where it is."""
    def run(channels: int) -> None:
        step = block_frames(channels)
        for module in filters:
            row = Filters(load(), module.row, channels)
            block = np.zeros((step, channels))
            for _ in range(0, frames, step):
                row.process(block)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, [channels // threads] * threads))


def measure(name: str, filters: dict[nn.Module, tuple[np.ndarray, np.ndarray | float]], x: torch.Tensor, repeats: int
            ) -> None:
    wave, parts = fx.Wave(x, FS), list(filters)
    sequential = nn.Sequential(*parts)
    threads = min(torch.get_num_threads(), len(x))
    calls: dict[str, Callable[[], object]] = {
        "lfilter, a call each": partial(lfilters, filters, x.numpy()),
        "nn.Sequential(...)(x)": partial(sequential, x),
        "wave | nn.Sequential(...)": partial(or_, wave, sequential),
        "wave | (a | b | ...)": partial(or_, wave, reduce(or_, parts)),
        "written out": lambda: reduce(or_, parts, wave),
        "kernel alone": partial(kernel_alone, parts, len(x), x.shape[-1], threads),
        "a clone for each": lambda: [x.clone() for _ in parts],
    }
    timed = {label: partial(seconds_of, call) for label, call in calls.items()}
    seconds = {label: median(runs) for label, runs in in_turn(timed, repeats).items()}
    print(f"{len(parts)} {name} over {list(x.shape)} float32, {threads} threads, {load().name}")
    for label, took in seconds.items():
        print(f"  {label:26} {took * 1e3:8.1f} ms {seconds['lfilter, a call each'] / took:7.1f}x")
    least = seconds["kernel alone"] + seconds["a clone for each"]
    truth, got = lfilters(filters, x.double().numpy()), (wave | sequential).ys.numpy()
    print(f"  a step written out takes {seconds['written out'] / least:.2f} of kernel + clone; "
          f"difference to lfilter {np.abs(got - truth).max() / np.abs(truth).max():.1e}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    shape = (options.channels, round(options.seconds * FS))
    x = torch.from_numpy((np.random.default_rng(0).standard_normal(shape) * 0.1).astype(np.float32))
    measure("IIR filters", IIRS, x, options.repeats)
    measure("FIR filters", FIRS, x, options.repeats)


if __name__ == "__main__":
    main()
