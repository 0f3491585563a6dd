"""What a file promises against what it holds, and against what could be read of it.

What can be lived with is a warning; what would give a wrong or an empty output without a word is a ReadError.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from torchfx_cli.errors import ReadError
from torchfx_cli.stream import chunks
from torchfx_cli.stream.chunks import Layout
from torchfx_cli.stream.diagnose import why_not_opened
from torchfx_cli.stream.facts import FileFacts
from torchfx_cli.stream.formats import sample_bytes
from torchfx_cli.stream.forsome import flacstream

if TYPE_CHECKING:
    from torchfx_cli.stream.avsound import AvSound
    from torchfx_cli.stream.flacstream import Flac, SampleSum
    from torchfx_cli.stream.mpegstream import Stream
    from torchfx_cli.stream.oggsplice import Hole
    from torchfx_cli.stream.oggstream import OggStream
    from torchfx_cli.stream.opened import Opened

CUT_APART = " (joined with cat? sox and ffmpeg join sounds)"
OnTruncated = Literal["fail", "keep"]


class HeaderCheck:
    """Compares; `warnings`, `notes` and `truncated` are what was found so far.

    `is_wrong`: a sum or a count in the header does not fit, or sound is left out.

    fd, layout    of the open file.
    on_truncated  whether a file that holds less than it promises is an error or a warning.
    """

    def __init__(self, fd: int, layout: Layout | None, on_truncated: OnTruncated) -> None:
        self.warnings: list[str] = []
        self.notes: list[str] = []
        self.truncated = self.is_wrong = False
        self._fd, self._layout, self._on_truncated = fd, layout, on_truncated
        self._mp3: Stream | None = None
        self._ogg: OggStream | None = None

    def warn(self, text: str) -> None:
        if text not in self.warnings:  # a second pass sees the same things again
            self.warnings.append(text)

    def warn_of_second(self, facts: FileFacts, frames_read: int) -> None:
        """That sound is left out, which lies behind the end of the first stream."""
        self.is_wrong = True
        text = f"holds a second stream; only the first {frames_read / facts.fs:.1f} s was read{CUT_APART}"
        if self._on_truncated == "fail":
            raise ReadError(text)
        self.warn(text)

    def check_header(self, facts: FileFacts, is_patched: bool, opened: Opened | AvSound | None = None) -> None:
        """Before the first sample is read; `is_patched`: the size in the header was corrected for libsndfile."""
        layout = self._layout
        if opened is not None:
            self._mp3, self._ogg = opened.mp3, opened.ogg
            self._check_holes(facts, opened)
            self._check_flac(facts, opened)
        if self._mp3 is not None:
            self._check_mp3(facts, self._mp3)
        elif layout is not None and layout.data is not None:
            self._check_sizes(layout, layout.data.size, facts, is_patched)
            self._check_aiff(facts, chunks.aiff_frames(self._fd, layout))
        elif layout is not None and layout.kind == "WAV" and not facts.frames:  # else behind thousands of chunks
            raise ReadError(why_not_opened(self._fd, facts.file_bytes, "no data chunk"))

    def sum_of(self, flac: Flac | None) -> SampleSum | None:
        """To be fed with all samples of a FLAC that gives a sum of them; None for what gives none."""
        return flacstream.SampleSum(flac) if flac is not None and any(flac.md5) else None

    def check_sum(self, found: SampleSum | None) -> None:
        """After `check_end`: samples of which some are missing cannot fit."""
        if found is not None and not self.truncated and not found.fits:
            self.is_wrong = True
            self.warn("the samples do not fit the MD5 sum in the header: damaged, or changed without a new sum")

    def check_end(self, facts: FileFacts, promised: int | None, frames_read: int) -> None:
        """After the last sample; `promised`: frames, by libsndfile."""
        if self._ogg is not None:
            self._check_ogg(facts, self._ogg, frames_read)
        if self._layout is not None and self._layout.joined:
            self.warn_of_second(facts, frames_read)
        if self._mp3 is not None and frames_read:
            promised = self._mp3.frames
        if promised is not None and frames_read < promised:
            if not frames_read:
                raise ReadError(f"the header promises {promised} frames, none can be read")
            self._cut(f"{frames_read} of {promised} frames (cut off)")
        if not frames_read:
            self._check_really_empty(facts)

    def check_decoded(self, sound: AvSound) -> None:
        """After the last sample of what FFmpeg decodes."""
        if not sound.made and (faults := sound.faults()):
            raise ReadError(faults[0])
        if sound.gaps:
            self._cut(_silence(sound.gaps, sound.fs))
        for fault in sound.faults():
            self._cut(fault)

    def _cut(self, text: str) -> None:
        self.truncated = True
        if self._on_truncated == "fail":
            raise ReadError(text)
        self.warn(text)

    def _check_sizes(self, layout: Layout, promised_bytes: int, facts: FileFacts, is_patched: bool) -> None:
        frame_bytes = facts.channels * sample_bytes(facts.subtype)
        if layout.is_unfinished and not is_patched:
            raise ReadError(f"the header promises 0 frames, but {layout.trailing_bytes} bytes follow (never closed?)")
        if layout.is_unfinished:
            self.warn("the header was never closed; the size was taken from the file")
        elif layout.is_streamed:
            self.notes.append("the header gives no size; it was taken from the file")
        elif promised_bytes > layout.held_bytes:
            self._cut(_cut_words(promised_bytes, layout.held_bytes, frame_bytes))
        elif frame_bytes and layout.held_bytes % frame_bytes:
            self.warn(f"{layout.held_bytes % frame_bytes} bytes at the end are less than a frame and are not read")
        elif layout.trailing_bytes > chunks.HARMLESS_BYTES:
            self.warn(f"{layout.trailing_bytes} bytes behind the samples are not read")

    def _check_aiff(self, facts: FileFacts, promised: int | None) -> None:
        if promised is None or not sample_bytes(facts.subtype) or self.truncated:
            return
        if facts.frames and promised > facts.frames:
            self._cut(f"{facts.frames} of {promised} frames (cut off)")

    def _check_holes(self, facts: FileFacts, opened: Opened | AvSound) -> None:
        """Pages of an Ogg that are missing."""
        if opened.holes:
            self._cut(_silence(opened.holes, facts.fs))
        elif opened.holes is None and opened.ogg is not None and opened.ogg.has_gap:
            self._cut("damaged: pages are missing in many places, and the frames of all of them")

    def _check_flac(self, facts: FileFacts, opened: Opened | AvSound) -> None:
        flac = opened.flac
        if flac is not None and opened.flac_frames > flac.frames > 0:
            self.is_wrong = True
            self.warn(f"the header promises {flac.frames} frames, but {opened.flac_frames} are there and are read")
        if flac is not None and flac.end < facts.file_bytes and not opened.is_joined:
            self.notes.append("a tag behind the last frame is not read")

    def _check_ogg(self, facts: FileFacts, stream: OggStream, frames_read: int) -> None:
        if stream.streams > 1:
            self.warn_of_second(facts, frames_read)
        elif not stream.is_whole and not frames_read:
            raise ReadError("Ogg file cut off before its first sample")
        elif not stream.is_whole:
            self._cut(f"the Ogg stream has no end (cut off); {frames_read / facts.fs:.1f} s were read")

    def _check_mp3(self, facts: FileFacts, stream: Stream) -> None:
        """Its packets against its own count, and against one another."""
        if stream.holes:
            self._cut(_damage(stream))
        if stream.is_cut and stream.frames < stream.promised_frames:
            self._cut(f"{stream.frames} of {stream.promised_frames} frames (cut off)")
        elif stream.is_cut and stream.cut_bytes:
            self._cut(f"the last frame of MPEG audio lacks {stream.cut_bytes} bytes (cut off)")
        elif stream.is_cut:
            self._cut(f"{stream.packets} of {stream.counted} frames of MPEG audio (cut off)")
        if stream.is_joined:
            self.warn_of_second(facts, stream.frames)
        elif stream.counted is None and stream.behind_bytes > chunks.HARMLESS_BYTES:
            self.warn(f"{stream.behind_bytes} bytes behind the samples are not read")

    def _check_really_empty(self, facts: FileFacts) -> None:
        """An empty output must not come of an input that holds something."""
        held_bytes = self._layout.held_bytes if self._layout is not None else 0
        if held_bytes >= max(1, facts.channels * sample_bytes(facts.subtype)):
            raise ReadError(f"holds {held_bytes} bytes of samples, but none can be read")
        self.warn("0 frames")


def _cut_words(promised_bytes: int, held_bytes: int, frame_bytes: int) -> str:
    if not frame_bytes:
        return f"{held_bytes} of {promised_bytes} bytes (cut off)"
    promised, held = promised_bytes // frame_bytes, held_bytes // frame_bytes
    if promised and not held:
        raise ReadError(f"the header promises {promised} frames, the file holds none")
    return f"{held} of {promised} frames (cut off)"


def _silence(holes: Sequence[Hole], fs: int) -> str:
    frames = sum(hole.frames for hole in holes)
    length = f"{frames} frames ({frames / fs:.2f} s) are missing and are silence"
    if not all(hole.frames for hole in holes):
        length = f"at least {length}" if frames else "pages are missing; how many frames is not known"
    return f"damaged near {holes[0].begin / fs:.2f} s{_places(len(holes) - 1)}: {length}"


def _places(more: int) -> str:
    return f" (and {more} more such place{'s' * (more > 1)})" if more else ""


def _damage(stream: Stream) -> str:
    first, places = stream.holes[0], _places(len(stream.holes) - 1)
    packet_frames = stream.kind.frames
    lost = f"about {stream.lost * packet_frames}"
    if stream.counted is not None and not stream.is_cut and not stream.is_joined:
        lost = f"{(stream.counted - stream.packets) * packet_frames}"
    silent = f", {stream.silenced * packet_frames} beside them are silence" if stream.silenced else ""
    where = f"near {stream.frames_at(first.packets) / stream.kind.fs:.2f} s"
    return f"damaged {where}: {first.size} bytes are no MPEG audio{places}; {lost} frames are missing{silent}"
