"""What a run will need, and what may go wrong in it, told before it begins: space, time, clipping."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from torchfx_cli.chain.spec import design_chain
from torchfx_cli.design.stage import Branched
from torchfx_cli.design.stages import Gain, Sections, Stage, Sum, Taps, linear
from torchfx_cli.errors import FileError
from torchfx_cli.plan.assemble import RenderPlan, assemble
from torchfx_cli.records import dataclass
from torchfx_cli.render.costs import Work
from torchfx_cli.render.native import NativeEngine
from torchfx_cli.samples import FLOAT64
from torchfx_cli.tasks.fileplan import JobPlan
from torchfx_cli.tasks.job import Job, Settings

USUAL_RATE_HZ, USUAL_CHANNELS = 48_000, 2
MAX_RESPONSE_FRAMES = 1 << 23
MAX_RESPONSE_WORK = 1 << 30  # frames times sections
# A rough guess where only the name is known: a byte of a lossy file is several samples.
SAMPLES_PER_BYTE = {".flac": 1.0, ".mp3": 6.0, ".ogg": 6.0, ".opus": 8.0}


def worst_gain_db(todo: JobPlan) -> float:
    """How far above full scale the loudest thinkable input would come out, in dB.

    The largest output of a filter for inputs within +-1 is the sum of |h[n]|, its impulse response (Oppenheim &
    Schafer, "Discrete-Time Signal Processing", 2.4); other stages say themselves how much they raise a sample.
    """
    return _db(_highest(todo.plan, lambda reach: reach.any_input))


def tone_gain_db(todo: JobPlan) -> float:
    """The same for the loudest steady tone at full scale: the peak of the frequency response, in dB."""
    return _db(_highest(todo.plan, lambda reach: reach.tone))


def _highest(plan: RenderPlan, of: Callable[[_Reach], float]) -> float:
    """The highest level of the output for inputs within +-1, from run to run of the plan."""
    level = 1.0
    for run in plan.runs:
        stage = run.stages[0]
        if run.is_linear:
            level *= of(_reach(_Filters(run.stages, int(run.source.fs))))
        elif isinstance(stage, Branched):
            level *= stage.raised([_highest(inner, of) for inner in run.inner])
        else:
            level = level * stage.peak_gain if stage.ceiling is None else stage.ceiling
    return level


def _db(factor: float) -> float:
    return 20.0 * math.log10(factor) if factor > 0.0 else -math.inf


def estimated_work(jobs: Sequence[Job], settings: Settings) -> Work:
    """What the run will cost, going by the sizes of the files; a chain that fails at 48 kHz counts as one section."""
    samples = round(sum(_size_of(job.source) * SAMPLES_PER_BYTE.get(job.source.suffix.lower(), 0.5) for job in jobs))
    try:
        stages = design_chain(settings.chain, USUAL_RATE_HZ, USUAL_CHANNELS)
        return Work.of_plan(assemble(stages, USUAL_RATE_HZ, USUAL_CHANNELS, FLOAT64, FLOAT64), samples, len(jobs))
    except FileError:
        return Work(samples, len(jobs), sections=1)


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return 0


def needed_bytes(plans: Iterable[JobPlan]) -> int:
    """What the outputs will take at most: as much as their samples take plain, where they are compressed."""
    return sum(todo.output_bytes or todo.facts.file_bytes for todo in plans)


def free_bytes(folder: Path) -> int | None:
    """Space for this user where `folder` is, or will be; None where nobody says."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        facts = os.statvfs(folder)
    except OSError:
        return None
    return facts.f_bavail * facts.f_frsize


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
        from hashlib import sha256

        return "sections", sha256(stage.sos.tobytes()).digest()

    def taps(self, stage: Taps) -> object:
        from hashlib import sha256

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
