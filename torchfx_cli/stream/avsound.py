"""A sound that FFmpeg decodes, through PyAV: what libsndfile does not read (see foreign.py). It is used as Opened is.

Frames go where their time stamps put them: where some are missing is silence, and that is told.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from torchfx_cli.errors import ReadError
from torchfx_cli.samples import SampleFormat
from torchfx_cli.stream import oggstream
from torchfx_cli.stream.avlength import Length
from torchfx_cli.stream.facts import FileFacts
from torchfx_cli.stream.flacstream import Flac
from torchfx_cli.stream.foreign import Foreign, is_available, lacking_bytes
from torchfx_cli.stream.formats import FLOAT32
from torchfx_cli.stream.mpegtags import tags_begin
from torchfx_cli.stream.oggsplice import Hole
from torchfx_cli.stream.sound import Block, PartedFile
from torchfx_cli.stream.speakers import names

if TYPE_CHECKING:
    from torchfx_cli.stream.avpackets import Packets
    from torchfx_cli.stream.mpegstream import Stream
    from torchfx_cli.stream.oggstream import OggStream

JITTER_S = 0.015  # of time stamps in milliseconds; a packet that is missing leaves more
ROUGH_S = 0.15  # by which a length in a header of Matroska or WMA may be off
_WAVPACK_FLAGS = 24  # in its first block, where two bits are the bytes of a sample less one
_LOSSLESS = frozenset({"alac", "flac", "wavpack", "ape", "tta"})
_LATE = frozenset({"wmav1", "wmav2"})
_DTYPES: dict[str, Any] = {"u8": np.uint8, "s16": np.int16, "s32": np.int32, "flt": np.float32, "dbl": np.float64}


class AvSound:
    """The first audio stream of the file open as `fd`; raises ReadError where there is none, or no PyAV.

    made     frames that were handed out or are about to be, silence included.
    gaps     where frames were missing, so far.
    remarks  what is lost of the file, for a warning; `notes`, what is worth a word.
    """

    is_patched = False
    holes: list[Hole] | None = None  # not known before the end
    mp3: Stream | None = None
    ogg: OggStream | None = None
    flac_frames = 0
    is_joined = False  # a second file behind the first would be found as FFmpeg's error

    def __init__(self, fd: int, file_bytes: int, kind: Foreign) -> None:
        if not is_available():
            raise ReadError(kind.refusal)
        self._fd, self._file_bytes, self._kind = fd, file_bytes, kind
        self._lacking = lacking_bytes(fd, file_bytes, kind)
        self.remarks: list[str] = []
        self.notes: list[str] = []
        try:
            self.rewind()
            self._look()
        except ReadError as error:
            self.close()
            raise ReadError(f"{error}; the file lacks {self._lacking} bytes" if self._lacking else str(error)) from None

    def is_over(self, frames_read: int) -> bool:
        """Whether an error is only that another stream follows: never here."""
        return False

    def rewind(self) -> None:
        """Go back to the first frame, by opening anew."""
        from torchfx_cli.stream.avpackets import Packets

        self.close()
        self.gaps: list[Hole] = []
        self.made = self._silent = self._at = self._end = 0
        self._planes: list[npt.NDArray[Any]] = []
        self._start: int | None = None
        self._file = PartedFile(self._fd, [(0, self._file_bytes)])
        self._packets: Packets = Packets(self._file, self._kind)
        self._pieces: Iterator[tuple[Any, int]] = self._packets.decoded()
        self._ahead = next(self._pieces, None)
        self.error()
        first = self._first
        self.fs = int(first.sample_rate)  # what a header says of it may be half the truth
        self._tick = self._packets.ticks_at(self.fs)
        if self._ahead is not None:
            self._start = self._position(*self._ahead)

    @property
    def _first(self) -> Any:
        """What tells of rate, channels and samples: the piece that comes first, or the header where there is none."""
        return self._packets.stream.codec_context if self._ahead is None else self._ahead[0]

    def close(self) -> None:
        if hasattr(self, "_packets"):
            self._packets.container.close()

    def _look(self) -> None:
        """What the file is."""
        from torchfx_cli.stream.avtags import is_cover

        packets, first = self._packets, self._first
        if self._ahead is None and (packets.fault or packets.refused):
            raise ReadError(f"{self._kind.word} file is damaged or cut off before its first sample")
        if first.format is None:
            raise ReadError(f"{self._kind.word} file of which nothing can be decoded")
        self.channels, self._format = int(first.layout.nb_channels), str(first.format.name)
        if not self.fs or not self.channels or self._plain not in _DTYPES:
            raise ReadError(f"{self._kind.word} file whose samples ({self._format}) cannot be read")
        self.channel_map = _speakers([channel.name for channel in first.layout.channels])
        self._length = Length(self._fd, self._file_bytes, self._kind, packets, self.fs, self._start)
        self.subtype, self.sample_format = self._stored()
        if self._kind.demuxer == "ogg":
            self.ogg = oggstream.walk(self._fd, self._file_bytes)
        streams = packets.container.streams
        if len(streams.audio) > 1:
            self.remarks.append(f"holds {len(streams.audio)} audio streams; only the first is read")
        if not all(map(is_cover, streams.video)):
            self.notes.append("its video is left out")
        if packets.codec in _LATE:
            self.remarks.append("WMA: the decoder may leave out the first two packets, about 0.05 s, and does not tell")

    @property
    def _plain(self) -> str:
        """FFmpeg's name of a sample, however channels lie."""
        return self._format.removesuffix("p")

    @property
    def flac(self) -> Flac | None:
        return self._packets.flac

    def _stored(self) -> tuple[str, SampleFormat]:
        """libsndfile's name of its samples, FFmpeg's where it has none, and how they are handed out."""
        plain, codec = self._plain, self._packets.codec
        if plain in ("flt", "dbl"):
            name = {"flt": "FLOAT", "dbl": "DOUBLE"}[plain]
            return name if codec in _LOSSLESS else codec.upper(), FLOAT32 if plain == "flt" else SampleFormat("float64")
        bits, dtype = self._bits(), _DTYPES[plain]
        width = next(width for width in (8, 16, 24, 32) if bits <= width)
        name = f"ALAC_{bits}" if codec == "alac" else "PCM_S8" if width == 8 else f"PCM_{width}"
        form = SampleFormat("int32" if dtype is np.int32 else "int16", bits)
        return name if codec in _LOSSLESS else codec.upper(), form

    def _bits(self) -> int:
        """Of a sample; FFmpeg knows and does not say."""
        packets = self._packets
        if packets.codec == "alac" and len(packets.extradata) > 17:
            return packets.extradata[17]
        if packets.flac is not None:
            return packets.flac.bits
        if self._plain == "s32" and packets.codec == "wavpack":
            flags = os.pread(self._fd, 1, _WAVPACK_FLAGS) if self._kind.demuxer == "wv" else b"\3"
            return 8 * (flags[0] & 3) + 8
        return {"u8": 8, "s16": 16}.get(self._plain, 24)

    @property
    def frames(self) -> int | None:
        """By the header; None where it does not count them."""
        return self._length.frames

    @property
    def promised(self) -> int | None:
        """The same, after the last; an edit list may be off by a few."""
        return self._length.promised(self.made)

    def read(self, block: Block) -> int:
        """Fill `block` [frames, channels] from here on; frames read, fewer only at the end."""
        done = 0
        while done < len(block):
            room = len(block) - done
            if self._silent:
                count = min(room, self._silent)
                block[done : done + count] = 0
                self._silent -= count
            elif self._at < self._end:
                count = min(room, self._end - self._at)
                for channel, plane in enumerate(self._planes):
                    block[done : done + count, channel] = plane[self._at : self._at + count]
                self._at += count
            elif self._next():
                continue
            else:
                break
            done += count
        return done

    def _next(self) -> bool:
        """Go on to the next piece; False at the end."""
        if self._ahead is None:
            return False
        (piece, end), is_behind_refused = self._ahead, self._packets.is_behind_refused
        self._packets.is_behind_refused = False
        self._check_same(piece)
        gap = self._gap(self._position(piece, end), is_behind_refused)
        if gap:
            self.gaps.append(Hole(self.made, gap))
            self._silent, self.made = gap, self.made + gap
        self._ahead = next(self._pieces, None)
        count = self._length.kept(self.made, piece.samples, is_last=self._ahead is None)
        self._planes, self._at, self._end = self._channels_of(piece), 0, count
        self.made += count
        return True

    def _channels_of(self, piece: Any) -> list[npt.NDArray[Any]]:
        """The samples of each channel, where they lie."""
        dtype, count = _DTYPES[self._plain], piece.samples
        if piece.format.is_planar:
            planes = [np.frombuffer(plane, dtype, count) for plane in piece.planes]
        else:
            whole = np.frombuffer(piece.planes[0], dtype, count * self.channels).reshape(count, self.channels)
            planes = list(whole.T)
        return [(plane.astype(np.int16) - 128) << 8 for plane in planes] if dtype is np.uint8 else planes

    def _position(self, piece: Any, end: int) -> int | None:
        """Where `piece` belongs: by its own `end`, which a FLAC tells, or by its time stamp; None where it has none."""
        if end:
            return end - int(piece.samples)
        return None if piece.pts is None else round(piece.pts * self._tick)

    def _gap(self, position: int | None, is_behind_refused: bool) -> int:
        """Frames that are missing in front of the piece that belongs at `position`."""
        if position is None or self._start is None:
            return 0
        gap = position - self._start - self.made
        if gap <= (self._tick if is_behind_refused else JITTER_S * self.fs):
            return 0
        if self.made + gap > self._length.longest:
            raise ReadError(f"{self._kind.word} stream damaged {self._place()}: its time stamps leap")
        return gap

    def _check_same(self, piece: Any) -> None:
        found = piece.sample_rate, piece.layout.nb_channels, piece.format.name
        if found != (self.fs, self.channels, self._format):
            raise ReadError(f"changes {self._place()} from {self.fs} Hz and {self.channels} channels ({self._format}) "
                            f"to {found[0]} Hz and {found[1]} channels ({found[2]})")

    def faults(self) -> list[str]:
        """What was found damaged or missing, at the end, but for `gaps` and frames that the header counts."""
        packets, word, made_s, told_s = self._packets, self._kind.word, self.made / self.fs, self._length.told_s
        if self.promised is not None and self.made < self.promised:
            return []
        found = [packets.fault] if packets.fault else []
        if made_s < told_s - ROUGH_S:
            found.append(f"{made_s:.2f} of {told_s:.2f} s (cut off)")
        if packets.lacking_bytes > 0:
            found.append(f"the last packet lacks {packets.lacking_bytes} bytes (cut off)")
        elif packets.refused and not self.gaps and not found:
            found.append(f"damaged or cut off: {packets.refused} packets cannot be decoded")
        if self._kind.is_bare:
            end = tags_begin(self._fd, self._kind.begin, self._file_bytes)
            strange = end - self._kind.begin - packets.seen_bytes
            if strange > 0:
                found.append(f"damaged or cut off: {strange} bytes are no {word}")
        return found or ([f"the file lacks {self._lacking} bytes (cut off)"] if self._lacking else [])

    def error(self) -> str:
        """Raises OSError where the disk cannot be read; all else is told at the end."""
        if self._file.fault is not None:
            raise self._file.fault
        return ""

    def _place(self) -> str:
        return f"near {self.made / self.fs:.2f} s"

    def facts(self, path: Path) -> FileFacts:
        from torchfx_cli.stream.avtags import strings

        return FileFacts(path, self.fs, self.channels, self._kind.container, self.subtype, self.frames,
                         self.sample_format, strings(self._metadata), self.channel_map, self._file_bytes)

    @property
    def _metadata(self) -> Mapping[str, str]:
        packets = self._packets
        found: Mapping[str, str] = packets.stream.metadata if self.ogg is not None else packets.container.metadata
        return found

    def comments(self) -> tuple[tuple[str, str], ...]:
        """Its tags as Vorbis comments."""
        from torchfx_cli.stream.avtags import comments

        return comments(self._metadata)

    def pictures(self) -> tuple[tuple[str, bytes], ...]:
        """MIME type and content of its covers."""
        from torchfx_cli.stream.avpackets import opened
        from torchfx_cli.stream.avtags import covers

        if not self._packets.container.streams.video:
            return ()
        with opened(PartedFile(self._fd, [(0, self._file_bytes)]), self._kind) as container:
            return covers(container)


def _speakers(found: Sequence[str]) -> tuple[int, ...]:
    """libsndfile's numbers of FFmpeg's names of speakers; () where one is unknown, and for one or two channels."""
    known = {names((number,))[0]: number for number in reversed(range(2, 23))}
    known.pop("?", None)
    return tuple(known[name] for name in found) if len(found) > 2 and known.keys() >= set(found) else ()
