"""A hot folder: whatever is put into it is done, once, as soon as it is whole.

Nobody tells when a file is whole, so the folder is looked at again and again: a file is taken when it has stayed the
same for a while (or its time is that long ago already, as for what lay there before); one whose header says that it is
not finished has to stay the same for longer. What was done stands in the journal of the output folder, so a watch that
is started again goes on where it was, and an input that has changed since is done anew. A file that failed, or whose
output is not ours, is left alone until it changes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from torchfx_cli.errors import FileError, RunError, UsageError
from torchfx_cli.stream.formats import check_words, extension_of
from torchfx_cli.stream.unfinished import why_unfinished
from torchfx_cli.stream.writer import remove_stale
from torchfx_cli.tasks import journal
from torchfx_cli.tasks.folders import make_root
from torchfx_cli.tasks.inputs import Input
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.naming import output_path
from torchfx_cli.tasks.onefile import RunObserver
from torchfx_cli.tasks.pool import WorkerPool
from torchfx_cli.tasks.report import FileResult, failed
from torchfx_cli.tasks.scan import Finder, LeftOut
from torchfx_cli.tasks.workers import Task

SETTLE_S = 2.0
UNFINISHED_TIMES = 15  # as long as others a file waits whose header says that it is not finished
OUTPUT_EXISTS = "the output exists and is not what a watch or a batch made of it; --overwrite would make it anew"
OTHER_CHAIN = "the output was made by another chain or other options; --overwrite would make it anew"

Stamp = tuple[int, int, int, int]  # size, time of modification, inode, time of change
Listen = Callable[[Sequence[Job]], RunObserver]


@dataclass(frozen=True)
class Place:
    """Where files come from and where they go.

    folder    is searched, with all below it; `root`, the output folder, gets the same tree.
    settle_s  how long a file must have stayed the same; an unfinished one: `UNFINISHED_TIMES` as long.
    template  of the names of outputs, see `naming`; `chain` is what {chain} stands for.
    """

    folder: str
    root: Path
    settle_s: float = SETTLE_S
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    template: str | None = None
    chain: str = ""


def watch(place: Place, settings: Settings, listen: Listen, pause: Callable[[float], None] = time.sleep
          ) -> Iterator[FileResult]:
    """Do what is in `place` and what comes, for ever; the result of each file as it ends.

    listen  is given the jobs of a round, those found ripe at one look, and hears how they go.

    Raises RunError where the run cannot go on: a folder that is gone, a full disk, another run in the output folder.
    """
    make_root(place.root)
    settings = replace(settings, noted=journal.NAME)
    with journal.opened(place.root, settings.work) as notes:
        look = Look(place, settings, notes)
        while True:
            jobs = look.ripe()
            if jobs:
                yield from _round(jobs, settings, listen(jobs), notes)
            elif settings.once and not look.unripe:
                return
            else:
                pause(settings.poll_s)


def _round(jobs: Sequence[Job], settings: Settings, observer: RunObserver, notes: journal.Journal
           ) -> Iterator[FileResult]:
    with closing(_results(jobs, settings, observer, notes)) as results:
        for number, result in results:
            observer.finished(jobs[number], result)
            yield result


def _results(jobs: Sequence[Job], settings: Settings, observer: RunObserver, notes: journal.Journal
             ) -> Generator[tuple[int, FileResult], None, None]:
    tasks = []
    for number, job in enumerate(jobs):
        problem = _problem(job, settings)
        if job.skip:
            yield number, FileResult("skipped", str(job.source), str(job.output), warnings=(job.skip,))
        elif problem:
            yield number, failed(job.source, job.output, problem, FileError.reason)
        else:
            tasks.append(Task(number, job))
    pool = WorkerPool(min(settings.jobs, len(tasks)), settings, observer, (notes.fd,))
    yield from pool.run(tasks)


def _problem(job: Job, settings: Settings) -> str:
    """What is wrong with this output before its input is opened; for one file of many no reason to end the run."""
    try:
        check_words(job.output, settings.format, settings.subtype)
    except UsageError as error:
        return str(error)
    return ""


@dataclass
class Sighting:
    """A file as it was seen last; since when, in `time.monotonic` seconds; whether that is dealt with."""

    stamp: Stamp
    since_s: float
    is_settled: bool = False


class Look:
    """Looks at a place and remembers what it saw. `unripe`: files that were not yet whole at the last look."""

    def __init__(self, place: Place, settings: Settings, notes: journal.Journal,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._place, self._settings, self._notes, self._clock = place, settings, notes, clock
        self._extension = None if settings.format is None else extension_of(settings.format)
        self._seen: dict[str, Sighting] = {}
        self._owners: dict[str, str] = {}
        self._tidied: set[Path] = set()
        self._numbers = notes.numbers()
        self._next_number = max(self._numbers.values(), default=0) + 1
        self.unripe = 0

    def ripe(self) -> list[Job]:
        """Jobs for all files that are whole and not dealt with; each is told of once."""
        found = self._found()
        self._seen = {path: seen for path, seen in self._seen.items() if path in found}
        self.unripe = 0
        jobs = []
        for path, relative in found.items():
            seen = self._sighting(path)
            if seen is None or seen.is_settled:
                continue
            if not self._is_still(seen, self._place.settle_s):
                self.unripe += 1
                continue
            job = self._job(path, relative)
            if job.skip or not self._notes.is_done(job, strict=self._settings.strict):
                if self._is_being_written(seen, job):
                    self.unripe += 1
                    continue
                jobs.append(self._allowed(job))
            seen.is_settled = True
        return jobs

    def _found(self) -> dict[str, str]:
        """The place of each file below the folder, by its path."""
        place = self._place
        if not os.path.isdir(place.folder):
            raise RunError(f"the watched folder {place.folder} is gone")
        finder = Finder(place.include, place.exclude, str(place.root), LeftOut())
        return {found.path: found.relative for found in finder.folder(place.folder) if found.fault is None}

    def _sighting(self, path: str) -> Sighting | None:
        try:
            facts = os.stat(path)
        except OSError:
            return None
        stamp = facts.st_size, facts.st_mtime_ns, facts.st_ino, facts.st_ctime_ns
        seen = self._seen.get(path)
        if seen is None or seen.stamp != stamp:
            seen = self._seen[path] = Sighting(stamp, self._clock())
        return seen

    def _is_still(self, seen: Sighting, settle_s: float) -> bool:
        """Whether it has not been written to for `settle_s`, going by its time or by what was seen of it."""
        age_s = time.time() - seen.stamp[1] / 1e9
        return max(age_s, self._clock() - seen.since_s) >= settle_s

    def _is_being_written(self, seen: Sighting, job: Job) -> bool:
        """A header that says so is believed, for a while: an upload may pause, but some files stay as they are."""
        return not self._is_still(seen, UNFINISHED_TIMES * self._place.settle_s) and bool(why_unfinished(job.source))

    def _allowed(self, job: Job) -> Job:
        """`job`, skipped where its output exists and may not be made anew."""
        if job.skip or self._settings.overwrite:
            return self._tidied_up(job)
        if not os.path.lexists(job.output):
            return self._tidied_up(job)
        record = self._notes.made_of(job)
        if not record or not journal.is_untouched(job.output, record):
            return replace(job, skip=OUTPUT_EXISTS)
        if record.get("input") != os.path.abspath(job.source):
            return replace(job, skip=f"its output was made of {record.get('input')}; --overwrite would replace it")
        if record.get("work") == self._notes.work or journal.is_changed(job.source, record):
            return replace(self._tidied_up(job), overwrite=True)  # made of an earlier state of this very file
        return replace(job, skip=OTHER_CHAIN)

    def _tidied_up(self, job: Job) -> Job:
        if job.output.parent not in self._tidied:
            self._tidied.add(job.output.parent)
            remove_stale(job.output.parent)
        return job

    def _job(self, path: str, relative: str) -> Job:
        place = self._place
        number = self._number_of(path)
        found = Input(path, relative, place.folder)
        try:
            output = output_path(found, output=os.path.join(place.root, ""), inputs=2, template=place.template,
                                 extension=self._extension, chain=place.chain, number=number)
        except UsageError as error:
            return Job(Path(path), place.root, skip=str(error))
        owner = self._owners.setdefault(os.path.normpath(output), path)
        skip = None if owner == path else f"{owner} becomes {output}, too"
        return Job(Path(path), Path(output), skip=skip, root=place.root, number=number)

    def _number_of(self, path: str) -> int:
        """A file keeps its number, also when the watch is started again."""
        key = os.path.abspath(path)
        if key not in self._numbers:
            self._numbers[key] = self._next_number
            self._next_number += 1
        return self._numbers[key]
