"""Chains side by side on the same input, added.

Where all of them are linear they become one `Sum`, which may be fused and runs on every engine: the chains that remove
less delay than the longest get the rest as delay, which is removed with it. Other stages' processors are aligned by
themselves; then the sum waits for the chain that gives its frames last.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil, log2, prod

import numpy as np

from torchfx_cli.design.stage import Array, Branched, Processor, Stage, output_of
from torchfx_cli.design.stages import Linear, Sum, Taps, linear, response, ringing_s
from torchfx_cli.effects.kind import Complaint, Kind, StageSpec, param
from torchfx_cli.errors import DesignError, FileError
from torchfx_cli.samples import SampleFormat, Signal, hertz

MAX_BRANCHES, MAX_LEVELS = 64, 4
PROBED_S = (1e-9, 0.01, 0.1, 1.0, 10.0, 100.0, 3600.0)  # lengths of files for which branches must agree in theirs


@dataclass(frozen=True, kw_only=True)
class ParallelSpec(StageSpec):
    """Several chains side by side on the same input, each with its gain; the output is their sum."""

    is_filter = False

    branches: tuple[tuple[StageSpec, ...], ...] = param("the chains", form="branches")

    @cached_property
    def stage_count(self) -> int:
        """This stage and all within it."""
        return 1 + sum(map(count, self.branches))

    @cached_property
    def levels(self) -> int:
        """How deep it is: 1 with no other in it."""
        return 1 + max((stage.levels for branch in self.branches for stage in branch
                        if isinstance(stage, ParallelSpec)), default=0)

    def problems(self, given: Collection[str]) -> Iterator[Complaint]:
        """See `StageSpec`."""
        if self.levels > MAX_LEVELS:
            yield "", f"holds parallel in parallel, {self.levels} levels in all; at most {MAX_LEVELS} are allowed"

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        branches = tuple(_designed(branch, source) for branch in self.branches)
        self._check(branches, source)
        if all(isinstance(stage, Linear) for branch in branches for stage in branch):
            return Sum(_aligned([linear(branch) for branch in branches]))
        return Parallel(branches, source)

    def _check(self, branches: Sequence[tuple[Stage, ...]], source: Signal) -> None:
        """Raise DesignError where the outputs of two branches do not fit together."""
        ends = [output_of(branch, source) for branch in branches]
        lengths = [[_frames_out(branch, ceil(s * source.fs), source) for s in PROBED_S] for branch in branches]
        for n, (end, length) in enumerate(zip(ends, lengths, strict=True)):
            for what, first, here in (("sample rates", hertz(ends[0].fs), hertz(end.fs)),
                                      ("numbers of channels", ends[0].channels, end.channels),
                                      ("lengths of ten seconds", lengths[0][4], length[4]),
                                      ("lengths", lengths[0], length)):
                if first != here:
                    raise DesignError(f"{self.origin}[{n}]: the branches cannot be added, their {what} differ: "
                                      f"{first} and {here}")


KIND = Kind(ParallelSpec, "branches",
            "- parallel: [{chain: [highpass: 2 kHz, compressor: -30 dBFS], gain: -6 dB}, {gain: 0 dB}]")


def count(stages: Sequence[StageSpec]) -> int:
    """How many stages, with those inside others."""
    return sum(stage.stage_count if isinstance(stage, ParallelSpec) else 1 for stage in stages)


def every(stages: Sequence[StageSpec]) -> Iterator[StageSpec]:
    """All of `stages`, each before those inside it."""
    for stage in stages:
        yield stage
        for branch in stage.branches if isinstance(stage, ParallelSpec) else ():
            yield from every(branch)


def _designed(branch: Sequence[StageSpec], source: Signal) -> tuple[Stage, ...]:
    stages: list[Stage] = []
    for spec in branch:
        stages.append(spec.design(source))
        source = stages[-1].output(source)
    return tuple(stages)


def _aligned(rows: Sequence[tuple[Linear, ...]]) -> tuple[tuple[Linear, ...], ...]:
    delays = [sum(stage.latency_frames for stage in row) for row in rows]
    missing = [max(delays) - delay for delay in delays]
    return tuple((*row, Taps(np.eye(1, frames + 1, frames)[0], frames)) if frames else row
                 for row, frames in zip(rows, missing, strict=True))


def _frames_out(stages: Sequence[Stage], frames: int, source: Signal) -> int:
    for stage in stages:
        frames = stage.frames_out(frames, source)
        source = stage.output(source)
    return frames


@dataclass(frozen=True, eq=False)
class Parallel(Branched):
    """`branches` on the signal `source`, added."""

    branches: tuple[tuple[Stage, ...], ...]
    source: Signal

    @property
    def label(self) -> str:  # type: ignore[override]
        """Such as "(highpass + compressor, gain)"."""
        return f"({' + '.join(', '.join(stage.label for stage in branch) or 'as it is' for branch in self.branches)})"

    @property
    def cost_ns(self) -> float:  # type: ignore[override]
        return 2.0 + sum(stage.cost_ns + 1.1 * stage.section_count + 0.6 * log2(1 + stage.tap_count)
                         for branch in self.branches for stage in branch)

    @property
    def peak_gain(self) -> float:  # type: ignore[override]
        return float(sum(prod(_peak_gain(stage, self.source.fs) for stage in branch) for branch in self.branches))

    @property
    def remarks(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(remark for branch in self.branches for stage in branch for remark in stage.remarks)

    def output(self, source: Signal) -> Signal:
        """See `Stage`."""
        return output_of(self.branches[0], source)

    def frames_out(self, frames: int, source: Signal) -> int:
        """See `Stage`."""
        return _frames_out(self.branches[0], frames, source)

    def place(self, frame: float, source: Signal) -> float | None:
        """Where it is in the first branch."""
        place: float | None = frame
        for stage in self.branches[0]:
            place = None if place is None else stage.place(place, source)
            source = stage.output(source)
        return place

    def tail_frames(self, source: Signal) -> int:
        """See `Stage`."""
        return max(ceil(ringing_s(branch, source) * source.fs) for branch in self.branches)

    def for_output(self, sink: SampleFormat) -> Stage:
        """See `Stage`."""
        return replace(self, branches=tuple(tuple(stage.for_output(sink) for stage in branch)
                                            for branch in self.branches))

    def joined(self, branches: Sequence[Processor], source: Signal) -> Processor:
        """See `Branched`."""
        return _Adding(branches, self.output(source).channels)


def _peak_gain(stage: Stage, fs: float) -> float:
    if not stage.is_linear:
        return stage.peak_gain
    return float(np.abs(response([stage], np.linspace(0.0, fs / 2.0, 257), fs)).max())


class _Adding:
    """What a branch has made waits for the others."""

    def __init__(self, branches: Sequence[Processor], channels: int) -> None:
        self._branches = branches
        self._waiting = [np.empty((0, channels)) for _ in branches]

    def process(self, samples: Array) -> Array:
        """See `Processor`."""
        return self._added([branch.process(samples.copy()) for branch in self._branches])

    def flush(self) -> Iterator[Array]:
        """What the branches hold, which is then as much in each."""
        nothing = self._waiting[0][:0]
        yield self._added([np.concatenate([nothing, *branch.flush()]) for branch in self._branches])
        if any(map(len, self._waiting)):
            raise FileError("the branches of parallel gave outputs of different lengths")

    def _added(self, made: Sequence[Array]) -> Array:
        waiting = [np.concatenate(pair) for pair in zip(self._waiting, made, strict=True)]
        ready = min(map(len, waiting))
        self._waiting = [part[ready:] for part in waiting]
        total, *others = (part[:ready] for part in waiting)
        for part in others:
            total += part
        return total
