"""How many hours of sound a core-hour does: processor time of a start, a file and a second, for three kinds of job.

    python benchmarks/hours.py [--repeats 3]

Stereo of 16 bits at 44.1 kHz, one file at a time. Three batches, of one file, of many short and of some long ones, give
the three costs; of each batch the least time counts, as others may be at work on the machine.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
import soxr
from batch import clear, spent, swelling
from versus import FS, WORDS

JOBS: dict[str, tuple[str, Sequence[str]]] = {
    "six sections, WAV": ("wav", WORDS),
    "FLAC to 16 kHz mono FLAC": ("flac", ("--rate", "16000", "--mono", "--format", "flac", "--subtype", "16")),
    "loudness, WAV": ("wav", ("--loudness", "-16")),
}
BATCHES = ((1, 1.0), (400, 1.0), (30, 60.0))  # files, and seconds of each
LENGTHS_S = (3600.0, 10.0, 2.0)


@dataclass(frozen=True)
class Costs:
    """Processor time; and what a second of sound has in bytes, as input and as output."""

    start_s: float
    file_s: float
    second_s: float
    in_bytes: float
    out_bytes: float

    def hours(self, length_s: float) -> float:
        """Of sound that a core-hour does, in files of this length."""
        return length_s / (self.file_s + length_s * self.second_s)


def measured(folder: Path, suffix: str, seconds_of: Callable[[Path, Path], float]) -> Costs:
    """Those that explain `seconds_of` each batch, from the one folder into the other."""
    times, sizes = [], [0.0, 0.0]
    for count, seconds in BATCHES:
        source, out = inputs(folder / f"in-{suffix}-{count}", suffix, [seconds] * count), folder / "out"
        times.append(seconds_of(source, out))
        sizes = [sum(path.stat().st_size for path in place.glob("[0-9]*")) / (count * seconds)
                 for place in (source, out)]
    start_s, file_s, second_s = np.linalg.solve([[1.0, count, count * seconds] for count, seconds in BATCHES], times)
    return Costs(float(start_s), float(file_s), float(second_s), *sizes)


def command(source: Path, out: Path, *options: str) -> list[str]:
    return [str(Path(sys.executable).with_name("torchfx")), "process", str(source), "-o", str(out), "--quiet", *options]


def wall_s(source: Path, out: Path, *options: str, at_a_time: int = 1) -> float:
    """Seconds until so many runs, begun at once, have ended."""
    out.mkdir(exist_ok=True)
    began_s = time.perf_counter()
    runs = [subprocess.Popen(command(source, out / f"{n}-{began_s}", *options)) for n in range(at_a_time)]
    codes = [run.wait() for run in runs]
    assert not any(codes), codes
    return time.perf_counter() - began_s


def inputs(folder: Path, suffix: str, lengths_s: Sequence[float]) -> Path:
    """A folder of files of these lengths; those of one length are links to one file."""
    first: dict[float, Path] = {}
    if not folder.exists():
        folder.mkdir()
        rng = np.random.default_rng(0)
        for number, length_s in enumerate(lengths_s):
            path = folder / f"{number:04}.{suffix}"
            if length_s in first:
                os.link(first[length_s], path)
            else:
                soundfile.write(first.setdefault(length_s, path), swelling(rng, length_s), FS, "PCM_16")
    return folder


def parts_ms(folder: Path) -> dict[str, float]:
    """Processor time of the libraries alone, for a second of stereo; the rest of a job is ours."""
    source, out, least_ms = inputs(folder / "parts", "flac", [60.0]) / "0000.flac", folder / "out.flac", {}
    whole = soundfile.read(source, dtype="float64")[0]
    mono = soxr.resample(whole.mean(axis=1), FS, 16_000, "HQ")
    for name, action in {"FLAC read": lambda: soundfile.read(source, dtype="float64"),
                         "mono resampled": lambda: soxr.resample(whole.mean(axis=1), FS, 16_000, "HQ"),
                         "FLAC of 16 kHz mono written": lambda: soundfile.write(out, mono, 16_000, "PCM_16")}.items():
        times = []
        for _ in range(5):
            began_s = time.process_time()
            action()
            times.append(time.process_time() - began_s)
        least_ms[name] = 1e3 * min(times) / 60
    return least_ms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats

    def cpu_s(options: Sequence[str], source: Path, out: Path) -> float:
        best_s = math.inf
        for _ in range(repeats):
            clear(out)
            best_s = min(best_s, spent(command(source, out, "--jobs", "1", *options))[0])
        return best_s

    print(f"{'':26} {'start':>7} {'a file':>9} {'a second':>10}   hours a core-hour in files of "
          f"{', '.join(f'{length:g}' for length in LENGTHS_S)} s    MB/s in, out")
    with tempfile.TemporaryDirectory() as name:
        for job, (suffix, options) in JOBS.items():
            costs = measured(Path(name), suffix, partial(cpu_s, options))
            hours = "  ".join(f"{costs.hours(length):6.0f}" for length in LENGTHS_S)
            rates = "  ".join(f"{size / costs.second_s / 1e6:5.1f}" for size in (costs.in_bytes, costs.out_bytes))
            print(f"{job:26} {costs.start_s:5.2f} s {1e3 * costs.file_s:6.2f} ms {1e3 * costs.second_s:7.3f} ms   "
                  f"{hours}    {rates}")
        print(", ".join(f"{part} {part_ms:.2f} ms" for part, part_ms in parts_ms(Path(name)).items()), "a second")


if __name__ == "__main__":
    main()
