"""A file that is only read: what its header says, its figures where they are asked for, and what it misses."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import asdict, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torchfx_cli.chain.spec import ChainSpec
from torchfx_cli.errors import FileError
from torchfx_cli.records import dataclass
from torchfx_cli.stream import metadataplan
from torchfx_cli.stream.described import described
from torchfx_cli.stream.reader import Source, open_source
from torchfx_cli.stream.speakers import names
from torchfx_cli.tasks.ending import guarded
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.onefile import RunObserver
from torchfx_cli.tasks.pool import WorkerPool
from torchfx_cli.tasks.report import FileResult, failed
from torchfx_cli.tasks.workers import Task

if TYPE_CHECKING:
    from torchfx_cli.tasks.requirements import Requirement

@dataclass(frozen=True)
class Asked:
    """What is to be told of each file; `figures` by name, see `stats.FIGURES`."""

    check: bool = False
    figures: frozenset[str] = frozenset()
    requirements: tuple[Requirement, ...] = ()


@dataclass(frozen=True)
class Inspected(FileResult):
    """`record` is what was found, by the names of `info --json`."""

    record: dict[str, Any] = field(default_factory=dict)


def job_of(path: str, fault: str | None = None) -> Job:
    """Reading `path`; `fault`: why that cannot be done."""
    return Job(Path(path), Path(path), fault=fault)


def inspect_all(jobs: Sequence[Job], asked: Asked, observer: RunObserver, at_a_time: int,
                timeout_s: float | None = None) -> Generator[tuple[int, FileResult], None, None]:
    """The number and the result of each job, as they end; files are read by workers, see `pool`.

    timeout_s  a file that takes longer fails.
    """
    for number, job in enumerate(jobs):
        if job.fault is not None:
            yield number, failed(job.source, job.output, job.fault, FileError.reason)
    tasks = [Task(number, job) for number, job in enumerate(jobs) if job.fault is None]
    if tasks:
        pool = WorkerPool(min(at_a_time, len(tasks)), _settings(asked, timeout_s), observer)
        yield from pool.run(tasks)


def inspect_one(job: Job, asked: Asked, observer: RunObserver) -> FileResult:
    """The result of `job`, read by this process."""
    return inspect_file(job, _settings(asked), observer)


def _settings(asked: Asked, timeout_s: float | None = None) -> Settings:
    return Settings(ChainSpec("", ()), inspects=asked, timeout_s=timeout_s)


def inspect_file(job: Job, settings: Settings, observer: RunObserver) -> FileResult:
    """Read `job.source` as far as `settings.inspects` asks for."""
    since_s, asked = time.perf_counter(), settings.inspects
    assert asked is not None

    def whole() -> Inspected:
        with open_source(job.source) as source:
            observer.opened(job, source.facts)
            record = _record(job, source, asked, observer)
            return Inspected("ok", str(job.source), "", source.facts.fs, duration_s=record["duration_s"] or 0.0,
                             elapsed_s=time.perf_counter() - since_s, record=record)

    return guarded(job, settings, since_s, whole)


def _record(job: Job, source: Source, asked: Asked, observer: RunObserver) -> dict[str, Any]:
    facts = source.facts
    record: dict[str, Any] = {
        "input": str(job.source),
        "container": facts.container,
        "subtype": facts.subtype,
        "fs": facts.fs,
        "channels": facts.channels,
        "speakers": list(names(facts.channel_map)),
        "frames": facts.frames,
        "duration_s": facts.duration_s,
        "file_bytes": facts.file_bytes,
        "kbps": None if facts.kbps is None else round(facts.kbps, 1),
        "tags": dict(facts.tags),
        "also": list(metadataplan.contents(source.metadata)),
    }
    more = described(source.metadata, facts.fs)
    record["tags"] |= more.pop("tags", {})
    record |= more
    warnings, figures = list[str](), dict[str, float | None]()
    needs_length = facts.duration_s is None and any(one.key == "duration" for one in asked.requirements)
    if asked.check or asked.figures or needs_length:
        from torchfx_cli.tasks.stats import read_all

        peak, figures = read_all(source, asked.figures, lambda frames: observer.advanced(job, frames))
        record |= {"frames": source.frames_read, "duration_s": source.frames_read / facts.fs}
        count = int(figures.get("non_finite") or 0)
        if count:
            warnings = [f"{count} sample{'s' * (count > 1)} that {'are' if count > 1 else 'is'} not finite, "
                        f"measured as silence"]
        if asked.check:
            record |= {"peak": peak, "damaged": source.damaged or count > 0}
        if asked.figures:
            record["stats"] = figures
    if asked.requirements:
        from torchfx_cli.tasks.requirements import verdict

        values: dict[str, Any] = {"rate": facts.fs, "channels": facts.channels, "duration": record["duration_s"]}
        record |= asdict(verdict(asked.requirements, values | figures))
    return record | {"warnings": [*source.warnings, *warnings], "notes": list(source.notes)}
