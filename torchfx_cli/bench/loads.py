"""What goes in: designed stages over noise, or over the user's own file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from torchfx_cli.bench.suites import Suite
from torchfx_cli.chain.spec import ChainSpec
from torchfx_cli.design.stages import Stage
from torchfx_cli.errors import ReadError
from torchfx_cli.plan.assemble import RenderPlan, assemble
from torchfx_cli.render.native import NativeEngine
from torchfx_cli.samples import SampleFormat, block_frames
from torchfx_cli.stream.reader import open_source

Samples = npt.NDArray[np.float32]

SEED = 20_240_229
FLOAT32 = SampleFormat("float32")


@dataclass(frozen=True)
class Load:
    """What a cell computes: designed stages over so many frames of noise, or of the file `source`."""

    chain: ChainSpec
    stages: tuple[Stage, ...]
    fs: int
    channels: int
    frames: int
    source: Path | None = None

    @cached_property
    def sound(self) -> Samples:
        """[channels, frames], made when it is first looked at."""
        return noise(self.channels, self.frames) if self.source is None else read(self.source, self.frames)

    @property
    def plan(self) -> RenderPlan:
        """float32 in, float32 out, neighbours fused."""
        return assemble(self.stages, self.fs, self.channels, FLOAT32, FLOAT32)

    @property
    def samples(self) -> int:
        return self.channels * self.frames

    def shortened(self, frames: int) -> Load:
        """The same over the first `frames` frames, of noise in any case."""
        return replace(self, frames=min(frames, self.frames), source=None)


def load_of(suite: Suite, duration_s: float, channels: int) -> Load:
    return Load(suite.chain, suite.stages, suite.fs, channels, max(1, round(duration_s * suite.fs)), suite.source)


def noise(channels: int, frames: int) -> Samples:
    """White noise [channels, frames] float32, seeded, each channel scaled so that its peak is 1."""
    sound = np.empty((channels, frames), np.float32)
    for channel, row in enumerate(sound):
        np.random.default_rng((SEED, channel)).random(dtype=np.float32, out=row)
        row -= 0.5
        row /= max(float(np.abs(row).max()), 0.25)
    return sound


def read(path: Path, frames: int) -> Samples:
    """The first `frames` frames of a file, [channels, frames] float32. Raises ReadError."""
    with open_source(path) as source:
        facts = source.facts
        engine = NativeEngine(assemble((), facts.fs, facts.channels, facts.sample_format, FLOAT32))
        sound = np.empty((facts.channels, frames), np.float32)
        at = 0
        for block in _blocks(source.blocks(block_frames(facts.channels)), frames):
            sound[:, at : at + len(block)] = engine.process(block).T
            at += len(block)
    if at < frames:
        raise ReadError(f"{path}: ends after {at} of {frames} frames")
    return sound


def _blocks(blocks: Iterator[npt.NDArray[np.generic]], frames: int) -> Iterator[npt.NDArray[np.generic]]:
    for block in blocks:
        yield block[:frames]
        frames -= len(block)
        if frames <= 0:
            return
