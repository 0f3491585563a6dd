"""The RenderPlan: everything an engine needs, and nothing that is running.

A plan belongs to a sample rate, a number of channels and two sample formats, not to a file, so one serves every file
that is alike. A `Measured` stage needs the whole file before its numbers are known: the file is read once more for
each (`passes`), through `measuring()` into its meter, and `measured(reading)` is the plan that follows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import groupby, pairwise
from typing import Any, Literal

from torchfx_cli.design.stage import Array, Branched, Measured
from torchfx_cli.design.stages import Gain, Stage, response
from torchfx_cli.plan.fuse import fuse
from torchfx_cli.plan.tail import with_tail
from torchfx_cli.plan.unmeasured import Unmeasured, unmeasured
from torchfx_cli.records import dataclass
from torchfx_cli.samples import FLOAT64, SampleFormat, Signal, Start

Dither = Literal["auto", "none", "tpdf"]

MAX_DITHERED_BITS = 16  # from 17 bits on the rounding error lies below what any converter resolves


@dataclass(frozen=True, eq=False)
class RenderPlan:
    """What to do with blocks of `source` samples so that they become `sink` samples.

    fs, channels  of the input; what becomes of them on the way is in `signals`.
    remarks       what a user should know of the stages before anything is done.
    warned        what every file that it is done to is warned of, and what its measured stages told of this one.
    found         what followed from the whole file, a line for each stage that was measured.
    dithers_all   dither what nothing changes, too.
    tail_frames   silence that follows the input, at its rate, so that what rings is heard to its end; see `tail`.
    start         filters begin at rest, or "steady", as if the first sample of each channel had always been there.
    """

    fs: int
    channels: int
    stages: tuple[Stage, ...]
    source: SampleFormat
    sink: SampleFormat
    dither: bool = False
    tail_frames: int = 0
    seed: int = 0
    remarks: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()
    start: Start = "rest"
    found: tuple[str, ...] = ()
    dithers_all: bool = False

    @cached_property
    def signals(self) -> tuple[Signal, ...]:
        """The signal in front of each stage, and behind the last."""
        signals = [Signal(self.fs, self.channels)]
        for stage in self.stages:
            signals.append(stage.output(signals[-1]))
        return tuple(signals)

    @property
    def output(self) -> Signal:
        """The signal of the output."""
        return self.signals[-1]

    @property
    def is_linear(self) -> bool:
        """Whether all is one run of linear stages."""
        return all(stage.is_linear for stage in self.stages)

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """The stages in runs: linear neighbours together, every other stage alone."""
        placed = list(zip(self.stages, pairwise(self.signals), strict=True))
        runs = []
        for is_linear, neighbours in groupby(placed, lambda place: place[0].is_linear):
            for run in [list(neighbours)] if is_linear else [[place] for place in neighbours]:
                runs.append(Run(tuple(stage for stage, _ in run), run[0][1][0], self.start))
        return tuple(runs)

    @property
    def all_runs(self) -> Iterator[Run]:
        """The `runs`, each before those inside it."""
        for run in self.runs:
            yield run
            for inner in run.inner:
                yield from inner.all_runs

    @cached_property
    def parts(self) -> tuple[RenderPlan, ...]:
        """A plan for each of the `runs`, which one after another make this one; between them lies float64."""
        runs = self.runs or (Run((), self.output),)
        last = len(runs) - 1
        return tuple(
            RenderPlan(int(run.source.fs), run.source.channels, run.stages, FLOAT64 if n else self.source,
                       self.sink if n == last else FLOAT64, self.dither and n == last,
                       0 if n else self.tail_frames, self.seed, start=self.start)
            for n, run in enumerate(runs))

    def frames_out(self, frames: int) -> int:
        """Frames of the output of `frames` of input; the tail counts."""
        if not frames:
            return 0
        frames += self.tail_frames
        for stage, source in zip(self.stages, self.signals, strict=False):
            frames = stage.frames_out(frames, source)
        return frames

    def place(self, frame: float) -> float | None:
        """Where the frame number `frame` of the input is in the output; None where it is not."""
        place: float | None = frame
        for stage, source in zip(self.stages, self.signals, strict=False):
            place = None if place is None else stage.place(place, source)
        return place

    @property
    def turns_time(self) -> bool:
        """Whether `place` cannot tell, because frames come out in another order."""
        return any(stage.turns_time for stage in self.stages)

    def scratch_bytes(self, frames: int) -> int:
        """What the stages keep of so many frames of input in temporary files."""
        frames, total = frames + self.tail_frames, 0
        for stage, source in zip(self.stages, self.signals, strict=False):
            total += stage.scratch_bytes(frames, source)
            frames = stage.frames_out(frames, source)
        return total

    @property
    def latency_frames(self) -> int:
        """The delay that is removed from linear stages."""
        return sum(stage.latency_frames for stage in self.stages)

    @property
    def steady_gain(self) -> float | None:
        """Of a plan that is one run of linear stages; see `Run`."""
        return self.runs[0].steady_gain if self.runs else None

    @property
    def passes(self) -> int:
        return 1 + sum(1 for _ in unmeasured(self.stages, self.signals[0]))

    @property
    def first_measured(self) -> Measured | None:
        """The first stage that needs a pass of its own, here or in a branch."""
        first = self._first_unmeasured
        return None if first is None else first.target

    @property
    def _first_unmeasured(self) -> Unmeasured | None:
        return next(unmeasured(self.stages, self.signals[0]), None)

    def measuring(self) -> RenderPlan:
        """The plan of the pass into the meter of the first `Measured` stage, whose source is this plan's `output`."""
        first = self._first_unmeasured
        assert first is not None
        return replace(self, stages=fuse((*first.before, *first.target.sidechain)), sink=FLOAT64, dither=False)

    def measured(self, reading: Any) -> RenderPlan:
        """This plan with the first `Measured` stage replaced by the one that follows from what its meter read."""
        first = self._first_unmeasured
        assert first is not None
        found, told = first.target.resolved(reading), first.target.told(reading)
        stages = fuse(first.put(found))
        dither = self.dither and (self.dithers_all or _changes(stages, self.source, self.sink))
        return replace(self, stages=stages, dither=dither, found=(*self.found, first.where + found.label),
                       warned=(*self.warned, *(first.where + line for line in told)))

    def measured_by(self, render: Callable[[RenderPlan], Iterable[Array]]) -> RenderPlan:
        """This plan with all `Measured` stages replaced; `render` gives what comes out of a plan for the whole input,
        in blocks of float64."""
        plan = self
        while target := plan.first_measured:
            measuring = plan.measuring()
            meter = target.meter(measuring.output)
            for block in render(measuring):
                meter.process(block)
            plan = plan.measured(meter.reading())
        return plan

    def turned_down(self, peak: float) -> tuple[RenderPlan, float]:
        """This plan with its output lowered so that `peak`, above full scale, just fits the sink; by how many dB."""
        factor = self.sink.highest / peak
        change_db = -20.0 * math.log10(factor)
        gain = Gain(factor, f"turned down by {change_db:.2f} dB")
        return replace(self, stages=fuse((*self.stages, gain))), change_db

    def places(self, device: str) -> list[str]:
        """Where each stage runs: linear ones on `device`, all others on the CPU."""
        return [device if stage.is_linear else "cpu" for stage in self.stages]

    def describe(self) -> list[str]:
        """One line a stage, for people."""
        return [stage.describe() for stage in self.stages] or ["nothing to change"]


@dataclass(frozen=True, eq=False)
class Run:
    """Neighbouring linear `stages`, or one stage of any other kind, and the signal in front of them."""

    stages: tuple[Stage, ...]
    source: Signal
    start: Start = "rest"

    @property
    def is_linear(self) -> bool:
        return all(stage.is_linear for stage in self.stages)

    @property
    def inner(self) -> tuple[RenderPlan, ...]:
        """A plan for each branch of a stage that has some."""
        stage = self.stages[0]
        if not isinstance(stage, Branched):
            return ()
        return tuple(RenderPlan(int(heard.fs), heard.channels, branch, FLOAT64, FLOAT64, start=self.start)
                     for branch, heard in zip(stage.branches, stage.heard(self.source), strict=True))

    @property
    def steady_gain(self) -> float | None:
        """The gain at 0 Hz of a run that begins steady; None for one that begins at rest, or remembers nothing.

        Linear, so: filtered from rest, the input less its first frame, plus this gain times that frame, is the output
        of a filter that has heard the first frame for ever.
        """
        remembers = self.is_linear and any(stage.section_count or stage.tap_count for stage in self.stages)
        if not remembers or self.start == "rest":
            return None
        return float(response(self.stages, 0.0, self.source.fs)[0].real)

    @property
    def latency_frames(self) -> int:
        """The delay that is removed from its output."""
        return sum(stage.latency_frames for stage in self.stages)


def assemble(
    stages: Sequence[Stage],
    fs: int,
    channels: int,
    source: SampleFormat,
    sink: SampleFormat,
    dither: Dither = "auto",
    tail_s: float | Literal["auto"] = 0.0,
    start: Start = "rest",
) -> RenderPlan:
    """Fuse `stages`, designed for `fs`, and settle dither and tail.

    `dither="auto"` dithers where values change on the way to 16 bits or fewer. `tail_s="auto"` adds what the
    chain needs to fall below -120 dB; see `tail`.
    """
    fused = fuse([stage.for_output(sink) for stage in stages])
    changed = _changes(fused, source, sink)
    wanted = dither == "tpdf" or (dither == "auto" and changed and sink.bits <= MAX_DITHERED_BITS)
    remarks = tuple(dict.fromkeys(remark for stage in stages for remark in stage.remarks))
    plan = RenderPlan(fs, channels, fused, source, sink, wanted and sink.is_integer, remarks=remarks,
                      start=start, dithers_all=dither == "tpdf")
    tail_frames, placed, warned = with_tail(fused, plan.signals[0], tail_s)
    return replace(plan, stages=placed, tail_frames=tail_frames, warned=warned)


def _changes(stages: Sequence[Stage], source: SampleFormat, sink: SampleFormat) -> bool:
    """Whether samples become others on the way from `source` to `sink`."""
    return bool(stages) or not source.is_integer or source.bits > sink.bits
