"""Channels made of channels, each a weighted sum: what mono, channels and mixes become."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from torchfx_cli.design.stage import Array, Processor, Stage
from torchfx_cli.design.stages import Gain
from torchfx_cli.kernel.load import load
from torchfx_cli.records import dataclass
from torchfx_cli.samples import Signal


@dataclass(frozen=True, eq=False)
class Matrix(Stage):
    """`weights` [channels out, channels in]. `taken`: the input channels that they only put in another order."""

    weights: Array
    label: str
    remarks: tuple[str, ...] = ()
    taken: tuple[int, ...] = ()
    cost_ns: ClassVar[float] = 2.0  # type: ignore[misc]

    def output(self, source: Signal) -> Signal:
        """See `Stage`."""
        stays = len(self.weights) == source.channels and not self.taken
        return Signal(source.fs, len(self.weights), source.mask if stays else 0)

    def speakers(self, before: tuple[int, ...], source: Signal) -> tuple[int, ...]:
        """See `Stage`: a channel that is only moved is still for its own speaker."""
        if not self.taken:
            return super().speakers(before, source)
        is_order = sorted(self.taken) == list(range(len(before)))
        return tuple(before[channel] for channel in self.taken) if is_order else ()

    @property
    def peak_gain(self) -> float:  # type: ignore[override]
        return float(np.abs(self.weights).sum(axis=1).max())

    def open(self, source: Signal) -> Processor:
        """See `Stage`."""
        return _Mixing(self.weights)


def mixed(weights: Array, label: str, remarks: tuple[str, ...] = (), taken: tuple[int, ...] = ()) -> Stage:
    """A `Matrix`; nothing at all where every channel stays as it is, so that its samples keep every bit."""
    rows, columns = weights.shape
    if rows == columns and np.array_equal(weights, np.eye(rows)):
        return Gain(1.0, label)
    return Matrix(np.array(weights), label, remarks, taken)


class _Mixing:
    """See `Kernel.mix`."""

    def __init__(self, weights: Array) -> None:
        self._kernel, self._weights = load(), np.ascontiguousarray(weights, np.float64)

    def process(self, samples: Array) -> Array:
        """See `Processor`."""
        out = np.empty((len(samples), len(self._weights)))
        self._kernel.mix(np.ascontiguousarray(samples), self._weights, out)
        return out

    def flush(self) -> Iterator[Array]:
        """Nothing is held."""
        return iter(())
