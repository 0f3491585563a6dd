"""Output folders: made where they are wanted, never where a name was mistyped, and not again when they vanish."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from torchfx_cli.errors import FileError, RunError
from torchfx_cli.tasks.job import Job
from torchfx_cli.tasks.urls import Url

DEFAULT_FOLDER = "processed"  # where outputs go that nobody gave a place


def make_root(root: Path) -> None:
    """The output folder of a run, one level: a mistyped path should not grow a tree. Raises RunError."""
    if isinstance(root, Url):  # it is there as soon as something is in it
        return
    try:
        with _told(root):
            root.mkdir(exist_ok=True)
    except FileError as error:
        raise RunError(str(error)) from None


def make_folder(job: Job) -> None:
    """The folder of the output of `job`; below the output folder of the run a tree may grow, elsewhere one level."""
    folder = job.output.parent
    with _told(folder):
        if job.root is None or folder == job.root:
            folder.mkdir(exist_ok=True)
        elif job.root.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
        else:
            raise RunError(f"the output folder {job.root} was removed during the run")


class Roots:
    """The output folders of a run. A disk that is unmounted leaves an empty folder of the same name on another disk."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._first = {root: identity_of(root) if root else None for root in {job.root for job in jobs}}

    def check(self, root: Path | None) -> None:
        """Raises RunError where `root` was there at the beginning and is no more, or is another."""
        before = self._first.get(root)
        if root is not None and before is not None and identity_of(root) != before:
            raise RunError(f"the output folder {root} was removed or replaced during the run")


def identity_of(path: str | Path) -> tuple[int, int] | None:
    """Device and inode of the folder that `path` leads to; None where it leads to none."""
    try:
        facts = os.stat(path)
    except (OSError, ValueError):
        return None
    return (facts.st_dev, facts.st_ino) if stat.S_ISDIR(facts.st_mode) else None


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise RunError(f"no such folder: {folder.parent}") from None
    except (FileExistsError, NotADirectoryError):
        raise FileError(f"{folder} is a file; a folder is needed there") from None
    except OSError as error:
        kind = FileError if error.errno in (errno.ENAMETOOLONG, errno.ELOOP) else RunError
        raise kind(f"cannot make the folder {folder}: {error.strerror}") from None
