"""How much a lossy output may take: at a bit rate, at a quality, or about what its lossy input took.

libsndfile knows a compression level from 0 to 1 only. In MP3 it is a straight line from the highest bit rate to the
lowest, or a tenth of the V of LAME's variable rate; in Opus a straight line from 256 to 6 kbit/s a channel; in Vorbis 1
less a tenth of the quality, whose bit rate the encoder alone knows. Measured with 1.2.2: 20 s of stereo at 48 kHz take
139 kbit/s by default as MP3, 116 as Vorbis and 122 as Opus; FLAC gains 2 % from the lowest level to the highest.
"""

from __future__ import annotations

import io
from dataclasses import replace
from functools import lru_cache

from torchfx_cli.records import dataclass
from torchfx_cli.stream.formats import RATED, Encoding, OutputFormat

MAX_QUALITY = 10
_WORST_LEVEL = 0.999  # 1 is refused by LAME
_OPUS_KBPS = (6, 256)  # a channel
_USUAL = {"MPEG_LAYER_III": "variable rate, quality 6 (V4)", "VORBIS": "quality 4", "OPUS": "automatic bit rate"}
_VORBIS_STEPS = 12
_NOMINAL_AT = 28 + 20  # of the bit rate in the first page of a Vorbis stream
# By the lowest sample rate: bit rates of layer III in kbit/s, of MPEG-1, 2 and 2.5 (what libsndfile offers of it).
_MP3_KBPS = {
    32000: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    16000: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    0: (8, 16, 24, 32, 40, 48, 56, 64),
}


@dataclass(frozen=True)
class RateWish:
    """What is asked for: a bit rate in kbit/s, or a quality from 0 to 10 (best); None for what suits the input."""

    kbps: float | None = None
    quality: float | None = None

    @property
    def option(self) -> str:
        """What asks for it, "" for nothing."""
        return "--bitrate" if self.kbps is not None else "--quality" if self.quality is not None else ""


AS_INPUT = RateWish()


def rated(out_format: OutputFormat, fs: int, channels: int, wish: RateWish, source_kbps: float | None = None,
          source_channels: int = 0) -> OutputFormat:
    """`out_format` with how its encoder is to be set, for `channels` at `fs` Hz.

    source_kbps  what a lossy input takes: each channel may take as much again.
    """
    subtype = out_format.subtype
    if subtype not in RATED:
        return out_format
    kbps = wish.kbps
    if wish == AS_INPUT and source_kbps is not None:
        kbps = source_kbps * channels / max(1, source_channels)
    if kbps is not None:
        return replace(out_format, encoding=_at_kbps(subtype, fs, channels, kbps, is_asked=wish.kbps is not None))
    if wish.quality is not None:
        level = min(_WORST_LEVEL if subtype == "MPEG_LAYER_III" else 1.0, 1 - wish.quality / MAX_QUALITY)
        return replace(out_format, encoding=Encoding(level, "VARIABLE", f"quality {wish.quality:g} of {MAX_QUALITY}"))
    return replace(out_format, encoding=Encoding(None, "", _USUAL[subtype]))


def _at_kbps(subtype: str, fs: int, channels: int, kbps: float, *, is_asked: bool) -> Encoding:
    """`is_asked`: an MP3 has one of the rates that there are; else only where the input has, too."""
    if subtype == "VORBIS":
        level = _vorbis_level(fs, channels, kbps)
        return Encoding(level, "", f"quality {(1 - level) * MAX_QUALITY:.1f}, about {kbps:.0f} kbit/s")
    if subtype == "OPUS":
        least, most = (channels * limit for limit in _OPUS_KBPS)
        kbps = min(most, max(least, kbps))
        return Encoding(1 - (kbps - least) / (most - least), "", f"about {kbps:.0f} kbit/s")
    offered = next(rates for lowest, rates in _MP3_KBPS.items() if fs >= lowest)
    near = next((rate for rate in offered if rate >= kbps * 0.99), offered[-1])
    is_constant = is_asked or near <= kbps * 1.01
    kbps = min(offered[-1], max(offered[1], near if is_constant else kbps))
    level = (offered[-1] - kbps) / (offered[-1] - offered[0])
    mode, about = ("CONSTANT", "") if is_constant else ("AVERAGE", "about ")
    return Encoding(min(_WORST_LEVEL, level), mode, f"{about}{kbps:.0f} kbit/s")


@lru_cache(maxsize=64)
def _vorbis_level(fs: int, channels: int, kbps: float) -> float:
    """The level whose nominal bit rate comes nearest: it falls as the level rises."""
    low, high = 0.0, 1.0
    for _ in range(_VORBIS_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _vorbis_kbps(fs, channels, middle) > kbps else (low, middle)
    return (low + high) / 2


def _vorbis_kbps(fs: int, channels: int, level: float) -> float:
    """What the encoder says in the header of an empty file."""
    from torchfx_cli.libsndfile import soundfile

    buffer = io.BytesIO()
    soundfile.SoundFile(buffer, "w", fs, channels, "VORBIS", format="OGG", compression_level=level).close()
    return nominal_kbps(buffer.getvalue())


def nominal_kbps(first_page: bytes) -> float:
    """The nominal bit rate in the first page of a Vorbis stream, 0 where it says none."""
    rate = int.from_bytes(first_page[_NOMINAL_AT : _NOMINAL_AT + 4], "little", signed=True)
    return max(0, rate) / 1000
