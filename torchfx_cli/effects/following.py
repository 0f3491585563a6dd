"""A stage whose gain follows the level of its own sound, or of that sound through a high-pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp
from typing import Any

import numpy as np

from torchfx_cli.design import biquad
from torchfx_cli.design.stage import Array, Processor, Stage
from torchfx_cli.effects.checks import not_below
from torchfx_cli.effects.kind import Q_BUTTERWORTH, param
from torchfx_cli.errors import DesignError
from torchfx_cli.kernel.base import at_rest
from torchfx_cli.kernel.following import Curve
from torchfx_cli.kernel.load import load
from torchfx_cli.samples import Signal

Rows = tuple[tuple[float, ...], ...]


def threshold(doc: str) -> Any:
    """A field for the level at which a stage begins to work."""
    return param(doc, unit="dBFS", low=-120.0, high=0.0)


def knee() -> Any:
    """A field for the bend of a curve."""
    return param("width of the bend around the threshold", default=6.0, unit="dB", low=0.0, high=60.0)


def time_constant(doc: str, default: float) -> Any:
    """A field for the time constant of a gain that comes or goes, in seconds."""
    return param(f"time constant of {doc}", default=default, unit="s", low=0.0, high=10.0)


def kept(seconds: float, fs: float) -> float:
    """What a one-pole filter with this time constant keeps of itself in a frame."""
    return exp(-1.0 / (seconds * fs)) if seconds else 0.0


def sidechain_sections(frequency_hz: float | None, fs: float, where: str) -> Rows:
    """A Butterworth high-pass of second order, or nothing. Raises DesignError, naming `where`."""
    if frequency_hz is None:
        return ()
    if not frequency_hz < fs / 2.0:
        raise DesignError(f"{where}: {not_below(frequency_hz, fs)}")
    return tuple(map(tuple, biquad.highpass(frequency_hz, Q_BUTTERWORTH, fs).tolist()))


@dataclass(frozen=True)
class Follower(Stage):
    """`sections` are what the level is heard through."""

    curve: Curve
    label: str
    sections: Rows = ()
    pictures = ("levels",)

    def open(self, source: Signal) -> Processor:
        """See `Stage`."""
        return Following(self, source.channels)


class SideChain:
    """Sections that hear a copy of each block, in memory that is used again: a first touch costs more than a filter."""

    def __init__(self, sections: Rows, channels: int) -> None:
        self._kernel, self._sections = load(), np.array(sections)
        self._state = at_rest(len(sections), channels)
        self._room = np.empty((0, channels))

    def heard(self, samples: Array) -> Array:
        """`samples` through the sections; good until the next call."""
        if len(self._room) < len(samples):
            self._room = np.empty_like(samples)
        copy = self._room[: len(samples)]
        copy[...] = samples
        self._kernel.sos(copy, self._sections, self._state)
        return copy


class Following:
    """A `Follower` at work."""

    def __init__(self, stage: Follower, channels: int) -> None:
        self._kernel, self._curve = load(), stage.curve
        self._state = np.array([stage.curve.silence_db, *[0.0] * channels])
        self._sidechain = SideChain(stage.sections, channels) if stage.sections else None

    def process(self, samples: Array) -> Array:
        """See `Processor`."""
        key = self._sidechain.heard(samples) if self._sidechain else samples
        self._kernel.follow(samples, key, self._curve, self._state)
        return samples

    def flush(self) -> Iterator[Array]:
        """Nothing is held."""
        return iter(())
