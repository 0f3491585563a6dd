"""Makers of odd audio files: `WAV_ODDITIES` and friends map a name to the bytes of a file.

Every WAV oddity starts from the same 4800 frames of 16-bit mono at 48 kHz (`TONE`), so that a test knows what
a reader should get out of it.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile as sf

FS = 48000
FRAMES = 4800
TONE: npt.NDArray[np.int16] = np.round(12000 * np.sin(2 * np.pi * 997 / FS * np.arange(FRAMES))).astype(np.int16)
STREAMED = 0xFFFFFFFF

Chunk = tuple[bytes, bytes]


def put(folder: Path, content: bytes, name: str = "in.wav") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def encode(samples: npt.NDArray[np.generic], fs: int = FS, **how: str) -> bytes:
    """`samples` as soundfile writes them with `format=..., subtype=...`."""
    buffer = io.BytesIO()
    sf.write(buffer, samples, fs, **how)
    return buffer.getvalue()


def fmt_chunk(tag: int = 1, channels: int = 1, fs: int = FS, bits: int = 16, align: int | None = None) -> Chunk:
    align = channels * bits // 8 if align is None else align
    return b"fmt ", struct.pack("<HHIIHH", tag, channels, fs, fs * align & 0xFFFFFFFF, align & 0xFFFF, bits)


def extensible_chunk(channels: int, bits: int, valid_bits: int, mask: int = 0, guid: bytes | None = None) -> Chunk:
    guid = b"\x01\x00\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71" if guid is None else guid
    _, base = fmt_chunk(0xFFFE, channels, bits=bits)
    return b"fmt ", base + struct.pack("<HHI", 22, valid_bits, mask) + guid


def data_chunk(samples: npt.NDArray[np.generic] = TONE) -> Chunk:
    return b"data", samples.tobytes()


def riff(*chunks: Chunk, magic: bytes = b"RIFF", size: int | None = None) -> bytes:
    """A WAV file of these chunks; a chunk's size may be told falsely with `lie`."""
    body = b"".join(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks)
    return magic + struct.pack("<I", 4 + len(body) if size is None else size) + b"WAVE" + body


def lie(wav: bytes, data_size: int, riff_size: int | None = None) -> bytes:
    """`wav` with another size in the header of its data chunk, and in that of the file."""
    at = 12
    while wav[at : at + 4] != b"data":  # not `index`: cue points hold the word, too
        at += 8 + -(-struct.unpack_from("<I", wav, at + 4)[0] // 2) * 2
    at += 4
    changed = wav[:at] + struct.pack("<I", data_size) + wav[at + 4 :]
    return changed if riff_size is None else changed[:4] + struct.pack("<I", riff_size) + changed[8:]


def plain() -> bytes:
    return riff(fmt_chunk(), data_chunk())


def rf64(ds64_data_bytes: int, ds64: bool = True) -> bytes:
    sizes = struct.pack("<QQQI", 36 + ds64_data_bytes & 2**64 - 1, ds64_data_bytes, ds64_data_bytes // 2, 0)
    chunks = ((b"ds64", sizes),) if ds64 else ()
    return lie(riff(*chunks, fmt_chunk(), data_chunk(), magic=b"RF64"), STREAMED, STREAMED)


def aiff_with_frames(frames: int) -> bytes:
    """An AIFF whose COMM chunk promises `frames`."""
    whole = encode(TONE, format="AIFF", subtype="PCM_16")
    at = whole.index(b"COMM") + 10
    return whole[:at] + struct.pack(">I", frames) + whole[at + 4 :]


def flac_without_total() -> bytes:
    """What a FLAC encoder writes into a pipe: the total number of samples is 0, for unknown."""
    whole = bytearray(encode(TONE, format="FLAC", subtype="PCM_16"))
    whole[21] &= 0xF0
    whole[22:26] = bytes(4)
    return bytes(whole)


def damaged_flac() -> bytes:
    """Two seconds of noise; bytes in the middle are overwritten, the end is whole."""
    noise = np.random.default_rng(1).integers(-20000, 20000, 2 * FS).astype(np.int16)
    whole = bytearray(encode(noise, format="FLAC", subtype="PCM_16"))
    middle = len(whole) // 2
    whole[middle : middle + 9000] = b"\x55" * 9000
    return bytes(whole)


def cut_flac() -> bytes:
    noise = np.random.default_rng(1).integers(-20000, 20000, FS).astype(np.int16)
    whole = encode(noise, format="FLAC", subtype="PCM_16")
    return whole[: len(whole) // 2]


def chained_ogg() -> bytes:
    """Two Ogg Vorbis files of one second in one, as the standard allows."""
    tone = np.tile(TONE, 10)
    return encode(tone, format="OGG", subtype="VORBIS") + encode(tone, format="OGG", subtype="VORBIS")


def concatenated_mp3() -> bytes:
    tone = np.tile(TONE, 10)
    return 2 * encode(tone, format="MP3", subtype="MPEG_LAYER_III")


def cut_mp3() -> bytes:
    whole = encode(np.tile(TONE, 20), format="MP3", subtype="MPEG_LAYER_III")
    return whole[: len(whole) // 2]


def holed_mp3() -> bytes:
    """Two seconds with 800 zeroed bytes in the middle."""
    whole = encode(np.tile(TONE, 20), format="MP3", subtype="MPEG_LAYER_III")
    return whole[: len(whole) // 2] + bytes(800) + whole[len(whole) // 2 + 800 :]


def m4a() -> bytes:
    """What begins as one, and holds two headers of MPEG audio in a row now and then: enough for libmpg123."""
    content = bytearray(b"\0\0\0\x20ftypM4A \0\0\2\0isomiso2" + np.random.default_rng(1).bytes(60_000))
    for at in range(600, 60_000, 700):  # layer I at 32 kbit/s and 32 kHz: 48 bytes
        content[at : at + 4] = content[at + 48 : at + 52] = b"\xff\xff\x18\x04"
    return bytes(content)


def caf_of_unknown_size() -> bytes:
    whole = encode(TONE, format="CAF", subtype="PCM_16")
    at = whole.index(b"data") + 4
    return whole[:at] + struct.pack(">q", -1) + whole[at + 8 :]


NOT_AUDIO: dict[str, tuple[bytes, str]] = {
    # name -> (content, what a reader should call it)
    "empty.wav": (b"", "empty (0 bytes)"),
    "one_byte.wav": (b"x", "1 byte"),
    "text.wav": (b"Dear diary,\ntoday I recorded nothing.\n" * 20, "text"),
    "page.mp3": (b"<!DOCTYPE html>\n<html><head><title>404</title></head></html>\n" * 8, "HTML"),
    "picture.wav": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4, "PNG"),
    "archive.flac": (b"PK\x03\x04" + bytes(range(256)) * 4, "ZIP"),
    "zeros.wav": (bytes(4096), "only zeros"),
    "film.wav": (b"\x00\x00\x00\x20ftypM4A \x00\x00\x00\x00" + bytes(range(256)) * 4, "MP4"),
}

BROKEN_WAV: dict[str, tuple[Callable[[], bytes], str]] = {
    # name -> (maker, words that the error must hold)
    "cut_at_4": (lambda: plain()[:4], "cut off at byte 4"),
    "cut_at_20": (lambda: plain()[:20], "cut off at byte 20"),
    "cut_at_44": (lambda: plain()[:44], "promises 4800 frames, the file holds none"),
    "cut_at_45": (lambda: plain()[:45], "promises 4800 frames, the file holds none"),
    "channels_0": (lambda: riff(fmt_chunk(channels=0, align=0), data_chunk()), "0 channels"),
    "channels_65535": (lambda: riff(fmt_chunk(channels=65535), data_chunk()), "65535 channels"),
    "rate_0": (lambda: riff(fmt_chunk(fs=0), data_chunk()), "sample rate 0"),
    "rate_4294967295": (lambda: riff(fmt_chunk(fs=0xFFFFFFFF), data_chunk()), "sample rate 4294967295"),
    "bits_0": (lambda: riff(fmt_chunk(bits=0, align=2), data_chunk()), "0 bits"),
    "bits_65": (lambda: riff(fmt_chunk(bits=65, align=2), data_chunk()), "65 bits"),
    "no_fmt": (lambda: riff(data_chunk()), "no fmt chunk"),
    "no_data": (lambda: riff(fmt_chunk()), "no data chunk"),
    "two_data": (lambda: riff(fmt_chunk(), data_chunk(), data_chunk()), "2 data chunks"),
    "two_fmt": (lambda: riff(fmt_chunk(), fmt_chunk(channels=2), data_chunk()), "2 fmt chunks"),
    "tag_9999": (lambda: riff(fmt_chunk(tag=0x9999), data_chunk()), "0x9999"),
    "tag_wma": (lambda: riff(fmt_chunk(tag=0x0161), data_chunk()), "0x0161 (WMA)"),
    "bad_guid": (lambda: riff(extensible_chunk(1, 16, 16, guid=bytes(range(16))), data_chunk()), "WAV with codec"),
    "pad_missing": (lambda: riff((b"JUNK", b"abc"), fmt_chunk(), data_chunk()).replace(b"abc\0", b"abc"), "chunk"),
    "rf64_no_ds64": (lambda: rf64(0, ds64=False), "ds64"),
}

# name -> (maker, frames that must come out, words that a warning must hold, or "" for no warning at all)
ODD_WAV: dict[str, tuple[Callable[[], bytes], int, str]] = {
    "data_too_long": (lambda: lie(plain(), 9600)[: 44 + 4800], 2400, "2400 of 4800 frames (cut off)"),
    "data_ffffffff": (lambda: lie(plain(), STREAMED, STREAMED), 4800, ""),
    "data_7ffff000": (lambda: lie(plain(), 0x7FFFF000, 0x7FFFF024), 4800, ""),
    "data_0_riff_0": (lambda: lie(plain(), 0, 0), 4800, "never closed"),
    "data_0_riff_36": (lambda: lie(plain(), 0, 36), 4800, "never closed"),
    "data_0_riff_8": (lambda: lie(plain(), 0, 8), 4800, "never closed"),
    "partial_last_frame": (lambda: riff(fmt_chunk(channels=2), data_chunk(TONE[:4799])), 2399, "2 bytes"),
    "data_too_short": (lambda: lie(plain(), 4800), 2400, "4800 bytes"),
    "align_0": (lambda: riff(fmt_chunk(align=0), data_chunk()), 4800, ""),
    "odd_riff_size": (lambda: riff(fmt_chunk(), data_chunk(), size=9636 - 8 + 3), 4800, ""),
    "frames_0": (lambda: riff(fmt_chunk(), data_chunk(TONE[:0])), 0, "0 frames"),
    "frames_0_tags": (lambda: riff(fmt_chunk(), data_chunk(TONE[:0]), (b"LIST", b"INFOINAM\2\0\0\0a\0")), 0,
                      "0 frames"),
    "frames_1": (lambda: riff(fmt_chunk(), data_chunk(TONE[:1])), 1, ""),
    "frames_7": (lambda: riff(fmt_chunk(), data_chunk(TONE[:7])), 7, ""),
    "list_past_end": (lambda: riff(fmt_chunk(), data_chunk(), (b"LIST", b"INFO")).replace(b"LIST\4", b"LIST\xff"),
                      4800, ""),
    "cue_lies": (lambda: riff(fmt_chunk(), (b"cue ", b"\xff" * 4), data_chunk()), 4800, ""),
    "cues_10000": (lambda: riff(fmt_chunk(), (b"cue ", struct.pack("<I", 10000) + bytes(240000)), data_chunk()),
                   4800, ""),
    "junk_3_mb": (lambda: riff((b"JUNK", bytes(3_000_000)), fmt_chunk(), data_chunk()), 4800, ""),
    "bext_ixml": (lambda: riff((b"bext", bytes(602)), fmt_chunk(), data_chunk(), (b"iXML", b"<a/>")), 4800,
                  ""),
    "rate_1": (lambda: riff(fmt_chunk(fs=1), data_chunk()), 4800, ""),
    "rate_768000": (lambda: riff(fmt_chunk(fs=768000), data_chunk()), 4800, ""),
    "rate_2147483647": (lambda: riff(fmt_chunk(fs=2147483647), data_chunk()), 4800, ""),
    "rf64": (lambda: rf64(9600), 4800, ""),
    "rf64_ds64_lies": (lambda: rf64(1 << 40), 4800, "cut off"),
    "channels_1024": (lambda: riff(fmt_chunk(channels=1024), data_chunk(np.zeros(1024 * 8, np.int16))), 8, ""),
    "extensible_32ch": (lambda: riff(extensible_chunk(32, 16, 16), data_chunk()), 150, ""),
    "extensible_20_in_24": (lambda: riff(extensible_chunk(1, 24, 20), data_chunk(TONE)), 3200, ""),
    "12_in_16": (lambda: riff(fmt_chunk(bits=12, align=2), data_chunk()), 4800, ""),
}
