"""Each effect alone: ns a sample (one channel of one frame), stereo, 48 kHz, one thread, float64 in and out.

Beside it what does about the same in SoX, ffmpeg and pedalboard, where they are installed: of the programs the CPU
time of a run with the effect several times in a row less that of a run without, which takes longer than the effect;
pedalboard, as the effects here, in the process itself, on blocks in the cache. Each figure is the best of `--reps` in
turn. SoX computes in 32-bit integers, pedalboard in float32.

    python benchmarks/effects.py [--reps 7] [--seconds 60] [effect ...]
"""

from __future__ import annotations

import argparse
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

from torchfx_cli.bench.timings import seconds_of
from torchfx_cli.chain.parse import join
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.samples import Signal

FS, CHANNELS = 48_000, 2
BLOCK_FRAMES = 1 << 13
BARE, IN_A_ROW = ", no effect", 5
RAW = ["-t", "raw", "-e", "floating-point", "-b", "64", "-r", str(FS), "-c", str(CHANNELS)]
FFMPEG_RAW = ["-f", "f64le", "-ar", str(FS), "-ac", str(CHANNELS)]


@dataclass(frozen=True)
class Row:
    """`effect` as `-e` has it; of the others an effect line, an `-af` line, and a pedalboard class with arguments."""

    effect: str
    sox: str = ""
    ffmpeg: str = ""
    pedalboard: tuple[str, dict[str, float]] | None = None


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
)


def sound(seconds: float) -> np.ndarray:
    """Noise that swells from -60 dBFS to full scale and back, twice a second."""
    frames = round(seconds * FS)
    swell = 10 ** (-1.5 * (1 + np.cos(4 * np.pi * np.arange(frames) / FS)))
    return np.random.default_rng(0).uniform(-1, 1, (frames, CHANNELS)) * swell[:, None]


def ours(effect: str, x: np.ndarray) -> Callable[[], float]:
    (stage,) = design_chain(join([], [effect]), FS, CHANNELS)
    return in_blocks(stage.open(Signal(FS, CHANNELS)).process, x)


def with_pedalboard(name: str, arguments: dict[str, float], x: np.ndarray) -> Callable[[], float]:
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
    names = ("torchfx", "SoX", "ffmpeg", "pedalboard")
    print(f"{'ns a sample':64}" + "".join(f"{name:>11}" for name in names))
    with tempfile.NamedTemporaryFile(suffix=".raw") as raw:
        x.tofile(raw.name)
        for row in ROWS:
            if not options.effects or row.effect.startswith(tuple(options.effects)):
                best = best_of({"torchfx": ours(row.effect, x), **dict(others(row, x, Path(raw.name)))}, options.reps)
                figures = (f"{best[name] / x.size * 1e9:11.2f}" if name in best else f"{'':>11}" for name in names)
                print(f"{row.effect:64}" + "".join(figures), flush=True)


if __name__ == "__main__":
    main()
