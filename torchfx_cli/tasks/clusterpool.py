"""A run's side of a cluster: hands out groups of files, hears of each, and what becomes of those of a lost worker.

It stands where `pool.WorkerPool` does on one machine. A group whose worker is lost is done again by another: that is
the scheduler's business. One that has killed several workers is submitted file by file, and the file that kills again
fails. When the scheduler itself is lost, all that is not known to be done is submitted anew, once it is back.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any

from torchfx_cli import __version__
from torchfx_cli.errors import RunError, UsageError
from torchfx_cli.stream.atomicfile import part_name
from torchfx_cli.stream.opened import libsndfile_version
from torchfx_cli.stream.stdio import STDIO
from torchfx_cli.tasks import interruption, journalfile
from torchfx_cli.tasks.cluster import Cluster, ConnectionLost
from torchfx_cli.tasks.clustertask import Order, Surroundings
from torchfx_cli.tasks.groups import Group, grouped
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.onefile import RunObserver
from torchfx_cli.tasks.report import FileResult, failed
from torchfx_cli.tasks.workers import Task

if TYPE_CHECKING:
    from torchfx_cli.tasks.local import Pools

POLL_S = 0.1
LOOK_S = 2.0  # how often it is asked whether there are workers, while nothing is heard
NO_WORKERS_S = 60.0
NO_SCHEDULER_S = 60.0
OTHERS_S = 30.0
MAX_LOST = 8  # times that a group may get lost, by the restart of all workers for example
MAX_NAMED = 5  # workers in a message


class ClusterPool:
    """Does the files of a run on `cluster`, whose output folder is `root`."""

    def __init__(self, cluster: Cluster, settings: Settings, observer: RunObserver, root: Path) -> None:
        self._cluster, self._settings, self._observer, self._root = cluster, settings, observer, root
        self._gpu = settings.device.startswith("cuda")
        self._left: dict[int, Task] = {}  # those of which nothing is known yet
        self._numbers: dict[str, tuple[int, ...]] = {}  # of the files of each group that is under way
        self._lost: Counter[int] = Counter()  # how often, by the number of the file

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
            for name in list(self._numbers):
                self._forget(name)

    def _begin(self) -> None:
        """Connect where there is no connection, see that the workers are fit, and submit all that is left."""
        if not self._cluster.is_connected:
            interruption.waited(self._cluster.connect)
        threads = self._threads()
        first = next(iter(self._left.values())).job.source
        interruption.waited(lambda: check_workers(self._cluster, self._root, first, self._settings))
        interruption.waited(lambda: self._cluster.share(self._settings))
        self._submit(grouped(list(self._left.values()), self._settings, threads))

    def _submit(self, groups: Iterable[Group]) -> None:
        for group in groups:
            order = Order(__version__, self._settings.work, Path(os.path.abspath(self._root)), group.tasks,
                          self._observer.wants_plans)
            name = self._cluster.submit(order, group.cost_s, gpu=self._gpu)
            self._numbers[name] = tuple(task.number for task in group.tasks)

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
            del self._left[number]
            yield number, values[0]
        elif kind == "planned":
            self._observer.planned(*values)
        else:
            getattr(self._observer, kind)(task.job, *values)

    def _ended(self, name: str, outcome: Any) -> Iterator[tuple[int, FileResult]]:
        if name not in self._numbers:
            return
        if isinstance(outcome, RunError):
            raise outcome
        if outcome == "done" and self._unknown(name):
            for number, result in interruption.waited(lambda: self._cluster.results(name)):
                if self._left.pop(number, None) is not None:
                    yield number, result
        unknown = self._unknown(name)
        is_alone = len(self._numbers[name]) == 1
        tasks = tuple(self._left[number] for number in unknown)
        self._forget(name)
        if outcome == "killed" and is_alone:
            for number in unknown:
                yield number, _killed(self._left.pop(number).job)
        elif unknown and self._cluster.is_connected:
            self._count_lost(unknown)
            self._submit([Group((task,), 0.0) for task in tasks] if outcome == "killed" else [Group(tasks, 0.0)])
        elif unknown:
            raise ConnectionLost

    def _unknown(self, name: str) -> list[int]:
        return [number for number in self._numbers[name] if number in self._left]

    def _forget(self, name: str) -> None:
        del self._numbers[name]
        self._cluster.forget(name)

    def _count_lost(self, numbers: Sequence[int]) -> None:
        self._lost.update(numbers)
        if any(self._lost[number] > MAX_LOST for number in numbers):
            raise RunError(f"the workers at {self._cluster.address} lose what they are given; --resume goes on")

    def _reconnect(self) -> None:
        """Wait until the scheduler is back, and submit anew what is left."""
        self._observer.told(f"lost the scheduler at {self._cluster.address}, waiting for it")
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
                self._observer.told(f"waiting for a worker{kind} at {self._cluster.address}")
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
def cluster_pools(jobs: Sequence[Job], address: str) -> Iterator[Pools]:
    """What does tasks with given settings at `address`, where nothing is connected before there is something to do."""
    root, cluster = root_of(jobs), Cluster(address)
    try:
        yield lambda settings, observer, tasks: ClusterPool(cluster, settings, observer, root).run(tasks)
    finally:
        interruption.waited(cluster.close)


def wait_for_others(root: Path, observer: RunObserver) -> None:
    """A while: the workers of a client that was killed end after the block of samples that they are at."""
    deadline_s, is_told = time.monotonic() + OTHERS_S, False
    while journalfile.is_in_use(root) and time.monotonic() < deadline_s:
        if not is_told:
            is_told = True
            observer.told(f"another run is at work in {root}; waiting up to {OTHERS_S:g} s for its end")
        interruption.waited(lambda: time.sleep(POLL_S))


def _killed(job: Job) -> FileResult:
    return failed(job.source, job.output, "each worker of the cluster that did it was lost, several times in a row; "
                  "was the memory used up?", "crash")


def check_workers(cluster: Cluster, root: Path, source: Path, settings: Settings) -> None:
    """Raise RunError where a worker would not do what this process would."""
    problems = unlike(cluster.versions())
    _raise(problems)
    marker, token = Path(os.path.abspath(root)) / part_name(os.urandom(4).hex()), os.urandom(16)
    marker.write_bytes(token)
    try:
        seen = cluster.look(marker, token, Path(os.path.abspath(source)), settings)
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
