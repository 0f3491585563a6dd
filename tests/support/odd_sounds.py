"""Odd files by what they went through: damage, metadata, names, and every format that there is."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import soundfile as sf
from support import oddfiles
from support.odd import Odd
from support.odd_headers import patched
from support.oddfiles import FRAMES, FS, TONE, encode


def damaged() -> Iterator[Odd]:
    yield Odd("bitflips.flac", 25, oddfiles.damaged_flac, "failed", words="FLAC stream damaged or cut off near")
    yield Odd("cut.flac", 25, oddfiles.cut_flac, "failed", words="FLAC stream damaged or cut off near")
    yield Odd("no_total.flac", 26, oddfiles.flac_without_total, "ok", FRAMES)
    yield Odd("md5_wrong.flac", 27, lambda: patched("FLAC", b"fLaC", 26, b"\x01" * 16), "warned", FRAMES,
              "do not fit the MD5 sum in the header")
    yield Odd("md5_none.flac", 27, lambda: patched("FLAC", b"fLaC", 26, bytes(16)), "ok", FRAMES)
    yield Odd("cut.mp3", 28, oddfiles.cut_mp3, "warned", None, "of 96000 frames (cut off)")
    yield Odd(
        "cut.ogg", 28, lambda: encode(np.tile(TONE, 40), format="OGG")[:-2000], "warned", None, "no end (cut off)"
    )
    yield Odd(
        "cut.opus",
        28,
        lambda: encode(np.tile(TONE, 40), format="OGG", subtype="OPUS")[:-2000],
        "warned",
        None,
        "no end (cut off)",
    )
    yield Odd("bitflips.opus", 28, partial(_bit_flips, "OGG", "OPUS"), "failed", words="Ogg file is damaged")
    yield Odd("hole.mp3", 28, oddfiles.holed_mp3, "warned", None, "bytes are no MPEG audio")
    yield Odd("really_m4a.mp3", 2, oddfiles.m4a, "failed", words="MP4 or M4A")
    yield Odd("bitflips.mp3", 28, partial(_bit_flips, "MP3", "MPEG_LAYER_III"), "read", None)
    yield Odd(
        "chained.ogg", 29, oddfiles.chained_ogg, "warned", FS, "holds a second stream; only the first 1.0 s was read"
    )
    yield Odd(
        "concatenated.mp3", 29, oddfiles.concatenated_mp3, "warned", FS, "holds a second stream; only the first 1.0 s"
    )
    yield Odd("concatenated.flac", 29, lambda: 2 * encode(TONE, format="FLAC"), "warned", FRAMES, "a second stream")
    yield Odd("junk_in_front.mp3", 28, lambda: b"hello" * 1000 + encode(TONE, format="MP3"), "ok", FRAMES)
    yield Odd("never_closed.aiff", 7, _unclosed_aiff, "failed", words="promises 0 frames, but 9600 bytes follow")
    yield Odd("never_closed.rf64", 7, lambda: oddfiles.rf64(0), "warned", FRAMES, "never closed")
    yield Odd("no_end.ogg", 28, lambda: encode(TONE, format="OGG")[:-500], "failed", words="cut off")


def _bit_flips(major: str, subtype: str) -> bytes:
    whole = bytearray(encode(np.tile(TONE, 40), format=major, subtype=subtype))
    rng = np.random.default_rng(5)
    for at in rng.integers(len(whole) // 4, len(whole), 60):
        whole[at] ^= 1 << int(rng.integers(8))
    return bytes(whole)


def _unclosed_aiff() -> bytes:
    return patched("AIFF", b"SSND", 4, struct.pack(">I", 8))


def metadata() -> Iterator[Odd]:
    def with_chunk(name: bytes, content: bytes) -> Callable[[], bytes]:
        return lambda: oddfiles.riff((name, content), oddfiles.fmt_chunk(), oddfiles.data_chunk())

    info = b"INFOINAM" + struct.pack("<I", 8) + b"title\xe9\0\0"
    contents = {
        "latin1": (b"LIST", info),
        "ansi": (b"LIST", info.replace(b"title", b"\x1b[31m")),
        "markup": (b"LIST", info.replace(b"title", b"[/x] ")),
        "bext": (b"bext", b"a" * 603),
        "ixml": (b"iXML", b"<BWFXML/>"),
        "smpl": (b"smpl", bytes(36 + 24)),
        "cue": (b"cue ", bytes(4)),
        "smpl_lies": (b"smpl", b"\xff" * 36),
        "axml": (b"axml", b"<x/>"),
        "acid": (b"acid", bytes(24)),
        "odd_name": (b"a\x7f\x80b", bytes(8)),
        "list_cut": (b"LIST", b"INFOINAM\xff\xff\xff\x7f"),
        "list_empty": (b"LIST", b""),
        "long_64k": (b"LIST", b"INFOINAM\0\0\1\0" + b"x" * 65536),
        "id3": (b"id3 ", b"ID3\x04\0\0\0\0\0\0"),
        "xmp": (b"_PMX", b"<x/>"),
    }
    for name, (chunk, content) in contents.items():
        status = "failed" if name == "odd_name" else "read"
        yield Odd(f"meta_{name}.wav", 30, with_chunk(chunk, content), status, FRAMES)
    yield Odd(
        "many_chunks.wav",
        30,
        lambda: oddfiles.riff(*[(b"junk", b"12")] * 5000, oddfiles.fmt_chunk(), oddfiles.data_chunk()),
        "read",
        FRAMES,
    )
    yield Odd("long_id3.mp3", 33, lambda: _id3(70_000) + encode(TONE, format="MP3"), "read", FRAMES)
    yield Odd("endless_id3.mp3", 33, lambda: b"ID3\3\0\0\x7f\x7f\x7f\x7f" + encode(TONE, format="MP3"), "failed")
    yield Odd("id3_in_front.flac", 33, lambda: _id3(3000) + encode(TONE, format="FLAC"), "read", FRAMES)


def _id3(size: int) -> bytes:
    """An ID3v2.3 tag with one text frame that fills it."""
    text = b"TIT2" + struct.pack(">IH", size - 10, 0) + b"\0" + b"x" * (size - 11)
    return b"ID3\3\0\0" + bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0)) + text


def names() -> Iterator[Odd]:
    yield Odd("really_flac.wav", 34, lambda: encode(TONE, format="FLAC"), "ok", FRAMES)
    yield Odd("really_wav.mp3", 34, oddfiles.plain, "ok", FRAMES)
    yield Odd("really_aiff.wav", 34, lambda: encode(TONE, format="AIFF"), "ok", FRAMES)
    yield Odd("really_mp3.wav", 34, lambda: encode(TONE, format="MP3"), "ok", FRAMES)
    yield Odd("no_extension", 36, oddfiles.plain, "ok", FRAMES, output="no_extension.wav")
    for name in (
        "name \x1b[31m.wav",
        "odd[bold].wav",
        "new\nline.wav",
        "tab\t.wav",
        "-dash.wav",
        "--help.wav",
        "name_\udcff\udcfe.wav",
        "\u202egnp.wav",
        "\ufeffbom.wav",
        "x" * 251 + ".wav",
        ".hidden.wav",
        "\U0001f600.wav",
        "cafe\u0301.wav",
        "café.wav",
        "UPPER.WAV",
        "two..dots.wav",
    ):
        yield Odd(name, 32, oddfiles.plain, "ok", FRAMES)


def formats() -> Iterator[Odd]:
    """Every container and subtype that libsndfile writes, named by its extension, else .wav."""
    extensions = {
        "FLAC": "flac",
        "AIFF": "aiff",
        "AU": "au",
        "CAF": "caf",
        "W64": "w64",
        "NIST": "nist",
        "RF64": "rf64",
        "VOC": "voc",
        "SVX": "8svx",
    }
    for major in (
        "WAV",
        "WAVEX",
        "AIFF",
        "AU",
        "CAF",
        "W64",
        "NIST",
        "RF64",
        "VOC",
        "SVX",
        "FLAC",
        "AVR",
        "HTK",
        "MAT4",
        "MAT5",
        "MPC2K",
        "PAF",
        "PVF",
        "SDS",
        "IRCAM",
        "WVE",
        "XI",
    ):
        for subtype in sf.available_subtypes(major):
            if (major, subtype) in (("AIFF", "DWVW_12"), ("WAV", "MPEG_LAYER_III")):
                continue
            padded = "ADPCM" in subtype or "GSM" in subtype or major == "VOC"
            yield Odd(
                f"{major}_{subtype}.{extensions.get(major, 'wav')}",
                35,
                lambda m=major, s=subtype: encode(TONE, format=m, subtype=s),
                "ok",
                None if padded else FRAMES,
            )
