"""Second-order sections in a row as a torch module: time-parallel, float64, on any device.

A recursion looks serial, but cut into blocks of L frames it is not: within a block the output is a matrix times its
samples plus a matrix times the state before it, and the states before all blocks obey a recursion of the same kind, L
times shorter, which is cut into groups of M blocks, and so on. (Blelloch, "Prefix sums and their applications", 1990,
section 1.4: linear recurrences as scans.)

The blocks are done for all sections at once, so the samples are read three times and written twice however many
sections there are. The recursion over blocks, 2/L of the data, is done section by section: a joint state of 2K numbers
would save launches, but its high powers lose the digits that a section keeps when poles lie close together.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from torchfx_cli.render.cascade_tables import BLOCK_FRAMES, GROUP_BLOCKS, SILENCE, Tables, tables_of
from torchfx_cli.render.modules import Filter

MOST_SECTIONS = 16  # in one set of tables; beyond, the states of a block would outweigh its samples


class SOSCascade(Filter):
    """Second-order sections in a row, `sos` [K, 6] as in scipy.signal; state [..., 2K], see `cascade_tables`."""

    def __init__(self, sos: npt.ArrayLike) -> None:
        super().__init__()
        rows = np.array(sos, np.float64, ndmin=2)
        if rows.ndim != 2 or rows.shape[1] != 6 or not np.isfinite(rows).all() or not rows[:, 3].all():
            raise ValueError(f"sos is [K, 6], finite, a0 not 0; got an array of shape {rows.shape}")
        rows = rows / rows[:, 3:4]
        self.sections = len(rows)
        self.parts = nn.ModuleList(_Part(rows[n : n + MOST_SECTIONS]) for n in range(0, len(rows), MOST_SECTIONS))

    def _parts(self) -> list[_Part]:
        return [part for part in self.parts if isinstance(part, _Part)]

    def initial_state(self, *batch: int) -> Tensor:
        return self._parts()[0].gather.new_zeros(*batch, 2 * self.sections)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        self._check(x, self._parts()[0].gather)
        if not x.shape[-1]:
            return x, state
        ends = []
        for part, before in zip(self._parts(), state.split(2 * MOST_SECTIONS, dim=-1), strict=True):
            x, end = part.step(x, before)
            ends.append(end)
        return x, torch.cat(ends, dim=-1)

    def extra_repr(self) -> str:
        return f"{self.sections} sections"


class _Part(nn.Module):
    """As many sections as one set of tables takes."""

    gather: Tensor
    respond: Tensor
    spread: Tensor
    powers: Tensor
    group_gather: Tensor
    group_spread: Tensor

    def __init__(self, rows: npt.NDArray[np.float64]) -> None:
        super().__init__()
        self.sections = len(rows)
        tables = tables_of(rows)
        # Not in the state dict: a filter is designed, not trained, and stale tables must not be loaded over it.
        for field in fields(Tables):
            self.register_buffer(field.name, torch.from_numpy(getattr(tables, field.name)), persistent=False)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """`x` [..., frames], at least one; `state` [..., 2K]."""
        frames = x.shape[-1]
        # What follows the last frame in its block is filtered as well, and cut away: nothing looks ahead.
        blocks = _whole(x, BLOCK_FRAMES).unflatten(-1, (-1, BLOCK_FRAMES))
        starts = self._starts(blocks @ self.gather, state)
        rows = blocks.reshape(-1, BLOCK_FRAMES) @ self.respond
        rows.addmm_(starts.reshape(len(rows), -1), self.spread)  # in place: one more pass over the samples, not two
        last = 1 + (frames - 1) % BLOCK_FRAMES
        heard = x.narrow(-1, frames - last, last) @ self.gather.narrow(0, BLOCK_FRAMES - last, last)
        end = starts.select(-2, -1) @ self.powers.select(0, last) + heard
        y = rows.view(blocks.shape).flatten(-2).narrow(-1, 0, frames)
        return y, torch.where(end.abs() < SILENCE, 0.0, end)

    def _starts(self, added: Tensor, state: Tensor) -> Tensor:
        """The state before each block [..., blocks, 2K], from what each block `added` to it from rest."""
        over_a_block = self.powers.select(0, BLOCK_FRAMES)
        found: list[Tensor] = []
        for k in range(self.sections):
            new = added.narrow(-1, 2 * k, 2)
            if k:
                new = new + torch.cat(found, dim=-1) @ over_a_block.narrow(1, 2 * k, 2).narrow(0, 0, 2 * k)
            begun = self._scan(k, 0, new.flatten(-2), state.narrow(-1, 2 * k, 2))
            found.append(begun.unflatten(-1, (-1, 2)))
        return torch.cat(found, dim=-1)

    def _scan(self, k: int, level: int, added: Tensor, start: Tensor) -> Tensor:
        """Of section k, the states before n blocks [..., 2n], from `start`, the first, and what each block `added`."""
        count = added.shape[-1]
        if count == 2:
            return start
        groups = _whole(added, 2 * GROUP_BLOCKS).unflatten(-1, (-1, 2 * GROUP_BLOCKS))
        begun = self._scan(k, level + 1, (groups @ _table(self.group_gather, k, level)).flatten(-2), start)
        known = torch.cat([groups, begun.unflatten(-1, (-1, 2))], dim=-1)
        return (known @ _table(self.group_spread, k, level)).flatten(-2).narrow(-1, 0, count)


def _whole(x: Tensor, size: int) -> Tensor:
    """`x`, followed by zeros where its last axis is not a multiple of `size`."""
    missing = -x.shape[-1] % size
    return pad(x, (0, missing)) if missing else x


def _table(tables: Tensor, k: int, level: int) -> Tensor:
    return tables.select(0, k).select(0, level)
