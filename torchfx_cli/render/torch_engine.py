"""The same plan through torch modules, on a CPU or a GPU.

Samples are gathered into units of one fixed length, on a grid that begins with the file: the modules then see the same
blocks however the caller cuts, and a short block costs no more than a long one. A unit crosses to the device in the
file's own sample type, is filtered there in float64, rounded there to the type of the output (see `quantiser`), and
comes back while the next one is under way (see `transfer`): what `process` returns is a unit or two late.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from torchfx_cli.design.stages import Gain, Sections, Stage, Sum, Taps, linear
from torchfx_cli.plan.assemble import RenderPlan
from torchfx_cli.render import cascade_tables, modules
from torchfx_cli.render.cascade import SOSCascade
from torchfx_cli.render.copystreams import CopyStreams, copy_streams_of
from torchfx_cli.render.device import name_of
from torchfx_cli.render.devicefaults import Allowance, failing_as_one
from torchfx_cli.render.engine import Block, Engine
from torchfx_cli.render.quantiser import quantise
from torchfx_cli.render.runner import Alignment
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
        self, plan: RenderPlan, device: str = "cpu", unit_frames: int | None = None, streams: CopyStreams | None = None
    ) -> None:
        self.device = torch.device(device)
        self.name = name_of(device)
        self.unit_frames = unit_of(plan.stages, plan.channels, self.device.type, unit_frames)
        with failing_as_one(self.device):
            if self.device.type == "cuda":
                torch.cuda.init()  # what follows would not, in a worker that was told cuda:1
                torch.cuda.reset_peak_memory_stats(self.device)
            self._streams = streams or copy_streams_of(self.device)
            self.chain = modules_of(plan.stages).to(self.device)
            shape, dtype = (self.unit_frames, plan.channels), getattr(torch, plan.source.dtype)
            self._uploads = Uploads(self._streams, shape, dtype)
            super().__init__(plan)

    def _start(self) -> None:
        self._downloads = Downloads(self._streams)
        self._state = self.chain.initial_state(self.plan.channels)
        self._pieces = Allowance(self.device, self.unit_frames, f"frames of {self.plan.channels} channels",
                                 self._note_smaller_blocks)
        self._filled = 0
        self._alignment = Alignment(self.plan.latency_frames)
        self._sent = 0  # frames of the output, on their way or out
        self._steady_gain = self.plan.steady_gain
        self._first: Tensor | None = None

    def process(self, block: Block) -> Block:
        """See `Engine`: but the block stays in the file's type until it is on the device."""
        if not self.plan.source.is_integer:
            finite = np.isfinite(block)
            self._require_finite(-1 if finite.all() else int(finite.argmin()))
        self.frames_in += len(block)
        self._alignment = self._alignment.heard(len(block))
        done = []
        with failing_as_one(self.device):
            while len(block):
                taken = min(len(block), self.unit_frames - self._filled)
                self._uploads.staging[self._filled : self._filled + taken] = block[:taken]
                block, self._filled = block[taken:], self._filled + taken
                if self._filled == self.unit_frames:
                    done += self._unit()
        return np.concatenate(done) if done else np.empty((0, self.plan.channels), self.plan.sink.dtype)

    def flush(self) -> Iterator[Block]:
        """See `Engine`."""
        self._alignment = self._alignment.heard(self.plan.tail_frames if self.frames_in else 0)
        while self._alignment.owed:
            with failing_as_one(self.device):
                self._uploads.staging[self._filled :] = 0
                done = self._unit()
            yield from done
        while self._downloads:
            with failing_as_one(self.device):
                last = self._arrived()
            yield last
        if self.device.type == "cuda":
            most = torch.cuda.max_memory_allocated(self.device) / 2**20
            self.notes.append(f"{self.device}: {most:.0f} MB of device memory at most")

    def _unit(self) -> list[Block]:
        """Send what is staged, in pieces as large as the device's memory allows; what arrived meanwhile."""
        unit, at, done = self._uploads.send(), 0, []
        while at < self.unit_frames:
            if len(self._downloads) == BUFFERS:
                done.append(self._arrived())
            piece = unit.narrow(0, at, min(self._pieces.size, self.unit_frames - at))
            at += self._pieces.attempt(partial(self._piece, piece), MIN_PIECE_FRAMES) or 0
        self._uploads.release()
        self._filled = 0
        return done

    @torch.inference_mode()
    def _piece(self, piece: Tensor) -> int:
        """Filter `piece` and send what belongs to the output; the frames of `piece`."""
        x, steady, gain = samples_of(piece), self._first, self._steady_gain
        if gain is None:
            y, state = self.chain.step(x, self._state)
        else:  # see `Run.steady_gain`
            steady = x[:, :1].clone() if steady is None else steady
            y, state = self.chain.step(x - steady, self._state)
            y = y + gain * steady
        first, count, alignment = self._alignment.due(len(piece))
        quantised = quantise(self.plan, y.narrow(-1, first, count).T, self._sent)
        if count:
            self._downloads.send(quantised.block, quantised.seen)
        # Not before: a piece that ran out of memory is begun again from where it began.
        self._state, self._alignment, self._sent, self._first = state, alignment, self._sent + count, steady
        return len(piece)

    def _arrived(self) -> Block:
        block, (clipped, peak, bad) = self._downloads.take()
        self._note_levels(int(clipped), float(peak), int(bad))
        self.frames_out += len(block)
        return block

    def _note_smaller_blocks(self) -> None:
        self.notes.append(f"{self.device} ran out of memory: smaller blocks were used from there on")


def modules_of(row: Iterable[Stage]) -> modules.Chain:
    """The modules that compute the stages of `row`, all linear, one after another."""
    return modules.Chain(*(stage.build(_Builder()) for stage in linear(row)))


class _Builder:
    """See `Builder`."""

    def sections(self, stage: Sections) -> modules.Filter:
        return SOSCascade(stage.sos)

    def taps(self, stage: Taps) -> modules.Filter:
        return modules.FIR(stage.taps)

    def gain(self, stage: Gain) -> modules.Filter:
        return modules.Gain(stage.factor)

    def sum(self, stage: Sum) -> modules.Filter:
        return modules.Sum(*map(modules_of, stage.rows))


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
