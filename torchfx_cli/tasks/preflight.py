"""What a run will need, told before it begins: space, and time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from torchfx_cli.chain.spec import design_chain
from torchfx_cli.errors import FileError
from torchfx_cli.plan.assemble import assemble
from torchfx_cli.render.costs import Work
from torchfx_cli.samples import FLOAT64
from torchfx_cli.tasks.fileplan import JobPlan
from torchfx_cli.tasks.job import Job, Settings

USUAL_RATE_HZ, USUAL_CHANNELS = 48_000, 2
# A rough guess where only the name is known: a byte of a lossy file is several samples.
SAMPLES_PER_BYTE = {".flac": 1.0, ".mp3": 6.0, ".ogg": 6.0, ".opus": 8.0}


def estimated_work(jobs: Sequence[Job], settings: Settings) -> Work:
    """What the run will cost, going by the sizes of the files; a chain that fails at 48 kHz counts as one section."""
    samples = sum(map(estimated_samples, jobs))
    try:
        stages = design_chain(settings.chain, USUAL_RATE_HZ, USUAL_CHANNELS)
        return Work.of_plan(assemble(stages, USUAL_RATE_HZ, USUAL_CHANNELS, FLOAT64, FLOAT64), samples, len(jobs))
    except FileError:
        return Work(samples, len(jobs), sections=1)


def estimated_samples(job: Job) -> int:
    """Of the input of `job`, going by its size."""
    return round(job.input_bytes * SAMPLES_PER_BYTE.get(job.source.suffix.lower(), 0.5))


def needed_bytes(plans: Iterable[JobPlan]) -> int:
    """What the outputs will take at most: as much as their samples take plain, where they are compressed."""
    return sum(todo.output_bytes or todo.facts.file_bytes for todo in plans)


def free_bytes(folder: Path) -> int | None:
    """Space for this user where `folder` is, or will be; None where nobody says."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        facts = os.statvfs(folder)
    except OSError:
        return None
    return facts.f_bavail * facts.f_frsize
