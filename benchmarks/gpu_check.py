"""Everything that only a machine with a GPU can show, in one command of under 8 minutes: `make gpu-check`.

What tells the most comes first: every kind of stage against the CPU, with where it is computed; the times that there
are goals for, each with its error; then every chain at every rate, the law over cuts, variants, what `--device auto`
needs to know, and little memory. Results go to benchmarks/results/ as JSON after each row; `--resume` goes on with a
run that was cut. The last lines are for the README. Without a GPU the same runs on the CPU through torch, with less
of everything, and says so.
It needs no installation: torch 2.11 or later, numpy, scipy, pyyaml, soundfile, typer and rich are enough.

    python benchmarks/gpu_check.py [--budget 450] [--only speed] [--resume]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import torch  # noqa: E402
from gpu import correct, memory, speed  # noqa: E402
from gpu.rows import Check  # noqa: E402

from torchfx_cli.kernel.load import load  # noqa: E402

# What a short budget leaves out is of the least interest.
PARTS = {"kinds": correct.every_kind, "speed": speed.suites, "correct": correct.everything,
         "variants": speed.everything, "memory": memory.everything}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, default=450.0, help="seconds after which no row is begun")
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    parser.add_argument("--resume", action="store_true", help="keep the rows of the last run that were right")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: cuda where there is one")
    args = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])  # for `torchfx process`
    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device == "cuda" else f"CPU {platform.machine()}"
    print(f"{name if device == 'cuda' else f'no CUDA here: {name} through torch'}; torch {torch.__version__}")
    check = Check(device, args.budget, saved=lambda check: save(check, name))
    if args.resume:
        check.done = earlier(check, name)
        print(f"{len(check.done)} rows are kept")
    try:
        for part in (args.only,) if args.only else PARTS:
            PARTS[part](check)
    except KeyboardInterrupt:
        print("cut; go on with --resume")
    target = save(check, name)
    skipped = sum(row["status"] == "skipped" for row in check.rows)
    print(f"{len(check.rows)} rows, {skipped} skipped, {len(check.failed)} failed; {target.relative_to(ROOT)}")
    for failed in check.failed:
        print(f"failed: {failed}")
    print("\nfor the README:\n", *readme_lines(check, name), sep="\n")
    return 1 if check.failed else 0


def readme_lines(check: Check, name: str) -> list[str]:
    """A table of what was found, as Markdown."""
    ok: dict[str, list[dict[str, Any]]] = {}
    for row in check.rows:
        if row["status"] == "ok":
            ok.setdefault(row["group"], []).append(row)
    lines = [f"| {name}, torch {torch.__version__} | measured |", "| --- | --- |"]
    for group, words in (("kind", "kinds of stages against the CPU"), ("right", "chains at every rate"),
                         ("law", "chains, cut anywhere")):
        rows = [row for row in check.rows if row["group"] == group and row["status"] != "skipped"]
        if rows:
            worst = min((row["snr_db"] for row in rows if "snr_db" in row), default=None)
            also = "" if worst is None else f", at least {worst:.0f} dB of signal to error"
            lines.append(f"| {words} | {len(ok.get(group, []))} of {len(rows)} right{also} |")
    lines += [f"| {row['name']} | {row['ms']:.3g} ms, {row['copies']:.1f} times a copy of the sound |"
              for row in ok.get("suite", [])]
    lines += [f"| a file, {row['name']} | {row['end to end']:.2f} s, of it {row['start-up']:.2f} s start-up |"
              for row in ok.get("end2end", [])]
    return lines


def earlier(check: Check, name: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The right rows of the last run here, by the same torch; none where there was no such run."""
    try:
        document = json.loads(place(check, name).read_text())
    except (OSError, ValueError):
        return {}
    if (document["device"], document["torch"], document["kernel"]) != (name, torch.__version__, load().name):
        return {}
    return {(row["group"], row["name"]): row for row in document["rows"] if row["status"] == "ok"}


def place(check: Check, name: str) -> Path:
    """Of the JSON: of a GPU to be kept, of a CPU for a look only."""
    folder = ROOT / "benchmarks" / "results" / ("local" if check.small else "")
    return folder / f"gpu-{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')}.json"


def save(check: Check, name: str) -> Path:
    target = place(check, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    document: dict[str, Any] = {
        "device": name,
        "is_gpu": not check.small,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "kernel": load().name,
        "python": platform.python_version(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - check.started_s, 1),
        "rows": check.rows,
    }
    target.write_text(json.dumps(document, indent=1) + "\n")
    return target


if __name__ == "__main__":
    sys.exit(main())
