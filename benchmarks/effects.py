"""Each effect alone: ns a sample (one channel of one frame), stereo, 48 kHz, one thread, float64 in and out.

Beside it what does about the same in SoX, ffmpeg, pedalboard and a library, where they are installed: of the programs
the CPU time of a run with the effect several times in a row less that of a run without, which takes longer than the
effect; pedalboard and the libraries (soxr, libebur128), as the effects here, in the process itself, on blocks in the
cache. Of what needs the whole file first, the row is its meter. Each figure is the best of `--reps` in turn. SoX
computes in 32-bit integers, pedalboard in float32. The response of `convolve` lasts 1 s.

    python benchmarks/effects.py [--reps 7] [--seconds 60] [effect ...]
"""

from __future__ import annotations

import argparse
import ctypes
import ctypes.util
import os
import resource
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from torchfx_cli.bench.timings import seconds_of
from torchfx_cli.chain.parse import join
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.design.stage import Measured
from torchfx_cli.design.stages import Linear
from torchfx_cli.kernel.load import load
from torchfx_cli.render.native import Filters
from torchfx_cli.samples import Signal

FS, CHANNELS = 48_000, 2
BLOCK_FRAMES = 1 << 13
BARE, IN_A_ROW = ", no effect", 5
RAW = ["-t", "raw", "-e", "floating-point", "-b", "64", "-r", str(FS), "-c", str(CHANNELS)]
RESPONSE, COEFFICIENTS = "response.wav", "response.txt"  # the latter for SoX
EBUR128_MODE_I, EBUR128_MODE_TRUE_PEAK = 5, 49  # ebur128.h
FFMPEG_RAW = ["-f", "f64le", "-ar", str(FS), "-ac", str(CHANNELS)]


@dataclass(frozen=True)
class Row:
    """`effect` as `-e` has it; of the others an effect line, an `-af` line, a pedalboard class with arguments, and
    what gives a library's function of a block."""

    effect: str
    sox: str = ""
    ffmpeg: str = ""
    pedalboard: tuple[str, dict[str, Any]] | None = None
    library: partial[Callable[[np.ndarray], object]] | None = None


def with_soxr(rate: int, quality: str) -> Callable[[np.ndarray], object]:
    import soxr

    return soxr.ResampleStream(FS, rate, CHANNELS, "float64", quality).resample_chunk


def with_libebur128(mode: int) -> Callable[[np.ndarray], object]:
    library = ctypes.CDLL(ctypes.util.find_library("ebur128"))
    library.ebur128_init.restype = ctypes.c_void_p
    state = ctypes.c_void_p(library.ebur128_init(CHANNELS, ctypes.c_ulong(FS), mode))
    return lambda x: library.ebur128_add_frames_double(state, ctypes.c_void_p(x.ctypes.data), ctypes.c_size_t(len(x)))


ROWS = (
    Row("compressor:threshold=-30,ratio=4", "compand 0.005,0.1 6:-90,-90,-30,-30,0,-22.5",
        "acompressor=threshold=0.0316:ratio=4:attack=5:release=100",
        ("Compressor", {"threshold_db": -30, "ratio": 4, "attack_ms": 5, "release_ms": 100})),
    Row("compressor:threshold=-30,detector=rms,sidechain=100 Hz,mix=0.5"),
    Row("expander:threshold=-30,ratio=2", "compand 0.001,0.1 6:-90,-120,-30,-30,0,0"),
    Row("gate:threshold=-30", "", "agate=threshold=0.0316:attack=1:release=100",
        ("NoiseGate", {"threshold_db": -30, "attack_ms": 1, "release_ms": 100})),
    Row("limiter:ceiling=-6,true_peak=false", "", "alimiter=limit=0.5:level=0:attack=5:release=50",
        ("Limiter", {"threshold_db": -6, "release_ms": 50})),
    Row("limiter:-6", "", "aresample=192000,alimiter=limit=0.5:level=0:attack=5:release=50,aresample=48000"),
    Row("deesser:threshold=-30,frequency=6 kHz", "", "deesser=i=0.5"),
    Row("multiband:crossover=[200, 3000],threshold=-30,ratio=3",
        "mcompand '0.01,0.15 6:-90,-90,-30,-30,0,-20' 200 '0.01,0.15 6:-90,-90,-30,-30,0,-20' 3000 "
        "'0.01,0.15 6:-90,-90,-30,-30,0,-20'",
        "mcompand=0.01\\,0.15 6 -90/-90\\,-30/-30\\,0/-20 200 | 0.01\\,0.15 6 -90/-90\\,-30/-30\\,0/-20 3000 | "
        "0.01\\,0.15 6 -90/-90\\,-30/-30\\,0/-20 22000"),
    Row("resample:rate=16 kHz", "", "", None, partial(with_soxr, 16_000, "VHQ")),
    Row("resample:rate=16 kHz,quality=high", "", "", None, partial(with_soxr, 16_000, "HQ")),
    Row("normalize:-1", "", "astats=measure_perchannel=none:measure_overall=Peak_level"),
    Row("normalize:true_peak=-1"),
    Row("loudness:-16", "", "ebur128", None, partial(with_libebur128, EBUR128_MODE_I)),
    Row("loudness:target=-16,true_peak=-1", "", "ebur128=peak=true", None,
        partial(with_libebur128, EBUR128_MODE_I | EBUR128_MODE_TRUE_PEAK)),
    Row("fade:in=1 s,out=1 s,curve=sine", "fade q 1 -0 1",
        "afade=t=in:d=1:curve=qsin,afade=t=out:d=1:st=59:curve=qsin"),
    Row("pad:start=1 s,end=1 s", "pad 1 1", "adelay=1000:all=1,apad=pad_dur=1"),
    Row("trim_silence:-60", "silence 1 0.1 -60d", "silenceremove=start_periods=1:start_threshold=-60dB"),
    Row(f"convolve:file={RESPONSE}", f"fir {COEFFICIENTS}", "",
        ("Convolution", {"impulse_response_filename": RESPONSE, "mix": 1.0})),
)


def sound(seconds: float) -> np.ndarray:
    """Noise that swells from -60 dBFS to full scale and back, twice a second."""
    frames = round(seconds * FS)
    swell = 10 ** (-1.5 * (1 + np.cos(4 * np.pi * np.arange(frames) / FS)))
    return np.random.default_rng(0).uniform(-1, 1, (frames, CHANNELS)) * swell[:, None]


def write_response() -> None:
    """Decaying noise of two channels, and the first of them for SoX, which has one for all."""
    decay = 0.03 * np.exp(-6.0 * np.arange(FS) / FS)[:, None]
    response = np.random.default_rng(1).standard_normal((FS, CHANNELS)) * decay
    soundfile.write(RESPONSE, response, FS, "DOUBLE")
    np.savetxt(COEFFICIENTS, response[:, 0])


def ours(effect: str, x: np.ndarray) -> Callable[[], float]:
    source = Signal(FS, CHANNELS)
    (stage,) = design_chain(join([], [effect]), FS, CHANNELS)
    if isinstance(stage, Linear):
        return in_blocks(Filters(load(), [stage], CHANNELS).process, x)
    return in_blocks((stage.meter(source) if isinstance(stage, Measured) else stage.open(source)).process, x)


def with_pedalboard(name: str, arguments: dict[str, Any], x: np.ndarray) -> Callable[[], float]:
    import pedalboard

    plugin: Any = getattr(pedalboard, name)(**arguments)
    process = partial(plugin.process, sample_rate=FS, buffer_size=BLOCK_FRAMES, reset=False)
    return in_blocks(process, np.ascontiguousarray(x.T, np.float32), axis=1)


def in_blocks(process: Callable[[np.ndarray], object], x: np.ndarray, axis: int = 0) -> Callable[[], float]:
    """Seconds for all of x, in blocks, whose copies are not timed."""
    blocks = np.array_split(x, x.shape[axis] // BLOCK_FRAMES, axis=axis)

    def timed() -> float:
        copies = (block.copy() for block in blocks)
        return sum(seconds_of(partial(process, copy), time.thread_time) for copy in copies)

    return timed


def cpu_seconds(command: list[str]) -> float:
    """User time of a program and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def others(row: Row, x: np.ndarray, raw: Path) -> Iterator[tuple[str, Callable[[], float]]]:
    if row.sox and shutil.which("sox"):
        copy = ["sox", "-V1", *RAW, str(raw), *RAW, "/dev/null"]
        yield "SoX", lambda: cpu_seconds([*copy, *shlex.split(row.sox) * IN_A_ROW])
        yield "SoX" + BARE, lambda: cpu_seconds(copy)
    if row.ffmpeg and shutil.which("ffmpeg"):
        head = ["ffmpeg", "-v", "error", "-threads", "1", "-filter_threads", "1", *FFMPEG_RAW, "-i", str(raw)]
        tail = ["-f", "f64le", "-y", "/dev/null"]
        yield "ffmpeg", lambda: cpu_seconds([*head, "-af", ",".join([row.ffmpeg] * IN_A_ROW), *tail])
        yield "ffmpeg" + BARE, lambda: cpu_seconds([*head, *tail])
    if row.pedalboard and find_spec("pedalboard"):
        yield "pedalboard", with_pedalboard(*row.pedalboard, x)
    if row.library and (row.library.func is with_soxr or ctypes.util.find_library("ebur128")):
        yield "library", in_blocks(row.library(), x)


def best_of(calls: dict[str, Callable[[], float]], reps: int) -> dict[str, float]:
    best = dict.fromkeys(calls, inf)
    for _ in range(reps):
        for name, timed in calls.items():
            best[name] = min(best[name], timed())
    return {name: (s - best[name + BARE]) / IN_A_ROW if name + BARE in best else s for name, s in best.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("effects", nargs="*", help="beginnings of rows; default: all")
    parser.add_argument("--reps", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=60.0, help="of sound")
    options = parser.parse_args()
    x = sound(options.seconds)
    names = ("torchfx", "SoX", "ffmpeg", "pedalboard", "library")
    print(f"{'ns a sample':64}" + "".join(f"{name:>11}" for name in names))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        x.tofile("in.raw")
        write_response()
        for row in ROWS:
            if not options.effects or row.effect.startswith(tuple(options.effects)):
                best = best_of({"torchfx": ours(row.effect, x), **dict(others(row, x, Path("in.raw")))}, options.reps)
                figures = (f"{best[name] / x.size * 1e9:11.2f}" if name in best else f"{'':>11}" for name in names)
                print(f"{row.effect:64}" + "".join(figures), flush=True)


if __name__ == "__main__":
    main()
