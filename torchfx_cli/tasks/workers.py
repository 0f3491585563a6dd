"""Processes that do files, so that a decoder that crashes, hangs or eats all memory costs one file and not the batch.

Each worker has one job at a time and a pipe to the run, which itself has no threads: so a worker may be forked at any
time, and starts in a millisecond. A worker that dies takes one attempt of its job with it; the job is tried once more
in a fresh one, and then fails. Workers die with the run, also when it is killed, and tidy up on the way out.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing import connection, get_context
from types import FrameType
from typing import Any

from torchfx_cli.errors import DeviceError, Interrupted, TorchfxError
from torchfx_cli.stream.part import remove_stale, remove_unfinished
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.murmur import Murmur
from torchfx_cli.tasks.onefile import JobPlan, Listener, process_file
from torchfx_cli.tasks.report import FileResult, failed

ATTEMPTS = 2
TELL_S = 0.1  # how often a worker says how far it is
STOP_S = 1.5  # a worker that was asked to stop is killed after so long: the whole run has two seconds
SET_PDEATHSIG = 1  # prctl(2)


@dataclass(slots=True)
class Task:
    """A job, its number among the jobs of the run, and how often it was begun."""

    number: int
    job: Job
    attempts: int = 0


class Crew:
    """`size` workers; `run` does all tasks and yields the number and result of each as it ends.

    timeout_s  a file that takes longer fails; None for no limit.
    fresh      start each worker as a new interpreter instead of a fork: CUDA does not survive a fork.
    private    descriptors of the run that no worker may keep open (the journal's, with its lock).
    """

    def __init__(self, size: int, settings: Settings, listener: Listener, *, timeout_s: float | None = None,
                 fresh: bool = False, private: Sequence[int] = ()) -> None:
        self._size, self._settings, self._listener = size, settings, listener
        self._timeout_s, self._private = timeout_s, private
        self._context: Any = get_context("spawn" if fresh else "fork")
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
        deadline = time.monotonic() + STOP_S
        for worker in workers:
            worker.join(deadline)
            _tidy(worker)

    def _busy(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.task is not None]

    def _hand_out(self, waiting: deque[Task]) -> None:
        while waiting:
            worker = next((w for w in self._workers if w.task is None), None)
            if worker is None and len(self._workers) < self._size:
                worker = self._hire()
            if worker is None:
                return
            task = waiting.popleft()
            if not task.attempts:
                self._listener.started(task.job)
            worker.give(task)

    def _hire(self) -> Worker:
        foreign = [*self._private, *(worker.pipe.fileno() for worker in self._workers)]
        worker = Worker(self._context, self._settings, self._listener.wants_plans, foreign)
        self._workers.append(worker)
        return worker

    def _ready(self) -> list[Worker]:
        busy = {worker.pipe: worker for worker in self._busy()}
        found = [busy[pipe] for pipe in connection.wait(list(busy), self._patience())]
        late = [worker for worker in busy.values() if worker not in found and self._is_late(worker)]
        for worker in late:
            worker.kill("took too long")
        return found + late

    def _patience(self) -> float | None:
        """Seconds until the first worker is late."""
        if self._timeout_s is None:
            return None
        first = min(worker.since_s for worker in self._busy())
        return max(0.0, first + self._timeout_s - time.monotonic())

    def _is_late(self, worker: Worker) -> bool:
        return self._timeout_s is not None and time.monotonic() - worker.since_s >= self._timeout_s

    def _hear(self, worker: Worker, waiting: deque[Task]) -> Iterator[tuple[int, FileResult]]:
        """One message of `worker`, or its end."""
        task = worker.task
        if task is None:
            return
        try:
            kind, value = worker.pipe.recv()
        except (EOFError, OSError):
            yield from self._bury(worker, task, waiting)
            return
        if kind == "done":
            worker.task = None
            if value.reason == DeviceError.reason:  # what a GPU has failed in once fails in that process for good
                self._workers.remove(worker)
                worker.dismiss()
                worker.join(time.monotonic() + STOP_S)
            yield task.number, value
        elif kind == "stop":
            raise value
        else:
            getattr(self._listener, kind)(*value)

    def _bury(self, worker: Worker, task: Task, waiting: deque[Task]) -> Iterator[tuple[int, FileResult]]:
        self._workers.remove(worker)
        worker.join(time.monotonic() + STOP_S)
        _tidy(worker)
        if worker.fault or task.attempts >= ATTEMPTS:
            reason = "timeout" if worker.fault else "crash"
            job, elapsed_s = task.job, time.monotonic() - worker.since_s
            yield task.number, failed(job.source, job.output, self._why(worker), reason, elapsed_s)
        else:  # what lies under the output's name now was put there by the worker that died
            waiting.appendleft(replace(task, job=replace(task.job, overwrite=True)))

    def _why(self, worker: Worker) -> str:
        if worker.fault:
            return f"took longer than {self._timeout_s:g} s and was stopped (--timeout)"
        code = worker.exit_code
        if code == -signal.SIGKILL:
            return "the process doing it was killed twice (signal 9); was the memory used up?"
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"crashed the decoder, twice ({how}); the file is damaged in a way that libsndfile does not survive"


def _tidy(worker: Worker) -> None:
    """Remove the temporary file of a worker that could not do so itself."""
    if worker.task is not None and worker.exit_code:
        remove_stale(worker.task.job.output.parent)


@dataclass(eq=False)
class Worker:
    """One process and the run's end of its pipe."""

    context: Any
    settings: Settings
    wants_plans: bool
    foreign: Sequence[int]
    task: Task | None = None
    since_s: float = 0.0
    fault: str = ""
    pipe: Any = field(init=False)

    def __post_init__(self) -> None:
        self.pipe, theirs = self.context.Pipe()
        foreign = [*self.foreign, self.pipe.fileno()] if self.context.get_start_method() == "fork" else []
        self.process = self.context.Process(
            target=_work, args=(theirs, self.settings, self.wants_plans, foreign), name="torchfx-worker", daemon=True)
        with warnings.catch_warnings():  # Python 3.12 warns of any thread, such as those that libraries keep idle
            warnings.simplefilter("ignore", DeprecationWarning)
            self.process.start()
        theirs.close()

    @property
    def exit_code(self) -> int:
        return self.process.exitcode or 0

    def give(self, task: Task) -> None:
        task.attempts += 1
        self.task, self.since_s = task, time.monotonic()
        try:
            self.pipe.send(task.job)
        except OSError:  # it died while idle, or cannot hear: its end is heard next
            self.process.kill()

    def kill(self, fault: str) -> None:
        self.fault = fault
        self.process.terminate()
        self.join(time.monotonic() + STOP_S)

    def dismiss(self) -> None:
        if self.task is not None:
            self.process.terminate()
        self.pipe.close()

    def join(self, deadline_s: float) -> None:
        self.process.join(max(0.0, deadline_s - time.monotonic()))
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()


class _Telling(Listener):
    """Sends what happens through the pipe, not more often than a person can see."""

    def __init__(self, pipe: Any, wants_plans: bool) -> None:
        self._pipe, self._frames, self._told_s = pipe, 0, 0.0
        self.wants_plans = wants_plans

    def planned(self, todo: JobPlan) -> None:
        self._frames, self._told_s = 0, time.monotonic()
        if self.wants_plans:
            self._pipe.send(("planned", (todo,)))

    def advanced(self, job: Job, frames: int) -> None:
        self._frames += frames
        now = time.monotonic()
        if now - self._told_s >= TELL_S:
            self._pipe.send(("advanced", (job, self._frames)))
            self._frames, self._told_s = 0, now


def _work(pipe: Any, settings: Settings, wants_plans: bool, foreign: Sequence[int]) -> None:
    """The life of a worker. `foreign` descriptors came along with the fork, but must close when the run does."""
    for descriptor in foreign:
        os.close(descriptor)
    _obey_only_the_run()
    murmur = Murmur()
    listener = _Telling(pipe, wants_plans)
    try:
        while True:
            job = pipe.recv()
            pipe.send(_done(job, settings, listener, murmur))
    except (EOFError, OSError, Interrupted) as end:  # the run has ended, or wants this one to
        remove_unfinished()
        os._exit(isinstance(end, OSError))


def _done(job: Job, settings: Settings, listener: Listener, murmur: Murmur) -> tuple[str, Any]:
    try:
        result = process_file(job, settings, listener)
        return "done", replace(result, notes=(*result.notes, *murmur.lines()))
    except Interrupted:
        raise
    except TorchfxError as error:  # nothing for one file alone: the run cannot go on
        return "stop", error


def _obey_only_the_run() -> None:
    """Ctrl-C reaches the whole process group, but it is the run that decides; it asks with SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _interrupted)
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(SET_PDEATHSIG, signal.SIGTERM)


def _interrupted(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise Interrupted(number)
