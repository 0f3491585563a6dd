"""Writes FLAC (RFC 9639) of any width, uncompressed; libsndfile writes 8, 16 and 24 bits only."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

BLOCK_FRAMES = 4096
_WIDTH_CODES = {8: 1, 12: 2, 16: 4, 20: 5, 24: 6, 32: 7}


def flac(samples: npt.NDArray[np.int64], bits: int, fs: int = 44100) -> bytes:
    """`samples` [frames, channels], of which each is `bits` wide."""
    frames, channels = samples.shape
    bytes_a_sample = -(-bits // 8)
    raw = samples.astype("<i8").view(np.uint8).reshape(-1, 8)[:, :bytes_a_sample].tobytes()
    facts = fs << 44 | (channels - 1) << 41 | (bits - 1) << 36 | frames
    info = 2 * BLOCK_FRAMES.to_bytes(2, "big") + bytes(6) + facts.to_bytes(8, "big") + hashlib.md5(raw).digest()
    blocks = (samples[at : at + BLOCK_FRAMES] for at in range(0, frames, BLOCK_FRAMES))
    found = b"".join(_frame(number, block, bits) for number, block in enumerate(blocks))
    return b"fLaC\x80\0\0\x22" + info + found


def _frame(number: int, block: npt.NDArray[np.int64], bits: int) -> bytes:
    frames, channels = block.shape
    assert number < 128
    head = bytes([0xFF, 0xF8, 0x70, (channels - 1) << 4 | _WIDTH_CODES[bits] << 1, number])
    head += (frames - 1).to_bytes(2, "big")
    head += _crc(head, 8, 0x07)
    shifts = np.arange(bits - 1, -1, -1)
    kind = np.array([0, 0, 0, 0, 0, 0, 1, 0])  # verbatim
    subframes = [np.concatenate([kind, (block[:, channel, None] >> shifts & 1).ravel()]) for channel in range(channels)]
    frame = head + np.packbits(np.concatenate(subframes).astype(np.uint8)).tobytes()
    return frame + _crc(frame, 16, 0x8005)


def _crc(content: bytes, bits: int, polynomial: int) -> bytes:
    crc = 0
    for byte in content:
        crc ^= byte << bits - 8
        for _ in range(8):
            crc = (crc << 1 ^ (polynomial if crc >> bits - 1 else 0)) & (1 << bits) - 1
    return crc.to_bytes(bits // 8, "big")
