"""Surround to stereo or mono by the coefficients of ITU-R BS.775-4, annex 4, table 2.

Centre and surrounds reach each side 3 dB down, the LFE is left out. What has more speakers than 5.1 is taken in the
same way: what stands at a side goes there, what stands in the middle to both. The standard's factors keep the level of
the front, so that full scale in all channels of 5.1 adds up to 7.66 dB more.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log10

import numpy as np

from torchfx_cli.design.stage import Stage
from torchfx_cli.effects.kind import Kind, StageSpec, param
from torchfx_cli.effects.layout import layout_of
from torchfx_cli.effects.matrix import mixed
from torchfx_cli.errors import DesignError
from torchfx_cli.samples import Signal

DOWN = 0.5**0.5
FRONT_LEFT, FRONT_RIGHT, LEFT_OUT = ("FL", "FLC"), ("FR", "FRC"), ("LFE",)


@dataclass(frozen=True, kw_only=True)
class DownmixSpec(StageSpec):
    """Mixes surround to stereo or mono by ITU-R BS.775, by the layout of the file; the LFE is left out."""

    is_filter = False

    to: str = param("stereo, or mono: half the sum of both sides", default="stereo", form="word",
                    choices=("stereo", "mono"))
    normalize: bool = param("lowers all factors alike, so that nothing can clip: those of 5.1 to stereo by 7.66 dB, as "
                            "ffmpeg does", default=False, form="bool")

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        speakers, remarks = layout_of(source, "downmix")
        if "" in speakers:
            raise DesignError(f"{self.origin}: no layout of the {source.channels} channels is told; use mix")
        weights = np.array([sides(name) for name in speakers]).T
        if source.channels == 1:
            weights = np.ones((2, 1))
        if self.to == "mono":
            weights = weights.mean(axis=0, keepdims=True)
        label, highest = f"downmix of {' '.join(speakers)} to {self.to}", float(weights.sum(axis=1).max())
        if self.normalize and highest > 1.0:
            return mixed(weights / highest, f"{label} ({-20.0 * log10(highest):+.2f} dB)", remarks)
        return mixed(weights, label, remarks)


KIND = Kind(DownmixSpec, "to", "- downmix: stereo")


def sides(speaker: str) -> tuple[float, float]:
    """How much of a speaker reaches left and right."""
    if speaker in LEFT_OUT:
        return 0.0, 0.0
    if speaker in FRONT_LEFT:
        return 1.0, 0.0
    if speaker in FRONT_RIGHT:
        return 0.0, 1.0
    if speaker == "BC":
        return 0.5, 0.5  # 3 dB down for the back, 3 more for the middle: both surrounds of table 2
    if speaker.endswith("C"):
        return DOWN, DOWN
    return (DOWN, 0.0) if speaker.endswith("L") else (0.0, DOWN)
