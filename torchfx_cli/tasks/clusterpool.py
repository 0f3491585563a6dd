"""A run's side of a cluster: hands out groups of files, hears of each, and what becomes of those of a lost worker.

It stands where `pool.WorkerPool` does on one machine. A group whose worker is lost is done again by another: that is
the scheduler's business. One that has killed several workers is submitted file by file, and the file that kills again
fails. When the scheduler itself is lost, all that is not known to be done is submitted anew, once it is back.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any

from torchfx_cli import __version__
from torchfx_cli.errors import RunError, UsageError
from torchfx_cli.stream.atomicfile import part_name, remove_stale
from torchfx_cli.stream.opened import libsndfile_version
from torchfx_cli.stream.stdio import STDIO
from torchfx_cli.tasks import interruption, journalfile
from torchfx_cli.tasks.cluster import Cluster, ConnectionLost
from torchfx_cli.tasks.clustertask import Order, Surroundings
from torchfx_cli.tasks.groups import Group, grouped
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.onefile import RunObserver
from torchfx_cli.tasks.report import FileResult, failed
from torchfx_cli.tasks.urls import Url
from torchfx_cli.tasks.workers import Task

if TYPE_CHECKING:
    from torchfx_cli.tasks.local import Pools

POLL_S = 0.1
LOOK_S = 2.0  # how often it is asked whether there are workers, while nothing is heard
NO_WORKERS_S = 60.0
NO_SCHEDULER_S = 60.0
OTHERS_S = 30.0
MAX_LOSSES = 20  # of connections, and of what a worker had to tell
MAX_NAMED = 5  # workers in a message

Tell = Callable[[str], object]


class ClusterPool:
    """Does the files of a run on `cluster`, whose output folder is `root`; `tell` hears what is waited for."""

    def __init__(self, cluster: Cluster, settings: Settings, observer: RunObserver, root: Path, tell: Tell) -> None:
        self._cluster, self._settings, self._observer = cluster, settings, observer
        self._root, self._tell = _absolute(root), tell
        self._gpu = settings.device.startswith("cuda")
        self._left: dict[int, Task] = {}  # those of which nothing is known yet
        self._numbers: dict[str, tuple[int, ...]] = {}  # of the files of each group that is under way
        self._losses = 0

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[int, FileResult]]:
        """As `WorkerPool.run`."""
        self._left = {task.number: task for task in tasks}
        try:
            self._begin()
            while self._left:
                try:
                    yield from self._heard()
                except ConnectionLost:
                    self._reconnect()
        finally:
            interruption.waited(self._forget_all)
        for folder in {task.job.output.parent for task in tasks}:
            remove_stale(folder)  # what a machine has left there that died in the middle

    def _begin(self) -> None:
        """Connect where there is no connection, see that the workers are fit, and submit all that is left."""
        if not self._cluster.is_connected:
            interruption.waited(self._cluster.connect)
        threads = self._threads()
        first = next(iter(self._left.values())).job
        interruption.waited(lambda: check_workers(self._cluster, self._root, first, self._settings, gpu=self._gpu))
        interruption.waited(lambda: self._cluster.share(self._settings))
        self._submit(grouped(list(self._left.values()), self._settings, threads))

    def _submit(self, groups: Iterable[Group]) -> None:
        work, wants_plans = self._settings.work, self._observer.wants_plans

        def submit() -> None:
            for group in groups:
                order = Order(__version__, work, self._root, tuple(map(_anywhere, group.tasks)), wants_plans)
                name = self._cluster.submit(order, group.cost_s, gpu=self._gpu)
                self._numbers[name] = tuple(task.number for task in group.tasks)

        interruption.waited(submit)

    def _heard(self) -> Iterator[tuple[int, FileResult]]:
        """What comes of the next message, or of the silence."""
        try:
            kind, *values = self._message()
        except Empty:
            if not self._cluster.is_connected:
                raise ConnectionLost from None
            if not interruption.waited(lambda: self._cluster.threads(gpu=self._gpu)):
                self._threads()
            return
        if kind == "events":
            for event in values[0]:
                yield from self._event(*event)
        else:
            yield from self._ended(*values)

    def _message(self) -> tuple[Any, ...]:
        deadline_s = time.monotonic() + LOOK_S
        while True:
            with interruption.held():
                try:
                    return self._cluster.messages.get(timeout=POLL_S)
                except Empty:
                    if time.monotonic() > deadline_s or not self._cluster.is_connected:
                        raise

    def _event(self, kind: str, number: int, values: tuple[Any, ...]) -> Iterator[tuple[int, FileResult]]:
        task = self._left.get(number)
        if task is None:  # it was done twice
            return
        if kind == "finished":
            yield self._known(number, values[0])
        elif kind == "planned":
            self._observer.planned(replace(values[0], job=task.job))
        else:
            getattr(self._observer, kind)(task.job, *values)

    def _ended(self, name: str, outcome: Any) -> Iterator[tuple[int, FileResult]]:
        if name not in self._numbers:
            return
        if isinstance(outcome, RunError):
            raise outcome
        if outcome == "done" and self._unknown(name):
            for number, result in interruption.waited(lambda: self._cluster.results(name)):
                if number in self._left:
                    yield self._known(number, result)
        unknown = self._unknown(name)
        is_alone = len(self._numbers[name]) == 1
        tasks = tuple(self._left[number] for number in unknown)
        del self._numbers[name]
        interruption.waited(lambda: self._cluster.forget(name))
        if outcome == "killed" and is_alone:
            for number in unknown:
                yield number, _killed(self._left.pop(number).job)
        elif outcome == "killed":
            self._submit([Group((task,), 0.0) for task in tasks])
        elif outcome == "lost":
            raise ConnectionLost
        elif unknown:  # what the worker had to tell went with it
            self._count_loss()
            self._submit([Group(tasks, 0.0)])

    def _known(self, number: int, result: FileResult) -> tuple[int, FileResult]:
        """The result of a file, which is named in it as it is on this machine."""
        job = self._left.pop(number).job
        named = replace(result, input=str(job.source), output=str(job.output))
        if result.error is None:
            return number, named
        return number, replace(named, error=_in_own_words(result.error, job))

    def _unknown(self, name: str) -> list[int]:
        return [number for number in self._numbers[name] if number in self._left]

    def _forget_all(self) -> None:
        for name in self._numbers:
            self._cluster.forget(name)
        self._numbers.clear()

    def _count_loss(self) -> None:
        self._losses += 1
        if self._losses > MAX_LOSSES:
            raise RunError(f"{self._cluster.address} loses again and again what it is given; --resume goes on")

    def _reconnect(self) -> None:
        """Wait until the scheduler is back, and submit anew what is left."""
        self._count_loss()
        self._tell(f"lost the scheduler at {self._cluster.address}, waiting for it")
        self._numbers.clear()
        deadline_s = time.monotonic() + NO_SCHEDULER_S
        while True:
            try:
                interruption.waited(self._cluster.connect)
                self._begin()
                return
            except RunError as error:
                is_lost = isinstance(error, ConnectionLost)
                if time.monotonic() > deadline_s or not is_lost:
                    raise RunError(f"{error}; what is done stays, --resume goes on with the rest") from None
            interruption.waited(lambda: time.sleep(POLL_S))

    def _threads(self) -> int:
        """Of all workers; waits for the first. Raises RunError where none comes."""
        began_s, is_told = time.monotonic(), False
        while not (threads := interruption.waited(lambda: self._cluster.threads(gpu=self._gpu))):
            waited_s = time.monotonic() - began_s
            kind = " that offers a GPU (dask worker --resources GPU=1)" if self._gpu else ""
            if waited_s > NO_WORKERS_S:
                raise RunError(f"no worker{kind} came to {self._cluster.address} within {NO_WORKERS_S:g} s")
            if waited_s > LOOK_S and not is_told:
                is_told = True
                self._tell(f"waiting for a worker{kind} at {self._cluster.address}")
            interruption.waited(lambda: time.sleep(POLL_S))
        return threads


def root_of(jobs: Sequence[Job]) -> Path:
    """The one output folder of `jobs`, whose journals tell what was done; UsageError where they are not for workers."""
    if any(STDIO in (job.source, job.output) for job in jobs):
        raise UsageError("--cluster: its workers cannot reach the standard input and output of this process")
    roots = {job.root for job in jobs}
    root = roots.pop() if len(roots) == 1 else None
    if root is None:
        raise UsageError("--cluster needs one output folder for all files: give it with -o FOLDER/")
    return root


@contextlib.contextmanager
def cluster_pools(jobs: Sequence[Job], address: str, tell: Tell) -> Iterator[Pools]:
    """What does tasks with given settings at `address`, where nothing is connected before there is something to do."""
    root, cluster = root_of(jobs), Cluster(address)
    try:
        yield lambda settings, observer, tasks: ClusterPool(cluster, settings, observer, root, tell).run(tasks)
    finally:
        interruption.waited(cluster.close)


def wait_for_others(root: Path, tell: Tell) -> None:
    """A while: the workers of a client that was killed end after the block of samples that they are at."""
    deadline_s, is_told = time.monotonic() + OTHERS_S, False
    while journalfile.is_in_use(root) and time.monotonic() < deadline_s:
        if not is_told:
            is_told = True
            tell(f"another run is at work in {root}; waiting up to {OTHERS_S:g} s for its end")
        interruption.waited(lambda: time.sleep(POLL_S))


def _anywhere(task: Task) -> Task:
    """`task` with paths that do not depend on the current folder, and that the machines have in common."""
    job = task.job
    return replace(task, job=replace(job, source=_absolute(job.source), output=_absolute(job.output),
                                     root=job.root and _absolute(job.root)))


def _absolute(path: Path) -> Path:
    return path if isinstance(path, Url) else Path(os.path.abspath(path))


def _in_own_words(error: str, job: Job) -> str:
    for path in (job.source, job.output):
        error = error.replace(os.path.abspath(path), str(path))
    return error


def _killed(job: Job) -> FileResult:
    return failed(job.source, job.output, "each worker of the cluster that did it was lost, several times in a row; "
                  "was the memory used up?", "crash")


def check_workers(cluster: Cluster, root: Path, job: Job, settings: Settings, *, gpu: bool) -> None:
    """Raise RunError where a worker would not do what this process would."""
    _raise(unlike(cluster.versions()))
    source = _absolute(job.source)
    if isinstance(root, Url):
        _raise(faults(cluster.look(None, b"", source, settings, gpu=gpu)))
        return
    marker, token = root / part_name(os.urandom(4).hex()), os.urandom(16)
    try:
        marker.write_bytes(token)
        seen = cluster.look(marker, token, source, settings, gpu=gpu)
    except OSError as error:
        raise RunError(f"cannot write in the output folder {root}: {error.strerror}") from None
    finally:
        marker.unlink(missing_ok=True)
    _raise(faults(seen))


def unlike(versions: Mapping[str, Mapping[str, str | None]]) -> list[str]:
    """What is to be said of workers with another torchfx, or another Python, than this process, whose name is ""."""
    own = versions[""]
    problems = []
    for worker, found in versions.items():
        theirs = found.get("torchfx-cli")
        if worker and theirs not in (None, __version__):
            problems.append(f"the worker at {worker} has torchfx {theirs}, this machine {__version__}")
        for name in ("python", "numpy", "soxr", "soundfile"):
            if worker and _minor(name, found.get(name)) != _minor(name, own.get(name)):
                problems.append(f"the worker at {worker} has {name} {found.get(name) or 'not at all'}, this machine "
                                f"{own.get(name)}")
    return problems


def _minor(name: str, version: str | None) -> str | None:
    return version if version is None or name != "python" else ".".join(version.split(".")[:2])


def faults(seen: Mapping[str, Surroundings | Exception]) -> list[str]:
    """What is wrong with the surroundings of workers."""
    problems, libsndfile = [], libsndfile_version()
    for worker, found in seen.items():
        if isinstance(found, Exception):
            problems.append(f"the worker at {worker} has no torchfx {__version__} ({type(found).__name__}: {found})")
        elif found.version != __version__:
            problems.append(f"the worker at {worker} has torchfx {found.version}, this machine {__version__}")
        elif found.libsndfile != libsndfile:
            problems.append(f"the worker at {worker} has libsndfile {found.libsndfile}, this machine {libsndfile}")
        elif found.fault:
            problems.append(f"the worker at {worker} {found.fault}")
    return problems


def _raise(problems: Sequence[str]) -> None:
    if problems:
        more = [f"... and {len(problems) - MAX_NAMED} more"] if len(problems) > MAX_NAMED else []
        raise RunError("\n".join([*problems[:MAX_NAMED], *more]))
