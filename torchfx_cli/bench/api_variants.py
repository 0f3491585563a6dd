"""The torch modules over a tensor [channels, frames]: in units, as the engines do it, and the variants of `api`.

    class       a module of one's own, whose forward calls one filter after the other
    sequential  nn.Sequential
    pipe        filter | filter | ...
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import or_

import torch
from torch import Tensor, nn

from torchfx_cli.bench.backends import Between
from torchfx_cli.bench.loads import Load
from torchfx_cli.library.designed import Filter
from torchfx_cli.render.torch_engine import modules_of, unit_of

Run = Callable[[Between], Tensor]


def in_units(load: Load, sound: Tensor) -> Run:
    """The plan's modules from rest over `sound`, float32 to float32, state carried from unit to unit."""
    chain = modules_of(load.plan.stages).to(sound.device)
    step = unit_of(load.plan.stages, load.channels, sound.device.type)

    @torch.inference_mode()
    def run(between: Between) -> Tensor:
        out = torch.empty_like(sound)
        state = chain.initial_state(load.channels)
        for start in range(0, load.frames, step):
            y, state = chain.step(sound[:, start : start + step].double(), state)
            out[:, start : start + step] = y
            between()
        return out

    return run


class Own(nn.Module):
    """What a user of torch writes."""

    def __init__(self, filters: list[Filter]) -> None:
        super().__init__()
        self.filters = nn.ModuleList(filters)

    def forward(self, x: Tensor) -> Tensor:
        for one in self.filters:
            x = one(x)
        return x


def whole(load: Load, label: str, sound: Tensor) -> Run:
    """All of `sound` at once through the library's filters, put together as the variant `label`."""
    filters = [Filter(stage, load.fs) for stage in load.chain.stages]
    module: nn.Module
    if label == "class":
        module = Own(filters)
    else:
        module = nn.Sequential(*filters) if label == "sequential" else reduce(or_, filters)
    module.to(sound.device)

    @torch.inference_mode()
    def run(between: Between) -> Tensor:
        y: Tensor = module(sound)
        return y

    return run
