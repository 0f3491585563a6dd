"""The effects of the Python library that are not filters of frequencies; see `library.designed`."""

from __future__ import annotations

from torch import Tensor

from torchfx_cli.library.combine import Module
from torchfx_cli.library.designed import Filter


class Gain(Filter):
    """Louder or quieter by `gain` in dB, the same at every sample rate."""

    def __init__(self, gain: float) -> None:
        super().__init__("gain", gain=gain)


class Normalize(Module):
    """Brings the highest absolute sample of the whole input to `peak` (linear, 1 = full scale); silence stays."""

    def __init__(self, peak: float = 1.0) -> None:
        super().__init__()
        if not 0.0 < peak < float("inf"):
            raise ValueError(f"peak is linear, above 0; got {peak!r}")
        self.peak = peak

    def forward(self, x: Tensor) -> Tensor:
        """`x` of any shape, floating point; one factor for all channels."""
        self._check(x)
        highest = x.abs().max() if x.numel() else x.new_zeros(())
        return x * (self.peak / highest.double() if highest > 0 else 1.0)

    def extra_repr(self) -> str:
        return f"peak={self.peak:g}"
