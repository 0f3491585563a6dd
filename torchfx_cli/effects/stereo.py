"""Two channels: where they stand, how far apart, and which is which; each frame times a matrix of 2 x 2."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np

from torchfx_cli.design.stage import Array, Stage
from torchfx_cli.effects.kind import Kind, Origin, StageSpec, param
from torchfx_cli.effects.matrix import mixed
from torchfx_cli.errors import DesignError
from torchfx_cli.samples import Signal

# Mid is half the sum, so that a mid of two equal sides is as loud as each and encode cannot clip.
ENCODE = np.array([[0.5, 0.5], [0.5, -0.5]])
DECODE = np.array([[1.0, 1.0], [1.0, -1.0]])


def check_stereo(source: Signal, origin: Origin) -> None:
    """Raises DesignError unless there are two channels."""
    if source.channels != 2:
        have = f"{source.channels} channel{'s' * (source.channels != 1)}"
        raise DesignError(f"{origin}: needs a stereo signal, this one has {have} here")


@dataclass(frozen=True, kw_only=True)
class StereoSpec(StageSpec):
    """Makes a mono file two equal channels; a stereo file stays as it is."""

    is_filter = False

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        if source.channels > 2:
            raise DesignError(f"{self.origin}: {source.channels} channels become stereo by downmix, channels or mix")
        return mixed(np.eye(2) if source.channels == 2 else np.ones((2, 1)), "stereo")


@dataclass(frozen=True, kw_only=True)
class PanSpec(StageSpec):
    """Places a mono file between two speakers, by sine and cosine, as loud wherever it is; stereo is balanced."""

    is_filter = False

    position: float = param("-1 is left, 0 the middle (-3.01 dB on each side), 1 right", low=-1.0, high=1.0)

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        if source.channels != 1:
            return balanced(self.position, source, self.origin, f"pan {self.position:+g}")
        angle = (self.position + 1.0) * pi / 4.0
        sides = np.array([cos(angle), sin(angle)]) if abs(self.position) < 1.0 else np.eye(2)[int(self.position > 0)]
        return mixed(sides[:, None], f"pan {self.position:+g}")


@dataclass(frozen=True, kw_only=True)
class BalanceSpec(StageSpec):
    """Turns down one side of a stereo file; the other stays as it is."""

    is_filter = False

    position: float = param("-1 leaves the left side alone, 0 both, 1 the right", low=-1.0, high=1.0)

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        return balanced(self.position, source, self.origin, f"balance {self.position:+g}")


def balanced(position: float, source: Signal, origin: Origin, label: str) -> Stage:
    """The side away from `position` is turned down."""
    check_stereo(source, origin)
    return mixed(np.diag([min(1.0, 1.0 - position), min(1.0, 1.0 + position)]), label)


@dataclass(frozen=True, kw_only=True)
class WidthSpec(StageSpec):
    """Makes a stereo file wider or narrower: its side, half of left minus right, is turned up or down."""

    is_filter = False

    amount: float = param("of the side: 0 is mono, 1 as it is, 2 twice as wide", low=0.0, high=10.0)

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        check_stereo(source, self.origin)
        same, other = (1.0 + self.amount) / 2.0, (1.0 - self.amount) / 2.0
        return mixed(np.array([[same, other], [other, same]]), f"width {self.amount:g}")


@dataclass(frozen=True, kw_only=True)
class SwapSpec(StageSpec):
    """Exchanges left and right."""

    is_filter = False

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        check_stereo(source, self.origin)
        return mixed(np.eye(2)[::-1], "swap left and right")


@dataclass(frozen=True, kw_only=True)
class MidSideSpec(StageSpec):
    """Left and right to mid and side, half of their sum and of their difference, or back."""

    is_filter = False

    way: str = param("encode: to mid and side; decode: back, the very same", form="word", choices=("encode", "decode"))

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        check_stereo(source, self.origin)
        weights: Array = ENCODE if self.way == "encode" else DECODE
        return mixed(weights, f"mid and side, {self.way}")


STEREO = Kind(StereoSpec, None, "- stereo")
PAN = Kind(PanSpec, "position", "- pan: -0.3")
BALANCE = Kind(BalanceSpec, "position", "- balance: 0.2")
WIDTH = Kind(WidthSpec, "amount", "- width: 1.3")
SWAP = Kind(SwapSpec, None, "- swap")
MID_SIDE = Kind(MidSideSpec, "way", "- mid_side: encode")
