"""Many short files in one go: read one after the other, filtered side by side on the GPU, written one after the other.

What lies beside a file never changes a bit of it (see `render.batched`), nor does its being alone: a single short file
takes the same way. A file that is long or of unknown length, or is read more than once, is done as everywhere else.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from torchfx_cli.errors import DeviceError
from torchfx_cli.plan.assemble import RenderPlan
from torchfx_cli.records import dataclass
from torchfx_cli.render.device import name_of
from torchfx_cli.render.engine import Block, Levels
from torchfx_cli.stream.reader import Source
from torchfx_cli.stream.stdio import STDIO
from torchfx_cli.tasks.ending import Rendered, commit, guarded, open_output
from torchfx_cli.tasks.fileplan import JobPlan
from torchfx_cli.tasks.folders import make_folder
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.onefile import RunObserver, opened, process_file, process_opened
from torchfx_cli.tasks.report import FileResult

if TYPE_CHECKING:  # torch is loaded by the process that filters
    from torchfx_cli.render.batched import Batched

HELD_SAMPLES = 1 << 24  # read and not yet written: four launches of a GPU, 128 MB of float64
PLANS = 32  # that stay on the device

Outcome = tuple[Block, Levels] | Exception


def is_bundled(settings: Settings) -> bool:
    """Whether a run with these settings, engine and device definite, does short files in bundles."""
    return settings.engine == "torch" and settings.device.startswith("cuda") and _holds_whole_files(settings)


def _holds_whole_files(settings: Settings) -> bool:
    """--chunk says how much of a file may be held; what is turned down is read once more; a report hears each file."""
    return settings.chunk_s is None and settings.on_clip != "attenuate" and not (settings.glances or settings.remote)


def process_one(job: Job, settings: Settings, observer: RunObserver) -> FileResult:
    """What `process_file` does, the way bundles go."""
    ((_, result),) = process_bundle([job], settings, observer)
    return result


def process_bundle(jobs: Sequence[Job], settings: Settings, observer: RunObserver,
                   heard: Callable[[], tuple[str, ...]] = tuple) -> Iterator[tuple[int, FileResult]]:
    """Do `jobs`; the place in the list and the result of each, as they end. See also `process_file`.

    heard  gives what the decoder said since it was called last: a note of the file that was being read.

    The first result whose reason is "device" is the last: this process cannot do what is left then.
    """
    with closing(_Bundle(settings, observer, heard)) as bundle:
        for place, result in bundle.results(jobs):
            yield place, result
            if result.reason == DeviceError.reason:
                return


@dataclass(frozen=True)
class _Held:
    """A file that was read; `opened` keeps it open, for what is copied from it into the output."""

    place: int
    source: Source
    todo: JobPlan
    block: Block
    opened: ExitStack
    spent_s: float
    notes: tuple[str, ...] = ()


class _Bundle:
    """See `process_bundle`. `close` lets go of the files that were read and not written."""

    def __init__(self, settings: Settings, observer: RunObserver, heard: Callable[[], tuple[str, ...]]) -> None:
        self._settings, self._observer, self._heard = settings, observer, heard
        self._held: list[_Held] = []

    def results(self, jobs: Sequence[Job]) -> Iterator[tuple[int, FileResult]]:
        for place, job in enumerate(jobs):
            begun = self._begun(place, job)
            if isinstance(begun, FileResult):
                yield place, begun
                continue
            self._held.append(begun)
            if sum(one.block.size for one in self._held) >= HELD_SAMPLES:
                yield from self._finished()
        yield from self._finished()

    def close(self) -> None:
        for one in self._held:
            one.opened.close()

    def _begun(self, place: int, job: Job) -> FileResult | _Held:
        since_s = time.perf_counter()
        if STDIO in (job.source, job.output):
            return process_file(job, self._settings, self._observer)
        begun = guarded(job, self._settings, since_s, partial(self._read, place, job, since_s))
        return replace(begun, notes=(*begun.notes, *self._heard()))

    def _read(self, place: int, job: Job, since_s: float) -> FileResult | _Held:
        with ExitStack() as inputs:
            source, todo = inputs.enter_context(opened(job, self._settings, self._observer))
            block = _whole(source, todo, self._settings)
            if block is None:
                return process_opened(source, todo, self._settings, self._observer, since_s)
            return _Held(place, source, todo, block, inputs.pop_all(), time.perf_counter() - since_s)

    def _finished(self) -> Iterator[tuple[int, FileResult]]:
        """Filter and write what is held, plan by plan."""
        groups = defaultdict(list)
        for one in self._held:
            groups[one.todo.plan].append(one)
        for plan, members in groups.items():
            since_s = time.perf_counter()
            outcomes, notes = _filtered(plan, [one.block for one in members], self._settings.device)
            share_s = (time.perf_counter() - since_s) / len(members)
            for one, outcome in zip(members, outcomes, strict=True):
                yield one.place, self._ended(one, outcome, notes, time.perf_counter() - one.spent_s - share_s)
                notes = ()
        self._held.clear()

    def _ended(self, one: _Held, outcome: Outcome, notes: tuple[str, ...], since_s: float) -> FileResult:
        result = guarded(one.todo.job, self._settings, since_s, partial(self._written, one, outcome, since_s))
        one.opened.close()
        return replace(result, notes=(*result.notes, *one.notes, *notes, *self._heard()))

    def _written(self, one: _Held, outcome: Outcome, since_s: float) -> FileResult:
        if isinstance(outcome, Exception):
            raise outcome
        block, levels = outcome
        self._observer.advanced(one.todo.job, len(one.block))
        make_folder(one.todo.job)
        with open_output(one.source, one.todo, self._settings) as output:
            for at in range(0, len(block), one.todo.block_frames):
                output.write(block[at : at + one.todo.block_frames])
            rendered = Rendered(levels, name_of(self._settings.device))
            return commit(one.source, one.todo, output, rendered, self._settings, since_s)


def _whole(source: Source, todo: JobPlan, settings: Settings) -> Block | None:
    """All samples of the input, [frames, channels]; None, and nothing is read of it, where it is not to be batched."""
    from torchfx_cli.render.batched import batchable

    if todo.facts.frames is None or not _holds_whole_files(settings):
        return None
    if not batchable(todo.plan, todo.facts.frames, settings.device):
        return None
    blocks = [np.empty((0, todo.plan.channels), todo.plan.source.dtype)]
    for block in source.blocks(todo.block_frames):
        blocks.append(block)
        if not batchable(todo.plan, sum(map(len, blocks)), settings.device):  # its header has lied
            source.rewind()
            return None
    return np.concatenate(blocks)


def _filtered(plan: RenderPlan, blocks: Sequence[Block], device: str) -> tuple[Sequence[Outcome], tuple[str, ...]]:
    """What came of each of `blocks`, and notes about all; an error of no file in particular is the outcome of each."""
    try:
        run = _run_of(plan, device)
        said = len(run.notes)
        return run.render(blocks), tuple(run.notes[said:])
    except Exception as error:
        return [error] * len(blocks), ()


@lru_cache(maxsize=PLANS)
def _run_of(plan: RenderPlan, device: str) -> Batched:
    """Made once for all files that are alike; see `plan_file`."""
    from torchfx_cli.render.batched import Batched

    return Batched(plan, device)
