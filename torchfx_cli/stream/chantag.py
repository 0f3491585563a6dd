"""The channel layout of a CAF (`chan`, Apple Core Audio Format 1.0), which an AIFF has as `CHAN`.

It is a bitmap whose bits are those of a mask of WAV, a label for each channel, or the number of a common arrangement.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence

from torchfx_cli.stream.chunks import Layout
from torchfx_cli.stream.speakers import (
    BACK_LEFT,
    BACK_RIGHT,
    CENTRE,
    FIELD,
    OF_BITS,
    SIDE_LEFT,
    SIDE_RIGHT,
    mask_of,
    of_mask,
)

MAX_BYTES = 12 + 1024 * 20
_HEAD, _LABEL = struct.Struct(">III"), struct.Struct(">II12x")
_BY_LABELS, _BY_BITMAP = 0, 1 << 16  # of other arrangements the number is in the upper half, their channels below
_REAR_LEFT, _REAR_RIGHT, _MONO, _FIELD_LABEL = 33, 34, 42, 200
_SPEAKERS = dict(enumerate(OF_BITS, 1)) | {_FIELD_LABEL + place: FIELD + place for place in range(4)}
_LABELS = {speaker: label for label, speaker in _SPEAKERS.items()}
_SPEAKERS[_MONO] = CENTRE
_WITH_REAR = {5: SIDE_LEFT, 6: SIDE_RIGHT, _REAR_LEFT: BACK_LEFT, _REAR_RIGHT: BACK_RIGHT}

# Of CoreAudioBaseTypes.h: E is the LFE, l r c are behind, [ ] far behind, < > between the centre and L R.
_LETTERS = {"L": 1, "R": 2, "C": 3, "E": 4, "l": 5, "r": 6, "<": 7, ">": 8, "c": 9, "[": _REAR_LEFT, "]": _REAR_RIGHT,
            "W": 200, "X": 201, "Y": 202, "Z": 203}
_ARRANGEMENTS = {
    100: "C", 101: "LR", 102: "LR", 107: "WXYZ", 108: "LRlr", 109: "LRlrC", 110: "LRlrCc", 113: "LRC", 114: "CLR",
    115: "LRCc", 116: "CLRc", 117: "LRClr", 118: "LRlrC", 119: "LCRlr", 120: "CLRlr", 121: "LRCElr", 122: "LRlrCE",
    123: "LCRlrE", 124: "CLRlrE", 125: "LRCElrc", 126: "LRCElr<>", 127: "C<>LRlrE", 128: "LRCElr[]", 129: "LRlrCE<>",
    131: "LRc", 132: "LRlr", 133: "LRE", 134: "LREc", 135: "LRElr", 136: "LRCE", 137: "LRCEc", 138: "LRlrE",
    139: "LRlrCc", 140: "LRlrC[]", 141: "CLRlrc", 142: "CLRlrcE", 143: "CLRlr[]", 144: "CLRlr[]c", 148: "LRlrC<>",
    149: "CE", 150: "LCR", 151: "LCRc", 152: "LCRE", 153: "LRcE", 154: "LCRcE", 155: "LCRlrc", 156: "LCRlr[]",
    183: "CLRlr[]E",
}  # fmt: skip


def told(fd: int, layout: Layout, channels: int) -> tuple[int, ...]:
    """libsndfile's speaker number of each channel of the CAF or AIFF open as `fd`, () where it says nothing known."""
    chunk = layout.first("chan", "CHAN")
    return speakers_of(os.pread(fd, max(0, min(chunk.size, MAX_BYTES)), chunk.start), channels) if chunk else ()


def speakers_of(content: bytes, channels: int) -> tuple[int, ...]:
    """The same of the content of the chunk."""
    if len(content) < _HEAD.size:
        return ()
    tag, bitmap, count = _HEAD.unpack_from(content)
    if tag == _BY_BITMAP:
        return of_mask(bitmap, channels)
    if tag == _BY_LABELS:
        if count != channels or len(content) < _HEAD.size + count * _LABEL.size:
            return ()
        labels = [_LABEL.unpack_from(content, _HEAD.size + place * _LABEL.size)[0] for place in range(count)]
    else:
        labels = [_LETTERS[letter] for letter in _ARRANGEMENTS.get(tag >> 16, "")]
    known = _SPEAKERS | (_WITH_REAR if _REAR_LEFT in labels else {})
    found = tuple(known[label] for label in labels if label in known)
    return found if len(found) == len(labels) == channels else ()


def can_tell(speakers: Sequence[int]) -> bool:
    """Whether there is a bit or a label for each."""
    return bool(mask_of(speakers)) or all(speaker in _LABELS for speaker in speakers)


def content_of(speakers: Sequence[int]) -> bytes:
    """The chunk that means `speakers`, which `can_tell`."""
    mask = mask_of(speakers)
    if mask:
        return _HEAD.pack(_BY_BITMAP, mask, 0)
    labels = b"".join(_LABEL.pack(_LABELS[speaker], 0) for speaker in speakers)
    return _HEAD.pack(_BY_LABELS, 0, len(speakers)) + labels
