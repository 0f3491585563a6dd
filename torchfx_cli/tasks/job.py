"""Which input becomes which output, settled before anything is opened for writing.

Without `--output`, `folder/in.wav` becomes `folder/processed/in.wav`. No output may be an input (also through links),
no two inputs may share an output, and an output that exists is an error unless it is to be replaced or skipped.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torchfx_cli.chain.spec import ChainSpec
from torchfx_cli.errors import UsageError, printable
from torchfx_cli.plan.assemble import Dither
from torchfx_cli.stream.formats import check_words, extension_of, is_audio_name

DEFAULT_FOLDER = "processed"


@dataclass(frozen=True)
class Settings:
    """What is asked for, the same for every file of the run."""

    chain: ChainSpec
    device: str = "auto"
    engine: str = "auto"
    chunk_s: float | None = None
    format: str | None = None
    subtype: str | None = None
    dither: Dither = "auto"
    tail_s: float | Literal["auto"] = 0.0
    overwrite: bool = False
    skip_existing: bool = False
    strict: bool = False


@dataclass(frozen=True)
class Job:
    """One input and its output; `skip` says why it is not to be done."""

    source: Path
    output: Path
    skip: str | None = None


def plan_jobs(inputs: Sequence[str | Path], output: str | Path | None, settings: Settings) -> list[Job]:
    """One job an input; raises UsageError with every conflict that can be seen beforehand."""
    sources = [Path(name) for name in inputs]
    problems = [_folder_hint(source) for source in sources if source.is_dir()]
    jobs = [Job(source, _output_of(source, output, len(sources), settings)) for source in sources]
    problems += _impossible_formats(jobs, settings)
    problems += _shared_outputs(jobs)
    problems += _overwritten_inputs(jobs)
    if settings.skip_existing:
        jobs = [Job(j.source, j.output, "the output exists") if os.path.lexists(j.output) else j for j in jobs]
    else:
        problems += _occupied(jobs, settings.overwrite)
    if problems:
        raise UsageError("\n".join(map(printable, problems)))
    return jobs


def _output_of(source: Path, output: str | Path | None, inputs: int, settings: Settings) -> Path:
    name = source.name
    if settings.format is not None:
        name = source.stem + extension_of(settings.format)
    if output is None:
        return source.parent / DEFAULT_FOLDER / name
    target, shown = Path(output), printable(str(output))
    if target.is_dir() or str(output).endswith(os.sep):
        return target / name
    if not is_audio_name(target):
        if inputs == 1 and target.suffix:  # mistyped more often than meant as a folder
            raise UsageError(f"no audio format has the extension of {shown}; for a folder write {shown}/")
        return target / name
    if inputs > 1:
        raise UsageError(f"{shown} is one file, but there are {inputs} inputs; give a folder")
    return target


def _folder_hint(source: Path) -> str:
    return f"{source} is a folder; name its files: {source}/*.wav"


def _impossible_formats(jobs: Iterable[Job], settings: Settings) -> list[str]:
    problems: dict[str, None] = {}  # each once, in order
    for job in jobs:
        try:
            check_words(job.output, settings.format, settings.subtype)
        except UsageError as error:
            problems[str(error)] = None
    return list(problems)


def _shared_outputs(jobs: Iterable[Job]) -> list[str]:
    first: dict[str, Job] = {}
    problems = []
    for job in jobs:
        key = os.path.abspath(job.output)
        other = first.setdefault(key, job)
        if other is not job:
            problems.append(f"{other.source} and {job.source} would both become {job.output}")
    return problems


def _overwritten_inputs(jobs: Sequence[Job]) -> list[str]:
    inputs = {identity: job.source for job in jobs if (identity := _identity(job.source))}
    return [
        f"{job.source}: the output {job.output} would overwrite the input {inputs[identity]}; choose another --output"
        for job in jobs
        if (identity := _identity(job.output)) in inputs
    ]


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode behind a name, links followed: the same for all names of one file."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _occupied(jobs: Iterable[Job], overwrite: bool) -> list[str]:
    problems = []
    for job in jobs:
        try:
            mode = job.output.lstat().st_mode
        except (OSError, ValueError):
            continue
        if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            problems.append(f"{job.output} exists and is not a regular file")
        elif not overwrite:
            problems.append(f"{job.output} exists; use --overwrite to replace it or --skip-existing to leave it")
    return problems
