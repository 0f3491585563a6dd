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

import numpy as np
import soundfile
from timing import in_turn

TORCHFX = str(Path(sys.executable).with_name("torchfx"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in.wav")
        noise = np.random.default_rng(1).standard_normal((5 * 44_100, 2)) * 3000
        soundfile.write(source, noise.astype(np.int16), 44_100, "PCM_16")
        output = Path(folder, "out.wav")
        effects = ["-e", "highpass:80", "-e", "peaking:frequency=3.2 kHz,gain=2.5,q=0.9"]
        commands = {
            "imports": [sys.executable, "-c", "import numpy, soundfile, typer, yaml"],
            "torchfx --help": [TORCHFX, "--help"],
            "torchfx process, 5 s": [TORCHFX, "process", str(source), "-o", str(output), "--overwrite", *effects],
            "torchfx process, podcast-voice": [
                TORCHFX,
                "process",
                str(source),
                "-o",
                str(output),
                "--overwrite",
                "-c",
                "podcast-voice",
            ],
        }
        runs = in_turn(commands, repeats)
    print(f"{'':32} {'median':>8} {'ratio':>6} {'peak':>7}")
    for name, run in runs.items():
        print(f"{name:32} {run.median_s:6.3f} s {run.ratio_to(runs['imports']):6.2f} {max(run.peak_mb):4.0f} MB")


if __name__ == "__main__":
    main()
