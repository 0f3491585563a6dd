"""Tensors on the CPU through the CPU engine's filters, some fifteen times as fast there as the modules of matrices.

It is for who wants numbers and nothing else: see `is_plain`. They are the command line's, to the last bit.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from torchfx_cli.design.stages import Linear, labels
from torchfx_cli.kernel.load import load
from torchfx_cli.render.native import Filters
from torchfx_cli.render.runner import Alignment
from torchfx_cli.samples import block_frames

LEAST_FRAMES = 4096  # at a time: what a convolution by FFT owes at the end must not be fetched a frame at a time
THREAD_SAMPLES = 1 << 18  # a millisecond of work: less is not worth a thread

Array = npt.NDArray[np.floating]
Row = tuple[Linear, ...]


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


def from_rest(row: Row, x: Tensor, skipped: int) -> Tensor:
    """`row` over `x` [channels, frames], floating point, less the first `skipped` frames of the output.

    The output has the shape and type of `x`: silence follows its end as far as it must be heard. What is not finite
    spreads, as in scipy.signal.
    """
    samples = (x if x.dtype == torch.float32 else x.double()).detach().numpy()
    y = np.empty(samples.shape, samples.dtype)  # NumPy asks for huge pages, whose first touch costs a sixth
    threads = max(1, min(torch.get_num_threads(), len(x) // 2, x.numel() // THREAD_SAMPLES))
    with torch.profiler.record_function(f"torchfx_cli: {labels(row)}"):
        if threads == 1:
            _filter(row, skipped, samples, y)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(partial(_filter, row, skipped), *(np.array_split(a, threads) for a in (samples, y))))
    return torch.from_numpy(y).to(x.dtype)


def _filter(row: Row, skipped: int, samples: Array, y: Array) -> None:
    """Some of the channels of `from_rest`, into `y`: none of them depends on which are done together."""
    channels, frames = samples.shape
    kernel = load()
    filters, alignment = Filters(kernel, row, channels), Alignment(skipped, frames)
    step = min(block_frames(channels), max(frames + skipped, LEAST_FRAMES))
    block, start, made = np.empty((step, channels)), 0, 0
    with np.errstate(over="ignore", invalid="ignore"):
        while alignment.owed:
            heard = samples[:, start : start + step]
            frames_heard = heard.shape[1]
            kernel.from_rows(heard, block[:frames_heard])
            block[frames_heard:] = 0.0
            out = filters.process(block)
            first, count, alignment = alignment.due(len(out))
            kernel.to_rows(out[first : first + count], y[:, made : made + count])
            start, made = start + step, made + count


class Stream:
    """`row` on blocks of float64 [channels, frames] on the CPU, one after another, each answered at once."""

    def __init__(self, row: Row, channels: int) -> None:
        self._filters = Filters(load(), row, channels)

    @property
    def in_step(self) -> bool:
        """Whether it can: see `Filters`."""
        return self._filters.in_step

    def step(self, x: Tensor) -> Tensor:
        """The next frames, as many as in `x`."""
        block = np.array(x.detach().T.numpy(), np.float64, order="C")
        return torch.from_numpy(self._filters.process(block)).T
