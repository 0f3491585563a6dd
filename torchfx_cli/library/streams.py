"""Parts of a chain on blocks of a stream: tensors float64 [channels, frames] in, aligned ones out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from torchfx_cli.design.stage import Stage
from torchfx_cli.library.combine import Linear
from torchfx_cli.plan.assemble import assemble
from torchfx_cli.render.native import NativeEngine
from torchfx_cli.render.native_forward import Stream
from torchfx_cli.render.runner import Alignment
from torchfx_cli.samples import FLOAT64, Signal


class TensorStream(Protocol):
    """A part at work; made anew where a stream begins again."""

    def process(self, x: Tensor) -> Tensor:
        """The frames that are ready."""

    def flush(self) -> Iterator[Tensor]:
        """The frames that are still held."""


class LinearStream:
    """A linear module: every block is answered at once, less the delay that is removed from the beginning."""

    def __init__(self, module: Linear, channels: int, device: torch.device) -> None:
        self._channels, self._device = channels, device
        self._native = Stream(module.row, channels) if device.type == "cpu" else None
        if self._native is None or not self._native.in_step:
            self._native, self._core = None, module.core()
            self._state = self._core.initial_state(channels)
        self._alignment = Alignment(module.delay_frames)

    def process(self, x: Tensor) -> Tensor:
        """See `TensorStream`."""
        self._alignment = self._alignment.heard(x.shape[-1])
        return self._due(x)

    def flush(self) -> Iterator[Tensor]:
        """See `TensorStream`."""
        if missing := self._alignment.missing_frames:
            yield self._due(torch.zeros(self._channels, missing, dtype=torch.float64, device=self._device))

    def _due(self, x: Tensor) -> Tensor:
        if self._native is not None:
            y = self._native.step(x)
        else:
            y, self._state = self._core.step(x, self._state)
        first, count, self._alignment = self._alignment.due(y.shape[-1])
        return y.narrow(-1, first, count)


class StageStream:
    """A stage with a processor of its own, on the CPU."""

    def __init__(self, stage: Stage, source: Signal, device: torch.device) -> None:
        self._engine = NativeEngine(assemble((stage,), int(source.fs), source.channels, FLOAT64, FLOAT64))
        self._device = device

    def process(self, x: Tensor) -> Tensor:
        """See `TensorStream`."""
        return self._tensor(self._engine.process(np.ascontiguousarray(x.detach().cpu().numpy().T)))

    def flush(self) -> Iterator[Tensor]:
        """See `TensorStream`."""
        for block in self._engine.flush():
            yield self._tensor(block)

    def _tensor(self, block: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(block.T)).to(self._device)
