"""The headers of MPEG audio (ISO 11172-3, 2.4.2.3; 13818-3; MPEG 2.5 for 8 to 12 kHz): how long a packet is.

What the standard calls a frame is a packet here, of 384 to 1152 of our frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

# The bits of a header that are the same in a stream, or give the length: all but those for a checksum, private use, and
# what stands behind mono or not.
HEADER_MASK = 0xFFFEFEC0
RATE_BITS, PADDING_BIT, NO_CHECKSUM = 0xF000, 0x200, 0x10000

_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_KBIT = {  # a second; by MPEG-1 or not, and layer
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


@dataclass(frozen=True)
class Kind:
    """What all packets of a stream share. `version`: 3 is MPEG 1, 2 is 2, 0 is 2.5.

    free_bytes  of a packet without padding where the headers leave the length open, else 0.
    """

    version: int
    layer: int
    fs: int
    is_mono: bool
    free_bytes: int = 0

    @property
    def frames(self) -> int:
        """Frames in a packet."""
        return 384 if self.layer == 1 else 576 if self.layer == 3 and self.version != 3 else 1152

    @property
    def side_bytes(self) -> int:
        """Between the header and the rest of a packet of layer III."""
        return (17 if self.is_mono else 32) if self.version == 3 else (9 if self.is_mono else 17)

    @property
    def reach_bits(self) -> int:
        """The bits of the side information that say how many bytes of earlier packets are needed: its first."""
        return 9 if self.version == 3 else 8

    @cached_property
    def sizes(self) -> dict[int, int]:
        """Each header of the kind, by the bits of `HEADER_MASK`, and the bytes of its packet."""
        head = 0x7FF << 21 | self.version << 19 | 4 - self.layer << 17 | _RATES_HZ[self.version].index(self.fs) << 10
        return {
            head | bits << 12 | padding << 9 | mode << 6: self._size(bits, padding)
            for bits in ((0,) if self.free_bytes else range(1, 15))
            for padding in (0, 1)
            for mode in ((3,) if self.is_mono else (0, 1, 2))
        }

    def _size(self, bits: int, padding: int) -> int:
        slot = 4 if self.layer == 1 else 1
        if self.free_bytes:
            return self.free_bytes + padding * slot
        kbit = _KBIT[self.version == 3, self.layer if self.version == 3 else min(self.layer, 2)][bits - 1]
        return (self.frames // 8 // slot * 1000 * kbit // self.fs + padding) * slot


@lru_cache(maxsize=256)
def kind_of(word: int) -> Kind | None:
    """What the bits `HEADER_MASK` of a header say of the stream; None where they are none."""
    version, layer, rate = word >> 19 & 3, 4 - (word >> 17 & 3), word >> 10 & 3
    if word >> 21 != 0x7FF or version == 1 or layer == 4 or rate == 3 or word & RATE_BITS == RATE_BITS:
        return None
    return Kind(version, layer, _RATES_HZ[version][rate], word >> 6 & 3 == 3)
