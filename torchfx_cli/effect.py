"""The effects of the Python library that are not filters of frequencies; see `library.effects`.

Each kind of a chain file has a class here, made when it is first asked for: `Compressor(threshold=-20, ratio=4)`,
`Resample("16 kHz")`, `Mono()`, `Loudness("-16 LUFS")`, `Trim(start=1, end=30)`.
"""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from torchfx_cli.effects.table import KINDS
from torchfx_cli.library.combine import Module
from torchfx_cli.library.designed import Filter
from torchfx_cli.library.effects import effect_class
from torchfx_cli.library.settings import refuse_gradient


class Gain(Filter):
    """Louder or quieter by `gain` in dB, the same at every sample rate."""

    def __init__(self, gain: float) -> None:
        super().__init__("gain", gain=gain)


class Normalize(Module):
    """Brings the highest absolute sample of an input to `peak` (linear, 1 = full scale); silence stays."""

    peak: float

    def __init__(self, peak: float = 1.0) -> None:
        super().__init__()
        refuse_gradient(peak, "Normalize: peak")
        if not 0.0 < peak < float("inf"):
            raise ValueError(f"peak is linear, above 0; got {peak!r}")
        self._keep("peak", float(peak))

    def forward(self, x: Tensor) -> Tensor:
        """`x` [..., channels, frames] or [frames], floating point: one factor for all channels of an example."""
        self._check(x)
        if not x.numel():
            return x
        highest = x.abs().amax(dim=tuple(range(x.ndim))[-2:], keepdim=True).double()
        return (x * torch.where(highest > 0, self.peak / highest, 1.0)).to(x.dtype)

    def extra_repr(self) -> str:
        return f"peak={self.peak:g}"


def __getattr__(name: str) -> Any:
    """The class of a kind, such as `DcBlock` of dc_block."""
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    if not name[:1].isupper() or kind not in KINDS:
        raise AttributeError(f"module {__name__!r} has no effect {name!r}; there are {', '.join(KINDS)}, in CamelCase")
    globals()[name] = effect_class(kind, name)
    return globals()[name]
