"""Chains as modules, and modules as streams.

    module = fx.load_chain("eq.yaml")                 # a file or a preset's name, as a module
    stream = fx.Renderer("eq.yaml", fs=48000, channels=2)
    for block in blocks: out.append(stream.process(block))
    out.append(stream.flush())
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from torchfx_cli.chain import parse, presets
from torchfx_cli.chain.spec import ChainSpec
from torchfx_cli.effect import Normalize
from torchfx_cli.effects.kind import StageSpec
from torchfx_cli.effects.normalize import PEAK, NormalizeSpec
from torchfx_cli.effects.parallel import every
from torchfx_cli.library.combine import Chain, Linear, Pipeline, chained, is_ours, opened
from torchfx_cli.library.designed import Filter
from torchfx_cli.library.effects import Effect
from torchfx_cli.library.rates import set_rate
from torchfx_cli.library.streams import LinearStream, StageStream, TensorStream
from torchfx_cli.samples import Signal


def load_chain(chain: str | os.PathLike[str] | ChainSpec, fs: float | None = None) -> Chain | Pipeline:
    """The stages of a chain file, a preset or a parsed chain, as modules. Raises ChainError, ValueError."""
    spec = chain if isinstance(chain, ChainSpec) else parse.load_chain(presets.find(os.fspath(chain)))
    return chained([_part(stage, fs) for stage in spec.stages if not stage.is_bypassed])


def _part(stage: StageSpec, fs: float | None) -> nn.Module:
    if isinstance(stage, NormalizeSpec) and stage.by == PEAK:
        return Normalize(10.0 ** (stage.peak_db / 20.0))
    return Filter(stage, fs) if stage.is_filter and not stage.is_both_ways else Effect(stage, fs)


class Renderer:
    """A chain with carried state: blocks [channels, frames] in, blocks out, the same as the whole at once.

    `chain` is a file, a preset's name, a ChainSpec or a module made of this library's filters and effects; it is made
    for `fs` in Hz and moved to `device`. What comes out is aligned with what went in: a chain that removes delay gives
    its last frames in `flush`. Its rate and channels are `fs_out` and `channels_out`. What needs the whole recording,
    such as Normalize, is a ValueError. A copy, or what comes out of a pickle, goes on where the renderer was; with a
    resampler in it, copying is a TypeError.
    """

    def __init__(self, chain: str | os.PathLike[str] | ChainSpec | nn.Module, fs: float, channels: int,
                 device: str | torch.device = "cpu") -> None:
        if channels < 1:
            raise ValueError(f"Renderer takes one channel or more, not {channels}")
        module = chain if isinstance(chain, nn.Module) else load_chain(chain)
        self.fs, self.channels, self.device = fs, channels, torch.device(device)
        self._open: list[Callable[[], TensorStream]] = []
        self.latency_frames = 0
        signal = Signal(fs, channels)
        joined = chained(list(opened(module)))
        for part in joined.parts if isinstance(joined, Pipeline) else [joined]:
            signal = self._add(part, signal)
        self.module = joined.to(device)
        self.fs_out, self.channels_out = signal.fs, signal.channels
        self.reset()

    def _add(self, part: nn.Module, source: Signal) -> Signal:
        """Take `part` in behind the others; the signal behind it."""
        set_rate(part, source.fs)
        if isinstance(part, Linear) and not is_ours(part):
            raise ValueError(f"{part} has hooks or a forward of its own, which a stream does not call")
        if isinstance(part, Linear):
            self._open.append(partial(LinearStream, part, source.channels, self.device))
            self.latency_frames += part.delay_frames
            return source
        if not isinstance(part, Effect):
            raise ValueError(f"{type(part).__name__} carries no state between blocks: it cannot be streamed")
        stage = part.stage(source.channels)
        if any(spec.is_measured for spec in every((part.spec,))):
            raise ValueError(f"{stage.label} needs the whole recording: it cannot be streamed")
        self._open.append(partial(StageStream, stage, source, self.device))
        return stage.output(source)

    def reset(self) -> None:
        """Forget everything heard."""
        self._streams = [make() for make in self._open]
        self._dtype = torch.float32

    @torch.inference_mode()
    def process(self, block: Tensor) -> Tensor:
        """Filter the next `block` [channels, frames], floating point, on the renderer's device."""
        if not isinstance(block, Tensor) or not block.is_floating_point():
            raise TypeError("Renderer takes blocks of floating-point tensors")
        if block.ndim != 2 or len(block) != self.channels:
            raise ValueError(f"Renderer takes [{self.channels}, frames], not {list(block.shape)}")
        if block.device.type != self.device.type:
            raise ValueError(f"block on {block.device}, Renderer on {self.device}: move it with .to()")
        self._dtype = block.dtype
        return self._through(0, block.double())

    @torch.inference_mode()
    def flush(self) -> Tensor:
        """The frames that were held back; after it the renderer is at rest."""
        held = [self._through(n + 1, y) for n, stream in enumerate(self._streams) for y in stream.flush()]
        nothing = torch.empty(self.channels_out, 0, dtype=self._dtype, device=self.device)
        self.reset()
        return torch.cat([nothing, *held], dim=-1)

    def _through(self, first: int, x: Tensor) -> Tensor:
        for stream in self._streams[first:]:
            x = stream.process(x)
        return x.to(self._dtype).contiguous()
