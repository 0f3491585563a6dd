"""What the headers of an MP3 say of it: packets, holes, what is missing by its own count, and what to decode of it."""

from __future__ import annotations

from dataclasses import dataclass

from torchfx_cli.stream.mpeg import Kind
from torchfx_cli.stream.mpegtags import Info
from torchfx_cli.stream.sound import Part


@dataclass(frozen=True)
class Hole:
    """Bytes that are no MPEG audio, behind `packets` packets."""

    packets: int
    size: int


@dataclass(frozen=True)
class Stream:
    """What was found, up to where packets of another kind begin.

    packets       the whole ones, without that of `info`.
    info          the packet that counts the others, read or made; None where libmpg123 would not heed one.
    audio         these packets.
    held_bytes    of all of them.
    silenced      how many of them were made silent in `audio`: those around holes that want bytes.
    begin, end    where the tags in front end, and those behind begin.
    cut_bytes     that the last packet lacks.
    behind_bytes  at the end that are neither audio nor a tag.
    goes_on       whether packets of another kind follow.
    is_plain      a decoder may be given the file as it is.
    """

    kind: Kind
    packets: int
    info: Info | None
    audio: tuple[Part, ...]
    held_bytes: int
    silenced: int
    holes: tuple[Hole, ...]
    begin: int
    end: int
    cut_bytes: int
    behind_bytes: int
    goes_on: bool
    is_plain: bool

    @property
    def counted(self) -> int | None:
        """Packets by the stream's own count, None where there is none. Old encoders may be wrong by one."""
        if self.info is None or not self.info.count:
            return None
        is_whole = not (self.info.is_exact or self.holes or self.cut_bytes)
        return self.packets if is_whole and abs(self.info.count - self.packets) == 1 else self.info.count

    @property
    def lost(self) -> int:
        """Packets that would have filled the holes, about."""
        return round(sum(hole.size for hole in self.holes) * self.packets / max(1, self.held_bytes))

    @property
    def is_cut(self) -> bool:
        """Whether packets are missing at the end."""
        missing = 0 if self.counted is None else self.counted - self.packets
        return bool(self.cut_bytes) or missing > (self.lost + 1 if self.holes else 0)

    @property
    def is_joined(self) -> bool:
        """Whether a second stream follows: more packets than were counted, or other ones."""
        return self.goes_on or (self.counted is not None and self.packets > self.counted)

    @property
    def promised_frames(self) -> int:
        """Frames that a decoder makes of all packets that were counted, or that there are."""
        return max(0, self.frames_at(self._promised) - self._behind)

    @property
    def frames(self) -> int:
        """Frames that a decoder makes of what there is; it leaves frames out of the last packet only."""
        missing = (self._promised - self.packets) * self.kind.frames
        return self.promised_frames - max(0, missing - self._behind)

    def frames_at(self, packets: int) -> int:
        """Frames that a decoder makes of the first `packets`."""
        return max(0, packets * self.kind.frames - (0 if self.info is None else self.info.before))

    @property
    def _behind(self) -> int:
        return 0 if self.info is None else self.info.behind

    @property
    def _promised(self) -> int:
        """Packets that are counted to the decoder: those lost in holes are not, those behind the end are."""
        return self.counted if self.counted is not None and (self.is_cut or self.is_joined) else self.packets

    def parts(self, file_bytes: int) -> list[Part]:
        """What a decoder is to be given instead of the file: tags, a packet that counts, and whole packets."""
        return [(0, self.begin), *self.packed, (self.end, file_bytes)]

    @property
    def packed(self) -> list[Part]:
        """The same without tags."""
        info = b"" if self.info is None else self.info.counting(self._promised, self.held_bytes)
        return [info, *self.audio]
