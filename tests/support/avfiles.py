"""Files that FFmpeg's encoders make, through PyAV, which must be there before this is called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

FS = 44100
FRAMES = 20_000  # a multiple of no packet
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
Samples = np.ndarray[Any, np.dtype[Any]]


def sweeps(channels: int = 2, frames: int = FRAMES, fs: int = FS) -> Samples:
    """[frames, channels] of float64, each channel another, none like itself elsewhere."""
    time = np.arange(frames) / fs
    return np.stack([0.4 * np.sin(2 * np.pi * (300 + 170 * c) * time * (1 + 2 * time)) for c in range(channels)], 1)


def encode(path: Path, codec: str, samples: Samples, *, fs: int = FS, form: str | None = None, streams: int = 1,
           options: Mapping[str, str] | None = None, video: bool = False) -> Samples:
    """Write `path`; the samples as the encoder was given them. A second stream is the first inverted."""
    import av

    with av.open(str(path), "w", options=dict(options or {})) as file:
        film: Any = file.add_stream("mpeg4", rate=10) if video else None
        sounds: list[Any] = [file.add_stream(codec, rate=fs) for _ in range(streams)]
        for sound in sounds:
            sound.layout = LAYOUTS[samples.shape[1]]
            sound.format = form or sound.codec.audio_formats[0].name
            sound.bit_rate = 128_000 * samples.shape[1]
            sound.codec_context.open()
        if film is not None:
            film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
            for number in range(5):
                frame = av.VideoFrame(64, 48, "yuv420p")
                frame.pts = number
                file.mux(film.encode(frame))
            file.mux(film.encode(None))
        given = _as_format(samples, sounds[0].format.name)
        for number, sound in enumerate(sounds):
            _feed(file, sound, -given if number else given, fs)
    return given


def _as_format(samples: Samples, form: str) -> Samples:
    if form.startswith("s16"):
        return np.round(samples * 32767).astype(np.int16)
    if form.startswith("s32"):
        return np.round(samples * 8388607).astype(np.int32) << 8
    return samples.astype(np.float32)


def _feed(file: Any, stream: Any, given: Samples, fs: int) -> None:
    import av

    size, form = stream.codec_context.frame_size or 4096, stream.format
    for at in range(0, len(given), size):
        part = given[at : at + size]
        shaped = part.T if form.is_planar else part.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(shaped), form.name, stream.layout.name)
        frame.sample_rate, frame.pts = fs, at
        file.mux(stream.encode(frame))
    file.mux(stream.encode(None))
