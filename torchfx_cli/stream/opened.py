"""The sound in an open file: what libsndfile is given of it, and its frames in order.

Most files are given as they are. Of a header that was never finished the sizes are corrected (see chunks.py), of a
damaged MP3 only what is whole is given (see mpegwalk.py), of an Ogg with gaps each run by itself (see oggsplice.py).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from torchfx_cli.errors import ReadError
from torchfx_cli.libsndfile import libsndfile_version as libsndfile_version
from torchfx_cli.libsndfile import soundfile
from torchfx_cli.stream import chunks
from torchfx_cli.stream.bitrate import nominal_kbps
from torchfx_cli.stream.chunks import Layout
from torchfx_cli.stream.diagnose import why_not_opened
from torchfx_cli.stream.forsome import flacstream, id3names, mpegwalk, oggsplice, oggstream
from torchfx_cli.stream.metadata import read_tags
from torchfx_cli.stream.metadatasource import MAX_BYTES, MAX_VALUES
from torchfx_cli.stream.sound import (
    Block,
    LibraryError,
    Part,
    PartedFile,
    error_of,
    open_to_read,
    patched,
    read_into,
)
from torchfx_cli.stream.speakers import USUAL, from_ogg, in_order
from torchfx_cli.stream.speakertags import told, w64_codec

if TYPE_CHECKING:
    from torchfx_cli.stream.flacstream import Flac
    from torchfx_cli.stream.mpegstream import Stream
    from torchfx_cli.stream.oggsplice import Hole, Splice
    from torchfx_cli.stream.oggstream import OggStream

# A frame of FLAC that holds silence packs at most 65535 frames into about 10 bytes; more frames a byte than this are a
# lie in any format. libsndfile says UNKNOWN_FRAMES where a FLAC does not tell.
MAX_FRAMES_PER_BYTE = 8192
UNKNOWN_FRAMES = 2**63 - 1
WAVE_MPEG = (0x50, 0x55)  # codecs of a WAV: layers I and II, layer III
PROBE_BYTES = 1 << 20


class Opened:
    """The sound in the file open as `fd`; raises ReadError where there is none.

    is_patched  whether sizes in the header were corrected.
    mp3, ogg, flac  what the headers of such a file say.
    flac_frames     how many there are by the last frame of a FLAC.
    is_joined       whether another FLAC was found behind the first.
    strings         tags of what wraps the sound, None for nothing.
    channel_map     libsndfile's speaker number of each channel, or () where the file does not say.
    """

    _sound: soundfile.SoundFile
    _splice: Splice | None = None
    _parted: PartedFile | None = None
    _parts: list[Part] | None = None
    _order: Sequence[int] | None = None
    mp3: Stream | None = None
    ogg: OggStream | None = None
    flac: Flac | None = None
    flac_frames: int = 0
    is_joined = False
    strings: dict[str, str] | None = None

    def __init__(self, fd: int, path: Path, file_bytes: int, layout: Layout | None) -> None:
        self._fd, self._file_bytes = fd, file_bytes
        _check_marks(fd, file_bytes)
        patches = chunks.repaired_header(layout)
        self.is_patched = bool(patches)
        if layout is not None and os.pread(fd, 4, 0) == b"BW64":  # ITU-R BS.2088: an RF64, or small, a WAV
            patches[0] = b"RF64" if layout.first("ds64") is not None else b"RIFF"
        patches |= w64_codec(fd, layout) | chunks.alac_width(fd, layout)
        tag = layout.chunks[0] if layout is not None and layout.chunks else None
        seen_bytes = chunks.seen_bytes(layout, file_bytes)
        if tag is not None and (tag.name, tag.start) == ("id3", 0):  # libsndfile counts it as samples
            parts = patched(seen_bytes, {tag.size: b"", **patches})
            self._parts = [part for part in parts if part != (0, tag.size)]
        elif patches or seen_bytes < file_bytes:
            self._parts = patched(seen_bytes, patches)
        if os.pread(fd, 4, 0) == b"OggS":
            self._open_ogg()
        elif layout is None and (flac := flacstream.look(fd, file_bytes)) is not None:
            self._open_flac(flac)
        elif layout is not None and layout.data is not None and chunks.wave_codec(fd, layout) in WAVE_MPEG:
            self._open_wrapped(layout.data.start, layout.held_bytes)
        else:
            self._open_first(path)
        self.channel_map = self._set_order(layout)

    @property
    def sound(self) -> soundfile.SoundFile:
        """libsndfile's, for what it says of the format."""
        return self._sound if self._splice is None else self._splice.sound

    @property
    def subtype(self) -> str:
        """libsndfile's name; of samples wider than it knows, that of what they are read as."""
        is_wide = self.flac is not None and self.flac.bits == 32
        return "PCM_32" if is_wide else self.sound.subtype

    @property
    def frames(self) -> int | None:
        """How many there are by the file's own words, None where it says nothing or nonsense."""
        frames = self.sound.frames if self._splice is None else self._splice.frames
        if frames == UNKNOWN_FRAMES and self.flac is not None and self.flac.frames:
            frames = self.flac_frames
        return frames if 0 <= frames <= self._file_bytes * MAX_FRAMES_PER_BYTE else None

    @property
    def promised(self) -> int | None:
        """The same, whatever it says."""
        if self._splice is not None:
            return self._splice.frames + self._splice.lacking
        return None if self.sound.frames == UNKNOWN_FRAMES else self.sound.frames

    @property
    def holes(self) -> list[Hole] | None:
        """Where frames are missing and are silent; None where that was not looked for."""
        return None if self._splice is None else self._splice.holes

    @property
    def kbps(self) -> float | None:
        """The bit rate of a lossy stream in kbit/s: of Vorbis what its encoder was set to."""
        if self.mp3 is not None and self.mp3.packets:
            return self.mp3.held_bytes * 8 / 1000 * self.mp3.kind.fs / (self.mp3.packets * self.mp3.kind.frames)
        if self.ogg is None:
            return None
        nominal = 0.0 if self.ogg.is_opus else nominal_kbps(self.ogg.first)
        return nominal or (self.frames and self._file_bytes * 8 / 1000 * self.sound.samplerate / self.frames)

    def read(self, block: Block) -> int:
        """Fill `block` [frames, channels] from here on; frames read, fewer only at the end or on an error."""
        count = read_into(self.sound, block) if self._splice is None else self._splice.read(block)
        if self._order is not None and count > 0:
            block[:count] = block[:count, self._order]
        return count

    def rewind(self) -> None:
        """Go back to the first frame, by opening anew: not every stream can seek, and not every seek is exact."""
        self.close()
        if self._splice is None:
            self._sound = self._open()
        else:
            self._splice.rewind()

    def close(self) -> None:
        with suppress(LibraryError):  # nothing was written, so nothing can be lost
            self.sound.close()

    def error(self) -> str:
        """What went wrong last, "" for nothing; raises OSError where that is the disk's fault."""
        words = error_of(self.sound)
        if words or self._fault is not None:
            self.check_disk()
        return words

    def is_over(self, frames_read: int) -> bool:
        """Whether what went wrong is that a second FLAC begins; where both are of one length nothing else tells."""
        flac = self.flac
        if flac is not None and frames_read == flac.frames > 0 and not self.is_joined:
            self.is_joined = bool(flac.second(self._fd))
            return self.is_joined
        return False

    def check_disk(self, at: int | None = None) -> None:
        """Raise OSError where the disk cannot be read, which libsndfile does not say; `at`: where, None for here."""
        if self._fault is not None:
            raise self._fault
        os.lseek(self._fd, at or 0, os.SEEK_CUR if at is None else os.SEEK_SET)
        os.read(self._fd, PROBE_BYTES)

    @property
    def _fault(self) -> OSError | None:
        source = self._parted if self._splice is None else self._splice
        return None if source is None else source.fault

    def _open_ogg(self) -> None:
        self.ogg = oggstream.walk(self._fd, self._file_bytes)
        if self.ogg is not None and (self.ogg.has_gap or self.ogg.repeats):
            with suppress(LibraryError):
                self._splice = oggsplice.Splice(self._fd, self.ogg, self._file_bytes * MAX_FRAMES_PER_BYTE)
        if self._splice is None:
            self._sound = self._open()

    def _set_order(self, layout: Layout | None) -> tuple[int, ...]:
        """See that channels come in the order of speakers.py, and say which speaker each is for."""
        if self.ogg is not None and self.ogg.has_speakers:
            self._order = from_ogg(self.sound.channels)
            return USUAL.get(self.sound.channels, ())
        speakers = told(self._fd, layout, self.sound)
        self._order = in_order(speakers)
        return speakers if self._order is None else tuple(speakers[channel] for channel in self._order)

    def _open_flac(self, flac: Flac) -> None:
        frames = flac.last_end(self._fd)
        if frames != flac.frames and (end := flac.second(self._fd)):
            self.is_joined, flac = True, replace(flac, end=end)
            frames = flac.last_end(self._fd)
        self.flac, self.flac_frames = flac, frames
        if not flac.can_be_read:
            raise ReadError(f"FLAC of {flac.bits} bits a sample cannot be decoded here; 8, 12, 16, 20, 24 and 32 can")
        self._parts = flac.parts(self.flac_frames, self._file_bytes)
        self._sound = self._open()

    def _open_first(self, path: Path) -> None:
        """Of MP3 only what is whole. libsndfile does not look for one behind foreign bytes, so that is done by name."""
        refusal: ReadError | None = None
        try:
            self._sound = self._open()
        except ReadError as error:
            if path.suffix.lower() != ".mp3":
                raise
            refusal = error
        if refusal is None and self.sound.format != "MP3":
            return
        self.mp3 = mpegwalk.walk(self._fd, self._file_bytes)
        if self.mp3 is None:
            raise refusal or ReadError(why_not_opened(self._fd, self._file_bytes, "no run of packets"))
        if refusal is not None or not self.mp3.is_plain:
            if refusal is None:
                self.close()
            self._parts = self.mp3.parts(self._file_bytes)
            self._sound = self._open()

    def _open_wrapped(self, start: int, held_bytes: int) -> None:
        """MPEG audio in a WAV: libsndfile believes the number of frames there, which is a guess, and knows no MP2."""
        self.mp3 = mpegwalk.walk(self._fd, start + held_bytes, start)
        if self.mp3 is None:
            raise ReadError("WAV with MPEG audio is damaged or cut off (no run of packets)")
        with suppress(LibraryError), open_to_read(self._fd) as wave:
            self.strings = read_tags(wave)
        self._parts = self.mp3.packed
        self._sound = self._open()

    def _open(self) -> soundfile.SoundFile:
        try:
            if self._parts is None:
                return open_to_read(self._fd)
            self._parted = PartedFile(self._fd, self._parts)
            return soundfile.SoundFile(self._parted)
        except LibraryError as error:
            self.check_disk(0)
            raise ReadError(why_not_opened(self._fd, self._file_bytes, error.error_string)) from None


def _check_marks(fd: int, file_bytes: int) -> None:
    """Raise ReadError for what the decoders would look at for minutes before they gave the first frame."""
    tag = os.pread(fd, min(chunks.id3_bytes(os.pread(fd, 10, 0)), MAX_BYTES), 0)
    if tag and id3names.frame_count(tag, MAX_VALUES + 1) > MAX_VALUES:
        raise ReadError(f"its ID3 tag has more than {MAX_VALUES} frames, far more than any program writes")
    if os.pread(fd, 4, 0) == b"OggS":
        at = chunks.false_pages(fd, file_bytes)
        if at is not None:
            raise ReadError(f"damaged Ogg stream: from byte {at} on it holds marks of pages without pages")
