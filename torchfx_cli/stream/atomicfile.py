"""A file in the making: `.torchfx-<process>-<random>-<check>.part` beside the output, which gets its name when whole.

Everything is done relative to the opened folder, so one that is moved or replaced meanwhile is noticed. The file
is locked (flock) while its maker lives: that tells it from what a killed run has left, also over a network file
system, where a process number would tell nothing. The check tells it from a file of the user's that is called so.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import fcntl
import os
import re
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path

from torchfx_cli.errors import RunError, TorchfxError, WriteError
from torchfx_cli.stream.diagnose import kind_of
from torchfx_cli.stream.faults import explain
from torchfx_cli.stream.place import followed

PART_PREFIX, PART_SUFFIX = ".torchfx-", ".part"
PART_NAME = re.compile(r"(\.torchfx-[0-9a-f]+-[0-9a-f]+)-[0-9a-f]{8}\.part")
PROBE_BYTES = 4096
# What a file system without hard links says.
NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)


class AtomicFile:
    """The temporary file of the output `path`, open for reading and writing as `fd`.

    overwrite       an existing output is replaced at the end; without it, it is a WriteError, also if it appears
                    meanwhile. A symbolic link stays, and the file that it leads to is made or replaced.
    expected_bytes  for the words when the disk is full; None where unknown.
    mode            its permissions, as far as the umask allows them.

    Raises WriteError where this file cannot be written, RunError where none in this folder could be.
    """

    def __init__(self, path: Path, *, overwrite: bool, expected_bytes: int | None = None, mode: int = 0o666) -> None:
        self.path = self._target = path
        self._overwrite, self._expected_bytes = overwrite, expected_bytes
        self._trace = self._name = ""
        self.fd = self._folder_fd = -1
        try:
            with self.told("following a link"):
                self._target = Path(followed(path))
            self.folder = self._target.parent
            with self.told("opening the folder"):
                self._folder_fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._check_target()
            with self.told("creating a file"):
                self._trace, self._name, self.fd = _create(self.folder, self._folder_fd, mode)
        except BaseException:
            self.discard()
            raise

    def sync(self) -> None:
        """Everything written so far is on the disk; its own errors are never dropped."""
        with self.told("making it durable"):
            _fsync(self.fd)

    def give_name(self) -> None:
        """The file, complete and synced, becomes the output; when this returns the name is on the disk too."""
        with self.told("closing"):
            os.close(os.dup(self.fd))  # network file systems report here; the lock stays with the other descriptor
        self._check_folder()
        with self.told("renaming"):
            if self._overwrite or not self._link():
                os.replace(self._name, self._target.name, src_dir_fd=self._folder_fd, dst_dir_fd=self._folder_fd)
                self._name = ""
        with self.told("making the name durable"):
            _fsync(self._folder_fd)

    def discard(self) -> None:
        """Close, and remove what has got no name; allowed at any time, also more than once."""
        self._remove_name()
        descriptors = self.fd, self._folder_fd
        self.fd = self._folder_fd = -1
        for fd in descriptors:
            if fd >= 0:
                with contextlib.suppress(OSError):
                    os.close(fd)
        _unfinished.discard(self._trace)

    @contextlib.contextmanager
    def told(self, action: str) -> Iterator[None]:
        """Turns an OSError into an error for the user."""
        try:
            yield
        except OSError as error:
            raise self._explained(error, action) from None

    def cause(self, library_words: str) -> TorchfxError:
        """Why libsndfile failed; it hides the system's error number, so a write is tried once more here."""
        try:
            self._probe()
        except OSError as error:
            return self._explained(error, "writing")
        words = library_words.strip().rstrip(".") or "no reason given"
        return WriteError(f"{self.path}: could not be written ({words})")

    def _explained(self, error: OSError, action: str) -> TorchfxError:
        return explain(error, self._target, action, self._folder_fd, self.fd, self._expected_bytes)

    def _probe(self) -> None:
        end = os.fstat(self.fd).st_size
        if os.pwrite(self.fd, bytes(PROBE_BYTES), end) < PROBE_BYTES:  # cut short: the next one says why
            os.pwrite(self.fd, bytes(PROBE_BYTES), os.fstat(self.fd).st_size)
        os.fsync(self.fd)

    def _check_target(self) -> None:
        try:
            mode = os.stat(self._target.name, dir_fd=self._folder_fd, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._explained(error, "looking at it") from None
        if not stat.S_ISREG(mode):
            raise WriteError(f"{self.path} is {kind_of(mode)}, not a regular file")
        if not self._overwrite:
            raise self._exists()

    def _exists(self) -> WriteError:
        return WriteError(f"{self.path} exists; with overwrite it is replaced")

    def _check_folder(self) -> None:
        try:
            here = os.path.samestat(os.stat(self.folder), os.fstat(self._folder_fd))
        except OSError:
            here = False
        if not here:
            raise RunError(f"the output folder {self.folder} was removed or replaced during the run")

    def _link(self) -> bool:
        """Give the name without replacing anything; False where the file system has no hard links."""
        try:
            os.link(self._name, self._target.name, src_dir_fd=self._folder_fd, dst_dir_fd=self._folder_fd,
                    follow_symlinks=False)
        except FileExistsError:
            raise self._exists() from None
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            self._check_target()
            return False
        self._remove_name()
        return True

    def _remove_name(self) -> None:
        name, self._name = self._name, ""
        if name:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=self._folder_fd)


# Parts of this process, by absolute path. A signal may come between the making of a file and the statement that would
# have tidied it away; what is here at the end is removed then.
_unfinished: set[str] = set()


@atexit.register
def remove_unfinished() -> None:
    """Remove what this process was writing; for processes that end without `atexit`."""
    for path in _unfinished:
        if os.path.basename(path).startswith(_own_prefix()):  # not those of the process that forked this one
            with contextlib.suppress(OSError):
                os.unlink(path)


def _own_prefix() -> str:
    return f"{PART_PREFIX}{os.getpid():x}-"


def part_name(random: str) -> str:
    """The name of a temporary file of this process."""
    return _checked(f"{_own_prefix()}{random}")


def _checked(stem: str) -> str:
    return f"{stem}-{zlib.crc32(stem.encode()):08x}{PART_SUFFIX}"


def _is_part(name: str) -> bool:
    """Whether a run has given this name to a temporary file."""
    found = PART_NAME.fullmatch(name)
    return found is not None and name == _checked(found[1])


def _create(folder: Path, folder_fd: int, mode: int) -> tuple[str, str, int]:
    """A new, locked file: its path, name and descriptor. The umask may take permissions from `mode`."""
    while True:
        name = part_name(os.urandom(4).hex())
        path = os.path.abspath(folder / name)
        _unfinished.add(path)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            fd = os.open(name, flags, mode & 0o777, dir_fd=folder_fd)
        except FileExistsError:
            _unfinished.discard(path)
            continue
        with contextlib.suppress(OSError):  # no locks here: then nobody takes it for stale either
            fcntl.flock(fd, fcntl.LOCK_EX)
        if os.fstat(fd).st_nlink:
            return path, name, fd
        os.close(fd)  # `remove_stale` of another run saw it before it was locked


def _fsync(fd: int) -> None:
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that have nothing to sync
            raise


def remove_stale(folder: str | Path) -> int:
    """Remove what killed runs have left in `folder`, not what live ones are making; how many were removed."""
    try:
        with os.scandir(folder) as entries:
            names = [e.path for e in entries if _is_part(e.name) and e.is_file(follow_symlinks=False)]
    except OSError:
        return 0
    return sum(_remove_if_stale(name) for name in names)


def _remove_if_stale(path: str) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
