"""Many short files of one plan in one launch: files side by side as further rows of the same matrices and transforms.

A GPU takes as long for a second of audio as for a minute, so hundreds of short files are done as one long one. Files
are sorted into buckets of about equal length and padded with silence, and a launch of a bucket is always of the same
shape, filled up with silent files: libraries choose their kernels, and so their order of rounding, by shape, and a
file must come out the same whatever lies beside it.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from torchfx_cli.errors import FileError
from torchfx_cli.plan.assemble import RenderPlan
from torchfx_cli.render.copystreams import CopyStreams, copy_streams_of
from torchfx_cli.render.devicefaults import Allowance, failing_as_one
from torchfx_cli.render.engine import Block, Levels, bad_input, bad_output
from torchfx_cli.render.native import NativeEngine
from torchfx_cli.render.quantiser import quantise
from torchfx_cli.render.runner import Alignment
from torchfx_cli.render.torch_engine import UNIT_SAMPLES, modules_of, samples_of
from torchfx_cli.render.transfer import BUFFERS, Downloads, Uploads

SHORTEST_FRAMES = 1 << 10

Result = tuple[Block, Levels] | FileError


@dataclass(frozen=True)
class _Launch:
    """Files (by their place in the list) that are rendered together, as [rows, frames, channels]."""

    files: tuple[int, ...]
    lengths: tuple[int, ...]  # of their outputs, in frames
    rows: int
    frames: int


def render_batched(plan: RenderPlan, blocks: Sequence[Block], device: str = "cpu") -> list[Result]:
    """Every file of `blocks`, each whole, as `process` and `flush` of an engine would; see `Batched.render`."""
    return Batched(plan, device).render(blocks)


def batchable(plan: RenderPlan, frames: int, device: str = "cuda") -> bool:
    """Whether packing a file of so many frames pays: two at least fit into each launch, and one pass is enough.

    What a stage has to tell of each file would be lost there.
    """
    launched = False
    is_noted = any(stage.is_noted for stage in plan.stages)
    for part in plan.parts if plan.passes == 1 and not is_noted else ():
        if part.is_linear:
            launched = 2 * bucket_frames(part, frames) * part.channels <= _launch_samples(device)
            if not launched:
                return False
        frames = part.frames_out(frames)
    return launched


class Batched:
    """A plan ready to render lists of short files on `device`: linear runs side by side, other stages file by file."""

    def __init__(self, plan: RenderPlan, device: str = "cpu", streams: CopyStreams | None = None) -> None:
        self._parts = [BatchedRun(part, device, streams) if part.is_linear else part for part in plan.parts]

    @property
    def notes(self) -> list[str]:
        """What is worth a word to whoever asks for details."""
        return [note for part in self._parts if isinstance(part, BatchedRun) for note in part.notes]

    def render(self, blocks: Sequence[Block]) -> list[Result]:
        """For each file, [frames, channels] in the source's type: its output and levels, or what is wrong with it.

        Raises DeviceError, after which nothing is known of any file, where the device fails or is too small.
        """
        results: list[Result] = [(block, Levels()) for block in blocks]
        for part in self._parts:
            left = {at: result[0] for at, result in enumerate(results) if isinstance(result, tuple)}
            made = (part.render(list(left.values())) if isinstance(part, BatchedRun)
                    else [_on_host(part, block) for block in left.values()])
            for at, result in zip(left, made, strict=True):
                results[at] = result
        return results


def _on_host(plan: RenderPlan, block: Block) -> Result:
    engine = NativeEngine(plan)
    try:
        return np.concatenate([engine.process(block), *engine.flush()]), engine.levels
    except FileError as error:
        return error


class BatchedRun:
    """A plan of linear stages ready to render lists of short files on `device`: "cpu", "cuda" or "cuda:n"."""

    def __init__(self, plan: RenderPlan, device: str = "cpu", streams: CopyStreams | None = None) -> None:
        self.plan, self.device = plan, torch.device(device)
        self.notes: list[str] = []
        self._launched = Allowance(self.device, _launch_samples(device), "samples", self._note_fewer_files)
        with failing_as_one(self.device):
            self.chain = modules_of(plan.stages).to(self.device)
            self._streams = streams or copy_streams_of(self.device)

    def render(self, blocks: Sequence[Block]) -> list[Result]:
        """See `Batched.render`."""
        results = {at: early for at, block in enumerate(blocks) if (early := self._without_filtering(block))}
        with failing_as_one(self.device):
            while len(results) < len(blocks):
                self._run([at for at in range(len(blocks)) if at not in results], blocks, results)
        return [results[at] for at in range(len(blocks))]

    def _without_filtering(self, block: Block) -> Result | None:
        """What is known of a file that is empty or cannot be filtered."""
        if not len(block):
            return np.empty((0, self.plan.channels), self.plan.sink.dtype), Levels()
        finite = self.plan.source.is_integer or np.isfinite(block)
        return None if np.all(finite) else bad_input(self.plan.signals[0], 0, int(np.argmin(finite)))

    def _run(self, files: list[int], blocks: Sequence[Block], results: dict[int, Result]) -> None:
        """Fill in the `results` of `files`, of all or until memory runs out; the next call then takes less at once."""
        launches = self._launches(files, blocks)
        most = max(launch.rows * launch.frames for launch in launches)
        uploads = Uploads(self._streams, (most, self.plan.channels), getattr(torch, self.plan.source.dtype))
        downloads, under_way = Downloads(self._streams), deque[_Launch]()
        for launch in launches:
            if len(downloads) == BUFFERS:
                results.update(self._arrived(under_way.popleft(), downloads))
            fill = partial(self._fill, launch, blocks, uploads, downloads)
            if not self._launched.attempt(fill, launch.frames * self.plan.channels):
                break
            under_way.append(launch)
        while under_way:
            results.update(self._arrived(under_way.popleft(), downloads))

    def _launches(self, files: list[int], blocks: Sequence[Block]) -> list[_Launch]:
        buckets = defaultdict(list)
        for at in files:
            buckets[bucket_frames(self.plan, len(blocks[at]))].append(at)
        launches = []
        for frames, members in sorted(buckets.items()):
            rows = max(1, self._launched.size // (frames * self.plan.channels))
            for n in range(0, len(members), rows):
                together = tuple(members[n : n + rows])
                lengths = tuple(len(blocks[at]) + self.plan.tail_frames for at in together)
                launches.append(_Launch(together, lengths, rows, frames))
        return launches

    def _fill(self, launch: _Launch, blocks: Sequence[Block], uploads: Uploads, downloads: Downloads) -> bool:
        used = launch.rows * launch.frames
        staged = uploads.staging[:used].reshape(launch.rows, launch.frames, self.plan.channels)
        staged[:] = 0
        for row, at in enumerate(launch.files):
            staged[row, : len(blocks[at])] = blocks[at]
        self._launch(launch, uploads.send().narrow(0, 0, used).view(staged.shape), downloads)
        uploads.release()
        return True

    @torch.inference_mode()
    def _launch(self, launch: _Launch, files: Tensor, downloads: Downloads) -> None:
        x, gain = samples_of(files), self.plan.steady_gain
        y = self.chain(x) if gain is None else self.chain(x - x[..., :1]) + gain * x[..., :1]  # see `Run.steady_gain`
        y = y.mT  # [rows, frames, channels]
        first, count, _ = Alignment(self.plan.latency_frames, launch.frames).due(launch.frames)
        y = y.narrow(1, first, count)
        lengths = torch.tensor([*launch.lengths, *[0] * (launch.rows - len(launch.files))], device=self.device)
        beyond = torch.arange(y.shape[1], device=self.device) >= lengths.unsqueeze(-1)
        quantised = quantise(self.plan, y.masked_fill(beyond.unsqueeze(-1), 0.0), 0)
        downloads.send(quantised.block, quantised.seen)

    def _arrived(self, launch: _Launch, downloads: Downloads) -> Iterator[tuple[int, Result]]:
        made, seen = downloads.take()
        for row, (at, length) in enumerate(zip(launch.files, launch.lengths, strict=True)):
            clipped, peak, bad = seen[row].tolist()
            if bad >= 0:
                yield at, bad_output(self.plan, 0, int(bad))
            else:
                yield at, (made[row, :length].copy(), Levels(peak, int(clipped)))

    def _note_fewer_files(self) -> None:
        self.notes.append(f"{self.device} ran out of memory: fewer files were batched together from there on")


def bucket_frames(plan: RenderPlan, frames: int) -> int:
    """What a file of `frames` is padded to, latency and tail included: 2^n or 3 * 2^n, a fifth more at the average."""
    needed = max(SHORTEST_FRAMES, frames + plan.tail_frames + plan.latency_frames)
    power = 1 << (needed - 1).bit_length()
    return power * 3 // 4 if needed <= power * 3 // 4 else power


def _launch_samples(device: str) -> int:
    return UNIT_SAMPLES[torch.device(device).type]
