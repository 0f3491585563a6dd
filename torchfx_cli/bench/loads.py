"""What goes in: designed stages over noise, or over the user's own file; and noise as a file."""

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
from torchfx_cli.stream.formats import choose_output
from torchfx_cli.stream.reader import open_source
from torchfx_cli.stream.writer import Output

Samples = npt.NDArray[np.float32]

SEED = 20_240_229
FLOAT32 = SampleFormat("float32")
LEVEL = 0.25  # of the noise in files, so that few chains clip it, and no program that computes in integers


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
        if self.source is None:
            return noise(self.channels, self.frames)
        sound = read(self.source, self.frames)
        if sound.shape[1] < self.frames:
            raise ReadError(f"{self.source}: ends after {sound.shape[1]} of {self.frames} frames")
        return sound

    @cached_property
    def plan(self) -> RenderPlan:
        """float32 in, float32 out, neighbours fused."""
        return plan_for(self.stages, self.fs, self.channels)

    @property
    def samples(self) -> int:
        return self.channels * self.frames

    def shortened(self, frames: int) -> Load:
        """The same over the first `frames` frames, of noise in any case."""
        return replace(self, frames=min(frames, self.frames), source=None)


def load_of(suite: Suite, duration_s: float, channels: int) -> Load:
    frames = max(1, round(duration_s * suite.fs))
    return Load(suite.chain, suite.stages(channels), suite.fs, channels, frames, suite.source)


def plan_for(stages: tuple[Stage, ...], fs: int, channels: int) -> RenderPlan:
    """float32 in, float32 out: filtering and the least of conversion."""
    return assemble(stages, fs, channels, FLOAT32, FLOAT32)


def noise(channels: int, frames: int) -> Samples:
    """White noise [channels, frames] float32, seeded, each channel scaled so that its peak is 1."""
    sound = np.empty((channels, frames), np.float32)
    for channel, row in enumerate(sound):
        np.random.default_rng((SEED, channel)).random(dtype=np.float32, out=row)
        row -= 0.5
        row /= max(float(np.abs(row).max()), 0.25)
    return sound


class _NoiseFacts:
    """What `choose_output` asks of a source."""

    container, channel_map = "WAV", ()

    def __init__(self, fs: int, channels: int, subtype: str) -> None:
        self.fs, self.channels, self.subtype = fs, channels, subtype


def write_noise(path: Path, fs: int, channels: int, frames: int, subtype: str = "PCM_16") -> Path:
    """A WAV of white noise up to `LEVEL`, seeded, 16 bits wide or "FLOAT"; about 1 s a minute of 100 channels."""
    form = choose_output(path, _NoiseFacts(fs, channels, subtype))
    random = np.random.default_rng(1)
    with Output(path, fs, channels, form, None, 4 * frames * channels, overwrite=True) as output:
        for block in _parts(frames, block_frames(channels)):
            sound = random.uniform(-LEVEL, LEVEL, (block, channels))
            output.write((sound * 2**15).astype(np.int16) if subtype == "PCM_16" else sound.astype(np.float32))
        output.commit()
    return path


def _parts(frames: int, size: int) -> Iterator[int]:
    for start in range(0, frames, size):
        yield min(size, frames - start)


def read(path: Path, most_frames: int) -> Samples:
    """The first `most_frames` frames of a file, or what there is, [channels, frames] float32. Raises ReadError."""
    with open_source(path) as source:
        facts = source.facts
        engine = NativeEngine(assemble((), facts.fs, facts.channels, facts.sample_format, FLOAT32))
        sound = np.empty((facts.channels, most_frames), np.float32)
        at = 0
        for block in source.blocks(block_frames(facts.channels)):
            block = block[: most_frames - at]
            sound[:, at : at + len(block)] = engine.process(block).T
            at += len(block)
            if at == most_frames:
                break
    return sound[:, :at]
