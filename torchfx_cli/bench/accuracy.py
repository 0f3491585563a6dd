"""Is the result right? Held against float64 SciPy, filter by filter as they were designed, at both ends of the sound.

The head is exact. The tail is computed from so far before it that what the filters remember from earlier has fallen
to -180 dB, and tells whether state was carried to the end; where the filters ring for longer than can be afforded, it
is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, inf, log, log10

import numpy as np
import numpy.typing as npt

from torchfx_cli.bench.loads import Load
from torchfx_cli.design.stages import Gain, Sections, Stage, Taps, pole_radius

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

    def error_db(self, part: Callable[[int, int], Array]) -> float:
        """The lowest ratio among the pieces; `part(first, end)` is what was computed, [channels, end - first]."""
        return min(snr_db(part(first, first + wanted.shape[1]), wanted) for first, wanted in self.pieces)


def truth_of(load: Load) -> Truth:
    most = max(1, MAX_SAMPLES // load.channels)
    head = min(load.frames, round(HEAD_S * load.fs), most)
    pieces = [(0, reference(load.stages, load.sound[:, :head]))]
    first = max(head, load.frames - max(1, TAIL_SAMPLES // load.channels))
    lead = memory_frames(load.stages)
    if first < load.frames and lead + load.frames - first <= most:
        start = max(0, first - lead)
        pieces.append((first, reference(load.stages, load.sound[:, start:])[:, first - start :]))
    return Truth(tuple(pieces))


def reference(stages: tuple[Stage, ...], sound: npt.NDArray[np.floating]) -> Array:
    """`sound` [channels, frames] through `stages` from rest, by scipy.signal in float64."""
    import scipy.signal

    y = sound.astype(np.float64)
    for stage in stages:
        if isinstance(stage, Sections):
            y = scipy.signal.sosfilt(stage.sos.copy(), y)  # the stage's is read-only, which sosfilt refuses
        elif isinstance(stage, Taps):
            y = scipy.signal.oaconvolve(y, stage.taps[None], axes=-1)[:, : y.shape[1]]
        elif isinstance(stage, Gain):
            y = y * stage.factor
        else:
            raise TypeError(f"{stage.label} is no linear stage: SciPy's filters are no truth for it")
    return y


def memory_frames(stages: tuple[Stage, ...]) -> int:
    """Frames after which what went in has fallen to -180 dB: those of all poles together, which no cascade exceeds."""
    taps = sum(len(stage.taps) for stage in stages if isinstance(stage, Taps))
    radii = [pole_radius(row) for stage in stages if isinstance(stage, Sections) for row in stage.sos]
    return taps + sum(ceil(log(FORGOTTEN) / log(radius)) for radius in radii if radius > 0.0)


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
