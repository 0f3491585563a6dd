"""An input: its facts, and its samples as blocks in order.

A file is opened by descriptor after checking that it is regular, so that a FIFO cannot hang the program and any
name works. Nothing that a header promises is believed: samples are read until there are none, then what was
promised, what the file holds and what was read are compared (see promises.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal

import numpy as np
import soundfile

from torchfx_cli.errors import ReadError
from torchfx_cli.stream import chunks
from torchfx_cli.stream.baggage import MAX_BYTES, MAX_VALUES, Baggage
from torchfx_cli.stream.diagnose import open_regular, reading, why_not_opened
from torchfx_cli.stream.facts import FileFacts
from torchfx_cli.stream.formats import read_format
from torchfx_cli.stream.id3names import frame_count
from torchfx_cli.stream.metadata import read_tags
from torchfx_cli.stream.promises import OnTruncated, Promises
from torchfx_cli.stream.repair import Repair
from torchfx_cli.stream.sound import (
    Block,
    LibraryError,
    Part,
    PartedFile,
    channel_map,
    error_of,
    open_to_read,
    patched,
    read_into,
)

if TYPE_CHECKING:
    from torchfx_cli.stream.mpegstream import Stream

OnNan = Literal["fail", "repair"]

# A frame of FLAC that holds silence packs at most 65535 frames into about 10 bytes; more frames a byte than this are a
# lie in any format. libsndfile says UNKNOWN_FRAMES where a FLAC does not tell.
MAX_FRAMES_PER_BYTE = 8192
UNKNOWN_FRAMES = 2**63 - 1
PROBE_BYTES = 1 << 20


def open_source(path: str | Path, *, on_nan: OnNan = "fail", on_truncated: OnTruncated = "keep") -> Source:
    """The sound file `path`, to be used in a `with`; raises ReadError where it is not one.

    on_nan        what to do with NaN and infinity: hand them out as they are, for the engine to "fail" on, or "repair"
                  them (see repair.py).
    on_truncated  a file that holds less than it promises: an error ("fail"), or a warning ("keep").
    """
    return Source(Path(path), on_nan, on_truncated)


class Source:
    """An open input. `blocks` reads it once, `rewind` allows once more; `warnings` and `notes` grow on the way.

    frames_read  frames read since the start or the last rewind.
    repaired     non-finite samples that were replaced in this pass.
    """

    _parted: PartedFile | None = None
    _parts: list[Part] | None = None

    def __init__(self, path: Path, on_nan: OnNan = "fail", on_truncated: OnTruncated = "keep") -> None:
        self.frames_read = self.repaired = 0
        self._on_nan = on_nan
        self._fd = open_regular(path)
        try:
            with reading():
                self._look(path, on_truncated)
        except BaseException:
            self.close()
            raise

    def _look(self, path: Path, on_truncated: OnTruncated) -> None:
        self._stat = os.fstat(self._fd)
        if not self._stat.st_size:
            raise ReadError("the file is empty (0 bytes)")
        self._layout = chunks.walk(self._fd, self._stat.st_size)
        self._check_marks()
        patches = chunks.repaired_header(self._layout)
        seen_bytes = chunks.seen_bytes(self._layout, self._stat.st_size)
        self._parts = patched(seen_bytes, patches) if patches or seen_bytes < self._stat.st_size else None
        self._promises = Promises(self._fd, self._layout, on_truncated)
        self._path = path
        stream = self._open_first()
        self.facts = self._facts()
        self._promises.check_header(self.facts, bool(patches), stream)

    @property
    def warnings(self) -> list[str]:
        return self._promises.warnings

    @property
    def notes(self) -> list[str]:
        """What is worth a word with --verbose, but no warning."""
        return self._promises.notes

    @property
    def truncated(self) -> bool:
        """Whether the file was found to hold less than it promises."""
        return self._promises.truncated

    def __enter__(self) -> Source:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def cancel(self) -> None:
        """Let a read that waits in another thread end; of files none does."""

    def close(self) -> None:
        """Release the file; allowed more than once."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            self._close_sound()
            os.close(fd)

    @property
    def baggage(self) -> Baggage:
        """What it holds besides samples, for an Output; to be used before `close`."""
        return Baggage(self._fd, self._stat.st_size, self.facts.container, self.facts.channels, self._layout)

    @property
    def stat(self) -> os.stat_result:
        """As it was when the file was opened."""
        return self._stat

    def blocks(self, frames: int) -> Iterator[Block]:
        """Fresh arrays [frames, channels] of `facts.sample_format.dtype`, the last one shorter.

        Raises ReadError where the stream is damaged or the file changes meanwhile; warnings about the end are
        complete when the iterator is exhausted. Where samples are repaired, blocks are longer and shorter.
        """
        with reading():
            if self._on_nan == "repair" and not self.facts.sample_format.is_integer:
                yield from self._repaired_blocks(frames)
            else:
                yield from self._raw_blocks(frames)

    def _repaired_blocks(self, frames: int) -> Iterator[Block]:
        repair = Repair(self.facts.channels)
        yield from repair.blocks(self._raw_blocks(frames))
        self.repaired = repair.samples
        if repair.samples:
            self._promises.warn(repair.warning(self.facts.fs))

    def _raw_blocks(self, frames: int) -> Iterator[Block]:
        while True:
            block = np.empty((frames, self.facts.channels), self.facts.sample_format.dtype)
            count = read_into(self._sound, block)
            self.frames_read += max(0, count)
            self._check_stream()
            if count <= 0:
                break
            yield block[:count]
        self._check_unchanged()
        promised = None if self._sound.frames == UNKNOWN_FRAMES else self._sound.frames
        self._promises.check_end(self.facts, promised, self.frames_read)

    def rewind(self) -> None:
        """Go back to the first frame, by opening anew: not every stream can seek, and not every seek is exact."""
        self._close_sound()
        self.frames_read = self.repaired = 0
        with reading():
            self._sound = self._open()

    def _check_marks(self) -> None:
        """Raise ReadError for what the decoders would look at for minutes before they gave the first frame."""
        tag = os.pread(self._fd, min(chunks.id3_bytes(os.pread(self._fd, 10, 0)), MAX_BYTES), 0)
        if frame_count(tag, MAX_VALUES + 1) > MAX_VALUES:
            raise ReadError(f"its ID3 tag has more than {MAX_VALUES} frames, far more than any program writes")
        if os.pread(self._fd, 4, 0) == b"OggS":
            at = chunks.false_pages(self._fd, self._stat.st_size)
            if at is not None:
                raise ReadError(f"damaged Ogg stream: from byte {at} on it holds marks of pages without pages")

    def _open_first(self) -> Stream | None:
        """Open it; of MP3, whose stream is returned, only what is whole (see mpegwalk.py).

        libsndfile does not look for an MP3 behind foreign bytes, so that is done where the name says that it is one.
        """
        refusal: ReadError | None = None
        try:
            self._sound = self._open()
        except ReadError as error:
            if self._path.suffix.lower() != ".mp3":
                raise
            refusal = error
        if refusal is None and self._sound.format != "MP3":
            return None
        from torchfx_cli.stream import mpegwalk

        stream = mpegwalk.walk(self._fd, self._stat.st_size)
        if stream is None:
            raise refusal or ReadError(why_not_opened(self._fd, self._stat.st_size, "no run of packets"))
        if refusal is not None or not stream.is_plain:
            self._close_sound()
            self._parts = stream.parts(self._stat.st_size)
            self._sound = self._open()
        return stream

    def _open(self) -> soundfile.SoundFile:
        try:
            if self._parts is None:
                return open_to_read(self._fd)
            self._parted = PartedFile(self._fd, self._parts)
            return soundfile.SoundFile(self._parted)
        except LibraryError as error:
            self._check_disk(0)
            raise ReadError(why_not_opened(self._fd, self._stat.st_size, error.error_string)) from None

    def _close_sound(self) -> None:
        sound: soundfile.SoundFile | None = getattr(self, "_sound", None)
        if sound is not None:
            with suppress(LibraryError):  # nothing was written, so nothing can be lost
                sound.close()

    def _facts(self) -> FileFacts:
        sound, size = self._sound, self._stat.st_size
        believable = 0 <= sound.frames <= size * MAX_FRAMES_PER_BYTE
        return FileFacts(
            path=self._path,
            fs=sound.samplerate,
            channels=sound.channels,
            container=sound.format,
            subtype=sound.subtype,
            frames=sound.frames if believable else None,
            sample_format=read_format(sound.subtype),
            tags=read_tags(sound, chunks.aiff_copyright(self._fd, self._layout)),
            channel_map=channel_map(sound),
            file_bytes=size,
        )

    def _check_stream(self) -> None:
        words = error_of(self._sound)
        if words or (self._parted is not None and self._parted.fault is not None):
            self._check_disk()
            where = f"near {self.frames_read / self.facts.fs:.2f} s"
            raise ReadError(f"{self.facts.container} stream damaged or cut off {where} ({_short(words)})")

    def _check_disk(self, at: int | None = None) -> None:
        """Raise OSError where the disk cannot be read, which libsndfile does not say; `at`: where, None for here."""
        if self._parted is not None and self._parted.fault is not None:
            raise self._parted.fault
        os.lseek(self._fd, at or 0, os.SEEK_CUR if at is None else os.SEEK_SET)
        os.read(self._fd, PROBE_BYTES)

    def _check_unchanged(self) -> None:
        now = os.fstat(self._fd)
        with suppress(FileNotFoundError):
            named = os.stat(self._path)
            if not os.path.samestat(named, now):
                raise ReadError("changed while it was read (another file has its name now)")
        if _was_written(self._stat, now):
            raise ReadError("changed while it was read")


def _short(words: str) -> str:
    return words.removeprefix("Error : ").strip().rstrip(".")


def _was_written(before: os.stat_result, now: os.stat_result) -> bool:
    """Whoever puts the time of modification back cannot put back that of the change; but that may be a new link's."""
    if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        return True
    same = all(getattr(now, name) == getattr(before, name) for name in ("st_nlink", "st_mode", "st_uid", "st_gid"))
    return same and now.st_ctime_ns != before.st_ctime_ns
