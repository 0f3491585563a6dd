"""Modules of matrices over a whole tensor, in units that suit the device and that it has the memory for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from torchfx_cli.render.devicefaults import is_out_of_memory
from torchfx_cli.render.modules import Filter

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
    at, end = 0, x.shape[-1] + skipped
    frames = min(_unit_frames(x), end)
    state, done = core.rest(len(x)), []
    while at < end:
        made = _step(core, x, at, min(at + frames, end), state)
        if made is None and frames <= UNIT_GRID:
            raise torch.OutOfMemoryError(f"not enough memory on {x.device} for {frames} frames of {len(x)} channels")
        if made is None:
            frames = -(-frames // 2 // UNIT_GRID) * UNIT_GRID
            if x.device.type == "cuda":
                torch.cuda.empty_cache()
            continue
        y, state = made
        late = min(max(skipped - at, 0), y.shape[-1])
        done.append(y.narrow(-1, late, y.shape[-1] - late).to(x.dtype))
        at += y.shape[-1]
    return done[0] if len(done) == 1 else torch.cat(done, dim=-1)


def _step(core: Filter, x: Tensor, start: int, stop: int, state: Any) -> tuple[Tensor, Any] | None:
    """Frames `start` to `stop`; None where memory runs out: on return the error is gone, and what it kept alive."""
    try:
        heard = min(max(x.shape[-1] - start, 0), stop - start)
        samples = x.narrow(-1, min(start, x.shape[-1]), heard).double()
        silent = stop - start - heard
        return core.step(pad(samples, (0, silent)) if silent else samples, state)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
    return None


def _unit_frames(x: Tensor) -> int:
    samples = UNIT_SAMPLES
    if x.device.type == "cuda":
        memory = torch.cuda.get_device_properties(x.device).total_memory
        samples = min(MOST_SAMPLES, memory // BYTES_A_SAMPLE)
    return -(-samples // len(x) // UNIT_GRID) * UNIT_GRID
