"""Reads a written file back, and looks at its header with other eyes than libsndfile's.

libsndfile repairs a header that was never finished while it reads it, so a file can read back whole for us and
as 0 frames for others. The sizes in the header are therefore compared with what was written as well.
"""

from __future__ import annotations

import os
import zlib

import numpy as np

from torchfx_cli.libsndfile import soundfile
from torchfx_cli.samples import block_frames
from torchfx_cli.stream.chunks import aiff_frames, flac_header_is_final, walk
from torchfx_cli.stream.formats import OutputFormat, sample_bytes
from torchfx_cli.stream.sound import error_of, open_to_read, read_into


def what_is_wrong(fd: int, out_format: OutputFormat, fs: int, channels: int, frames: int, crc: int) -> str:
    """What distinguishes the closed file open as `fd` from what was written, "" for nothing.

    `crc`: zlib.crc32 over the samples as written, 0 for lossy formats. Raises OSError and LibraryError.
    """
    with open_to_read(fd) as sound:
        found = sound.samplerate, sound.channels, sound.subtype, sound.frames
        read, read_crc = _checksum(sound, out_format)
        words = error_of(sound)
    wanted = fs, channels, out_format.subtype, frames
    if read != frames:
        return f"wrote {frames} frames, {read} can be read back"
    if found != wanted:
        return f"the header reads back as {found} instead of {wanted}"
    if read_crc != crc:
        return "the samples that read back are not those that were written"
    return words or _unfinished_header(fd, frames, channels * sample_bytes(out_format.subtype))


def _checksum(sound: soundfile.SoundFile, out_format: OutputFormat) -> tuple[int, int]:
    """Frames that can be read, and the CRC of their samples where the format keeps them."""
    frames = crc = 0
    block = np.empty((block_frames(sound.channels), sound.channels), out_format.sample_format.dtype)
    while (count := read_into(sound, block)) > 0:
        frames += count
        if out_format.is_lossless:
            crc = zlib.crc32(block[:count].data, crc)
    return frames, crc


def _unfinished_header(fd: int, frames: int, frame_bytes: int) -> str:
    layout = walk(fd, os.fstat(fd).st_size)
    if layout is None:
        return "" if flac_header_is_final(fd) else "the FLAC header was not finished"
    if layout.data is None:
        return "the header has no samples"
    if frame_bytes and layout.data.size != frames * frame_bytes:
        return f"the header says {layout.data.size} bytes of samples instead of {frames * frame_bytes}"
    if aiff_frames(fd, layout) not in (None, frames):
        return f"the header says {aiff_frames(fd, layout)} frames instead of {frames}"
    return ""
