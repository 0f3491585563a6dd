"""Makes a chain cheaper without changing what it computes.

Within a run of linear time-invariant stages, neighbouring sections become one cascade and neighbouring impulse
responses one convolution, all gains become one factor, folded into the first stage that has coefficients, and what
does nothing is dropped. The order of sections and impulse responses is kept. Nothing crosses a stage of another kind.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from math import isfinite, prod

import numpy as np

from torchfx_cli.design.stages import Gain, Sections, Stage, Taps
from torchfx_cli.errors import DesignError

# Joining two responses is one exact convolution, N1 x N2 products; beyond this it would itself take seconds.
MAX_JOIN_PRODUCTS = 10**8
MAX_RUN_PRODUCTS = 10**9  # of all responses of a run


def fuse(stages: Iterable[Stage]) -> tuple[Stage, ...]:
    """The same chain with as few stages as it needs. Raises DesignError where its gains overflow."""
    fused: list[Stage] = []
    for is_linear, run in groupby(stages, lambda stage: stage.is_linear):
        stretch = list(run)
        fused.extend(_fuse_linear(stretch) if is_linear else stretch)
    return tuple(fused)


def _fuse_linear(run: list[Stage]) -> list[Stage]:
    gains = [stage for stage in run if isinstance(stage, Gain)]
    filters: list[Stage] = []
    budget = MAX_RUN_PRODUCTS
    for stage in run:
        kept = None if isinstance(stage, Gain) else _without_identities(stage)
        if kept is None:
            continue
        products = _products(filters[-1], kept) if filters else 0
        joined = _join(filters[-1], kept) if filters and products <= min(MAX_JOIN_PRODUCTS, budget) else None
        budget -= products if joined is not None else 0
        if joined is None:
            filters.append(kept)
        else:
            filters[-1] = joined
    factor, label = prod(gain.factor for gain in gains), _labels(*gains)
    if not isfinite(factor):
        raise DesignError(f"the gains together are beyond any number: {label}")
    if factor == 1.0:
        return filters
    return [_scale(filters[0], factor, label), *filters[1:]] if filters else [Gain(factor, label)]


def _without_identities(stage: Stage) -> Stage | None:
    if isinstance(stage, Sections):
        acts = (stage.sos[:, :3] != stage.sos[:, 3:]).any(axis=1)
        return Sections(stage.sos[acts], stage.label) if acts.any() else None
    if isinstance(stage, Taps) and stage.delay_frames == 0 and stage.taps.tolist() == [1.0]:
        return None
    return stage


def _products(left: Stage, right: Stage) -> int:
    """Multiplications that joining both takes."""
    return len(left.taps) * len(right.taps) if isinstance(left, Taps) and isinstance(right, Taps) else 0


def _join(left: Stage, right: Stage) -> Stage | None:
    label = _labels(left, right)
    if isinstance(left, Sections) and isinstance(right, Sections):
        return Sections(np.concatenate([left.sos, right.sos]), label)
    if isinstance(left, Taps) and isinstance(right, Taps):
        return Taps(np.convolve(left.taps, right.taps), left.delay_frames + right.delay_frames, label)
    return None


def _scale(stage: Stage, factor: float, label: str) -> Stage:
    if isinstance(stage, Taps):
        return Taps(stage.taps * factor, stage.delay_frames, f"{stage.label}, {label}")
    assert isinstance(stage, Sections)
    sos = stage.sos.copy()
    sos[0, :3] *= factor
    return Sections(sos, f"{stage.label}, {label}")


def _labels(*stages: Stage) -> str:
    return ", ".join(stage.label for stage in stages if stage.label)
