"""The table of kinds: a line each."""

from __future__ import annotations

from torchfx_cli.effects import (
    allpass,
    analog,
    bandpass_bandstop,
    channels,
    compressor,
    dc_block,
    eq_curve,
    fir,
    gain,
    graphic_eq,
    highpass_lowpass,
    loudness,
    mono,
    normalize,
    notch,
    peaking,
    resample,
    shelves,
    sos,
    trim,
)
from torchfx_cli.effects.kind import Kind

KINDS: dict[str, Kind] = {
    "highpass": highpass_lowpass.HIGHPASS,
    "lowpass": highpass_lowpass.LOWPASS,
    "bandpass": bandpass_bandstop.BANDPASS,
    "bandstop": bandpass_bandstop.BANDSTOP,
    "peaking": peaking.KIND,
    "low_shelf": shelves.LOW,
    "high_shelf": shelves.HIGH,
    "notch": notch.KIND,
    "allpass": allpass.KIND,
    "dc_block": dc_block.KIND,
    "analog": analog.KIND,
    "sos": sos.KIND,
    "fir": fir.KIND,
    "graphic_eq": graphic_eq.KIND,
    "eq_curve": eq_curve.KIND,
    "gain": gain.GAIN,
    "invert": gain.INVERT,
    "normalize": normalize.KIND,
    "loudness": loudness.KIND,
    "compressor": compressor.KIND,
    "resample": resample.KIND,
    "mono": mono.KIND,
    "channels": channels.KIND,
    "trim": trim.KIND,
}
