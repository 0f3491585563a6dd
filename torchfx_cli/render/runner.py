"""Stages at work, one after another: how a run of linear ones and every other stage become one processor.

Here alone a delay is removed (`Alignment`), and here alone what a stage holds at the end is passed through those behind
it (`Chain`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from torchfx_cli.design.stage import Processor, Telling
from torchfx_cli.records import dataclass
from torchfx_cli.samples import block_frames

Samples = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Alignment:
    """Which frames that a filter makes are due: as many as it has heard, behind the delay at their beginning.

    to_skip  frames of delay that have not come out yet.
    owed     frames that went in, and whose output has not come out.
    """

    to_skip: int
    owed: int = 0

    @property
    def missing_frames(self) -> int:
        """How many frames of silence bring out all that is owed, of a filter that answers each frame at once."""
        return self.to_skip + self.owed if self.owed else 0

    def heard(self, frames: int) -> Alignment:
        """After so many more frames of input."""
        return Alignment(self.to_skip, self.owed + frames)

    def due(self, made: int) -> tuple[int, int, Alignment]:
        """Of the next `made` frames the first that is due, and how many are; and what holds after them."""
        skipped = min(self.to_skip, made)
        kept = min(self.owed, made - skipped)
        return skipped, kept, Alignment(self.to_skip - skipped, self.owed - kept)


class Filter(Protocol):
    """Linear stages at work on some channels. Frames may come out late and in bursts, but none is lost."""

    def process(self, samples: Samples) -> Samples:
        """What is ready; `samples` [frames, channels] may be overwritten."""


class LinearRun:
    """A run of linear stages as a processor: `latency_frames` are removed from its output, once for all of them.

    `steady_gain`: see `Run.steady_gain`.
    """

    def __init__(self, filters: Filter, latency_frames: int, channels: int, steady_gain: float | None = None) -> None:
        self._filters, self._channels = filters, channels
        self._alignment = Alignment(latency_frames)
        self._steady_gain, self._first = steady_gain, np.empty((0, channels))

    def process(self, samples: Samples) -> Samples:
        """See `Processor`."""
        self._alignment = self._alignment.heard(len(samples))
        return self._filtered(samples)

    def flush(self) -> Iterator[Samples]:
        """What is owed: it comes out when silence follows."""
        while self._alignment.owed:
            yield self._filtered(np.zeros((block_frames(self._channels), self._channels)))

    def _filtered(self, samples: Samples) -> Samples:
        if self._steady_gain is None:
            return self._due(self._filters.process(samples))
        if not len(self._first):
            self._first = samples[:1].copy()
        if not len(self._first):
            return samples
        return self._due(self._filters.process(samples - self._first)) + self._steady_gain * self._first

    def _due(self, samples: Samples) -> Samples:
        first, count, self._alignment = self._alignment.due(len(samples))
        return samples[first : first + count]


class Chain(Telling):
    """Processors one after another, themselves a processor."""

    def __init__(self, processors: Sequence[Processor]) -> None:
        self._processors = self.inner = processors

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
                yield behind.process(np.ascontiguousarray(samples))
