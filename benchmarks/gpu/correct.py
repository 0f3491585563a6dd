"""Is it right: every kind and chain against the CPU, the law over cuts, the host's rounding, packed files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from accuracy import FLOAT32, FLOAT64, INT16, RATES, heard, render
from cases import all_chains, kinds, variants

from gpu.rows import Check
from torchfx_cli.bench.accuracy import LEAST_DB, snr_db
from torchfx_cli.chain.spec import ChainSpec, design_chain
from torchfx_cli.errors import DesignError
from torchfx_cli.kernel.twin import tpdf as tpdf_on_host
from torchfx_cli.plan.assemble import RenderPlan, assemble
from torchfx_cli.render.batched import BatchedRun
from torchfx_cli.render.choose import open_engine
from torchfx_cli.render.engine import Engine
from torchfx_cli.render.quantiser import tpdf
from torchfx_cli.render.torch_engine import TorchEngine, modules_of

LAW = 1e-12  # chunked = whole, of the loudest sample
UNIT_FRAMES = 40_000  # so that a second of signal is cut into several
CUTS = (17, 509, 44_100)
FS = 48_000
CHAIN = ("highpass:20", "peaking:frequency=100,gain=6", "fir:lowpass=3 kHz,taps=511,align=true", "lowpass:9 kHz")


def every_kind(check: Check) -> None:
    """The example of every kind at one rate."""
    for name, chain in kinds().items():
        check.row("kind", name, lambda chain=chain: against_the_cpu(check, chain, (FS,)))


def everything(check: Check) -> None:
    for name, chain in variants().items():
        check.row("right", name, lambda chain=chain: against_the_cpu(check, chain, RATES[: 2 if check.small else None]))
    for name, chain in all_chains().items():
        check.row("law", name, lambda chain=chain: law(check, chain))
    check.row("dither", "noise on the device", lambda: dither(check))
    check.row("packed", "files side by side, and alone", lambda: packed(check))


def noise(fs: int, frames: int, channels: int = 2) -> np.ndarray:
    return np.random.default_rng(fs).standard_normal((frames, channels)) * 0.05


def against_the_cpu(check: Check, chain: ChainSpec, of_rates: tuple[int, ...]) -> dict[str, Any]:
    """Float64 in and out, so that nothing is hidden behind a rounding: the worst signal to error over the rates.

    `on` says how many runs of stages are computed on the device, and which stages on the host in between.
    """
    worst, rates, on = np.inf, 0, ""
    for fs in of_rates:
        try:
            stages = design_chain(chain, fs, 2)
        except DesignError:
            continue
        x = noise(fs, fs // 8 if check.small and len(of_rates) > 1 else fs)
        plan = heard(assemble(stages, fs, 2, FLOAT64, FLOAT64), x, "native", "cpu")
        on = where(plan)
        truth, got = render(plan, x, "native", "cpu"), render(plan, x, "torch", check.device)
        worst, rates = min(worst, snr_db(got, truth)), rates + 1
    return {"ok": rates > 0 and worst >= LEAST_DB, "snr_db": round(min(worst, 999.0), 1), "rates": rates, "on": on}


def where(plan: RenderPlan) -> str:
    """`device`, `host: mono` or `device, host: compress ..., device`."""
    return ", ".join("device" if part.is_linear else f"host: {part.stages[0].label}" for part in plan.parts)


def law(check: Check, chain: ChainSpec) -> dict[str, Any]:
    """Blocks of any length (to the bit), units of another length, and the bare modules cut anywhere."""
    fs = 48_000
    x = noise(fs, 6_000 if check.small else fs)
    plan = heard(assemble(design_chain(chain, fs, 2), fs, 2, FLOAT64, FLOAT64), x, "native", "cpu")
    whole = through(open_engine(plan, "torch", check.device), x, len(x))
    same = all(through(open_engine(plan, "torch", check.device), x, size).tobytes() == whole.tobytes() for size in CUTS)
    if not plan.is_linear:
        return {"ok": same, "cuts_are_the_same": same}
    other = np.abs(through(TorchEngine(plan, check.device, UNIT_FRAMES), x, 4096) - whole).max(initial=0.0)
    worst = max(float(other), cut_modules(check, plan, x)) / max(np.abs(x).max(), np.abs(whole).max())
    return {"ok": same and worst <= LAW, "cuts_are_the_same": same, "worst_relative": float(worst)}


@torch.inference_mode()
def cut_modules(check: Check, plan: RenderPlan, x: np.ndarray) -> float:
    """The largest difference that cutting makes to the modules alone."""
    chain, signal = modules_of(plan.stages).to(check.device), torch.from_numpy(x.T.copy()).to(check.device)
    state, parts = chain.initial_state(2), []
    for block in signal.tensor_split(np.sort(np.random.default_rng(1).integers(0, len(x), 30)).tolist(), dim=-1):
        y, state = chain.step(block, state)
        parts.append(y)
    return float((torch.cat(parts, dim=-1) - chain(signal)).abs().max())


def through(engine: Engine, x: np.ndarray, size: int) -> np.ndarray:
    done = [engine.process(x[n : n + size]) for n in range(0, len(x), size)]
    return np.concatenate([*done, *engine.flush()])


def dither(check: Check) -> dict[str, Any]:
    """The same noise as the kernel's, in the middle of a file and where the hash begins anew."""
    differ = 0
    for first in (0, 2**31 - 1000, 3 * 2**31 + 12345):
        found = tpdf(7, first, 100_000, torch.device(check.device)).cpu().numpy()
        differ += int(np.count_nonzero(found != tpdf_on_host(7, first, 100_000)))
    return {"ok": not differ, "samples_that_differ": differ}


def packed(check: Check) -> dict[str, Any]:
    """Short files together, alone in their launch (to the bit), and by the engine one by one."""
    plan = packed_plan(FLOAT64)
    blocks = [np.int16(noise(n, n) * 32768) for n in range(500, 40_000, 4567 if check.small else 777)]
    run = BatchedRun(plan, check.device)
    together = [np.asarray(result[0]) for result in run.render(blocks)]  # type: ignore[index]
    alone = [np.asarray(run.render([block])[0][0]) for block in blocks]  # type: ignore[index]
    engine = [through(TorchEngine(plan, check.device), block, len(block)) for block in blocks]
    same = all(one.tobytes() == other.tobytes() for one, other in zip(together, alone, strict=True))
    worst = max(float(np.abs(one - other).max()) for one, other in zip(together, engine, strict=True))
    rounded = replace(plan, sink=INT16, dither=True)
    integers = [np.asarray(result[0]) for result in BatchedRun(rounded, check.device).render(blocks)]  # type: ignore[index]
    by_cpu = [render(rounded, block, "native", "cpu") for block in blocks]
    steps = sum(int(np.count_nonzero(one != other)) for one, other in zip(integers, by_cpu, strict=True))
    ok = same and worst <= LAW
    return {"ok": ok, "alone_is_the_same": same, "worst_to_engine": worst, "of_16_bits_differ": steps}


def packed_plan(sink=FLOAT32) -> RenderPlan:
    from torchfx_cli.chain.parse import join

    return assemble(design_chain(join([], list(CHAIN)), 44_100), 44_100, 2, INT16, sink)
