"""The same plan through torch modules, on a CPU or a GPU.

Samples are gathered into units of one fixed length, on a grid that begins with the file: the modules then see the same
blocks however the caller cuts, and a short block costs no more than a long one. A unit crosses to the device in the
file's own sample type, is filtered there in float64, rounded there to the type of the output (see `quantiser`), and
comes back while the next one is under way (see `transfer`): what `process` returns is a unit or two late.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from torchfx_cli.design.stages import Gain, Sections, Stage, Taps
from torchfx_cli.errors import DeviceError
from torchfx_cli.plan.assemble import RenderPlan
from torchfx_cli.plan.rows import Row, Sum
from torchfx_cli.render import cascade_tables, modules
from torchfx_cli.render.cascade import SOSCascade
from torchfx_cli.render.device import name_of
from torchfx_cli.render.devicefaults import failing_as_one, is_out_of_memory
from torchfx_cli.render.engine import Block, Engine
from torchfx_cli.render.lanes import Lanes, lanes_of
from torchfx_cli.render.quantiser import quantise
from torchfx_cli.render.transfer import BUFFERS, Downloads, Uploads

# A unit in all channels: near the second-level cache on a CPU; on a GPU enough to make launches (some 25
# a section) a small part, and 32 MB in float64.
UNIT_SAMPLES = {"cpu": 1 << 17, "cuda": 1 << 22}
MIN_PIECE_FRAMES = 1 << 10  # a device that cannot hold this much is no use
FULL_SCALE = {"int16": 2.0**15, "int32": 2.0**31}


class TorchEngine(Engine):
    """See the module and `Engine`. `device` is "cpu", "cuda" or "cuda:n", and is there.

    `unit_frames` is the most that the device is given at a time, rounded up to the grid of the filters; another unit
    rounds in another order, so results then agree within 1e-12 and not to the last bit.
    """

    name = "torch"

    def __init__(
        self, plan: RenderPlan, device: str = "cpu", unit_frames: int | None = None, lanes: Lanes | None = None
    ) -> None:
        self.device = torch.device(device)
        self.name = name_of(device)
        self.unit_frames = unit_of(plan.stages, plan.channels, self.device.type, unit_frames)
        with failing_as_one(self.device):
            if self.device.type == "cuda":
                torch.cuda.init()  # what follows would not, in a worker that was told cuda:1
                torch.cuda.reset_peak_memory_stats(self.device)
            self._lanes = lanes or lanes_of(self.device)
            self.chain = modules_of(plan.stages).to(self.device)
            shape, dtype = (self.unit_frames, plan.channels), getattr(torch, plan.source.dtype)
            self._uploads = Uploads(self._lanes, shape, dtype)
            super().__init__(plan)

    def _start(self) -> None:
        self._downloads = Downloads(self._lanes)
        self._state = self.chain.rest(self.plan.channels)
        self._piece_frames = self.unit_frames
        self._filled = 0
        self._to_skip = self.plan.latency_frames
        self._sent = 0  # frames of the output, on their way or out

    def process(self, block: Block) -> Block:
        """See `Engine`: but the block stays in the file's type until it is on the device."""
        if not self.plan.source.is_integer:
            finite = np.isfinite(block)
            self._require_finite(-1 if finite.all() else int(finite.argmin()))
        self.frames_in += len(block)
        done = []
        with failing_as_one(self.device):
            while len(block):
                taken = min(len(block), self.unit_frames - self._filled)
                self._uploads.staging[self._filled : self._filled + taken] = block[:taken]
                block, self._filled = block[taken:], self._filled + taken
                if self._filled == self.unit_frames:
                    done += self._unit(self.frames_in + self.plan.tail_frames)
        return np.concatenate(done) if done else np.empty((0, self.plan.channels), self.plan.sink.dtype)

    def flush(self) -> Iterator[Block]:
        """See `Engine`."""
        end = self.frames_in + self.plan.tail_frames if self.frames_in else 0
        while self._sent < end:
            with failing_as_one(self.device):
                self._uploads.staging[self._filled :] = 0
                done = self._unit(end)
            yield from done
        while self._downloads:
            with failing_as_one(self.device):
                last = self._arrived()
            yield last
        if self.device.type == "cuda":
            most = torch.cuda.max_memory_allocated(self.device) / 2**20
            self.notes.append(f"{self.device}: {most:.0f} MB of device memory at most")

    def _unit(self, end: int) -> list[Block]:
        """Send what is staged, in pieces as large as the device's memory allows; what arrived meanwhile."""
        unit, at, done = self._uploads.send(), 0, []
        while at < self.unit_frames:
            if len(self._downloads) == BUFFERS:
                done.append(self._arrived())
            piece = unit.narrow(0, at, min(self._piece_frames, self.unit_frames - at))
            if self._fits(piece, end):
                at += len(piece)
            else:
                self._halve()
        self._uploads.release()
        self._filled = 0
        return done

    def _fits(self, piece: Tensor, end: int) -> bool:
        """Whether the device had the memory for `_piece`. On return the error is gone, and what it kept alive."""
        try:
            self._piece(piece, end)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return False
        return True

    @torch.inference_mode()
    def _piece(self, piece: Tensor, end: int) -> None:
        """Filter `piece` and send what belongs to the output: nothing from before its beginning or after its `end`."""
        y, state = self.chain.step(samples_of(piece), self._state)
        skipped = min(self._to_skip, len(piece))
        frames = min(len(piece) - skipped, end - self._sent)
        quantised = quantise(self.plan, y.narrow(-1, skipped, frames).T, self._sent)
        if frames:
            self._downloads.send(quantised.block, quantised.seen)
        # Not before: a piece that ran out of memory is begun again from where it began.
        self._state, self._to_skip, self._sent = state, self._to_skip - skipped, self._sent + frames

    def _arrived(self) -> Block:
        block, (clipped, peak, bad) = self._downloads.take()
        self._note_levels(int(clipped), float(peak), int(bad))
        self.frames_out += len(block)
        return block

    def _halve(self) -> None:
        """Go on with half the frames at a time, and say so once."""
        if self._piece_frames < 2 * MIN_PIECE_FRAMES:
            samples = self._piece_frames * self.plan.channels
            raise DeviceError(f"not enough memory on {self.device} for {samples} samples")
        self._piece_frames //= 2
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if not self.notes:
            self.notes.append(f"{self.device} ran out of memory: smaller blocks were used from there on")


def modules_of(row: Row) -> modules.Chain:
    """The modules that compute `row`, one after another."""
    return modules.Chain(*map(_module_of, row))


def _module_of(stage: Stage | Sum) -> modules.Filter:
    """The module that computes one linear stage or sum; TypeError for any other stage."""
    if isinstance(stage, Sum):
        return modules.Sum(*map(modules_of, stage.rows))
    if isinstance(stage, Sections):
        return SOSCascade(stage.sos)
    if isinstance(stage, Taps):
        return modules.FIR(stage.taps)
    if isinstance(stage, Gain):
        return modules.Gain(stage.factor)
    raise TypeError(f"{stage} is no linear stage that this engine knows")


def unit_of(stages: Sequence[Stage], channels: int, kind: str, most_frames: int | None = None) -> int:
    """Frames in a unit: whole hops of the longest impulse response, so that none of its transforms is half empty."""
    wanted = max(1, UNIT_SAMPLES[kind] // channels)
    if most_frames is not None:
        wanted = min(wanted, max(most_frames, MIN_PIECE_FRAMES))
    most_taps = max((stage.tap_count for stage in stages), default=0)
    hop = modules.hop_of(most_taps) if most_taps else cascade_tables.BLOCK_FRAMES
    return -(-wanted // hop) * hop


def samples_of(block: Tensor) -> Tensor:
    """[..., frames, channels] of a file's type -> [..., channels, frames] float64, full scale 1."""
    scale = FULL_SCALE.get(str(block.dtype).removeprefix("torch."), 1.0)
    return block.mT.to(torch.float64, memory_format=torch.contiguous_format) / scale
