"""The kernel alone, one thread, float64, against scipy.signal on the same samples.

Each row alternates the two for `--seconds` in one run and gives the medians, in ns per sample (one channel of one
frame), their ratio, and the largest difference relative to the largest sample. The kernel, as in the engine, works
on a block that is there; what SciPy needs to allocate its results is its own.

    python benchmarks/kernel.py [--seconds 1] [--kernel avx2] [--thresholds]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial, reduce
from statistics import median

import numpy as np
from scipy import signal

from torchfx_cli.bench.timings import seconds_of
from torchfx_cli.kernel.base import FftFir, Kernel, at_rest
from torchfx_cli.kernel.load import available

FS = 48000
SAMPLES = 1 << 17  # 1 MB of float64
TILE_SAMPLES = 1 << 13
SIX_SECTIONS = np.concatenate([
    signal.butter(4, 80, "highpass", fs=FS, output="sos"),
    signal.butter(4, [300, 3400], "bandpass", fs=FS, output="sos"),
])
FIVE_FIRS = [signal.firwin(taps, 0.3) for taps in range(101, 106)]

Run = Callable[[], np.ndarray]


def nothing() -> None: ...


@dataclass(frozen=True)
class Case:
    what: str
    against: str
    samples: int
    ours: Run
    theirs: Run
    prepare: Callable[[], None] = nothing  # before each `ours`, not timed


def alternate(case: Case, seconds: float) -> tuple[float, float]:
    """Median seconds of ours and theirs, called in turn."""
    ours: list[float] = []
    theirs: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(ours) < 3:
        case.prepare()
        ours.append(seconds_of(case.ours))
        theirs.append(seconds_of(case.theirs))
    return median(ours), median(theirs)


def cases(kernel: Kernel, rng: np.random.Generator) -> Iterator[Case]:
    for channels in (1, 2, 6, 8, 32):
        x = rng.standard_normal((SAMPLES // channels, channels))
        for sos in (SIX_SECTIONS[:1], SIX_SECTIONS):
            yield cascade(kernel, x, sos)
    for channels in (1, 2, 8):
        x = rng.standard_normal((SAMPLES // channels, channels))
        fir = kernel.fft_fir(reduce(np.convolve, FIVE_FIRS), channels)
        name = f"5 FIRs of 101-105 taps, {channels} channels"
        yield Case(name, "5 lfilter", x.size, partial(tiled, fir, x, np.empty_like(x)), partial(lfilters, x))
    x = rng.uniform(-0.99, 0.99, (SAMPLES // 2, 2))
    for dither in (False, True):
        name = "clipped, counted to int16" + ", TPDF" * dither
        yield Case(name, "rint, astype", x.size, partial(stored, kernel, x, dither), partial(rounded, x))


def cascade(kernel: Kernel, x: np.ndarray, sos: np.ndarray) -> Case:
    y, channels = np.empty_like(x), x.shape[1]

    def run() -> np.ndarray:
        kernel.sos(y, sos, at_rest(len(sos), channels))
        return y

    name = f"{len(sos)} section(s), {channels} channels"
    return Case(name, "sosfilt", x.size, run, partial(signal.sosfilt, sos, x, axis=0), partial(np.copyto, y, x))


def tiled(fir: FftFir, x: np.ndarray, out: np.ndarray) -> np.ndarray:
    """In blocks, as the engine does: what comes back then fits a reused piece of memory."""
    tile, done = TILE_SAMPLES // x.shape[1], 0
    fir.reset()
    for start in range(0, len(x), tile):
        y = fir.process(x[start : start + tile])
        out[done : done + len(y)] = y
        done += len(y)
    return out[:done]


def summed(kernel: Kernel, x: np.ndarray, taps: np.ndarray, history: np.ndarray, out: np.ndarray) -> np.ndarray:
    kernel.fir_direct(x, taps, history, out)
    return out


def lfilters(x: np.ndarray) -> np.ndarray:
    return reduce(lambda y, taps: signal.lfilter(taps, [1.0], y, axis=0), FIVE_FIRS, x)


def stored(kernel: Kernel, x: np.ndarray, dither: bool) -> np.ndarray:
    out = np.empty(x.shape, np.int16)
    kernel.store_samples(x, out, 16, dither, 1, 0, False)
    return out


def rounded(x: np.ndarray) -> np.ndarray:
    return np.rint(x * 32768.0).astype(np.int16)


def difference(case: Case) -> float:
    case.prepare()
    ours = case.ours().astype(float)
    theirs = case.theirs()[: len(ours)]
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def print_table(kernel: Kernel, seconds: float) -> None:
    print(f"{kernel.name:38} {'against':13} {'ns/sample':>9} {'theirs':>8} {'ratio':>7} {'difference':>11}")
    for case in cases(kernel, np.random.default_rng(0)):
        ours, theirs = (t / case.samples * 1e9 for t in alternate(case, seconds))
        figures = f"{ours:9.2f} {theirs:8.2f} {theirs / ours:6.1f}x {difference(case):11.1e}"
        print(f"{case.what:38} {case.against:13} {figures}", flush=True)


def print_thresholds(kernel: Kernel, seconds: float) -> None:
    """Direct sum against overlap-save: where `direct_max_taps` comes from."""
    print(f"{kernel.name}, stereo, ns per sample; direct_max_taps = {kernel.direct_max_taps}")
    x = np.random.default_rng(0).standard_normal((SAMPLES // 2, 2))
    for count in (8, 16, 24, 32, 40, 48, 56, 64, 80, 96):
        taps, out = np.full(count, 1.0 / count), np.empty_like(x)
        direct = partial(summed, kernel, x, taps, np.zeros((count - 1, 2)), out)
        ours, theirs = alternate(Case("", "", x.size, direct, partial(tiled, kernel.fft_fir(taps, 2), x, out)), seconds)
        print(f"{count:4d} taps   direct {ours / x.size * 1e9:6.2f}   fft {theirs / x.size * 1e9:6.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each row")
    parser.add_argument("--kernel", help="avx512, avx2, sse2, neon, 'numpy twin'; default: the best here")
    parser.add_argument("--thresholds", action="store_true", help="direct against FFT convolution instead")
    options = parser.parse_args()
    kernels = [k for k in available() if k.name == options.kernel] if options.kernel else available()[:1]
    for kernel in kernels:
        (print_thresholds if options.thresholds else print_table)(kernel, options.seconds)


if __name__ == "__main__":
    main()
