"""A shell loop that starts a program for each file: torchfx cold, warm by either client, and SoX where it is installed.

    python benchmarks/shell_loop.py [--files 20] [--seconds 1,5,30] [--repeats 3] [--torch]

`warm` is what `torchfx` on the path does, an interpreter that hands the call over; `hook` is the client in C, as
`torchfx warm hook` makes it. Six sections over 16-bit stereo noise, as in versus.py. Each row is one `bash` with one
line a file; milliseconds are of one file. --torch takes the torch engine on the CPU, which starts as a GPU does: with
an import of torch. A warm process in a runtime folder of its own is started before, and its first call is not timed.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import tempfile
from pathlib import Path

from timing import in_turn
from versus import CHAIN, FS, WORDS

from torchfx_cli.bench.loads import write_noise
from torchfx_cli.bench.other_tools import TOOLS, Work
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.warm.place import CLIENT

TORCHFX = str(Path(sys.executable).with_name("torchfx"))
INTERPRETER = Path(TORCHFX).read_text().splitlines()[0].removeprefix("#!")  # by this name the warm process knows it


def loop(lines: list[list[str]], **environment: str) -> list[str]:
    exports = [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
    return ["bash", "-ec", "\n".join([*exports, *map(shlex.join, lines)])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--seconds", default="1,5,30")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--torch", action="store_true")
    args = parser.parse_args()
    engine = ["--engine", "torch"] if args.torch else []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        warm = {"TORCHFX_WARM": "60", "XDG_RUNTIME_DIR": name}
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
        print(f"{'':22} {'a file':>10} {'of SoX':>7} {'of cold':>8}")
        for seconds in map(float, args.seconds.split(",")):
            sources = [write_noise(folder / f"{seconds:g}-{number}.wav", FS, 2, round(seconds * FS))
                       for number in range(args.files)]
            out = folder / "out.wav"
            options = [*WORDS, *engine, "-q", "--overwrite", "-o", str(out)]
            ours = [[TORCHFX, "process", str(source), *options] for source in sources]
            loops = {"cold": loop(ours, TORCHFX_WARM="off"), "warm": loop(ours, **warm)}
            if Path(CLIENT).exists():
                loops["hook"] = loop([[CLIENT, INTERPRETER, *line[1:]] for line in ours], **warm)
            if not TOOLS["sox"].why_not():
                stages = design_chain(CHAIN, FS)
                loops["sox"] = loop([TOOLS["sox"].command(Work(CHAIN, WORDS, stages, source, out, "PCM_16"))
                                     for source in sources])
            runs = in_turn(loops, args.repeats)
            for key, run in runs.items():
                of_sox = f"{run.ratio_to(runs['sox']):.2f}" if "sox" in runs else "-"
                print(f"{key:6} {seconds:5g} s a file {1e3 * run.median_s / args.files:7.0f} ms {of_sox:>7} "
                      f"{run.ratio_to(runs['cold']):8.2f}")
        in_turn({"stop": loop([[TORCHFX, "warm", "stop"]], **warm)}, 1)


if __name__ == "__main__":
    main()
