"""The workers of a run: who does what, and what becomes of the files of one that dies, hangs or loses its GPU.

Each worker has one job at a time, or one bundle of jobs (see `bundle`), and a pipe to the run, which itself has no
threads: so a worker may be forked at any time, and starts in a millisecond. A worker that dies takes one attempt of its
job with it; the job is tried once more in a fresh one, and then fails. What is left of a bundle is done one by one.
"""

from __future__ import annotations

import math
import resource
import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from multiprocessing import connection, get_context
from typing import Any

from torchfx_cli.errors import DeviceError
from torchfx_cli.tasks.interpreter import Interpreters
from torchfx_cli.tasks.job import Settings
from torchfx_cli.tasks.onefile import RunObserver
from torchfx_cli.tasks.report import FileResult, failed
from torchfx_cli.tasks.workers import STOP_S, Task, Worker, held

ATTEMPTS = 2
# What a process does to itself; other signals come from somebody else.
CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSYS)
BUNDLE_FILES = 64
BUNDLE_BYTES = 64 << 20  # of input files


class WorkerPool:
    """`size` workers; `run` does all tasks and yields the number and result of each as it ends.

    A file that takes longer than `settings.timeout_s` fails, and a bundle has so long for each of its files. Workers
    that are `fresh` are new interpreters instead of forks: CUDA does not survive a fork. No worker may keep the
    descriptors `private` of the run open (the journal's, with its lock); fresh ones hold those that are `kept`.
    """

    def __init__(self, size: int, settings: Settings, observer: RunObserver, private: Sequence[int] = (),
                 kept: Sequence[int] = ()) -> None:
        self._size, self._settings, self._observer = size, settings, observer
        self._timeout_s = math.inf if settings.timeout_s is None else settings.timeout_s
        self._private, self._forks = private, not settings.fresh
        self._context: Any = get_context("fork") if self._forks else Interpreters(kept)
        self._workers: list[Worker] = []

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[int, FileResult]]:
        waiting = deque(tasks)
        try:
            while waiting or self._busy():
                self._hand_out(waiting)
                for worker in self._ready():
                    for number, result in self._hear(worker, waiting):
                        if result.status == "ok":  # the caller notes it on the disk, which takes a while
                            self._hand_out(waiting)
                        yield number, result
        finally:
            self.stop()

    def stop(self) -> None:
        """End all workers: at once where idle, after they have tidied up where busy."""
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.dismiss()
        deadline_s = time.monotonic() + STOP_S
        for worker in workers:
            worker.join(deadline_s)
            worker.tidy()

    def _busy(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.tasks]

    def _hand_out(self, waiting: deque[Task]) -> None:
        while waiting:
            worker = next((w for w in self._workers if not w.tasks), None)
            if worker is None and len(self._workers) < self._size:
                worker = self._hire()
            if worker is None:
                return
            tasks = take_bundle(waiting, self._size) if self._settings.bundled else [waiting.popleft()]
            for task in tasks:
                if not task.attempts and not task.is_alone:
                    self._observer.started(task.job)
            worker.give(tasks, self._timeout_s)

    def _hire(self) -> Worker:
        foreign = [*self._private, *(worker.pipe.fileno() for worker in self._workers)]
        with held(forks=self._forks):
            worker = Worker(self._context, self._settings, self._observer.wants_plans, foreign)
            self._workers.append(worker)
        return worker

    def _ready(self) -> list[Worker]:
        busy = {worker.pipe: worker for worker in self._busy()}
        first_s = min(worker.due_s for worker in busy.values())
        patience_s = None if math.isinf(first_s) else max(0.0, first_s - time.monotonic())
        found = [busy[pipe] for pipe in connection.wait(list(busy), patience_s)]
        now_s = time.monotonic()
        late = [worker for worker in busy.values() if worker not in found and now_s >= worker.due_s]
        for worker in late:
            worker.kill("took too long")
        return found + late

    def _hear(self, worker: Worker, waiting: deque[Task]) -> Iterator[tuple[int, FileResult]]:
        """One message of `worker`, or its end."""
        if not worker.tasks:
            return
        try:
            kind, values = worker.pipe.recv()
        except (EOFError, OSError):
            yield from self._bury(worker, waiting)
            return
        if kind == "done":
            yield from self._end(worker, waiting, *values)
        elif kind == "stop":
            raise values[0]
        else:
            getattr(self._observer, kind)(*values)

    def _end(self, worker: Worker, waiting: deque[Task], place: int, result: FileResult
             ) -> Iterator[tuple[int, FileResult]]:
        """A file is done; but what a GPU has failed in once fails in that process for good."""
        is_sick = result.reason == DeviceError.reason
        if is_sick:
            worker.dismiss()
        if is_sick and worker.is_shared:
            self._let_go(worker)
            _again(worker, waiting)
            return
        task = worker.tasks.pop(place)
        if is_sick or (worker.fault and not worker.tasks):  # the latter was killed while it said so
            self._let_go(worker)
        yield task.number, result

    def _let_go(self, worker: Worker) -> None:
        """`worker` is at its end."""
        self._workers.remove(worker)
        worker.join(time.monotonic() + STOP_S)
        worker.tidy()

    def _bury(self, worker: Worker, waiting: deque[Task]) -> Iterator[tuple[int, FileResult]]:
        self._let_go(worker)
        task = next(iter(worker.tasks.values()))
        if worker.is_shared or not (worker.fault or task.attempts >= ATTEMPTS):
            _again(worker, waiting)
            return
        reason, elapsed_s = "timeout" if worker.fault else "crash", time.monotonic() - worker.since_s
        yield task.number, failed(task.job.source, task.job.output, self._why(worker), reason, elapsed_s)

    def _why(self, worker: Worker) -> str:
        if worker.fault:
            return f"took longer than {self._timeout_s:g} s and was stopped (--timeout)"
        by = worker.killed_by
        if by and by not in CRASHES:
            hint = "was the memory used up?" if by == signal.SIGKILL else "the file was not to blame; run it again"
            return f"the process doing it was ended from outside, twice ({_name(by)}); {hint}"
        how = _name(by) if by else f"exit code {worker.exit_code}"
        return f"crashed the decoder, twice ({how}); the file is damaged in a way that libsndfile does not survive"


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _again(worker: Worker, waiting: deque[Task]) -> None:
    """What `worker` has not finished comes next, one by one.

    What lies under the name of such an output now was put there by that worker, before it could say so.
    """
    for task in reversed(worker.tasks.values()):
        waiting.appendleft(replace(task, job=replace(task.job, overwrite=True), is_alone=True))


def take_bundle(waiting: deque[Task], size: int) -> list[Task]:
    """The next tasks that one of `size` workers gets: about its share of what waits, and no more than fits."""
    most = min(_most_files(), -(-len(waiting) // size))
    taken = [waiting.popleft()]
    left_bytes = BUNDLE_BYTES - taken[0].job.input_bytes
    while waiting and len(taken) < most and not (taken[0].is_alone or waiting[0].is_alone):
        left_bytes -= waiting[0].job.input_bytes
        if left_bytes < 0:
            break
        taken.append(waiting.popleft())
    return taken


def _most_files() -> int:
    """All inputs of a bundle are open at a time, beside all that the libraries of a GPU keep open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return BUNDLE_FILES if soft == resource.RLIM_INFINITY else max(1, min(BUNDLE_FILES, soft // 4))
