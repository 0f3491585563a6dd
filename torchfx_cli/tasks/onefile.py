"""One file from beginning to end: read, plan, filter, write, read back, rename.

A file whose chain holds a stage that needs the whole of it, such as `normalize`, is read once more for each of them,
first into its meter; one that would clip is read once more where it is to be turned down instead: see `_Passes`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from torchfx_cli.design.stage import Measured, Meter
from torchfx_cli.plan.assemble import RenderPlan
from torchfx_cli.records import dataclass
from torchfx_cli.render.choose import open_engine
from torchfx_cli.render.engine import Block, Engine
from torchfx_cli.stream.facts import FileFacts
from torchfx_cli.stream.reader import Source
from torchfx_cli.stream.stdio import STDIO, stdout_for_audio
from torchfx_cli.tasks import pipeline
from torchfx_cli.tasks.ending import Rendered, commit, guarded, open_output, refuse_warned
from torchfx_cli.tasks.fileplan import JobPlan, measured, open_input, plan_file
from torchfx_cli.tasks.folders import make_folder
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.report import FileResult


class RunObserver:
    """Hears how a run goes; this one does nothing with it. Several jobs may be under way at a time.

    wants_plans  whether `planned` is to be called: plans of other processes take time to send.
    """

    wants_plans = True

    def told(self, words: str) -> None:
        """What the run waits for, in a few words."""

    def started(self, job: Job) -> None:
        """`job` is the next."""

    def planned(self, todo: JobPlan) -> None:
        """The input of `todo.job` is open and all is settled."""

    def opened(self, job: Job, facts: FileFacts) -> None:
        """The input of `job` is open, and is only read."""

    def measuring(self, done: int, total: int) -> None:
        """So many of `total` files were measured for their albums, before any of them is done."""

    def advanced(self, job: Job, frames: int) -> None:
        """So many more frames of the input were filtered; each pass counts."""

    def finished(self, job: Job, result: FileResult) -> None:
        """`job` is done, or failed, or was skipped."""


def step_of(settings: Settings) -> Callable[[Job, Settings, RunObserver], FileResult]:
    """What is done with each file of a run."""
    if settings.inspects is not None:
        from torchfx_cli.tasks.inspection import inspect_file

        return inspect_file
    step = measure_file if settings.measures else process_file
    if settings.remote:
        from torchfx_cli.tasks.staging import staged

        return staged(step)
    return step


def process_file(job: Job, settings: Settings, observer: RunObserver) -> FileResult:
    """Do `job`; what is the fault of this file becomes a failed result, errors that end the run are raised."""
    since_s = time.perf_counter()

    def whole() -> FileResult:
        with (stdout_for_audio() if job.output == STDIO else nullcontext(),
              opened(job, settings, observer) as (source, todo)):
            return process_opened(source, todo, settings, observer, since_s)

    return guarded(job, settings, since_s, whole)


@contextmanager
def opened(job: Job, settings: Settings, observer: RunObserver) -> Iterator[tuple[Source, JobPlan]]:
    """The input of `job`, and all that is settled about it; the observer hears of that."""
    with open_input(job, settings) as source:
        todo = plan_file(job, source.facts, settings)
        observer.planned(todo)
        yield source, todo


def process_opened(source: Source, todo: JobPlan, settings: Settings, observer: RunObserver, since_s: float
                   ) -> FileResult:
    """Do what is `opened`, from its first frame; errors of the file are raised. `since_s`: see `guarded`."""
    passes = _Passes(source, todo, settings, partial(observer.advanced, todo.job))
    plan, lowered_db = _measured(passes, todo), 0.0
    todo = measured(todo, plan)
    attenuates, pipes = settings.on_clip == "attenuate", todo.job.output == STDIO
    while attenuates and pipes and (peak := passes.run(plan, _drop).levels.peak_if_clipped):
        plan, change_db = plan.turned_down(peak)  # what went into a pipe cannot be taken back
        lowered_db += change_db
    if not pipes:
        make_folder(todo.job)
    while True:
        with open_output(source, todo, settings) as output:
            glances = Glances(plan) if settings.glances else None
            engine = passes.run(plan, glances.of_output(output.write) if glances else output.write, output.cancel,
                                glances.of_input if glances else None)
            if not (attenuates and engine.levels.clipped):
                notes = (*plan.found, *engine.notes)
                rendered = Rendered(engine.levels, engine.name, notes, lowered_db, tuple(engine.warnings))
                result = commit(source, todo, output, rendered, settings, since_s)
                return glances.told(result) if glances else result
        plan, change_db = plan.turned_down(engine.levels.peak)
        lowered_db += change_db


@dataclass(frozen=True)
class Measurement(FileResult):
    """Of a file that was only measured: by which `stage`, and what is kept of that, see `Measured.part`."""

    stage: Any = None
    part: Any = None


def measure_file(job: Job, settings: Settings, observer: RunObserver) -> FileResult:
    """What the first shared stage behind those of `job.readings` has to know of the file; or why it cannot be done."""
    def whole() -> Measurement:
        with opened(job, settings, observer) as (source, todo):
            passes = _Passes(source, todo, settings, partial(observer.advanced, job))
            plan = _measured(passes, todo, upto_shared=True)
            target = plan.first_measured
            assert target is not None
            part = target.part(_heard(passes, plan, target))
            refuse_warned(source.warnings, settings)
            return Measurement("ok", str(job.source), str(job.output), stage=target, part=part)

    return guarded(job, settings, time.perf_counter(), whole)


def _measured(passes: _Passes, todo: JobPlan, *, upto_shared: bool = False) -> RenderPlan:
    """The plan with the numbers in it that follow from the whole file, or its album.

    upto_shared  not those of the first shared stage of whose album nothing was read yet, and all behind it.
    """
    plan, of_album = todo.plan, iter(todo.job.readings)
    while target := plan.first_measured:
        reading = next(of_album, None) if target.is_shared else None
        if reading is None:
            if target.is_shared and upto_shared:
                break
            reading = _heard(passes, plan, target).reading()
        plan = plan.measured(reading)
    return plan


def _heard(passes: _Passes, plan: RenderPlan, target: Measured) -> Meter:
    """A meter of `target`, the first that is measured in `plan`, that has heard all."""
    measuring = plan.measuring()
    meter = target.meter(measuring.output)
    passes.run(measuring, partial(_measure, meter))
    return meter


def _measure(meter: Meter, block: Block) -> None:
    """`block` is of `FLOAT64`."""
    meter.process(block.view(np.float64))


class Glances:
    """How input and output of `plan` sound, heard on the way."""

    def __init__(self, plan: RenderPlan) -> None:
        from torchfx_cli.analysis.glance import GlanceMeter

        self._before = GlanceMeter(plan.signals[0], plan.source)
        self._after = GlanceMeter(plan.output, plan.sink)
        self.of_input = self._before.process

    def of_output(self, write: Callable[[Block], object]) -> Callable[[Block], None]:
        """`write`, and hear what it is given."""
        def heard(block: Block) -> None:
            self._after.process(block)
            write(block)

        return heard

    def told(self, result: FileResult) -> FileResult:
        """`result` with both."""
        return replace(result, before=self._before.result(), after=self._after.result())


def _drop(block: Block) -> None:
    """Only the levels are of interest."""


class _Passes:
    """Goes over an opened input, each time from its first frame; `advanced` hears of the frames."""

    def __init__(self, source: Source, todo: JobPlan, settings: Settings, advanced: Callable[[int], None]) -> None:
        self._source, self._todo, self._settings, self._advanced = source, todo, settings, advanced
        self._is_first = True

    def run(self, plan: RenderPlan, consume: Callable[[Block], object], cancel: Callable[[], None] = lambda: None,
            hear: Callable[[Block], object] | None = None) -> Engine:
        """Filter all by `plan` and hand it to `consume`, which `cancel` ends where it waits; the engine, at its end.

        `hear` gets each block of the input.
        """
        if not self._is_first:
            self._source.rewind()
        self._is_first = False
        todo = self._todo
        engine = open_engine(plan, self._settings.engine, self._settings.device)
        pipeline.run(self._source.blocks(todo.block_frames), partial(self._steps, engine, hear or _drop), consume,
                     self._source.cancel, cancel, overlap=todo.overlaps)
        return engine

    def _steps(self, engine: Engine, hear: Callable[[Block], object], blocks: Iterable[Block]) -> Iterator[Block]:
        for block in blocks:
            hear(block)
            done = engine.process(block)
            self._advanced(len(block))
            if len(done):
                yield done
        yield from engine.flush()
