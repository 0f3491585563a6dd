"""Everything that only a machine with a GPU can show, in one command: `make gpu-check`.

First correctness: every stage kind, family and preset at every rate through the torch engine on the GPU against the CPU
engine, then memory, then timings with CUDA events after a warm-up, each with its error beside it. Results go to
benchmarks/results/ as JSON. Without a GPU the same runs on the CPU through torch, which the result says.
It needs no installation: torch, numpy, scipy, soundfile, typer, rich and pyyaml are enough.
"""

from __future__ import annotations

import json
import platform
import statistics
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import numpy as np  # noqa: E402
import torch  # noqa: E402
from accuracy import FLOAT64, RATES, render  # noqa: E402
from cases import all_chains  # noqa: E402

from torchfx_cli.chain.parse import join  # noqa: E402
from torchfx_cli.design.design import design_chain  # noqa: E402
from torchfx_cli.errors import DesignError  # noqa: E402
from torchfx_cli.plan.assemble import assemble  # noqa: E402
from torchfx_cli.samples import SampleFormat  # noqa: E402

TO_HOLD_DB = 140.0
REPEATS = 10
FLOAT32 = SampleFormat("float32")
CHAINS = {
    "fir": [f"fir:lowpass={f},taps={n}" for f, n in zip((1000, 5000, 1500, 1800, 1850), range(101, 106), strict=True)],
    "iir": [
        "highpass:1000",
        "lowpass:5000",
        "highpass:cutoff=1500,family=chebyshev1",
        "lowpass:cutoff=1800,family=chebyshev1",
    ],
}


def correctness(device: str) -> list[dict[str, object]]:
    """Float64 in and out, so that nothing is hidden behind a rounding: worst signal to error over the rates."""
    rows = []
    for name, chain in all_chains().items():
        worst = np.inf
        for fs in RATES:
            try:
                stages = design_chain(chain, fs)
            except DesignError:
                continue
            plan = assemble(stages, fs, 2, FLOAT64, FLOAT64)
            signal = np.random.default_rng(fs).standard_normal((fs, 2)) * 0.05
            truth, got = render(plan, signal, "native", "cpu"), render(plan, signal, "torch", device)
            wrong = np.sqrt(np.mean((got - truth) ** 2))
            worst = min(worst, 20 * np.log10(np.sqrt(np.mean(truth**2)) / wrong) if wrong else np.inf)
        rows.append({"chain": name, "snr_db": round(float(min(worst, 999.0)), 1)})
        print(f"{name:60} {worst:7.1f} dB", flush=True)
    return rows


def timings(device: str, seconds: float, channels: int, fs: int = 44_100) -> list[dict[str, object]]:
    """The modules on a tensor that is already on the device; a copy of the same tensor is the yardstick."""
    from torchfx_cli.render.torch_engine import modules_of

    frames = round(seconds * fs)
    noise = torch.from_numpy(np.random.default_rng(1).uniform(-1, 1, (channels, frames))).to(device)
    copy = measure(lambda: noise.clone(), device)
    rows = []
    for name, effects in CHAINS.items():
        stages = design_chain(join([], effects), fs)
        plan = assemble(stages, fs, channels, FLOAT64, FLOAT64)
        module = modules_of(plan).to(device)
        with torch.no_grad():
            taken = measure(lambda module=module: module(noise), device)
            head = module(noise[:, :fs]).cpu().numpy().T
        truth = render(plan, noise[:, :fs].cpu().numpy().T.copy(), "scipy", "cpu")
        snr = 20 * np.log10(np.sqrt(np.mean(truth**2) / np.mean((head - truth) ** 2)))
        rows.append(
            {
                "suite": name,
                "seconds": seconds,
                "channels": channels,
                "dtype": "float64",
                "ms": taken * 1e3,
                "copy_ms": copy * 1e3,
                "snr_db": round(float(snr), 1),
            }
        )
        print(
            f"{name:5} {seconds:5g} s x {channels:2} {taken * 1e3:10.2f} ms  copy {copy * 1e3:8.2f} ms  {snr:6.1f} dB",
            flush=True,
        )
    return rows


def measure(work, device: str) -> float:
    """Median seconds of `work()`, synchronised."""
    times = []
    for _ in range(REPEATS + 2):
        if device != "cpu":
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            work()
            end.record()
            torch.cuda.synchronize()
            times.append(start.elapsed_time(end) / 1e3)
        else:
            before = time.perf_counter()
            work()
            times.append(time.perf_counter() - before)
    return statistics.median(times[2:])


def main() -> int:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    name = torch.cuda.get_device_name() if device == "cuda" else f"no GPU: {platform.machine()} CPU through torch"
    print(f"{name}; torch {torch.__version__}")
    rows = correctness(device)
    sizes = [(60, 2), (600, 12)] if device == "cuda" else [(5, 2)]
    times = [row for seconds, channels in sizes for row in timings(device, seconds, channels)]
    failed = [r["chain"] for r in rows if float(str(r["snr_db"])) < TO_HOLD_DB]
    result = {
        "device": name,
        "is_gpu": device == "cuda",
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "peak_device_mb": torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else None,
        "correctness": rows,
        "timings": times,
        "failed": failed,
    }
    folder = ROOT / "benchmarks" / "results" / ("" if device == "cuda" else "local")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"gpu-check-{name.split(':')[0].replace(' ', '-').lower()}.json"
    target.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{len(failed)} chains below {TO_HOLD_DB:g} dB {failed or ''}; {target.relative_to(ROOT)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
