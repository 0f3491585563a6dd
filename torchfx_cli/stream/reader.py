"""An input: its facts, and its samples as blocks in order.

A file is opened by descriptor after checking that it is regular, so that a FIFO cannot hang the program and any
name works. Nothing that a header promises is believed: samples are read until there are none, then what was
promised, what the file holds and what was read are compared. What can be lived with is a line in
`Source.warnings`; what would give a wrong or an empty output without a word is a ReadError.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import soundfile

from torchfx_cli.errors import ReadError
from torchfx_cli.samples import SampleFormat
from torchfx_cli.stream import chunks
from torchfx_cli.stream.diagnose import open_regular, why_not_opened
from torchfx_cli.stream.formats import read_format, sample_bytes
from torchfx_cli.stream.metadata import read_tags
from torchfx_cli.stream.sound import Block, LibraryError, PatchedFile, channel_map, error_of, read_into

# libsndfile says 2^63 - 1 frames for a FLAC of unknown length. A frame of FLAC that holds silence packs at most
# 65535 frames into about 10 bytes; more frames a byte than this are a lie in any format.
MAX_FRAMES_PER_BYTE = 8192
# Without a Xing frame the length of an MP3 is an estimate, with one it may be off by the encoder's padding.
MP3_SLACK_FRAMES = 4 * 1152


@dataclass(frozen=True)
class FileFacts:
    """What is known of an input before its samples are read.

    container, subtype  libsndfile's names ("WAV", "PCM_24").
    frames              what the header promises, None where it says nothing or nonsense.
    sample_format       of the blocks.
    channel_map         libsndfile's speaker number of each channel, or ().
    file_bytes          size of the file.
    """

    path: Path
    fs: int
    channels: int
    container: str
    subtype: str
    frames: int | None
    sample_format: SampleFormat
    tags: Mapping[str, str]
    channel_map: tuple[int, ...]
    file_bytes: int

    @property
    def duration_s(self) -> float | None:
        return None if self.frames is None else self.frames / self.fs


def open_source(path: str | Path) -> Source:
    """The sound file `path`, to be used in a `with`; raises ReadError where it is not one."""
    return Source(Path(path))


class Source:
    """An open input. `blocks` reads it once, `rewind` allows once more; `warnings` and `notes` grow on the way.

    frames_read  frames handed out since the start or the last rewind.
    notes        what is worth a word with --verbose, but no warning.
    """

    def __init__(self, path: Path) -> None:
        self.warnings: list[str] = []
        self.notes: list[str] = []
        self.frames_read = 0
        self._fd = open_regular(path)
        try:
            self._stat = os.fstat(self._fd)
            if not self._stat.st_size:
                raise ReadError("the file is empty (0 bytes)")
            self._layout = chunks.walk(self._fd, self._stat.st_size)
            self._patches = chunks.repaired_header(self._layout)
            self._path = path
            self._sound = self._open()
            self.facts = self._facts()
            self._check_layout()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Source:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Release the file; allowed more than once."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            self._close_sound()
            os.close(fd)

    def blocks(self, frames: int) -> Iterator[Block]:
        """Fresh arrays [frames, channels] of `facts.sample_format.dtype`, the last one shorter.

        Raises ReadError where the stream is damaged or the file changes meanwhile; warnings about the end are
        complete when the iterator is exhausted.
        """
        while True:
            block = np.empty((frames, self.facts.channels), self.facts.sample_format.dtype)
            count = read_into(self._sound, block)
            self.frames_read += max(0, count)
            self._check_stream()
            if count <= 0:
                break
            yield block[:count]
        self._check_end()

    def rewind(self) -> None:
        """Go back to the first frame, by opening anew: not every stream can seek, and not every seek is exact."""
        self._close_sound()
        self.frames_read = 0
        self._sound = self._open()

    def _open(self) -> soundfile.SoundFile:
        os.lseek(self._fd, 0, os.SEEK_SET)
        try:
            if self._patches:
                return soundfile.SoundFile(PatchedFile(self._fd, self._stat.st_size, self._patches))
            return soundfile.SoundFile(self._fd, closefd=False)
        except LibraryError as error:
            return self._open_by_name(error)

    def _open_by_name(self, error: LibraryError) -> soundfile.SoundFile:
        """libsndfile finds the start of an MP3 behind foreign bytes only where the name says that it is one."""
        with suppress(LibraryError, OSError):
            if self._path.suffix.lower() == ".mp3" and os.path.samestat(os.stat(self._path), self._stat):
                return soundfile.SoundFile(os.fsencode(self._path))
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

    def _check_layout(self) -> None:
        """Warn of what the header says and the file is not, before the first sample is read."""
        lost = chunks.lost_chunks(self._fd, self._layout)
        if lost:
            self._warn(f"not carried over: {', '.join(lost)}")
        layout, facts = self._layout, self.facts
        if layout is None or layout.data is None:
            return
        frame_bytes = facts.channels * sample_bytes(facts.subtype)
        if layout.is_unfinished and not self._patches:
            raise ReadError(f"the header promises 0 frames, but {layout.trailing_bytes} bytes follow (never closed?)")
        if layout.is_unfinished:
            self._warn("the header was never closed; the size was taken from the file")
        elif layout.is_streamed:
            self.notes.append("the header gives no size; it was taken from the file")
        elif layout.data.size > layout.held_bytes:
            self._warn(self._cut_off(layout.data.size, layout.held_bytes, frame_bytes))
        elif frame_bytes and layout.held_bytes % frame_bytes:
            self._warn(f"{layout.held_bytes % frame_bytes} bytes at the end are less than a frame and are not read")
        elif layout.trailing_bytes > chunks.HARMLESS_BYTES:
            self._warn(f"{layout.trailing_bytes} bytes behind the samples are not read")
        self._check_promised(chunks.aiff_frames(self._fd, layout))

    def _cut_off(self, promised_bytes: int, held_bytes: int, frame_bytes: int) -> str:
        if not frame_bytes:
            return f"{held_bytes} of {promised_bytes} bytes (cut off)"
        promised, held = promised_bytes // frame_bytes, held_bytes // frame_bytes
        if promised and not held:
            raise ReadError(f"the header promises {promised} frames, the file holds none")
        return f"{held} of {promised} frames (cut off)"

    def _check_promised(self, promised: int | None) -> None:
        if promised is None or not sample_bytes(self.facts.subtype) or self.warnings:
            return
        if self.facts.frames and promised > self.facts.frames:
            self._warn(f"{self.facts.frames} of {promised} frames (cut off)")

    def _check_stream(self) -> None:
        words = error_of(self._sound)
        if words:
            where = f"near {self.frames_read / self.facts.fs:.2f} s"
            raise ReadError(f"{self.facts.container} stream damaged or cut off {where} ({_short(words)})")

    def _check_end(self) -> None:
        self._check_unchanged()
        facts, promised = self.facts, self.facts.frames
        if facts.container == "OGG":
            self._check_ogg()
        if facts.container == "MP3":
            promised = self._check_mp3()
        if promised is not None and self.frames_read < promised:
            if not self.frames_read:
                raise ReadError(f"the header promises {promised} frames, none can be read")
            self._warn(f"{self.frames_read} of {promised} frames (cut off)")
        if not self.frames_read:
            self._warn("0 frames")

    def _check_ogg(self) -> None:
        pages = chunks.ogg_pages(self._fd, self._stat.st_size)
        if pages.streams > 1:
            self._warn(f"holds a second stream; only the first {self._seconds_read()} s was read")
        elif not pages.is_whole and not self.frames_read:
            raise ReadError("Ogg file cut off before its first sample")
        elif not pages.is_whole:
            self._warn(f"the Ogg stream has no end (cut off); {self._seconds_read()} s were read")

    def _check_mp3(self) -> int | None:
        """The frames that an MP3 really promises, None where its length is an estimate."""
        end = chunks.xing_bytes(self._fd)
        if end is None or self.facts.frames is None:
            return None
        if self._stat.st_size > 1.02 * end + 65536 or _is_mpeg(os.pread(self._fd, 4, end)):
            self._warn(f"holds a second stream; only the first {self._seconds_read()} s was read")
        return self.facts.frames if self.facts.frames - self.frames_read > MP3_SLACK_FRAMES else None

    def _check_unchanged(self) -> None:
        now = os.fstat(self._fd)
        with suppress(FileNotFoundError):
            named = os.stat(self._path)
            if not os.path.samestat(named, now):
                raise ReadError("changed while it was read (another file has its name now)")
        if (now.st_size, now.st_mtime_ns) != (self._stat.st_size, self._stat.st_mtime_ns):
            raise ReadError("changed while it was read")

    def _seconds_read(self) -> str:
        return f"{self.frames_read / self.facts.fs:.1f}"

    def _warn(self, text: str) -> None:
        if text not in self.warnings:  # a second pass sees the same things again
            self.warnings.append(text)


def _short(words: str) -> str:
    return words.removeprefix("Error : ").strip().rstrip(".")


def _is_mpeg(header: bytes) -> bool:
    return len(header) == 4 and (header[:3] == b"ID3" or (header[0] == 0xFF and header[1] & 0xE0 == 0xE0))
