"""A recursive filter without any delay: over the file forward, and over what came out backward.

The response is |H|^2, which is real: the order and every level in dB are doubled (Gustafsson, "Determining the initial
states in forward-backward filtering", IEEE Trans. Signal Processing 44, 1996, of which the initial states are not
taken: outside the file is silence, at both ends). What the forward pass leaves behind the end is kept until it has
fallen to -300 dB and goes into the backward pass, so nothing of it is lost. In between the sound waits in a scratch.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from math import ceil
from typing import Any, ClassVar

import numpy as np

from torchfx_cli.design.decay import ringing_frames
from torchfx_cli.design.stage import Array, Processor, Stage
from torchfx_cli.design.stages import Sections
from torchfx_cli.effects.kind import param
from torchfx_cli.kernel.base import at_rest
from torchfx_cli.kernel.load import load
from torchfx_cli.records import dataclass
from torchfx_cli.samples import Signal, block_frames
from torchfx_cli.scratch import Scratch

TO_THE_END = 2.5  # times what a decay takes to -120 dB
MAX_RING_S = 600.0
MEASURED_FRAMES = 1 << 16


def zero_phase() -> Any:
    """The field of a record whose filter can go both ways, see `both_ways`."""
    return param("forward and backward over the whole file: no delay at any frequency, the order and all levels in dB "
                 "doubled, -6 dB at a -3 dB cut-off; silence outside the file", default=False, form="bool")


@dataclass(frozen=True, eq=False)
class ZeroPhase(Stage):
    """`sections`, forward and backward."""

    sections: Sections
    cost_ns: ClassVar[float] = 8.0  # type: ignore[misc]

    @property
    def label(self) -> str:  # type: ignore[override]
        return f"{self.sections.label}, forward and backward"

    @property
    def inner(self) -> tuple[Stage, ...]:  # type: ignore[override]
        return (self.sections,)

    @property
    def remarks(self) -> tuple[str, ...]:  # type: ignore[override]
        return (f"{self.label}: the order and all levels in dB are doubled, -3 dB at the cut-off become -6 dB; "
                "outside the file is silence",)

    @cached_property
    def _ringing_frames(self) -> int:
        return ceil(ringing_frames(self.sections.sos))

    @property
    def peak_gain(self) -> float:  # type: ignore[override]
        """The sum of |h[n]|, which both ways is squared at most."""
        impulse = np.eye(max(1, min(self._ringing_frames, MEASURED_FRAMES)), 1)
        return float(np.abs(_Filter(self.sections, 1).filtered(impulse)).sum() ** 2)

    def tail_frames(self, source: Signal) -> int:
        """See `Stage`: of two such filters in a row."""
        return ceil(ringing_frames(np.concatenate([self.sections.sos] * 2)))

    def ring_frames(self, source: Signal) -> int:
        """How long the forward pass goes on behind the end."""
        return ceil(min(TO_THE_END * self._ringing_frames, MAX_RING_S * source.fs))

    def scratch_bytes(self, frames: int, source: Signal) -> int:
        """See `Stage`."""
        return 8 * source.channels * (frames + self.ring_frames(source)) if frames else 0

    def open(self, source: Signal) -> Processor:
        """See `Stage`."""
        return _BothWays(self, source)


class _Filter:
    """Sections at rest."""

    def __init__(self, stage: Sections, channels: int) -> None:
        self._kernel, self._sos, self._state = load(), stage.sos.copy(), at_rest(len(stage.sos), channels)

    def filtered(self, samples: Array) -> Array:
        samples = np.ascontiguousarray(samples)
        self._kernel.sos(samples, self._sos, self._state)
        return samples


class _BothWays:
    def __init__(self, stage: ZeroPhase, source: Signal) -> None:
        self._stage, self._source = stage, source
        self._forward = _Filter(stage.sections, source.channels)
        self._made = Scratch(source.channels, f"the sound for {stage.label}")

    def process(self, samples: Array) -> Array:
        """Nothing is ready before the end."""
        self._made.append(self._forward.filtered(samples))
        return samples[:0]

    def flush(self) -> Iterator[Array]:
        """See `Processor`."""
        frames, channels = self._made.frames, self._source.channels
        step = block_frames(channels)
        left = self._stage.ring_frames(self._source) if frames else 0
        while left:
            count = min(step, left)
            self.process(np.zeros((count, channels)))
            left -= count
        backward = _Filter(self._stage.sections, channels)
        for first, samples in self._made.backwards(step):
            self._made.write(first, backward.filtered(samples[::-1])[::-1])
        for first in range(0, frames, step):
            yield self._made.read(first, min(first + step, frames))
