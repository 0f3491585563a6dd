"""The filters as torch modules: SOS cascade, FIR, gain and chains of them, float64, on any device.

A recursion looks serial, but cut into blocks of L frames it is not: within a block the output is a matrix times what
the block hears (its own samples, the two before it, its start state), and the start states of all blocks obey a
recursion of the same kind, L times shorter, which is again cut into blocks of M. So it takes log(n) levels of matrix
products, the same on a CPU and a GPU, and is differentiable. (Blelloch, "Prefix sums and their applications", 1990,
section 1.4: linear recurrences as scans.) float64 throughout: in float32 a low cut-off leaves 64-78 dB.

Every module takes [..., channels, frames] and has three verbs: `forward(x)` from rest, `step(x, state) -> (y, state)`
for one block after another, and `rest(*batch)`, the state before the first block. Modules hold no running state.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

BLOCK_FRAMES = 64  # L: beyond it the triangular half of the matrix that is zero costs more than launches save
GROUP_BLOCKS = 16  # M: blocks whose start states are found by one product
LEVELS = 7  # L M^7 = 17e9 frames in one call, beyond any memory
SECTION_MEMORY = 2  # frames a second-order section looks back
SILENCE = 1e-200  # below it a state is put to 0, or its decay would creep into slow denormal numbers

MAX_DIRECT_TAPS = 32  # up to here one matrix product is as fast as two transforms, and short blocks waste less
MIN_TRANSFORM_FRAMES = 4096

Array = npt.NDArray[np.float64]


class Filter(nn.Module):
    """Base of the modules: `forward` is one `step` from `rest`."""

    def forward(self, x: Tensor) -> Tensor:
        return self.step(x, self.rest(*x.shape[:-1]))[0]

    def rest(self, *batch: int) -> Any:
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


class SOSCascade(Filter):
    """Second-order sections in a row, `sos` [K, 6] as in scipy.signal; state [..., K + 1, 2].

    The state is the last two frames at each node of the cascade: the input and every section's output. Each
    section is made parallel by itself: a joint state of 2K numbers would save launches, but its powers
    lose the digits that a section keeps when poles lie close together.
    """

    def __init__(self, sos: npt.ArrayLike) -> None:
        super().__init__()
        rows = np.array(sos, np.float64, ndmin=2)
        if rows.ndim != 2 or rows.shape[1] != 6 or not np.isfinite(rows).all() or not rows[:, 3].all():
            raise ValueError(f"sos is [K, 6], finite, a0 not 0; got an array of shape {rows.shape}")
        tables = [_section_tables(row / row[3]) for row in rows]
        self.sections = len(rows)
        # Not in the state dict: a filter is designed, not trained, and stale tables must not be loaded over it.
        for name, column in zip(("gather", "spread", "group_gather", "group_spread", "basis"), range(5), strict=True):
            stacked = np.array([table[column] for table in tables]).reshape(len(rows), *TABLE_SHAPES[column])
            self.register_buffer(name, torch.from_numpy(stacked), persistent=False)

    gather: Tensor
    spread: Tensor
    group_gather: Tensor
    group_spread: Tensor
    basis: Tensor

    def rest(self, *batch: int) -> Tensor:
        return self.basis.new_zeros(*batch, self.sections + 1, SECTION_MEMORY)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        self._check(x, self.basis)
        frames = x.shape[-1]
        if not frames:
            return x, state
        # What follows the last frame in its block is filtered as well, and cut away: nothing looks ahead.
        node = torch.cat([state[..., 0, :], pad(x, (0, -frames % BLOCK_FRAMES))], dim=-1)
        ends = [node[..., frames : frames + SECTION_MEMORY].clone()]  # a view would keep the whole node in memory
        for k in range(self.sections):
            before = state[..., k + 1, :]
            node = torch.cat([before, self._section(k, node, before)], dim=-1)
            ends.append(node[..., frames : frames + SECTION_MEMORY].clone())
        end = torch.stack(ends, dim=-2)
        y = node[..., SECTION_MEMORY : SECTION_MEMORY + frames]
        return y, torch.where(end.abs() < SILENCE, 0.0, end)

    def _section(self, k: int, heard: Tensor, before: Tensor) -> Tensor:
        blocks = heard.unfold(-1, BLOCK_FRAMES + SECTION_MEMORY, BLOCK_FRAMES)
        return self._solve(k, 0, blocks, before @ self.basis[k]).flatten(-2)

    def _solve(self, k: int, level: int, heard: Tensor, start: Tensor) -> Tensor:
        """What `heard` [..., blocks, n] makes of every block, the first of which begins in state `start` [..., 2]."""
        if level:
            gather, spread = self.group_gather[k, level - 1], self.group_spread[k, level - 1]
        else:
            gather, spread = self.gather[k], self.spread[k]
        blocks = heard.shape[-2]
        starts = start.unsqueeze(-2)
        if blocks > 1:
            ends = pad((heard @ gather).flatten(-2), (0, 2 * (-blocks % GROUP_BLOCKS)))
            groups = ends.unflatten(-1, (-1, 2 * GROUP_BLOCKS))
            starts = self._solve(k, level + 1, groups, start).flatten(-2).unflatten(-1, (-1, 2))[..., :blocks, :]
        return torch.cat([heard, starts], dim=-1) @ spread

    def extra_repr(self) -> str:
        return f"{self.sections} sections"


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
            table = torch.from_numpy(_toeplitz(h, self.hop))
        else:
            table = torch.fft.rfft(torch.from_numpy(h), self.hop + self.taps - 1)
        self.register_buffer("table", table, persistent=False)

    def rest(self, *batch: int) -> Tensor:
        return torch.zeros(*batch, self.taps - 1, dtype=torch.float64, device=self.table.device)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        self._check(x, self.table)
        frames = x.shape[-1]
        if not frames:
            return x, state
        heard = torch.cat([state, x], dim=-1)
        windows = pad(heard, (0, -frames % self.hop)).unfold(-1, self.taps - 1 + self.hop, self.hop)
        y = windows @ self.table if self.direct else self._convolve(windows)
        return y.flatten(-2)[..., :frames], heard[..., frames:]

    def _convolve(self, windows: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(windows) * self.table
        return torch.fft.irfft(spectrum, windows.shape[-1])[..., self.taps - 1 :]

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

    def rest(self, *batch: int) -> None:
        return None

    def step(self, x: Tensor, state: None) -> tuple[Tensor, None]:
        self._check(x, self.factor)
        return x * self.factor, None


class Chain(Filter):
    """Filters one after another; the state is the tuple of theirs."""

    def __init__(self, *filters: Filter) -> None:
        super().__init__()
        self.filters = nn.ModuleList(filters)

    def rest(self, *batch: int) -> tuple[Any, ...]:
        return tuple(stage.rest(*batch) for stage in self._filters())

    def step(self, x: Tensor, state: tuple[Any, ...]) -> tuple[Tensor, tuple[Any, ...]]:
        after = []
        for stage, before in zip(self._filters(), state, strict=True):
            x, end = stage.step(x, before)
            after.append(end)
        return x, tuple(after)

    def _filters(self) -> Iterable[Filter]:
        return cast("Iterable[Filter]", self.filters)


# Of one section: see _section_tables.
TABLE_SHAPES = (
    (BLOCK_FRAMES + SECTION_MEMORY, 2),
    (BLOCK_FRAMES + SECTION_MEMORY + 2, BLOCK_FRAMES),
    (LEVELS, 2 * GROUP_BLOCKS, 2),
    (LEVELS, 2 * GROUP_BLOCKS + 2, 2 * GROUP_BLOCKS),
    (2, 2),
)


def _section_tables(row: Array) -> tuple[Array, ...]:
    """The matrices of one section, all to be multiplied from the right.

    The state is q = (y[-1], y[-1] - s y[-2]), with s the sign of the poles' real part. In the plain (y[-1], y[-2])
    a 20 Hz high-pass at 192 kHz would compute y from 64 y[-1] - 63 y[-2], and one rounded entry of such a matrix
    shifts the cut-off by 1e-10. One frame is q' = A q + (1, 1) v, with v the output of the numerator and

        A = [[s (1 - c), s a2], [-s c, s a2]],   c = 1 + s a1 + a2.

    gather  x[-2], x[-1], x[0..L-1]            -> q after the block, begun at rest
    spread  x[-2], x[-1], x[0..L-1], q before  -> y[0..L-1]
    group_gather, group_spread: the same for the recursion from block to block, then from group to group:
            what M blocks each add to the state -> the state after them, the state before each of them
    basis   y[-2], y[-1] -> q
    """
    b0, b1, b2, _, a1, a2 = row.astype(np.longdouble)  # 64 bits of mantissa where the machine has them
    s = 1.0 if a1 <= 0.0 else -1.0
    c = 1.0 + s * a1 + a2
    advance = np.array([[s * (1.0 - c), s * a2], [-s * c, s * a2]])
    powers = _powers(advance, BLOCK_FRAMES)
    # Column n: the state n frames after a unit impulse v[0]; the numerator spreads it over x[0], x[-1], x[-2].
    kicked = np.zeros((2, BLOCK_FRAMES + 2), np.longdouble)
    kicked[:, 2:] = powers[:-1].sum(axis=2).T
    response = b0 * kicked[:, 2:] + b1 * kicked[:, 1:-1] + b2 * kicked[:, :-2]
    heard = np.zeros((BLOCK_FRAMES + 2, BLOCK_FRAMES, 2), np.longdouble)
    heard[0] = (b2 * kicked[:, 2:]).T
    heard[1] = (b1 * kicked[:, 2:] + b2 * kicked[:, 1:-1]).T
    for n in range(BLOCK_FRAMES):
        heard[2 + n, n:] = response[:, : BLOCK_FRAMES - n].T
    spread = np.concatenate([heard[:, :, 0], powers[1:, 0, :].T])
    groups = [_group_tables(powers[-1])]
    for _ in range(1, LEVELS):
        groups.append(_group_tables(groups[-1][2]))
    basis = np.array([[0.0, -s], [1.0, 1.0]])
    tables = (heard[:, -1], spread, np.array([g[0] for g in groups]), np.array([g[1] for g in groups]), basis)
    return tuple(_without_denormals(table) for table in tables)


def _group_tables(advance: npt.NDArray[np.longdouble]) -> tuple[Any, Any, Any]:
    """gather, spread and the M-th power for a recursion q' = `advance` q + u."""
    powers = _powers(advance, GROUP_BLOCKS)
    turned = powers.transpose(0, 2, 1)
    spread = np.zeros((GROUP_BLOCKS + 1, 2, GROUP_BLOCKS, 2), np.longdouble)
    for before in range(GROUP_BLOCKS):
        spread[-1, :, before] = turned[before]
        for after in range(before + 1, GROUP_BLOCKS):
            spread[before, :, after] = turned[after - before - 1]
    gather = turned[GROUP_BLOCKS - 1 :: -1].reshape(2 * GROUP_BLOCKS, 2)
    return gather, spread.reshape(2 * GROUP_BLOCKS + 2, 2 * GROUP_BLOCKS), powers[-1]


def _powers(matrix: npt.NDArray[np.longdouble], count: int) -> npt.NDArray[np.longdouble]:
    """matrix^0 ... matrix^count."""
    powers = [np.eye(2, dtype=np.longdouble)]
    for _ in range(count):
        powers.append(matrix @ powers[-1])
    return np.array(powers)


def _without_denormals(table: npt.NDArray[np.longdouble]) -> Array:
    return np.where(np.abs(table) < SILENCE, 0.0, table).astype(np.float64)


def _toeplitz(taps: Array, hop: int) -> Array:
    """[N - 1 + hop, hop]: what `hop` outputs take from themselves and the N - 1 frames before."""
    table = np.zeros((len(taps) - 1 + hop, hop))
    for n in range(hop):
        table[n : n + len(taps), n] = taps[::-1]
    return table
