"""The old bytes of a file that is replaced in place, kept beside it under another name.

In this order, each step on the disk before the next: the new file is whole, the old one has its second name (a hard
link, or a copy where the file system has no links), the journal of the folder says what the new file holds, the new
file takes the name. So at any moment the old bytes are under the file's name or its backup's, and what was done is
seen from the bytes: a file that holds what the journal says was replaced.

Two names are one file where they have one inode, or the same bytes; size and time prove nothing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from torchfx_cli.errors import FileError
from torchfx_cli.records import dataclass
from torchfx_cli.stream.atomicfile import NO_LINKS, AtomicFile
from torchfx_cli.stream.attributes import attributes_of
from torchfx_cli.tasks import journal
from torchfx_cli.tasks.job import Job, Settings

COMPARED_BYTES = 1 << 20


@dataclass
class Backup:
    """The backup of `job`, in a `with` in which its output is replaced; other jobs than those in place have none.

    read  the input as it was when it was opened; a file that has changed since is not replaced.
    """

    job: Job
    read: os.stat_result
    _is_made: bool = False

    def __enter__(self) -> Backup:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """On an error the backup goes again, where it was made here and the old bytes have their first name."""
        backup = self.job.backup
        if error is not None and self._is_made and backup is not None:
            with contextlib.suppress(OSError):
                if is_unreplaced(self.job.output, backup):
                    backup.unlink()

    def make(self) -> None:
        """To be called just before the output gets its name; raises FileError or RunError, and nothing is replaced."""
        source, backup = self.job.output, self.job.backup
        if backup is None:
            return
        _check_unchanged(source, self.read)
        if not self.job.has_backup:
            _make(source, backup)
            self._is_made = True
        elif not is_unreplaced(source, backup):
            raise FileError(f"the backup {backup} no longer holds what {source} does")


def is_unreplaced(source: Path, backup: Path) -> bool:
    """Whether `source` still is what `backup`, a regular file of its own, holds."""
    old, new = os.lstat(backup), os.stat(source)
    if not stat.S_ISREG(old.st_mode):
        return False
    return os.path.samestat(old, new) or (old.st_size == new.st_size and _are_same_bytes(source, backup))


Records = Callable[[Path], Mapping[str, journal.Record]]


def settled(job: Job, settings: Settings, problems: list[str], records: Records | None) -> Job:
    """`job`, to be replaced in place, as it stands: to be done, done before, or with a new line in `problems`.

    records  of a folder, as `journal.replaced_in` gives them; None where the run is not resumed.
    """
    try:
        return _settled(job, settings, problems, records) if job.output.exists() else job
    except OSError as error:
        return replace(job, fault=f"cannot be compared with its backup {job.backup}: {error.strerror}")


def _settled(job: Job, settings: Settings, problems: list[str], records: Records | None) -> Job:
    source, backup = job.output, job.backup
    if backup is None:
        return job
    has_backup = os.path.lexists(backup)
    if has_backup and is_unreplaced(source, backup):
        return replace(job, has_backup=True)
    record = {} if records is None else records(source.parent).get(source.name, {})
    if record and record.get("out_sha256") == journal.sha256_of(source):
        if record.get("work") == settings.work:
            return _done(job, settings, record)
        if has_backup:
            problems.append(f"{source} was made by another chain or other options; what it was before is {backup}")
            return job
    elif has_backup:
        problems.append(
            f"{backup} exists and is not {source}: " + (
                "was it done before? --resume leaves it, another --backup does not" if records is None else
                "no journal says that it was made from it; put it aside, or give another --backup"))
    return job


def _done(job: Job, settings: Settings, record: journal.Record) -> Job:
    if settings.strict and record.get("warnings"):
        return replace(job, fault=f"was done with a warning, which --strict forbids; its old bytes are {job.backup}")
    return replace(job, skip=journal.DONE_BEFORE)


def _check_unchanged(path: Path, read: os.stat_result) -> None:
    try:
        now = os.stat(path)
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from None
    if not os.path.samestat(now, read) or (now.st_size, now.st_mtime_ns) != (read.st_size, read.st_mtime_ns):
        raise FileError("changed while it was filtered; it stays as it is now")


def _make(source: Path, backup: Path) -> None:
    try:
        os.link(source, backup)
    except FileExistsError:
        raise FileError(f"the backup {backup} exists already") from None
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise FileError(f"cannot make the backup {backup}: {error.strerror}") from None
        _copy(source, backup)
        return
    try:
        _sync_folder(backup.parent)
    except OSError as error:
        backup.unlink()
        raise FileError(f"cannot make the backup {backup} durable: {error.strerror}") from None


def _copy(source: Path, backup: Path) -> None:
    """For file systems without hard links: the whole copy gets its name, or there is none."""
    part = AtomicFile(backup, overwrite=False, mode=0o600)
    try:
        with part.told("copying the old bytes"), open(source, "rb") as old, open(os.dup(part.fd), "wb") as new:
            facts = os.fstat(old.fileno())
            attributes_of(source).give(part.fd)
            shutil.copyfileobj(old, new, COMPARED_BYTES)
            new.flush()
            os.utime(part.fd, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        part.sync()
        if not _are_same_bytes(source, part.fd):
            raise FileError(f"the backup {backup} does not hold what was copied into it")
        part.give_name()
    finally:
        part.discard()


def _are_same_bytes(first: Path, second: Path | int) -> bool:
    """`second` may be an open descriptor."""
    with open(first, "rb") as one, open(os.dup(second) if isinstance(second, int) else second, "rb") as other:
        other.seek(0)
        while True:
            piece = one.read(COMPARED_BYTES)
            if piece != other.read(COMPARED_BYTES):
                return False
            if not piece:
                return True


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
