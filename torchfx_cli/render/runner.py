"""Stages at work, one after another: how a run of linear ones and every other stage become one processor.

Here alone a delay is removed, and here alone what a stage holds at the end is passed through those behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from torchfx_cli.design.stage import Processor
from torchfx_cli.samples import block_frames

Samples = npt.NDArray[np.float64]


class Filter(Protocol):
    """Linear stages at work on some channels. Frames may come out late and in bursts, but none is lost."""

    def process(self, samples: Samples) -> Samples:
        """What is ready; `samples` [frames, channels] may be overwritten."""


class LinearRun:
    """A run of linear stages as a processor: `latency_frames` are removed from its output, once for all of them."""

    def __init__(self, filters: Filter, latency_frames: int, channels: int) -> None:
        self._filters, self._to_skip, self._channels = filters, latency_frames, channels
        self._owed = 0  # frames that went in and have not come out

    def process(self, samples: Samples) -> Samples:
        """See `Processor`."""
        self._owed += len(samples)
        return self._due(self._filters.process(samples))

    def flush(self) -> Iterator[Samples]:
        """What is owed: it comes out when silence follows."""
        while self._owed:
            yield self._due(self._filters.process(np.zeros((block_frames(self._channels), self._channels))))

    def _due(self, samples: Samples) -> Samples:
        skipped = min(self._to_skip, len(samples))
        self._to_skip -= skipped
        due = samples[skipped : skipped + self._owed]
        self._owed -= len(due)
        return due


class Chain:
    """Processors one after another, themselves a processor."""

    def __init__(self, processors: Sequence[Processor]) -> None:
        self._processors = processors

    def process(self, samples: Samples) -> Samples:
        """See `Processor`."""
        for processor in self._processors:
            samples = np.ascontiguousarray(processor.process(samples))
        return samples

    def flush(self) -> Iterator[Samples]:
        """What each of them holds goes through those behind it, before those are flushed."""
        for n, processor in enumerate(self._processors):
            behind = Chain(self._processors[n + 1 :])
            for samples in processor.flush():
                yield behind.process(samples)
