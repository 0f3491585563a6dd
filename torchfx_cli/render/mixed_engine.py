"""Chains that are not linear throughout, on a device: runs of linear stages there, every other stage on the host.

What crosses to the device and back is float64, in units on a fixed grid, so that the modules see the same blocks
however the caller cuts. Chains of linear stages alone go through `torch_engine`, which overlaps transfers and rounds on
the device.
"""

from __future__ import annotations

import numpy as np
import torch

from torchfx_cli.design.stage import Stage
from torchfx_cli.errors import DeviceError
from torchfx_cli.plan.assemble import RenderPlan
from torchfx_cli.render.device import name_of
from torchfx_cli.render.devicefaults import failing_as_one, is_out_of_memory
from torchfx_cli.render.engine import HostEngine
from torchfx_cli.render.runner import Samples
from torchfx_cli.render.torch_engine import MIN_PIECE_FRAMES, modules_of, unit_of


class MixedEngine(HostEngine):
    """See the module and `Engine`. `device` and `unit_frames` as for `TorchEngine`."""

    def __init__(self, plan: RenderPlan, device: str = "cpu", unit_frames: int | None = None) -> None:
        self.device, self._unit_frames = torch.device(device), unit_frames
        self.name = name_of(device)
        with failing_as_one(self.device):
            super().__init__(plan)

    def _filters(self, stages: tuple[Stage, ...], channels: int) -> DeviceFilters:
        unit_frames = unit_of(stages, channels, self.device.type, self._unit_frames)
        return DeviceFilters(stages, channels, self.device, unit_frames)


class DeviceFilters:
    """A run of linear stages on `device`, for blocks of float64 [frames, channels]; units of `unit_frames` come out."""

    def __init__(self, stages: tuple[Stage, ...], channels: int, device: torch.device, unit_frames: int) -> None:
        self._device, self._piece_frames = device, unit_frames
        self._chain = modules_of(stages).to(device)
        self._state = self._chain.rest(channels)
        self._unit = np.zeros((unit_frames, channels))
        self._filled = 0

    def process(self, samples: Samples) -> Samples:
        """See `runner.Filter`."""
        done = [np.empty((0, samples.shape[1]))]
        while len(samples):
            taken = min(len(samples), len(self._unit) - self._filled)
            self._unit[self._filled : self._filled + taken] = samples[:taken]
            samples, self._filled = samples[taken:], self._filled + taken
            if self._filled == len(self._unit):
                done += self._filtered()
                self._filled = 0
        return np.concatenate(done)

    def _filtered(self) -> list[Samples]:
        """What comes of the unit, in pieces as large as the device's memory allows."""
        at, done = 0, []
        while at < len(self._unit):
            piece = self._on_device(self._unit[at : at + self._piece_frames])
            if piece is None:
                self._halve()
            else:
                done.append(piece)
                at += len(piece)
        return done

    @torch.inference_mode()
    def _on_device(self, samples: Samples) -> Samples | None:
        """The next piece; None where the device's memory does not hold it."""
        with failing_as_one(self._device):
            try:
                y, state = self._chain.step(torch.from_numpy(samples).T.contiguous().to(self._device), self._state)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                return None
            self._state = state
            made: Samples = np.ascontiguousarray(y.T.cpu().numpy())
            return made

    def _halve(self) -> None:
        if self._piece_frames < 2 * MIN_PIECE_FRAMES:
            raise DeviceError(f"not enough memory on {self._device} for {self._piece_frames} frames")
        self._piece_frames //= 2
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
