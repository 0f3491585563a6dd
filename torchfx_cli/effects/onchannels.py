"""Stages that work on some of the channels, while the others wait for them.

Neighbours become one: those on the same channels follow each other, and those on others stand beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import ceil

import numpy as np

from torchfx_cli.design.stage import Array, Branched, Processor, Stage, Telling
from torchfx_cli.design.stages import labels, ringing_s
from torchfx_cli.effects.matrix import mixed
from torchfx_cli.effects.parallel import Abreast, cost_ns_of
from torchfx_cli.records import dataclass
from torchfx_cli.samples import Signal


@dataclass(frozen=True, eq=False)
class OnChannels(Branched):
    """Each of the `branches` on the channels of `source` at its own `places`; none is in two of them."""

    branches: tuple[tuple[Stage, ...], ...]
    places: tuple[tuple[int, ...], ...]
    source: Signal

    @property
    def label(self) -> str:  # type: ignore[override]
        """Such as "channel 1: highpass 80 Hz butterworth order 2"."""
        return "; ".join(f"{self.where(n)}: {labels(branch) or 'as it is'}" for n, branch in enumerate(self.branches))

    @property
    def cost_ns(self) -> float:  # type: ignore[override]
        shares = (len(places) / self.source.channels for places in self.places)
        return sum(share * (2.0 + cost_ns_of(branch)) for branch, share in zip(self.branches, shares, strict=True))

    @property
    def turns_time(self) -> bool:  # type: ignore[override]
        passes = sum(map(len, self.places)) < self.source.channels
        return not passes and super().turns_time

    def tail_frames(self, source: Signal) -> int:
        """See `Stage`."""
        return max(ceil(ringing_s(branch, heard) * source.fs)
                   for branch, heard in zip(self.branches, self.heard(source), strict=True))

    def heard(self, source: Signal) -> tuple[Signal, ...]:
        """See `Branched`."""
        return tuple(Signal(source.fs, len(places)) for places in self.places)

    def scratch_bytes(self, frames: int, source: Signal) -> int:
        """See `Branched`: the sound as it came waits, too."""
        kept = super().scratch_bytes(frames, source)
        return kept + 8 * source.channels * frames if kept else 0

    def leading_to(self, branch: int, source: Signal) -> tuple[Stage, ...]:
        """See `Branched`."""
        return (mixed(np.eye(source.channels)[list(self.places[branch])], ""),)

    def where(self, branch: int) -> str:
        """See `Branched`, such as "channels 1, 3"."""
        places = self.places[branch]
        return f"channel{'s' * (len(places) > 1)} {', '.join(str(place + 1) for place in places)}"

    @property
    def is_empty(self) -> bool:
        """See `Branched`."""
        return not any(self.branches)

    def followed_by(self, other: Branched) -> Branched | None:
        """See `Branched`."""
        if not isinstance(other, OnChannels):
            return None
        branches = dict(zip(self.places, self.branches, strict=True))
        for places, branch in zip(other.places, other.branches, strict=True):
            if places not in branches and any(set(places) & set(taken) for taken in branches):
                return None
            branches[places] = (*branches.get(places, ()), *branch)
        return replace(self, branches=tuple(branches.values()), places=tuple(branches))

    def raised(self, gains: Sequence[float]) -> float:
        """See `Branched`."""
        return max(1.0, *gains)

    def joined(self, branches: Sequence[Processor], source: Signal) -> Processor:
        """See `Branched`."""
        return _OnChannels(branches, self.places, source.channels)


class _OnChannels(Telling):
    """The first of the inputs that stand abreast is the sound as it came, the rest are those of the branches."""

    def __init__(self, branches: Sequence[Processor], places: Sequence[tuple[int, ...]], channels: int) -> None:
        self._places = [list(part) for part in places]
        self._all = Abreast([_Passing(), *branches], [channels, *map(len, places)])
        self.inner = branches

    def process(self, samples: Array) -> Array:
        """See `Processor`."""
        parts = [np.ascontiguousarray(samples[:, places]) for places in self._places]
        return self._placed(self._all.process([samples, *parts]))

    def flush(self) -> Iterator[Array]:
        """See `Processor`."""
        return map(self._placed, self._all.flush())

    def _placed(self, made: Sequence[Array]) -> Array:
        whole, *parts = made
        for places, part in zip(self._places, parts, strict=True):
            whole[:, places] = part
        return whole


class _Passing:
    def process(self, samples: Array) -> Array:
        """See `Processor`."""
        return samples

    def flush(self) -> Iterator[Array]:
        """See `Processor`."""
        return iter(())
