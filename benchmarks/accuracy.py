"""Every stage kind, family and preset at every rate, against the same chain by scipy.signal in float64.

    python benchmarks/accuracy.py [--engine native|torch] [--device cpu|cuda] [--seconds 2]

To hold: signal to error at least 140 dB with float32 output, and 16-bit output without dither within 1 step.
A row shows the worst of all rates; a rate at which a chain cannot exist (its cut-off is too high) is left out.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from cases import RATES, all_chains

from torchfx_cli.bench.accuracy import LEAST_DB, snr_db
from torchfx_cli.chain.spec import ChainSpec, design_chain
from torchfx_cli.errors import DesignError
from torchfx_cli.plan.assemble import RenderPlan, assemble
from torchfx_cli.render.choose import open_engine
from torchfx_cli.render.engine import Block, Engine
from torchfx_cli.samples import SampleFormat

FLOAT32, FLOAT64, INT16 = SampleFormat("float32"), SampleFormat("float64"), SampleFormat("int16", 16)
CUTS = (1, 17, 509, 8192)
TO_HOLD_LSB = 1.0


def render(plan: RenderPlan, signal: Block, engine: str, device: str) -> Block:
    """`signal` [frames, channels] through `plan`, in uneven blocks, measuring passes first."""
    return _through(open_engine(heard(plan, signal, engine, device), engine, device), signal)


def heard(plan: RenderPlan, signal: Block, engine: str, device: str) -> RenderPlan:
    """`plan` with what stages that hear the whole signal first find in it."""
    return plan.measured_by(lambda measuring: [_through(open_engine(measuring, engine, device), signal)])


def _through(engine: Engine, signal: Block) -> Block:
    parts = np.split(signal, [cut for cut in np.cumsum(CUTS) if cut < len(signal)])
    return np.concatenate([*map(engine.process, parts), *engine.flush()])


def errors(chain: ChainSpec, fs: int, seconds: float, engine: str, device: str) -> tuple[float, float]:
    """(signal to error in dB with float32 output, worst error in steps of 16 bits)."""
    stages = design_chain(chain, fs, 2)
    noise = (np.random.default_rng(fs).standard_normal((round(fs * seconds), 2)) * 0.05).astype(np.float32)
    truth = render(assemble(stages, fs, 2, FLOAT32, FLOAT64), noise, "scipy", "cpu").astype(np.float64)
    floats = render(assemble(stages, fs, 2, FLOAT32, FLOAT32), noise, engine, device)
    steps = render(assemble(stages, fs, 2, FLOAT32, INT16, "none"), noise, engine, device)
    coarse = [stage.for_output(INT16) for stage in stages]  # resample has another quality for 16 bits
    exact = render(assemble(coarse, fs, 2, FLOAT32, FLOAT64), noise, "scipy", "cpu").astype(np.float64)
    return snr_db(floats, truth), float(np.abs(steps - np.clip(exact * 32768, -32768, 32767)).max())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="native")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=float, default=1.0)
    args = parser.parse_args()
    failed = 0
    print(f"{'chain':56} {'signal/error':>12} {'16 bit':>10}  rates")
    for name, chain in all_chains().items():
        rows = {}
        for fs in RATES:
            try:
                rows[fs] = errors(chain, fs, args.seconds, args.engine, args.device)
            except DesignError:
                continue
        snr, lsb = min(r[0] for r in rows.values()), max(r[1] for r in rows.values())
        bad = snr < LEAST_DB or lsb > TO_HOLD_LSB
        failed += bad
        print(f"{name:56} {snr:9.1f} dB {lsb:6.3f} LSB  {len(rows)}{'  NOT HELD' if bad else ''}", flush=True)
    print(f"{failed} not held")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
