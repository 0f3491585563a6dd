"""How other programs say a chain of linear stages: a `Builder` each, all of them with every digit.

Filters cross as the numbers that they were designed to, for one sample rate: second-order sections, taps and factors.
"""

from __future__ import annotations

import json
from math import log10
from pathlib import Path
from typing import TypeVar

from torchfx_cli.design.stages import Builder, Gain, Sections, Stage, Sum, Taps, linear

T = TypeVar("T")

COLUMNS = ("b0", "b1", "b2", "a0", "a1", "a2")


class CannotSayError(Exception):
    """The program has no words for this chain; the text says for what."""


def built_of(stage: Stage, builder: Builder[T]) -> T:
    """What `builder` makes of `stage`; CannotSayError where it is not linear."""
    if not stage.is_linear:
        raise CannotSayError(stage.label)
    return linear([stage])[0].build(builder)


class _Plain:
    """What no program here has words for."""

    def sum(self, stage: Sum) -> list[str]:
        raise CannotSayError(stage.label)

    def taps(self, stage: Taps) -> list[str]:
        raise CannotSayError("an impulse response")


class SoxWords(_Plain):
    """Effects of SoX. Its `fir` takes away half of its taps for delay.

    taps_file  where the taps go; without it they stand on the line, and have to be such that the sound is the same.
    """

    def __init__(self, taps_file: Path | None = None) -> None:
        self._taps_file = taps_file

    def sections(self, stage: Sections) -> list[str]:
        return [word for row in stage.sos for word in ("biquad", *map(repr, row.tolist()))]

    def taps(self, stage: Taps) -> list[str]:
        numbers = list(map(repr, stage.taps.tolist()))
        if self._taps_file is not None:
            self._taps_file.write_text("\n".join(numbers))
            return ["fir", str(self._taps_file)]
        if stage.delay_frames != (len(numbers) - 1) // 2:
            raise CannotSayError(f"{stage.label}: it keeps its delay, SoX takes half of the taps away; `align: true`")
        return ["fir", *numbers]

    def gain(self, stage: Gain) -> list[str]:
        return ["vol", repr(stage.factor)]


class FfmpegWords(_Plain):
    """Filters of ffmpeg, in float64."""

    def sections(self, stage: Sections) -> list[str]:
        return ["biquad=" + ":".join(f"{name}={value!r}" for name, value in zip(COLUMNS, row, strict=True)) + ":r=f64"
                for row in stage.sos.tolist()]

    def gain(self, stage: Gain) -> list[str]:
        return [f"volume={stage.factor!r}:precision=double"]


class CamillaWords(_Plain):
    """Filters of CamillaDSP, as YAML in one line each. Its convolution takes no delay away."""

    def sections(self, stage: Sections) -> list[str]:
        return [_filter("Biquad", {"type": "Free", **{name: value for name, value in zip(COLUMNS, row, strict=True)
                                                      if name != "a0"}}) for row in stage.sos.tolist()]

    def taps(self, stage: Taps) -> list[str]:
        if stage.delay_frames:
            raise CannotSayError(f"{stage.label}: it takes its delay away, CamillaDSP does not")
        return [_filter("Conv", {"type": "Values", "values": stage.taps.tolist()})]

    def gain(self, stage: Gain) -> list[str]:
        return [_filter("Gain", {"gain": abs(stage.factor), "scale": "linear", "inverted": stage.factor < 0})]


def _filter(kind: str, parameters: dict[str, object]) -> str:
    return json.dumps({"type": kind, "parameters": parameters})


class ApoWords(_Plain):
    """Lines of Equalizer APO."""

    def sections(self, stage: Sections) -> list[str]:
        return [f"Filter: ON IIR Order 2 Coefficients {' '.join(map(repr, row))}" for row in stage.sos.tolist()]

    def gain(self, stage: Gain) -> list[str]:
        if stage.factor <= 0:
            return [f"Filter: ON IIR Order 2 Coefficients {stage.factor!r} 0 0 1 0 0"]
        return [f"Preamp: {20.0 * log10(stage.factor):.15g} dB"]
