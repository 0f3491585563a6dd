"""In which order the channels of a file are for speakers.

Here, as in WAV, FLAC (RFC 9639, 9.1.3) and most others, they come in the order of the bits of a WAVEFORMATEXTENSIBLE:
left, right, centre, LFE, back, side. Vorbis (I, 4.3.9) and Opus (RFC 7845, 5.1.1.2) have the centre second and the LFE
last; libsndfile hands channels out as they stand there, so they are put in order where such a file is read or written.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence

from torchfx_cli.stream.chunks import Layout, walk

LEFT, RIGHT, CENTRE, BACK_CENTRE, BACK_LEFT, BACK_RIGHT, LFE = 2, 3, 4, 8, 9, 10, 11  # libsndfile's numbers
SIDE_LEFT, SIDE_RIGHT = 14, 15

# By channels: the speakers that Vorbis, Opus and FLAC mean, in our order.
USUAL: dict[int, tuple[int, ...]] = {
    3: (LEFT, RIGHT, CENTRE),
    4: (LEFT, RIGHT, BACK_LEFT, BACK_RIGHT),
    5: (LEFT, RIGHT, CENTRE, BACK_LEFT, BACK_RIGHT),
    6: (LEFT, RIGHT, CENTRE, LFE, BACK_LEFT, BACK_RIGHT),
    7: (LEFT, RIGHT, CENTRE, LFE, BACK_CENTRE, SIDE_LEFT, SIDE_RIGHT),
    8: (LEFT, RIGHT, CENTRE, LFE, BACK_LEFT, BACK_RIGHT, SIDE_LEFT, SIDE_RIGHT),
}
# Of each channel of Vorbis and Opus: which of ours it is.
_OF_OGG = {
    3: (0, 2, 1),
    5: (0, 2, 1, 3, 4),
    6: (0, 2, 1, 4, 5, 3),
    7: (0, 2, 1, 5, 6, 4, 3),
    8: (0, 2, 1, 6, 7, 4, 5, 3),
}

# By bits of a channel mask, from the lowest on.
_OF_BITS = (LEFT, RIGHT, CENTRE, LFE, BACK_LEFT, BACK_RIGHT, 12, 13, BACK_CENTRE, SIDE_LEFT, SIDE_RIGHT, 16, 17, 19, 18,
            20, 22, 21)
_NAMES = ("FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR", "TC", "TFL", "TFC", "TFR", "TBL", "TBC",
          "TBR")  # by bits, too
_SAME = {1: CENTRE, 5: LEFT, 6: RIGHT, 7: CENTRE}  # libsndfile's second names
_MASK_AT, _EXTENSIBLE_BYTES = 20, 40  # in a fmt chunk


def to_ogg(channels: int) -> Sequence[int] | None:
    """Which of our channels each one in an Ogg is; None where the order is the same."""
    return _OF_OGG.get(channels)


def from_ogg(channels: int) -> Sequence[int] | None:
    """Which channel in an Ogg each of ours is; None where the order is the same."""
    order = _OF_OGG.get(channels)
    return None if order is None else tuple(order.index(channel) for channel in range(channels))


def mask_of(speakers: Sequence[int]) -> int:
    """The channel mask that means `speakers`; 0 where none does, as those of a mask come in the order of its bits."""
    known = [_SAME.get(speaker, speaker) for speaker in speakers]
    bits = [_OF_BITS.index(speaker) for speaker in known if speaker in _OF_BITS]
    return sum(1 << bit for bit in bits) if len(bits) == len(known) and bits == sorted(set(bits)) else 0


def names(speakers: Sequence[int]) -> tuple[str, ...]:
    """The usual short names of `speakers`, ? for what a mask has no bit for."""
    known = (_SAME.get(speaker, speaker) for speaker in speakers)
    return tuple(_NAMES[_OF_BITS.index(speaker)] if speaker in _OF_BITS else "?" for speaker in known)


def untold(speakers: Sequence[int], word: str) -> str:
    """What a file of the kind that `--format` calls `word` cannot say of `speakers`, "" for nothing."""
    if len(speakers) < 3 or (word in ("wav", "rf64") and mask_of(speakers)):
        return ""
    found = names(speakers)
    backs = {"SL": "BL", "SR": "BR"} if "BL" not in found and "BC" not in found else {}
    usual = names(USUAL.get(len(speakers), ()))
    if word in ("flac", "ogg", "opus") and tuple(backs.get(name, name) for name in found) == usual:
        return ""
    return f"{word.upper()} does not say that its channels are {' '.join(found)}"


def of_wave(fd: int, layout: Layout | None) -> tuple[int, ...]:
    """The speakers that the mask of a WAV or RF64 means, () where it has none; libsndfile knows a few masks only."""
    fmt = _extensible(fd, layout)
    if not fmt:
        return ()
    channels, mask = struct.unpack_from("<H", fmt, 2)[0], struct.unpack_from("<I", fmt, _MASK_AT)[0]
    speakers = tuple(speaker for bit, speaker in enumerate(_OF_BITS) if mask >> bit & 1)
    return speakers if len(speakers) == channels else ()


def tell_wave(fd: int, speakers: Sequence[int]) -> None:
    """Write the mask that means `speakers` into the closed WAV or RF64 open as `fd`, if it has one. Raises OSError."""
    layout, mask = walk(fd, os.fstat(fd).st_size), mask_of(speakers)
    fmt = layout.first("fmt") if layout is not None else None
    if mask and fmt is not None and _extensible(fd, layout):
        os.pwrite(fd, struct.pack("<I", mask), fmt.start + _MASK_AT)


def _extensible(fd: int, layout: Layout | None) -> bytes:
    """The fmt chunk of a WAV that has a mask, b"" of any other."""
    fmt = layout.first("fmt") if layout is not None and layout.kind in ("WAV", "RF64") else None
    if layout is None or fmt is None or layout.big_endian or fmt.size < _EXTENSIBLE_BYTES:
        return b""
    content = os.pread(fd, _EXTENSIBLE_BYTES, fmt.start)
    return content if content[:2] == b"\xfe\xff" and len(content) == _EXTENSIBLE_BYTES else b""
