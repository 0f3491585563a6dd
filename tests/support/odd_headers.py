"""Odd files by their first bytes: no audio at all, broken or lying headers, headers cut off."""

from __future__ import annotations

import gzip
import io
import struct
from collections.abc import Iterator
from functools import partial

import numpy as np
import soundfile as sf
from support import oddfiles
from support.odd import Odd
from support.oddfiles import FRAMES, FS, TONE, encode


def not_audio() -> Iterator[Odd]:
    for name, (content, words) in oddfiles.NOT_AUDIO.items():
        yield Odd(name, 2, lambda content=content: content, "failed", words=words)
    fill = bytes(range(256)) * 4
    heads = {
        "photo.flac": (b"\xff\xd8\xff\xe0", "JPEG"),
        "anim.ogg": (b"GIF89a", "GIF"),
        "doc.aiff": (b"%PDF-1.7", "PDF"),
        "program.wav": (b"\x7fELF\2\1\1\0", "a program"),
        "film.ogg": (b"\x1aE\xdf\xa3", "Matroska or WebM"),
        "music.wma.wav": (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "WMA"),
        "ape.wav": (b"MAC \x96\x0f", "Monkey's Audio"),
        "pack.wav": (b"wvpk", "WavPack"),
        "score.wav": (b"MThd\0\0\0\6", "MIDI"),
        "dsd.wav": (b"DSD ", "DSD"),
        "rip.wav": (b"RIFF\xff\0\0\0AVI LIST", ""),
        "image.aiff": (b"FORM\0\0\1\0ILBMBMHD", ""),
    }
    for name, (head, words) in heads.items():
        yield Odd(name, 2, lambda head=head: head + fill, "failed", words=words or "not an audio file")
    yield Odd("batched.wav", 2, lambda: gzip.compress(oddfiles.plain(), mtime=0), "failed", words="GZIP")
    yield Odd("noise.mp3", 2, lambda: np.random.default_rng(7).bytes(40_000), "failed")
    yield Odd(
        "noise.flac", 2, lambda: b"fLaC" + np.random.default_rng(8).bytes(4000), "failed", words="FLAC file is damaged"
    )
    yield Odd(
        "noise.ogg", 2, lambda: b"OggS" + np.random.default_rng(8).bytes(4000), "failed", words="Ogg file is damaged"
    )
    yield Odd("zeros.mp3", 2, lambda: bytes(50_000), "failed", words="only zeros")
    for name in ("empty.flac", "empty.mp3", "empty.ogg", "empty.aiff", "empty.caf"):
        yield Odd(name, 1, bytes, "failed", words="empty (0 bytes)")


METADATA = ("cue_lies", "cues_10000", "bext_ixml", "list_past_end")


def wav_headers() -> Iterator[Odd]:
    for name, (make, words) in oddfiles.BROKEN_WAV.items():
        yield Odd(f"{name}.wav", 9, make, "failed", words=words)
    for name, (make, frames, words) in oddfiles.ODD_WAV.items():
        if not name.startswith("rate_"):  # below, with chains that fit
            # Whether metadata is carried over without a word is for the tests of the writer.
            status = "warned" if words else "read" if name in METADATA else "ok"
            yield Odd(f"odd_{name}.wav", 6, make, status, frames, words, effects=("gain:0",))
    for tag, words in ((0x0055, ""), (0x00FF, "AAC"), (0x2000, "AC-3"), (0x2001, "DTS"), (0x0270, "ATRAC3")):
        yield Odd(
            f"tag_{tag:04x}.wav",
            10,
            lambda tag=tag: oddfiles.riff(oddfiles.fmt_chunk(tag=tag), oddfiles.data_chunk()),
            "failed",
            words=words,
        )
    fmt = oddfiles.fmt_chunk()
    yield Odd(
        "short_fmt.wav",
        9,
        lambda: oddfiles.riff((b"fmt ", fmt[1][:14]), oddfiles.data_chunk()),
        "failed",
        words="fmt chunk",
    )
    yield Odd("fmt_after_data.wav", 9, lambda: oddfiles.riff(oddfiles.data_chunk(), fmt), "failed")
    yield Odd("huge_fmt.wav", 9, lambda: oddfiles.plain().replace(b"fmt \x10\0\0\0", b"fmt \xff\xff\xff\xff"), "failed")
    yield Odd("negative_data.wav", 9, lambda: oddfiles.lie(oddfiles.plain(), 0x80000000), "ok", FRAMES)
    yield Odd("rifx.wav", 35, _rifx, "ok", FRAMES)
    yield Odd(
        "riff_in_riff.wav",
        9,
        lambda: oddfiles.riff((b"RIFF", oddfiles.plain()[8:]), fmt, oddfiles.data_chunk()),
        "failed",
    )


def _rifx() -> bytes:
    buffer = io.BytesIO()
    sf.write(buffer, TONE, FS, "PCM_16", endian="BIG", format="WAV")
    return buffer.getvalue()


def cut_headers() -> Iterator[Odd]:
    for extension, major, cuts in (
        ("flac", "FLAC", (4, 20, 42, 60)),
        ("ogg", "OGG", (4, 27, 58, 200)),
        ("aiff", "AIFF", (4, 12, 30)),
        ("caf", "CAF", (4, 8, 20, 60)),
        ("w64", "W64", (16, 40, 60)),
        ("au", "AU", (4, 20)),
        ("rf64", "RF64", (12, 40)),
        ("nist", "NIST", (7, 40)),
    ):
        for cut in cuts:
            yield Odd(f"cut_{cut}.{extension}", 3, lambda m=major, c=cut: encode(TONE, format=m)[:c], "failed")
    for major, extension in (("AIFF", "aiff"), ("W64", "w64"), ("CAF", "caf"), ("AU", "au"), ("RF64", "rf64")):
        yield Odd(
            f"half.{extension}",
            5,
            lambda m=major: encode(TONE, format=m, subtype="PCM_16")[:-4800],
            "warned",
            2400,
            "2400 of 4800 frames (cut off)",
        )
    yield Odd("lies.aiff", 11, lambda: oddfiles.aiff_with_frames(2**31), "warned", FRAMES, "4800 of 2147483648 frames")
    yield Odd(
        "lies.au", 11, lambda: patched("AU", b".snd", 8, struct.pack(">I", 0x90000000)), "warned", FRAMES, "cut off"
    )
    yield Odd("lies.w64", 11, partial(_with_w64_size, 1 << 40), "warned", FRAMES, "cut off")
    yield Odd(
        "lies.caf", 11, lambda: patched("CAF", b"data", 4, struct.pack(">q", 1 << 40)), "warned", FRAMES, "cut off"
    )
    yield Odd("lies.flac", 11, lambda: patched("FLAC", b"fLaC", 22, b"\xff" * 4), "warned", FRAMES, "4800 of ")
    for size, status in ((2**63 - 1, "read"), (2**64 - 2, "failed")):
        yield Odd(f"lies_{size}.rf64", 11, partial(oddfiles.rf64, size), status, FRAMES)
    for size in (2**63 - 1, -2):
        yield Odd(f"lies_{size}.w64", 11, partial(_with_w64_size, size), "read", FRAMES)
    yield Odd("unknown.caf", 6, oddfiles.caf_of_unknown_size, "ok", FRAMES)
    yield Odd("half_unknown.au", 6, lambda: patched("AU", b".snd", 8, struct.pack(">I", 2**31 - 1)), "ok", FRAMES)
    yield Odd("unknown.au", 6, lambda: patched("AU", b".snd", 8, b"\xff" * 4), "ok", FRAMES)


def patched(major: str, mark: bytes, offset: int, new: bytes) -> bytes:
    whole = encode(TONE, format=major, subtype="PCM_16")
    at = whole.index(mark) + offset
    return whole[:at] + new + whole[at + len(new) :]


def _with_w64_size(size: int) -> bytes:
    whole = encode(TONE, format="W64", subtype="PCM_16")
    at = whole.index(b"data") + 16
    return whole[:at] + struct.pack("<q", size) + whole[at + 8 :]
