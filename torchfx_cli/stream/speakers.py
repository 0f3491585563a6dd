"""In which order the channels of a file are for speakers.

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


def to_ogg(channels: int) -> Sequence[int] | None:
    """Which of our channels each one in an Ogg is; None where the order is the same."""
    return _OF_OGG.get(channels)


def from_ogg(channels: int) -> Sequence[int] | None:
    """Which channel in an Ogg each of ours is; None where the order is the same."""
    order = _OF_OGG.get(channels)
    return None if order is None else tuple(order.index(channel) for channel in range(channels))
