"""Which input becomes which output, settled before anything is opened for writing.

Without `--output`, `folder/in.wav` becomes `folder/processed/in.wav`, and what is found in `folder` keeps its place
below `folder/processed`. No output may be an input (also through links), no two inputs may share an output, and an
output that exists is an error unless it is to be replaced, skipped, or was made by the run that is resumed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path

from torchfx_cli.errors import UsageError, printable
from torchfx_cli.stream.formats import check_words, extension_of, without_rate
from torchfx_cli.stream.forsome import pipewriter
from torchfx_cli.stream.stdio import STDIO
from torchfx_cli.tasks import journal
from torchfx_cli.tasks.backup import settled
from torchfx_cli.tasks.conflicts import find_conflicts
from torchfx_cli.tasks.fileplan import PIPE_FORMAT
from torchfx_cli.tasks.folders import DEFAULT_FOLDER
from torchfx_cli.tasks.inputs import Input
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.naming import output_path, written_instead
from torchfx_cli.tasks.urls import Url, below, is_url, path_of

STDIN_NAME = "stdin.wav"  # of what has none
UNKNOWN = ", and is not what the journal says was made"
WAYS_OUT = "; use --overwrite to replace, --skip-existing to leave, or --resume to go on with a batch"
REPLACE_IT = "; use --overwrite to replace it, too"
MAX_PROBLEMS = 10  # shown; a mistake in the command may give one a file


def plan_jobs(inputs: Sequence[Input], output: str | None, settings: Settings, *, template: str | None = None,
              chain: str = "", resume: bool = False) -> list[Job]:
    """One job an input, faulty ones last; raises UsageError with every conflict that can be seen beforehand.

    template  of the names of outputs, see `naming`; `chain` is what {chain} stands for.
    resume    outputs of the run before are no conflict; needs one output folder.

    Inputs of other shards count for conflicts, but what lies where their outputs will be is not looked at: they may be
    at work.
    """
    piped = str(STDIO)
    if output == piped or (output is None and any(found.path == piped for found in inputs)):
        return [_into_pipe(inputs, settings)]
    inputs = [replace(found, relative=STDIN_NAME) if found.path == piped else found for found in inputs]
    extension = None if settings.format is None else extension_of(settings.format)
    faulty = [_faulty(found, output) for found in inputs if found.fault is not None]
    jobs = []
    for number, found in enumerate(inputs, 1):
        if found.fault is not None:
            continue
        path = output_path(found, output=output, inputs=len(inputs), template=template, extension=extension,
                           chain=chain, number=number)
        jobs.append(Job(_path(found.path), path_of(path), root=_root_of(found, output, path), stamp=found.stamp))
    problems = _impossible_formats(jobs, settings)
    problems += find_conflicts([(str(job.source), str(job.output)) for job in jobs], in_place=False)
    theirs = {_path(found.path) for found in inputs if found.is_elsewhere}
    own = [job for job in jobs if job.source not in theirs] if theirs else jobs
    stored = [job for job in own if isinstance(job.output, Url)]
    if settings.keep_mtime and stored:
        raise UsageError("--keep-mtime: storage behind a URL sets the times of its objects itself")
    root = journal.root_of(jobs) if resume and jobs else None
    there, made = _stored(stored) if stored else (set(), set())
    if settings.skip_existing:
        jobs = [replace(j, skip="the output exists")
                if j.source not in theirs and (j.output in there or os.path.lexists(j.output)) else j for j in jobs]
    else:
        problems += _occupied_urls(there - made if resume else there, settings, resume=resume)
        problems += _occupied((job for job in own if not isinstance(job.output, Url)), settings, root)
    _refuse(problems)
    return [*jobs, *faulty]


def _stored(jobs: Sequence[Job]) -> tuple[set[Path], set[Path]]:
    """The outputs, named by URLs, that are there, and those of them that a run has made."""
    from torchfx_cli.tasks import remotejournal, storage

    there, own = set[Path](), set[Path]()
    for root in {job.root for job in jobs}:
        outputs = [job.output for job in jobs if job.root == root]
        if root is None:
            stamps = storage.stamps_of([Url(str(output)) for output in outputs])
            there |= {output for output, stamp in zip(outputs, stamps, strict=True) if stamp}
            continue
        found, made = remotejournal.made_in(Url(str(root)), {below(output, root) for output in outputs})
        there |= {root / name for name in found}
        own |= {root / name for name in made}
    return there, own


def _occupied_urls(outputs: Iterable[Path], settings: Settings, *, resume: bool) -> list[str]:
    """The same as `_occupied`."""
    unknown = UNKNOWN if resume else ""
    problems = [] if settings.overwrite else [f"{output} exists{unknown}" for output in sorted(outputs)]
    if problems:
        problems[-1] += REPLACE_IT if resume else WAYS_OUT
    return problems


def _into_pipe(inputs: Sequence[Input], settings: Settings) -> Job:
    """The job that writes the standard output."""
    if len(inputs) > 1:
        raise UsageError(f"the standard output is one file, but there are {len(inputs)} inputs; give a folder with -o")
    word = PIPE_FORMAT if settings.format is None else settings.format
    check_words(STDIO, word, settings.subtype, settings.rate.option)
    pipewriter.check_format(extension_of(word)[1:])
    return Job(_path(inputs[0].path), STDIO)


def _path(name: str) -> Path:
    """`name` as a path; a file called ./- is none of the standard streams."""
    path = path_of(name)
    return path.absolute() if path == STDIO and name != str(STDIO) else path


def plan_in_place(inputs: Sequence[Input], backup: str, settings: Settings, *, resume: bool = False) -> list[Job]:
    """One job an input, which is replaced by its output and kept as its name with the suffix `backup`."""
    problems: list[str] = []
    records = cache(journal.replaced_in) if resume else None
    jobs, faulty = [], []
    for found in inputs:
        if found.fault is not None:
            faulty.append(Job(Path(found.path), Path(found.path), fault=found.fault))
            continue
        if is_url(found.path):
            raise UsageError(f"--in-place: {printable(found.path)} is not a file of this machine; give --output")
        is_link = os.path.islink(found.path)  # it stays one: the file that it leads to is replaced
        path = Path(os.path.realpath(found.path) if is_link else found.path)
        job = Job(Path(found.path), path, overwrite=True, backup=Path(f"{path}{backup}"))
        jobs.append(job if found.is_elsewhere else settled(job, settings, problems, records))
    problems += _impossible_formats(jobs, settings)
    problems += find_conflicts([(str(job.source), str(job.output)) for job in jobs], in_place=True)
    names = {job.output for job in jobs}
    problems += [f"{job.source} cannot be replaced in place: its format is read here, not written; give --output, or "
                 "--exclude it" for job in jobs if written_instead(job.output)]
    problems += [f"{job.backup} would be the backup of {job.source}, and is an input" for job in jobs
                 if job.backup in names]
    _refuse(problems)
    return [*jobs, *faulty]


def _faulty(found: Input, output: str | None) -> Job:
    """The job that fails for what was found in a folder and cannot be read."""
    root = _folder_of(found, output)
    return Job(Path(found.path), root / found.relative, root=root, fault=found.fault)


def _root_of(found: Input, output: str | None, path: str) -> Path | None:
    is_file = output is not None and os.path.normpath(path) == os.path.normpath(output)
    return None if is_file else _folder_of(found, output)


def _folder_of(found: Input, output: str | None) -> Path:
    if output is not None:
        return _one_path(output)
    top = os.path.dirname(found.path) if found.root is None else found.root
    return _one_path(os.path.join(top, DEFAULT_FOLDER))


@lru_cache(maxsize=16)
def _one_path(name: str) -> Path:
    """The same object for all jobs of a batch: a path takes some 500 bytes."""
    return path_of(name)


def _impossible_formats(jobs: Sequence[Job], settings: Settings) -> list[str]:
    problems: dict[str, None] = {}  # each once, in order
    outputs = {job.output.suffix: job.output for job in jobs}
    option = "" if unrated(jobs, settings) else settings.rate.option
    for output in outputs.values():
        try:
            check_words(output, settings.format, settings.subtype, option)
        except UsageError as error:
            problems[str(error)] = None
    return list(problems)


def unrated(jobs: Iterable[Job], settings: Settings) -> str:
    """The remark that some of the outputs have no bit rate to choose, though one is asked for, and others have."""
    outputs = {job.output.suffix: job.output for job in jobs if not job.fault} if settings.rate.option else {}
    names = [without_rate(output, settings.format) for output in outputs.values()]
    if all(names):
        return ""
    without = " and ".join(filter(None, dict.fromkeys(names)))
    return f"{settings.rate.option} does nothing for {without}: there is no bit rate to choose" if without else ""


def _occupied(jobs: Iterable[Job], settings: Settings, resumed: Path | None) -> list[str]:
    """What lies where outputs will be, and was not made by the runs before in the folder `resumed`."""
    is_own = (lambda output: False) if resumed is None else journal.made_in(resumed)
    unknown = "" if resumed is None else UNKNOWN
    problems = []
    for job in jobs:
        try:
            mode = job.output.lstat().st_mode
            if stat.S_ISLNK(mode) and job.output.exists():
                mode = job.output.stat().st_mode
        except (OSError, ValueError):
            continue
        if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            problems.append(f"{job.output} exists and is not a regular file")
        elif not settings.overwrite and not is_own(job.output):
            problems.append(f"{job.output} exists{unknown}")
    if any(problem.endswith(f" exists{unknown}") for problem in problems):
        problems[-1] += WAYS_OUT if resumed is None else REPLACE_IT
    return problems


def _refuse(problems: Sequence[str]) -> None:
    if not problems:
        return
    lines = [printable(problem) for problem in problems]
    if len(problems) > MAX_PROBLEMS:
        lines[MAX_PROBLEMS - 1 : -1] = [f"... {len(problems) - MAX_PROBLEMS} more ..."]
    raise UsageError("\n".join(lines))
