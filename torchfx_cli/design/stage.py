"""What every stage of a designed chain is: a frozen record that says what it does to a signal, and opens what does it.

    signal ──stage──▶ signal ──stage──▶ signal        `Signal(fs, channels)` is true between two stages
    stage.open(signal) ──▶ processor: process, flush   holds the state of one file

Linear time-invariant stages are the three records of `stages`, which `plan` may fuse and every engine computes its own
way. Any other stage brings its own processor; an engine needs to know nothing else of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt

from torchfx_cli.samples import SampleFormat, Signal

Array = npt.NDArray[np.float64]
# What can be drawn of a stage: its frequency response, the level of a tone behind it over the level in front of it, its
# gain over time.
Picture = Literal["response", "levels", "envelope"]


class Processor(Protocol):
    """A stage at work on one file, in blocks of float64 [frames, channels].

    Its output is aligned with its input: a processor that delays removes its own delay. All blocks together are as
    long as the stage's `frames_out` says, and the same to the last bit however the input is cut.
    """

    def process(self, samples: Array) -> Array:
        """The frames that are ready, none or many; `samples` are its own from now on, to overwrite or to keep."""

    def flush(self) -> Iterator[Array]:
        """The frames that are still held, after the last block."""


class Telling:
    """A base of processors that know something of the file when it has ended: after `flush`.

    inner  the processors that it is made of, which may have something to tell.
    """

    inner: Sequence[Any] = ()

    def told(self) -> tuple[str, ...]:
        """Warnings about the file."""
        return tuple(line for processor in self.inner if isinstance(processor, Telling) for line in processor.told())

    def notes(self) -> tuple[str, ...]:
        """Lines for whoever asks for details."""
        return tuple(line for processor in self.inner if isinstance(processor, Telling) for line in processor.notes())


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
    is_noted        its processor has something to tell of each file, see `Telling`.
    cost_ns         of a stage that is not linear: what a sample of a channel takes on one core, about.
    peak_gain       of a stage that is not linear: the most that it raises any sample by, a factor.
    remarks         what a user should know of it before anything is done, in lines.
    ceiling         the highest level that can come out, whatever comes in (linear, 1 = full scale); None: no such.
    minds_end       what it does depends on where the sound ends: a tail that later stages need comes behind it.
    turns_time      frames come out in another order, so that `place` cannot tell where.
    pictures        what `analysis` draws of it, as it measures it; () where all depends on the sound.
    inner           stages that it is made of, which say where its response may bend.
    """

    label: str
    is_linear: ClassVar[bool] = False
    is_noted: bool = False
    latency_frames: int = 0
    section_count: int = 0
    tap_count: int = 0
    cost_ns: float = 0.0
    peak_gain: float = 1.0
    remarks: tuple[str, ...] = ()
    ceiling: float | None = None
    minds_end: bool = False
    turns_time: ClassVar[bool] = False
    pictures: tuple[Picture, ...] = ("response",)
    inner: tuple[Stage, ...] = ()

    def output(self, source: Signal) -> Signal:
        """The signal behind this stage."""
        return source

    def speakers(self, before: tuple[int, ...], source: Signal) -> tuple[int, ...]:
        """For which speakers the channels behind it are, where those in front are for `before`; () for no such."""
        return before if self.output(source).channels == source.channels else ()

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

    def memory_bytes(self, source: Signal) -> int:
        """The memory that it takes at work, where that may be much. Linear stages: see `plan`."""
        return 0

    def scratch_bytes(self, frames: int, source: Signal) -> int:
        """What it keeps of a file of so many frames in a temporary file, see `scratch`."""
        return 0

    def envelope_frames(self, source: Signal) -> int:
        """Of a stage whose gain changes with time: how long a sound shows all of it."""
        return round(source.fs)

    @abstractmethod
    def open(self, source: Signal) -> Processor:
        """This stage at rest, for one file. Engines compute linear stages by themselves."""

    def describe(self) -> str:
        """One line for people."""
        return self.label


class Measured(Stage):
    """A stage whose numbers follow from the whole signal in front of it, so that the file is read once more.

    sidechain       stages that only the meter hears, such as a weighting.
    is_shared       the files of an album may be measured together, for all of which one stage follows then.
    changes_length  the stage that follows may cut frames off, nobody knows how many.
    """

    sidechain: tuple[Stage, ...] = ()
    is_shared: ClassVar[bool] = False
    changes_length: ClassVar[bool] = False
    pictures = ()

    @abstractmethod
    def meter(self, source: Signal) -> Meter:
        """A meter at rest for the signal in front of this stage, behind its `sidechain`."""

    @abstractmethod
    def resolved(self, reading: Any) -> Stage:
        """The stage that follows from what the meter read; FileError where none does. Its label is told as a note."""

    def told(self, reading: Any) -> tuple[str, ...]:
        """What a user should know of what the meter read: warnings about the file."""
        return ()

    def part(self, meter: Any) -> Any:
        """Of a stage that is shared: what is kept of a meter of its own that has heard a file of an album."""
        raise TypeError(f"{self.label} is not shared")

    def of_album(self, parts: Sequence[Any]) -> Any:
        """What a meter would read of all files together whose `parts` these are, in this order."""
        raise TypeError(f"{self.label} is not shared")

    def open(self, source: Signal) -> Processor:
        """Is resolved first, and then another stage."""
        raise TypeError(f"{self.label} needs the whole file first")


class Branched(Stage):
    """A stage that is made of chains on its input, or parts of it, which an engine opens as it opens the whole."""

    branches: tuple[tuple[Stage, ...], ...]

    @property
    def is_noted(self) -> bool:  # type: ignore[override]
        return any(stage.is_noted for branch in self.branches for stage in branch)

    @property
    def inner(self) -> tuple[Stage, ...]:  # type: ignore[override]
        return tuple(stage for branch in self.branches for stage in branch)

    @property
    def minds_end(self) -> bool:  # type: ignore[override]
        return any(stage.minds_end for stage in self.inner)

    @property
    def turns_time(self) -> bool:  # type: ignore[override]
        return all(any(stage.turns_time for stage in branch) for branch in self.branches)

    @property
    def remarks(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(remark for stage in self.inner for remark in stage.remarks)

    @property
    def pictures(self) -> tuple[Picture, ...]:  # type: ignore[override]
        """The response at rest, and what its branches have; nothing where that takes the whole file."""
        if any(isinstance(stage, Measured) or stage.turns_time or (isinstance(stage, Branched) and not stage.pictures)
               for stage in self.inner):
            return ()
        found = [picture for stage in self.inner for picture in stage.pictures]
        return tuple(dict.fromkeys(("response", *found)))

    def for_output(self, sink: SampleFormat) -> Stage:
        """See `Stage`."""
        branches = tuple(tuple(stage.for_output(sink) for stage in branch) for branch in self.branches)
        return replace(self, branches=branches)  # type: ignore[type-var]

    def heard(self, source: Signal) -> tuple[Signal, ...]:
        """What each branch hears of the signal `source`."""
        return (source,) * len(self.branches)

    def scratch_bytes(self, frames: int, source: Signal) -> int:
        """See `Stage`: where one branch gives nothing before the end, what the others give waits as long."""
        own, through = [], []
        for branch, heard in zip(self.branches, self.heard(source), strict=True):
            taken, length = 0, frames
            for stage in branch:
                taken += stage.scratch_bytes(length, heard)
                length, heard = stage.frames_out(length, heard), stage.output(heard)
            own.append(taken)
            through.append(8 * heard.channels * length)
        return sum(taken or passed for taken, passed in zip(own, through, strict=True)) if any(own) else 0

    def leading_to(self, branch: int, source: Signal) -> tuple[Stage, ...]:
        """Stages that make of the signal in front of it what that branch hears."""
        return ()

    def where(self, branch: int) -> str:
        """The name of a branch in messages; "" for none."""
        return ""

    @property
    def is_empty(self) -> bool:
        """Whether it passes everything as it is, once its branches are fused."""
        return False

    def followed_by(self, other: Branched) -> Branched | None:
        """One stage that does what this one and then `other` do; None where there is no cheaper way."""
        return None

    @abstractmethod
    def raised(self, gains: Sequence[float]) -> float:
        """Its `peak_gain`, where those of its branches are `gains`."""

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
