"""One file from beginning to end: read, plan, filter, write, read back, rename.

A file whose chain holds `normalize` is read once more for each of them, first to find its peak; one that would clip
is read once more where it is to be turned down instead.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from math import log10

from torchfx_cli.errors import FileError, TorchfxError
from torchfx_cli.plan.assemble import RenderPlan
from torchfx_cli.render.choose import open_engine
from torchfx_cli.render.engine import Block, Engine
from torchfx_cli.stream.pipewriter import PipeOutput
from torchfx_cli.stream.reader import Source
from torchfx_cli.stream.stdio import STDIO, stdout_for_audio
from torchfx_cli.stream.writer import Output, Written
from torchfx_cli.tasks import pipeline
from torchfx_cli.tasks.backup import kept
from torchfx_cli.tasks.fileplan import JobPlan, open_input, plan_file
from torchfx_cli.tasks.folders import make_folder
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.report import FileResult, failed


class Listener:
    """Hears how a run goes; this one does nothing with it. Several jobs may be under way at a time.

    wants_plans  whether `planned` is to be called: plans of other processes take time to send.
    """

    wants_plans = True

    def started(self, job: Job) -> None:
        """`job` is the next."""

    def planned(self, todo: JobPlan) -> None:
        """The input of `todo.job` is open and all is settled."""

    def advanced(self, job: Job, frames: int) -> None:
        """So many more frames of the input were filtered; each pass counts."""

    def finished(self, job: Job, result: FileResult) -> None:
        """`job` is done, or failed, or was skipped."""


def process_file(job: Job, settings: Settings, listener: Listener) -> FileResult:
    """Do `job`; what is the fault of this file becomes a failed result, errors that end the run are raised."""
    started = time.perf_counter()
    try:
        with stdout_for_audio() if job.output == STDIO else nullcontext():
            return _process(job, settings, listener, started)
    except FileError as error:
        words, reason = str(error), error.reason
    except TorchfxError:
        raise
    except MemoryError:
        words, reason = f"not enough memory{_smaller(settings)}", "memory"
    except Exception as error:
        if os.environ.get("TORCHFX_DEBUG"):
            raise
        words = f"{type(error).__name__}: {error} (a mistake in torchfx; TORCHFX_DEBUG=1 shows where)"
        reason = "internal"
    return failed(job.source, job.output, words, reason, time.perf_counter() - started)


def _smaller(settings: Settings) -> str:
    return "" if settings.chunk_s is None else f" for --chunk {settings.chunk_s:g}; a smaller one needs less"


@dataclass(frozen=True)
class _Rendered:
    """A finished pass through the engine, and the file that came of it."""

    engine: Engine
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    written: Written
    turned_down_db: float


def _process(job: Job, settings: Settings, listener: Listener, started: float) -> FileResult:
    with open_input(job, settings) as source:
        todo = plan_file(job, source.facts, settings)
        listener.planned(todo)
        advanced = partial(listener.advanced, job)
        plan = _measure(source, todo, settings, advanced)
        if job.output != STDIO:
            make_folder(job)
        lowered_db = 0.0
        if job.output == STDIO and settings.on_clip == "limit":
            plan, lowered_db = _rehearse(source, todo, plan, settings, advanced)
        done = _render(source, todo, plan, settings, advanced, lowered_db)
    engine, levels = done.engine, done.engine.levels
    return FileResult(
        status="ok",
        input=str(job.source),
        output=str(job.output),
        fs=plan.fs,
        channels=plan.channels,
        frames=done.written.frames,
        subtype=todo.output_format.subtype,
        duration_s=done.written.frames / plan.fs,
        elapsed_s=time.perf_counter() - started,
        peak=levels.peak,
        clipped=levels.clipped,
        turned_down_db=done.turned_down_db,
        repaired=source.repaired,
        truncated=source.truncated,
        engine=engine.name,
        warnings=done.warnings,
        notes=(*source.notes, *done.notes, *engine.notes),
    )


def _render(source: Source, todo: JobPlan, plan: RenderPlan, settings: Settings, advanced: Callable[[int], None],
            lowered_db: float = 0.0) -> _Rendered:
    engine = _open_engine(plan, todo, settings)
    with _open_output(source, todo, settings) as output:
        pipeline.run(source.blocks(todo.block_frames), _steps(engine, advanced), output.write,
                     source.cancel, output.cancel, overlap=todo.overlaps)
        if not (engine.levels.clipped and settings.on_clip == "limit"):
            warnings = (*source.warnings, *output.warnings, *_level_warnings(engine))
            _refuse(engine, warnings, settings)
            with kept(todo.job):
                return _Rendered(engine, warnings, tuple(output.notes), output.commit(), lowered_db)
    source.rewind()
    plan, change_db = plan.turned_down(engine.levels.peak)
    return _render(source, todo, plan, settings, advanced, lowered_db + change_db)


def _refuse(engine: Engine, warnings: tuple[str, ...], settings: Settings) -> None:
    """Raise FileError where what was seen on the way is not to be lived with."""
    if engine.levels.clipped and settings.on_clip == "fail":
        raise FileError(_level_warnings(engine)[0])
    if settings.strict and warnings:
        raise FileError("; ".join(warnings))


def _open_output(source: Source, todo: JobPlan, settings: Settings) -> Output | PipeOutput:
    plan, facts = todo.plan, todo.facts
    if todo.job.output == STDIO:
        return PipeOutput(
            plan.fs,
            plan.channels,
            todo.output_format,
            facts.tags if settings.tags else {},
            todo.output_bytes if facts.container != "MP3" else None,  # of an MP3 it is an estimate
            baggage=source.baggage if settings.tags else None,
        )
    return Output(
        todo.job.output,
        plan.fs,
        plan.channels,
        todo.output_format,
        facts.tags if settings.tags else {},
        todo.output_bytes,
        overwrite=settings.overwrite or todo.job.overwrite,
        baggage=source.baggage if settings.tags else None,
        times_ns=(source.stat.st_atime_ns, source.stat.st_mtime_ns) if settings.keep_mtime else None,
        mode=source.stat.st_mode & 0o777 if todo.job.backup else None,
    )


def _measure(source: Source, todo: JobPlan, settings: Settings, advanced: Callable[[int], None]) -> RenderPlan:
    plan = todo.plan
    while plan.passes > 1:
        engine = _open_engine(plan.measuring(), todo, settings)
        pipeline.run(source.blocks(todo.block_frames), _steps(engine, advanced), lambda block: None, source.cancel,
                     overlap=todo.overlaps)
        plan = plan.measured(engine.levels.peak)
        source.rewind()
    return plan


def _rehearse(source: Source, todo: JobPlan, plan: RenderPlan, settings: Settings, advanced: Callable[[int], None]
              ) -> tuple[RenderPlan, float]:
    """`plan` turned down until nothing clips, and by how many dB: what went into a pipe cannot be taken back."""
    lowered_db = 0.0
    while True:
        engine = _open_engine(plan, todo, settings)
        pipeline.run(source.blocks(todo.block_frames), _steps(engine, advanced), lambda block: None, source.cancel,
                     overlap=todo.overlaps)
        source.rewind()
        if not engine.levels.clipped:
            return plan, lowered_db
        plan, change_db = plan.turned_down(engine.levels.peak)
        lowered_db += change_db


def _open_engine(plan: RenderPlan, todo: JobPlan, settings: Settings) -> Engine:
    unit_frames = None if settings.chunk_s is None else todo.block_frames  # bounds the memory of a device too
    return open_engine(plan, settings.engine, settings.device, unit_frames)


def _steps(engine: Engine, advanced: Callable[[int], None]) -> Callable[[Iterable[Block]], Iterator[Block]]:
    def steps(blocks: Iterable[Block]) -> Iterator[Block]:
        for block in blocks:
            done = engine.process(block)
            advanced(len(block))
            if len(done):
                yield done
        yield from engine.flush()

    return steps


def _level_warnings(engine: Engine) -> tuple[str, ...]:
    if not engine.levels.clipped:
        return ()
    return (f"{engine.levels.clipped} samples clipped (peak {20 * log10(engine.levels.peak):+.1f} dBFS)",)
