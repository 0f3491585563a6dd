"""What was made from what: a file of lines in the output folder, so that a stopped batch can go on.

One JSON record a line is added as each output gets its name, and one at the start of each run. A record that was torn
by a crash is no record; the last of several for one output counts. The journal is never believed over the disk:
an output is done only where it is still there with the size and time that were noted (with `hashes`, the same bytes),
made from an input that has not changed, by the same chain and settings of the same version.

While a run lives it holds a lock (flock) on its journal, so a second run into the same folder refuses.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torchfx_cli import __version__
from torchfx_cli.errors import RunError, UsageError
from torchfx_cli.tasks.job import Job

NAME = ".torchfx-journal"
DONE_BEFORE = "done before"
HASH_BYTES = 1 << 20


@dataclass(frozen=True)
class Journal:
    """The open, locked journal of the output folder `root`.

    work    digest of the chain and of all settings that shape an output.
    hashes  note the SHA-256 of each input and output, and compare them when resuming.
    """

    root: Path
    work: str
    hashes: bool
    fd: int

    def settled(self, jobs: Sequence[Job]) -> list[Job]:
        """`jobs` for a resumed run: those done before are skipped, the others may replace what is there."""
        records = _records(self.fd)
        return [
            job if job.skip else
            replace(job, skip=DONE_BEFORE) if self._is_done(job, records.get(self._key(job))) else
            replace(job, overwrite=True)
            for job in jobs
        ]

    def add(self, job: Job) -> None:
        """`job` is done and its output has its name. An error of the disk is raised as RunError."""
        with contextlib.suppress(FileNotFoundError):  # gone already: then it is not done
            self._append(self._record(job))

    def _record(self, job: Job) -> dict[str, Any]:
        record: dict[str, Any] = {"output": self._key(job), "input": os.path.abspath(job.source), "work": self.work,
                  **_stamps("in", job.source), **_stamps("out", job.output)}
        if self.hashes:
            record |= {"in_sha256": sha256_of(job.source), "out_sha256": sha256_of(job.output)}
        return record

    def _is_done(self, job: Job, line: bytes | None) -> bool:
        """Whether what `line` notes of the output is so, and what is wanted."""
        record = {} if line is None else json.loads(line)
        if record.get("work") != self.work or record.get("input") != os.path.abspath(job.source):
            return False
        try:
            now = {**_stamps("in", job.source), **_stamps("out", job.output)}
            if self.hashes:
                now |= {"in_sha256": sha256_of(job.source), "out_sha256": sha256_of(job.output)}
        except OSError:
            return False
        return all(record.get(name) == value for name, value in now.items())

    def _key(self, job: Job) -> str:
        return os.path.relpath(job.output, self.root)

    def _append(self, record: dict[str, Any]) -> None:
        """One write of a whole line: a crash leaves at most the last line torn."""
        line = json.dumps(record).encode() + b"\n"
        try:
            written = os.write(self.fd, line)
            if written < len(line):
                os.write(self.fd, line[written:])
        except OSError as error:
            raise RunError(f"cannot note in {self.root / NAME} what is done: {error.strerror}") from None


@contextlib.contextmanager
def opened(root: Path, work: str, *, hashes: bool = False) -> Iterator[Journal]:
    """The journal of the existing folder `root`, locked; raises RunError where another run holds it."""
    path = root / NAME
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        raise RunError(f"cannot write the journal {path}: {error.strerror}") from None
    try:
        _lock(fd, root)
        _close_line(fd)
        journal = Journal(root, work, hashes, fd)
        journal._append({"run": os.getpid(), "version": __version__, "began": time.strftime("%Y-%m-%dT%H:%M:%S%z")})
        yield journal
    finally:
        os.close(fd)


def exists(root: Path) -> bool:
    """Whether some run has written into `root` before."""
    return os.path.isfile(root / NAME)


def root_of(jobs: Sequence[Job]) -> Path:
    """The one output folder of `jobs`; UsageError where there are several."""
    roots = {job.root for job in jobs}
    if len(roots) != 1 or None in roots:
        raise UsageError("--resume needs one output folder for all files: give it with -o FOLDER/")
    return Path(str(roots.pop()))


def sha256_of(path: str | Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(HASH_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _stamps(which: str, path: str | Path) -> dict[str, Any]:
    facts = os.stat(path, follow_symlinks=which == "in")
    return {f"{which}_bytes": facts.st_size, f"{which}_mtime_ns": facts.st_mtime_ns}


def _lock(fd: int, root: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owners = [record["run"] for _, record in _lines(fd) if "run" in record]
        by = f" by process {owners[-1]}" if owners else ""
        raise RunError(f"the output folder {root} is in use{by}; wait for it, or choose another folder") from None
    except OSError:
        pass  # a file system without locks: two runs are not noticed, but each file stays whole


def _records(fd: int) -> dict[str, bytes]:
    """The last record of each output, as its line: that takes half the memory of what it says."""
    return {record["output"]: line for line, record in _lines(fd) if isinstance(record.get("output"), str)}


def _close_line(fd: int) -> None:
    """Behind a torn last line, so that the next record begins a line."""
    end = os.fstat(fd).st_size
    if end and os.pread(fd, 1, end - 1) != b"\n":
        os.write(fd, b"\n")


def _lines(fd: int) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Each line that is a record, and what it says."""
    with open(os.dup(fd), "rb") as file:
        file.seek(0)
        for line in file:
            with contextlib.suppress(ValueError):
                record = json.loads(line)
                if isinstance(record, dict):
                    yield line, record
