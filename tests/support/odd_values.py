"""Odd files by their numbers: lengths, sample values, rates, channels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import numpy.typing as npt
from support import oddfiles
from support.odd import Odd
from support.oddfiles import FRAMES, FS, TONE, encode

FLOATS = (TONE / 32768).astype(np.float32)


def lengths() -> Iterator[Odd]:
    for major, extension in (("AIFF", "aiff"), ("AU", "au"), ("CAF", "caf"), ("W64", "w64"), ("RF64", "rf64")):
        yield Odd(
            f"frames_0.{extension}",
            12,
            lambda m=major: encode(TONE[:0], format=m, subtype="PCM_16"),
            "warned",
            0,
            "0 frames",
        )
    nothing = partial(encode, TONE[:0], format="WAV")
    for name, words in (
        ("none.flac", "FLAC cannot hold 0 frames"),
        ("none.mp3", "MP3 cannot hold 0 frames"),
        ("none.opus", "Opus cannot hold 0 frames"),
    ):
        yield Odd(f"to_{name}.wav", 13, nothing, "failed", words=words, output=name)
    chain = ("highpass:cutoff=80,order=8", "fir:lowpass=5 kHz,taps=511,align=true")
    for frames in (1, 7, 8191, 65537):
        ramp = np.resize(TONE, frames)
        for name in (f"frames_{frames}.wav", f"frames_{frames}.flac"):
            yield Odd(
                name,
                14,
                lambda r=ramp, n=name: encode(r, format=n[-4:].strip(".").upper(), subtype="PCM_16"),
                "ok",
                frames,
                effects=chain,
            )
    yield Odd("silence.flac", 37, lambda: encode(np.zeros(120 * FS, np.int16), format="FLAC"), "ok", 120 * FS)


def floats(
    where: slice | None = None, value: float = np.nan, major: str = "WAV", subtype: str = "FLOAT", channels: int = 2
) -> bytes:
    """The tone in `channels`, the last of them with `value` at `where`."""
    samples = np.repeat(FLOATS[:, None], channels, axis=1).astype(np.float64)
    samples[where if where is not None else slice(0), -1] = value
    return encode(samples, format=major, subtype=subtype)


def values() -> Iterator[Odd]:
    one, last = slice(1248, 1249), slice(FRAMES - 1, None)
    told = "non-finite sample at 0.026000 s, channel 2"
    for major, extension in (("WAV", "wav"), ("AIFF", "aiff"), ("CAF", "caf"), ("AU", "au"), ("W64", "w64")):
        yield Odd(f"nan.{extension}", 15, partial(floats, one, major=major), "failed", words=told)
    yield Odd("inf.wav", 15, partial(floats, one, np.inf), "failed", words=told)
    yield Odd("minus_inf_f64.wav", 15, partial(floats, one, -np.inf, subtype="DOUBLE"), "failed", words=told)
    yield Odd("nan_last_f64.wav", 15, partial(floats, last, subtype="DOUBLE"), "failed", words="0.099979 s, channel 2")
    yield Odd("all_nan.wav", 15, partial(floats, slice(None)), "failed", words="at 0.000000 s, channel 2")
    yield Odd(
        "overflow_f64.wav",
        16,
        partial(floats, one, 1e308, subtype="DOUBLE"),
        "failed",
        words="made a non-finite sample",
        effects=("gain:40",),
    )
    yield Odd(
        "overflow_f32.wav",
        16,
        partial(floats, one, 3e38),
        "failed",
        words="made a non-finite sample",
        effects=("gain:40",),
    )
    for name, extra in (
        ("over.wav", {"subtype": "16"}),
        ("over.flac", {}),
        ("over_24.aiff", {"subtype": "24"}),
        ("over_mu.au", {"subtype": "ULAW"}),
        ("over_a.wav", {"subtype": "ALAW"}),
        ("over.mp3", {}),
        ("over.ogg", {}),
    ):
        for peak in (4.0, 1e38):
            yield Odd(
                f"{peak:g}_{name}.wav",
                17,
                partial(floats, slice(100, 200), peak),
                "warned",
                FRAMES,
                "100 samples clipped (peak +",
                effects=("gain:0",),
                output=f"{peak:g}_{name}",
                settings=extra,
            )
    yield Odd("huge.wav", 17, partial(floats, one, 1e38), "ok", FRAMES, effects=("gain:0",))
    yield Odd(
        "denormals.wav", 18, lambda: encode(FLOATS * np.float32(1e-40), format="WAV", subtype="FLOAT"), "ok", FRAMES
    )
    decay = np.float32(0.9) ** np.arange(FRAMES, dtype=np.float32)
    yield Odd("denormal_decay.wav", 18, lambda: encode(decay, format="WAV", subtype="FLOAT"), "ok", FRAMES)
    yield Odd(
        "s16_min.wav",
        19,
        lambda: encode(np.full(FRAMES, -32768, np.int16), format="WAV"),
        "ok",
        FRAMES,
        effects=("gain:0",),
    )


def rates_and_channels() -> Iterator[Odd]:
    def at(fs: int, tag: int = 1) -> Callable[[], bytes]:
        return lambda: oddfiles.riff(oddfiles.fmt_chunk(fs=fs), oddfiles.data_chunk())

    yield Odd("rate_1.wav", 20, at(1), "failed", words="1 kHz", effects=("lowpass:1 kHz",))
    yield Odd("rate_50.wav", 20, at(50), "failed", words="25 Hz", effects=("lowpass:1 kHz",))
    for fs in (1, 8000, 44056, 768_000, 2**31 - 1):
        yield Odd(f"rate_{fs}_gain.wav", 21, at(fs), "ok", FRAMES, effects=("gain:-3",))
    yield Odd("rate_768000.wav", 21, at(768_000), "ok", FRAMES)
    yield Odd("rate_2147483647.wav", 21, at(2**31 - 1), "read", FRAMES, effects=("lowpass:1000 kHz",))
    for name, channels, fs, words in (
        ("six.mp3", 6, FS, "MP3 holds 1 or 2 channels, not 6"),
        ("many.flac", 300, FS, "FLAC holds 1 to 8 channels, not 300"),
        ("fast.opus", 1, 96_000, "Opus cannot have a sample rate of 96000 Hz"),
        ("fast.mp3", 1, 96_000, "MP3 cannot have a sample rate of 96000 Hz"),
        ("stereo.8svx", 2, FS, "SVX holds 1 channel, not 2"),
    ):
        samples = np.resize(TONE, (900, channels))
        yield Odd(
            f"{name}.wav",
            24,
            lambda s=samples, fs=fs: encode(s, fs, format="WAV", subtype="PCM_16"),
            "failed",
            words=words,
            output=name,
        )
    for channels in (32, 720, 1024):
        wide: npt.NDArray[np.int16] = np.resize(TONE, (500, channels))
        yield Odd(f"channels_{channels}.wav", 23, lambda w=wide: encode(w, format="WAV", subtype="PCM_16"), "ok", 500)
    yield Odd(
        "mask.wav",
        23,
        lambda: oddfiles.riff(oddfiles.extensible_chunk(6, 16, 16, 0x3F), oddfiles.data_chunk()),
        "ok",
        800,
    )
