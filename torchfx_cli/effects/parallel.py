"""Chains side by side on the same input, added.

Where all of them are linear they become one `Sum`, which may be fused and runs on every engine: the chains that remove
less delay than the longest get the rest as delay, which is removed with it. Other stages' processors are aligned by
themselves; then the sum waits for the chain that gives its frames last.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from math import ceil, log2

import numpy as np

from torchfx_cli.design.stage import Array, Branched, Measured, Processor, Stage, Telling, output_of
from torchfx_cli.design.stages import Linear, Sum, Taps, labels, linear, ringing_s
from torchfx_cli.effects.kind import Complaint, Kind, StageSpec, param
from torchfx_cli.errors import DesignError, FileError
from torchfx_cli.records import dataclass
from torchfx_cli.samples import Signal, hertz
from torchfx_cli.scratch import Queue

MAX_BRANCHES, MAX_LEVELS = 64, 4
PROBED_S = (1e-9, 0.01, 0.1, 1.0, 10.0, 100.0, 3600.0)  # lengths of files for which branches must agree in theirs


@dataclass(frozen=True, kw_only=True)
class ParallelSpec(StageSpec):
    """Several chains side by side on the same input, each with its gain; the output is their sum."""

    is_filter = False

    branches: tuple[tuple[StageSpec, ...], ...] = param("the chains", form="branches")

    @property
    def chains(self) -> tuple[tuple[StageSpec, ...], ...]:
        """See `StageSpec`."""
        return self.branches

    def problems(self, given: Collection[str]) -> Iterator[Complaint]:
        """See `StageSpec`."""
        if (levels := _levels(self)) > MAX_LEVELS:
            yield "", f"holds parallel in parallel, {levels} levels in all; at most {MAX_LEVELS} are allowed"

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        branches = tuple(designed(branch, source) for branch in self.branches)
        self._check(branches, source)
        return added(branches, source)

    def _check(self, branches: Sequence[tuple[Stage, ...]], source: Signal) -> None:
        """Raise DesignError where the outputs of two branches do not fit together."""
        ends = [output_of(branch, source) for branch in branches]
        lengths = [lengths_of(branch, source) for branch in branches]
        if cuts := next(filter(None, map(cuts_by_sound, branches)), ""):
            raise DesignError(f"{self.origin}: the branches cannot be added, {cuts} would make one shorter than others")
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
    return sum(1 + sum(map(count, stage.chains)) for stage in stages)


def every(stages: Sequence[StageSpec]) -> Iterator[StageSpec]:
    """All of `stages`, each before those inside it."""
    for stage in stages:
        yield stage
        for chain in stage.chains:
            yield from every(chain)


def _levels(stage: StageSpec) -> int:
    """How deep parallel is nested: 1 with no other in it."""
    return isinstance(stage, ParallelSpec) + max((_levels(inner) for chain in stage.chains for inner in chain),
                                                 default=0)


def designed(chain: Sequence[StageSpec], source: Signal) -> tuple[Stage, ...]:
    """Every stage for what reaches it of the signal `source`."""
    stages: list[Stage] = []
    for spec in chain:
        stages.append(spec.design(source))
        source = stages[-1].output(source)
    return tuple(stages)


def added(branches: tuple[tuple[Stage, ...], ...], source: Signal) -> Stage:
    """The sum of chains whose outputs fit together."""
    if all(isinstance(stage, Linear) for branch in branches for stage in branch):
        return Sum(_aligned([linear(branch) for branch in branches]))
    return Parallel(branches)


def lengths_of(chain: Sequence[Stage], source: Signal) -> list[int]:
    """How many frames come out of files of the lengths of `PROBED_S`."""
    return [_frames_out(chain, ceil(s * source.fs), source) for s in PROBED_S]


def cuts_by_sound(stages: Iterable[Stage]) -> str:
    """The label of the first stage, inside others too, whose output is as long as the sound is; "" for none."""
    for stage in stages:
        found = stage.label if isinstance(stage, Measured) and stage.changes_length else cuts_by_sound(stage.inner)
        if found:
            return found
    return ""


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
    """`branches` on one signal, added."""

    branches: tuple[tuple[Stage, ...], ...]

    @property
    def label(self) -> str:  # type: ignore[override]
        """Such as "(highpass + compressor, gain)"."""
        return f"({' + '.join(labels(branch) or 'as it is' for branch in self.branches)})"

    @property
    def cost_ns(self) -> float:  # type: ignore[override]
        return 2.0 + sum(map(cost_ns_of, self.branches))

    def output(self, source: Signal) -> Signal:
        """See `Stage`."""
        return output_of(self.branches[0], source)

    def speakers(self, before: tuple[int, ...], source: Signal) -> tuple[int, ...]:
        """Those of the first branch."""
        for stage in self.branches[0]:
            before, source = stage.speakers(before, source), stage.output(source)
        return before

    def frames_out(self, frames: int, source: Signal) -> int:
        """See `Stage`."""
        return _frames_out(self.branches[0], frames, source)

    def place(self, frame: float, source: Signal) -> float | None:
        """Where it is in the first branch that keeps the frames in order."""
        place: float | None = frame
        for stage in min(self.branches, key=lambda branch: any(stage.turns_time for stage in branch)):
            place = None if place is None else stage.place(place, source)
            source = stage.output(source)
        return place

    def tail_frames(self, source: Signal) -> int:
        """See `Stage`."""
        return max(ceil(ringing_s(branch, source) * source.fs) for branch in self.branches)

    def raised(self, gains: Sequence[float]) -> float:
        """See `Branched`."""
        return sum(gains)

    def joined(self, branches: Sequence[Processor], source: Signal) -> Processor:
        """See `Branched`."""
        return _Adding(branches, self.output(source).channels)


def cost_ns_of(chain: Sequence[Stage]) -> float:
    """What a sample of a channel takes in `chain`, about."""
    return sum(stage.cost_ns + 1.1 * stage.section_count + 0.6 * log2(1 + stage.tap_count) for stage in chain)


class Abreast:
    """Processors side by side, of so many `channels`: what one of them has made waits for the others."""

    def __init__(self, processors: Sequence[Processor], channels: Sequence[int]) -> None:
        self._processors = processors
        self._waiting = [Queue(number, "the sound that waits for other branches") for number in channels]

    def process(self, inputs: Sequence[Array]) -> list[Array]:
        """From the next input of each, which may be overwritten, the frames that all have made."""
        return self._ready([one.process(samples) for one, samples in zip(self._processors, inputs, strict=True)])

    def flush(self) -> Iterator[list[Array]]:
        """What they hold, which is then as much in each; no more of it at a time than they give at a time."""
        held = [one.flush() for one in self._processors]
        while made := {n: block for n, (blocks, queue) in enumerate(zip(held, self._waiting, strict=True))
                       if not len(queue) and (block := next(blocks, None)) is not None}:
            yield self._ready([made.get(n, queue.pull(0)) for n, queue in enumerate(self._waiting)])
        if any(map(len, self._waiting)):
            raise FileError("branches gave outputs of different lengths")

    def _ready(self, made: Sequence[Array]) -> list[Array]:
        ready = min(len(queue) + len(block) for queue, block in zip(self._waiting, made, strict=True))
        return [queue.passed(block, ready) for queue, block in zip(self._waiting, made, strict=True)]


class _Adding(Telling):
    def __init__(self, branches: Sequence[Processor], channels: int) -> None:
        self._branches, self._inputs = Abreast(branches, [channels] * len(branches)), len(branches)
        self.inner = branches

    def process(self, samples: Array) -> Array:
        """See `Processor`."""
        return _sum_of(self._branches.process([samples.copy() for _ in range(self._inputs)]))

    def flush(self) -> Iterator[Array]:
        """See `Processor`."""
        return map(_sum_of, self._branches.flush())


def _sum_of(parts: Sequence[Array]) -> Array:
    total, *others = parts
    for part in others:
        total += part
    return total
