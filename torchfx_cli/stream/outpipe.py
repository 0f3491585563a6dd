"""A pipe that libsndfile can write though it cannot seek there.

libsndfile returns to a header that it has written. Through its virtual files it may: what is not sent yet can be
written again, and what comes too late is kept aside.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import stat
from collections.abc import Iterator

from torchfx_cli.errors import RunError

PIECE_BYTES = 1 << 16
POLL_S = 0.1  # how soon a write that waits notices that it is in vain


class OutPipe(io.RawIOBase):
    """What goes into descriptor `fd`, for `soundfile`: in order, from the first `send` on.

    Until then it is in memory, so that a header may be written twice; what is written too late is put in its place
    at the end by `settle` where the descriptor is a file, and is dropped where it is a pipe.

    waiting  bytes to be sent.
    sent     how many were.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._start = _place(fd)
        self.waiting, self.sent = bytearray(), 0
        self._late: dict[int, bytes] = {}
        self._put: dict[int, bytes] = {}
        self._at = 0
        self._is_cancelled = False
        # A pipe that says it can be written takes so much without waiting.
        self._piece_bytes = PIECE_BYTES if stat.S_ISREG(os.fstat(fd).st_mode) else select.PIPE_BUF

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        end = self.sent + len(self.waiting)
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: end}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def write(self, data: bytes) -> int:  # type: ignore[override]
        late = data[: max(0, self.sent - self._at)]
        if late:
            self._late[self._at] = late
        start = max(0, self._at - self.sent)
        self.waiting[start : start + len(data) - len(late)] = data[len(late) :]
        self._at += len(data)
        return len(data)

    def put(self, at: int, data: bytes) -> None:
        """Replace what waits at `at` by `data`, for good."""
        self.waiting[at - self.sent : at - self.sent + len(data)] = data
        self._put[at] = data

    def send(self) -> None:
        """Send what waits; raises SystemExit where nobody reads any more, RunError where it cannot be written."""
        data, self.waiting = memoryview(self.waiting), bytearray()
        while data and not self._is_cancelled:
            if select.select([], [self._fd], [], POLL_S)[1]:
                with _told():
                    count = os.write(self._fd, data[: self._piece_bytes])
                data = data[count:]
                self.sent += count

    @property
    def can_settle(self) -> bool:
        """Whether a header may still be put right at the end."""
        return self._start is not None

    def settle(self) -> None:
        """Put what was written too late in its place, where that is possible."""
        if self._start is not None:
            with _told():
                for at, data in (*self._late.items(), *self._put.items()):
                    os.pwrite(self._fd, data, self._start + at)

    def cancel(self) -> None:
        """Let a `send` that waits in another thread end, and send nothing any more."""
        self._is_cancelled = True


def _place(fd: int) -> int | None:
    """Where a regular file stands that can be written at any place, None for all else."""
    import fcntl

    if not stat.S_ISREG(os.fstat(fd).st_mode) or fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND:
        return None
    return os.lseek(fd, 0, os.SEEK_CUR)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise SystemExit(128 + signal.SIGPIPE) from None  # quietly, as the signal would end it: `| head -c 100`
    except OSError as error:
        raise RunError(f"cannot write to the standard output: {error.strerror}") from None
