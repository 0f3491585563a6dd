"""ID3 tags as mutagen reads them, but none that would take gigabytes or minutes.

A frame may be packed by zlib a thousandfold, chapters may hold chapters, each a copy of what is in it, and mutagen
copies what is left of a frame for each text in it, and of a tag for each frame. So what a frame takes is reckoned just
before it is read: there nothing can be hidden by a frame within a frame, or by a size that can be read in two ways.
"""

from __future__ import annotations

import io
import zlib
from typing import Any

from torchfx_cli.stream.id3names import frame_count
from torchfx_cli.stream.metadatasource import MAX_BYTES, MAX_VALUES

MAX_COPIED_BYTES = 1 << 33  # some seconds
WIDE_COST = 2000  # a byte of UTF-16 is decoded by itself, in the time of copying so many
_PACKED = {3: 0x0080, 4: 0x0008}  # by the tag's version, in a frame's flags
_LISTS = frozenset({"SYLT", "ETCO", "EQU2", "ASPI", "SLT", "ETC"})  # of binary records, five bytes at least


class TagError(Exception):
    """Tags that cannot be read or written."""


def read_id3(tag: bytes) -> Any:
    """The `mutagen.id3.ID3` in `tag`. Raises TagError for one that takes too much, and what mutagen raises."""
    from mutagen.id3 import ID3, Frames, Frames_2_2

    if frame_count(tag, MAX_VALUES + 1) * len(tag) > 4 * MAX_COPIED_BYTES:
        raise TagError("they hold too many frames")
    left = _Left(len(tag) + MAX_BYTES)
    known = Frames_2_2 if tag[3:4] == b"\2" else Frames
    return ID3(io.BytesIO(tag), known_frames={name: _Guarded(frame, left) for name, frame in known.items()})


class _Left:
    """What may still be spent on a tag."""

    def __init__(self, content_bytes: int) -> None:
        self._bytes, self._texts, self._copied = content_bytes, MAX_VALUES, MAX_COPIED_BYTES

    def hold(self, content: bytes) -> None:
        """Of a frame, or unpacked."""
        self._bytes -= len(content)
        if self._bytes < 0:
            raise TagError(f"they unpack to more than {MAX_BYTES >> 20} MiB")

    def unpack(self, packed: bytes) -> bytes:
        try:
            content = zlib.decompressobj().decompress(packed, self._bytes + 1)
        except zlib.error:
            return b""
        self.hold(content)
        return content

    def read(self, frame: Any, content: bytes) -> None:
        """What mutagen does to find the texts in a frame."""
        from mutagen.id3 import PairedTextFrame, TextFrame

        wide = content[:1] in (b"\1", b"\2")
        zeros = b"\0\0" if wide else b"\0"
        if issubclass(frame, TextFrame | PairedTextFrame):
            texts, read = 1 + content.count(zeros), len(content)
        elif frame.__name__ in _LISTS:
            texts, read = len(content) // 5, len(content)
        else:  # a text in front of one piece; at the latest it ends with the first three zeros
            texts, read = 1, len(content.partition(b"\0\0\0")[0]) if wide else 0
        self._texts -= texts
        self._copied -= texts * len(content) + (WIDE_COST * read if wide else 0)
        if self._texts < 0 or self._copied < 0:
            raise TagError("they hold too many or too long texts")


class _Guarded:
    """Stands for a class of frames where mutagen makes frames of bytes."""

    def __init__(self, frame: Any, left: _Left) -> None:
        self._frame, self._left = frame, left

    def _fromData(self, header: Any, flags: int, data: bytes) -> Any:
        self._left.hold(data)
        if not flags & _PACKED.get(header.version[1], 0):
            self._left.read(self._frame, data)
        else:
            plain = data[4:].replace(b"\xff\0", b"\xff")  # where the frame is unsynchronised
            for packed in dict.fromkeys((data[4:], plain, data, data[:4] + plain)):  # mutagen tries two of these
                self._left.read(self._frame, self._left.unpack(packed))
        return self._frame._fromData(header, flags, data)
