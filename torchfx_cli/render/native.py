"""CPU engine: blocks through the C kernel, or through its twin where there is none. No torch.

Each stage of the plan becomes an object with the filter state of one file. The kernel works in place on tiles small
enough to stay in the second-level cache from the first stage to the last.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np

from torchfx_cli.design.stages import Gain, Linear, Sections, Sum, Taps
from torchfx_cli.kernel.base import Kernel, at_rest
from torchfx_cli.render import runner
from torchfx_cli.render.engine import HostEngine
from torchfx_cli.render.runner import Samples


class Filter(runner.Filter, Protocol):
    """`in_step` says whether as many frames come out of each block as go in."""

    in_step: bool


class _Cascade:
    in_step = True

    def __init__(self, kernel: Kernel, stage: Sections, channels: int) -> None:
        self._kernel, self._sos = kernel, stage.sos.copy()  # the stage's is read-only, which sosfilt refuses
        self._state = at_rest(len(stage.sos), channels)

    def process(self, samples: Samples) -> Samples:
        self._kernel.sos(samples, self._sos, self._state)
        return samples


class _DirectFir:
    in_step = True

    def __init__(self, kernel: Kernel, stage: Taps, channels: int) -> None:
        self._kernel, self._taps = kernel, np.ascontiguousarray(stage.taps)
        self._history = np.zeros((len(stage.taps) - 1, channels))

    def process(self, samples: Samples) -> Samples:
        out = np.empty_like(samples)
        self._kernel.fir_direct(samples, self._taps, self._history, out)
        return out


class _Gain:
    in_step = True

    def __init__(self, kernel: Kernel, stage: Gain) -> None:
        self._kernel, self._factor = kernel, stage.factor

    def process(self, samples: Samples) -> Samples:
        self._kernel.gain(samples, self._factor)
        return samples


class _Sum:
    """Rows side by side: what one of them has made waits for the others."""

    def __init__(self, kernel: Kernel, stage: Sum, channels: int) -> None:
        self._rows = [Filters(kernel, row, channels) for row in stage.rows]
        self._waiting: list[Samples] = []
        self.in_step: bool = all(row.in_step for row in self._rows)

    def process(self, samples: Samples) -> Samples:
        made = [row.process(samples.copy()) for row in self._rows]
        if self._waiting:
            made = [np.concatenate(pair) for pair in zip(self._waiting, made, strict=True)]
        ready = min(map(len, made))
        self._waiting = [] if self.in_step else [out[ready:].copy() for out in made]
        total, *others = (out[:ready] for out in made)
        for out in others:
            total += out
        return total


class Filters:
    """Linear stages one after another and all that runs in them, at rest, for blocks [frames, channels] of float64.

    `in_step` says whether as many frames come out of each block as go in: a convolution by FFT gives its own in
    bursts, late, the last of them only after zeros.
    """

    def __init__(self, kernel: Kernel, row: Iterable[Linear], channels: int) -> None:
        builder = _Builder(kernel, channels)
        self._filters = [stage.build(builder) for stage in row]
        self.in_step: bool = all(stage.in_step for stage in self._filters)

    def process(self, samples: Samples) -> Samples:
        """What comes out; `samples` may be overwritten. What is not finite is not noticed here, and spreads."""
        for stage in self._filters:
            samples = stage.process(samples)
        return samples


class _Builder:
    """See `Builder`."""

    def __init__(self, kernel: Kernel, channels: int) -> None:
        self._kernel, self._channels = kernel, channels

    def sections(self, stage: Sections) -> Filter:
        return _Cascade(self._kernel, stage, self._channels)

    def taps(self, stage: Taps) -> Filter:
        if self._kernel.is_short(stage.taps):
            return _DirectFir(self._kernel, stage, self._channels)
        return self._kernel.fft_fir(stage.taps, self._channels)

    def gain(self, stage: Gain) -> Filter:
        return _Gain(self._kernel, stage)

    def sum(self, stage: Sum) -> Filter:
        return _Sum(self._kernel, stage, self._channels)


class NativeEngine(HostEngine):
    """See the module and `Engine`."""

    name = "native"

    def _filters(self, stages: tuple[Linear, ...], channels: int) -> Filters:
        return Filters(self.kernel, stages, channels)
