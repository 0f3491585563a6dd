"""An Ogg with gaps as one sound: its runs where their positions put them, and silence in the gaps.

The position at the end of a run, less the frames that it gives, is where it begins. Beside a gap a packet is lost with
it: the first of a run gives no frames in Vorbis, where each overlaps the next.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from torchfx_cli.libsndfile import soundfile
from torchfx_cli.stream.oggstream import OPUS_HZ, OggStream, Run
from torchfx_cli.stream.sound import Block, LibraryError, PartedFile, read_into

SKIP_FRAMES = 1 << 12


@dataclass(frozen=True)
class Piece:
    """Frames of the whole, from `begin` to `end`: those of `run`, without its first `skip`, which come too early."""

    run: Run
    begin: int
    end: int
    skip: int = 0


@dataclass(frozen=True)
class Hole:
    """Frames that are missing, and silent."""

    begin: int
    frames: int


class Splice:
    """Reads `stream` out of the file open as `fd`; raises LibraryError where none of its runs can be opened.

    max_frames  of the whole: positions that ask for more are lies.
    frames      of the whole.
    holes       what is missing of it; of no frames where that is not known.
    lacking     frames that were not in a run though it has whole packets for them; silent, too.
    """

    def __init__(self, fd: int, stream: OggStream, max_frames: int) -> None:
        self._fd, self._stream = fd, stream
        self.holes: list[Hole] = []
        self._pieces: list[Piece] = []
        self.frames = 0
        self._place(max_frames)
        if not self._pieces:
            raise LibraryError(0, "no page of sound is whole")
        self.rewind()

    def rewind(self) -> None:
        """Go back to the first frame."""
        self._at = self._number = self.lacking = 0
        self._begin()

    @property
    def fault(self) -> OSError | None:
        """An error of the disk."""
        return self._file.fault

    def read(self, block: Block) -> int:
        """Fill `block` [frames, channels] from here on; frames read, fewer only at the end."""
        done = 0
        while done < len(block) and self._at < self.frames:
            count = self._silent(block[done:]) or self._heard(block[done:])
            done += count
            self._at += count
        return done

    def _silent(self, block: Block) -> int:
        until = self._pieces[self._number].begin if self._number < len(self._pieces) else self.frames
        count = max(0, min(len(block), until - self._at))
        block[:count] = 0
        return count

    def _heard(self, block: Block) -> int:
        piece = self._pieces[self._number]
        count = max(0, read_into(self.sound, block[: piece.end - self._at]))
        if not count or self._at + count == piece.end:
            self.lacking += piece.end - self._at - count
            self._number += 1
            if self._number < len(self._pieces):
                self.sound.close()
                self._begin()
        return count

    def _begin(self) -> None:
        piece = self._pieces[self._number]
        self.sound = self._open(piece.run)
        for at in range(0, piece.skip, SKIP_FRAMES):
            read_into(self.sound, np.empty((min(SKIP_FRAMES, piece.skip - at), self.sound.channels), np.float32))

    def _open(self, run: Run) -> soundfile.SoundFile:
        is_first = not self._stream.is_late and run is self._stream.runs[0]
        self._file = PartedFile(self._fd, self._stream.parts(run, is_first=is_first))
        return soundfile.SoundFile(self._file)

    def _place(self, room: int) -> None:
        """Find where the pieces lie; `room`: frames that are believed."""
        origin, step, at, end = self._stream.pre_skip, 1, 0, 0
        for run in self._stream.runs:
            end = run.granule
            try:
                with self._open(run) as sound:
                    frames, fs = sound.frames, sound.samplerate
            except LibraryError:
                continue  # what it holds is missing, too
            step = OPUS_HZ // fs if self._stream.is_opus else 1
            if run is self._stream.runs[0] and not self._stream.is_late:
                origin = end - frames * step
            begin = (end - origin) // step - frames
            skip = max(0, -begin) if not at else 0
            if not skip <= frames <= room:
                continue
            room -= frames
            if begin > 0 or at:
                at, room = self._hole(at, max(at, begin), room)
            self._pieces.append(Piece(run, at, at + frames - skip, skip))
            at += frames - skip
        self.frames = at
        if not self._pieces or self._pieces[-1].run is not self._stream.runs[-1]:
            self.frames = self._hole(at, max(at, (end - origin) // step), room)[0]

    def _hole(self, begin: int, end: int, room: int) -> tuple[int, int]:
        """Note what is missing up to `end`; where the sound goes on, and the room that is left."""
        if end - begin > room:
            self.holes.append(Hole(begin, 0))
            return begin, room
        self.holes.append(Hole(begin, end - begin))
        return end, room - (end - begin)
