"""A curve that bends what is loud, as tape and valves do, computed at a multiple of the rate so that little aliases.

A curve f has the slope 1 at 0, and the drive g goes in and out again: f(g x) / g. What is soft against 1 / g so stays
as it is. Only what the curve adds, f(g x) / g - x, takes the way through the higher rate: x at `oversampling` times the
rate by the interpolator of design/truepeak.py, and back by a low-pass of 128 samples (Kaiser window, -90 dB from half
the rate on, flat up to 0.91 of it). To that comes the input itself, delayed as much, so a soft sound and what lies near
half the rate pass to the last digits. The delay is removed. Harmonics beyond the higher rate fold back: of a full-scale
sine of 5 kHz at 48 kHz, four times the rate, tanh, they lie below -110 dB of it for a drive of 12 dB, -65 for 18 dB and
-43 for 24 dB; eight times the rate has -75 dB for 24 dB, sixteen times -108.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from torchfx_cli.design.stage import Array, Processor, Stage
from torchfx_cli.design.truepeak import TAPS, interpolator, windowed_sinc
from torchfx_cli.effects.held import Held
from torchfx_cli.effects.kind import Kind, StageSpec, param
from torchfx_cli.kernel.load import load
from torchfx_cli.samples import Signal

HALF = 64  # of the low-pass on the way back, in frames
DELAY = TAPS // 2 + HALF
BETA, CUTOFF = 8.96, 0.4777  # its transition, 0.0446 of the rate wide, ends at half the rate
COST_NS = 15.0  # for each of `oversampling`


def _soft(x: Array) -> Array:
    """A cubic that is level from 1.5 on, at 1."""
    x = np.clip(x, -1.5, 1.5)
    made: Array = x - 4.0 / 27.0 * x * x * x
    return made


def _atan(x: Array) -> Array:
    """Comes to 1 more slowly than tanh."""
    made: Array = np.arctan(np.pi / 2.0 * x) * (2.0 / np.pi)
    return made


CURVES: dict[str, Callable[[Array], Array]] = {"tanh": np.tanh, "soft": _soft, "atan": _atan}


@dataclass(frozen=True, kw_only=True)
class SaturateSpec(StageSpec):
    """Bends what is loud like tape or valves: odd harmonics, oversampled; what is soft stays as it is."""

    is_filter = False

    drive_db: float = param("how far full scale is driven into the curve, which levels off so far below full scale",
                            default=12.0, unit="dB", low=0.0, high=48.0)
    shape: str = param("tanh, a cubic that is level from a point on (soft), or the slower atan", default="tanh",
                       form="word", choices=tuple(CURVES))
    oversampling: int = param("at how many times the rate the curve is computed", default=4, form="integer", low=1,
                              high=16)
    mix: float = param("share of the bent sound, the rest is the sound as it was", default=1.0, low=0.0, high=1.0)

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        return Saturate(10.0 ** (self.drive_db / 20.0), self.shape, self.oversampling, self.mix,
                        f"saturate {self.drive_db:g} dB, {self.shape}, {self.oversampling} times the rate")


KIND = Kind(SaturateSpec, "drive_db", "- saturate: {drive: 12 dB, mix: 0.5}")


@dataclass(frozen=True)
class Saturate(Stage):
    """See the module; `drive` is a factor."""

    drive: float
    shape: str
    oversampling: int
    mix: float
    label: str
    pictures = ("levels",)

    @property
    def cost_ns(self) -> float:  # type: ignore[override]
        return COST_NS * self.oversampling

    @property
    def peak_gain(self) -> float:  # type: ignore[override]
        """The sums of |h| of both filters: 2.84 and 2.43 at most. What the curve adds is never more than its input."""
        return 1.0 + 6.9 * self.mix

    def open(self, source: Signal) -> Processor:
        """See `Stage`."""
        return _Saturating(self, source.channels)


class _Saturating:
    """A phase is every `oversampling`-th frame at the higher rate: it comes from the input by one filter, and goes to
    the output by another."""

    def __init__(self, stage: Saturate, channels: int) -> None:
        self._kernel, self._drive, self._curve = load(), stage.drive, CURVES[stage.shape]
        self._channels, factor = channels, stage.oversampling
        back = HALF - np.arange(2 * HALF + 1) + np.arange(factor)[:, None] / factor
        self._up = [np.ascontiguousarray(row) for row in interpolator(factor)[:, ::-1] * stage.drive]
        lowpass = windowed_sinc(back, HALF, BETA, CUTOFF)
        self._down = list(lowpass * (stage.mix / stage.drive / lowpass.sum()))
        self._heard = [[np.zeros((len(taps) - 1, channels)) for taps in ways] for ways in (self._up, self._down)]
        self._dry = Held(DELAY, channels)

    def process(self, samples: Array) -> Array:
        """See `Processor`."""
        samples = np.ascontiguousarray(samples)
        added, phase, part = (np.zeros_like(samples) for _ in range(3))
        for up, down, heard_up, heard_down in zip(self._up, self._down, *self._heard, strict=True):
            self._kernel.fir_direct(samples, up, heard_up, phase)
            bent = self._curve(phase)
            bent -= phase
            self._kernel.fir_direct(bent, down, heard_down, part)
            added += part
        made = self._dry.push(samples)
        made += added[len(added) - len(made) :]
        return made

    def flush(self) -> Iterator[Array]:
        """See `Processor`."""
        yield self.process(np.zeros((DELAY, self._channels)))
