"""An output that goes into a pipe, with the interface of `Output`: sent as it comes from the encoder that writes files.

A pipe cannot be read back, and what went through it cannot be taken back: so nothing is verified here, and a run that
fails leaves what it had written. Sizes in the header are those that the input promises, or 0xFFFFFFFF where nobody
knows them (as ffmpeg and sox have it, and all readers know); where the pipe is a file after all, `> out.wav`, the
header is written once more at the end.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Mapping
from types import TracebackType

import numpy as np

from torchfx_cli.errors import RunError, UsageError, WriteError
from torchfx_cli.libsndfile import soundfile
from torchfx_cli.stream import sound as library
from torchfx_cli.stream.formats import OutputFormat
from torchfx_cli.stream.metadata import write_tags
from torchfx_cli.stream.metadataplan import contents, pack
from torchfx_cli.stream.metadatasource import MetadataSource
from torchfx_cli.stream.oggserial import Renumbering
from torchfx_cli.stream.outpipe import OutPipe
from torchfx_cli.stream.sound import Block, LibraryError
from torchfx_cli.stream.speakertags import untold, wave_patches
from torchfx_cli.stream.stdio import STDIO, audio_descriptor
from torchfx_cli.stream.tagchanges import NO_CHANGES, TagChanges
from torchfx_cli.stream.writer import Written

# Formats whose beginning can stay as it is when the end is known.
STREAMED = ("wav", "au", "flac", "ogg", "opus", "mp3")
UNKNOWN_SIZE = 0xFFFFFFFF


def check_format(word: str) -> None:
    """Raise UsageError for a `--format` that cannot be written into a pipe."""
    if word not in STREAMED:
        raise UsageError(f"--format {word} cannot be written to the standard output; it can be {', '.join(STREAMED)}, "
                         "or give a file with --output")


class PipeOutput:
    """The standard output as a sound file; see `Output` for the arguments.

    sample_bytes  what the samples will take, None where that is not known for certain.
    """

    def __init__(self, fs: int, channels: int, out_format: OutputFormat, tags: Mapping[str, str],
                 sample_bytes: int | None, metadata: MetadataSource | None, changes: TagChanges = NO_CHANGES) -> None:
        self.fs, self.channels, self.format = fs, channels, out_format
        self.frames = 0
        changes.check_held(out_format.container, takes_rich=False)
        plan = pack(changes.in_strings(tags), None, out_format, fs, channels)
        lost = () if metadata is None else contents(metadata)
        self.warnings = [*plan.warnings, *([f"not carried over into a pipe: {', '.join(lost)}"] if lost else [])]
        words = untold(out_format, in_pipe=True)
        self.warnings += [words] if words else []
        self.notes: list[str] = []
        self._strings = plan.strings
        self._sample_bytes = sample_bytes
        self._pipe = OutPipe(audio_descriptor())
        self._sound: soundfile.SoundFile | None = None
        self._numbering = Renumbering() if out_format.major == "OGG" else None
        self._has_header = False
        self._header_bytes = 0  # of a WAV

    def __enter__(self) -> PipeOutput:
        major = "WAV" if self.format.major == "RF64" else self.format.major
        try:
            self._sound = soundfile.SoundFile(self._pipe, "w", self.fs, self.channels, self.format.subtype,
                                              format=major, **library.encoding(self.format))
        except LibraryError as error:
            raise WriteError(f"standard output: {error.error_string}") from None
        self._feed = library.Feed(self._sound, self.format.channel_map)
        library.switch(self._sound, library.SET_ADD_PEAK_CHUNK, False)
        if self.format.channel_map:
            library.set_channel_map(self._sound, self.format.channel_map)
        write_tags(self._sound, self._strings, self.format.container)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._pipe.cancel()
        with contextlib.suppress(LibraryError):
            self._close_sound()

    def cancel(self) -> None:
        """Let a `write` that waits in another thread end."""
        self._pipe.cancel()

    def write(self, block: Block) -> None:
        """Append `block` as `Output.write` does; raises RunError, and SystemExit where nobody reads any more."""
        if self._sound is None:
            raise RuntimeError("a PipeOutput is written inside its with, and not after commit")
        block = np.ascontiguousarray(block)
        if len(block) and not self._feed.write(block):
            raise WriteError(f"standard output: {library.error_of(self._sound)}")
        self.frames += len(block)
        self._send()

    def commit(self, note: object = None) -> Written:
        """Send what is left. A pipe gets no name, so `note` is not called, see `Output.commit`."""
        if self._sound is not None and not self._feed.end():
            raise WriteError(f"standard output: {library.error_of(self._sound)}")
        try:
            self._close_sound()
        except LibraryError as error:
            raise RunError(f"cannot write to the standard output: {error.error_string}") from None
        if self._numbering is not None:
            self._pipe.waiting = bytearray(self._numbering.take(self._pipe.waiting) + self._numbering.rest())
        if self._header_bytes and self._sample_bytes is None and not self._pipe.can_settle:
            self._drop_pad()
        self._send()
        self._pipe.settle()
        return Written(STDIO, self.frames, self._pipe.sent)

    def _send(self) -> None:
        if not self._has_header and self.frames:
            self._has_header = True
            frame_bytes = self.channels * self.format.bytes_per_sample
            self._header_bytes = _tell_sizes(self._pipe.waiting, self._sample_bytes, frame_bytes)
            if self._header_bytes:
                self._tell_speakers()
        if self._numbering is not None and self._sound is not None:
            self._pipe.waiting = bytearray(self._numbering.take(self._pipe.waiting))
        self._pipe.send()

    def _tell_speakers(self) -> None:
        fmt_at = self._pipe.waiting.index(b"fmt ", 12) + 8
        for at, content in wave_patches(bytes(self._pipe.waiting[fmt_at:]), self.format.channel_map).items():
            self._pipe.put(fmt_at + at, content)

    def _drop_pad(self) -> None:
        """A pad byte behind samples whose number the header does not tell would be read as one more."""
        end = self._header_bytes + self.frames * self.channels * self.format.bytes_per_sample
        if self._pipe.sent + len(self._pipe.waiting) == end + 1:
            del self._pipe.waiting[-1:]

    def _close_sound(self) -> None:
        sound, self._sound = self._sound, None
        if sound is not None:
            library.close_written(sound)


def _tell_sizes(begin: bytearray, sample_bytes: int | None, frame_bytes: int) -> int:
    """Put the sizes that are known into the header that `begin` begins with; nothing for formats without them.

    Gives the length of the header of a WAV, 0 for others.
    """
    known = sample_bytes if sample_bytes is not None and sample_bytes < UNKNOWN_SIZE - len(begin) else None
    if begin[:4] == b".snd":
        struct.pack_into(">I", begin, 8, UNKNOWN_SIZE if known is None else known)
    if begin[:4] != b"RIFF":
        return 0
    at = 12
    while begin[at : at + 4] != b"data":
        if begin[at : at + 4] == b"fact":
            frames = UNKNOWN_SIZE if known is None else known // frame_bytes
            struct.pack_into("<I", begin, at + 8, frames)
        size = struct.unpack_from("<I", begin, at + 4)[0]
        at += 8 + size + size % 2
    at += 8
    whole = None if known is None else at - 8 + known + known % 2
    struct.pack_into("<I", begin, 4, UNKNOWN_SIZE if whole is None else whole)
    struct.pack_into("<I", begin, at - 4, UNKNOWN_SIZE if known is None else known)
    return at
