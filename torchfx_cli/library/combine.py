"""How the library's modules combine: `a | b` one after the other, `a + b` side by side, from rest or in blocks.

What is only asked for its numbers, on the CPU, is computed by the CPU engine (`render.native_forward`); everything
else, and all on other devices, by the modules of matrices and transforms (`render.modules`). In a graph of torch
either is one operator (`library.traced`).

Neighbours are computed as one: a wave is read and written once for all of them, and rounded to its type once. That is
right only for a module that is ours as it stands; see `runs_unseen`. Others are called, one after the other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import groupby
from typing import Any, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.modules import module as calls

from torchfx_cli.design import stages
from torchfx_cli.effects.kind import params_of
from torchfx_cli.effects.table import KINDS
from torchfx_cli.library import traced, units
from torchfx_cli.library.cores import Cores, Row, apart
from torchfx_cli.library.rates import take_wave_rate
from torchfx_cli.plan.fuse import fuse_linear
from torchfx_cli.render import modules, native_forward


@cache
def designed_names() -> frozenset[str]:
    """Attributes that would say something else than what was designed: keys and fields of every kind, and results."""
    fields = {name for kind in KINDS.values() for key, (field, _) in params_of(kind.record).items()
              for name in (key, field.name)}
    return frozenset(fields | {"spec", "stage", "coefficients", "row", "delay_frames", "num_taps", "b", "a", "sos"})


class Module(nn.Module):
    """Base of the library's filters and effects: `a | b` is one after the other, `a + b` the sum of both."""

    def __or__(self, other: nn.Module) -> Chain | Pipeline:
        return chained([*opened(self), *opened(other)])

    def __add__(self, other: nn.Module) -> Sum:
        return Sum(*_summands(self), *_summands(other))

    def __setattr__(self, name: str, value: Any) -> None:
        """What a filter is, it is for life; a sample rate may be given once."""
        if name == "fs" and (take_rate := getattr(self, "take_rate", None)):
            take_rate(value)
        elif name == "fs" or name in designed_names():
            is_ours = name in vars(self) or hasattr(self, "take_rate")
            raise AttributeError(f"{self._name()}.{name} cannot be set: make a new one with it" if is_ours else
                                 f"{self._name()} has no {name} of its own; make its parts with it")
        else:
            super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        """Nor can it be taken away, as a parametrization would, which changed nothing of what is computed."""
        if name == "fs" or name in designed_names():
            raise AttributeError(f"{self._name()}.{name} belongs to its design: it cannot be deleted or parametrized")
        super().__delattr__(name)

    def _keep(self, name: str, value: Any) -> None:
        """Set one of the names that nobody else may set."""
        super().__setattr__(name, value)

    def _check(self, x: Tensor) -> None:
        if not isinstance(x, Tensor):
            raise TypeError(f"{self._name()} filters tensors, not {type(x).__name__}: a fx.Wave holds either")
        if not x.is_floating_point():
            raise TypeError(f"{self._name()} filters floating-point samples, not {x.dtype}: scale them to +-1 first")

    def _name(self) -> str:
        return type(self).__name__


class Linear(Module, ABC):
    """Base of what is linear and remembers: it can be run from rest or in blocks, and may have a delay to remove.

    Its `core` is causal; `forward` removes `delay_frames`, once for everything inside: were each filter of a chain to
    cut its own output, the next one would begin and end in the middle of it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._cores = Cores()

    @property
    @abstractmethod
    def delay_frames(self) -> int:
        """Frames of delay that `forward` removes."""

    @property
    @abstractmethod
    def row(self) -> Row:
        """What it is one after the other, fused."""

    def core(self) -> modules.Filter:
        """What computes it, float64 [channels, frames], on the device where its coefficients are."""
        return self._cores.of(self.row, home_of(self))

    def compute_coefficients(self) -> None:
        """Design all filters in it whose rate is known; the others wait for theirs."""
        for part in self._parts():
            part.compute_coefficients()

    def move_coeff(self, device: str | torch.device) -> None:
        """The same as `.to(device)`."""
        self.to(device)

    def forward(self, x: Tensor) -> Tensor:
        """Filter `x` [..., frames] from rest; the output has its shape and type."""
        self._check(x)
        take_wave_rate(self)
        if not x.ndim:
            raise ValueError(f"{self._name()} filters [..., frames], not a single number")
        if not all(map(runs_unseen, self._parts())):
            return self._called(x)
        if not x.numel():
            return x
        return self._from_rest(x.reshape(-1, x.shape[-1])).reshape(x.shape)

    def _parts(self) -> Sequence[Linear]:
        """The modules that `row` is made of, where it is not a filter's."""
        return ()

    def _called(self, x: Tensor) -> Tensor:
        """`forward` where a part must be called: each removes its own delay, and rounds to the type of `x`."""
        raise NotImplementedError

    def _from_rest(self, x: Tensor) -> Tensor:
        """Filter `x` [channels, frames], then as much silence as was late, without that delay."""
        if torch.compiler.is_compiling():
            return traced.filtered(x, *self._traced())
        skipped = self.delay_frames
        if native_forward.is_plain(x) and home_of(self).device == x.device:
            return native_forward.from_rest(self.row, x, skipped)
        return units.from_rest(self.core(), x, skipped)


    @torch.compiler.assume_constant_result
    def _traced(self) -> tuple[str, int]:
        """What `traced.filtered` is told, found while a graph is made."""
        return traced.text_of(self.row), self.delay_frames


class Chain(Linear):
    """Linear modules one after another. Where all are filters they are fused, and computed as one."""

    def __init__(self, *parts: Linear) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self._fused: Row = ()
        self._fused_of: Row = ()

    def _parts(self) -> Sequence[Linear]:
        return cast("Sequence[Linear]", self.parts)

    def _called(self, x: Tensor) -> Tensor:
        graph = torch.compiler.is_compiling()  # in which no modules may be made
        for part in self.parts if graph else neighbours_joined(self.parts, runs_unseen):
            x = part(x)
        return x

    @property
    def delay_frames(self) -> int:
        return sum(part.delay_frames for part in self._parts())

    @property
    def row(self) -> Row:
        row = tuple(stage for part in self._parts() for stage in part.row)
        if self._fused_of != row:
            self._fused_of, self._fused = row, apart(fuse_linear, row)
        return self._fused


class Sum(Linear):
    """Linear modules side by side on the same input, added; all remove the same delay."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(linear(parts))

    def _parts(self) -> Sequence[Linear]:
        return cast("Sequence[Linear]", self.parts)

    def _called(self, x: Tensor) -> Tensor:
        first, *others = (part(x) for part in self.parts)
        return sum(others, first)

    @property
    def delay_frames(self) -> int:
        delays = {part.delay_frames for part in self._parts()}
        if len(delays) > 1:
            raise ValueError(f"the parts of a Sum remove different delays: {sorted(delays)} frames")
        return delays.pop()

    @property
    def row(self) -> Row:
        return (stages.Sum(tuple(part.row for part in self._parts())),)


class Pipeline(Module):
    """Modules one after another, any `nn.Module` among them, so it cannot be streamed. Linear ones are chained."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        """`x` [..., frames] through all parts."""
        for part in self.parts:
            x = part(x)
        return x


def chained(parts: Sequence[nn.Module]) -> Chain | Pipeline:
    """`parts` one after another: a `Chain` where all are linear."""
    if all(isinstance(part, Linear) for part in parts):
        return Chain(*linear(parts))
    return Pipeline(*neighbours_joined(parts, lambda part: isinstance(part, Linear)))


def neighbours_joined(parts: Iterable[nn.Module], belongs: Callable[[nn.Module], bool]) -> list[nn.Module]:
    """`parts`, where neighbours that belong together are one `Chain`."""
    joined: list[nn.Module] = []
    for together, run in groupby(parts, belongs):
        neighbours = list(run)
        joined += [Chain(*linear(neighbours))] if together and len(neighbours) > 1 else neighbours
    return joined


def opened(module: nn.Module) -> Iterator[nn.Module]:
    """What `module` does one after another: chains, and `nn.Sequential`s, are taken apart, those in them too."""
    _require_module(module)
    if not runs_in_turn(module):
        yield module
        return
    for part in module if isinstance(module, nn.Sequential) else cast("Chain | Pipeline", module).parts:
        yield from opened(part)


def runs_in_turn(module: nn.Module) -> bool:
    """Whether calling `module` calls its parts one after another and does no more."""
    known = isinstance(module, Chain | Pipeline | nn.Sequential) and type(module).forward in _IN_TURN
    return known and is_untouched(module)


def steps_of(module: nn.Module) -> Sequence[nn.Module]:
    """`opened`, neighbours chained; what was made for an `nn.Sequential` is kept with it, and its tables on a GPU."""
    if isinstance(module, Chain) or not runs_in_turn(module):
        return [module]
    if isinstance(module, Pipeline):
        return list(module.parts)
    sequential, parts = cast("nn.Sequential", module), list(opened(module))
    if sequential not in _STEPS or _STEPS[sequential][0] != parts:
        _STEPS[sequential] = parts, neighbours_joined(parts, lambda part: isinstance(part, Linear))
    return _STEPS[sequential][1]


def is_ours(module: nn.Module) -> bool:
    """Whether calling `module` does what its `row` says and no more: no hooks, no `forward` of a user's."""
    if not isinstance(module, Linear) or type(module).forward is not Linear.forward or not is_untouched(module):
        return False
    return all(map(is_ours, module._parts()))


def is_untouched(module: nn.Module) -> bool:
    """Whether `module` has no hooks of its own, and is called as its class says."""
    hooks = (module._forward_pre_hooks, module._forward_hooks, module._backward_pre_hooks, module._backward_hooks)
    return not any(hooks) and "forward" not in vars(module) and type(module).__call__ is nn.Module.__call__


def runs_unseen(module: nn.Module) -> bool:
    """Whether nobody can tell that `module` is not called: `is_ours`, and no hooks that torch calls for all modules."""
    for_all = (calls._global_forward_pre_hooks, calls._global_forward_hooks,
               calls._global_backward_pre_hooks, calls._global_backward_hooks)
    return not any(for_all) and is_ours(module)


_IN_TURN = (Linear.forward, Pipeline.forward, nn.Sequential.forward)
_STEPS: WeakKeyDictionary[nn.Sequential, tuple[list[nn.Module], list[nn.Module]]] = WeakKeyDictionary()


def linear(parts: Iterable[nn.Module]) -> list[Linear]:
    """`parts`, none of which may be anything but `Linear`: ValueError."""
    found = []
    for part in parts:
        for one in part.parts if isinstance(part, Pipeline) else (part,):
            if not isinstance(one, Linear):
                name = type(one).__name__
                raise ValueError(f"{name} carries no state between blocks: it cannot be streamed or added")
            found.append(one)
    return found


def home_of(module: nn.Module) -> Tensor:
    """One of the coefficients inside `module`; ValueError where they are not together on one device."""
    buffers = list(module.buffers())
    devices = {str(buffer.device) for buffer in buffers}
    if len(devices) > 1:
        raise ValueError(f"coefficients on {' and '.join(sorted(devices))}: move all of them with .to()")
    return buffers[0] if buffers else torch.empty(0)


def _summands(module: nn.Module) -> Iterator[nn.Module]:
    """Sums in a sum are one sum."""
    _require_module(module)
    if type(module) is Sum and is_untouched(module):
        for part in module.parts:
            yield from _summands(part)
    else:
        yield module


def _require_module(module: object) -> None:
    if not isinstance(module, nn.Module):
        raise TypeError(f"a filter combines with an nn.Module, not with {type(module).__name__}")
