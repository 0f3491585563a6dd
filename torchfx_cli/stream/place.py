"""Where a name leads: through symbolic links to a file, or to a stream, which is written and never replaced.

Links are followed here because `os.path.realpath` goes too far: behind /dev/stdout it finds the file that the shell has
opened. An open descriptor is a stream, whatever it leads to.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
import sys

STDIN, STDOUT, STDERR = 0, 1, 2
DASH = "-"  # a standard stream
DESCRIPTORS = re.compile(r"/dev/fd|/proc/(?P<process>\d+)(/task/\d+)?/fd")  # folders of open descriptors
MAX_LINKS = 40  # as many as Linux follows

Stream = int | str  # a descriptor of this process, or the path of a pipe or a device


def followed(path: str | os.PathLike[str]) -> str:
    """The place behind all symbolic links of `path`, whether or not a file is there; `path` itself where it is none.

    Raises OSError where the system would not follow them: in a loop, or by a stranger's link in a folder for all.
    """
    place = os.fspath(path)
    if not os.path.islink(place):
        return place
    _check_links(place)
    for _ in range(MAX_LINKS):
        folder, name = os.path.split(place)
        if not os.path.islink(place):
            return place
        folder = os.path.realpath(folder)
        if DESCRIPTORS.fullmatch(folder):
            return os.path.join(folder, name)
        place = os.path.join(folder, os.readlink(place))
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _check_links(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):  # the file behind them can still be made
        os.stat(path)


def stream_at(path: str) -> Stream | None:
    """The stream that `path` leads to; None for a file, a folder, and where nothing is. Raises OSError, see `followed`.

    `-` is the standard output.
    """
    if path == DASH:
        return STDOUT
    place = followed(path)
    folder, name = os.path.split(place)
    descriptor = DESCRIPTORS.fullmatch(os.path.realpath(folder))
    if descriptor:
        is_own = descriptor["process"] in (None, str(os.getpid()))
        return int(name) if is_own and name.isdecimal() else place
    try:
        mode = os.stat(place).st_mode
    except OSError:
        return None
    return None if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else place


def open_stream(stream: Stream) -> int:
    """A descriptor that writes into `stream`; for a named pipe it waits for a reader. Raises OSError."""
    if isinstance(stream, str):
        if stat.S_ISBLK(os.stat(stream).st_mode):
            raise OSError(errno.EINVAL, "it is a disk")
        return os.open(stream, os.O_WRONLY | os.O_APPEND | os.O_NOCTTY | os.O_CLOEXEC)
    if is_closed(stream):
        raise OSError(errno.EBADF, "it is closed")
    if fcntl.fcntl(stream, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, "it is open for reading only")
    return os.dup(stream)


def is_closed(descriptor: int) -> bool:
    """Whether the standard stream `descriptor` was closed when Python began; something else may be behind it now."""
    streams = {STDIN: sys.stdin, STDOUT: sys.stdout, STDERR: sys.stderr}
    return descriptor in streams and streams[descriptor] is None
