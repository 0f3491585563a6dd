"""The record of a batch: a file of lines in the output folder that says which output was made from which input.

One JSON record a line is added just before an output gets its name, and one at the start of each run. So every output
of a run is named here, also where the run is killed the moment after; and a resumed run replaces only what a run has
made: the very file (its inode) that is named here, or one of the size and time that are noted.

A torn line is no record; the last of several for one output counts. The journal is never believed over the disk:
an output is done only where it is still there with the size and time that were noted, made from an input of that path,
size and time, by the same chain and settings of the same version. With `hashes` the bytes of both count instead of the
path and the times.

While a run lives it holds a lock (flock) on its journal, so a second run into the same folder refuses. Files that are
replaced in place are noted in the journal of their own folder, see `backup`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import stat
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from torchfx_cli import __version__
from torchfx_cli.errors import RunError, UsageError
from torchfx_cli.stream.diagnose import kind_of
from torchfx_cli.tasks.job import Job, Settings

NAME = ".torchfx-journal"
DONE_BEFORE = "done before"
HASH_BYTES = 1 << 20
MAX_LINE_BYTES = 1 << 16  # a path has 4,096 bytes at most, each of which JSON may write as six
MAX_BYTES = 2 << 30  # some four million outputs
MAX_EARLIER = 16  # records of an output before its last
APPENDING = os.O_RDWR | os.O_APPEND

Record = dict[str, Any]


@dataclass(frozen=True)
class Journal:
    """The open, locked journal of the output folder `root`.

    work    digest of the chain and of all settings that shape an output, see `Settings.work`.
    hashes  when resuming, what an input and its output hold counts, by SHA-256, not where the input lies nor its time.
    """

    root: Path
    work: str
    hashes: bool
    fd: int
    _index: _Index = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", _Index(self.fd))

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
        line = self._index.line_of(_key(job, self.root))
        return {} if line is None else json.loads(line)

    def made_of(self, job: Job) -> Record:
        """The record of the file that is the output of `job` now, where a run has made it; else empty.

        That need not be the last: a run may have been killed just before the file of the last got its name.
        """
        records = map(json.loads, self._index.lines_of(_key(job, self.root)))
        return next((record for record in records if is_own(job.output, record)), {})

    def numbers(self) -> dict[str, int]:
        """The number of each input that was noted with one."""
        return {record["input"]: record["number"] for record in map(json.loads, self._index.lines())
                if isinstance(record.get("number"), int) and isinstance(record.get("input"), str)}

    def is_done(self, job: Job, *, strict: bool = False) -> bool:
        """Whether the output of `job` is what is wanted and what was noted."""
        record = self.record_of(job)
        if record.get("work") != self.work or (strict and record.get("warnings")):
            return False
        try:
            if self.hashes:
                return _holds(record, "in", job.source) and _holds(record, "out", job.output)
            now = {**_stamps("in", os.stat(job.source)), **_stamps("out", os.stat(job.output))}
        except OSError:
            return False
        return record.get("input") == os.path.abspath(job.source) and _agree(record, now)


class _Index:
    """The last line of each output in the journal `fd`, read on from where it was read before.

    Lines are kept as they are: that takes half the memory of what they say.
    """

    def __init__(self, fd: int) -> None:
        self._fd, self._read_bytes = fd, 0
        self._lines: dict[str, bytes] = {}
        self._earlier: dict[str, deque[bytes]] = {}

    def line_of(self, key: str) -> bytes | None:
        self._read_on()
        return self._lines.get(key)

    def lines_of(self, key: str) -> list[bytes]:
        """The last lines of an output, the latest first."""
        line = self.line_of(key)
        return [] if line is None else [line, *self._earlier.get(key, ())]

    def lines(self) -> list[bytes]:
        self._read_on()
        return list(self._lines.values())

    def _read_on(self) -> None:
        if os.fstat(self._fd).st_size != self._read_bytes:
            for line, record, end in _lines(self._fd, self._read_bytes):
                self._read_bytes = end
                if isinstance(record.get("output"), str):
                    _put(record["output"], line, self._lines, self._earlier)


@contextlib.contextmanager
def opened(root: Path, work: str, *, hashes: bool = False) -> Iterator[Journal]:
    """The journal of the existing folder `root`, locked; raises RunError where another run holds it."""
    with _descriptor(root, APPENDING | os.O_CREAT) as fd:
        _lock(fd, root)
        _append(fd, root, {"run": os.getpid(), "version": __version__, "began": time.strftime("%Y-%m-%dT%H:%M:%S%z")})
        yield Journal(root, work, hashes, fd)


def note(job: Job, settings: Settings, read: os.stat_result, made_fd: int, warnings: int) -> None:
    """Note that the whole file `made_fd` will be the output of `job`; an error of the disk is raised as RunError.

    read  the input as it was when it was opened. `warnings`: how many the file had.
    """
    if not settings.noted or job.root is None:
        return
    made = os.fstat(made_fd)
    record: Record = {
        "output": _key(job, job.root), "input": os.path.abspath(job.source), "work": settings.work,
        **_stamps("in", read), **_stamps("out", made), "out_inode": made.st_ino, "warnings": warnings}
    if job.number is not None:
        record["number"] = job.number
    if settings.hashes:
        record |= {"in_sha256": sha256_of(job.source), "out_sha256": sha256_of(made_fd)}
    with _descriptor(job.root, APPENDING) as fd:
        _append(fd, job.root, record)


def note_replaced(job: Job, settings: Settings, made_fd: int, warnings: int) -> None:
    """Note, on the disk, that `made_fd` will replace the input of `job`, whose old bytes are in its backup."""
    folder = job.output.parent
    with _descriptor(folder, APPENDING | os.O_CREAT) as fd:
        _append(fd, folder, {"replaced": job.output.name, "backup": job.backup and job.backup.name,
                             "work": settings.work, "out_sha256": sha256_of(made_fd), "warnings": warnings})
        with _told(folder):
            os.fsync(fd)


def replaced_in(folder: Path) -> dict[str, Record]:
    """The last record of each file in `folder` that was replaced in place."""
    return {record["replaced"]: record for _, record in _read(folder) if isinstance(record.get("replaced"), str)}


def made_in(root: Path) -> Callable[[Path], bool]:
    """Tells of an output that is there whether a run has made it in `root`."""
    lines: dict[str, bytes] = {}
    earlier: dict[str, deque[bytes]] = {}
    for line, record in _read(root):
        if isinstance(record.get("output"), str):
            _put(record["output"], line, lines, earlier)

    def is_made(output: Path) -> bool:
        key = os.path.relpath(output, root)
        found = [lines[key], *earlier.get(key, ())] if key in lines else []
        return any(is_own(output, json.loads(line)) for line in found)

    return is_made


def _put(key: str, line: bytes, lines: dict[str, bytes], earlier: dict[str, deque[bytes]]) -> None:
    """`line` is the last of the output `key` now; a few before it are kept, too."""
    if key in lines:
        earlier.setdefault(key, deque(maxlen=MAX_EARLIER)).appendleft(lines[key])
    lines[key] = line


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


def _agree(record: Record, stamps: Record) -> bool:
    return all(record.get(name) == value for name, value in stamps.items())


def root_of(jobs: Sequence[Job]) -> Path:
    """The one output folder of `jobs`; UsageError where there are several."""
    roots = {job.root for job in jobs}
    if len(roots) != 1 or None in roots:
        raise UsageError("--resume needs one output folder for all files: give it with -o FOLDER/")
    return Path(str(roots.pop()))


def sha256_of(file: str | Path | int) -> str:
    """Of a path, or of all that an open descriptor holds."""
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


@contextlib.contextmanager
def _descriptor(folder: Path, flags: int) -> Iterator[int]:
    """The journal of `folder`, opened with `flags`; raises RunError where that is impossible, or it is none."""
    path = folder / NAME
    try:
        fd = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except FileNotFoundError:
        words = f"the output folder {folder} was removed or replaced during the run: its journal is gone"
        raise RunError(words) from None
    except OSError as error:
        raise RunError(f"cannot open the journal {path}: {error.strerror}") from None
    try:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode):
            raise RunError(f"cannot use the journal {path}: it is {kind_of(facts.st_mode)}, not a regular file")
        if facts.st_size > MAX_BYTES:
            raise RunError(f"the journal {path} has {facts.st_size / 1e9:.0f} GB, which no run has written; remove it")
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(f"cannot note in {folder / NAME} what is done: {error.strerror}") from None


def _append(fd: int, folder: Path, record: Record) -> None:
    """One write of a whole line: a crash leaves at most the last line torn, and the next record begins a new one."""
    line = json.dumps(record).encode() + b"\n"
    with _told(folder):
        end = os.fstat(fd).st_size
        if end and os.pread(fd, 1, end - 1) != b"\n":
            line = b"\n" + line
        written = os.write(fd, line)
        if written < len(line):
            os.write(fd, line[written:])


def _lock(fd: int, root: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owners = [record["run"] for _, record, _ in _lines(fd) if "run" in record]
        by = f" by process {owners[-1]}" if owners else ""
        raise RunError(f"the output folder {root} is in use{by}; wait for it, or choose another folder") from None
    except OSError:
        pass  # a file system without locks: two runs are not noticed, but each file stays whole


def _read(folder: Path) -> Iterator[tuple[bytes, Record]]:
    """The lines of the journal of `folder`, and what they say; none where there is no journal."""
    if not os.path.lexists(folder / NAME):
        return
    with _descriptor(folder, os.O_RDONLY) as fd:
        for line, record, _ in _lines(fd):
            yield line, record


def _lines(fd: int, start: int = 0) -> Iterator[tuple[bytes, Record, int]]:
    """Each whole line from the byte `start` on that is a record, what it says, and the byte behind it."""
    with open(os.dup(fd), "rb") as file:
        file.seek(start)
        at = start
        for line in _short_lines(file):
            at += len(line)
            with contextlib.suppress(ValueError, RecursionError):
                record = json.loads(line)
                if isinstance(record, dict):
                    yield line, record, at


def _short_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of `file`, in pieces where they are longer than any record."""
    while line := file.readline(MAX_LINE_BYTES):
        yield line
