"""A process that does files, so that a decoder that crashes, hangs or eats all memory costs one file and not the batch.

It dies with the run, also when that is killed, and tidies up on the way out. See `pool` for the run's side.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field, replace
from types import FrameType
from typing import Any

from torchfx_cli.errors import Interrupted, TorchfxError
from torchfx_cli.records import dataclass
from torchfx_cli.stream.atomicfile import remove_stale, remove_unfinished
from torchfx_cli.stream.facts import FileFacts
from torchfx_cli.tasks.bundle import process_bundle
from torchfx_cli.tasks.captured import CapturedOutput
from torchfx_cli.tasks.interruption import deliver
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.onefile import JobPlan, RunObserver, step_of
from torchfx_cli.tasks.report import FileResult

TELL_S = 0.1  # how often a worker says how far it is
STOP_S = 1.5  # a worker that was asked to stop is killed after so long: the whole run has two seconds
SET_PDEATHSIG = 1  # prctl(2)
FROM_TERMINALS = (signal.SIGINT, signal.SIGHUP)  # which send them to workers too
STOPPING = (*FROM_TERMINALS, signal.SIGTERM)


@dataclass
class Task:
    """A job, its number among the jobs of the run, and how often a worker had it, and nothing else, to do.

    is_alone  it was in a bundle that its worker did not finish, and gets a worker for itself now.
    """

    number: int
    job: Job
    attempts: int = 0
    is_alone: bool = False


@contextmanager
def held(*, forks: bool) -> Iterator[None]:
    """Signals wait. A process that is started meanwhile lets them wait until it has begun to be a worker.

    Before, they would reach the run's own handlers in a fork of it, or be lost in the interpreter's. One that is not
    forked is for seconds busy with importing, and has nothing to tidy: SIGTERM may end it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING if forks else FROM_TERMINALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass(eq=False)
class Worker:
    """One process and the run's end of its pipe.

    tasks            what it was given and has not finished, by the place in its bundle.
    is_shared        whether the bundle held several.
    since_s, due_s   when it was given, and when it is to be finished.
    """

    context: Any
    settings: Settings
    wants_plans: bool
    foreign: Sequence[int]
    tasks: dict[int, Task] = field(default_factory=dict)
    is_shared: bool = False
    since_s: float = 0.0
    due_s: float = math.inf
    fault: str = ""
    pipe: Any = field(init=False)

    def __post_init__(self) -> None:
        self.pipe, theirs = self.context.Pipe()
        foreign = [*self.foreign, self.pipe.fileno()] if self.context.get_start_method() == "fork" else []
        self.process = self.context.Process(
            target=_work, args=(theirs, self.settings, self.wants_plans, foreign), name="torchfx-worker",
            daemon=True)
        with warnings.catch_warnings():  # Python 3.12 warns of any thread, such as those that libraries keep idle
            warnings.simplefilter("ignore", DeprecationWarning)
            self.process.start()
        theirs.close()

    @property
    def exit_code(self) -> int:
        return self.process.exitcode or 0

    @property
    def killed_by(self) -> int:
        """The signal that ended it, 0 for none; one that it obeyed it tells as a shell does."""
        code = self.exit_code
        return -code if code < 0 else code - 128 if code - 128 in STOPPING else 0

    def give(self, tasks: Sequence[Task], timeout_s: float) -> None:
        """Several are a bundle; `timeout_s` is for each."""
        self.tasks, self.is_shared, self.since_s = dict(enumerate(tasks)), len(tasks) > 1, time.monotonic()
        self.due_s = self.since_s + timeout_s * len(tasks)
        if not self.is_shared:
            tasks[0].attempts += 1
        try:
            self.pipe.send([task.job for task in tasks])
        except OSError:  # it died while idle, or cannot hear: its end is heard next
            self.process.kill()

    def kill(self, fault: str) -> None:
        self.fault = fault
        self.process.terminate()
        self.join(time.monotonic() + STOP_S)

    def dismiss(self) -> None:
        if self.tasks:
            self.process.terminate()
        self.pipe.close()

    def join(self, deadline_s: float) -> None:
        self.process.join(max(0.0, deadline_s - time.monotonic()))
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()

    def tidy(self) -> None:
        """Remove the temporary files that the process, which has ended, could not remove itself."""
        if self.exit_code and self.settings.inspects is None:
            for folder in {task.job.output.parent for task in self.tasks.values()}:
                remove_stale(folder)


class _PipeObserver(RunObserver):
    """Sends what happens through the pipe, not more often than a person can see."""

    def __init__(self, pipe: Any, wants_plans: bool) -> None:
        self._pipe, self._told_s = pipe, 0.0
        self._job: Job | None = None
        self._frames = 0  # of that job, not yet told
        self.wants_plans = wants_plans

    def planned(self, todo: JobPlan) -> None:
        self._told_s = time.monotonic()
        if self.wants_plans:
            self._pipe.send(("planned", (todo,)))

    def opened(self, job: Job, facts: FileFacts) -> None:
        self._told_s = time.monotonic()
        if self.wants_plans:
            self._pipe.send(("opened", (job, facts)))

    def advanced(self, job: Job, frames: int) -> None:
        if job is not self._job:
            self._job, self._frames = job, 0
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
    captured = CapturedOutput()
    observer = _PipeObserver(pipe, wants_plans)
    try:
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
            while True:
                for message in _messages(pipe.recv(), settings, observer, captured):
                    pipe.send(message)
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # not in the middle of tidying
    except (EOFError, OSError, Interrupted) as end:  # the run has ended, or wants this one to
        remove_unfinished()
        os._exit(end.exit_code if isinstance(end, Interrupted) else isinstance(end, OSError))


def _messages(jobs: Sequence[Job], settings: Settings, observer: RunObserver, captured: CapturedOutput
              ) -> Iterator[tuple[str, Any]]:
    try:
        if settings.bundled:
            results = process_bundle(jobs, settings, observer, captured.lines)
        else:
            results = _one_by_one(jobs, settings, observer, captured)
        for place, result in results:
            yield "done", (place, result)
    except TorchfxError as error:  # nothing for one file alone: the run cannot go on
        yield "stop", (error,)


def _one_by_one(jobs: Sequence[Job], settings: Settings, observer: RunObserver, captured: CapturedOutput
                ) -> Iterator[tuple[int, FileResult]]:
    for place, job in enumerate(jobs):
        result = step_of(settings)(job, settings, observer)
        yield place, replace(result, notes=(*result.notes, *captured.lines()))


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
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, STOP_S)  # the run may be gone, and nobody else there to kill it
    deliver(number, frame)
