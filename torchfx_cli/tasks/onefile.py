"""One file from beginning to end: read, plan, filter, write, read back, rename.

A file whose chain holds a stage that needs the whole of it, such as `normalize`, is read once more for each of them,
first into its meter; one that would clip is read once more where it is to be turned down instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

import numpy as np

from torchfx_cli.design.stage import Meter
from torchfx_cli.plan.assemble import RenderPlan
from torchfx_cli.render.choose import open_engine
from torchfx_cli.render.engine import Block, Engine
from torchfx_cli.stream.reader import Source
from torchfx_cli.stream.stdio import STDIO, stdout_for_audio
from torchfx_cli.tasks import pipeline
from torchfx_cli.tasks.ending import Rendered, commit, guarded, open_output
from torchfx_cli.tasks.fileplan import JobPlan, open_input, plan_file
from torchfx_cli.tasks.folders import make_folder
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.report import FileResult


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
    since_s = time.perf_counter()

    def whole() -> FileResult:
        with (stdout_for_audio() if job.output == STDIO else nullcontext(),
              opened(job, settings, listener) as (source, todo)):
            return process_opened(source, todo, settings, listener, since_s)

    return guarded(job, settings, since_s, whole)


@contextmanager
def opened(job: Job, settings: Settings, listener: Listener) -> Iterator[tuple[Source, JobPlan]]:
    """The input of `job`, and all that is settled about it; the listener hears of that."""
    with open_input(job, settings) as source:
        todo = plan_file(job, source.facts, settings)
        listener.planned(todo)
        yield source, todo


def process_opened(source: Source, todo: JobPlan, settings: Settings, listener: Listener, since_s: float) -> FileResult:
    """Do what is `opened`, from its first frame; errors of the file are raised. `since_s`: see `guarded`."""
    advanced = partial(listener.advanced, todo.job)
    plan = _measure(source, todo, settings, advanced)
    if todo.job.output != STDIO:
        make_folder(todo.job)
    lowered_db = 0.0
    if todo.job.output == STDIO and settings.on_clip == "limit":
        plan, lowered_db = _rehearse(source, todo, plan, settings, advanced)
    return _render(source, todo, plan, settings, advanced, since_s, lowered_db)


def _render(source: Source, todo: JobPlan, plan: RenderPlan, settings: Settings, advanced: Callable[[int], None],
            since_s: float, lowered_db: float = 0.0) -> FileResult:
    engine = _open_engine(plan, todo, settings)
    with open_output(source, todo, settings) as output:
        pipeline.run(source.blocks(todo.block_frames), _steps(engine, advanced), output.write,
                     source.cancel, output.cancel, overlap=todo.overlaps)
        if not (engine.levels.clipped and settings.on_clip == "limit"):
            rendered = Rendered(engine.levels, engine.name, tuple(engine.notes), lowered_db)
            return commit(source, todo, output, rendered, settings, since_s)
    source.rewind()
    plan, change_db = plan.turned_down(engine.levels.peak)
    return _render(source, todo, plan, settings, advanced, since_s, lowered_db + change_db)


def _measure(source: Source, todo: JobPlan, settings: Settings, advanced: Callable[[int], None]) -> RenderPlan:
    plan = todo.plan
    while target := plan.first_measured:
        measuring = plan.measuring()
        meter, engine = target.meter(measuring.output), _open_engine(measuring, todo, settings)
        pipeline.run(source.blocks(todo.block_frames), _steps(engine, advanced), partial(_measure_block, meter),
                     source.cancel, overlap=todo.overlaps)
        plan = plan.measured(meter.reading())
        source.rewind()
    return plan


def _measure_block(meter: Meter, block: Block) -> None:
    """`block` is of `assemble.MEASURED`."""
    meter.process(block.view(np.float64))


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
