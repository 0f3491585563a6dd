"""Small sound files of many formats, and seeded damage to them: the input of the fuzz tests."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from functools import cache

import numpy as np
from support.oddfiles import TONE, encode

SIZES = (0, 1, 2**31 - 1, 2**32 - 1)
HEADER_BYTES = 160  # where sizes, rates and counts mostly are

# Extension of the file -> libsndfile's container and subtype.
SEEDS: dict[str, tuple[str, str]] = {
    "16.wav": ("WAV", "PCM_16"), "24.wav": ("WAVEX", "PCM_24"), "float.wav": ("WAV", "FLOAT"),
    "double.wav": ("WAV", "DOUBLE"), "ima.wav": ("WAV", "IMA_ADPCM"), "mulaw.wav": ("WAV", "ULAW"),
    "rf64.wav": ("RF64", "PCM_16"), "gsm.wav": ("WAV", "GSM610"), "16.aiff": ("AIFF", "PCM_16"),
    "float.aiff": ("AIFF", "FLOAT"), "16.flac": ("FLAC", "PCM_16"), "24.flac": ("FLAC", "PCM_24"),
    "vorbis.ogg": ("OGG", "VORBIS"), "opus.ogg": ("OGG", "OPUS"), "a.mp3": ("MP3", "MPEG_LAYER_III"),
    "16.caf": ("CAF", "PCM_16"), "alac.caf": ("CAF", "ALAC_16"), "float.w64": ("W64", "FLOAT"),
    "16.au": ("AU", "PCM_16"), "alaw.au": ("AU", "ALAW"), "16.voc": ("VOC", "PCM_16"), "16.nist": ("NIST", "PCM_16"),
}  # fmt: skip


@cache
def seed(name: str) -> bytes:
    """3000 frames of stereo (mono for GSM), some tone and some noise, as `SEEDS[name]`."""
    major, subtype = SEEDS[name]
    noise = np.random.default_rng(len(name)).integers(-9000, 9000, 3000).astype(np.int16)
    samples = TONE[:3000] if subtype == "GSM610" else np.stack([TONE[:3000], noise], axis=1)
    if major == "MP3":  # libsndfile 1.2.2 makes noise, another each time, of int16 in stereo
        return encode(samples / 32768, format=major, subtype=subtype)
    return encode(samples, format=major, subtype=subtype)


def mutant(number: int) -> tuple[str, bytes, str]:
    """The mutant of that number, always the same: the name of its seed, its bytes, and what was done to them."""
    rng = random.Random(number)
    name = rng.choice(list(SEEDS))
    content, done = bytearray(seed(name)), []
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        change = rng.choice(_CHANGES)
        done.append(change(rng, content))
    return name, bytes(content), ", ".join(done)


def _place(rng: random.Random, content: bytearray) -> int:
    """Anywhere, but half of the time in the header."""
    return rng.randrange(max(1, min(len(content), HEADER_BYTES) if rng.random() < 0.5 else len(content)))


def _flip(rng: random.Random, content: bytearray) -> str:
    at, bit = _place(rng, content), rng.randrange(8)
    content[at : at + 1] = bytes(byte ^ 1 << bit for byte in content[at : at + 1])
    return f"bit {bit} of byte {at} flipped"


def _run(rng: random.Random, content: bytearray) -> str:
    at, length, kind = _place(rng, content), rng.choice((1, 4, 40, 400)), rng.randrange(3)
    length = min(length, len(content) - at)
    content[at : at + length] = rng.randbytes(length) if kind == 2 else bytes([255 * kind]) * length
    return f"{length} bytes from {at} overwritten"


def _cut(rng: random.Random, content: bytearray) -> str:
    at = _place(rng, content)
    del content[at:]
    return f"cut at {at}"


def _drop(rng: random.Random, content: bytearray) -> str:
    at, length = _place(rng, content), rng.choice((1, 2, 30, 1000))
    del content[at : at + length]
    return f"{length} bytes from {at} dropped"


def _double(rng: random.Random, content: bytearray) -> str:
    at, length = _place(rng, content), rng.choice((1, 8, 100, 3000))
    content[at:at] = content[at : at + length]
    return f"{length} bytes from {at} doubled"


def _size(rng: random.Random, content: bytearray) -> str:
    at = rng.randrange(max(1, min(len(content), HEADER_BYTES))) & ~1
    size, order = rng.choice(SIZES), rng.choice("<>")
    content[at : at + 4] = struct.pack(f"{order}I", size)
    return f"{size} at byte {at}"


_CHANGES: tuple[Callable[[random.Random, bytearray], str], ...] = (_flip, _run, _cut, _drop, _double, _size, _size)
