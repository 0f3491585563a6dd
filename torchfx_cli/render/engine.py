"""What every engine is: four verbs around one plan.

`process(block) -> block`, `flush() -> blocks`, `reset()`, and `plan.latency_frames`. Blocks are in file order,
[frames, channels], of the plan's source and sink formats. Engines buffer as they like: the blocks
that come out need not be as long as those that went in, but together they are the same, to the last bit, for any
cutting of the input.

An engine is made for one file and holds all that runs: frame counts, filter state, and the `Levels` seen.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from math import log10

import numpy as np
import numpy.typing as npt

from torchfx_cli.design.stage import Branched, Processor
from torchfx_cli.design.stages import Linear, linear
from torchfx_cli.errors import FileError, ReadError
from torchfx_cli.kernel.load import load
from torchfx_cli.plan.assemble import RenderPlan, Run
from torchfx_cli.records import dataclass
from torchfx_cli.render.runner import Chain, Filter, LinearRun, Samples
from torchfx_cli.samples import Signal, block_frames

Block = npt.NDArray[np.generic]


@dataclass
class Levels:
    """What was seen on the way out: highest absolute sample (1 = full scale) and the number clipped."""

    peak: float = 0.0
    clipped: int = 0

    @property
    def peak_if_clipped(self) -> float:
        """The peak where samples were clipped, else 0."""
        return self.peak if self.clipped else 0.0

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should hear of it."""
        if not self.clipped:
            return ()
        plural = "s" * (self.clipped != 1)
        return (f"{self.clipped} sample{plural} clipped (peak {20 * log10(self.peak):+.1f} dBFS)",)


class Engine(ABC):
    """Base of the engines: counts and complaints; see `HostEngine` and `TorchEngine`."""

    name = ""

    def __init__(self, plan: RenderPlan) -> None:
        self.plan = plan
        self.kernel = load()
        self.reset()

    def reset(self) -> None:
        """Forget everything heard: the next block is the first of a recording."""
        self.levels = Levels()
        self.notes: list[str] = []  # what is worth a word to whoever asks for details
        self.warnings: list[str] = []  # what everyone should know of the file, complete when it has ended
        self.frames_in = 0
        self.frames_out = 0
        self._start()

    @abstractmethod
    def process(self, block: Block) -> Block:
        """Filter `block` [frames, channels]; raises ReadError at the first NaN or infinity."""

    @abstractmethod
    def flush(self) -> Iterator[Block]:
        """What is still inside: buffered frames, those held back by latency, and the tail."""

    @abstractmethod
    def _start(self) -> None:
        """Put the filters to rest."""

    def _note_levels(self, clipped: int, peak: float, bad: int) -> None:
        """What was seen in the next block of output; raises FileError where its sample `bad` is no number (not -1)."""
        if bad >= 0:
            raise bad_output(self.plan, self.frames_out, bad)
        self.levels.clipped += clipped
        self.levels.peak = max(self.levels.peak, peak)

    def _require_finite(self, bad: int) -> None:
        """Raise ReadError where `bad`, the flat index of the input block's first non-finite sample, is not -1."""
        if bad >= 0:
            raise bad_input(self.plan.signals[0], self.frames_in, bad)


def bad_input(signal: Signal, first_frame: int, flat_index: int) -> ReadError:
    """The complaint about a sample that is no number, `flat_index` in a block that begins with `first_frame`."""
    return ReadError(f"non-finite sample at {_position(signal, first_frame, flat_index)}")


def bad_output(plan: RenderPlan, first_frame: int, flat_index: int) -> FileError:
    """The same for a sample that the chain made; see `bad_input`."""
    chain = "; ".join(stage.label for stage in plan.stages)
    where = _position(plan.output, first_frame, flat_index)
    return FileError(f"the chain ({chain}) made a non-finite sample at {where}")


def _position(signal: Signal, first_frame: int, flat_index: int) -> str:
    frame, channel = divmod(flat_index, signal.channels)
    return f"{(first_frame + frame) / signal.fs:.6f} s, channel {channel + 1}"


class HostEngine(Engine):
    """Base of the engines that hand NumPy arrays from stage to stage: conversion and tail.

    A subclass computes runs of linear stages (`_filters`); all other stages bring their own processors.
    """

    def _start(self) -> None:
        self._chain = Chain([self._processor(run) for run in self.plan.runs])

    def _processor(self, run: Run) -> Processor:
        if not run.is_linear:
            return self._opened(run)
        channels = run.source.channels
        return LinearRun(self._filters(linear(run.stages), channels), run.latency_frames, channels,
                         run.steady_gain)

    def _opened(self, run: Run) -> Processor:
        (stage,) = run.stages
        if not isinstance(stage, Branched):
            return stage.open(run.source)
        branches = [Chain([self._processor(inner) for inner in plan.runs]) for plan in run.inner]
        return stage.joined(branches, run.source)

    @abstractmethod
    def _filters(self, stages: tuple[Linear, ...], channels: int) -> Filter:
        """Linear `stages` at rest."""

    def process(self, block: Block) -> Block:
        """See `Engine`."""
        samples = np.empty(block.shape, np.float64)
        self._require_finite(self.kernel.load_samples(block, samples))
        self.frames_in += len(block)
        return self._emit(self._chain.process(samples))

    def flush(self) -> Iterator[Block]:
        """See `Engine`."""
        left = self.plan.tail_frames if self.frames_in else 0
        most = block_frames(self.plan.channels)  # a long tail over many channels must not be one block
        while left:
            frames = min(left, most)
            left -= frames
            yield self._emit(self._chain.process(np.zeros((frames, self.plan.channels))))
        for samples in self._chain.flush():
            yield self._emit(samples)
        self.warnings += self._chain.told()
        self.notes += self._chain.notes()

    def _emit(self, samples: Samples) -> Block:
        samples = np.ascontiguousarray(samples)
        sink = self.plan.sink
        block = np.empty(samples.shape, sink.dtype)
        clipped, peak, bad = self.kernel.store_samples(
            samples, block, sink.bits, self.plan.dither, self.plan.seed, self.frames_out, sink.limit
        )
        self._note_levels(clipped, peak, bad)
        self.frames_out += len(block)
        return block
