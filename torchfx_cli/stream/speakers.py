"""In which order the channels of a file are for speakers; where each kind of file tells it, see speakertags.py.

Here, as in WAV, FLAC (RFC 9639, 9.1.3) and most others, they come in the order of the bits of a WAVEFORMATEXTENSIBLE:
left, right, centre, LFE, back, side. Vorbis (I, 4.3.9) and Opus (RFC 7845, 5.1.1.2) have the centre second and the LFE
last; libsndfile hands channels out as they stand there, so they are put in order where such a file is read or written.
"""

from __future__ import annotations

from collections.abc import Sequence

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

# By channels: the speakers for which those of an ALAC come out of its decoders (ALACAudioTypes.h).
OF_ALAC = {
    3: (CENTRE, LEFT, RIGHT),
    4: (CENTRE, LEFT, RIGHT, BACK_CENTRE),
    5: (CENTRE, LEFT, RIGHT, BACK_LEFT, BACK_RIGHT),
    6: (CENTRE, LEFT, RIGHT, BACK_LEFT, BACK_RIGHT, LFE),
    7: (CENTRE, LEFT, RIGHT, BACK_LEFT, BACK_RIGHT, BACK_CENTRE, LFE),
    8: (CENTRE, 12, 13, LEFT, RIGHT, BACK_LEFT, BACK_RIGHT, LFE),
}

# By bits of a channel mask, from the lowest on.
OF_BITS = (LEFT, RIGHT, CENTRE, LFE, BACK_LEFT, BACK_RIGHT, 12, 13, BACK_CENTRE, SIDE_LEFT, SIDE_RIGHT, 16, 17, 19, 18,
            20, 22, 21)
_NAMES = ("FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR", "TC", "TFL", "TFC", "TFR", "TBL", "TBC",
          "TBR")  # by bits, too
_NAMES_OF = dict(zip(OF_BITS, _NAMES, strict=True))
PLAIN_MASKS = (0x3, 0x4)  # of stereo and mono
SAME = {1: CENTRE, 5: LEFT, 6: RIGHT, 7: CENTRE}  # libsndfile's second names
# The components of a sound field (Furse-Malham), as many as their number means in a WAV ("Ambisonic B-Format", R.
# Dobson); libsndfile has numbers for four.
FIELD, _FIELD_NAMES = 23, "WXYZRSTUVKLMNOPQ"
_NAMES_OF |= {FIELD + place: name for place, name in enumerate(_FIELD_NAMES)}
_FIELDS = {3: "WXY", 5: "WXYUV", 6: "WXYZUV", 7: "WXYUVPQ", 8: "WXYZUVPQ", 11: "WXYZRSTUVPQ"}


def to_ogg(channels: int) -> Sequence[int] | None:
    """Which of our channels each one in an Ogg is; None where the order is the same."""
    return _OF_OGG.get(channels)


def to_alac(speakers: Sequence[int]) -> Sequence[int] | None:
    """Which of our channels each one in an ALAC is; None where its decoders know no order for `speakers`."""
    there = OF_ALAC.get(len(speakers), ())
    return tuple(map(list(speakers).index, there)) if there and set(there) == set(speakers) else None


def from_ogg(channels: int) -> Sequence[int] | None:
    """Which channel in an Ogg each of ours is; None where the order is the same."""
    order = _OF_OGG.get(channels)
    return None if order is None else tuple(order.index(channel) for channel in range(channels))


def mask_of(speakers: Sequence[int]) -> int:
    """The channel mask that means `speakers`; 0 where none does, as those of a mask come in the order of its bits."""
    known = [SAME.get(speaker, speaker) for speaker in speakers]
    bits = [OF_BITS.index(speaker) for speaker in known if speaker in OF_BITS]
    return sum(1 << bit for bit in bits) if len(bits) == len(known) and bits == sorted(set(bits)) else 0


def of_mask(mask: int, channels: int) -> tuple[int, ...]:
    """The speakers that a mask means, () where it does not name one for each channel."""
    speakers = tuple(speaker for bit, speaker in enumerate(OF_BITS) if mask >> bit & 1)
    return speakers if len(speakers) == channels else ()


def ambisonic(channels: int) -> tuple[int, ...]:
    """What stands for the components of a sound field in a WAV of so many channels; () where that has none."""
    field = _FIELDS.get(channels, _FIELD_NAMES[:channels])
    return tuple(FIELD + _FIELD_NAMES.index(name) for name in field) if len(field) == channels else ()


def is_ambisonic(speakers: Sequence[int]) -> bool:
    """Whether the channels are components of a sound field, in the order that a WAV has them."""
    return bool(speakers) and tuple(speakers) == ambisonic(len(speakers))


def in_order(speakers: Sequence[int]) -> Sequence[int] | None:
    """Which channel comes first, second and so on in the order of a mask; None where they have it, or none."""
    known = [SAME.get(speaker, speaker) for speaker in speakers]
    if not known or mask_of(known) or len(set(known)) < len(known) or not set(known) <= set(OF_BITS):
        return None
    return sorted(range(len(known)), key=lambda channel: OF_BITS.index(known[channel]))


def names(speakers: Sequence[int]) -> tuple[str, ...]:
    """The usual short names of `speakers`, ? for those that have none."""
    return tuple(_NAMES_OF.get(SAME.get(speaker, speaker), "?") for speaker in speakers)
