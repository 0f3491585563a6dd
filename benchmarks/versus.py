"""One file and one chain through torchfx, SoX, ffmpeg, pedalboard and SciPy, each as a whole process, where installed.

    python benchmarks/versus.py [--seconds 240] [--channels 2] [--repeats 5] [--only sox,ffmpeg] [--json results.json]
    python benchmarks/versus.py --grid [--lengths 1,5,30,60,240] [--repeats 3]

--grid goes over lengths and WAV of 16 bits, 24 bits and floats, with torchfx cold and warm (TORCHFX_WARM) beside SoX
and ffmpeg: what a shell loop waits for a file. It prints lines for docs/speed.md, with the load of the machine.

The chain is six second-order sections of the RBJ cookbook, which cross as numbers (see `bench.other_tools`); the file
is 16-bit noise. No tool dithers, so that every output can be held against float64 SciPy: `worst` is the largest error
in steps of 16 bits (0.5 is perfect rounding) and `bias` the mean error. Time and memory are of the whole process,
start-up included. A program that has no such filters, as pedalboard, is left out and named.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from timing import in_turn

from torchfx_cli.bench.loads import write_noise
from torchfx_cli.bench.other_tools import TOOLS, Work
from torchfx_cli.bench.suites import written
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.exchange.words import CannotSayError
from torchfx_cli.plan.assemble import assemble
from torchfx_cli.render.choose import open_engine
from torchfx_cli.samples import SampleFormat

FS = 44_100
EFFECTS = ("highpass:cutoff=80,q=0.7071067811865476", "peaking:frequency=250,gain=-3,q=1",
           "peaking:frequency=1000,gain=2,q=1", "peaking:frequency=3200,gain=2.5,q=0.9",
           "peaking:frequency=8000,gain=1,q=1", "lowpass:cutoff=12000,q=0.7071067811865476")
CHAIN, WORDS = written(EFFECTS)
BLOCK = 1 << 18


def error_lsb(source: Path, output: Path) -> tuple[float, float]:
    """(largest, mean) difference from float64 SciPy in steps of 16 bits; infinite where frames are missing."""
    worst = total = 0.0
    with soundfile.SoundFile(source) as a, soundfile.SoundFile(output) as b:
        if len(a) != len(b):
            return float("inf"), float("inf")
        int16, float64 = SampleFormat("int16", 16), SampleFormat("float64")
        truth = open_engine(assemble(design_chain(CHAIN, FS), FS, a.channels, int16, float64), "scipy")
        while len(x := a.read(BLOCK, dtype="int16", always_2d=True)):
            difference = b.read(BLOCK, dtype="int16", always_2d=True) - truth.process(x) * 32768
            worst = max(worst, float(np.abs(difference).max()))
            total += float(difference.sum())
        return worst, total / (len(a) * a.channels)


GRID = {"PCM_16": "16 bits", "PCM_24": "24 bits", "FLOAT": "float"}
TORCHFX = str(Path(sys.executable).with_name("torchfx"))


def grid(lengths_s: list[float], channels: int, repeats: int) -> None:
    """A line a length and format: milliseconds of each program, and how torchfx stands to SoX."""
    with tempfile.TemporaryDirectory() as name:
        folder, last = Path(name), []
        print(f"{channels} channels, six sections; medians of {repeats} in turn; {os.cpu_count()} cores, load "
              f"{os.getloadavg()[0]:.1f}\n")
        print("| WAV | torchfx | warm | SoX | ffmpeg | of SoX | warm, of SoX |\n|" + " --- |" * 7)
        for seconds in lengths_s:
            sound = np.random.default_rng(1).uniform(-0.25, 0.25, (round(seconds * FS), channels))
            for subtype, words in GRID.items():
                source = folder / f"{subtype}.wav"
                soundfile.write(source, sound, FS, subtype)
                todo = _cold_and_warm(source, folder, subtype)
                runs = in_turn(todo, repeats)
                times = [f"{1e3 * runs[key].median_s:.0f} ms" if key in runs else "-" for key in COLUMNS]
                shares = [f"{runs[key].ratio_to(runs['sox']):.2f}" if "sox" in runs else "-" for key in COLUMNS[:2]]
                print(f"| {seconds:g} s, {words} | " + " | ".join([*times, *shares]) + " |", flush=True)
                last = [todo["warm"][0], *todo["warm"][1:3], TORCHFX, "warm", "stop"]
        in_turn({"stop": last}, 1)


COLUMNS = ("cold", "warm", "sox", "ffmpeg")


def _cold_and_warm(source: Path, folder: Path, subtype: str) -> dict[str, list[str]]:
    ours = [TORCHFX, "process", str(source), *WORDS, "-q", "--overwrite", "--dither", "none", "-o"]
    warm = ["env", "TORCHFX_WARM=60", f"XDG_RUNTIME_DIR={folder}"]
    found = {"cold": ["env", "TORCHFX_WARM=off", *ours, str(folder / "cold.wav")],
             "warm": [*warm, *ours, str(folder / "warm.wav")]}
    for name in COLUMNS[2:]:
        if not TOOLS[name].why_not():
            work = Work(CHAIN, WORDS, design_chain(CHAIN, FS), source, folder / f"{name}.wav", subtype)
            found[name] = TOOLS[name].command(work)
    return found


def commands(source: Path, folder: Path, names: list[str]) -> dict[str, list[str]]:
    """Name -> command line writing folder/NAME/out.wav, for what is installed here."""
    stages, found = design_chain(CHAIN, FS), {}
    for name in names:
        if reason := TOOLS[name].why_not():
            print(reason)
            continue
        (folder / name).mkdir()
        work = Work(CHAIN, WORDS, stages, source, folder / name / "out.wav", "PCM_16")
        try:
            found[name] = TOOLS[name].command(work)
        except CannotSayError as error:
            print(f"{name} has no words for: {error}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=240)
    parser.add_argument("--channels", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default=",".join(TOOLS), help="names, separated by commas")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--grid", action="store_true", help="lengths and formats, cold and warm")
    parser.add_argument("--lengths", default="1,5,30,60,240", help="of --grid, in seconds")
    args = parser.parse_args()
    if args.grid:
        grid([float(word) for word in args.lengths.split(",")], args.channels, args.repeats)
        return
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = write_noise(folder / "in.wav", FS, args.channels, round(args.seconds * FS))
        todo = commands(source, folder, args.only.split(","))
        runs = in_turn(todo, args.repeats, lambda key: (folder / key / "out.wav").unlink(missing_ok=True))
        print(f"{args.seconds:g} s x {args.channels} channels, 16 bit, six sections; medians of {args.repeats}; "
              f"{machine}")
        print(f"{'':15} {'time':>8} {'of SoX':>7} {'memory':>8} {'worst':>8} {'bias':>8}")
        for key, run in runs.items():
            worst, bias = error_lsb(source, folder / key / "out.wav")
            of_sox = run.ratio_to(runs["sox"]) if "sox" in runs else None
            share = "-" if of_sox is None else f"{of_sox:.2f}"
            print(f"{key:15} {run.median_s:6.2f} s {share:>7} {run.peak_mb:5.0f} MB {worst:8.3f} {bias:+8.3f}")
            rows.append({"tool": key, "median_s": run.median_s, "peak_mb": run.peak_mb, "worst_lsb": worst,
                         "bias_lsb": bias, "of_sox": of_sox})
    if args.json:
        document = {"seconds": args.seconds, "channels": args.channels, "machine": machine, "rows": rows}
        args.json.write_text(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
