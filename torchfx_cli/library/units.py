"""Modules of matrices over a whole tensor, in units that suit the device and that it has the memory for."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from torchfx_cli.errors import DeviceError
from torchfx_cli.render.devicefaults import Allowance
from torchfx_cli.render.modules import Filter
from torchfx_cli.render.runner import Alignment

# On a CPU a unit fits the second-level cache; on a GPU it hides the launches and its memory, some ten numbers a
# sample, is a small part of the device's.
UNIT_SAMPLES = 1 << 17
MOST_SAMPLES = 1 << 26
BYTES_A_SAMPLE = 512  # of the device's memory, for each sample of a unit
UNIT_GRID = 4096  # whole blocks of the modules


def from_rest(core: Filter, x: Tensor, skipped: int) -> Tensor:
    """`core` over `x` [channels, frames], floating point, then silence, less the first `skipped` frames of the output.

    Where the device has no memory for a unit, it goes on from there with half the frames at a time.
    """
    at, alignment = 0, Alignment(skipped, x.shape[-1])
    units = Allowance(x.device, min(_unit_frames(x), _whole_units(x.shape[-1] + skipped)),
                      f"frames of {len(x)} channels", grid=UNIT_GRID)
    state, done = core.initial_state(len(x)), []
    while alignment.owed:
        frames = min(units.size, alignment.missing_frames)
        try:
            made = units.attempt(partial(_step, core, x, at, frames, state), UNIT_GRID)
        except DeviceError as error:
            raise torch.OutOfMemoryError(str(error)) from None
        if made is not None:
            y, state = made
            first, count, alignment = alignment.due(frames)
            done.append(y.narrow(-1, first, count).to(x.dtype))
            at += frames
    return done[0] if len(done) == 1 else torch.cat(done, dim=-1)


def _step(core: Filter, x: Tensor, start: int, frames: int, state: Any) -> tuple[Tensor, Any]:
    heard = min(max(x.shape[-1] - start, 0), frames)
    samples = x.narrow(-1, min(start, x.shape[-1]), heard).double()
    return core.step(pad(samples, (0, frames - heard)) if frames > heard else samples, state)


def _unit_frames(x: Tensor) -> int:
    samples = UNIT_SAMPLES
    if x.device.type == "cuda":
        memory = torch.cuda.get_device_properties(x.device).total_memory
        samples = min(MOST_SAMPLES, memory // BYTES_A_SAMPLE)
    return _whole_units(max(1, samples // len(x)))


def _whole_units(frames: int) -> int:
    return -(-frames // UNIT_GRID) * UNIT_GRID
