"""What EBU R 128 tells of a programme: its loudness, its loudness range, and its loudest moments.

Loudness range (EBU Tech 3342): of windows of 3 s, a new one each 100 ms, those above -70 LUFS count, and of these those
above their mean less 20 LU; it reaches from their 10th to their 95th percentile. Which window that is says the code in
Tech 3342: of n in order, counted from 1, number round(1 + (n - 1) p); ffmpeg's ebur128 takes number round(n p), one
lower at 10 %, which matters where there are few: up to 1 LU in 15 s of sound that dies away.

The loudest moments (EBU Tech 3341) are windows of 400 ms and of 3 s in steps of 10 ms: a sound of 400 ms may begin
between two steps of 100 ms.

For the range 0.3 MB an hour of sound are kept, as for the loudness.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

import numpy as np

from torchfx_cli.design.stage import Array
from torchfx_cli.effects.loudness import ABSOLUTE_GATE_LUFS, HOPS_A_SECOND, LoudnessMeter, lufs_of
from torchfx_cli.effects.meters import Hops

SHORT_TERM_S = 3
RANGE_GATE_LU = -20.0
LOWEST, HIGHEST = 0.10, 0.95
STEPS_A_SECOND = 100
TENTH, MOMENTARY_TENTHS, SHORT_TERM_TENTHS = 10, 4, 10 * SHORT_TERM_S  # steps in 100 ms, and windows in these


class Programme(NamedTuple):
    """In LUFS, the range in LU; -inf of silence, and where the sound is shorter than a window."""

    lufs: float
    range_lu: float
    max_momentary: float
    max_short_term: float


class ProgrammeMeter(LoudnessMeter):
    """Reads a `Programme`."""

    def __init__(self, fs: float, weights: tuple[float, ...]) -> None:
        self._loudest = _Loudest(fs)
        super().__init__(fs, weights, heard=self._loudest.process)

    def reading(self) -> Programme:  # type: ignore[override]
        """See `Meter`."""
        return Programme(super().reading().lufs, range_lu(self.windows(SHORT_TERM_S * HOPS_A_SECOND)),
                         *lufs_of(np.array([self._loudest.momentary, self._loudest.short_term])).tolist())


class _Loudest:
    """The highest mean power of the windows so far; of the steps the last 3 s are kept."""

    def __init__(self, fs: float) -> None:
        self._hops = Hops(round(fs / STEPS_A_SECOND))
        self._kept = np.empty(0)
        self.momentary = self.short_term = 0.0

    def process(self, power: Array) -> None:
        """Take the power of the next frames."""
        steps = np.concatenate([self._kept, self._hops.process(power)])
        tenths = _means(steps, TENTH, 1)
        self.momentary = max(self.momentary, _means(tenths, MOMENTARY_TENTHS, TENTH).max(initial=0.0))
        self.short_term = max(self.short_term, _means(tenths, SHORT_TERM_TENTHS, TENTH).max(initial=0.0))
        self._kept = steps[-(SHORT_TERM_TENTHS * TENTH - 1):]


def range_lu(windows: Array) -> float:
    """Of the mean squares of windows of 3 s; -inf where none is above the gates."""
    loud = windows[lufs_of(windows) > ABSOLUTE_GATE_LUFS]
    if not len(loud):
        return -inf
    levels = np.sort(lufs_of(loud[loud >= loud.mean() * 10.0 ** (RANGE_GATE_LU / 10.0)]))
    low, high = (levels[int((len(levels) - 1) * share + 0.5)] for share in (LOWEST, HIGHEST))
    return float(high - low)


def _means(values: Array, count: int, step: int) -> Array:
    """Of `count` values that lie `step` apart, from each value on; added in order, so that no cut changes a bit."""
    total = np.zeros(max(0, len(values) - (count - 1) * step))
    for first in range(0, count * step, step):
        total += values[first:first + len(total)]
    return total / count
