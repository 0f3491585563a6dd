"""The state of a feedback delay network, and the way round in it.

    sound, ways in ─▶ + ─▶ 16 delay lines ─▶ absorbing low-passes ─▶ Hadamard matrix H / 4 ─┬─▶ back to the +
                                                                                             └─▶ ways out
"""

from __future__ import annotations

from dataclasses import field

import numpy as np
import numpy.typing as npt

from torchfx_cli.records import dataclass

Samples = npt.NDArray[np.float64]

LINES = 16


def hadamard_rows() -> Samples:
    """Sylvester's matrix [LINES, LINES] of 1 and -1: rows are orthogonal, and of length 4."""
    rows = np.ones((1, 1))
    while len(rows) < LINES:
        rows = np.block([[rows, rows], [rows, -rows]])
    return rows


@dataclass
class ReverbState:
    """Of one sound.

    lengths  of the lines in frames, [LINES].
    gain, pole  of each line's low-pass y[n] = gain x[n] + pole y[n - 1].
    ways_in  [channels, LINES], what each line gets of a channel.
    ways_out [channels, LINES], what each channel gets of what comes out of the matrix, in its first `out_rows` rows.
    dry      factor of the sound as it was.
    """

    lengths: npt.NDArray[np.int64]
    gain: Samples
    pole: Samples
    ways_in: Samples
    ways_out: Samples
    dry: float
    memory: Samples = field(init=False)

    def __post_init__(self) -> None:
        self.memory = np.zeros(LINES)
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)[:-1]]).astype(np.int64)
        self.places = np.zeros(LINES, np.int64)
        self.lines = np.zeros(int(self.lengths.sum()))

    @property
    def out_rows(self) -> int:
        return int(np.flatnonzero(self.ways_out.any(axis=0)).max(initial=0)) + 1

    @property
    def channels(self) -> int:
        return len(self.ways_in)
