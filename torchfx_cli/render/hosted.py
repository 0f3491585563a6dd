"""Tensors on the CPU through the CPU engine's filters, some fifteen times as fast there as the modules of matrices.

It is for who wants numbers and nothing else: see `is_plain`. They are the command line's, to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from torchfx_cli.design.stages import Stage
from torchfx_cli.render.kernel.load import load
from torchfx_cli.render.native import Filters
from torchfx_cli.samples import block_frames

LEAST_FRAMES = 4096  # at a time: what a convolution by FFT owes at the end must not be fetched a frame at a time


def is_plain(x: Tensor) -> bool:
    """Whether `x` is numbers in the memory of the CPU that nobody differentiates, traces, compiles or maps over."""
    if torch.compiler.is_compiling() or torch.jit.is_tracing() or type(x) not in (Tensor, nn.Parameter):
        return False
    if x.device.type != "cpu" or (x.requires_grad and torch.is_grad_enabled()):
        return False
    if forward_ad.unpack_dual(x).tangent is not None:
        return False
    try:
        x.detach().data_ptr()
    except RuntimeError:  # of a transform of torch.func, which has no memory of its own
        return False
    return True


def from_rest(stages: Sequence[Stage], x: Tensor, skipped: int) -> Tensor:
    """`stages` over `x` [channels, frames], floating point, less the first `skipped` frames that come out.

    The output has the shape and type of `x`: silence follows its end as far as it must be heard. What is not finite
    spreads, as in scipy.signal.
    """
    channels, frames = x.shape
    samples = (x if x.dtype == torch.float32 else x.double()).detach().numpy()
    y = np.empty_like(samples)
    filters = Filters(load(), stages, channels)
    step = min(block_frames(channels), max(frames + skipped, LEAST_FRAMES))
    labels = ", ".join(stage.label for stage in stages)
    start, made, to_skip = 0, 0, skipped
    with torch.profiler.record_function(f"torchfx_cli: {labels}"), np.errstate(over="ignore", invalid="ignore"):
        while made < frames:
            block = np.zeros((step, channels))
            heard = samples[:, start : start + step].T
            block[: len(heard)] = heard
            out = filters.process(block)
            late = min(to_skip, len(out))
            kept = out[late : late + frames - made]
            y[:, made : made + len(kept)] = kept.T
            start, made, to_skip = start + step, made + len(kept), to_skip - late
    return torch.from_numpy(y).to(x.dtype)


class Stream:
    """`stages` on blocks of float64 [channels, frames] on the CPU, one after another, each answered at once."""

    def __init__(self, stages: Sequence[Stage], channels: int) -> None:
        self._filters = Filters(load(), stages, channels)

    @property
    def in_step(self) -> bool:
        """Whether it can: see `Filters`."""
        return self._filters.in_step

    def step(self, x: Tensor) -> Tensor:
        """The next frames, as many as in `x`."""
        block = np.array(x.detach().T.numpy(), np.float64, order="C")
        return torch.from_numpy(self._filters.process(block)).T
