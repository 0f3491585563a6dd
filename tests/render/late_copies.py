"""CopyStreams of a device that does everything as late as it may, and that notices when memory is touched too early."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from torchfx_cli.render.copystreams import Event

GARBAGE = 77


class Moment:
    """Runs what it stands for when somebody waits for it, once."""

    def __init__(self, number: int, work: Callable[[], None] = lambda: None) -> None:
        self.number, self.waited, self._work = number, False, work

    def synchronize(self) -> None:
        if not self.waited:
            self.waited = True
            self._work()


class LateCopyStreams:
    """See the module and `CopyStreams`. Computing happens at once, so a copy in happens when computing waits for it."""

    def __init__(self) -> None:
        self.count = 0
        self.reading: dict[int, tuple[Moment, Tensor, Tensor]] = {}  # by host buffer: its copy, it, what it held
        self.last_use: dict[int, int] = {}  # by device buffer: when it was handed to the computing
        self.last_out = Moment(0)
        self.log: list[str] = []

    def host_buffer(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return torch.full(shape, GARBAGE, dtype=dtype)

    def device_buffer(self, host: Tensor) -> Tensor:
        return torch.full_like(host, GARBAGE)

    def copy_in(self, to: Tensor, source: Tensor, after: Event | None) -> Event:
        self.log.append("in")
        earlier = self.reading.get(source.data_ptr())
        assert earlier is None or earlier[0].waited, "a host buffer was filled again, and nobody waited for its copy"
        if to.data_ptr() in self.last_use:
            assert isinstance(after, Moment), "a device buffer is copied into again, and its use is not waited for"
            assert after.number > self.last_use[to.data_ptr()], "waits for something before its last use"
        held = source.clone()

        def when_waited() -> None:
            assert torch.equal(source, held), "a host buffer was filled again before it was copied"

        moment = self._moment(when_waited)
        to.fill_(GARBAGE)
        self.pending = (moment, to, held)
        self.reading[source.data_ptr()] = (moment, source, held)
        return moment

    def copy_out(self, to: Tensor, source: Tensor, after: Event | None) -> Event:
        self.log.append("out")
        assert isinstance(after, Moment), "a copy out waits for what is computed"
        to.fill_(GARBAGE)
        before = self.last_out

        def when_waited() -> None:
            before.synchronize()  # a stream keeps its order
            with torch.inference_mode():
                to.copy_(source)

        self.last_out = self._moment(when_waited)
        return self.last_out

    def compute_after(self, event: Event) -> None:
        self.log.append("compute")
        moment, to, held = self.pending
        assert event is moment, "computing waits for another copy"
        to.copy_(held)
        self.last_use[to.data_ptr()] = self._moment().number

    def computed(self) -> Event:
        return self._moment()

    def _moment(self, work: Callable[[], None] = lambda: None) -> Moment:
        self.count += 1
        return Moment(self.count, work)
