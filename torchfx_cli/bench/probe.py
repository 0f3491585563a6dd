"""Short measurements on this machine, now: a plan on an engine, a file from end to end, a whole new process.

They share their rule: one run to warm up, then as many as fit into a small budget, three at least, and the median.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from torchfx_cli.design.stages import Stage
from torchfx_cli.errors import RunError
from torchfx_cli.plan.assemble import RenderPlan, assemble
from torchfx_cli.render.choose import open_engine
from torchfx_cli.render.engine import Engine
from torchfx_cli.samples import SampleFormat, block_frames
from torchfx_cli.stream.formats import choose_output
from torchfx_cli.stream.writer import Output
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.onefile import RunObserver, process_file

BUDGET_S = 0.3  # for one number
LEAST_RUNS = 3
LONGEST_RUN_S = 20.0
FLOAT32 = SampleFormat("float32")
INT16 = SampleFormat("int16", 16)
LEVEL = 2**13  # of the noise, a quarter of full scale, so that few chains clip it

CHILD = """
import pickle, sys
sys.path[:] = pickle.load(sys.stdin.buffer)
function, arguments = pickle.load(sys.stdin.buffer)
answer = pickle.dumps(function(*arguments))
sys.stdout.buffer.write(answer)
"""


def median_seconds(call: Callable[[], object], budget_s: float = BUDGET_S,
                   now: Callable[[], float] = time.perf_counter) -> float:
    """The median time of `call`, run once before, then `LEAST_RUNS` times and on until `budget_s` is spent.

    What takes longer than the budget alone is timed once, without another run.
    """
    times: list[float] = []
    first_s = _timed(call, now)
    if first_s > budget_s:
        return first_s
    while len(times) < LEAST_RUNS or sum(times) < budget_s:
        times.append(_timed(call, now))
    return median(times)


def _timed(call: Callable[[], object], now: Callable[[], float]) -> float:
    started = now()
    call()
    return now() - started


def plan_for(stages: tuple[Stage, ...], fs: int, channels: int) -> RenderPlan:
    """float32 in, float32 out: filtering and the least of conversion."""
    return assemble(stages, fs, channels, FLOAT32, FLOAT32)


def engine_seconds(plan: RenderPlan, engine: str, device: str, frames: int, budget_s: float = BUDGET_S) -> float:
    """Median seconds that `frames` frames of noise take on a fresh engine, in blocks of the usual length."""
    opened = open_engine(plan, engine, device)
    size = block_frames(plan.channels)
    block = _noise(min(size, frames), plan.channels)

    def run() -> None:
        opened.reset()
        for start in range(0, frames, size):
            opened.process(block[: frames - start])
        _drain(opened)

    return median_seconds(run, budget_s)


def _drain(engine: Engine) -> None:
    for _ in engine.flush():
        pass


def _noise(frames: int, channels: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(-0.25, 0.25, (frames, channels)).astype(np.float32)


class NoiseFacts:
    """What `choose_output` asks of a source, for 16-bit noise."""

    container, subtype, channel_map = "WAV", "PCM_16", ()

    def __init__(self, fs: int, channels: int) -> None:
        self.fs, self.channels = fs, channels


def write_noise(path: Path, fs: int, channels: int, frames: int) -> Path:
    """A 16-bit WAV of white noise, seeded; about 1 s a minute of 100 channels."""
    form = choose_output(path, NoiseFacts(fs, channels))
    size = block_frames(channels)
    random = np.random.default_rng(1)
    with Output(path, fs, channels, form, None, 2 * frames * channels, overwrite=True) as output:
        for start in range(0, frames, size):
            shape = min(size, frames - start), channels
            output.write(random.integers(-LEVEL, LEVEL, shape, dtype=np.int16))
        output.commit()
    return path


def file_seconds(source: Path, output: Path, settings: Settings, budget_s: float = BUDGET_S) -> float:
    """Median seconds of one file from opening to rename, in this process. Raises RunError where it fails."""
    job = Job(source, output, overwrite=True)

    def run() -> None:
        result = process_file(job, settings, RunObserver())
        if result.status != "ok":
            raise RunError(f"the file of noise that was to be timed failed: {result.error}")

    return median_seconds(run, budget_s)


def fresh(function: Callable[..., Any], *arguments: object, longest_s: float = LONGEST_RUN_S) -> Any:
    """What `function`, a module's own, gives in a new interpreter, which shares nothing that is loaded here."""
    told = pickle.dumps(sys.path) + pickle.dumps((function, arguments))
    done = run_process([sys.executable, "-c", CHILD], told, longest_s)
    return pickle.loads(done)


def run_process(command: list[str], told: bytes = b"", longest_s: float = LONGEST_RUN_S) -> bytes:
    """What `command` writes; raises RunError with the last line of its complaint where it fails or takes too long."""
    try:
        done = subprocess.run(command, input=told, capture_output=True, timeout=longest_s, check=False)
    except subprocess.TimeoutExpired:
        raise RunError(f"{Path(command[0]).name} took longer than {longest_s:g} s") from None
    except OSError as error:
        raise RunError(f"{command[0]}: {error.strerror}") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
        raise RunError(f"{Path(command[0]).name} failed: {lines[-1]}")
    return done.stdout
