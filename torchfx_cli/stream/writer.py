"""An output that is whole and verified, or is not there.

libsndfile drops the errors of its last writes, of the header's rewrite and of its own fsync, so nothing short of
reading back tells that a file is whole. `commit` closes the temporary file, makes it durable, reads it back (the
number of frames, and for lossless formats a CRC of every sample), and only then gives it its name.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

import numpy as np

from torchfx_cli.errors import WriteError
from torchfx_cli.libsndfile import soundfile
from torchfx_cli.records import dataclass
from torchfx_cli.stream import sound as library
from torchfx_cli.stream.atomicfile import AtomicFile, remove_stale
from torchfx_cli.stream.faults import size_words
from torchfx_cli.stream.formats import RIFF_LIMIT_BYTES, OutputFormat, sample_bytes
from torchfx_cli.stream.forsome import aiffsizes, append, oggserial, richtags
from torchfx_cli.stream.metadata import write_tags
from torchfx_cli.stream.metadataplan import pack
from torchfx_cli.stream.metadatasource import MetadataSource
from torchfx_cli.stream.sound import Block, LibraryError
from torchfx_cli.stream.speakertags import chunk_for, tell, untold
from torchfx_cli.stream.tagchanges import NO_CHANGES, TagChanges
from torchfx_cli.stream.verify import what_is_wrong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchfx_cli.stream.append import Placed
    from torchfx_cli.stream.attributes import Attributes

__all__ = ["Output", "Written", "remove_stale"]


@dataclass(frozen=True)
class Written:
    """An output that is in its place: its frames, and its size in bytes."""

    path: Path
    frames: int
    file_bytes: int


class Output:
    """The output `path` in the making, to be used in a `with`; without `commit` nothing is left of it.

    fs, channels    of what will be written; `fs` in Hz.
    tags            as from `read_tags`.
    metadata         of the open input, if there is one; `warnings` names what of both cannot be carried over.
    expected_bytes  what the samples will take, None where that is unknown; decides between WAV and RF64.
    overwrite       see `AtomicFile`.
    times_ns        time of access and of modification that the output shall have, in ns.
    mode            its permissions, as far as the umask allows them.
    changes         tags that it gets, whatever its input says.
    attributes      of the file that it replaces, to be kept; it has them from the start, so what is private stays so.

    Raises WriteError where this output cannot be written, RunError where none could be (disk full, folder gone).
    """

    def __init__(self, path: str | Path, fs: int, channels: int, out_format: OutputFormat,
                 tags: Mapping[str, str] | None = None, expected_bytes: int | None = None, *,
                 overwrite: bool = False, metadata: MetadataSource | None = None,
                 times_ns: tuple[int, int] | None = None, mode: int = 0o666,
                 attributes: Attributes | None = None, changes: TagChanges = NO_CHANGES) -> None:
        self.path = Path(path)
        self.fs, self.channels, self.format = fs, channels, out_format
        self.frames = 0
        self._metadata = pack(tags or {}, metadata, out_format, fs, channels, changes)
        self._chan = chunk_for(out_format)
        self.warnings, self.notes = list(self._metadata.warnings), list(self._metadata.notes)
        words = untold(out_format)
        self.warnings += [words] if words else []
        self._times_ns, self._mode, self._attributes = times_ns, mode, attributes
        self._expected_bytes, self._overwrite = expected_bytes, overwrite
        self._limit_bytes = out_format.container.size_limit
        self._crc = 0
        self._part: AtomicFile | None = None
        self._sound: soundfile.SoundFile | None = None

    def __enter__(self) -> Output:
        self._check_size(self._expected_bytes or 0)
        self._part = AtomicFile(self.path, overwrite=self._overwrite, expected_bytes=self._expected_bytes,
                          mode=self._mode if self._attributes is None else 0o600)
        try:
            if self._attributes is not None:
                with self._part.told("setting its owner and mode"):
                    self.warnings += self._attributes.give(self._part.fd)
            self._open_sound(self._part)
        except BaseException:
            self.abort()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.abort()

    def write(self, block: Block) -> None:
        """Append `block` [frames, channels] of the format's dtype; integers left-justified, their spare bits 0."""
        sound, part = self._sound, self._part
        if sound is None or part is None:
            raise RuntimeError("an Output is written inside its with, and not after commit")
        block = np.ascontiguousarray(block)
        if not len(block):
            return
        if not self._feed.write(block):
            raise part.cause(library.error_of(sound))
        if self.format.is_lossless:
            self._crc = zlib.crc32(self._feed.ordered(block).data, self._crc)
        self.frames += len(block)
        self._check_size(self.frames * self.channels * self.format.bytes_per_sample)

    def commit(self, note: Callable[[int], None] | None = None) -> Written:
        """Close, verify and name the output; after this it is on the disk and is what was written.

        note  is called with the descriptor of the whole, synced file just before it gets its name.
        """
        part = self._part
        if part is None or self._sound is None:
            raise RuntimeError("an Output is committed once, inside its with")
        if not self.frames and not self._holds_0_frames():
            raise WriteError(f"{self.path}: {self._format_name} cannot hold 0 frames")
        if not self._feed.end():
            raise part.cause(library.error_of(self._sound))
        try:
            self._close_sound()
        except LibraryError as error:
            raise part.cause(error.error_string) from None
        placed = self._add_metadata(part)
        if self.format.major == "OGG":
            with part.told("numbering its pages"):
                oggserial.renumber(part.fd)
        if self._times_ns is not None:
            with part.told("setting its time"):
                os.utime(part.fd, ns=self._times_ns)
        part.sync()
        self._verify(part, placed)
        file_bytes = os.fstat(part.fd).st_size
        if note is not None:
            note(part.fd)
        part.give_name()
        return Written(self.path, self.frames, file_bytes)

    def cancel(self) -> None:
        """Let a write that waits in another thread end; to files none does."""

    def abort(self) -> None:
        """Remove what is not committed; allowed at any time, also more than once."""
        with contextlib.suppress(LibraryError):
            self._close_sound()
        if self._part is not None:
            self._part.discard()

    @property
    def _format_name(self) -> str:
        return "Opus" if self.format.subtype == "OPUS" else self.format.container.word.upper()

    def _holds_0_frames(self) -> bool:
        return self.format.container.holds_0_frames and self.format.subtype != "OPUS"

    def _check_size(self, sample_bytes: int) -> None:
        if self._limit_bytes and sample_bytes + self._metadata.extra_bytes > self._limit_bytes:
            raise WriteError(f"{self.path}: {self._format_name} cannot hold more than {size_words(self._limit_bytes)}; "
                             "use --format rf64, w64 or caf")

    def _open_sound(self, part: AtomicFile) -> None:
        """closefd=False: else libsndfile closes the descriptor itself when opening fails, and we a stranger's."""
        major, shrinks = self._major()
        try:
            self._sound = soundfile.SoundFile(part.fd, "w", self.fs, self.channels, self.format.subtype,
                                              format=major, closefd=False, **library.encoding(self.format))
        except LibraryError as error:
            raise part.cause(error.error_string) from None
        self._feed = library.Feed(self._sound, self.format.channel_map)
        # The PEAK chunk holds the time of day: without it the same input gives the same bytes.
        library.switch(self._sound, library.SET_ADD_PEAK_CHUNK, False)
        if shrinks:
            library.switch(self._sound, library.RF64_AUTO_DOWNGRADE, True)
        if self.format.channel_map and not self._chan:  # libsndfile would write one, too
            library.set_channel_map(self._sound, self.format.channel_map)
        write_tags(self._sound, self._metadata.strings, self.format.container)

    def _major(self) -> tuple[str, bool]:
        """libsndfile's format, and whether it is an RF64 that becomes a plain WAV if it ends below 4 GiB."""
        major = self.format.major
        if major not in ("WAV", "WAVEX"):
            return major, False
        if self._expected_bytes is None or self._expected_bytes + self._metadata.extra_bytes > RIFF_LIMIT_BYTES:
            return "RF64", True
        self._limit_bytes = RIFF_LIMIT_BYTES
        return major, False

    def _close_sound(self) -> None:
        sound, self._sound = self._sound, None
        if sound is not None:
            library.close_written(sound)

    def _add_metadata(self, part: AtomicFile) -> tuple[Placed, ...]:
        """What libsndfile does not write, into the closed file."""
        try:
            with part.told("writing its metadata"):
                if self.format.major == "AIFF":
                    aiffsizes.count_without_pad(part.fd, self.frames, self.channels * sample_bytes(self.format.subtype))
                if self._metadata.tags is not None:
                    richtags.write(self._metadata.tags, part.fd)
                tell(part.fd, self.format)
                extras = (*self._chan, *self._metadata.extras)
                return append.append(part.fd, extras) if extras else ()
        except richtags.TagError as error:
            raise part.cause(str(error)) from None
        except append.AppendError as error:
            raise WriteError(f"{self.path}: {error}") from None

    def _verify(self, part: AtomicFile, placed: tuple[Placed, ...]) -> None:
        try:
            with part.told("reading back"):
                words = what_is_wrong(part.fd, self.format, self.fs, self.channels, self.frames, self._crc)
                words = words or (append.what_is_missing(part.fd, placed) if placed else "")
        except LibraryError as error:
            words = f"what was written cannot be read back: {error.error_string}"
        if words:
            raise part.cause(words)

