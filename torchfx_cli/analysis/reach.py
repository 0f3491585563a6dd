"""How high the output of a plan may come: for any input, and for a steady tone, both within +-1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, lru_cache
from hashlib import sha256

import numpy as np

from torchfx_cli.design.stage import Branched
from torchfx_cli.design.stages import Gain, Sections, Stage, Sum, Taps, linear
from torchfx_cli.plan.assemble import RenderPlan, assemble
from torchfx_cli.records import dataclass
from torchfx_cli.render.native import NativeEngine
from torchfx_cli.samples import FLOAT64, decibels

MAX_RESPONSE_FRAMES = 1 << 23
MAX_RESPONSE_WORK = 1 << 30  # frames times sections


def worst_gain_db(plan: RenderPlan) -> float:
    """How far above full scale the loudest thinkable input would come out, in dB.

    The largest output of a filter for inputs within +-1 is the sum of |h[n]|, its impulse response (Oppenheim &
    Schafer, "Discrete-Time Signal Processing", 2.4); other stages say themselves how much they raise a sample.
    """
    return decibels(_highest(plan, lambda reach: reach.any_input))


def tone_gain_db(plan: RenderPlan) -> float:
    """The same for the loudest steady tone at full scale: the peak of the frequency response, in dB."""
    return decibels(_highest(plan, lambda reach: reach.tone))


def _highest(plan: RenderPlan, of: Callable[[_Reach], float], level: float = 1.0) -> float:
    """The highest level of the output for inputs within +-`level`, from run to run of the plan."""
    for run in plan.runs:
        stage = run.stages[0]
        if run.is_linear:
            level *= of(_reach(_Filters(run.stages, int(run.source.fs))))
        elif isinstance(stage, Branched):
            level *= stage.raised([_highest(inner, of, level) / (level or 1.0) for inner in run.inner])
        else:
            level = level * stage.peak_gain if stage.ceiling is None else stage.ceiling
    return level


@dataclass(frozen=True, eq=False)
class _Filters:
    """Linear stages at a sample rate; equal where they are the same filters, though every plan has its own."""

    stages: tuple[Stage, ...]
    fs: int

    @cached_property
    def _key(self) -> tuple[object, ...]:
        return self.fs, *(stage.build(_Numbers()) for stage in linear(self.stages))

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Filters) and self._key == other._key


class _Numbers:
    """A `Builder` of what tells one filter from another: a label may be that of many."""

    def sections(self, stage: Sections) -> object:
        return "sections", sha256(stage.sos.tobytes()).digest()

    def taps(self, stage: Taps) -> object:
        return "taps", stage.delay_frames, sha256(stage.taps.tobytes()).digest()

    def gain(self, stage: Gain) -> object:
        return "gain", stage.factor

    def sum(self, stage: Sum) -> object:
        return "sum", *(tuple(one.build(self) for one in row) for row in stage.rows)


@dataclass(frozen=True)
class _Reach:
    """The highest output for any input within +-1, and for a steady tone."""

    any_input: float
    tone: float


@lru_cache(maxsize=64)
def _reach(filters: _Filters) -> _Reach:
    """The sum of |h[n]|, and the highest |H|, of linear stages whose impulse response is h; of a long one its start."""
    plan = assemble(filters.stages, filters.fs, 1, FLOAT64, FLOAT64, dither="none", tail_s="auto")
    longest = min(MAX_RESPONSE_FRAMES, MAX_RESPONSE_WORK // max(1, sum(stage.section_count for stage in plan.stages)))
    plan = replace(plan, tail_frames=min(plan.tail_frames, longest))
    engine = NativeEngine(plan)
    impulse = np.zeros((plan.latency_frames + 1, 1))  # a delay is removed from the output, and nothing of it lost
    impulse[-1] = 1.0
    response = np.concatenate([engine.process(impulse), *engine.flush()]).ravel()
    size = 1 << (2 * len(response) - 1).bit_length()  # padded, so that no peak falls between two frequencies
    return _Reach(float(np.abs(response).sum()), float(np.abs(np.fft.rfft(response, size)).max()))
