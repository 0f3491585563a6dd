"""The matrices that make a cascade of second-order sections parallel, computed in extended precision.

Each section is a transposed direct form II with its two memories s1, s2 kept as p = (s1, s1 + s s2), s the sign of the
poles' real part turned over (`_section`). All sections together are one linear machine, of a state of 2K numbers,

    p' = A p + B x,   y = C p + D x,

whose powers say what a block of L frames does to the state and to the output. Everything here is [rows, columns] to be
multiplied from the right, as a block of samples is a row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BLOCK_FRAMES = 64  # L: beyond it the triangular half of `respond` that is zero costs more than launches save
GROUP_BLOCKS = 32  # M: blocks whose start states are found by one product
LEVELS = 6  # L M^6 = 69e9 frames in one call, beyond any memory
SILENCE = 1e-200  # below it a number is put to 0, or its decay would creep into slow denormal numbers

Array = npt.NDArray[np.float64]
Long = npt.NDArray[np.longdouble]


@dataclass(frozen=True)
class Tables:
    """Of K sections; one per line, float64.

    gather   [L, 2K]          a block of samples -> what it adds to the state behind it
    respond  [L, L]           a block of samples -> its output from rest
    spread   [2K, L]          the state before a block -> what it adds to the output
    powers   [L + 1, 2K, 2K]  the state -> the state so many frames later, in silence
    group_gather [K, LEVELS, 2M, 2], group_spread [K, LEVELS, 2M + 2, 2M]
             of one section, the recursion from block to block, then from group to group: what M blocks each add to the
             state (and the state before them) -> the state behind them; the state before each of them
    """

    gather: Array
    respond: Array
    spread: Array
    powers: Array
    group_gather: Array
    group_spread: Array


def tables_of(rows: Array) -> Tables:
    """The tables of sections `rows` [K, 6], a0 = 1."""
    advance, drive, read, direct = _joined(rows.astype(np.longdouble))  # 64 bits of mantissa where the machine has them
    powers = _powers(advance, BLOCK_FRAMES)
    kicked = powers[:-1] @ drive  # [L, 2K]: the state n + 1 frames after the beginning of a unit impulse at frame 0
    response = np.concatenate([[direct], kicked[:-1] @ read])
    respond = np.zeros((BLOCK_FRAMES, BLOCK_FRAMES), np.longdouble)
    for n in range(BLOCK_FRAMES):
        respond[n, n:] = response[: BLOCK_FRAMES - n]
    own = [powers[-1][2 * k : 2 * k + 2, 2 * k : 2 * k + 2] for k in range(len(rows))]
    groups = [_levels(matrix) for matrix in own]
    return Tables(
        gather=_rounded(kicked[::-1]),
        respond=_rounded(respond),
        spread=_rounded((read @ powers[:-1]).T),
        powers=_rounded(powers.transpose(0, 2, 1)),
        group_gather=_rounded(np.array([[gather for gather, _ in levels] for levels in groups])),
        group_spread=_rounded(np.array([[spread for _, spread in levels] for levels in groups])),
    )


def _joined(rows: Long) -> tuple[Long, Long, Long, np.longdouble]:
    """A, B, C and D of the cascade: each section hears the output of those before it."""
    size = 2 * len(rows)
    advance, direct = np.zeros((size, size), np.longdouble), np.longdouble(1.0)
    drive, read = np.zeros(size, np.longdouble), np.zeros(size, np.longdouble)
    for k, row in enumerate(rows):
        here, before = slice(2 * k, 2 * k + 2), slice(0, 2 * k)
        own, heard = _section(row)
        advance[here, here] = own
        advance[here, before] = np.outer(heard, read[before])
        drive[here] = heard * direct
        read[before] *= row[0]
        read[2 * k] = 1.0
        direct = direct * row[0]
    return advance, drive, read, direct


def _section(row: Long) -> tuple[Long, Long]:
    """A and B of one section; C = (1, 0), D = b0.

    From y = b0 x + s1, s1' = b1 x - a1 y + s2, s2' = b2 x - a2 y. In (s1, s2) a 20 Hz high-pass at 192 kHz would
    compute s1 from 1.999 s1 + s2, and one rounded entry of such a matrix shifts the cut-off by 1e-10. In
    (s1, s1 + s s2) the small difference is kept as such, and c, the square of the pole's frequency, is an entry.
    """
    b0, b1, b2, _, a1, a2 = row
    s = 1.0 if a1 <= 0.0 else -1.0
    c = 1.0 + s * a1 + a2
    heard1, heard2 = b1 - a1 * b0, b2 - a2 * b0
    return np.array([[-(a1 + s), s], [-s * c, s]]), np.array([heard1, heard1 + s * heard2])


def _levels(advance: Long) -> list[tuple[Long, Long]]:
    """(gather, spread) of each level, for a recursion q' = `advance` q + u of two numbers."""
    levels = []
    for _ in range(LEVELS):
        powers = _powers(advance, GROUP_BLOCKS)
        turned = powers.transpose(0, 2, 1)
        spread = np.zeros((GROUP_BLOCKS + 1, 2, GROUP_BLOCKS, 2), np.longdouble)
        spread[-1] = turned[:-1].transpose(1, 0, 2)
        for before in range(GROUP_BLOCKS):
            spread[before, :, before + 1 :] = turned[: GROUP_BLOCKS - 1 - before].transpose(1, 0, 2)
        gather = turned[GROUP_BLOCKS - 1 :: -1].reshape(2 * GROUP_BLOCKS, 2)
        levels.append((gather, spread.reshape(2 * GROUP_BLOCKS + 2, 2 * GROUP_BLOCKS)))
        advance = powers[-1]
    return levels


def _powers(matrix: Long, count: int) -> Long:
    """matrix^0 ... matrix^count."""
    powers = [np.eye(len(matrix), dtype=np.longdouble)]
    for _ in range(count):
        powers.append(matrix @ powers[-1])
    return np.array(powers)


def _rounded(table: Long) -> Array:
    return np.ascontiguousarray(np.where(np.abs(table) < SILENCE, 0.0, table), np.float64)
