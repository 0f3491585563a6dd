"""What is too long for memory, kept in a temporary file until it is needed again.

The file has no name, so that the system removes it however the process ends; TMPDIR says in which folder it lies.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from torchfx_cli.errors import FileError, RunError
from torchfx_cli.samples import block_frames

PREFIX = "torchfx-"
ELSEWHERE = "TMPDIR may name another place"
MEMORY_BYTES = 1 << 24  # up to which no file is made

Frames = npt.NDArray[np.float64]


@contextlib.contextmanager
def kept_somewhere(what: str) -> Iterator[None]:
    """Within, an OSError is one of the folder for temporary files, in which `what` is kept.

    Where it is full, FileError, for other files may be shorter; else RunError.
    """
    try:
        yield
    except OSError as error:
        words = f"cannot keep {what} in {tempfile.gettempdir()}: {error.strerror}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise FileError(f"{words}; {ELSEWHERE}") from None
        raise RunError(words) from None


def check_room(needed_bytes: int, what: str) -> None:
    """Raise FileError where `what` takes more than the disk of the temporary files has free."""
    if needed_bytes <= MEMORY_BYTES:
        return
    with kept_somewhere(what):
        disk = os.statvfs(tempfile.gettempdir())
        free_bytes = disk.f_bavail * disk.f_frsize
    if needed_bytes > free_bytes:
        raise FileError(f"cannot keep {what} in {tempfile.gettempdir()}: {needed_bytes / 1e9:.2f} GB are needed, "
                        f"{free_bytes / 1e9:.2f} GB are free; {ELSEWHERE}")


class Scratch:
    """Frames [frames, channels] of float64, put behind one another and read again, or replaced, in any order.

    They are in memory up to MEMORY_BYTES, and beyond that in a file. Raises FileError where there is no room for it.
    """

    def __init__(self, channels: int, what: str) -> None:
        self.frames = 0
        self._channels, self._what = channels, what
        self._memory = np.empty((0, channels))
        self._fd = -1

    def __reduce__(self) -> tuple[Any, ...]:
        if self._fd >= 0:
            raise TypeError("what waits in a temporary file cannot be copied; copy the chain, and open it anew")
        return _filled, (self._channels, self._what, self.read(0, self.frames))

    def append(self, samples: Frames) -> None:
        """Put `samples` behind the last."""
        self.write(self.frames, samples)

    def write(self, first: int, samples: Frames) -> None:
        """Put `samples` at the frame `first`, at most one behind the last."""
        self.frames = max(self.frames, first + len(samples))
        if self._fd < 0 and self._bytes(self.frames) > MEMORY_BYTES:
            self._begin_file(self._memory[:first])
        if self._fd >= 0:
            self._write_file(first, samples)
            return
        if self.frames > len(self._memory):
            grown = np.empty((2 * self.frames, self._channels))
            grown[: len(self._memory)] = self._memory
            self._memory = grown
        self._memory[first : first + len(samples)] = samples

    def read(self, first: int, end: int) -> Frames:
        """A copy of the frames from `first` up to `end`."""
        if self._fd < 0:
            return self._memory[first:end].copy()
        samples = np.empty((end - first, self._channels))
        view, at = _bytes_of(samples), self._bytes(first)
        with kept_somewhere(self._what):
            while view:
                count = os.preadv(self._fd, [view], at)
                if not count:
                    raise OSError(errno.EIO, "a part of it is not there")
                view, at = view[count:], at + count
        return samples

    def drop(self, frames: int) -> None:
        """Forget the first `frames`: what is behind them moves to the beginning."""
        kept, step = self.frames - frames, block_frames(self._channels)
        for first in range(0, kept, step):
            self.write(first, self.read(frames + first, frames + min(first + step, kept)))
        self.frames = kept

    def backwards(self, frames: int) -> Iterator[tuple[int, Frames]]:
        """Blocks of so many `frames` from the last to the first, each with the number of its first frame."""
        for end in range(self.frames, 0, -frames):
            first = max(0, end - frames)
            yield first, self.read(first, end)

    def _bytes(self, frames: int) -> int:
        return 8 * self._channels * frames

    def _begin_file(self, samples: Frames) -> None:
        with kept_somewhere(self._what), tempfile.TemporaryFile(prefix=PREFIX) as file:
            self._fd = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._fd)
        self._write_file(0, samples)
        self._memory = np.empty((0, self._channels))

    def _write_file(self, first: int, samples: Frames) -> None:
        view, at = _bytes_of(np.ascontiguousarray(samples)), self._bytes(first)
        with kept_somewhere(self._what):
            while view:
                count = os.pwrite(self._fd, view, at)
                view, at = view[count:], at + count


class Queue:
    """Frames that leave in the order in which they came; in between they are kept as `Scratch` does."""

    def __init__(self, channels: int, what: str) -> None:
        self._kept, self._first = Scratch(channels, what), 0

    def __len__(self) -> int:
        return self._kept.frames - self._first

    def push(self, samples: Frames) -> None:
        """Put `samples` behind the last."""
        if self._first >= len(self):  # so that moving what is left takes no longer than reading what has left
            self._kept.drop(self._first)
            self._first = 0
        self._kept.append(samples)

    def pull(self, frames: int) -> Frames:
        """The next `frames`, of those that are there."""
        first, self._first = self._first, self._first + frames
        return self._kept.read(first, self._first)

    def passed(self, samples: Frames, frames: int) -> Frames:
        """Put `samples` behind the last, and take the next `frames`; may be a view of `samples`."""
        if len(self):
            self.push(samples)
            return self.pull(frames)
        if frames < len(samples):
            self.push(samples[frames:])
        return samples[:frames]


def _filled(channels: int, what: str, samples: Frames) -> Scratch:
    made = Scratch(channels, what)
    made.append(samples)
    return made


def _bytes_of(samples: Frames) -> memoryview:
    return samples.reshape(-1).data.cast("B") if samples.size else memoryview(b"")
