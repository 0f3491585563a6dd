"""Where the torch modules spend their time: torch.profiler over one chain, as a table and as a trace.

The trace opens in chrome://tracing and in ui.perfetto.dev. Designs, the transfer to the device and one run to warm up
lie outside. With the profiler everything takes a little longer, so its times are for shares, not for speed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torchfx_cli.bench.loads import Load
from torchfx_cli.bench.torch_backend import Torch
from torchfx_cli.errors import UsageError
from torchfx_cli.render.device import INSTALL, choose_device, torch_version

RUNS = 3
MAKER = b'{"madeBy": "torchfx bench",'  # how each trace begins
MOST_SAMPLES = 1 << 24  # profiled at a time: more would only make the trace longer


@dataclass(frozen=True)
class Operation:
    """All calls of one torch operation, without those that it makes itself; `share` is of the time of all."""

    name: str
    calls: int
    host_s: float
    device_s: float
    share: float


def run(load: Load, device: str = "cpu", top: int = 12) -> tuple[list[Operation], bytes]:
    """Profile what the bench times of `load` on `device`: the `top` operations, the longest first, and the trace.

    At most `MOST_SAMPLES` samples are taken. Raises UsageError where torch or the device is not there.
    """
    if torch_version() is None:
        raise UsageError(f"--profile: torch is not installed; {INSTALL}")
    backend = Torch(choose_device(device))
    prepared = backend.prepare(load.shortened(max(1, MOST_SAMPLES // load.channels)))
    profile = _profiled(lambda: backend.timed(prepared), device.startswith("cuda"))
    return top_operations(profile.key_averages(), top), _trace(profile)


def _trace(profile: Any) -> bytes:
    """torch writes it into a file only. `MAKER` is put in front: readers of traces skip keys that they do not know."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "trace.json")
        profile.export_chrome_trace(str(path))
        return MAKER + path.read_bytes().lstrip().removeprefix(b"{")


def is_trace(head: bytes) -> bool:
    """Whether a file that begins like this holds a trace of `run`."""
    return head.startswith(MAKER)


def _profiled(once: Callable[[], object], on_cuda: bool) -> Any:
    from torch.profiler import ProfilerActivity, profile

    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_cuda else [])]
    with _quiet():
        once()
        with profile(activities=activities) as profiled:
            for _ in range(RUNS):
                once()
    return profiled


@contextmanager
def _quiet() -> Iterator[None]:
    """Descriptor 2 put aside: the tracer of some torch builds writes two lines to it, whatever it is told."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def top_operations(averages: Any, top: int) -> list[Operation]:
    """The longest of torch's `key_averages`: by device time where there is any, else by the host's. torch says us."""
    events = [(event, event.self_cpu_time_total / 1e6, event.self_device_time_total / 1e6) for event in averages]
    on_device = any(device_s > 0.0 for _, _, device_s in events)
    whole = sum(device_s if on_device else host_s for _, host_s, device_s in events) or 1.0
    found = [
        Operation(event.key, event.count, host_s, device_s, (device_s if on_device else host_s) / whole)
        for event, host_s, device_s in events
    ]
    return sorted(found, key=lambda operation: operation.share, reverse=True)[:top]


def table(operations: list[Operation]) -> list[tuple[str, ...]]:
    """Rows of words: share, calls, host and device time a run, name. The first is the header."""
    rows = [(f"{one.share:.1%}", str(one.calls // RUNS or one.calls), f"{1e3 * one.host_s / RUNS:.2f} ms",
             f"{1e3 * one.device_s / RUNS:.2f} ms", one.name) for one in operations]
    return [("share", "calls", "host", "device", "operation"), *rows]
