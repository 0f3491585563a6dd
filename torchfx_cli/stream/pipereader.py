"""An input that comes out of a pipe: WAV, RF64, AU and FLAC as it comes, all else from a temporary file.

The others cannot be read from a pipe: libsndfile looks for the end of an Ogg or the length of an MP3, and an AIFF or
a CAF may tell behind its samples what they are. What is before the samples is walked here, and libsndfile is told a
length that makes it look no further, so samples are decoded as those of a file are. What is behind them is looked at
when they are over.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from torchfx_cli.errors import ReadError
from torchfx_cli.libsndfile import soundfile
from torchfx_cli.scratch import PREFIX, kept_somewhere
from torchfx_cli.stream import chunks
from torchfx_cli.stream.chunks import Layout
from torchfx_cli.stream.diagnose import why_not_opened
from torchfx_cli.stream.flacstream import look
from torchfx_cli.stream.headercheck import HeaderCheck, OnTruncated
from torchfx_cli.stream.inpipe import ENDLESS, STDIN_KEPT, InPipe, spooled
from torchfx_cli.stream.metadatasource import MetadataSource
from torchfx_cli.stream.opened import UNKNOWN_FRAMES
from torchfx_cli.stream.pipehead import align, can_stream, ending, head_of, promised_bytes, size_patch
from torchfx_cli.stream.reader import OnNan, Source, open_source
from torchfx_cli.stream.sound import Block, LibraryError, error_of, read_into
from torchfx_cli.stream.stdio import STDIN, STDIO, check_stdin

# libsndfile believes 32 bits of a WAV. One that does not tell its size is read in laps, each of about so many bytes.
LAP_BYTES = 1 << 30


def open_stdin(*, on_nan: OnNan = "fail", on_truncated: OnTruncated = "keep", twice: bool = False) -> Source:
    """The standard input, to be used in a `with`; raises what `open_source` does, UsageError where it is a terminal.

    twice  it will be rewound, so it is kept in a temporary file.
    """
    check_stdin()
    if stat.S_ISREG(os.fstat(STDIN).st_mode) and not os.lseek(STDIN, 0, os.SEEK_CUR):  # < in.wav
        return open_source(Path("/dev/stdin"), on_nan=on_nan, on_truncated=on_truncated)
    return open_pipe(os.dup(STDIN), on_nan, on_truncated, twice=twice)


def open_pipe(fd: int, on_nan: OnNan = "fail", on_truncated: OnTruncated = "keep", *, twice: bool = False) -> Source:
    """The same for the descriptor `fd`, which is closed with the source."""
    pipe = InPipe(fd)
    try:
        head = head_of(pipe)
        if not head:
            raise ReadError("the standard input is empty (0 bytes)")
        if can_stream(head) and not twice:
            return PipeSource(pipe, on_nan, on_truncated)
        why = "it is read twice" if can_stream(head) else "its format cannot be read from a pipe"
        return SpooledSource(pipe, f"kept in a temporary file, because {why}", on_nan, on_truncated)
    except BaseException:
        pipe.close()
        raise


class SpooledSource(Source):
    """All of `pipe`, in a temporary file; `why`, for --verbose."""

    def __init__(self, pipe: InPipe, why: str, on_nan: OnNan, on_truncated: OnTruncated) -> None:
        with pipe, spooled(pipe) as file:
            if pipe.fault is not None:
                raise pipe.fault
            super().__init__(Path(f"/dev/fd/{file.fileno()}"), on_nan, on_truncated)
        self._path = STDIO
        self.facts = replace(self.facts, path=STDIO)
        self.notes.append(why)

    def _check_unchanged(self) -> None:
        """Nobody else has it."""


class PipeSource(Source):
    """A pipe that was read up to its samples. `blocks` reads it once; it cannot be rewound."""

    def __init__(self, pipe: InPipe, on_nan: OnNan, on_truncated: OnTruncated) -> None:
        self.frames_read = self.repaired = 0
        self._is_joined = False
        self._pipe, self._path = pipe, STDIO
        self._on_nan, self._on_truncated = on_nan, on_truncated
        self._stat = pipe.stat
        self._fd = -1
        try:
            self._fd = _kept(pipe.head)
            self._layout = chunks.walk(self._fd, self._head_bytes)
            if self._layout is not None and self._layout.data is None:
                raise ReadError(why_not_opened(self._fd, self._head_bytes, "no data chunk"))
            self._size = promised_bytes(self._layout, pipe.head)
            self._check = HeaderCheck(self._fd, self._layout, on_truncated)
            self._sum = self._check.sum_of(look(self._fd, self._head_bytes))
            self._tell_library()
            self._sound = self._open()
            frames = self._sound.frames
            is_told = self._size >= 0 and frames != UNKNOWN_FRAMES
            self.facts = self._facts(self._sound, self._sound.subtype, frames if is_told else None)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Release the pipe; allowed more than once."""
        self._close_sound()
        super().close()
        self._pipe.close()

    def cancel(self) -> None:
        """Let a read that waits in another thread end."""
        self._pipe.cancel()

    def rewind(self) -> None:
        """Not possible."""
        raise RuntimeError("a pipe is read once; open_stdin(twice=True) keeps it")

    @property
    def metadata(self) -> MetadataSource:
        """What came before the samples."""
        return MetadataSource(self._fd, self._head_bytes, self.facts.container, self.facts.channels, self._layout)

    @property
    def _head_bytes(self) -> int:
        return os.fstat(self._fd).st_size

    def _open(self) -> soundfile.SoundFile:
        self._pipe.seek(0)
        try:
            sound = soundfile.SoundFile(self._pipe)
        except LibraryError as error:
            words = why_not_opened(self._fd, self._head_bytes, error.error_string)
            raise self._pipe.fault or ReadError(words) from None
        self._pipe.forget()
        return sound

    def _close_sound(self) -> None:
        sound: soundfile.SoundFile | None = getattr(self, "_sound", None)
        if sound is not None:
            with suppress(LibraryError):  # nothing was written, so nothing can be lost
                sound.close()

    def _tell_library(self) -> None:
        """How long the pipe is, and what its header says of it."""
        layout, pipe = self._layout, self._pipe
        data = None if layout is None else layout.data
        if layout is None or data is None:
            return
        if self._size >= 0:
            pipe.length = data.start + self._size
        if layout.kind == "AU":  # see chunks.repaired_header
            pipe.patch = 8, b"\xff\xff\xff\xff"
        elif self._size < 0:
            lap = LAP_BYTES - LAP_BYTES % align(pipe.head)
            pipe.length = data.start + lap
            pipe.patch = size_patch(layout, data, lap)

    def _raw_blocks(self, frames: int) -> Iterator[Block]:
        while True:
            block = np.empty((frames, self.facts.channels), self.facts.sample_format.dtype)
            count = read_into(self._sound, block)
            self.frames_read += max(0, count)
            self._check_stream()
            if count > 0:
                if self._sum is not None:
                    self._sum.update(block[:count])
                yield block[:count]
            elif not self._begin_lap():
                break
        self._check_end()

    def _begin_lap(self) -> bool:
        """Open anew where the samples of a pipe without a size go on behind what was told to libsndfile."""
        data = None if self._layout is None else self._layout.data
        if data is None or self._size >= 0 or self._pipe.go_on() < self._pipe.length:
            return False
        self._close_sound()
        self._pipe.lap(data.start)
        self._sound = self._open()
        return True

    @property
    def _ends_at_second(self) -> bool:
        """Whether a second FLAC follows all frames of the first, which are damage to the decoder of that."""
        return self._pipe.second and self.facts.container == "FLAC" and self.frames_read == self.facts.frames

    def _check_stream(self) -> None:
        if self._pipe.fault is not None:
            raise self._pipe.fault
        words = error_of(self._sound)
        self._is_joined |= self._ends_at_second and bool(words or self._pipe.lost)
        if self._is_joined:
            return
        self._check_words(words)
        if self._pipe.lost:
            where = f"near {self.frames_read / self.facts.fs:.2f} s"
            raise ReadError(f"{self.facts.container} stream damaged or cut off {where}")

    def _check_end(self) -> None:
        """What the header promised against what came, as for a file of so many bytes."""
        self._pipe.length = ENDLESS
        layout = None if self._layout is None else ending(self._layout, self._size, self._pipe)
        self._pipe.go_on()
        self._pipe.skip(ENDLESS)
        self._check_stream()
        if layout is not None:
            layout = replace(layout, file_bytes=self._pipe.taken)
        facts = replace(self.facts, file_bytes=self._pipe.taken)
        self._check = HeaderCheck(self._fd, layout, self._on_truncated)
        self._check.check_header(facts, is_patched=True)
        self._check.check_end(facts, facts.frames, self.frames_read)
        self._check.check_sum(self._sum)
        if self._is_joined:
            self._check.warn_of_second(facts, self.frames_read)
        self._warn_of_chunks(layout)

    def _warn_of_chunks(self, layout: Layout | None) -> None:
        if layout is None or layout.data is None:
            return
        facts = self.facts
        source = MetadataSource(self._fd, layout.file_bytes, facts.container, facts.channels, layout)
        late = [chunk.name for chunk in source.chunks() if chunk.start > layout.data.start]
        if late:
            self._check.warn(f"not carried over, because a pipe has it behind the samples: {', '.join(late)}")


def _kept(head: bytes) -> int:
    """A descriptor of a file that holds `head`."""
    with kept_somewhere(STDIN_KEPT), tempfile.TemporaryFile(prefix=PREFIX) as file:
        file.write(head)
        file.flush()
        return os.dup(file.fileno())
