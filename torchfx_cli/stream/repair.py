"""NaN and infinity replaced by what may have been there: a straight line between the finite neighbours.

A gap is a run of non-finite samples of one channel. Its line needs its end, so frames are held back until that is
known, MAX_LINE_FRAMES at most: memory is bounded, and the result is the same for every cutting into blocks. The rule,
from the length of a gap alone:

    up to MAX_LINE_FRAMES   a straight line; at the start or end of the file, where one neighbour is missing, the other
                            is held; silence where there is none at all
    longer                  no line could be meant: down to 0 in MAX_LINE_FRAMES, then silence until the gap ends
                            (silence from the start where nothing came before it)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Block = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

MAX_LINE_FRAMES = 4096  # 93 ms at 44.1 kHz: far beyond a dropout that a line can hide


class Repair:
    """Mends the blocks of one pass over a file.

    samples   non-finite samples met so far.
    first     (frame, channel) of the first of them, both from 0; None while there is none.
    """

    def __init__(self, channels: int) -> None:
        self.samples = 0
        self.first: tuple[int, int] | None = None
        self._frames = 0
        self._last = np.full(channels, np.nan)  # what was handed out last, NaN before anything was
        self._silent = np.zeros(channels, bool)  # in a gap that turned out to be longer than a line

    def blocks(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """`blocks` [frames, channels] of floats, filled in place; around a gap they are cut differently."""
        held: Block | None = None
        for block in blocks:
            self._count(~np.isfinite(block))
            self._silence(block)
            block = block if held is None else np.concatenate([held, block])
            known = self._mend(block)
            held = block[known:] if known < len(block) else None
            if known:
                self._last[:] = block[known - 1]
                yield block[:known]
        if held is not None:
            self._mend(held, is_end=True)
            yield held

    def warning(self, fs: int) -> str:
        """What to tell the user, "" where nothing was repaired."""
        if self.first is None:
            return ""
        frame, channel = self.first
        plural = "s" * (self.samples > 1)
        return f"{self.samples} non-finite sample{plural} repaired (first at {frame / fs:.6f} s, channel {channel + 1})"

    def _count(self, bad: Mask) -> None:
        if bad.any():
            self.samples += int(np.count_nonzero(bad))
            if self.first is None:
                frame, channel = divmod(int(bad.argmax()), bad.shape[1])
                self.first = self._frames + frame, channel
        self._frames += len(bad)

    def _silence(self, block: Block) -> None:
        """Go on with the gaps that are too long for a line."""
        for channel in np.flatnonzero(self._silent):
            finite = np.isfinite(block[:, channel])
            self._silent[channel] = not finite.any()
            block[: int(finite.argmax()) if finite.any() else len(block), channel] = 0

    def _mend(self, block: Block, *, is_end: bool = False) -> int:
        """Fill all gaps but those at the end that may still become a line; the frames before the first of these."""
        bad, known = ~np.isfinite(block), len(block)
        for channel in np.flatnonzero(bad.any(axis=0)):
            gaps = _runs(bad[:, channel])
            start, end = (int(edge) for edge in gaps[-1])
            if end == len(block) and not is_end:
                if end - start <= MAX_LINE_FRAMES:
                    gaps, known = gaps[:-1], min(known, start)
                else:
                    self._silent[channel] = True
            _fill(block[:, channel], gaps, self._last[channel])
        return known


def _runs(bad: Mask) -> npt.NDArray[np.intp]:
    """[runs, 2]: where each run of True begins and where it has ended."""
    return np.flatnonzero(np.diff(bad, prepend=False, append=False)).reshape(-1, 2)


def _fill(samples: Block, gaps: npt.NDArray[np.intp], before: float) -> None:
    """Fill the `gaps` of one channel; `before`: the sample before `samples`, NaN where there is none."""
    starts, ends = gaps.T
    lengths = ends - starts
    left = np.where(starts > 0, samples[starts - 1], before).astype(np.float64)
    right = np.append(samples, np.nan)[ends].astype(np.float64)
    is_long = lengths > MAX_LINE_FRAMES
    right[is_long] = 0
    left, right = np.where(np.isnan(left), right, left), np.where(np.isnan(right), left, right)
    left, right = np.nan_to_num(left), np.nan_to_num(right)
    span = np.where(is_long, MAX_LINE_FRAMES, lengths + 1)
    steps = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths) + 1
    way = np.minimum(steps / np.repeat(span, lengths), 1)
    # Not left + (right - left) * way: the difference of two large numbers may be infinite.
    line = np.repeat(left, lengths) * (1 - way) + np.repeat(right, lengths) * way
    samples[np.repeat(starts, lengths) + steps - 1] = line
