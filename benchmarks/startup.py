"""What each call of a shell loop pays: whole commands against the least that Python needs for the like.

    python benchmarks/startup.py [--repeats 20]

What says something is held against `python -c pass`, what does something against `python -c "import numpy, soundfile"`;
all take turns. Both columns are the least of all runs: wall clock, and processor time with that of children, which a
busy machine disturbs less. Wanted are ratios of 2 and of 1.2. docs/speed.md says where the time goes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from torchfx_cli.bench.loads import write_noise

TORCHFX = str(Path(sys.executable).with_name("torchfx"))
SECTIONS = """chain:
  - highpass: 80
  - low_shelf: {frequency: 120, gain: 1.5}
  - peaking: {frequency: 200, gain: -3, q: 1.2}
  - peaking: {frequency: 1000, gain: 2, q: 1}
  - peaking: {frequency: 3200, gain: 2.5, q: 0.9}
  - high_shelf: {frequency: 9000, gain: -2}
"""
EMPTY, LIBRARIES = "python -c pass", 'python -c "import numpy, soundfile"'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20)
    repeats = parser.parse_args().repeats
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else each run compiles the program anew
    os.environ["TORCHFX_WARM"] = "off"
    with tempfile.TemporaryDirectory() as folder:
        source, chain = str(write_noise(Path(folder, "in.wav"), 44_100, 2, 5 * 44_100)), Path(folder, "eq.yaml")
        chain.write_text(SECTIONS)
        process = [TORCHFX, "process", source, "-o", str(Path(folder, "out.wav")), "--overwrite", "-c"]
        commands = {
            EMPTY: (EMPTY, [sys.executable, "-c", "pass"]),
            LIBRARIES: (LIBRARIES, [sys.executable, "-c", "import numpy, soundfile"]),
            "torchfx --version": (EMPTY, [TORCHFX, "--version"]),
            "torchfx --help": (EMPTY, [TORCHFX, "--help"]),
            "torchfx process --help": (EMPTY, [TORCHFX, "process", "--help"]),
            "torchfx filters": (LIBRARIES, [TORCHFX, "filters"]),
            "torchfx info, 5 s": (LIBRARIES, [TORCHFX, "info", source]),
            "torchfx process, 5 s": (LIBRARIES, [*process, str(chain)]),
            "torchfx process, podcast-voice": (LIBRARIES, [*process, "podcast-voice"]),
        }
        runs = {name: [] for name in commands}
        for number in range(repeats + 1):
            for name, (_, command) in commands.items():
                times = once(command)
                if number:  # the first is to warm up
                    runs[name].append(times)
    print(f"{'least of ' + str(repeats):38} {'wall':>8} {'ratio':>5} {'cpu':>9} {'ratio':>5}")
    least = {name: [min(column) for column in zip(*times, strict=True)] for name, times in runs.items()}
    for name, (yardstick, _) in commands.items():
        print(f"{name:38}" + " ".join(
            f"{own * 1e3:6.0f} ms {own / other:5.2f}"
            for own, other in zip(least[name], least[yardstick], strict=True)))


def once(command: list[str]) -> tuple[float, float]:
    """Seconds of wall clock and of processor time."""
    started = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {child.returncode}")
    return time.perf_counter() - started, used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
