"""How the library's modules combine: `a | b` one after the other, `a + b` side by side, from rest or in blocks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

# Samples that `forward` filters at a time: on a CPU a unit fits the second-level cache, elsewhere it hides launches.
UNIT_SAMPLES = {"cpu": 1 << 17}
MOST_SAMPLES = 1 << 24
UNIT_GRID = 4096  # whole blocks of the modules


class Module(nn.Module):
    """Base of the library's filters and effects: `a | b` is one after the other, `a + b` the sum of both."""

    def __or__(self, other: nn.Module) -> Chain:
        return Chain(*_parts(self, Chain), *_parts(other, Chain))

    def __add__(self, other: nn.Module) -> Sum:
        return Sum(*_parts(self, Sum), *_parts(other, Sum))


class Linear(Module, ABC):
    """Base of what is linear and remembers: it can be run from rest or in blocks, and may have a delay to remove.

    `step` is causal; `forward` removes `delay_frames`, once for everything inside: were each filter of a chain to
    cut its own output, the next one would begin and end in the middle of it.
    """

    @property
    @abstractmethod
    def delay_frames(self) -> int:
        """Frames of delay that `forward` removes."""

    @abstractmethod
    def rest(self, channels: int) -> Any:
        """The state before the first frame of [channels, frames]."""

    @abstractmethod
    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Filter the next frames `x`, float64, on from `state`; gives the output and the state behind it."""

    def forward(self, x: Tensor) -> Tensor:
        """Filter `x` [..., frames] from rest; the output has its shape and type."""
        if not x.is_floating_point():
            raise TypeError(f"{self._name()} filters floating-point samples, not {x.dtype}: scale them to +-1 first")
        if not x.ndim:
            raise ValueError(f"{self._name()} filters [..., frames], not a single number")
        if not x.numel():
            return x
        rows = x.reshape(-1, x.shape[-1]).double()
        y = self._from_rest(pad(rows, (0, self.delay_frames)))
        return y[..., self.delay_frames :].reshape(x.shape).to(x.dtype)

    def _from_rest(self, rows: Tensor) -> Tensor:
        """`step` over units of `rows` [channels, frames] that stay in the caches of the device."""
        samples = UNIT_SAMPLES.get(rows.device.type, MOST_SAMPLES)
        unit = -(-samples // len(rows) // UNIT_GRID) * UNIT_GRID
        state, done = self.rest(len(rows)), []
        for piece in rows.split(unit, dim=-1):
            y, state = self.step(piece, state)
            done.append(y)
        return done[0] if len(done) == 1 else torch.cat(done, dim=-1)

    def _name(self) -> str:
        return type(self).__name__


class Chain(Linear):
    """Modules one after another, any `nn.Module` among them; with one that is not `Linear` it cannot be streamed."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        """`x` [..., frames] through all parts. Linear neighbours are run as one, see `Linear`."""
        for linear, run in groupby(self.parts, lambda part: isinstance(part, Linear)):
            if linear:
                x = Linear.forward(Chain(*run), x)
            else:
                for part in run:
                    x = part(x)
        return x

    @property
    def delay_frames(self) -> int:
        return sum(part.delay_frames for part in _linear(self.parts))

    def rest(self, channels: int) -> list[Any]:
        return [part.rest(channels) for part in _linear(self.parts)]

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, list[Any]]:
        ends = []
        for part, before in zip(_linear(self.parts), state, strict=True):
            x, end = part.step(x, before)
            ends.append(end)
        return x, ends


class Sum(Linear):
    """Linear modules side by side on the same input, added; all remove the same delay."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    @property
    def delay_frames(self) -> int:
        delays = {part.delay_frames for part in _linear(self.parts)}
        if len(delays) > 1:
            raise ValueError(f"the parts of a Sum remove different delays: {sorted(delays)} frames")
        return delays.pop()

    def rest(self, channels: int) -> list[Any]:
        return [part.rest(channels) for part in _linear(self.parts)]

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, list[Any]]:
        done = [part.step(x, before) for part, before in zip(_linear(self.parts), state, strict=True)]
        return torch.stack([y for y, _ in done]).sum(dim=0), [end for _, end in done]


def _parts(module: nn.Module, kind: type[Chain] | type[Sum]) -> Iterator[nn.Module]:
    """Chains in a chain are one chain, and sums in a sum one sum."""
    if not isinstance(module, nn.Module):
        raise TypeError(f"a filter combines with an nn.Module, not with {type(module).__name__}")
    yield from module.parts if isinstance(module, kind) else (module,)


def _linear(parts: Iterable[nn.Module]) -> Iterator[Linear]:
    for part in parts:
        if not isinstance(part, Linear):
            raise ValueError(f"{type(part).__name__} carries no state between blocks: it cannot be streamed or added")
        yield part
