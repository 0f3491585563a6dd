"""Chains that are not linear throughout, on a device: runs of linear stages there, every other stage on the host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from torchfx_cli.plan.assemble import RenderPlan
from torchfx_cli.render.device import name_of
from torchfx_cli.render.engine import Block, Engine
from torchfx_cli.render.native import NativeEngine
from torchfx_cli.render.torch_engine import TorchEngine


class MixedEngine(Engine):
    """An engine for each part of the plan, one behind another. `device` as for `TorchEngine`."""

    def __init__(self, plan: RenderPlan, device: str = "cpu") -> None:
        self._engines: list[Engine] = [
            TorchEngine(part, device) if part.is_linear else NativeEngine(part) for part in plan.parts]
        self.name = name_of(device)
        super().__init__(plan)

    def _start(self) -> None:
        for engine in self._engines:
            engine.reset()
        self.levels = self._engines[-1].levels

    def process(self, block: Block) -> Block:
        """See `Engine`."""
        self.frames_in += len(block)
        return self._through(self._engines, block)

    def flush(self) -> Iterator[Block]:
        """See `Engine`."""
        for n, engine in enumerate(self._engines):
            for block in engine.flush():
                yield self._through(self._engines[n + 1 :], block)
        self.notes += dict.fromkeys(note for engine in self._engines for note in engine.notes)
        self.warnings += [line for engine in self._engines for line in engine.warnings]

    def _through(self, engines: Sequence[Engine], block: Block) -> Block:
        for engine in engines:
            if not len(block):
                return np.empty((0, self.plan.output.channels), self.plan.sink.dtype)
            block = engine.process(block)
        self.frames_out += len(block)
        return block
