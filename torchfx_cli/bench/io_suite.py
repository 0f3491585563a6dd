"""A file through `torchfx process` from a cold start to the renamed output, and where its time goes.

end to end   a new process each time, start-up included: what a person or a shell loop waits for.
start-up     the same command on a file of one frame: interpreter, imports, chain, and on CUDA the driver.
read, compute, write
             each part alone, one after the other, in one more new process; `write` includes sync, reading back and
             rename.
transfer     on CUDA: the file's samples to the device and the results back, alone; `compute` contains it.

In `process` the parts overlap, so that end to end is less than their sum. Cold is the process, not the disk: the file
has just been written and lies in the page cache. The output is 16 bits wide, as the noise is.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from torchfx_cli.bench import probe
from torchfx_cli.bench.chainfile import write_chain
from torchfx_cli.bench.records import Cell, Measurement
from torchfx_cli.chain.spec import ChainSpec, design_chain
from torchfx_cli.errors import RunError, UsageError
from torchfx_cli.render.choose import check_engine, open_engine
from torchfx_cli.render.engine import Block
from torchfx_cli.stream.reader import open_source
from torchfx_cli.stream.writer import Output
from torchfx_cli.tasks.fileplan import plan_file
from torchfx_cli.tasks.job import Job, Settings

T = TypeVar("T")

END_TO_END, START_UP, READ, COMPUTE, WRITE, TRANSFER = PARTS = (
    "end to end", "start-up", "read", "compute", "write", "transfer",
)


@dataclass(frozen=True)
class Task:
    """What is to be timed: a chain on a device, over the user's own file `source` or 16-bit noise."""

    chain: ChainSpec
    device: str = "cpu"
    fs: int = 44_100
    channels: int = 2
    duration_s: float = 60.0
    source: Path | None = None

    def command(self, source: Path, output: Path, chain: Path) -> list[str]:
        return [sys.executable, "-m", "torchfx_cli", "process", str(source), "-o", str(output), "--chain", str(chain),
                "--device", self.device, "--overwrite", "--quiet"]


def measure(task: Task, repeats: int = 3, longest_s: float = 600.0) -> dict[str, tuple[float, ...]]:
    """Seconds of every part, `repeats` of each; parts that the device does not have are not in it.

    Raises RunError where a run fails or takes longer than `longest_s`.
    """
    with TemporaryDirectory(prefix="torchfx-bench-") as name:
        folder = Path(name)
        frames = max(1, round(task.duration_s * task.fs))
        source = task.source or probe.write_noise(folder / "in.wav", task.fs, task.channels, frames)
        tiny = probe.write_noise(folder / "tiny.wav", task.fs, task.channels, 1)
        chain = write_chain(design_chain(task.chain, task.fs), task.fs, folder / "chain.yaml")
        times: dict[str, list[float]] = {part: [] for part in PARTS}
        for _ in range(repeats):  # in turn, so that a machine whose speed drifts slows all parts alike
            times[END_TO_END].append(_process(task.command(source, folder / f"out{source.suffix}", chain), longest_s))
            times[START_UP].append(_process(task.command(tiny, folder / "tiny-out.wav", chain), longest_s))
            arguments = task.chain, task.device, source, folder / f"parts{source.suffix}"
            for part, seconds in probe.fresh(parts, *arguments, longest_s=longest_s).items():
                times[part].append(seconds)
    return {part: tuple(seconds) for part, seconds in times.items() if seconds}


def _process(command: list[str], longest_s: float) -> float:
    started = time.perf_counter()
    probe.run_process(command, longest_s=longest_s)
    return time.perf_counter() - started


def parts(spec: ChainSpec, device: str, source: Path, output: Path) -> dict[str, float]:
    """Read, compute, write and transfer one after the other, in this process; a chain that normalises is refused."""
    spent = dict.fromkeys((READ, COMPUTE, WRITE), 0.0)
    settings = Settings(spec, device=device)
    with open_source(source) as opened:
        todo = plan_file(Job(source, output), opened.facts, settings)
        if todo.plan.passes > 1:
            raise RunError("normalize reads the file twice, so its parts cannot be told apart; leave it out")
        engine = open_engine(todo.plan, device=device)
        blocks = _timed(opened.blocks(todo.block_frames), spent, READ)
        signal = todo.plan.output
        with Output(output, int(signal.fs), signal.channels, todo.output_format, overwrite=True) as written:
            copied_s = 0.0
            for block in blocks:
                if device.startswith("cuda"):
                    copied_s += _transfer(block, device)
                _spend(spent, WRITE, written.write, _spend(spent, COMPUTE, engine.process, block))
            for block in _timed(engine.flush(), spent, COMPUTE):
                _spend(spent, WRITE, written.write, block)
            _spend(spent, WRITE, written.commit)
    output.unlink()
    return spent | ({TRANSFER: copied_s} if device.startswith("cuda") else {})


def _spend(spent: dict[str, float], part: str, call: Callable[..., T], *arguments: object) -> T:
    started = time.perf_counter()
    try:
        return call(*arguments)
    finally:
        spent[part] += time.perf_counter() - started


def _timed(blocks: Iterator[Block], spent: dict[str, float], part: str) -> Iterator[Block]:
    """`blocks`, the making of each counted."""
    end = object()
    while (block := _spend(spent, part, next, blocks, end)) is not end:
        yield block


def _transfer(block: Block, device: str) -> float:
    """Seconds that `block` takes to the device, and as float64 back, from pinned memory as the engine has it."""
    import torch

    staged = torch.from_numpy(block).pin_memory()
    result = torch.empty(block.shape, dtype=torch.float64, device=device)
    torch.cuda.synchronize(device)
    started = time.perf_counter()
    staged.to(device, non_blocking=True)
    result.cpu()
    return time.perf_counter() - started


def rows(task: Task, repeats: int = 3) -> list[tuple[Cell, Measurement]]:
    """A row for each part of the run, labelled with it; one row with the reason where the run is not to be had."""
    backend = "native" if task.device == "cpu" else "cuda"
    cell = Cell("io", backend, task.duration_s, task.channels, task.fs, END_TO_END)
    try:
        check_engine("auto", task.device)
        times = measure(task, repeats)
    except UsageError as error:
        return [(cell, Measurement("unavailable", reason=str(error)))]
    except RunError as error:
        return [(cell, Measurement("failed", reason=str(error)))]
    return [(replace(cell, label=part), Measurement("ok", seconds)) for part, seconds in times.items()]
