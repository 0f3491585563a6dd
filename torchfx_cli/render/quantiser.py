"""float64 samples on a device -> what a file holds: the kernel's `store_samples` in tensor operations, bit for bit.

Rounding where the samples are makes a quarter of the bytes of 16-bit audio cross the bus, and takes the work off the
one host thread. The dither is the kernel's: a sample's noise is a hash of the seed and of its place in the file, in
32-bit words that int64 holds. All floating-point steps are operations of their own in float64, so nothing is fused and
every device rounds alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from torchfx_cli.kernel.load import load
from torchfx_cli.kernel.twin import FLOAT_LIMIT, dither_key
from torchfx_cli.plan.assemble import RenderPlan

LOW_WORD = 0xFFFFFFFF
# MurmurHash3's factors less 2^32: the same lower words, and no product leaves int64.
FIRST_FACTOR, SECOND_FACTOR = 0x85EBCA6B - (1 << 32), 0xC2B2AE35 - (1 << 32)
EPOCH_SAMPLES = 1 << 31  # the hash takes 32 bits of a place, of which a sample has two


@dataclass(frozen=True)
class Quantised:
    """`block` [..., frames, channels] in the sink's type; `seen` [..., 3] float64: clipped, peak, first bad or -1."""

    block: Tensor
    seen: Tensor


def quantise(plan: RenderPlan, samples: Tensor, first_frame: int) -> Quantised:
    """`samples` [..., frames, channels] float64, the first frame being the `first_frame`-th of the output.

    See `Kernel.store_samples`, which does it on the CPU; leading axes are files of their own.
    """
    if samples.device.type == "cpu":
        return by_kernel(plan, samples, first_frame)
    return by_tensors(plan, samples, first_frame)


def by_kernel(plan: RenderPlan, samples: Tensor, first_frame: int) -> Quantised:
    """See `quantise`: where the samples lie on the host, the kernel is twenty times as fast."""
    files = samples.unsqueeze(0).flatten(0, -3).contiguous().numpy()
    block = np.empty(files.shape, plan.sink.dtype)
    sink = plan.sink
    seen = [
        load().store_samples(x, out, sink.bits, plan.dither, plan.seed, first_frame, sink.limit)
        for x, out in zip(files, block, strict=True)
    ]
    found = torch.tensor(seen, dtype=torch.float64).view(*samples.shape[:-2], 3)
    return Quantised(torch.from_numpy(block).view(samples.shape), found)


def by_tensors(plan: RenderPlan, samples: Tensor, first_frame: int) -> Quantised:
    """See `quantise`: the same in tensor operations, on any device."""
    sink = plan.sink
    to_float32 = sink.dtype == "float32" and not sink.limit
    limit = FLOAT_LIMIT if to_float32 else torch.finfo(torch.float64).max
    bad = (samples.abs() <= limit).logical_not()  # NaN is not at most anything
    x = torch.where(bad, 0.0, samples)
    peak = x.abs().flatten(-2).amax(-1) if x.numel() else x.new_zeros(x.shape[:-2])
    if sink.is_integer:
        scale = 2.0 ** (sink.bits - 1)
        x = x.clamp(-2.0, 2.0) * scale  # far outside one step is as good as many, and cannot overflow
        if plan.dither:
            x = x + _noise(plan, x, first_frame)
        x = x.clamp(-scale - 1.0, scale).round()
        kept = x.clamp(-scale, scale - 1.0)
        dtype = getattr(torch, sink.dtype)
        block = kept.to(torch.int64).bitwise_left_shift(torch.iinfo(dtype).bits - sink.bits).to(dtype)
    else:
        kept = x.clamp(-1.0, 1.0) if sink.limit else x
        block = kept.to(getattr(torch, sink.dtype))
    clipped = (kept != x).flatten(-2).sum(-1)
    return Quantised(block.contiguous(), torch.stack([clipped.double(), peak, _first(bad).double()], dim=-1))


def _noise(plan: RenderPlan, like: Tensor, first_frame: int) -> Tensor:
    frames, channels = like.shape[-2:]
    return tpdf(plan.seed, first_frame * channels, frames * channels, like.device).view(frames, channels)


def tpdf(seed: int, first_sample: int, count: int, device: torch.device) -> Tensor:
    """See `kernel.twin.tpdf`: [count] float64 in (-1, 1), triangular."""
    parts = []
    while count:
        epoch, start = divmod(first_sample, EPOCH_SAMPLES)
        part = min(count, EPOCH_SAMPLES - start)
        before, between = dither_key(seed, epoch)
        places = torch.arange(2 * start, 2 * (start + part), dtype=torch.int64, device=device)
        words = _hash(places, before, between).unflatten(0, (-1, 2)).sum(-1)
        parts.append((words - LOW_WORD).double() * 2.0**-32)
        first_sample, count = first_sample + part, count - part
    return torch.cat(parts) if parts else torch.empty(0, dtype=torch.float64, device=device)


def _hash(places: Tensor, before: int, between: int) -> Tensor:
    h = (places + before) & LOW_WORD
    h = ((h ^ h >> 16) * FIRST_FACTOR) & LOW_WORD
    h = ((((h ^ h >> 13) + between) & LOW_WORD) * SECOND_FACTOR) & LOW_WORD
    return h ^ h >> 16


def _first(bad: Tensor) -> Tensor:
    """The flat index of the first that is bad in each file, or -1."""
    flat = bad.flatten(-2).to(torch.uint8)
    if not flat.shape[-1]:
        return torch.full(flat.shape[:-1], -1, device=bad.device)
    return torch.where(flat.amax(-1) > 0, flat.argmax(-1), -1)
