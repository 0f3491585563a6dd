"""The RenderPlan: everything an engine needs, and nothing that is running.

A plan belongs to a sample rate, a number of channels and two sample formats, not to a file, so one serves every file
that is alike. A `Measured` stage needs the whole file before its numbers are known: the file is read once more for
each (`passes`), through `measuring()` into its meter, and `measured(reading)` is the plan that follows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby, pairwise
from typing import Literal

import numpy as np

from torchfx_cli.design.stage import Measured
from torchfx_cli.design.stages import Gain, Sections, Stage, Taps
from torchfx_cli.plan.fuse import fuse
from torchfx_cli.samples import SampleFormat, Signal

Dither = Literal["auto", "none", "tpdf"]

TAIL_FLOOR = 1e-6  # -120 dB: where `tail="auto"` takes a decay to have ended
MAX_TAIL_S = 60.0
MAX_PEAKS = 256  # poles near which the highest gain is looked for: with all, time and memory grow as their square
MAX_DITHERED_BITS = 16  # from 17 bits on the rounding error lies below what any converter resolves
MEASURED = SampleFormat("float64")


@dataclass(frozen=True, eq=False)
class RenderPlan:
    """What to do with blocks of `source` samples so that they become `sink` samples.

    fs, channels  of the input; what becomes of them on the way is in `signals`.
    tail_frames   silence that follows the input, at its rate, so that what rings is heard to its end.
    """

    fs: int
    channels: int
    stages: tuple[Stage, ...]
    source: SampleFormat
    sink: SampleFormat
    dither: bool = False
    tail_frames: int = 0
    seed: int = 0

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

    @property
    def runs(self) -> tuple[Run, ...]:
        """The stages in runs: linear neighbours together, every other stage alone."""
        placed = list(zip(self.stages, pairwise(self.signals), strict=True))
        runs = []
        for is_linear, neighbours in groupby(placed, lambda place: place[0].is_linear):
            for run in [list(neighbours)] if is_linear else [[place] for place in neighbours]:
                runs.append(Run(tuple(stage for stage, _ in run), run[0][1][0]))
        return tuple(runs)

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
    def latency_frames(self) -> int:
        """The delay that is removed from linear stages."""
        return sum(stage.latency_frames for stage in self.stages)

    @property
    def passes(self) -> int:
        return 1 + sum(isinstance(stage, Measured) for stage in self.stages)

    @property
    def first_measured(self) -> Measured | None:
        """The first stage that needs a pass of its own."""
        return next((stage for stage in self.stages if isinstance(stage, Measured)), None)

    def measuring(self) -> RenderPlan:
        """The plan of the pass into the meter of the first `Measured` stage, whose source is this plan's `output`."""
        at = self._place_of_measured()
        target = self.stages[at]
        assert isinstance(target, Measured)
        return replace(self, stages=fuse((*self.stages[:at], *target.sidechain)), sink=MEASURED, dither=False)

    def measured(self, reading: float) -> RenderPlan:
        """This plan with the first `Measured` stage replaced by the one that follows from what its meter read."""
        at = self._place_of_measured()
        target = self.stages[at]
        assert isinstance(target, Measured)
        return replace(self, stages=fuse((*self.stages[:at], target.resolved(reading), *self.stages[at + 1 :])))

    def turned_down(self, peak: float) -> tuple[RenderPlan, float]:
        """This plan with its output lowered so that `peak`, above full scale, just fits the sink; by how many dB."""
        margin = 2.0 ** (2 - self.sink.bits) if self.sink.is_integer else 0.0  # the top step, and one of dither
        factor = (1.0 - margin) / peak
        change_db = -20.0 * math.log10(factor)
        gain = Gain(factor, f"turned down by {change_db:.2f} dB")
        return replace(self, stages=fuse((*self.stages, gain))), change_db

    def _place_of_measured(self) -> int:
        return next(i for i, stage in enumerate(self.stages) if isinstance(stage, Measured))

    def describe(self) -> list[str]:
        """One line a stage, for people."""
        return [stage.describe() for stage in self.stages] or ["nothing to change"]


@dataclass(frozen=True, eq=False)
class Run:
    """Neighbouring linear `stages`, or one stage of any other kind, and the signal in front of them."""

    stages: tuple[Stage, ...]
    source: Signal

    @property
    def is_linear(self) -> bool:
        return self.stages[0].is_linear


def assemble(
    stages: Sequence[Stage],
    fs: int,
    channels: int,
    source: SampleFormat,
    sink: SampleFormat,
    dither: Dither = "auto",
    tail_s: float | Literal["auto"] = 0.0,
) -> RenderPlan:
    """Fuse `stages`, designed for `fs`, and settle dither and tail.

    `dither="auto"` dithers where values change on the way to 16 bits or fewer. `tail_s="auto"` adds what the
    chain needs to fall below -120 dB, a minute at most.
    """
    fused = fuse(stages)
    changed = bool(fused) or not source.is_integer or source.bits > sink.bits
    wanted = dither == "tpdf" or (dither == "auto" and changed and sink.bits <= MAX_DITHERED_BITS)
    plan = RenderPlan(fs, channels, fused, source, sink, wanted and sink.is_integer)
    tail = min(round(_tail_s(plan) * fs), round(MAX_TAIL_S * fs)) if tail_s == "auto" else round(tail_s * fs)
    return replace(plan, tail_frames=tail)


def _tail_s(plan: RenderPlan) -> float:
    """Seconds until what the last sample left behind has fallen to `TAIL_FLOOR`: what each run takes, added up."""
    return sum((_decay_frames(run.stages) if run.is_linear else run.stages[0].tail_frames(run.source)) / run.source.fs
               for run in plan.runs)


def _decay_frames(stages: Sequence[Stage]) -> int:
    """Frames until linear `stages` have fallen to `TAIL_FLOOR`, of the loudest frequency's level."""
    rows = np.concatenate([np.empty((0, 6)), *(stage.sos for stage in stages if isinstance(stage, Sections))])
    behind = sum(len(stage.taps) - 1 - stage.delay_frames for stage in stages if isinstance(stage, Taps))
    return math.ceil(_ringing_frames(rows)) + behind


def _ringing_frames(rows: np.ndarray) -> float:
    """Frames that sections [K, 6] ring, by Cauchy's estimate |h[n]| <= r^n max |H(r e^iw)|, r outside all poles.

    The radius of the slowest pole alone would be too hopeful where several are about as slow: m of them decay
    as n^(m-1) r^n. The estimate holds for every r, so the best of a few is taken.
    """
    poles = np.concatenate([np.empty(0), *(np.roots(row[3:]) for row in rows)])
    slowest = float(np.abs(poles).max(initial=0.0))
    if not slowest:
        return 2.0 * len(rows)
    slow = poles[np.argsort(np.abs(poles))[-MAX_PEAKS:]]
    angles = np.concatenate([np.linspace(0.0, np.pi, 257), np.abs(np.angle(slow))])  # the peaks are near the poles

    def highest(radius: float) -> float:
        """As a logarithm: a thousand sections may multiply to more than any number."""
        delays = (radius * np.exp(1j * angles)[:, None]) ** -np.arange(3.0)
        total = np.zeros(len(angles))
        for first in range(0, len(rows), MAX_PEAKS):
            some = rows[first : first + MAX_PEAKS]
            with np.errstate(divide="ignore"):  # of a zero on the circle
                total += np.log(np.abs((delays @ some[:, :3].T) / (delays @ some[:, 3:].T))).sum(axis=1)
        return float(total.max())

    floor = math.log(TAIL_FLOOR) + highest(1.0)
    radii = (slowest + step * (1.0 - slowest) for step in (0.02, 0.05, 0.1, 0.2, 0.4))
    return min(max(0.0, (highest(radius) - floor) / -math.log(radius)) for radius in radii)
