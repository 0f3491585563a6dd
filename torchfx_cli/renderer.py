"""Chains as modules, and modules as streams.

    module = fx.load_chain("eq.yaml")                 # a file or a preset's name, as a module
    stream = fx.Renderer("eq.yaml", fs=48000, channels=2)
    for block in blocks: out.append(stream.process(block))
    out.append(stream.flush())
"""

from __future__ import annotations

import os

import torch
from torch import Tensor, nn

from torchfx_cli.chain import parse, presets
from torchfx_cli.chain.spec import ChainSpec
from torchfx_cli.effect import Normalize
from torchfx_cli.effects.kind import StageSpec
from torchfx_cli.effects.normalize import NormalizeSpec
from torchfx_cli.library.combine import Chain, Pipeline, chained, linear
from torchfx_cli.library.designed import Filter, set_rate
from torchfx_cli.library.effects import Effect
from torchfx_cli.render.hosted import Stream


def load_chain(chain: str | os.PathLike[str] | ChainSpec, fs: float | None = None) -> Chain | Pipeline:
    """The stages of a chain file, a preset or a parsed chain, as modules. Raises ChainError, ValueError."""
    spec = chain if isinstance(chain, ChainSpec) else parse.load_chain(presets.find(os.fspath(chain)))
    return chained([_part(stage, fs) for stage in spec.stages])


def _part(stage: StageSpec, fs: float | None) -> nn.Module:
    if isinstance(stage, NormalizeSpec):
        return Normalize(10.0 ** (stage.peak_db / 20.0))
    return Filter(stage, fs) if stage.is_filter else Effect(stage, fs)


class Renderer:
    """A chain with carried state: blocks [channels, frames] in, blocks out, the same as the whole at once.

    `chain` is a file, a preset's name, a ChainSpec or a module made of this library's filters; it is designed for
    `fs` in Hz and moved to `device`. As many frames come out as went in, aligned with them: a chain that removes
    delay gives its last frames in `flush`. Normalize, which needs the whole recording, is a ValueError.
    """

    def __init__(self, chain: str | os.PathLike[str] | ChainSpec | nn.Module, fs: float, channels: int,
                 device: str | torch.device = "cpu") -> None:
        if channels < 1:
            raise ValueError(f"Renderer takes one channel or more, not {channels}")
        module = chain if isinstance(chain, nn.Module) else load_chain(chain)
        parts = linear(module if isinstance(module, nn.Sequential) else [module])
        module = Chain(*parts) if len(parts) != 1 else parts[0]
        set_rate(module, fs)
        self.module, self.fs, self.channels = module.to(device), fs, channels
        self.device = torch.device(device)
        self.latency_frames = self.module.delay_frames
        self.reset()

    def reset(self) -> None:
        """Forget everything heard."""
        self._hosted = Stream(self.module.row, self.channels) if self.device.type == "cpu" else None
        if self._hosted is None or not self._hosted.in_step:
            self._hosted, self._core = None, self.module.core()
            self._state = self._core.rest(self.channels)
        self._to_skip = self.latency_frames
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
        return self._advance(block.double())

    @torch.inference_mode()
    def flush(self) -> Tensor:
        """The frames that were held back; after it the renderer is at rest."""
        held = self.latency_frames - self._to_skip
        zeros = torch.zeros(self.channels, held, dtype=torch.float64, device=self.device)
        last = self._advance(zeros)
        self.reset()
        return last

    def _advance(self, x: Tensor) -> Tensor:
        if self._hosted is not None:
            y = self._hosted.step(x)
        else:
            y, self._state = self._core.step(x, self._state)
        skipped = min(self._to_skip, y.shape[-1])
        self._to_skip -= skipped
        return y[..., skipped:].to(self._dtype).contiguous()
