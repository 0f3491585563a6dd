"""CPU engine: blocks through the C kernel, or through its twin where there is none. No torch.

Each stage of the plan becomes an object with the filter state of one file. The kernel works in place on tiles small
enough to stay in the second-level cache from the first stage to the last.
"""

from __future__ import annotations

import numpy as np

from torchfx_cli.design.stages import Gain, Sections, Stage, Taps
from torchfx_cli.kernel.base import FftFir, Kernel
from torchfx_cli.plan.rows import Row, Sum
from torchfx_cli.render.engine import HostEngine
from torchfx_cli.render.runner import Filter, Samples


class _Cascade:
    def __init__(self, kernel: Kernel, stage: Sections, channels: int) -> None:
        self._kernel, self._sos = kernel, stage.sos.copy()  # the stage's is read-only, which sosfilt refuses
        self._state = np.zeros((len(stage.sos), channels, 2))

    def process(self, samples: Samples) -> Samples:
        self._kernel.sos(samples, self._sos, self._state)
        return samples


class _DirectFir:
    def __init__(self, kernel: Kernel, stage: Taps, channels: int) -> None:
        self._kernel, self._taps = kernel, np.ascontiguousarray(stage.taps)
        self._history = np.zeros((len(stage.taps) - 1, channels))

    def process(self, samples: Samples) -> Samples:
        out = np.empty_like(samples)
        self._kernel.fir_direct(samples, self._taps, self._history, out)
        return out


class _Gain:
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
    """`row` one after another and all that runs in them, at rest, for blocks [frames, channels] of float64.

    `in_step` says whether as many frames come out of each block as go in: a convolution by FFT gives its own in
    bursts, late, the last of them only after zeros.
    """

    def __init__(self, kernel: Kernel, row: Row, channels: int) -> None:
        self._filters = [_filter(kernel, stage, channels) for stage in row]
        self.in_step = all(stage.in_step if isinstance(stage, _Sum) else not isinstance(stage, FftFir)
                           for stage in self._filters)

    def process(self, samples: Samples) -> Samples:
        """What comes out; `samples` may be overwritten. What is not finite is not noticed here, and spreads."""
        for stage in self._filters:
            samples = stage.process(samples)
        return samples


def _filter(kernel: Kernel, stage: Stage | Sum, channels: int) -> Filter:
    if isinstance(stage, Sum):
        return _Sum(kernel, stage, channels)
    if isinstance(stage, Sections):
        return _Cascade(kernel, stage, channels)
    if isinstance(stage, Taps):
        if len(stage.taps) <= kernel.direct_max_taps:
            return _DirectFir(kernel, stage, channels)
        return kernel.fft_fir(stage.taps, channels)
    if isinstance(stage, Gain):
        return _Gain(kernel, stage)
    raise TypeError(f"{stage} is no linear stage that this engine knows")


class NativeEngine(HostEngine):
    """See the module and `Engine`."""

    name = "native"

    def _filters(self, stages: tuple[Stage, ...], channels: int) -> Filters:
        return Filters(self.kernel, stages, channels)
