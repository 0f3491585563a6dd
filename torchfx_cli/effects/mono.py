"""All channels mixed into one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from torchfx_cli.design.stage import Stage
from torchfx_cli.effects.kind import Kind, StageSpec, param
from torchfx_cli.effects.matrix import mixed
from torchfx_cli.errors import DesignError
from torchfx_cli.samples import Signal


@dataclass(frozen=True, kw_only=True)
class MonoSpec(StageSpec):
    """Mixes all channels into one."""

    is_filter = False

    method: str = param("mean (cannot clip what did not clip before), sum, or one side of a stereo file",
                        default="mean", form="word", choices=("mean", "sum", "left", "right"))

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        channels = source.channels
        if self.method in ("left", "right"):
            if channels > 2:
                raise DesignError(f"{self.origin}.method: {self.method} is a side of a stereo file, this one has "
                                  f"{channels} channels; take one of them with channels")
            return mixed(np.eye(channels)[[0 if self.method == "left" else channels - 1]], f"mono, {self.method}")
        weight = 1.0 / channels if self.method == "mean" else 1.0
        return mixed(np.full((1, channels), weight), f"mono, {self.method} of {channels}")


KIND = Kind(MonoSpec, "method", "- mono")
