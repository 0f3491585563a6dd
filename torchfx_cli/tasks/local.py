"""Does the jobs of a run on this machine; a bad file never stops the rest.

Files are done by worker processes (see `pool`, and `watched` for the exception); what a batch has done is noted in the
journal of its output folder.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from torchfx_cli.errors import FileError
from torchfx_cli.stream.stdio import STDIO
from torchfx_cli.stream.writer import remove_stale
from torchfx_cli.tasks import albums, journal, watched
from torchfx_cli.tasks.bundle import process_one
from torchfx_cli.tasks.folders import Roots, make_root
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.onefile import RunObserver, step_of
from torchfx_cli.tasks.report import FileResult, Report, failed
from torchfx_cli.tasks.urls import Url
from torchfx_cli.tasks.workers import Task

Pools = Callable[[Settings, RunObserver, Sequence[Task]], Iterator[tuple[int, FileResult]]]

if TYPE_CHECKING:
    from torchfx_cli.tasks.remotejournal import RemoteJournal

    Notes = journal.Journal | RemoteJournal


def run_jobs(jobs: Sequence[Job], settings: Settings, observer: RunObserver, report: Report | None = None) -> Report:
    """Do `jobs`. What was done is in `report` also when an error or a signal ends the run."""
    report = Report() if report is None else report
    report.planned = len(jobs)
    for folder in {job.output.parent for job in jobs}:
        remove_stale(folder)  # what a killed run has left there
    with ExitStack() as stack:
        notes = stack.enter_context(_journal(jobs, settings, observer))
        settings = replace(settings, noted="" if notes is None else notes.name)
        roots, failures = Roots(jobs), dict[int, FileResult]()
        pools = _pools(jobs, settings, observer, notes, stack)
        if settings.album:
            jobs, failures = albums.measured(jobs, settings, partial(_measure, observer, pools))
        if settings.resume and notes is not None:
            jobs = notes.settled(jobs, strict=settings.strict)
        results = stack.enter_context(closing(_results(jobs, settings, observer, pools, notes, failures)))
        for number, result in results:
            job = jobs[number]
            roots.check(job.root)
            report.add(number, result)
            observer.finished(job, result)
            if settings.fail_fast and result.status == "failed":
                break
    return report


def _measure(observer: RunObserver, pools: Pools, jobs: Sequence[Job], settings: Settings
             ) -> Generator[tuple[int, FileResult], None, None]:
    with closing(_results(jobs, settings, RunObserver(), pools, None, {})) as results:
        for done, result in enumerate(results, 1):
            observer.measuring(done, len(jobs))
            yield result


def _results(jobs: Sequence[Job], settings: Settings, observer: RunObserver, pools: Pools, notes: Notes | None,
             failures: Mapping[int, FileResult]) -> Generator[tuple[int, FileResult], None, None]:
    """The number and the result of each job, as they end; `failures` are those known by now."""
    waiting = []
    for number, job in enumerate(jobs):
        if number in failures:
            yield number, failures[number]
        elif job.skip:
            yield number, _skipped(job, job.skip, settings, notes)
        elif job.fault:
            yield number, failed(job.source, job.output, job.fault, FileError.reason)
        else:
            waiting.append(Task(number, job))
    alone = settings.fresh and not settings.is_batch
    here = [task for task in waiting
            if alone or STDIO in (task.job.source, task.job.output) or watched.may_crash(task.job, settings)]
    waiting = [task for task in waiting if task not in here]
    if waiting:
        yield from pools(settings, observer, waiting)
    for task in here:  # behind the workers: a fork copies no threads, and engines have some
        observer.started(task.job)
        step = process_one if settings.bundled else step_of(settings)
        with watched.at_risk(task.job, settings):
            result = step(task.job, settings, observer)
        yield task.number, result


def _skipped(job: Job, why: str, settings: Settings, notes: Notes | None) -> FileResult:
    """A report for people and data sets tells also of what was done before, as far as its header does."""
    found = FileResult("skipped", str(job.source), str(job.output), warnings=(why,))
    if why != journal.DONE_BEFORE or not settings.glances or not isinstance(notes, journal.Journal):
        return found
    from torchfx_cli.stream.reader import open_source

    try:
        with open_source(job.output) as source:
            facts = source.facts
    except FileError:  # the journal knows its time and size, and nobody asked to read it
        return found
    sha256 = notes.record_of(job).get("out_sha256", "") if settings.digests else ""
    return replace(found, sha256=sha256, fs=facts.fs, channels=facts.channels, frames=facts.frames or 0,
                   subtype=facts.subtype, duration_s=facts.duration_s or 0.0)


def _pools(jobs: Sequence[Job], settings: Settings, observer: RunObserver, notes: Notes | None,
           stack: ExitStack) -> Pools:
    """What does tasks with given settings: the workers of this machine, or those of a cluster as long as `stack`."""
    if settings.cluster:
        from torchfx_cli.tasks.clusterpool import cluster_pools

        return stack.enter_context(cluster_pools(jobs, settings.cluster, observer.told))

    def local(settings: Settings, observer: RunObserver, tasks: Sequence[Task]) -> Iterator[tuple[int, FileResult]]:
        from torchfx_cli.tasks.pool import WorkerPool

        private = () if notes is None else notes.private
        return WorkerPool(min(settings.jobs, len(tasks)), settings, observer, private).run(tasks)

    return local


def _journal(jobs: Sequence[Job], settings: Settings, observer: RunObserver) -> AbstractContextManager[Notes | None]:
    """A journal of the one output folder; none where there are several, or for a single file where no batch has one."""
    roots = {job.root for job in jobs}
    root = roots.pop() if len(roots) == 1 else None
    if root is None or not (settings.is_batch or journal.is_kept_in(root)):
        return nullcontext()
    if isinstance(root, Url):
        from torchfx_cli.tasks import remotejournal

        return remotejournal.opened(root, settings.work)
    make_root(root)
    if settings.cluster and settings.resume:
        from torchfx_cli.tasks.clusterpool import wait_for_others

        wait_for_others(root, observer.told)
    return journal.opened(root, settings.work, hashes=settings.hashes, shared=not settings.resume, shard=settings.shard)
