"""Makes a chain cheaper without changing what it computes.

Within a run of linear time-invariant stages, neighbouring sections become one cascade and neighbouring impulse
responses one convolution, all gains become one factor, folded into the first stage that has coefficients, and what
does nothing is dropped. The order of sections and impulse responses is kept; branches are fused each by itself. Nothing
crosses a stage of another kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from math import isfinite, prod

import numpy as np

from torchfx_cli.design.stage import Branched
from torchfx_cli.design.stages import Array, Gain, Linear, Sections, Stage, Sum, Taps, labels, linear
from torchfx_cli.errors import DesignError

# Joining two responses is one exact convolution, N1 x N2 products; beyond this it would itself take seconds.
MAX_JOIN_PRODUCTS = 10**8
# Of all joins of a chain. With N taps in it, joined to responses of L taps, they are about N / L x L^2 / 2.
MAX_PRODUCTS = 10**10


def fuse(stages: Iterable[Stage]) -> tuple[Stage, ...]:
    """The same chain with as few stages as it needs. Raises DesignError where its gains overflow."""
    chain, fused = list(stages), list[Stage]()
    for is_linear, run in groupby(chain, lambda stage: stage.is_linear):
        neighbours = list(run)
        fused += fuse_linear(linear(neighbours), _longest(chain)) if is_linear else _fused_branches(neighbours)
    return tuple(fused)


def _fused_branches(neighbours: Iterable[Stage]) -> list[Stage]:
    """What is branched is joined to a neighbour that takes it, and its branches are fused each by itself."""
    joined: list[Stage] = []
    for stage in neighbours:
        last = joined[-1] if joined else None
        one = last.followed_by(stage) if isinstance(last, Branched) and isinstance(stage, Branched) else None
        joined[-1 if one else len(joined) :] = [one or stage]
    fused = [replace(stage, branches=tuple(map(fuse, stage.branches)))  # type: ignore[type-var]
             if isinstance(stage, Branched) else stage for stage in joined]
    return [stage for stage in fused if not (isinstance(stage, Branched) and stage.is_empty)]


def fuse_linear(run: Sequence[Linear], longest: int | None = None) -> tuple[Linear, ...]:
    """The same for linear stages alone, whose impulse responses are joined to at most `longest` taps."""
    longest = _longest(run) if longest is None else longest
    gains = [stage for stage in run if isinstance(stage, Gain)]
    kept = [kept for stage in run if not isinstance(stage, Gain) and (kept := _simplified(stage, longest))]
    filters: list[Linear] = []
    for kind, neighbours in groupby(kept, type):
        alike = list(neighbours)
        if kind is Sections:
            filters.append(_cascade([stage for stage in alike if isinstance(stage, Sections)]))
        elif kind is Taps:
            filters += _convolved([stage for stage in alike if isinstance(stage, Taps)], longest)
        else:
            filters += alike
    factor, label = prod(gain.factor for gain in gains), labels(gains)
    if not isfinite(factor):
        raise DesignError(f"the gains together are beyond any number: {label}")
    return tuple(filters if factor == 1.0 else _scaled(filters, factor, label))


def _longest(stages: Iterable[Stage]) -> int:
    return 2 * MAX_PRODUCTS // max(1, sum(stage.tap_count for stage in stages))


def _simplified(stage: Linear, longest: int) -> Linear | None:
    """`stage` without what does nothing in it; None where nothing is left."""
    if isinstance(stage, Sections):
        acts = (stage.sos[:, :3] != stage.sos[:, 3:]).any(axis=1)
        return Sections(stage.sos[acts], stage.label) if acts.any() else None
    if isinstance(stage, Taps) and stage.delay_frames == 0 and stage.taps.tolist() == [1.0]:
        return None
    if isinstance(stage, Sum):
        return Sum(tuple(fuse_linear(row, longest) for row in stage.rows))
    return stage


def _cascade(neighbours: Sequence[Sections]) -> Sections:
    return Sections(np.concatenate([stage.sos for stage in neighbours]), labels(neighbours))


def _convolved(neighbours: Sequence[Taps], longest: int) -> list[Taps]:
    """In order, joined to impulse responses of at most `longest` taps."""
    responses: list[Array] = []
    groups: list[list[Taps]] = []
    for stage in neighbours:
        if groups and _pays(responses[-1], stage.taps, longest):
            responses[-1] = np.convolve(responses[-1], stage.taps)
            groups[-1].append(stage)
        else:
            responses.append(stage.taps)
            groups.append([stage])
    return [
        group[0] if len(group) == 1 else Taps(taps, sum(stage.delay_frames for stage in group), labels(group))
        for taps, group in zip(responses, groups, strict=True)
    ]


def _pays(left: Array, right: Array, longest: int) -> bool:
    return len(left) * len(right) <= MAX_JOIN_PRODUCTS and len(left) + len(right) <= longest


def _scaled(filters: Sequence[Linear], factor: float, label: str) -> list[Linear]:
    """`filters` with `factor` folded into the first that can take it, or in front of them."""
    for at, stage in enumerate(filters):
        name = ", ".join(filter(None, (stage.label, label)))
        if isinstance(stage, Taps):
            return [*filters[:at], Taps(stage.taps * factor, stage.delay_frames, name), *filters[at + 1 :]]
        if isinstance(stage, Sections):
            sos = stage.sos.copy()
            sos[0, :3] *= factor
            return [*filters[:at], Sections(sos, name), *filters[at + 1 :]]
    return [Gain(factor, label), *filters]
