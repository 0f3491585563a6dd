"""Everything that only a machine with a GPU can show, in one command of under 8 minutes: `make gpu-check`.

Whether every chain is right at every rate, keeps the law over cuts, and lives with little memory; then times, each with
its error beside it, and what `--device auto` needs to know. Results go to benchmarks/results/ as JSON. Without a
GPU the same runs on the CPU through torch, with less of everything, and says so.
It needs no installation: torch 2.11 or later, numpy, scipy, pyyaml, soundfile, typer and rich are enough.

    python benchmarks/gpu_check.py [--budget 450] [--only speed]
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
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])  # for `torchfx process`

import torch  # noqa: E402
from gpu import correct, memory, speed  # noqa: E402
from gpu.rows import Check  # noqa: E402

from torchfx_cli.kernel.load import load  # noqa: E402

# The times come before the rarer faults: what a short budget leaves out is then of the least interest.
PARTS = {"correct": correct, "speed": speed, "memory": memory}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, default=450.0, help="seconds after which no row is begun")
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: cuda where there is one")
    args = parser.parse_args()
    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device == "cuda" else f"CPU {platform.machine()}"
    print(f"{name if device == 'cuda' else f'no CUDA here: {name} through torch'}; torch {torch.__version__}")
    check = Check(device, args.budget)
    for part in (args.only,) if args.only else PARTS:
        PARTS[part].everything(check)
    target = save(check, name)
    skipped = sum(row["status"] == "skipped" for row in check.rows)
    print(f"{len(check.rows)} rows, {skipped} skipped, {len(check.failed)} failed; {target.relative_to(ROOT)}")
    for failed in check.failed:
        print(f"failed: {failed}")
    return 1 if check.failed else 0


def save(check: Check, name: str) -> Path:
    """The JSON: of a GPU to be kept, of a CPU for a look only."""
    folder = ROOT / "benchmarks" / "results" / ("local" if check.small else "")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"gpu-{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')}.json"
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
