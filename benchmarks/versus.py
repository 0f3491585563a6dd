"""One file and one chain through torchfx, SoX, ffmpeg, pedalboard and SciPy, each as a whole process, where installed.

    python benchmarks/versus.py [--seconds 240] [--channels 2] [--repeats 5] [--json results.json]

The chain is six second-order sections of the RBJ cookbook, which all of them know; the file is 16-bit noise. No tool
dithers, so that every output can be held against float64 SciPy: `worst` is the largest error in steps of 16 bits
(0.5 is perfect rounding) and `bias` the mean error. Time and memory are of the whole process, start-up included.
pedalboard's high- and low-pass are of first order, so its output is another one.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from timing import in_turn

FS = 44_100
HIGHPASS_HZ, LOWPASS_HZ, Q = 80, 12_000, 0.5**0.5
PEAKS = ((250, -3.0, 1.0), (1000, 2.0, 1.0), (3200, 2.5, 0.9), (8000, 1.0, 1.0))  # Hz, dB, Q
BLOCK = 1 << 18

SCIPY_SCRIPT = """
import sys, numpy as np, soundfile
from scipy.signal import sosfilt
x, fs = soundfile.read(sys.argv[1])
y = sosfilt(np.array(eval(sys.argv[3])), x, axis=0)
soundfile.write(sys.argv[2], np.clip(np.rint(y * 32768), -32768, 32767).astype(np.int16), fs, "PCM_16")
"""

PEDALBOARD_SCRIPT = """
import sys
from pedalboard import HighpassFilter, LowpassFilter, Pedalboard, PeakFilter
from pedalboard.io import AudioFile
highpass, lowpass, peaks = eval(sys.argv[3])
board = Pedalboard([HighpassFilter(highpass), *(PeakFilter(f, g, q) for f, g, q in peaks), LowpassFilter(lowpass)])
source = AudioFile(sys.argv[1])
with AudioFile(sys.argv[2], "w", source.samplerate, source.num_channels, bit_depth=16) as out:
    while source.tell() < source.frames:
        out.write(board(source.read(1 << 18), source.samplerate, reset=False))
"""


def cookbook() -> np.ndarray:
    """[6, 6] sections by the formulas of the Audio EQ Cookbook, written out here to be independent of torchfx."""
    rows = []
    for kind, frequency, gain, q in (
        ("high", HIGHPASS_HZ, 0, Q),
        *(("peak", *p) for p in PEAKS),
        ("low", LOWPASS_HZ, 0, Q),
    ):
        w = 2 * np.pi * frequency / FS
        alpha, cos, a = np.sin(w) / (2 * q), np.cos(w), 10 ** (gain / 40)
        if kind == "peak":
            row = [1 + alpha * a, -2 * cos, 1 - alpha * a, 1 + alpha / a, -2 * cos, 1 - alpha / a]
        else:
            side = (1 + cos) / 2 if kind == "high" else (1 - cos) / 2
            row = [side, -2 * side if kind == "high" else 2 * side, side, 1 + alpha, -2 * cos, 1 - alpha]
        rows.append(np.array(row) / row[3])
    return np.array(rows)


def write_noise(path: Path, seconds: float, channels: int) -> None:
    rng = np.random.default_rng(1)
    frames = round(seconds * FS)
    with soundfile.SoundFile(path, "w", FS, channels, "PCM_16") as out:
        for start in range(0, frames, BLOCK):
            out.write((rng.standard_normal((min(BLOCK, frames - start), channels)) * 3000).astype(np.int16))


def commands(source: Path, folder: Path) -> dict[str, list[str]]:
    """Name -> command line writing folder/NAME.wav, for what is installed here."""
    here = str(Path(sys.executable).with_name("torchfx"))
    effects = [
        f"highpass:cutoff={HIGHPASS_HZ},q={Q!r}",
        *(f"peaking:frequency={f},gain={g},q={q}" for f, g, q in PEAKS),
        f"lowpass:cutoff={LOWPASS_HZ},q={Q!r}",
    ]
    stages = [word for effect in effects for word in ("-e", effect)]
    sox = [
        "highpass",
        HIGHPASS_HZ,
        *(word for f, g, q in PEAKS for word in ("equalizer", f, f"{q}q", g)),
        "lowpass",
        LOWPASS_HZ,
    ]
    ffmpeg = [
        f"highpass=f={HIGHPASS_HZ}:t=q:w={Q!r}",
        *(f"equalizer=f={f}:t=q:w={q}:g={g}" for f, g, q in PEAKS),
        f"lowpass=f={LOWPASS_HZ}:t=q:w={Q!r}",
    ]

    def out(name: str) -> str:
        return str(folder / f"{name}.wav")

    found = {
        "torchfx": [here, "process", str(source), "-o", out("torchfx"), "--overwrite", "--dither", "none", *stages],
        "scipy": [sys.executable, "-c", SCIPY_SCRIPT, str(source), out("scipy"), repr(cookbook().tolist())],
    }
    if shutil.which("sox"):
        found["sox"] = ["sox", "-D", str(source), out("sox"), *map(str, sox)]
    if shutil.which("ffmpeg"):
        found["ffmpeg"] = ["ffmpeg", "-v", "error", "-y", "-i", str(source), "-af", ",".join(ffmpeg), out("ffmpeg")]
    if importlib.util.find_spec("pedalboard"):
        found["pedalboard"] = [
            sys.executable,
            "-c",
            PEDALBOARD_SCRIPT,
            str(source),
            out("pedalboard"),
            repr((HIGHPASS_HZ, LOWPASS_HZ, PEAKS)),
        ]
    return found


def error_lsb(source: Path, output: Path) -> tuple[float, float]:
    """(largest, mean) difference from float64 SciPy in steps of 16 bits; infinite where frames are missing."""
    from scipy.signal import sosfilt

    sos = cookbook()
    worst = total = 0.0
    with soundfile.SoundFile(source) as a, soundfile.SoundFile(output) as b:
        if len(a) != len(b):
            return float("inf"), float("inf")
        state = np.zeros((len(sos), 2, a.channels))
        while len(x := a.read(BLOCK, always_2d=True)):
            truth, state = sosfilt(sos, x, axis=0, zi=state)
            difference = b.read(BLOCK, dtype="int16", always_2d=True) - truth * 32768
            worst = max(worst, float(np.abs(difference).max()))
            total += float(difference.sum())
        return worst, total / (len(a) * a.channels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=240)
    parser.add_argument("--channels", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", help="names, separated by commas")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, source = Path(name), Path(name, "in.wav")
        write_noise(source, args.seconds, args.channels)
        todo = commands(source, folder)
        if args.only:
            todo = {key: todo[key] for key in args.only.split(",")}
        runs = in_turn(todo, args.repeats, lambda key: (folder / f"{key}.wav").unlink(missing_ok=True))
        rows = []
        for key, run in runs.items():
            worst, bias = error_lsb(source, folder / f"{key}.wav")
            rows.append(
                {
                    "tool": key,
                    "median_s": run.median_s,
                    "peak_mb": max(run.peak_mb),
                    "worst_lsb": worst,
                    "bias_lsb": bias,
                    "of_sox": run.ratio_to(runs["sox"]) if "sox" in runs else None,
                }
            )
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{args.seconds:g} s x {args.channels} channels, 16 bit, six sections; medians of {args.repeats}; {machine}")
    print(f"{'':12} {'time':>8} {'of SoX':>7} {'memory':>8} {'worst':>8} {'bias':>8}")
    for row in rows:
        share = f"{row['of_sox']:7.2f}" if row["of_sox"] else "      -"
        print(
            f"{row['tool']:12} {row['median_s']:6.2f} s {share} {row['peak_mb']:5.0f} MB {row['worst_lsb']:8.3f} "
            f"{row['bias_lsb']:+8.3f}"
        )
    if args.json:
        args.json.write_text(
            json.dumps({"seconds": args.seconds, "channels": args.channels, "machine": machine, "rows": rows}, indent=1)
        )


if __name__ == "__main__":
    main()
