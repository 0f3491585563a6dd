"""Blocks to a device and back, beside what is computed there.

Three things go on at once on a GPU: a copy in, the computing, a copy out. Events say what waits for what, so the host
waits only for a buffer that it wants to use again. Two buffers each way are enough: one travels while the other
is filled or emptied.

    host buffer --copy in--> device buffer --computing--> result --copy out--> host buffer
         ^ filled again when copied   ^ copied into again when computed             ^ used again when taken
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from torchfx_cli.render.copystreams import CopyStreams, Event

BUFFERS = 2

Array = npt.NDArray[np.generic]


@dataclass
class _Pair:
    """A host buffer and its device buffer; when the one was copied last, and the other last used."""

    host: Tensor
    device: Tensor
    copied: Event | None = None
    used: Event | None = None


class Uploads:
    """Blocks on their way to the device: fill `staging`, `send` it, ask for what is to be computed, `release`."""

    def __init__(self, streams: CopyStreams, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        self._streams = streams
        hosts = (streams.host_buffer(shape, dtype) for _ in range(BUFFERS))
        self._pairs = deque(_Pair(host, streams.device_buffer(host)) for host in hosts)
        for pair in self._pairs:  # the allocator may give memory that what is being computed still reads
            pair.used = streams.computed()

    @property
    def staging(self) -> Array:
        """The host buffer to fill next; waits until it is free."""
        pair = self._pairs[0]
        if pair.copied is not None:
            pair.copied.synchronize()
            pair.copied = None
        array: Array = pair.host.numpy()
        return array

    def send(self) -> Tensor:
        """What is in `staging`, on the device, for what is computed from here on."""
        pair = self._pairs[0]
        pair.copied = self._streams.copy_in(pair.device, pair.host, pair.used)
        self._streams.compute_after(pair.copied)
        return pair.device

    def release(self) -> None:
        """All that reads the block last sent has been asked for: on to the other pair."""
        self._pairs[0].used = self._streams.computed()
        self._pairs.rotate(-1)


@dataclass
class _Parcel:
    """Results under way, and where they go. They stay alive until copied, or their memory would be used again."""

    results: tuple[Tensor, ...]
    copies: tuple[Tensor, ...]
    arrived: Event
    slot: list[Tensor] = field(default_factory=list)


class Downloads:
    """Results on their way to the host, each a few tensors; first in, first out, `BUFFERS` at a time."""

    def __init__(self, streams: CopyStreams) -> None:
        self._streams = streams
        self._slots: list[list[Tensor]] = [[] for _ in range(BUFFERS)]
        self._under_way: deque[_Parcel] = deque()

    def __len__(self) -> int:
        return len(self._under_way)

    def send(self, *results: Tensor) -> None:
        """Begin to copy `results`, once what was asked for is computed; there must be room for them."""
        done, slot = self._streams.computed(), self._slots.pop()
        copies = tuple(self._room(slot, at, result) for at, result in enumerate(results))
        for copy, result in zip(copies, results, strict=True):
            arrived = self._streams.copy_out(copy, result, done)
        self._under_way.append(_Parcel(results, copies, arrived, slot))

    def take(self) -> tuple[Array, ...]:
        """The oldest of what was sent, as arrays of the caller's own; waits for it."""
        parcel = self._under_way.popleft()
        parcel.arrived.synchronize()
        self._slots.append(parcel.slot)
        return tuple(copy.numpy().copy() for copy in parcel.copies)

    def _room(self, slot: list[Tensor], at: int, like: Tensor) -> Tensor:
        """Host memory for a copy of `like`: that of the last time, where it is large enough."""
        if at == len(slot) or slot[at].numel() < like.numel():
            slot[at:] = [self._streams.host_buffer((like.numel(),), like.dtype), *slot[at + 1 :]]
        return slot[at].narrow(0, 0, like.numel()).view(like.shape)
