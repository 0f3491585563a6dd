"""The thin layer over libsndfile that soundfile does not offer: plain reads and writes, commands, raw tag bytes.

`SoundFile.read` and `.write` seek before and after each call. That fails on FLAC streams of unknown length
(python-soundfile #450) and costs time; `sf_readf_*` and `sf_writef_*` alone do neither.
"""

from __future__ import annotations

import io
import os
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from torchfx_cli.libsndfile import libsndfile_version, soundfile
from torchfx_cli.stream.formats import OutputFormat
from torchfx_cli.stream.speakers import USUAL, to_alac, to_ogg

Block = npt.NDArray[np.generic]
Part = bytes | tuple[int, int]  # of a file: (start, end), or other bytes
LibraryError = soundfile.LibsndfileError

_library: Any = soundfile._snd  # type: ignore[attr-defined, unused-ignore]
_ffi: Any = soundfile._ffi  # type: ignore[attr-defined, unused-ignore]
# Keyed by dtype objects: asking one for its name takes as long as to read a thousand samples.
_C_TYPES = {np.dtype("int16"): "short", np.dtype("int32"): "int", np.dtype("float32"): "float",
            np.dtype("float64"): "double"}

# libsndfile 1.2.0 closes a descriptor where opening fails, and under an MP3, though told to leave it open.
CLOSES_ANYHOW = libsndfile_version() in ("1.2.0", "1.2.1")

VORBIS_FRAMES = 4096
FORKS = ("._", ".AppleDouble")
# Commands of sndfile.h that soundfile does not name.
SET_ADD_PEAK_CHUNK = 0x1050
RF64_AUTO_DOWNGRADE = 0x1210
GET_CHANNEL_MAP = 0x1100
SET_CHANNEL_MAP = 0x1101

SYSTEM_ERROR = 2  # SF_ERR_SYSTEM; what the system said is kept with the file

TAG_NUMBERS: dict[str, int] = dict(soundfile._str_types)  # type: ignore[attr-defined, unused-ignore]


def open_to_read(fd: int) -> soundfile.SoundFile:
    """The file open as `fd`, from its start; closing the sound leaves `fd` open. Raises LibraryError and OSError.

    Of what has no header, as an MP3, libsndfile looks for a resource fork: `._` and the file's name. Without a name it
    takes what macOS leaves in the working folder; where there is such a thing it is told a name of the descriptor.
    """
    os.lseek(fd, 0, os.SEEK_SET)
    if any(map(os.path.lexists, FORKS)):
        return soundfile.SoundFile(f"/dev/fd/{fd}")
    if CLOSES_ANYHOW:
        return soundfile.SoundFile(os.dup(fd), closefd=True)
    return soundfile.SoundFile(fd, closefd=False)


def read_into(sound: soundfile.SoundFile, block: Block) -> int:
    """Fill `block` [frames, channels] from where the file stands; frames read, fewer only at the end or on an error."""
    return int(_transfer(sound, "read", block))


class Feed:
    """What is written to an open file, to Vorbis in pieces of one length however it comes.

    That encoder looks ahead as far as a piece goes, so what it makes depends on the pieces; and libsndfile puts a piece
    on the stack, where a long one ends the process.
    """

    def __init__(self, sound: soundfile.SoundFile, speakers: Sequence[int]) -> None:
        self._sound = sound
        self._piece_frames = VORBIS_FRAMES if sound.subtype == "VORBIS" else 0
        self._rest: Block | None = None
        self._order = to_ogg(sound.channels) if sound.format == "OGG" else None
        if sound.subtype.startswith("ALAC"):
            self._order = to_alac(speakers)

    def ordered(self, block: Block) -> Block:
        """`block` with its channels as they are written."""
        return block if self._order is None else np.ascontiguousarray(block[:, self._order])

    def write(self, block: Block) -> bool:
        """Append `block` [frames, channels], C-contiguous; False where an error came, see `error_of`."""
        block = self.ordered(block)
        if not self._piece_frames:
            return self._put(block)
        block = block if self._rest is None else np.concatenate([self._rest, block])
        whole = len(block) - len(block) % self._piece_frames
        self._rest = block[whole:].copy()
        return all(self._put(block[at : at + self._piece_frames]) for at in range(0, whole, self._piece_frames))

    def end(self) -> bool:
        """The same with what is left of the last piece."""
        rest, self._rest = self._rest, None
        return rest is None or not len(rest) or self._put(rest)

    def _put(self, block: Block) -> bool:
        return int(_transfer(self._sound, "write", block)) == len(block) and not error_of(self._sound)


def _transfer(sound: soundfile.SoundFile, verb: str, block: Block) -> int:
    c_type = _C_TYPES[block.dtype]
    function = getattr(_library, f"sf_{verb}f_{c_type}")
    return function(sound._file, _ffi.cast(f"{c_type}*", block.ctypes.data), len(block))


def encoding(out_format: OutputFormat) -> dict[str, Any]:
    """How `SoundFile` is told to set the encoder."""
    chosen = out_format.encoding
    if chosen is None or chosen.level is None:
        return {}
    mode = {"bitrate_mode": chosen.mode} if out_format.subtype.startswith("MPEG") else {}
    return {"compression_level": chosen.level, **mode}


def close_written(sound: soundfile.SoundFile) -> None:
    """Close a file that was written; raises LibraryError. `SoundFile.close` would also fsync, at twice the cost."""
    file, sound._file = sound._file, None
    number = _library.sf_close(file) if file else 0
    if number:
        raise LibraryError(number)


def error_of(sound: soundfile.SoundFile) -> str:
    """libsndfile's words for what went wrong last, "" for nothing."""
    number = _library.sf_error(sound._file)
    text = _library.sf_strerror(sound._file) if number == SYSTEM_ERROR else _library.sf_error_number(number)
    return _ffi.string(text).decode("utf-8", "replace") if number else ""


def switch(sound: soundfile.SoundFile, command: int, on: bool) -> None:
    _library.sf_command(sound._file, command, _ffi.NULL, int(on))


def channel_map(sound: soundfile.SoundFile) -> tuple[int, ...]:
    """libsndfile's speaker number of each channel, () where the file does not say; in a FLAC their number does."""
    places = _ffi.new("int[]", sound.channels)
    found = _library.sf_command(sound._file, GET_CHANNEL_MAP, places, _ffi.sizeof(places))
    usual = USUAL.get(sound.channels, ()) if sound.format == "FLAC" else ()
    return tuple(places) if found and all(places) else usual


def set_channel_map(sound: soundfile.SoundFile, speakers: tuple[int, ...]) -> None:
    """Say which speaker each channel is for; containers that cannot hold it ignore it."""
    places = _ffi.new("int[]", list(speakers))
    _library.sf_command(sound._file, SET_CHANNEL_MAP, places, _ffi.sizeof(places))


def get_tag(sound: soundfile.SoundFile, name: str) -> bytes:
    text = _library.sf_get_string(sound._file, TAG_NUMBERS[name])
    return _ffi.string(text) if text else b""


def set_tag(sound: soundfile.SoundFile, name: str, text: bytes) -> bool:
    """Whether the container takes it."""
    return not _library.sf_set_string(sound._file, TAG_NUMBERS[name], text)



def patched(size: int, patches: Mapping[int, bytes]) -> list[Part]:
    """A file of `size` bytes with some replaced: position -> new bytes."""
    parts: list[Part] = []
    at = 0
    for start, new in sorted(patches.items()):
        parts += [(at, start), new]
        at = start + len(new)
    return [*parts, (at, size)]


class PartedFile(io.RawIOBase):
    """Parts of the file open as `fd`, and other bytes, one behind the other; for soundfile's virtual files.

    fault  an error of the disk, which is the end of the file for libsndfile: it can hear of no exception.
    """

    def __init__(self, fd: int, parts: Sequence[Part]) -> None:
        self._fd, self._at = fd, 0
        self._parts = [part for part in parts if _size(part) > 0]
        self._ends = list(accumulate(map(_size, self._parts)))
        self.fault: OSError | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        end = self._ends[-1] if self._ends else 0
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: end}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        view, done = memoryview(buffer).cast("B"), 0
        try:
            while done < len(view):
                count = self._read(view[done:])
                if not count:
                    break
                done += count
                self._at += count
        except OSError as error:
            self.fault = error
        return done

    def _read(self, view: memoryview) -> int:
        """What the part at hand still has, at most."""
        number = bisect_right(self._ends, self._at)
        if number == len(self._parts):
            return 0
        part, left = self._parts[number], self._ends[number] - self._at
        view = view[:left]
        if isinstance(part, bytes):
            view[:] = part[len(part) - left :][: len(view)]
            return len(view)
        return os.preadv(self._fd, [view], part[1] - left)


def _size(part: Part) -> int:
    return len(part) if isinstance(part, bytes) else part[1] - part[0]
