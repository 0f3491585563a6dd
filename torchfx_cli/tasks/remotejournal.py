"""What a batch has done, noted in a folder of storage that can neither append to an object nor lock one.

Each output has an empty object in `.torchfx-journal/`, whose name says everything: which output, made of what and how,
and what it holds. So a listing alone, a thousand names a request, tells a resumed run what was done, and no two writers
meet in one object. It is written before the output is: an output that was delivered is always named. As everywhere,
what lies in the folder counts: an output is done where it still is as long as noted, and of the noted MD5 where the
storage tells that.

There being no locks, two runs at a time are not told of each other. They may do a file twice, with the same bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from torchfx_cli.errors import FileError, RunError
from torchfx_cli.records import dataclass
from torchfx_cli.tasks import storage
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.journal import DONE_BEFORE
from torchfx_cli.tasks.journalfile import NAME
from torchfx_cli.tasks.urls import Url, below

BEGAN = "began"
WARNED = "w"


@dataclass(frozen=True)
class Note:
    """What the name of an object says: how the output was made, and what it holds."""

    work: str
    size: int
    md5: str
    warned: bool


@dataclass(frozen=True)
class RemoteJournal:
    """The journal of the output folder `root`; see `journal.Journal`."""

    root: Url
    work: str
    name: str = NAME
    private: tuple[int, ...] = ()

    def settled(self, jobs: Sequence[Job], *, strict: bool = False) -> list[Job]:
        """`jobs` for a resumed run; see `journal.Journal.settled`."""
        stamps, notes = _read(self.root)
        return [job if job.skip or job.fault else _settled(job, self.work, stamps, notes, strict=strict)
                for job in jobs]


@contextlib.contextmanager
def opened(root: Url, work: str) -> Iterator[RemoteJournal]:
    """The journal of `root`; RunError where nothing can be written there."""
    try:
        storage.mark(root / NAME / BEGAN)
    except FileError as error:
        raise RunError(str(error)) from None
    yield RemoteJournal(root, work)


def note(job: Job, settings: Settings, made: str, size: int, md5: str, warnings: int) -> None:
    """Note that the output of `job` will have `size` bytes of this MD5; `made`: see `made_of`; `warnings`: how many."""
    if not settings.noted or job.root is None:
        return
    warned = f"-{WARNED}" if warnings else ""
    storage.mark(Url(str(job.root)) / NAME / f"{_key(job)}-{made}-{size}-{md5}{warned}")


def made_in(root: Url, outputs: set[str]) -> tuple[set[str], set[str]]:
    """Of `outputs`, names below `root`, those that are there, and those of them that a run has made."""
    stamps, notes = _read(root, outputs)
    own = {name for name, stamp in stamps.items()
           if any(storage.agrees(stamp, one.size, one.md5) for one in notes.get(_sum(name), ()))}
    return set(stamps), own


def _settled(job: Job, work: str, stamps: dict[str, str], notes: dict[str, list[Note]], *, strict: bool) -> Job:
    stamp = stamps.get(_name(job))
    fitting = [] if stamp is None else [
        one for one in notes.get(_key(job), ()) if storage.agrees(stamp, one.size, one.md5)]
    made = made_of(job, work)
    if any(one.work == made and not (strict and one.warned) for one in fitting):
        return replace(job, skip=DONE_BEFORE)
    return replace(job, overwrite=True) if fitting else job


def _read(root: Url, outputs: set[str] | None = None) -> tuple[dict[str, str], dict[str, list[Note]]]:
    """The stamps of the objects below `root`, or of those called like `outputs`; and what is noted, by `_key`."""
    stamps, notes = dict[str, str](), defaultdict[str, list[Note]](list)
    for name, stamp in storage.listed(root):
        if name.startswith(f"{NAME}/"):
            parts = name.partition("/")[2].split("-")
            if len(parts) >= 4 and parts[2].isdigit():
                notes[parts[0]].append(Note(parts[1], int(parts[2]), parts[3], WARNED in parts[4:]))
        elif outputs is None or name in outputs:
            stamps[name] = stamp
    return stamps, notes


def _key(job: Job) -> str:
    return _sum(_name(job))


def _name(job: Job) -> str:
    assert job.root is not None
    return below(job.output, job.root)


def made_of(job: Job, work: str) -> str:
    """A digest of the input of `job` as it is, and of what is done with it; `work` is that of the settings."""
    name, stamp = str(job.source), job.stamp
    if not isinstance(job.source, Url):
        with contextlib.suppress(OSError):  # doing it will say why
            facts = os.stat(job.source)
            name, stamp = os.path.abspath(job.source), f"{facts.st_size}-{facts.st_mtime_ns}"
    return _sum(f"{job.work(work)} {name} {stamp}")


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
