"""How to copy beside the computing: on streams of a GPU, or not at all."""

from __future__ import annotations

from typing import Protocol, cast

import torch
from torch import Tensor


class Event(Protocol):
    """A moment in a device's work."""

    def synchronize(self) -> None:
        """Wait for it."""


class CopyStreams(Protocol):
    """Copies in and copies out, each kind in its own order, and the computing in a third."""

    def host_buffer(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Memory on the host from which and to which can be copied; it holds anything."""

    def device_buffer(self, host: Tensor) -> Tensor:
        """As much memory on the device; where the host is the device, the same."""

    def copy_in(self, to: Tensor, source: Tensor, after: Event | None) -> Event:
        """Begin to copy once `after` has passed; the moment when it is done."""

    def copy_out(self, to: Tensor, source: Tensor, after: Event | None) -> Event:
        """See `copy_in`."""

    def compute_after(self, event: Event) -> None:
        """What is computed from here on waits for `event`."""

    def computed(self) -> Event:
        """The moment when all that was asked for so far is computed."""


class _Now:
    def synchronize(self) -> None:
        """It has passed."""


class HostCopyStreams:
    """The CPU: everything happens at once, one thing after the other. See `CopyStreams`."""

    def host_buffer(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return torch.empty(shape, dtype=dtype)

    def device_buffer(self, host: Tensor) -> Tensor:
        return host

    def copy_in(self, to: Tensor, source: Tensor, after: Event | None) -> Event:
        return _Now()

    def copy_out(self, to: Tensor, source: Tensor, after: Event | None) -> Event:
        to.copy_(source)
        return _Now()

    def compute_after(self, event: Event) -> None:
        pass

    def computed(self) -> Event:
        return _Now()


class CudaCopyStreams:
    """A stream for each direction beside the current one, which computes. See `CopyStreams`."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._in, self._out = torch.cuda.Stream(device), torch.cuda.Stream(device)

    def host_buffer(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        try:
            return torch.empty(shape, dtype=dtype, pin_memory=True)
        except RuntimeError:  # as much as may be pinned is pinned: copies then wait, but are as right
            return torch.empty(shape, dtype=dtype)

    def device_buffer(self, host: Tensor) -> Tensor:
        return torch.empty(host.shape, dtype=host.dtype, device=self._device)

    def copy_in(self, to: Tensor, source: Tensor, after: Event | None) -> Event:
        return self._copy(self._in, to, source, after)

    def copy_out(self, to: Tensor, source: Tensor, after: Event | None) -> Event:
        return self._copy(self._out, to, source, after)

    def compute_after(self, event: Event) -> None:
        torch.cuda.current_stream(self._device).wait_event(_of_cuda(event))

    def computed(self) -> Event:
        return _record(torch.cuda.current_stream(self._device))

    def _copy(self, stream: torch.cuda.Stream, to: Tensor, source: Tensor, after: Event | None) -> Event:
        if after is not None:
            stream.wait_event(_of_cuda(after))
        with torch.cuda.stream(stream):
            to.copy_(source, non_blocking=True)
        return _record(stream)


def _of_cuda(event: Event) -> torch.cuda.Event:
    return cast("torch.cuda.Event", event)  # these streams make no other


def _record(stream: torch.cuda.Stream) -> Event:
    # A blocking event: the waiting thread sleeps, and leaves the core to those that read and write files.
    event: Event = stream.record_event(torch.cuda.Event(blocking=True))
    return event


def copy_streams_of(device: torch.device) -> CopyStreams:
    """The streams beside `device`."""
    return CudaCopyStreams(device) if device.type == "cuda" else HostCopyStreams()
