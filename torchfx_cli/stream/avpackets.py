"""FFmpeg's packets of the first audio stream of a file, and the pieces of sound that its decoder makes of them.

What cannot be decoded is counted and left out; where pieces belong their time stamps tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av

from torchfx_cli.errors import ReadError
from torchfx_cli.stream.flacstream import Flac
from torchfx_cli.stream.foreign import Foreign, packet_bytes
from torchfx_cli.stream.sound import PartedFile

BUFFER_BYTES = 1 << 17
ENDLESS = 1 << 60  # where the frames of a FLAC end that are in packets
# Checks that decoders make only where they are told to; those of AAC would refuse what everybody plays.
_CHECKS = {"err_detect": "crccheck+explode"}


def opened(file: PartedFile, kind: Foreign) -> Any:
    """FFmpeg's container of `file`, which may open no other, whatever this one names. Raises ReadError, OSError."""
    try:
        return av.open(file, format=kind.demuxer, buffer_size=BUFFER_BYTES, metadata_errors="replace",
                       options={"format_whitelist": kind.demuxer, "protocol_whitelist": "none"})
    except (av.FFmpegError, ValueError, EOFError) as error:
        if file.fault is not None:
            raise file.fault from None
        raise ReadError(f"{kind.word} file is damaged or cut off ({_words(error)})") from None


class Packets:
    """The packets of `file`, from its start; raises ReadError where it has no sound, or none that FFmpeg knows.

    container, stream  FFmpeg's; `codec` is its name of the decoder.
    flac        the STREAMINFO of a FLAC in whatever container.
    refused     packets that could not be decoded; `is_behind_refused`, whether the last ones before this piece.
    end_ticks   where the packets read so far end, by their time stamps; the longest has `longest_ticks`.
    seen_bytes  of all packets read so far; the last one lacks `lacking_bytes` by its own header, if of a bare kind.
    fault       why nothing more could be read though it was not the end, "" where it was.
    """

    def __init__(self, file: PartedFile, kind: Foreign) -> None:
        self._kind = kind
        self.container = opened(file, kind)
        if not self.container.streams.audio:
            raise ReadError(f"{kind.word} file that holds no sound")
        self.stream = self.container.streams.audio[0]
        context = self.stream.codec_context
        if context is None:
            raise ReadError(f"{kind.word} file whose sound no decoder knows")
        self.codec: str = context.codec.name
        if self.codec != "aac":
            context.options = _CHECKS
        self.extradata: bytes = context.extradata or b""
        self.flac = _flac_of(self.extradata) if self.codec == "flac" else None
        self.refused = self.end_ticks = self.longest_ticks = self.seen_bytes = self.lacking_bytes = 0
        self.is_behind_refused = False
        self.fault = ""

    def ticks_at(self, fs: int) -> Fraction:
        """How many frames there are in one tick of the stream's clock."""
        return Fraction(self.stream.time_base or 1) * fs

    def decoded(self) -> Iterator[tuple[Any, int]]:
        """Each piece of sound, and where it ends by its own word, as a FLAC has it (0: it has none)."""
        for packet in self._all():
            end = 0
            if self.flac is not None and packet is not None:
                end = self.flac.end_of(bytes(memoryview(packet)[:16]))
            try:
                for frame in self.stream.decode(packet):
                    yield frame, end
            except av.FFmpegError:
                self._refuse()

    def _all(self) -> Iterator[Any]:
        """Each packet that is whole; None at the end, for what the decoder still has."""
        try:
            for packet in self.container.demux(self.stream):
                if packet.size:
                    self._count(packet)
                if packet.is_corrupt:
                    self._refuse()
                else:
                    yield packet if packet.size else None
        except av.FFmpegError as error:
            self.fault = f"the {self._kind.word} stream is damaged or cut off ({_words(error)})"
            yield None

    def _count(self, packet: Any) -> None:
        self.seen_bytes += packet.size
        if self._kind.is_bare:
            self.lacking_bytes = packet_bytes(bytes(memoryview(packet)[:8]), self._kind) - packet.size
        if packet.pts is not None and packet.duration:
            self.end_ticks = max(self.end_ticks, packet.pts + packet.duration)
            self.longest_ticks = max(self.longest_ticks, packet.duration)

    def _refuse(self) -> None:
        self.refused += 1
        self.is_behind_refused = True


def _flac_of(extradata: bytes) -> Flac | None:
    """What the STREAMINFO at the end of `extradata` says (RFC 9639, 8.2)."""
    info = extradata[-34:]
    if len(info) < 34:
        return None
    return Flac(0, 0, ENDLESS, int.from_bytes(info[2:4], "big"), int.from_bytes(info[7:10], "big"),
                int.from_bytes(info[10:18], "big"), info[18:])


def _words(error: Exception) -> str:
    words = str(getattr(error, "strerror", None) or error)
    return words[:1].lower() + words[1:]
