"""The sizes in the header of an AIFF whose samples take an odd number of bytes.

libsndfile fills such a file up to an even size and then counts the pad byte in: as a byte of SSND, and with one byte a
frame as a frame of COMM. The size of a chunk does not include its pad byte (AIFF 1.3, "Chunk Format").
"""

from __future__ import annotations

import os
import struct

from torchfx_cli.stream.append import write_all
from torchfx_cli.stream.chunks import walk

_SSND_FIELDS_BYTES = 8  # offset and block size, between the chunk's size and the samples


def count_without_pad(fd: int, frames: int, frame_bytes: int) -> None:
    """Let the closed AIFF open as `fd` tell its `frames` of `frame_bytes` each. Raises OSError."""
    layout = walk(fd, os.fstat(fd).st_size)
    comm, data = (layout.first("COMM"), layout.data) if layout is not None else (None, None)
    if comm is None or data is None or data.size != frames * frame_bytes + 1 or data.size % 2:
        return
    write_all(fd, struct.pack(">I", data.size - 1 + _SSND_FIELDS_BYTES), data.start - _SSND_FIELDS_BYTES - 4)
    write_all(fd, struct.pack(">I", frames), comm.start + 2)
