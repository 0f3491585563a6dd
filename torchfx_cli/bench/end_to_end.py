"""Whole programs from file to file: `torchfx process` with its parts (the suite io), and others beside it (--versus).

end to end   a new process each time, start-up included: what a person or a shell loop waits for.
start-up     the same command on a file of one frame: interpreter, imports, chain, and on CUDA the driver.
read, compute, write
             each part alone, one after the other, in one more new process; `write` includes sync, reading back and
             rename.
transfer     on CUDA: the file's samples to the device and the results back, alone; `compute` contains it.

In `process` the parts overlap, so that end to end is less than their sum. Cold is the process, not the disk: the file
has just been written and lies in the page cache. io works on 16-bit files; --versus on 32-bit float, so that the error
is the program's own: what comes out is held against float64 SciPy, and the delay that a program takes out is allowed
for. What a program cannot express is a row that says so.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np

from torchfx_cli.bench.accuracy import reference, snr_db
from torchfx_cli.bench.loads import read, write_noise
from torchfx_cli.bench.measure import Rule, failed, over_budget
from torchfx_cli.bench.other_tools import TOOLS, Tool, Work, process_command
from torchfx_cli.bench.records import Cell, Measurement
from torchfx_cli.bench.suites import END_TO_END, Suite, undelayed
from torchfx_cli.bench.timings import Run, fresh, in_turn, run_process
from torchfx_cli.chain.spec import ChainSpec, design_chain
from torchfx_cli.errors import RunError, UsageError
from torchfx_cli.exchange.words import CannotSayError
from torchfx_cli.render import costs
from torchfx_cli.render.choose import check_engine, open_engine
from torchfx_cli.render.engine import Block
from torchfx_cli.stream.reader import open_source
from torchfx_cli.stream.writer import Output
from torchfx_cli.tasks.fileplan import plan_file
from torchfx_cli.tasks.job import Job, Settings

REPEATS = 3  # whole processes
PARTS = 3.0  # each repetition is the whole, its parts, and a start
FILES = 3  # the sound, the output and the one before it is renamed
LONGEST_S = 600.0
LONG_S = 60.0  # programs whose first runs took longer, all together, run once more only
LEAST_DB = 60.0  # float32 states at low cut-offs keep 64 dB and more; below it the filter is another one
CHECKED_FRAMES = 1 << 18  # of the output are held against SciPy

START_UP, READ, COMPUTE, WRITE, TRANSFER = "start-up", "read", "compute", "write", "transfer"

Row = tuple[Cell, Measurement]
T = TypeVar("T")


def rows(cells: Sequence[Cell], suite: Suite, rule: Rule) -> list[Row]:
    """All cells of one group: the programs beside one another, or one cell of io, whose parts come with it."""
    if reason := _no_room(cells[0]) or over_budget(_usual_s(cells[0], suite, rule), rule):
        return [(cell, Measurement("skipped", reason=reason)) for cell in cells]
    try:
        return tool_rows(cells, suite, rule) if suite.kind == "files" else process_rows(cells[0], suite, rule)
    except UsageError as error:
        return [(cell, Measurement("unavailable", reason=str(error))) for cell in cells]
    except Exception as error:
        return [(cell, failed(error)) for cell in cells]


def _no_room(cell: Cell) -> str:
    """Why the files do not fit on the disk, "" where they do; 4 bytes a sample."""
    folder = tempfile.gettempdir()
    needed, free = FILES * 4 * cell.samples, shutil.disk_usage(folder).free
    if needed < free:
        return ""
    return f"needs about {needed / 1e9:.1f} GB in {folder}; {free / 1e9:.1f} GB are free"


def _usual_s(cell: Cell, suite: Suite, rule: Rule) -> float:
    """Seconds, by what `process` usually takes."""
    work = costs.Work.of(suite.stages(cell.channels), cell.samples)
    return (rule.reps or REPEATS) * PARTS * costs.predict(costs.load()["native"], work)


def tool_rows(cells: Sequence[Cell], suite: Suite, rule: Rule, tools: dict[str, Tool] = TOOLS) -> list[Row]:
    """The programs that `cells` name, over one file of noise: a run to warm up is checked, then all run in turn."""
    stages = design_chain(suite.chain, suite.fs, cells[0].channels)
    found: dict[Cell, Measurement] = {}
    calls: dict[Cell, Callable[[], Run]] = {}
    started_s = time.monotonic()
    with TemporaryDirectory(prefix="torchfx-bench-") as name:
        source = write_noise(Path(name, "in.wav"), suite.fs, cells[0].channels, cells[0].frames, "FLOAT")
        for n, cell in enumerate(cells):
            output = Path(name, str(n), "out.wav")
            output.parent.mkdir()
            work = Work(suite.chain, suite.words, stages, source, output)
            call, found[cell] = _first_run(tools[cell.backend], work, cell)
            if call is not None:
                calls[cell] = call
        repeats = rule.reps or (REPEATS if time.monotonic() - started_s < LONG_S else 1)
        for cell, runs in in_turn(calls, repeats, warm_up=False).items():
            times, peak_mb = tuple(run.seconds for run in runs), max(run.peak_mb for run in runs)
            found[cell] = replace(found[cell], times_s=times, host_mb=peak_mb or None)
    return list(found.items())


def _first_run(tool: Tool, work: Work, cell: Cell) -> tuple[Callable[[], Run] | None, Measurement]:
    """The call to be timed, and its measurement without a time; None where there is nothing to time."""
    if reason := tool.why_not():
        return None, Measurement("unavailable", reason=reason)
    try:
        call = partial(run_process, tool.command(work), longest_s=LONGEST_S)
        call()
    except CannotSayError as error:
        return None, Measurement("unavailable", reason=f"{tool.name} has no words for: {error}")
    except RunError as error:
        return None, Measurement("failed", reason=str(error))
    found_db = output_snr_db(tool, work, cell.fs, cell.frames)
    if found_db < LEAST_DB:  # how exact the right filter is, is for the reader to see
        return None, Measurement("wrong", (), "another filter came out", found_db)
    return call, Measurement("ok", (), "", found_db)


def output_snr_db(tool: Tool, work: Work, fs: int, frames: int) -> float:
    """Of the beginning of the output; a program's delay is allowed for. A chain that is no filter is heard whole."""
    stages, delay = work.stages, 0
    if all(stage.is_linear for stage in stages):
        stages, delay = undelayed(stages), tool.delay_frames(work.stages)
        frames = min(frames, CHECKED_FRAMES + delay)
    heard = np.pad(read(work.source, frames), ((0, 0), (0, delay)))
    wanted = reference(stages, fs, heard)[:, delay : CHECKED_FRAMES + delay]
    return snr_db(read(work.output, wanted.shape[1]), wanted)


def process_rows(cell: Cell, suite: Suite, rule: Rule) -> list[Row]:
    """`cell`, from a cold start to the renamed file, and its parts as cells with other labels."""
    device = "cpu" if cell.backend == "native" else cell.backend
    check_engine("auto", device)
    with TemporaryDirectory(prefix="torchfx-bench-") as name:
        folder = Path(name)
        source = write_noise(folder / "in.wav", cell.fs, cell.channels, cell.frames)
        tiny = write_noise(folder / "tiny.wav", cell.fs, cell.channels, 1)

        def whole(path: Path) -> dict[str, float]:
            command = process_command(suite.words, path, folder / "out.wav", "--device", device)
            run = run_process(command, longest_s=LONGEST_S)
            return {END_TO_END if path == source else START_UP: run.seconds}

        calls: dict[str, Callable[[], dict[str, float]]] = {
            END_TO_END: lambda: whole(source), START_UP: lambda: whole(tiny),
            COMPUTE: lambda: fresh(parts, suite.chain, device, source, folder / "parts.wav", longest_s=LONGEST_S)}
        times: dict[str, list[float]] = {}
        for runs in in_turn(calls, rule.reps or REPEATS, warm_up=False).values():
            for run in runs:
                for part, seconds in run.items():
                    times.setdefault(part, []).append(seconds)
    return [(replace(cell, label=part), Measurement("ok", tuple(seconds))) for part, seconds in times.items()]


def parts(spec: ChainSpec, device: str, source: Path, output: Path) -> dict[str, float]:
    """Read, compute, write and transfer one after the other, in this process."""
    spent = dict.fromkeys((READ, COMPUTE, WRITE), 0.0)
    with open_source(source) as opened:
        todo = plan_file(Job(source, output), opened.facts, Settings(spec, device=device))
        engine = open_engine(todo.plan, device=device)
        signal = todo.plan.output
        with Output(output, int(signal.fs), signal.channels, todo.output_format, overwrite=True) as written:
            for block in _timed(opened.blocks(todo.block_frames), spent, READ):
                if device.startswith("cuda"):
                    spent[TRANSFER] = spent.get(TRANSFER, 0.0) + _transfer(block, device)
                _spend(spent, WRITE, written.write, _spend(spent, COMPUTE, engine.process, block))
            for block in _timed(engine.flush(), spent, COMPUTE):
                _spend(spent, WRITE, written.write, block)
            _spend(spent, WRITE, written.commit)
    output.unlink()
    return spent


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
