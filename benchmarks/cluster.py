"""What a cluster costs: a file beside a local run, and how far it scales, both as ratios measured side by side.

    python benchmarks/cluster.py [--files 10000] [--long 16] [--seconds 240]

Small files: the same batch by `--jobs 2` and by `--cluster local:2`; the difference is the overhead, which includes
the start of the cluster. Long files: two local runs with one worker each, on halves of the files and at the same time,
are what two cores can reach at best; the cluster is held against that, without its start and with it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

FS = 48_000
ENVIRONMENT = {**os.environ, "TORCHFX_WARM": "off"}


def make(folder: Path, files: int, seconds: float) -> None:
    """The first is synthesised; the others are its hard links."""
    folder.mkdir()
    rng = np.random.default_rng(1)
    soundfile.write(folder / "0.wav", rng.uniform(-0.3, 0.3, (round(seconds * FS), 2)), FS)
    for number in range(1, files):
        os.link(folder / "0.wav", folder / f"{number}.wav")


def started(inputs: Path, output: Path, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "torchfx_cli", "process", str(inputs), "-c", "podcast-voice", "-o",
                             str(output), "-q", *options], env=ENVIRONMENT)


def timed(*runs: tuple[Path, Path, tuple[str, ...]]) -> float:
    """Seconds until all of `runs`, begun at once, have ended."""
    began_s = time.perf_counter()
    processes = [started(inputs, output, *options) for inputs, output, options in runs]
    codes = [process.wait() for process in processes]
    assert not any(codes), codes
    return time.perf_counter() - began_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000, help="small ones")
    parser.add_argument("--long", type=int, default=16, help="long files")
    parser.add_argument("--seconds", type=float, default=240.0, help="of each")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="torchfx-bench-") as name:
        top = Path(name)
        make(top / "small", given.files, 0.05)
        make(top / "one", 1, 0.05)
        start_s = timed((top / "one", top / "out-one", ("--cluster", "local:2")))
        local_s = timed((top / "small", top / "out-local", ("--jobs", "2")))
        cluster_s = timed((top / "small", top / "out-cluster", ("--cluster", "local:2")))
        print(f"start of a cluster and one file: {start_s:.1f} s")
        print(f"{given.files} small files: local {local_s:.1f} s, cluster {cluster_s:.1f} s, overhead "
              f"{1e3 * (cluster_s - local_s) / given.files:.2f} ms a file, without the start "
              f"{1e3 * (cluster_s - local_s - start_s) / given.files:.2f}")
        make(top / "long", given.long, given.seconds)
        for half in (0, 1):
            (top / f"half-{half}").mkdir()
            for number in range(half, given.long, 2):
                os.link(top / "long" / f"{number}.wav", top / f"half-{half}" / f"{number}.wav")
        halves_s = timed(*((top / f"half-{half}", top / f"out-{half}", ("--jobs", "1")) for half in (0, 1)))
        whole_s = timed((top / "long", top / "out-long", ("--cluster", "local:2")))
        print(f"{given.long} files of {given.seconds:g} s: two local runs on halves {halves_s:.1f} s, cluster "
              f"{whole_s:.1f} s; scaling {halves_s / (whole_s - start_s):.2f}, with the start {halves_s / whole_s:.2f}")


if __name__ == "__main__":
    main()
