"""The table of kinds: a line each, with the file of its `KIND` (or of another name, behind a colon).

A file is loaded when its kind is asked for, so that a run starts with those of its own chain.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module

from torchfx_cli.effects.kind import Kind


class Kinds(MutableMapping[str, Kind]):
    """Name -> kind, in the order of the table."""

    def __init__(self, places: dict[str, str]) -> None:
        self._found: dict[str, Kind | str] = dict(places)

    def __getitem__(self, name: str) -> Kind:
        found = self._found[name]
        if isinstance(found, str):
            module, _, attribute = found.partition(":")
            found = self._found[name] = getattr(import_module(f"torchfx_cli.effects.{module}"), attribute or "KIND")
        return found

    def __setitem__(self, name: str, kind: Kind) -> None:
        self._found[name] = kind

    def __delitem__(self, name: str) -> None:
        del self._found[name]

    def __contains__(self, name: object) -> bool:
        return name in self._found

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


KINDS = Kinds({
    "highpass": "highpass_lowpass:HIGHPASS",
    "lowpass": "highpass_lowpass:LOWPASS",
    "bandpass": "bandpass_bandstop:BANDPASS",
    "bandstop": "bandpass_bandstop:BANDSTOP",
    "peaking": "peaking",
    "low_shelf": "shelves:LOW",
    "high_shelf": "shelves:HIGH",
    "notch": "notch",
    "allpass": "allpass",
    "dc_block": "dc_block",
    "tilt": "tilt",
    "analog": "analog",
    "sos": "sos",
    "fir": "fir",
    "graphic_eq": "graphic_eq",
    "eq_curve": "eq_curve",
    "gain": "gain:GAIN",
    "invert": "gain:INVERT",
    "normalize": "normalize",
    "loudness": "loudness",
    "compressor": "compressor",
    "limiter": "limiter",
    "gate": "gate",
    "expander": "expander",
    "deesser": "deesser",
    "multiband": "multiband",
    "crossover": "crossover",
    "hum": "hum",
    "declick": "declick",
    "saturate": "saturate",
    "tremolo": "tremolo",
    "resample": "resample",
    "mono": "mono",
    "stereo": "stereo:STEREO",
    "downmix": "downmix",
    "mix": "mix",
    "pan": "stereo:PAN",
    "balance": "stereo:BALANCE",
    "width": "stereo:WIDTH",
    "swap": "stereo:SWAP",
    "mid_side": "stereo:MID_SIDE",
    "channels": "channels",
    "convolve": "convolve",
    "trim": "trim",
    "trim_silence": "trim_silence",
    "parallel": "parallel",
    "repeat": "repeat",
    "fade": "fade",
    "pad": "pad",
    "delay": "delay",
    "reverse": "reverse",
    "reverb": "reverb",
})
