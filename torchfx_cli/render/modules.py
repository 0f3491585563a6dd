"""The filters as torch modules: FIR, gain, chains, sums; `cascade` has the recursive ones. float64, on any device.

float64 throughout: in float32 a low cut-off leaves 64-78 dB, and an FFT of 4096 points about 135 dB.

Every module takes [..., channels, frames] and has three verbs: `forward(x)` from rest, `step(x, state) -> (y, state)`
for one block after another, and `initial_state(*batch)`, before the first block. Modules hold no running state.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import add
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

BLOCK_FRAMES = 64  # of a direct FIR: longer ones waste more on the zeros of the matrix than launches save
MAX_DIRECT_TAPS = 32  # up to here one matrix product is as fast as two transforms, and short blocks waste less
MIN_TRANSFORM_FRAMES = 4096

Array = npt.NDArray[np.float64]


class Filter(nn.Module):
    """Base of the modules: `forward` is one `step` from `initial_state`."""

    def forward(self, x: Tensor) -> Tensor:
        return self.step(x, self.initial_state(*x.shape[:-1]))[0]

    def initial_state(self, *batch: int) -> Any:
        """The state before the first frame, for inputs of shape [*batch, frames], on the module's device."""
        raise NotImplementedError

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Filter the next block `x` [..., frames], any number of frames; also gives the state behind it.

        Raises TypeError where `x` is not float64, ValueError where it has no axis or lies on another device.
        """
        raise NotImplementedError

    def _check(self, x: Tensor, table: Tensor) -> None:
        if x.dtype != torch.float64:
            raise TypeError(f"{type(self).__name__} filters float64, not {x.dtype}: pass x.double()")
        if not x.ndim:
            raise ValueError(f"{type(self).__name__} needs [..., frames], not a single number")
        if x.device != table.device:
            raise ValueError(f"input on {x.device}, {type(self).__name__} on {table.device}: move one with .to()")


class FIR(Filter):
    """An impulse response, `taps` [N]; state [..., N - 1], the last inputs.

    Few taps: blocks times a Toeplitz matrix. Many: overlap-save in blocks of `hop` frames by FFTs of about 4 N
    (Oppenheim & Schafer, "Discrete-Time Signal Processing", 8.7.3), so about a quarter of each is overlap.
    """

    table: Tensor

    def __init__(self, taps: npt.ArrayLike) -> None:
        super().__init__()
        h = np.array(taps, np.float64)
        if h.ndim != 1 or not h.size or not np.isfinite(h).all():
            raise ValueError(f"taps are [N], finite, at least one; got an array of shape {h.shape}")
        self.taps = len(h)
        self.direct = self.taps <= MAX_DIRECT_TAPS
        self.hop = hop_of(self.taps)
        if self.direct:
            table = torch.from_numpy(toeplitz(h, self.hop))
        else:
            size = self.hop + self.taps - 1
            table = torch.fft.rfft(torch.from_numpy(h), size) / size  # so that `_convolve` need not scale its output
        self.register_buffer("table", table, persistent=False)

    def initial_state(self, *batch: int) -> Tensor:
        return torch.zeros(*batch, self.taps - 1, dtype=torch.float64, device=self.table.device)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        self._check(x, self.table)
        frames = x.shape[-1]
        if not frames:
            return x, state
        silence = x.new_zeros(*x.shape[:-1], -frames % self.hop)
        heard = torch.cat([state, x, silence], dim=-1)
        windows = heard.unfold(-1, self.taps - 1 + self.hop, self.hop)
        y = windows @ self.table if self.direct else self._convolve(windows)
        # A view of `heard` would keep the whole block in memory.
        return y.flatten(-2).narrow(-1, 0, frames), heard.narrow(-1, frames, self.taps - 1).clone()

    def _convolve(self, windows: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(windows).mul_(self.table)
        y = torch.fft.irfft(spectrum, windows.shape[-1], norm="forward")
        return y.narrow(-1, self.taps - 1, self.hop)

    def extra_repr(self) -> str:
        return f"{self.taps} taps"


def hop_of(taps: int) -> int:
    """Frames that an FIR of `taps` makes at once."""
    if taps <= MAX_DIRECT_TAPS:
        return BLOCK_FRAMES
    return max(MIN_TRANSFORM_FRAMES, 1 << (4 * taps - 1).bit_length()) - taps + 1


class Gain(Filter):
    """A factor, linear; it has nothing to remember, so its state is None."""

    factor: Tensor

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.register_buffer("factor", torch.tensor(factor, dtype=torch.float64), persistent=False)

    def initial_state(self, *batch: int) -> None:
        return None

    def step(self, x: Tensor, state: None) -> tuple[Tensor, None]:
        self._check(x, self.factor)
        return x * self.factor, None


class Several(Filter):
    """Base of what is made of other filters; the state is the tuple of theirs."""

    def __init__(self, *filters: Filter) -> None:
        super().__init__()
        self.filters = nn.ModuleList(filters)

    def initial_state(self, *batch: int) -> tuple[Any, ...]:
        return tuple(one.initial_state(*batch) for one in self._filters())

    def _filters(self) -> Iterable[Filter]:
        return cast("Iterable[Filter]", self.filters)


class Chain(Several):
    """Filters one after another."""

    def step(self, x: Tensor, state: tuple[Any, ...]) -> tuple[Tensor, tuple[Any, ...]]:
        after = []
        for one, before in zip(self._filters(), state, strict=True):
            x, end = one.step(x, before)
            after.append(end)
        return x, tuple(after)


class Sum(Several):
    """Filters side by side on the same input, added."""

    def step(self, x: Tensor, state: tuple[Any, ...]) -> tuple[Tensor, tuple[Any, ...]]:
        done = [one.step(x, before) for one, before in zip(self._filters(), state, strict=True)]
        return reduce(add, [y for y, _ in done]), tuple(end for _, end in done)


def toeplitz(taps: Array, hop: int) -> Array:
    """[N - 1 + hop, hop]: what `hop` outputs take from themselves and the N - 1 frames before."""
    table = np.zeros((len(taps) - 1 + hop, hop))
    for n in range(hop):
        table[n : n + len(taps), n] = taps[::-1]
    return table
