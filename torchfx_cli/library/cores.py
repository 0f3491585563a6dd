"""The modules that compute a row, made when they are first needed and kept, one for each device.

They are no submodules of the filter: what torch does to those (`.float()`, `functional_call`) must not reach their
tables. Nor may what holds while they are made stick to them (inference mode, a transform of torch.func, a default
device), as they outlive it. All of that belongs to a thread, so they are made in a thread of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch
from torch import Tensor

from torchfx_cli.design.stages import Linear
from torchfx_cli.render import modules
from torchfx_cli.render.torch_engine import modules_of

T = TypeVar("T")
Row = tuple[Linear, ...]


class Cores:
    """What computes one row at a time; a copy, or what comes out of a pickle, makes its own again."""

    def __init__(self) -> None:
        self._row: Row = ()
        self._made: dict[torch.device, modules.Chain] = {}

    def of(self, row: Row, like: Tensor) -> modules.Chain:
        """The module for `row`, on the device of `like`."""
        if type(like) is not Tensor:  # a tracer's stand-in: it wants tables of its own kind, and they end with it
            return _made(row, like.device)
        if self._row != row:
            self._row, self._made = row, {}
        if like.device not in self._made:
            self._made[like.device] = apart(_made, row, like.device)
        return self._made[like.device]

    def __reduce__(self) -> tuple[type[Cores], tuple[()]]:
        return Cores, ()


def _made(row: Row, device: torch.device) -> modules.Chain:
    return modules_of(row).to(device)


def apart(make: Callable[..., T], *inputs: Any) -> T:
    """`make(*inputs)`, done where nothing holds that torch lets hold for a thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(make, *inputs).result()
