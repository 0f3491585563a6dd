"""The files that a journal is kept in, see `journal`: opened, locked, added to, and read as one.

The first run in a folder has `.torchfx-journal`; another one beside it the first of `.torchfx-journal-2`, `-3`, ...
that nobody holds; the shard 3 of 16 has `.torchfx-journal-3of16`. So no two machines add to
one file, and a network file system that has locks is enough.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from torchfx_cli.errors import RunError
from torchfx_cli.stream.diagnose import kind_of

if TYPE_CHECKING:
    from torchfx_cli.tasks.shards import Shard

NAME = ".torchfx-journal"
# Of a run beside others, or of a shard.
OTHER_NAME = re.compile(re.escape(NAME) + r"-(?:[1-9]\d{0,3}|[1-9]\d{0,5}of(?P<count>[1-9]\d{0,5}))")
MAX_RUNS = 1000  # into one folder at a time
MAX_LINE_BYTES = 1 << 16  # a path has 4,096 bytes at most, each of which JSON may write as six
MAX_BYTES = 2 << 30  # some four million outputs
APPENDING = os.O_RDWR | os.O_APPEND

Record = dict[str, Any]
Line = tuple[bytes, Record]  # as it stands in the file, and what it says
Dated = tuple[int, bytes, Record]  # when it was noted, and the same


@contextlib.contextmanager
def descriptor(folder: Path, flags: int, name: str = NAME) -> Iterator[int]:
    """The journal `name` of `folder`, opened with `flags`; raises RunError where that is impossible, or it is none."""
    path = folder / name
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
def told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(f"cannot note in a journal in {folder} what is done: {error.strerror}") from None


def append(fd: int, folder: Path, record: Record) -> None:
    """One write of a whole line: a crash leaves at most the last line torn, and the next record begins a new one."""
    import json

    line = json.dumps(record).encode() + b"\n"
    with told(folder):
        end = os.fstat(fd).st_size
        if end and os.pread(fd, 1, end - 1) != b"\n":
            line = b"\n" + line
        written = os.write(fd, line)
        if written < len(line):
            os.write(fd, line[written:])


@contextlib.contextmanager
def locked(root: Path) -> Iterator[tuple[str, int]]:
    """The first journal in `root` that no other run holds: its name, and the descriptor that holds it."""
    for name in [NAME, *(f"{NAME}-{number}" for number in range(2, MAX_RUNS + 1))]:
        with descriptor(root, APPENDING | os.O_CREAT, name) as fd:
            if _lock(fd):
                yield name, fd
                return
    raise RunError(f"{MAX_RUNS} runs are at work in the output folder {root}; wait for them, or choose another folder")


@contextlib.contextmanager
def locked_alone(root: Path) -> Iterator[tuple[str, int]]:
    """The same, where no other run is at work in `root` as this one begins; raises RunError."""
    with descriptor(root, APPENDING | os.O_CREAT) as fd:
        _lock_or_raise(fd, root)
        _check_idle(root, names_in(root, but=NAME))
        yield NAME, fd


def is_in_use(root: Path) -> bool:
    """Whether a run is at work in `root`."""
    try:
        with contextlib.ExitStack() as stack:
            fds = [stack.enter_context(descriptor(root, APPENDING, name)) for name in names_in(root)]
            return not all(_lock(fd, fcntl.LOCK_SH) for fd in fds)
    except RunError:  # to be told by whoever opens it in earnest
        return False


@contextlib.contextmanager
def locked_shard(root: Path, shard: Shard, *, shared: bool) -> Iterator[tuple[str, int]]:
    """The journal of `shard` in `root`, where no other run of it is at work; raises RunError.

    shared  runs that may do the same files are no hindrance either; else only other shards of as many are none.
    """
    name = name_of(shard)
    with descriptor(root, APPENDING | os.O_CREAT, name) as fd:
        _lock_or_raise(fd, root)
        if not shared:
            _check_idle(root, [other for other in names_in(root) if _count_in(other) != str(shard.count)])
        yield name, fd


def name_of(shard: Shard | None) -> str:
    return NAME if shard is None else f"{NAME}-{shard.index}of{shard.count}"


def _count_in(name: str) -> str | None:
    """Of how many shards the journal `name` has one."""
    found = OTHER_NAME.fullmatch(name)
    return None if found is None else found["count"]


def _check_idle(root: Path, names: Iterable[str]) -> None:
    """Raise RunError where a run holds one of the journals; several may look at once, for they share the lock."""
    for name in names:
        with descriptor(root, APPENDING, name) as fd:
            _lock_or_raise(fd, root, fcntl.LOCK_SH)


def _lock_or_raise(fd: int, root: Path, kind: int = fcntl.LOCK_EX) -> None:
    if not _lock(fd, kind):
        owners = [record["run"] for _, record, _ in lines(fd) if "run" in record]
        by = f" by process {owners[-1]}" if owners else ""
        raise RunError(f"the output folder {root} is in use{by}; wait for it, or choose another folder")


def _lock(fd: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Whether no other run holds the journal `fd`; it is held by this one then until `fd` is closed."""
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # a file system without locks: two runs are not noticed, but each file stays whole
    return True


def names_in(folder: Path, but: str = "") -> list[str]:
    """The names of the journals in `folder`."""
    try:
        return [name for name in os.listdir(folder) if (name == NAME or OTHER_NAME.fullmatch(name)) and name != but]
    except OSError:
        return []


def of_journal(folder: Path, name: str) -> Iterator[Line]:
    """The lines of the journal `name` in `folder`, and what they say; none where there is no journal."""
    if not os.path.lexists(folder / name):
        return
    with descriptor(folder, os.O_RDONLY, name) as fd:
        for line, record, _ in lines(fd):
            yield line, record


def merged(journals: Sequence[Iterator[Line]]) -> Iterator[Line]:
    """The lines of all, by the time of their records; within a journal their order counts, and not the clock."""
    if len(journals) == 1:
        return journals[0]
    return ((line, record) for _, line, record in heapq.merge(*map(_dated, journals), key=itemgetter(0)))


def _dated(journal: Iterator[Line]) -> Iterator[Dated]:
    latest_ns = 0
    for line, record in journal:
        noted_ns = record.get("noted_ns")
        latest_ns = max(latest_ns, noted_ns) if isinstance(noted_ns, int) else latest_ns
        yield latest_ns, line, record


def lines(fd: int, start: int = 0) -> Iterator[tuple[bytes, Record, int]]:
    """Each whole line from the byte `start` on that is a record, what it says, and the byte behind it."""
    import json

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
