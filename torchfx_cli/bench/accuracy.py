"""Is the result right? Held against float64 SciPy, filter by filter as they were designed, at both ends of the sound.

The head is exact. The tail is computed from so far before it that what the filters remember from earlier has fallen
to -180 dB, and tells whether state was carried to the end; where the filters ring for longer than can be afforded, it
is left out. A stage that is no filter is its own truth: its processor over the whole sound, between SciPy's filters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, inf, log, log10

import numpy as np
import numpy.typing as npt

from torchfx_cli.bench.loads import FLOAT32, Load
from torchfx_cli.design.stages import Stage, linear, pole_radius
from torchfx_cli.plan.assemble import RenderPlan
from torchfx_cli.render.scipy_engine import ScipyEngine
from torchfx_cli.samples import FLOAT64, block_frames

Array = npt.NDArray[np.float64]

# float32 holds white noise to 150 dB; anything computed in float32 throughout falls below this at low frequencies.
LEAST_DB = 140.0
HEAD_S = 5.0
MAX_SAMPLES = 1 << 20  # that the truth is computed of, at each end
TAIL_SAMPLES = 1 << 15
FORGOTTEN = 1e-9


@dataclass(frozen=True)
class Truth:
    """Pieces (first frame, [channels, frames]) of the right result."""

    pieces: tuple[tuple[int, Array], ...]

    def snr_db(self, part: Callable[[int, int], Array]) -> float:
        """The lowest ratio among the pieces; `part(first, end)` is what was computed, [channels, end - first]."""
        return min(snr_db(part(first, first + wanted.shape[1]), wanted) for first, wanted in self.pieces)


def truth_of(load: Load) -> Truth:
    if not load.plan.is_linear:
        return _truth_of_all(load)
    most = max(1, MAX_SAMPLES // load.channels)
    head = min(load.frames, round(HEAD_S * load.fs), most)
    pieces = [(0, reference(load.stages, load.fs, load.sound[:, :head]))]
    first = max(head, load.frames - max(1, TAIL_SAMPLES // load.channels))
    lead = memory_frames(load.stages)
    if first < load.frames and lead + load.frames - first <= most:
        start = max(0, first - lead)
        pieces.append((first, reference(load.stages, load.fs, load.sound[:, start:])[:, first - start :]))
    return Truth(tuple(pieces))


def _truth_of_all(load: Load) -> Truth:
    """Of a chain that may remember anything: all of it is computed, and both ends are kept."""
    whole = reference(load.stages, load.fs, load.sound)
    frames, channels = whole.shape[1], whole.shape[0]
    head = min(frames, MAX_SAMPLES // channels)
    first = max(head, frames - TAIL_SAMPLES // channels)
    return Truth(tuple((at, whole[:, at:end].copy()) for at, end in ((0, head), (first, frames)) if at < end or not at))


def reference(stages: tuple[Stage, ...], fs: int, sound: npt.NDArray[np.floating]) -> Array:
    """`sound` [channels, frames] through `stages` from rest: filters by scipy.signal in float64, one by one.

    Every other stage is computed by its own processor.
    """
    channels, frames = sound.shape
    engine = ScipyEngine(RenderPlan(fs, channels, stages, FLOAT32, FLOAT64))
    step = block_frames(channels)
    done = [engine.process(np.ascontiguousarray(sound[:, start : start + step].T)) for start in range(0, frames, step)]
    return np.concatenate([np.empty((0, engine.plan.output.channels)), *done, *engine.flush()]).T


def memory_frames(stages: tuple[Stage, ...]) -> int:
    """Frames after which what went in has fallen to -180 dB: those of all poles together, which no cascade exceeds."""
    radii = [pole_radius(row) for stage in linear(stages) for row in stage.recursive()]
    ringing = sum(ceil(log(FORGOTTEN) / log(radius)) for radius in radii if radius > 0.0)
    return ringing + sum(stage.tap_count for stage in stages)


def snr_db(got: npt.ArrayLike, wanted: Array) -> float:
    """10 log10 of the energy of `wanted` over that of the difference.

    inf where nothing differs, -inf where the shapes do, or where `got` is no number or should be silence.
    """
    got = np.asarray(got, dtype=np.float64)
    if got.shape != wanted.shape or not np.isfinite(got).all():
        return -inf
    with np.errstate(over="ignore"):  # of what an unstable filter leaves
        wrong, right = float(((got - wanted) ** 2).sum()), float((wanted**2).sum())
    if not wrong:
        return inf
    return 10.0 * log10(right / wrong) if right and wrong < inf else -inf
