"""Many short files, a corpus, many tiny files and one long output: torchfx on folders.

    python benchmarks/batch.py short [--files 1000] [--repeats 3] [--json results.json]    against a SoX shell loop
    python benchmarks/batch.py corpus [--files 1000]       FLAC of 44.1 kHz stereo to FLAC of 16 kHz mono, against loops
    python benchmarks/batch.py tiny [--files 100000]       memory, planning and resuming with very many files
    python benchmarks/batch.py long [--gigabytes 4.6]      an output that needs RF64, read back to its last frame

The chain, but for `corpus`, is the six sections of versus.py. Times are of whole processes, start-up included.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from ctypes.util import find_library
from pathlib import Path

import numpy as np
import soundfile
from timing import in_turn, run_once
from versus import FS, WORDS

from torchfx_cli.bench.loads import write_noise

# SoX under its own names: a shell loop is not given numbers.
SOX = ("highpass 80 0.7071q equalizer 250 1q -3 equalizer 1000 1q 2 equalizer 3200 0.9q 2.5 equalizer 8000 1q 1 "
       "lowpass 12000 0.7071q")


CORPUS_SOUNDS = 100  # the other files are hard links to them


def torchfx(source: Path, output: Path, *options: str) -> list[str]:
    return [str(Path(sys.executable).with_name("torchfx")), "process", str(source), "-o", str(output), "--quiet",
            *options, *WORDS]


def copies(folder: Path, files: int, seconds: float, channels: int) -> Path:
    """A folder of so many equal files, in subfolders of a thousand; hard links in each, so that they cost no disk."""
    first = folder / "first.wav"
    write_noise(first, FS, channels, round(seconds * FS))
    source = folder / "in"
    for number in range(files):
        place = source / f"{number // 1000:03}"
        if number % 1000 == 0:
            place.mkdir(parents=True)
            head = shutil.copyfile(first, place / f"{number:06}.wav")
        else:
            os.link(head, place / f"{number:06}.wav")
    return source


def short(args: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Stereo files of 5 s: one and two files at a time, a shell loop over torchfx itself, and one over SoX."""
    source = copies(folder, args.files, 5.0, 2)
    out = folder / "out"
    loop = f'mkdir -p "{out}"; find "{source}" -name "*.wav" | while read -r f; do '
    commands = {f"jobs {n}": torchfx(source, out, "--jobs", str(n)) for n in (1, 2, 3)}
    if shutil.which("sox"):
        commands["sox loop"] = ["bash", "-ec", loop + f'sox -D "$f" "{out}/$(basename "$f")" {SOX}; done']
    runs = in_turn(commands, args.repeats, lambda name: clear(out))
    rows = {}
    for name, run in runs.items():
        of_sox = run.ratio_to(runs["sox loop"]) if "sox loop" in runs else float("nan")
        gain = 1 / run.ratio_to(runs["jobs 1"])
        print(f"{name:10} {run.median_s:7.2f} s  {run.peak_mb:4.0f} MB  {of_sox:.2f} of SoX  "
              f"{gain:.2f}x as fast as one job")
        rows[name] = {"median_s": run.median_s, "peak_mb": run.peak_mb, "of_sox": of_sox, "of_one_job": gain}
    return {"files": args.files, "seconds": 5.0, "channels": 2, "repeats": args.repeats, "rows": rows}


def corpus(args: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Stereo FLAC of 10 to 30 s, as a speech data set is made of it: CPU time of each program and its children."""
    source, out, rng, seconds = folder / "in", folder / "out", np.random.default_rng(0), 0.0
    source.mkdir()
    for number in range(min(args.files, CORPUS_SOUNDS)):
        soundfile.write(source / f"{number:06}.flac", swelling(rng, rng.uniform(10, 30)), FS)
    for number in range(args.files):
        sound = source / f"{number % CORPUS_SOUNDS:06}.flac"
        seconds += soundfile.info(sound).duration
        if number >= CORPUS_SOUNDS:
            os.link(sound, source / f"{number:06}.flac")
    program = str(Path(sys.executable).with_name("torchfx"))
    loop = f'mkdir -p "{out}"; for f in "{source}"/*; do g="{out}/${{f##*/}}"; '
    commands = {"torchfx": [program, "process", str(source), "-o", str(out), "--quiet", "--rate", "16000", "--mono",
                            "--format", "flac", "--subtype", "16"]}
    if find_library("sndfile"):
        commands["torchfx, the system's libsndfile"] = ["env", "TORCHFX_LIBSNDFILE=system", *commands["torchfx"]]
    if shutil.which("sox"):
        commands["sox loop"] = ["bash", "-ec", loop + 'sox "$f" -b 16 "$g" remix - rate 16000; done']
    if shutil.which("ffmpeg"):
        commands["ffmpeg loop"] = ["bash", "-ec", loop + 'ffmpeg -nostdin -v error -threads 1 -i "$f" -ac 1 -ar 16000 '
                                                         '-sample_fmt s16 "$g"; done']
    best = dict.fromkeys(commands, (math.inf, math.inf))
    for _ in range(args.repeats):
        for name, command in commands.items():
            clear(out)
            best[name] = min(best[name], spent(command))
    for name, (cpu_s, wall_s) in best.items():
        of_cpu, of_wall = (a / b for a, b in zip(best[name], best["torchfx"], strict=True))
        print(f"{name:33} {cpu_s:7.1f} s of CPU, {seconds / cpu_s:4.0f}x real time a core, {of_cpu:.2f} of torchfx; "
              f"{wall_s:6.1f} s of time, {of_wall:.2f} of torchfx")
    return {"files": args.files, "seconds": seconds, "repeats": args.repeats,
            "rows": {name: {"cpu_s": cpu_s, "wall_s": wall_s} for name, (cpu_s, wall_s) in best.items()}}


def swelling(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Low-passed stereo noise that swells and fades, so that FLAC has about as much to do as with recordings."""
    frames = int(seconds * FS)
    knots = np.arange(0, frames, FS // 4)
    swell = np.interp(np.arange(frames), knots, rng.uniform(0.05, 1, len(knots)))
    smooth = np.cumsum(rng.standard_normal((frames + 16, 2)), axis=0)  # its differences are a low-passed noise
    return 0.03 * (smooth[16:] - smooth[:-16]) * swell[:, None]


def spent(command: list[str]) -> tuple[float, float]:
    """Seconds of CPU, and of time, that `command` takes with all its children."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall_s, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, wall_s


def clear(folder: Path) -> None:
    """Remove `folder`, and wait for the disk: what one run leaves it to do is not charged to the next."""
    shutil.rmtree(folder, ignore_errors=True)
    os.sync()


def tiny(args: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Mono files of 480 frames: a run, the same resumed, and the time until the first file is done."""
    source = copies(folder, args.files, 480 / FS, 1)
    out = folder / "out"
    began = time.perf_counter()
    process = subprocess.Popen(torchfx(source, out))
    while process.poll() is None and not list(out.glob("*/*.wav")):
        time.sleep(0.02)
    planned = time.perf_counter() - began
    memory = [resident_mb(process.pid)]
    while process.poll() is None:
        memory.append(resident_mb(process.pid))
        time.sleep(0.1)
    wall = time.perf_counter() - began
    if process.returncode:
        sys.exit("the batch failed")
    resumed = run_once(torchfx(source, out, "--resume"))
    print(f"{args.files} files: first output after {planned:.1f} s, all in {wall:.1f} s; resident {memory[0]:.0f} MB "
          f"at the first, {max(memory):.0f} MB at most; resumed in {resumed.seconds:.1f} s ({resumed.peak_mb:.0f} MB)")
    return {"files": args.files, "planned_s": planned, "wall_s": wall, "first_mb": memory[0], "peak_mb": max(memory),
            "resume_s": resumed.seconds, "resume_mb": resumed.peak_mb}


def resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def long(args: argparse.Namespace, folder: Path) -> dict[str, object]:
    """A float output of several gigabytes from a 16-bit FLAC of silence and noise; every frame is read back."""
    frames = round(args.gigabytes * 1e9 / 8)
    source, out = folder / "in.flac", folder / "out.wav"
    block = (np.random.default_rng(1).standard_normal((1 << 20, 2)) * 3000).astype(np.int16)
    block[1 << 14 :] = 0
    with soundfile.SoundFile(source, "w", FS, 2, "PCM_16") as sound:
        for start in range(0, frames, len(block)):
            sound.write(block[: frames - start])
    run = run_once(torchfx(source, out, "--subtype", "float"))
    with soundfile.SoundFile(out) as sound:
        read = sum(len(part) for part in sound.blocks(1 << 20, dtype="float32"))
        container = sound.format
    size = out.stat().st_size
    print(f"{size / 1e9:.2f} GB {container}: {read} of {frames} frames read back; {run.seconds:.1f} s, "
          f"{run.peak_mb:.0f} MB")
    if read != frames:
        sys.exit("frames are missing")
    return {"bytes": size, "container": container, "frames": frames, "wall_s": run.seconds, "peak_mb": run.peak_mb}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["short", "corpus", "tiny", "long"])
    parser.add_argument("--files", type=int)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--gigabytes", type=float, default=4.6)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    args.files = args.files or {"short": 1000, "corpus": 1000, "tiny": 100_000, "long": 1}[args.what]
    with tempfile.TemporaryDirectory() as name:
        result = {"short": short, "corpus": corpus, "tiny": tiny, "long": long}[args.what](args, Path(name))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    if args.json:
        args.json.write_text(json.dumps({"benchmark": args.what, "machine": machine, **result}, indent=1) + "\n")


if __name__ == "__main__":
    main()
