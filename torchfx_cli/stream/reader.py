"""An input: its facts, and its samples as blocks in order.

A file is opened by descriptor after checking that it is regular, so that a FIFO cannot hang the program and any
name works. Nothing that a header promises is believed: samples are read until there are none, then what was
promised, what the file holds and what was read are compared (see headercheck.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal

import numpy as np

from torchfx_cli.errors import ReadError
from torchfx_cli.libsndfile import soundfile
from torchfx_cli.stream import chunks
from torchfx_cli.stream.diagnose import open_regular, reading
from torchfx_cli.stream.facts import FileFacts
from torchfx_cli.stream.formats import read_format
from torchfx_cli.stream.forsome import alac, avsound, foreign, repair
from torchfx_cli.stream.headercheck import HeaderCheck, OnTruncated
from torchfx_cli.stream.metadata import read_tags
from torchfx_cli.stream.metadatasource import MetadataSource
from torchfx_cli.stream.opened import Opened
from torchfx_cli.stream.sound import Block
from torchfx_cli.stream.speakertags import told

if TYPE_CHECKING:
    from torchfx_cli.stream.avsound import AvSound
    from torchfx_cli.stream.foreign import Foreign

OnNan = Literal["fail", "repair"]


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

    _opened: Opened | AvSound

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
        self._check = HeaderCheck(self._fd, self._layout, on_truncated)
        self._path = path
        kind = self._kind_of_others()
        if kind is None:
            self._opened = opened = Opened(self._fd, path, self._stat.st_size, self._layout)
            facts = self._facts(opened.sound, opened.subtype, opened.frames)
            tags = facts.tags if opened.strings is None else opened.strings
            self.facts = replace(facts, channel_map=opened.channel_map, tags=tags, kbps=opened.kbps)
        else:
            self._opened = avsound.AvSound(self._fd, self._stat.st_size, kind)
            self.facts = self._opened.facts(path)
            self._check.warnings += self._opened.remarks
            self._check.notes += self._opened.notes
        self._sum = self._check.sum_of(self._opened.flac)
        self._check.check_header(self.facts, self._opened.is_patched, self._opened)

    def _kind_of_others(self) -> Foreign | None:
        """As what FFmpeg is to decode it; None for libsndfile."""
        if self._layout is None:
            return foreign.kind_at(self._fd)
        return alac.misread(self._fd, self._layout) if self._layout.kind == "CAF" else None

    @property
    def warnings(self) -> list[str]:
        return self._check.warnings

    @property
    def notes(self) -> list[str]:
        """What is worth a word with --verbose, but no warning."""
        return self._check.notes

    @property
    def truncated(self) -> bool:
        """Whether the file was found to hold less than it promises."""
        return self._check.truncated

    @property
    def damaged(self) -> bool:
        """Whether it was found to be damaged: to hold less than it promises, or other samples."""
        return self._check.truncated or self._check.is_wrong

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
            if hasattr(self, "_opened"):
                self._opened.close()
            os.close(fd)

    @property
    def metadata(self) -> MetadataSource:
        """What it holds besides samples, for an Output; to be used before `close`."""
        found = MetadataSource(self._fd, self._stat.st_size, self.facts.container, self.facts.channels, self._layout)
        if isinstance(self._opened, Opened):
            return found
        return replace(found, comments=self._opened.comments(), pictures=self._opened.pictures())

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
        mended = repair.Repair(self.facts.channels)
        yield from mended.blocks(self._raw_blocks(frames))
        self.repaired = mended.samples
        if mended.samples:
            self._check.warn(mended.warning(self.facts.fs))

    def _raw_blocks(self, frames: int) -> Iterator[Block]:
        while True:
            block = np.empty((frames, self.facts.channels), self.facts.sample_format.dtype)
            count = self._opened.read(block)
            self.frames_read += max(0, count)
            self._check_stream()
            if count <= 0:
                break
            if self._sum is not None:
                self._sum.update(block[:count])
            yield block[:count]
        self._check_unchanged()
        if not isinstance(self._opened, Opened):
            self._check.check_decoded(self._opened)
        self._check.check_end(self.facts, self._opened.promised, self.frames_read)
        self._check.check_sum(self._sum)
        if self._opened.is_joined:
            self._check.warn_of_second(self.facts, self.frames_read)

    def rewind(self) -> None:
        """Go back to the first frame."""
        self.frames_read = self.repaired = 0
        self._sum = self._check.sum_of(self._opened.flac)
        with reading():
            self._opened.rewind()

    def _facts(self, sound: soundfile.SoundFile, subtype: str, frames: int | None) -> FileFacts:
        return FileFacts(
            path=self._path,
            fs=sound.samplerate,
            channels=sound.channels,
            container=sound.format,
            subtype=subtype,
            frames=frames,
            sample_format=read_format(subtype),
            tags=read_tags(sound, chunks.aiff_copyright(self._fd, self._layout)),
            channel_map=told(self._fd, self._layout, sound),
            file_bytes=self._stat.st_size,
        )

    def _check_stream(self) -> None:
        words = self._opened.error()
        if words and not self._opened.is_over(self.frames_read):
            self._check_words(words)

    def _check_words(self, words: str) -> None:
        if words:
            where = f"near {self.frames_read / self.facts.fs:.2f} s"
            raise ReadError(f"{self.facts.container} stream damaged or cut off {where} ({_short(words)})")

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
