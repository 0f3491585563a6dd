"""The old bytes of a file that is replaced in place, kept beside it under another name.

The backup is a second name (hard link) of the same file, so making it cannot go wrong halfway, and whether the input
was replaced yet is seen from the two names: as long as they are one file it was not.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from torchfx_cli.errors import FileError
from torchfx_cli.stream.part import NO_LINKS
from torchfx_cli.tasks.job import Job


@contextlib.contextmanager
def kept(job: Job) -> Iterator[None]:
    """Within, the output, which is the input, is replaced; on an error the backup goes again. Other jobs need none."""
    if job.backup is None:
        yield
        return
    old = job.output  # not the source: that may be a link to it
    _make(old, job.backup)
    try:
        yield
    except BaseException:
        if is_unreplaced(old, job.backup):
            job.backup.unlink()
        raise


def is_unreplaced(source: Path, backup: Path) -> bool:
    """Whether `source` still is what `backup` holds."""
    old, new = backup.stat(), source.stat()
    return os.path.samestat(old, new) or (old.st_size, old.st_mtime_ns) == (new.st_size, new.st_mtime_ns)


def _make(source: Path, backup: Path) -> None:
    try:
        os.link(source, backup)
    except FileExistsError:
        if not is_unreplaced(source, backup):  # else a run that was killed here has made it
            raise FileError(f"the backup {backup} exists already") from None
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise FileError(f"cannot make the backup {backup}: {error.strerror}") from None
        _copy(source, backup)


def _copy(source: Path, backup: Path) -> None:
    """For file systems without hard links."""
    try:
        shutil.copy2(source, backup)
        with open(backup, "rb") as file:
            os.fsync(file.fileno())
    except OSError as error:
        with contextlib.suppress(OSError):
            backup.unlink()
        raise FileError(f"cannot make the backup {backup}: {error.strerror}") from None
