"""What other programs call stages, for those who come from there: SoX, ffmpeg, plug-ins, studio slang."""

from __future__ import annotations

from torchfx_cli.chain.presets import is_preset

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
    return ""
