"""A pipe that libsndfile can read though it cannot seek there.

libsndfile does not stream: it asks for the length of a file, and jumps. Through its virtual files it may believe that
it can: the first bytes are kept and can be read again, and a jump counts only when something is read there.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import tempfile
from typing import BinaryIO

from torchfx_cli.errors import ReadError
from torchfx_cli.scratch import PREFIX, kept_somewhere
from torchfx_cli.stream.diagnose import fault

MAX_HEAD_BYTES = 64 << 20  # of an input before its first sample, pictures and all
ENDLESS = 1 << 60  # the length, in bytes, of what does not tell its length
PIECE_BYTES = 1 << 16
FLAC_MARKS = (b"fLaC\0\0\0\x22", b"fLaC\x80\0\0\x22")  # and STREAMINFO, which may be its only block
STDIN_KEPT = "the standard input"
POLL_S = 0.1  # how soon a read that waits notices that nobody needs it any more


class InPipe(io.RawIOBase):
    """What comes out of descriptor `fd`, for `soundfile`: read once and in order, but for its kept beginning.

    length  in bytes, as libsndfile shall see it.
    patch   (position, bytes) of the kept beginning that libsndfile shall see otherwise.
    taken   bytes that were taken out of the pipe so far.
    second  whether there was what looks like the beginning of a FLAC, later than at the beginning.
    lost    whether bytes were asked for once more that are not kept: a FLAC decoder does so in a damaged stream.
    fault   why nothing more comes, though it is not the end; an exception would be lost in libsndfile.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.length, self.taken, self.lost, self.second = ENDLESS, 0, False, False
        self._last = b""
        self.patch: tuple[int, bytes] | None = None
        self.fault: ReadError | None = None
        self._head = bytearray()
        self._keeps = True
        self._at = self._base = 0
        self._is_over = self._is_cancelled = False

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.length}[whence]
        return self._at

    def tell(self) -> int:
        """Where it stands: at the end of the pipe, where `length` says that the end is."""
        is_end = self._is_over and self._at == self.taken - self._base
        return self.length if is_end and self.length == ENDLESS else self._at

    @property
    def head(self) -> bytes:
        """The bytes that are kept, as they came."""
        return bytes(self._head)

    @property
    def stat(self) -> os.stat_result:
        return os.fstat(self._fd)

    def forget(self) -> None:
        """Keep no more than there is; called when all is opened and samples follow."""
        self._keeps = False
        self._look(bytes(self._head[1:]))

    def lap(self, start: int) -> None:
        """From now on what comes next is what stands at `start`, behind the kept beginning; keeps again."""
        del self._head[start:]
        self._base = self.taken - start
        self._keeps = True

    def go_on(self) -> int:
        """Stand where the pipe is; returns the place."""
        self._at = self.taken - self._base
        return self._at

    def close(self) -> None:
        """Close the descriptor."""
        if not self.closed:
            os.close(self._fd)
        super().close()

    def cancel(self) -> None:
        """Let a read that waits in another thread end, as at the end of the pipe."""
        self._is_cancelled = True

    def exactly(self, size: int) -> bytes:
        """`size` bytes, fewer at the end."""
        piece = bytearray(size)
        return bytes(piece[: self.readinto(piece)])

    def skip(self, size: int) -> int:
        """Read `size` bytes and drop them; how many there were."""
        scratch, left = memoryview(bytearray(PIECE_BYTES)), size
        while left and (count := self.readinto(scratch[: min(left, PIECE_BYTES)])):
            left -= count
        return size - left

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill `buffer`; less only at the end or at `length`, and nothing at a place that the pipe is not at.

        libsndfile reads on behind the samples where more is asked for, and drops that.
        """
        view = memoryview(buffer).cast("B")
        view = view[: max(0, self.length - self._at)]
        done = self._again(view)
        self.lost |= self._at != self.taken - self._base and done < len(view)
        while done < len(view) and self._at == self.taken - self._base:
            count = self._take(view[done:])
            if not count:
                break
            done += count
            self._at += count
        return done

    def _again(self, view: memoryview) -> int:
        """What of `view` the kept beginning has."""
        count = max(0, min(len(view), len(self._head) - self._at))
        if not count:
            return 0
        head = self._head
        if self.patch is not None:
            start, new = self.patch
            head = head[:start] + new + head[start + len(new) :]
        view[:count] = head[self._at : self._at + count]
        self._at += count
        return count

    def _take(self, view: memoryview) -> int:
        """Bytes that come next, at least one except at the end."""
        if self._keeps and len(self._head) + len(view) > MAX_HEAD_BYTES:
            self.fault = ReadError(f"no samples within its first {MAX_HEAD_BYTES >> 20} MiB")
            return 0
        while not select.select([self._fd], [], [], POLL_S)[0]:
            if self._is_cancelled:
                return 0
        try:
            count = os.readv(self._fd, [view])
        except OSError as error:
            self.fault = fault(error)
            return 0
        self.taken += count
        self._is_over = not count
        if self._keeps:
            self._head += view[:count]
        else:
            self._look(bytes(view[:count]))
        return count

    def _look(self, piece: bytes) -> None:
        if not self.second:
            seen = self._last + piece
            self.second, self._last = any(mark in seen for mark in FLAC_MARKS), seen[1 - len(FLAC_MARKS[0]) :]


def spooled(pipe: InPipe) -> BinaryIO:
    """All that `pipe` has, its kept beginning too, in a temporary file without a name; raises RunError."""
    pipe.forget()
    pipe.seek(0)
    scratch = memoryview(bytearray(16 * PIECE_BYTES))
    with contextlib.ExitStack() as stack, kept_somewhere(STDIN_KEPT):
        file = stack.enter_context(tempfile.TemporaryFile(prefix=PREFIX))
        while count := pipe.readinto(scratch):
            file.write(scratch[:count])
        file.flush()
        stack.pop_all()
    return file
