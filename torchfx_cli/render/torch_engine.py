"""The same plan through torch modules, on a CPU or a GPU.

Samples are gathered into units of one fixed length, on a grid that begins with the file: the modules then see the same
blocks however the caller cuts, and a short block costs no more than a long one. A unit crosses to the device in the
file's own sample type (pinned memory, a quarter of the bytes for 16 bits), is filtered there in float64, and comes
back as float64 to be dithered and rounded by the host's kernel, so that integers do not depend on the device.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from torchfx_cli.design.stages import Gain, Sections, Stage, Taps
from torchfx_cli.errors import FileError
from torchfx_cli.plan.assemble import RenderPlan
from torchfx_cli.render import modules
from torchfx_cli.render.engine import Block, Engine, Samples

# A unit in all channels: near the second-level cache on a CPU; on a GPU enough to make launches (some 20
# a section) a small part, and 32 MB in float64.
UNIT_SAMPLES = {"cpu": 1 << 17, "cuda": 1 << 22}
MIN_PIECE_FRAMES = 1 << 10  # a device that cannot hold this much is no use
FULL_SCALE = {"int16": 2.0**15, "int32": 2.0**31}


class TorchEngine(Engine):
    """See the module and `Engine`. `device` is "cpu", "cuda" or "cuda:n", and is there."""

    name = "torch"

    def __init__(self, plan: RenderPlan, device: str = "cpu") -> None:
        self.device = torch.device(device)
        self.name = "torch" if self.device.type == "cpu" else f"torch {device}"
        self.chain = modules_of(plan).to(self.device)
        self.unit_frames = _unit_frames(plan, self.device.type)
        pinned = self.device.type == "cuda"
        dtype = getattr(torch, plan.source.dtype)
        self._staging = torch.zeros(self.unit_frames, plan.channels, dtype=dtype, pin_memory=pinned)
        super().__init__(plan)

    def _start(self) -> None:
        self._filled = 0
        self._piece_frames = self.unit_frames
        self._state = self.chain.rest(self.plan.channels)

    def process(self, block: Block) -> Block:
        """See `Engine`: but the block stays in the file's type until it is on the device."""
        if not self.plan.source.is_integer:
            finite = np.isfinite(block)
            self._require_finite(-1 if finite.all() else int(finite.argmin()))
        self.frames_in += len(block)
        return self._emit(self._advance(block))

    def _advance(self, samples: Block) -> Samples:
        done, host = [], self._staging.numpy()
        while len(samples):
            taken = min(len(samples), self.unit_frames - self._filled)
            host[self._filled : self._filled + taken] = samples[:taken]
            samples, self._filled = samples[taken:], self._filled + taken
            if self._filled == self.unit_frames:
                done.append(self._unit())
                self._filled = 0
        return np.concatenate(done) if done else np.empty((0, self.plan.channels))

    def _unit(self) -> Samples:
        """Filter what is staged, in pieces as large as the device's memory allows."""
        done, at = [], 0
        while at < self.unit_frames:
            piece = self._staging[at : at + self._piece_frames]
            try:
                done.append(self._filtered(piece))
            except torch.OutOfMemoryError:
                self._halve()
            else:
                at += len(piece)
        return np.concatenate(done)

    @torch.inference_mode()
    def _filtered(self, piece: Tensor) -> Samples:
        x = _samples(piece.to(self.device, non_blocking=True))
        y, state = self.chain.step(x, self._state)
        done = y.T.contiguous().cpu().numpy()  # waits for the device, so the staging memory may be filled again
        self._state = state  # not before: a piece that ran out of memory is begun again from where it began
        return done

    def _halve(self) -> None:
        """Go on with half the frames at a time, and say so once."""
        if self._piece_frames < 2 * MIN_PIECE_FRAMES:
            raise FileError(f"not enough memory on {self.device} for {self._piece_frames * self.plan.channels} samples")
        self._piece_frames //= 2
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if not self.notes:
            self.notes.append(f"{self.device} ran out of memory: smaller blocks were used from there on")


def modules_of(plan: RenderPlan) -> modules.Chain:
    """The plan's stages as modules."""
    return modules.Chain(*map(module_of, plan.stages))


def module_of(stage: Stage) -> modules.Filter:
    """The module that computes one stage; TypeError for `Normalize`, which is no filter."""
    if isinstance(stage, Sections):
        return modules.SOSCascade(stage.sos)
    if isinstance(stage, Taps):
        return modules.FIR(stage.taps)
    if isinstance(stage, Gain):
        return modules.Gain(stage.factor)
    raise TypeError(f"{stage} needs the whole file first")


def _unit_frames(plan: RenderPlan, kind: str) -> int:
    """Whole hops of the longest impulse response, so that none of its transforms is half empty."""
    wanted = max(1, UNIT_SAMPLES[kind] // plan.channels)
    taps = [len(stage.taps) for stage in plan.stages if isinstance(stage, Taps)]
    hop = modules.hop_of(max(taps)) if taps else modules.BLOCK_FRAMES
    return -(-wanted // hop) * hop


def _samples(block: Tensor) -> Tensor:
    """[frames, channels] of a file's type -> [channels, frames] float64, full scale 1: the one turn of the axes."""
    scale = FULL_SCALE.get(str(block.dtype).removeprefix("torch."), 1.0)
    return block.T.to(torch.float64, memory_format=torch.contiguous_format) / scale
