"""What other programs call stages, for those who come from there: SoX, ffmpeg, plug-ins, studio slang."""

from __future__ import annotations

import re
from collections.abc import Iterable

from torchfx_cli.chain.presets import is_preset
from torchfx_cli.effects.table import KINDS

HERE = {
    "volume": "gain", "vol": "gain", "amplify": "gain", "norm": "normalize", "loudnorm": "loudness", "eq": "peaking",
    "equalizer": "peaking", "bell": "peaking", "bass": "low_shelf", "treble": "high_shelf", "lowcut": "highpass",
    "highcut": "lowpass", "bandreject": "notch", "echo": "delay", "aecho": "delay", "adelay": "pad", "rate": "resample",
    "aresample": "resample", "remix": "channels", "silence": "trim_silence", "silenceremove": "trim_silence",
    "atrim": "trim", "afade": "fade", "areverse": "reverse", "compand": "compressor", "acompressor": "compressor",
    "agate": "gate", "noisegate": "gate", "alimiter": "limiter", "adeclick": "declick",
    "dehum": "hum", "overdrive": "saturate", "distortion": "saturate", "ir": "convolve", "afir": "convolve",
    "phase": "invert", "polarity": "invert", "dcshift": "dc_block", "riaa": "preset: riaa-playback",
}
RANGE = "a loudness range is measured, see `torchfx info --stats`, and not made; a compressor makes it narrower"
KEYS = {
    ("loudness", "range"): RANGE, ("loudness", "lra"): RANGE, ("loudness", "loudness_range"): RANGE,
    **dict.fromkeys((("loudness", key) for key in ("i", "integrated", "lufs", "level")), "here it is target"),
    **dict.fromkeys((("loudness", key) for key in ("tp", "dbtp", "peak", "max_true_peak")), "here it is true_peak"),
    **dict.fromkeys((("normalize", key) for key in ("lufs", "loudness", "target")),
                    "for a loudness write the stage loudness, like `loudness: -16 LUFS`"),
    **dict.fromkeys((("limiter", key) for key in ("threshold", "limit", "level", "peak")), "here it is ceiling"),
}
NOWHERE = ("denoise", "noisered", "noise_reduction", "afftdn", "pitch", "rubberband", "tempo", "atempo", "speed",
           "stretch", "split", "vst", "ladspa", "chorus", "flanger", "phaser")


def hint(name: str) -> str:
    """A hint behind a stage that is unknown, "" where there is none."""
    wanted = name.strip().lower().replace("-", "_")
    if wanted in HERE:
        return f"; here it is {HERE[wanted]}"
    if wanted in NOWHERE:
        return "; that is not among the things that torchfx does"
    if is_preset(name):
        return f"; it is a preset: `-c {name}`, or `preset: {name}` in a chain"
    return _colon_hint(name)


def _colon_hint(name: str) -> str:
    """Of `highpass 80` and `highpass=f=80`, as SoX and ffmpeg have it: a colon divides here."""
    kind, _, rest = re.sub(r"[\s=]+", " ", name.strip(), count=1).partition(" ")
    if kind in HERE:
        return f"; here it is {HERE[kind]}, and `torchfx import` takes whole lines of SoX and ffmpeg"
    if kind not in KINDS or not rest:
        return ""
    is_value = KINDS[kind].shorthand and re.fullmatch(r"[^\s=,]+", rest)
    return f"; write {kind}:{rest if is_value else 'key=value,...'} (`torchfx filters {kind}` lists the keys)"


def foreign_hint(keys: Iterable[str]) -> str:
    """A hint for a file of these keys at its top, which is no chain."""
    is_equaliser = any(re.fullmatch(r"(?i)filter\s*\d*|preamp|graphiceq|filters|pipeline", key) for key in keys)
    return "; an equaliser from another program becomes a chain with `torchfx import`" if is_equaliser else ""


def key_hint(kind: str, key: str) -> str:
    """A hint behind a key that the kind does not know, "" where there is none."""
    wanted = KEYS.get((kind, key.strip().lower().replace("-", "_")))
    return f"; {wanted}" if wanted else ""
