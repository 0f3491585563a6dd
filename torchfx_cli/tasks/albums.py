"""One level for all files of an album: what a folder holds keeps its relative levels.

The files of a run that lie in one folder are an album. All of them are measured first, and a stage that is shared, such
as `normalize` and `loudness`, follows from what its meter reads of them together: the highest peak, the blocks of all
gated as those of one file (as ReplayGain 2.0 has it for albums). A file that cannot be measured fails, and is left out.
For its loudness 0.3 MB an hour of sound are kept meanwhile.

What was read is part of the work that the journal knows of: a resumed run measures all files again, those done before
too, and does anew what was made with another gain.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace

from torchfx_cli.effects.parallel import every
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.onefile import Measurement
from torchfx_cli.tasks.report import FileResult

Measure = Callable[[Sequence[Job], Settings], Generator[tuple[int, FileResult], None, None]]


def album_of(job: Job) -> str:
    """The folder that the input lies in."""
    return os.path.dirname(os.path.abspath(job.source))


def shared_stages(settings: Settings) -> int:
    """How many stages of the chain are shared by the files of an album."""
    return sum(spec.is_shared for spec in every(settings.chain.stages))


def measured(jobs: Sequence[Job], settings: Settings, measure: Measure) -> tuple[list[Job], dict[int, FileResult]]:
    """`jobs` with what was read of their albums, and the results of those that failed, by their number.

    measure  gives the number and what came of each job, in any order.
    """
    jobs, failed = list(jobs), dict[int, FileResult]()
    for _ in range(shared_stages(settings)):
        heard: dict[int, Measurement] = {}
        left = [number for number, job in enumerate(jobs) if not job.fault and number not in failed]
        todo = [jobs[number] for number in left]
        with closing(measure(todo, replace(settings, measures=True, bundled=False))) as results:
            for place, result in results:
                if isinstance(result, Measurement):
                    heard[left[place]] = result
                    continue
                failed[left[place]] = replace(result, error=f"{result.error} (its album is measured without it)")
                if settings.fail_fast:
                    return jobs, failed
        jobs = _with_readings(jobs, heard)
    return jobs, failed


def _with_readings(jobs: Sequence[Job], heard: dict[int, Measurement]) -> list[Job]:
    """In the order of the paths, so that the sums of an album do not depend on how it was named."""
    albums: dict[str, list[Measurement]] = {}
    for number in sorted(heard, key=lambda number: os.path.abspath(jobs[number].source)):
        albums.setdefault(album_of(jobs[number]), []).append(heard[number])
    readings = {name: members[0].stage.of_album([member.part for member in members])
                for name, members in albums.items()}
    return [replace(job, readings=(*job.readings, readings[album_of(job)])) if number in heard else job
            for number, job in enumerate(jobs)]
