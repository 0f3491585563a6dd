"""A file that is named by a URL is fetched into a folder of its own here, done as any other, and delivered.

What is fetched and not yet delivered takes no more than `Settings.scratch_bytes` of all workers of this machine
together: a file waits until there is room. The folder of a process that was killed is removed by the next one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from torchfx_cli.errors import FileError, RunError
from torchfx_cli.scratch import ELSEWHERE, check_room, kept_somewhere
from torchfx_cli.stream.facts import FileFacts
from torchfx_cli.tasks import remotejournal, storage
from torchfx_cli.tasks.ending import guarded
from torchfx_cli.tasks.fileplan import JobPlan
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.onefile import Measurement, RunObserver
from torchfx_cli.tasks.preflight import SAMPLES_PER_BYTE
from torchfx_cli.tasks.report import FileResult
from torchfx_cli.tasks.urls import Url, bytes_of

WAIT_S = 0.05
NEED, GATE = "need", "gate"
BYTES_PER_SAMPLE = 4  # of an output, where nobody knows more

Step = Callable[[Job, Settings, RunObserver], FileResult]


def staged(step: Step) -> Step:
    """`step` for files wherever they are."""
    def whole(job: Job, settings: Settings, observer: RunObserver) -> FileResult:
        if not job.is_remote:
            return step(job, settings, observer)
        since_s = time.perf_counter()
        return guarded(job, settings, since_s, lambda: _done(step, job, settings, observer, since_s))

    return whole


def _done(step: Step, job: Job, settings: Settings, observer: RunObserver, since_s: float) -> FileResult:
    with room(needed_bytes(job), settings.scratch_bytes) as folder:
        here = _here(job, folder)
        if isinstance(job.source, Url):
            storage.fetch(job.source, job.stamp, here.source)
        made = remotejournal.made_of(job, settings.work)
        result = step(here, settings, _Named(observer, job))
        if isinstance(job.output, Url) and result.status == "ok" and not isinstance(result, Measurement):
            held = storage.measured(here.output)
            remotejournal.note(job, settings, made, *held, len(result.warnings))
            storage.deliver(here.output, job.output, *held, overwrite=settings.overwrite or job.overwrite)
    error = result.error
    for path, name in ((here.source, job.source), (here.output, job.output)):
        error = error and error.replace(str(path), str(name))
    return replace(result, input=str(job.source), output=str(job.output), error=error,
                   elapsed_s=time.perf_counter() - since_s)


def _here(job: Job, folder: Path) -> Job:
    """`job` with files of this machine, in `folder` what is elsewhere. What is delivered is noted elsewhere, too."""
    here = job
    if isinstance(job.source, Url):
        (folder / "in").mkdir()
        here = replace(here, source=folder / "in" / job.source.name, origin=job.source)
    if isinstance(job.output, Url):
        (folder / "out").mkdir()
        here = replace(here, output=folder / "out" / job.output.name, root=None)
    return here


def needed_bytes(job: Job) -> int:
    """What `job` takes here: as much as it has bytes elsewhere, and an output of as many samples, not compressed."""
    fetched = bytes_of(job.stamp) if isinstance(job.source, Url) else 0
    if not isinstance(job.output, Url):
        return fetched
    size = fetched or os.stat(job.source).st_size
    samples = size * SAMPLES_PER_BYTE.get(job.source.suffix.lower(), 1 / BYTES_PER_SAMPLE)
    return fetched + round(samples * BYTES_PER_SAMPLE)


@contextlib.contextmanager
def room(needed: int, most: int | None) -> Iterator[Path]:
    """An empty folder, as soon as all such folders of this user together, this one with `needed` bytes, keep to `most`.

    Raises FileError where they never will.
    """
    with kept_somewhere("what is fetched"):
        base = _base()
        if most is not None and needed > most:
            raise FileError(f"about {needed / 1e6:.1f} MB are needed here, and --scratch allows {most / 1e6:.1f} MB")
        while (admitted := _admitted(base, needed, most)) is None:
            time.sleep(WAIT_S)
    folder, fd = admitted
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(fd)


def _base() -> Path:
    """The folder of all such folders, which nobody else may write to."""
    base = Path(tempfile.gettempdir()) / f"torchfx-staging-{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    facts = base.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o077:
        raise RunError(f"{base} is not a folder of this user alone; {ELSEWHERE}")
    return base


def _admitted(base: Path, needed: int, most: int | None) -> tuple[Path, int] | None:
    """A new folder, and the lock that keeps it; None while there is no room."""
    gate = os.open(base / GATE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(gate, fcntl.LOCK_EX)
        held = sum(map(_held_bytes, base.glob("file-*")))
        if most is not None and held + needed > most:
            return None
        if most is None:
            check_room(needed, "what is fetched")
        folder = Path(tempfile.mkdtemp(prefix="file-", dir=base))
        fd = os.open(folder / NEED, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX)
        os.write(fd, str(needed).encode())
        return folder, fd
    finally:
        os.close(gate)


def _held_bytes(folder: Path) -> int:
    """What is kept free for a file under way; the folder of a process that has ended is removed."""
    try:
        fd = os.open(folder / NEED, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:  # it is just being removed
        shutil.rmtree(folder, ignore_errors=True)
        return 0
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(os.pread(fd, 32, 0) or b"0")
    finally:
        os.close(fd)
    shutil.rmtree(folder, ignore_errors=True)
    return 0


class _Named(RunObserver):
    """Tells `observer` of `job` where its files here are meant."""

    def __init__(self, observer: RunObserver, job: Job) -> None:
        self._observer, self._job = observer, job
        self.wants_plans = observer.wants_plans

    def planned(self, todo: JobPlan) -> None:
        self._observer.planned(replace(todo, job=self._job))

    def opened(self, job: Job, facts: FileFacts) -> None:
        self._observer.opened(self._job, facts)

    def advanced(self, job: Job, frames: int) -> None:
        self._observer.advanced(self._job, frames)
