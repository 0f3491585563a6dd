"""The last frames of a signal, held back by stages that must know where it ends."""

from __future__ import annotations

import numpy as np

from torchfx_cli.design.stage import Array


class Held:
    """Holds the last `frames` frames of a stream of blocks.

    They lie in one piece in an array of twice the length, and are moved to its front whenever they reach its end.
    """

    def __init__(self, frames: int, channels: int) -> None:
        self._frames, self._room = frames, np.empty((2 * frames, channels))
        self._first = self._end = 0

    def push(self, samples: Array) -> Array:
        """Take the next frames in; those that leave."""
        if len(samples) >= self._frames:
            cut = len(samples) - self._frames
            left = np.concatenate([self.rest(), samples[:cut]])
            self._first, self._end = 0, self._frames
            self._room[: self._end] = samples[cut:]
            return left
        if self._end + len(samples) > len(self._room):
            rest = self.rest().copy()
            self._first, self._end = 0, len(rest)
            self._room[: self._end] = rest
        self._room[self._end : self._end + len(samples)] = samples
        self._end += len(samples)
        left = self._room[self._first : max(self._first, self._end - self._frames)].copy()
        self._first += len(left)
        return left

    def rest(self) -> Array:
        """All that is held."""
        return self._room[self._first : self._end]
