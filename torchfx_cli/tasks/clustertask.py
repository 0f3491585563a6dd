"""What a worker of a cluster does with a group of files: the same as on one machine, in a process beside it.

Dask knows nothing of this, nor does this know of Dask. A group may be done a second time, where the first worker is
lost: outputs that this very work has made are replaced then. Each group has a journal of its own, whose lock lives as
long as any process that may write into it, and so is never written to by two machines.
"""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torchfx_cli import __version__
from torchfx_cli.errors import RunError
from torchfx_cli.records import dataclass
from torchfx_cli.render.device import INSTALL, torch_version, why_no_cuda
from torchfx_cli.stream.facts import FileFacts
from torchfx_cli.stream.opened import libsndfile_version
from torchfx_cli.tasks import journal
from torchfx_cli.tasks.fileplan import JobPlan
from torchfx_cli.tasks.folders import identity_of
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.onefile import RunObserver
from torchfx_cli.tasks.pool import WorkerPool
from torchfx_cli.tasks.report import FileResult
from torchfx_cli.tasks.urls import Url
from torchfx_cli.tasks.workers import Task

TELL_S = 0.2  # how often a worker says how far it is

Event = tuple[str, int, tuple[Any, ...]]  # what the observer is to hear, of which file, and the rest of its arguments


class Unwanted(BaseException):
    """Nobody waits for this group any more. No Exception, so that nothing that bears errors swallows it."""


@dataclass(frozen=True)
class Order:
    """A group of files. `work` is the digest of the settings, as the client has it."""

    version: str
    work: str
    root: Path
    tasks: tuple[Task, ...]
    wants_plans: bool


@dataclass(frozen=True)
class Surroundings:
    """What a worker sees: its versions, and what is wrong with it in words ("" for nothing)."""

    version: str
    libsndfile: str
    fault: str


def look(marker: Path | None, token: bytes, source: Path, engine: str, device: str) -> Surroundings:
    """Whether this machine has the `marker` of the client in its output folder, the first input, and the engine.

    There is no marker where outputs go to storage behind a URL.
    """
    fault = "" if marker is None else _fault_of_root(marker, token)
    fault = fault or _fault_of_input(source) or _fault_of_engine(engine, device)
    return Surroundings(__version__, libsndfile_version(), fault)


def _fault_of_engine(engine: str, device: str) -> str:
    """Without a look at the GPU itself, which is for the process that uses it."""
    if device.startswith("cuda"):
        why = why_no_cuda()
        return f"has no CUDA device ({why})" if why else ""
    return f"has no torch; {INSTALL}" if engine == "torch" and torch_version() is None else ""


def _fault_of_root(marker: Path, token: bytes) -> str:
    root = marker.parent
    if identity_of(root) is None:
        return f"does not see the output folder {root}; it is to be under the same path on all machines"
    try:
        is_same = marker.read_bytes() == token
    except OSError:
        is_same = False
    if not is_same:
        return f"has another folder at {root} than this machine"
    if not os.access(root, os.W_OK | os.X_OK):
        return f"may not write in the output folder {root}"
    return ""


def _fault_of_input(source: Path) -> str:
    if not isinstance(source, Url) and not os.access(source, os.R_OK):
        return f"cannot read {source}; inputs are to be under the same paths on all machines"
    return ""


def run_group(order: Order, settings: Settings, tell: Callable[[bytes], object], is_wanted: Callable[[], bool]
              ) -> list[tuple[int, FileResult]]:
    """Do it; `tell` hears of it meanwhile, as pickled lists of events. Raises RunError where the whole run must end."""
    if order.version != __version__:
        raise RunError(f"has torchfx {__version__}, not {order.version}")
    if settings.work != order.work:
        raise RunError("does not read the chain as it was written here: its digest differs")
    teller, results = _Teller(order, tell, is_wanted), []
    for number, result in _results(order, settings, teller):
        results.append((number, result))
        teller.add("finished", number, result)
    teller.send()
    return results


def _results(order: Order, settings: Settings, teller: _Teller) -> Iterator[tuple[int, FileResult]]:
    if settings.measures or isinstance(order.root, Url):
        yield from _pool(settings, teller, ()).run(order.tasks)
        return
    with journal.opened(order.root, order.work, hashes=settings.hashes, shared=True) as notes:
        settings = replace(settings, noted=notes.name)
        tasks = {task.number: _as_it_stands(task, notes, settings) for task in order.tasks}
        again = []
        for number, result in _pool(settings, teller, (notes.fd,)).run(list(tasks.values())):
            task = tasks[number]
            if result.status == "failed" and not task.job.overwrite and is_of_this_work(task.job, notes, settings):
                again.append(replace(task, attempts=0, job=replace(task.job, overwrite=True)))
            else:
                yield number, result
        if again:  # a worker that was taken for dead has made them in the meantime
            yield from _pool(settings, teller, (notes.fd,)).run(again)


def _pool(settings: Settings, teller: _Teller, kept: Sequence[int]) -> WorkerPool:
    return WorkerPool(1, replace(settings, jobs=1, fresh=True), teller, kept=kept)


def _as_it_stands(task: Task, notes: journal.Journal, settings: Settings) -> Task:
    """`task`, of a group that may be done for the second time."""
    if settings.overwrite or task.job.overwrite or not is_of_this_work(task.job, notes, settings):
        return task
    return replace(task, job=replace(task.job, overwrite=True))


def is_of_this_work(job: Job, notes: journal.Journal, settings: Settings) -> bool:
    """Whether the output is there, and was made from the same input by the same chain: planning found none there."""
    if not os.path.lexists(job.output):
        return False
    record = replace(notes).made_of(job)  # with the journals as they are now
    return record.get("work") == job.work(notes.work) and record.get("input") == os.path.abspath(job.source)


class _Teller(RunObserver):
    """Gathers what happens, and sends it a few times a second; ends the group where nobody wants it any more."""

    def __init__(self, order: Order, tell: Callable[[bytes], object], is_wanted: Callable[[], bool]) -> None:
        self.wants_plans = order.wants_plans
        self._numbers = {task.job.output: task.number for task in order.tasks}
        self._tell, self._is_wanted = tell, is_wanted
        self._events: list[Event] = []
        self._told_s = time.monotonic()

    def add(self, kind: str, number: int, *values: Any) -> None:
        self._events.append((kind, number, values))
        if not self._is_wanted():
            raise Unwanted
        if time.monotonic() - self._told_s >= TELL_S:
            self.send()

    def send(self) -> None:
        if self._events:
            self._tell(pickle.dumps(self._events))
        self._events, self._told_s = [], time.monotonic()

    def started(self, job: Job) -> None:
        self.add("started", self._numbers[job.output])

    def planned(self, todo: JobPlan) -> None:
        self.add("planned", self._numbers[todo.job.output], todo)

    def opened(self, job: Job, facts: FileFacts) -> None:
        self.add("opened", self._numbers[job.output], facts)

    def advanced(self, job: Job, frames: int) -> None:
        self.add("advanced", self._numbers[job.output], frames)
