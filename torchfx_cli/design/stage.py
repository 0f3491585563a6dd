"""What every stage of a designed chain is: a frozen record that says what it does to a signal, and opens what does it.

    signal ──stage──▶ signal ──stage──▶ signal        `Signal(fs, channels)` is true between two stages
    stage.open(signal) ──▶ processor: process, flush   holds the state of one file

Linear time-invariant stages are the three records of `stages`, which `plan` may fuse and every engine computes its own
way. Any other stage brings its own processor; an engine needs to know nothing else of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from torchfx_cli.samples import SampleFormat, Signal

Array = npt.NDArray[np.float64]


class Processor(Protocol):
    """A stage at work on one file, in blocks of float64 [frames, channels].

    Its output is aligned with its input: a processor that delays removes its own delay. All blocks together are as
    long as the stage's `frames_out` says, and the same to the last bit however the input is cut.
    """

    def process(self, samples: Array) -> Array:
        """The frames that are ready, none or many; `samples` may be overwritten."""

    def flush(self) -> Iterator[Array]:
        """The frames that are still held, after the last block."""


class Meter(Protocol):
    """Measures a whole signal, block by block."""

    def process(self, samples: Array) -> None:
        """Take the next block, float64 [frames, channels]."""

    def reading(self) -> Any:
        """The result, after the last block, as the stage's `resolved` takes it."""


class Stage(ABC):
    """Base of the designed stages, which are frozen dataclasses.

    label           names it in messages and plans.
    is_linear       linear and time-invariant, and the same for each channel: may be fused, and gains may cross it.
    latency_frames  of a linear stage: the delay that is removed from the output of the run that it is part of.
    section_count, tap_count   of a linear stage: what it costs (see `render.costs`).
    cost_ns         of a stage that is not linear: what a sample of a channel takes on one core, about.
    peak_gain       of a stage that is not linear: the most that it raises any sample by, a factor.
    remarks         what a user should know of it before anything is done, in lines.
    ceiling         the highest level that can come out, whatever comes in (linear, 1 = full scale); None: no such.
    """

    label: str
    is_linear: ClassVar[bool] = False
    latency_frames: int = 0
    section_count: int = 0
    tap_count: int = 0
    cost_ns: float = 0.0
    peak_gain: float = 1.0
    remarks: tuple[str, ...] = ()
    ceiling: float | None = None

    def output(self, source: Signal) -> Signal:
        """The signal behind this stage."""
        return source

    def frames_out(self, frames: int, source: Signal) -> int:
        """How many frames come out of `frames` frames of `source`."""
        return frames

    def place(self, frame: float, source: Signal) -> float | None:
        """Where the frame number `frame` of the input comes out; None where it does not. For markers and times."""
        return frame

    def tail_frames(self, source: Signal) -> int:
        """How many frames it sounds on after the input has ended, to -120 dB. Runs of linear stages: see `plan`."""
        return 0

    def for_output(self, sink: SampleFormat) -> Stage:
        """This stage, where it depends on what the output can hold."""
        return self

    @abstractmethod
    def open(self, source: Signal) -> Processor:
        """This stage at rest, for one file. Engines compute linear stages by themselves."""

    def describe(self) -> str:
        """One line for people."""
        return self.label


class Measured(Stage):
    """A stage whose numbers follow from the whole signal in front of it, so that the file is read once more.

    sidechain  stages that only the meter hears, such as a weighting.
    """

    sidechain: tuple[Stage, ...] = ()

    @abstractmethod
    def meter(self, source: Signal) -> Meter:
        """A meter at rest for the signal in front of this stage, behind its `sidechain`."""

    @abstractmethod
    def resolved(self, reading: Any) -> Stage:
        """The stage that follows from what the meter read; FileError where none does. Its label is told as a note."""

    def told(self, reading: Any) -> tuple[str, ...]:
        """What a user should know of what the meter read: warnings about the file."""
        return ()

    def open(self, source: Signal) -> Processor:
        """Is resolved first, and then another stage."""
        raise TypeError(f"{self.label} needs the whole file first")


class Branched(Stage):
    """A stage that is made of chains on the same input, which an engine opens as it opens the chain around them."""

    branches: tuple[tuple[Stage, ...], ...]

    @abstractmethod
    def joined(self, branches: Sequence[Processor], source: Signal) -> Processor:
        """This stage at rest, with a processor at rest for each of its branches."""

    def open(self, source: Signal) -> Processor:
        """Engines open the branches first."""
        raise TypeError(f"{self.label} is opened by an engine")


def output_of(stages: Iterable[Stage], source: Signal) -> Signal:
    """The signal behind all of `stages`."""
    for stage in stages:
        source = stage.output(source)
    return source
