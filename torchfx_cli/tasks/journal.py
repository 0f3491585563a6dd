"""The record of a batch: a file of lines in the output folder that says which output was made from which input.

One JSON record a line is added just before an output gets its name, and one at the start of each run. So every output
of a run is named here, also where the run is killed the moment after; and a resumed run replaces only what a run has
made: the very file (its inode) that is named here, or one of the size and time that are noted.

A torn line is no record; the last of several for one output counts. The journal is never believed over the disk:
an output is done only where it is still there with the size and time that were noted, made from an input of that path,
size and time, by the same chain and settings of the same version, and of an album by the same readings (see `albums`).
With `hashes` the bytes of both count instead of the path and the times.

While a run lives it holds a lock (flock) on its journal. Another run into the same folder at that time has one of its
own (see `journalfile`); all of them are read as one, by the time of each record. A run that goes by what was done
before refuses while another one is at work.

Files that are replaced in place are noted in the journal of their own folder, see `backup`.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from torchfx_cli import __version__
from torchfx_cli.errors import UsageError
from torchfx_cli.records import dataclass
from torchfx_cli.tasks import journalfile as files
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.journalfile import NAME as NAME
from torchfx_cli.tasks.journalfile import Line, Record, name_of
from torchfx_cli.tasks.urls import Url

if TYPE_CHECKING:
    from torchfx_cli.tasks.shards import Shard

DONE_BEFORE = "done before"
HASH_BYTES = 1 << 20
MAX_EARLIER = 16  # records of an output before its last


@dataclass(frozen=True)
class Journal:
    """The open, locked journal `name` of a run into the output folder `root`, and what others in it say.

    work    digest of the chain and of all settings that shape an output, see `Settings.work`.
    hashes  when resuming, what an input and its output hold counts, by SHA-256, not where the input lies nor its time.
    """

    root: Path
    name: str
    work: str
    hashes: bool
    fd: int
    _index: _Index = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", _Index(self.root, self.name, self.fd))

    @property
    def private(self) -> tuple[int, ...]:
        """What no worker may keep open: the lock would stay."""
        return (self.fd,)

    def settled(self, jobs: Sequence[Job], *, strict: bool = False) -> list[Job]:
        """`jobs` for a resumed run: those done before are skipped, other outputs that a run has made may be replaced.

        strict  an output that was made with a warning is not done.
        """
        return [
            job if job.skip else
            replace(job, skip=DONE_BEFORE) if self.is_done(job, strict=strict) else
            replace(job, overwrite=True) if self.made_of(job) else
            job
            for job in jobs
        ]

    def record_of(self, job: Job) -> Record:
        """The last record of the output of `job`, by whichever run; empty where there is none."""
        return next(self._records_of(job), {})

    def _records_of(self, job: Job) -> Iterator[Record]:
        """All of them, the latest first."""
        return self._index.read().records_of(_key(job, self.root))

    def made_of(self, job: Job) -> Record:
        """The record of the file that is the output of `job` now, where a run has made it; else empty.

        That need not be the last: a run may have been killed just before the file of the last got its name.
        """
        return next((record for record in self._records_of(job) if is_own(job.output, record)), {})

    def numbers(self) -> dict[str, int]:
        """The number of each input that was noted with one."""
        return {record["input"]: record["number"] for record in self._index.read().records()
                if isinstance(record.get("number"), int) and isinstance(record.get("input"), str)}

    def is_done(self, job: Job, *, strict: bool = False) -> bool:
        """Whether the output of `job` is what is wanted and what was noted."""
        record = self.record_of(job)
        if record.get("work") != job.work(self.work) or (strict and record.get("warnings")):
            return False
        try:
            if self.hashes:
                is_input = _is_of(record, job) if isinstance(job.source, Url) else _holds(record, "in", job.source)
                return is_input and _holds(record, "out", job.output)
            made = os.stat(job.output)
            is_input = _is_of(record, job)
        except OSError:
            return False
        return is_input and _agree(record, _stamps("out", made)) and self._is_last(job, made)

    def _is_last(self, job: Job, made: os.stat_result) -> bool:
        """Whether the output `made` is of its last record, though with --keep-mtime all of them may look alike.

        The last may be of a run that was killed before the file got its name, or that another one overtook.
        """
        last, *earlier = self._records_of(job)
        return last.get("out_inode") == made.st_ino or all(
            record.get("work") == last.get("work") for record in earlier if _agree(record, _stamps("out", made)))


class _Outputs:
    """The last lines of each output, as they are: that takes half the memory of what they say."""

    def __init__(self) -> None:
        self._last: dict[str, bytes] = {}
        self._earlier: dict[str, deque[bytes]] = {}

    def add(self, lines: Iterable[Line]) -> None:
        for line, record in lines:
            key = record.get("output")
            if not isinstance(key, str):
                continue
            if key in self._last:
                self._earlier.setdefault(key, deque(maxlen=MAX_EARLIER)).appendleft(self._last[key])
            self._last[key] = line

    def records_of(self, key: str) -> Iterator[Record]:
        """The latest first."""
        import json

        return map(json.loads, [self._last[key], *self._earlier.get(key, ())] if key in self._last else [])

    def records(self) -> Iterator[Record]:
        """The last of each output."""
        import json

        return map(json.loads, self._last.values())


class _Index:
    """The outputs in the journals of `root`; that of this run, `name` or `fd`, is read on where it has grown."""

    def __init__(self, root: Path, name: str, fd: int) -> None:
        self._root, self._name, self._fd, self._read_bytes = root, name, fd, 0
        self._outputs = _Outputs()

    def read(self) -> _Outputs:
        if os.fstat(self._fd).st_size != self._read_bytes:
            others = [] if self._read_bytes else files.names_in(self._root, but=self._name)
            self._outputs.add(files.merged([self._own(), *(files.of_journal(self._root, name) for name in others)]))
        return self._outputs

    def _own(self) -> Iterator[Line]:
        for line, record, end in files.lines(self._fd, self._read_bytes):
            self._read_bytes = end
            yield line, record


@contextlib.contextmanager
def opened(root: Path, work: str, *, hashes: bool = False, shared: bool = False, shard: Shard | None = None
           ) -> Iterator[Journal]:
    """A locked journal of the existing folder `root`.

    shared  other runs may be at work there; without it, RunError where one is.
    shard   of a batch, which this run does: it has a journal of its own, and its neighbours may be at work in any case.
    """
    with _locked(root, shard, shared=shared) as (name, fd):
        began = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        files.append(fd, root, {"run": os.getpid(), "version": __version__, "began": began})
        yield Journal(root, name, work, hashes, fd)


def _locked(root: Path, shard: Shard | None, *, shared: bool) -> contextlib.AbstractContextManager[tuple[str, int]]:
    if shard is not None:
        return files.locked_shard(root, shard, shared=shared)
    return files.locked(root) if shared else files.locked_alone(root)


def is_kept_in(root: Path) -> bool:
    """Whether runs have noted in `root` what they have done."""
    return bool(files.names_in(root))


def note(job: Job, settings: Settings, read: os.stat_result, made_fd: int, warnings: int) -> None:
    """Note that the whole file `made_fd` will be the output of `job`; an error of the disk is raised as RunError.

    read  the input as it was when it was opened. `warnings`: how many the file had.
    """
    if not settings.noted or job.root is None:
        return
    made = os.fstat(made_fd)
    record: Record = {
        "output": _key(job, job.root), "work": job.work(settings.work),
        **_input(job, read), **_stamps("out", made), "out_inode": made.st_ino, "warnings": warnings,
        "noted_ns": time.time_ns()}
    if job.number is not None:
        record["number"] = job.number
    if settings.hashes:
        record |= {"in_sha256": sha256_of(job.source), "out_sha256": sha256_of(made_fd)}
    with files.descriptor(job.root, files.APPENDING, settings.noted) as fd:
        files.append(fd, job.root, record)


def note_replaced(job: Job, settings: Settings, made_fd: int, warnings: int) -> None:
    """Note, on the disk, that `made_fd` will replace the input of `job`, whose old bytes are in its backup."""
    folder = job.output.parent
    with files.descriptor(folder, files.APPENDING | os.O_CREAT, name_of(settings.shard)) as fd:
        files.append(fd, folder, {"replaced": job.output.name, "backup": job.backup and job.backup.name,
                             "work": job.work(settings.work), "out_sha256": sha256_of(made_fd), "warnings": warnings,
                             "noted_ns": time.time_ns()})
        with files.told(folder):
            os.fsync(fd)


def replaced_in(folder: Path) -> dict[str, Record]:
    """The last record of each file in `folder` that was replaced in place."""
    records = (record for _, record in _all_lines(folder))
    return {record["replaced"]: record for record in records if isinstance(record.get("replaced"), str)}


def made_in(root: Path) -> Callable[[Path], bool]:
    """Tells of an output that is there whether a run has made it in `root`."""
    outputs = _Outputs()
    outputs.add(_all_lines(root))
    return lambda output: any(is_own(output, record) for record in outputs.records_of(os.path.relpath(output, root)))


def _all_lines(root: Path) -> Iterator[Line]:
    return files.merged([files.of_journal(root, name) for name in files.names_in(root)])


def is_own(output: Path, record: Record) -> bool:
    """Whether the file `output` is the one of which `record` was noted, though it may have been written to since."""
    try:
        facts = os.stat(output)
    except OSError:
        return False
    if record.get("out_inode") == facts.st_ino or _agree(record, _stamps("out", facts)):
        return True
    try:
        return _holds(record, "out", output)
    except OSError:
        return False


def is_untouched(output: Path, record: Record) -> bool:
    """Whether `output` has the size and the time that were noted."""
    return _agree(record, _stamps("out", os.stat(output)))


def is_changed(source: Path, record: Record) -> bool:
    """Whether `source` is another than the one that was noted, by size and time."""
    return not _agree(record, _stamps("in", os.stat(source)))


def _holds(record: Record, which: str, path: Path) -> bool:
    """Whether `path` holds the bytes that were noted; False where no sum was. Raises OSError."""
    noted = record.get(f"{which}_sha256")
    return noted is not None and record.get(f"{which}_bytes") == os.stat(path).st_size and noted == sha256_of(path)


def _is_of(record: Record, job: Job) -> bool:
    """Whether it was made of the input of `job`, by its path, size and time. Raises OSError."""
    return _agree(record, _input(job))


def _input(job: Job, read: os.stat_result | None = None) -> Record:
    """What is noted of the input of `job`; `read`: the file as it was when it was opened, else as it is now."""
    url = job.source if isinstance(job.source, Url) else job.origin
    if url is not None:
        return {"input": str(url), "in_stamp": job.stamp}
    return {"input": os.path.abspath(job.source), **_stamps("in", os.stat(job.source) if read is None else read)}


def _agree(record: Record, stamps: Record) -> bool:
    return all(record.get(name) == value for name, value in stamps.items())


def root_of(jobs: Sequence[Job]) -> Path:
    """The one output folder of `jobs`; UsageError where there are several."""
    roots = {job.root for job in jobs}
    if len(roots) != 1 or None in roots:
        raise UsageError("--resume needs one output folder for all files: give it with -o FOLDER/")
    return next(root for root in roots if root is not None)


def sha256_of(file: str | Path | int) -> str:
    """Of a path, or of all that an open descriptor holds."""
    import hashlib

    digest, at = hashlib.sha256(), 0
    fd = file if isinstance(file, int) else os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while piece := os.pread(fd, HASH_BYTES, at):
            digest.update(piece)
            at += len(piece)
    finally:
        if fd is not file:
            os.close(fd)
    return digest.hexdigest()


def _key(job: Job, root: Path) -> str:
    return os.path.relpath(job.output, root)


def _stamps(which: str, facts: os.stat_result) -> Record:
    return {f"{which}_bytes": facts.st_size, f"{which}_mtime_ns": facts.st_mtime_ns}
