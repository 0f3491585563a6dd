"""Silence around a sound."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from torchfx_cli.design.stage import Array
from torchfx_cli.samples import block_frames


class Padding:
    """A processor that adds `start` frames of silence in front of a sound that is not empty, and `end` behind it."""

    def __init__(self, start: int, end: int, channels: int) -> None:
        self._start, self._end, self._channels, self._has_begun = start, end, channels, False

    def process(self, samples: Array) -> Array:
        """See `Processor`."""
        if self._has_begun or not len(samples):
            return samples
        self._has_begun = True
        return np.concatenate([np.zeros((self._start, self._channels)), samples]) if self._start else samples

    def flush(self) -> Iterator[Array]:
        """The silence behind."""
        left, most = self._end if self._has_begun else 0, block_frames(self._channels)
        for at in range(0, left, most):
            yield np.zeros((min(most, left - at), self._channels))
