"""One file from beginning to end: read, plan, filter, write, read back, rename.

A file whose chain holds `normalize` is read once more for each of them, first to find its peak.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from math import log10
from pathlib import Path

from torchfx_cli.chain.spec import ChainSpec
from torchfx_cli.design.design import design_chain
from torchfx_cli.design.stages import Stage
from torchfx_cli.errors import FileError, RunError
from torchfx_cli.plan.assemble import RenderPlan, assemble
from torchfx_cli.render.choose import open_engine
from torchfx_cli.render.engine import Block, Engine
from torchfx_cli.samples import block_frames
from torchfx_cli.stream.formats import OutputFormat, choose_output
from torchfx_cli.stream.reader import FileFacts, Source, open_source
from torchfx_cli.stream.writer import Output
from torchfx_cli.tasks import pipeline
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.report import FileResult

MAX_BLOCK_SAMPLES = 1 << 26


@dataclass(frozen=True)
class JobPlan:
    """All that is settled about a job before it starts."""

    job: Job
    facts: FileFacts
    output_format: OutputFormat
    plan: RenderPlan
    block_frames: int


class Listener:
    """Hears how a run goes; this one does nothing with it."""

    def started(self, job: Job) -> None:
        """`job` is the next."""

    def planned(self, todo: JobPlan) -> None:
        """The input of `todo.job` is open and all is settled."""

    def advanced(self, job: Job, frames: int) -> None:
        """So many more frames of the input were filtered; each pass counts."""

    def finished(self, job: Job, result: FileResult) -> None:
        """`job` is done, or failed, or was skipped."""


def describe_job(job: Job, settings: Settings) -> JobPlan:
    """What would be done for `job`; raises what doing it would raise before the first block."""
    with open_source(job.source) as source:
        return _plan(job, source.facts, settings)


def process_file(job: Job, settings: Settings, listener: Listener) -> FileResult:
    """Do `job`; a FileError becomes a failed result, other errors end the run."""
    started = time.perf_counter()
    try:
        return _process(job, settings, listener, started)
    except FileError as error:
        return FileResult(
            "failed",
            str(job.source),
            str(job.output),
            elapsed_s=time.perf_counter() - started,
            error=str(error),
            exit_code=error.exit_code,
        )


def _process(job: Job, settings: Settings, listener: Listener, started: float) -> FileResult:
    with open_source(job.source) as source:
        todo = _plan(job, source.facts, settings)
        listener.planned(todo)
        advanced = partial(listener.advanced, job)
        plan = _measure(source, todo, settings, advanced)
        engine = open_engine(plan, settings.engine, settings.device)
        _make_folder(job.output.parent)
        with _open_output(todo, settings) as output:
            pipeline.run(source.blocks(todo.block_frames), _steps(engine, advanced), output.write)
            warnings = (*source.warnings, *output.warnings, *_level_warnings(engine))
            if settings.strict and warnings:
                raise FileError("; ".join(warnings))
            written = output.commit()
    return FileResult(
        status="ok",
        input=str(job.source),
        output=str(job.output),
        fs=plan.fs,
        channels=plan.channels,
        frames=written.frames,
        subtype=todo.output_format.subtype,
        duration_s=written.frames / plan.fs,
        elapsed_s=time.perf_counter() - started,
        peak=engine.levels.peak,
        clipped=engine.levels.clipped,
        engine=engine.name,
        warnings=warnings,
        notes=(*source.notes, *engine.notes),
    )


def _open_output(todo: JobPlan, settings: Settings) -> Output:
    plan, facts = todo.plan, todo.facts
    return Output(
        todo.job.output,
        plan.fs,
        plan.channels,
        todo.output_format,
        facts.tags,
        _bytes(todo),
        overwrite=settings.overwrite,
    )


def _make_folder(folder: Path) -> None:
    """The output's folder, one level: a mistyped path should not grow a tree."""
    try:
        folder.mkdir(exist_ok=True)
    except FileNotFoundError:
        raise RunError(f"no such folder: {folder.parent}") from None
    except (FileExistsError, NotADirectoryError):
        raise FileError(f"{folder} is a file; a folder is needed there") from None
    except OSError as error:
        raise RunError(f"cannot make the folder {folder}: {error.strerror}") from None


def _plan(job: Job, facts: FileFacts, settings: Settings) -> JobPlan:
    output_format = choose_output(job.output, facts, settings.format, settings.subtype)
    stages = _design(settings.chain, facts.fs)
    plan = assemble(
        stages,
        facts.fs,
        facts.channels,
        facts.sample_format,
        output_format.sample_format,
        settings.dither,
        settings.tail_s,
    )
    return JobPlan(job, facts, output_format, plan, _block_frames(facts, settings.chunk_s))


@lru_cache(maxsize=64)
def _design(chain: ChainSpec, fs: int) -> tuple[Stage, ...]:
    return design_chain(chain, fs)


def _measure(source: Source, todo: JobPlan, settings: Settings, advanced: Callable[[int], None]) -> RenderPlan:
    plan = todo.plan
    while plan.passes > 1:
        engine = open_engine(plan.measuring(), settings.engine, settings.device)
        pipeline.run(source.blocks(todo.block_frames), _steps(engine, advanced), lambda block: None)
        plan = plan.measured(engine.levels.peak)
        source.rewind()
    return plan


def _steps(engine: Engine, advanced: Callable[[int], None]) -> Callable[[Iterable[Block]], Iterator[Block]]:
    def steps(blocks: Iterable[Block]) -> Iterator[Block]:
        for block in blocks:
            done = engine.process(block)
            advanced(len(block))
            if len(done):
                yield done
        yield from engine.flush()

    return steps


def _block_frames(facts: FileFacts, chunk_s: float | None) -> int:
    if chunk_s is None:
        return block_frames(facts.channels)
    return block_frames(facts.channels, int(min(chunk_s * facts.fs * facts.channels, MAX_BLOCK_SAMPLES)))


def _bytes(todo: JobPlan) -> int | None:
    """What the samples of the output will take, where the header says how many frames there are."""
    if todo.facts.frames is None:
        return None
    return (todo.facts.frames + todo.plan.tail_frames) * todo.plan.channels * todo.output_format.bytes_per_sample


def _level_warnings(engine: Engine) -> tuple[str, ...]:
    if not engine.levels.clipped:
        return ()
    return (f"{engine.levels.clipped} samples clipped (peak {20 * log10(engine.levels.peak):+.1f} dBFS)",)
