"""The kernel alone, one thread, float64, against scipy.signal on the same samples.

Each row alternates the two for `--seconds` in one run and gives the medians, in ns per sample (one channel of one
frame), their ratio, and the largest difference relative to the largest sample. The kernel, as in the engine, works
on a block that is there; what SciPy needs to allocate its results is its own. Beside them Intel IPP, where its package
(`pip install ipp`) is in this environment: the same sections and taps, channels apart.

    python benchmarks/kernel.py [--seconds 1] [--kernel avx2] [--thresholds]
"""

from __future__ import annotations

import argparse
import ctypes
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial, reduce
from pathlib import Path
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

IPP_64F, IPP_DIRECT = 19, 1  # ipp64f and ippAlgDirect of ipptypes.h
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
    ipp: Callable[[], object] | None = None


def alternate(case: Case, seconds: float) -> list[float]:
    """Median seconds of ours, theirs and IPP's, called in turn."""
    calls = [case.ours, case.theirs, *([case.ipp] if case.ipp else [])]
    times: list[list[float]] = [[] for _ in calls]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[0]) < 3:
        case.prepare()
        for taken, call in zip(times, calls, strict=True):
            taken.append(seconds_of(call))
    return [median(taken) for taken in times]


@cache
def ipps() -> ctypes.CDLL | None:
    """Intel IPP's signal processing, from the package that puts its libraries into the environment.

    The one for AVX2 or AVX-512 itself: the library that would choose looks for names that the package has not.
    """
    folder, name = Path(sys.prefix, "lib"), "k0" if available()[0].name == "avx512" else "l9"
    library = None
    for pattern in ("libippcore.so*", f"libipps{name}.so*"):  # the latter finds the former where that is loaded
        for path in sorted(folder.glob(pattern))[:1]:
            library = ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)
    return library


def told(status: int) -> None:
    if status:
        raise RuntimeError(f"IPP gave status {status}")


def ipp_sections(x: np.ndarray, sos: np.ndarray) -> Callable[[], object] | None:
    """`ippsIIR_64f` on each channel, which lie one after another."""
    library, size, taps = ipps(), ctypes.c_int(), np.ascontiguousarray(sos)
    if library is None:
        return None
    told(library.ippsIIRGetStateSize_BiQuad_64f(len(sos), ctypes.byref(size)))
    rows, state = np.ascontiguousarray(x.T), ctypes.c_void_p()
    out, room = np.empty_like(rows), np.zeros(size.value, np.uint8)
    told(library.ippsIIRInit_BiQuad_64f(ctypes.byref(state), pointer(taps), len(sos), None, pointer(room)))

    def run() -> np.ndarray:
        for row, made in zip(rows, out, strict=True):
            told(library.ippsIIR_64f(pointer(row), pointer(made), len(row), state))
        return room  # which holds the state

    return run


def ipp_fir(x: np.ndarray, taps: np.ndarray) -> Callable[[], object] | None:
    """`ippsFIRSR_64f`, its direct algorithm."""
    library, spec_size, room_size = ipps(), ctypes.c_int(), ctypes.c_int()
    if library is None:
        return None
    told(library.ippsFIRSRGetSize(len(taps), IPP_64F, ctypes.byref(spec_size), ctypes.byref(room_size)))
    spec, room = np.zeros(spec_size.value, np.uint8), np.zeros(room_size.value, np.uint8)
    told(library.ippsFIRSRInit_64f(pointer(taps), len(taps), IPP_DIRECT, pointer(spec)))
    rows = np.ascontiguousarray(x.T)
    out = np.empty_like(rows)

    def run() -> None:
        for row, made in zip(rows, out, strict=True):
            told(library.ippsFIRSR_64f(pointer(row), pointer(made), len(row), pointer(spec), None, None, pointer(room)))

    return run


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def cases(kernel: Kernel, rng: np.random.Generator) -> Iterator[Case]:
    for channels in (1, 2, 6, 8, 32):
        x = rng.standard_normal((SAMPLES // channels, channels))
        for sos in (SIX_SECTIONS[:1], SIX_SECTIONS):
            yield cascade(kernel, x, sos)
    for channels in (1, 2):
        x = rng.standard_normal((SAMPLES // channels, channels))
        yield short_fir(kernel, x, signal.firwin(65, 0.3), "65 taps, linear phase")
        shortest = np.ascontiguousarray(signal.minimum_phase(signal.firwin(129, 0.3)))
        yield short_fir(kernel, x, shortest, "65 taps, minimum phase")
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
    return Case(name, "sosfilt", x.size, run, partial(signal.sosfilt, sos, x, axis=0), partial(np.copyto, y, x),
                ipp_sections(x, sos))


def short_fir(kernel: Kernel, x: np.ndarray, taps: np.ndarray, name: str) -> Case:
    history = np.zeros((len(taps) - 1, x.shape[1]))
    direct = partial(summed, kernel, x, taps, history, np.empty_like(x))
    return Case(f"{name}, {x.shape[1]} channels", "lfilter", x.size, direct,
                partial(signal.lfilter, taps, [1.0], x, axis=0), partial(history.fill, 0.0), ipp_fir(x, taps))


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
    print(f"{kernel.name:38} {'against':13} {'ns/sample':>9} {'theirs':>8} {'ratio':>7} {'difference':>11} {'IPP':>6}")
    for case in cases(kernel, np.random.default_rng(0)):
        ours, theirs, *ipp = (t / case.samples * 1e9 for t in alternate(case, seconds))
        figures = f"{ours:9.2f} {theirs:8.2f} {theirs / ours:6.1f}x {difference(case):11.1e}"
        figures += "".join(f" {ns:6.2f}" for ns in ipp)
        print(f"{case.what:38} {case.against:13} {figures}", flush=True)


def print_thresholds(kernel: Kernel, seconds: float) -> None:
    """Direct sum against overlap-save: where `direct_max_taps` and `mirrored_max_taps` come from."""
    print(f"{kernel.name}, stereo, ns per sample; up to {kernel.direct_max_taps} taps are summed directly, of linear "
          f"phase up to {kernel.mirrored_max_taps}")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((SAMPLES // 2, 2))
    out = np.empty_like(x)
    for count in (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192):
        mirrored, any_taps = np.full(count, 1.0 / count), rng.standard_normal(count)
        direct, linear = (partial(summed, kernel, x, taps, np.zeros((count - 1, 2)), out) for taps in
                          (any_taps, mirrored))
        fft = partial(tiled, kernel.fft_fir(mirrored, 2), x, out)
        ours, theirs, phase = (t / x.size * 1e9 for t in alternate(Case("", "", x.size, direct, fft, ipp=linear),
                                                                   seconds))
        print(f"{count:4d} taps   direct {ours:6.2f}   linear phase {phase:6.2f}   fft {theirs:6.2f}", flush=True)


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
