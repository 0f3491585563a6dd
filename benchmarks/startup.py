"""What a shell loop pays for each file: start-up of the command line against that of its bare imports.

    python benchmarks/startup.py [--repeats 15]

The yardstick is `python -c "import numpy, soundfile, typer, yaml"`. To hold: --help at most 1.4 times that,
`process` of a file of 5 seconds at most 2.2 times.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from timing import in_turn

from torchfx_cli.bench.loads import write_noise

TORCHFX = str(Path(sys.executable).with_name("torchfx"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        source = str(write_noise(Path(folder, "in.wav"), 44_100, 2, 5 * 44_100))
        process = [TORCHFX, "process", source, "-o", str(Path(folder, "out.wav")), "--overwrite"]
        commands = {
            "imports": [sys.executable, "-c", "import numpy, soundfile, typer, yaml"],
            "torchfx --help": [TORCHFX, "--help"],
            "torchfx process, 5 s": [*process, "-e", "highpass:80", "-e", "peaking:frequency=3.2 kHz,gain=2.5,q=0.9"],
            "torchfx process, podcast-voice": [*process, "-c", "podcast-voice"],
        }
        runs = in_turn(commands, repeats)
    print(f"{'':32} {'median':>8} {'ratio':>6} {'peak':>7}")
    for name, run in runs.items():
        print(f"{name:32} {run.median_s:6.3f} s {run.ratio_to(runs['imports']):6.2f} {run.peak_mb:4.0f} MB")


if __name__ == "__main__":
    main()
