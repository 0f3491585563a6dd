"""The whole file from its end to its beginning; what is long waits in a temporary file, see `scratch`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from torchfx_cli.design.stage import Array, Processor, Stage
from torchfx_cli.effects.kind import Kind, StageSpec
from torchfx_cli.samples import Signal, block_frames
from torchfx_cli.scratch import Scratch


@dataclass(frozen=True, kw_only=True)
class ReverseSpec(StageSpec):
    """Plays the whole file backwards; a long one takes 8 bytes a sample in the folder for temporary files (TMPDIR)."""

    is_filter, is_flat = False, True

    @property
    def waits_for_end(self) -> bool:
        """See `StageSpec`."""
        return True

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        return Reverse()


KIND = Kind(ReverseSpec, None, "- reverse")


@dataclass(frozen=True)
class Reverse(Stage):
    """See the module."""

    label: ClassVar[str] = "reverse"  # type: ignore[misc]
    cost_ns: ClassVar[float] = 4.0  # type: ignore[misc]
    pictures = ()
    minds_end: ClassVar[bool] = True  # type: ignore[misc]
    turns_time: ClassVar[bool] = True

    def place(self, frame: float, source: Signal) -> None:
        """See `Stage`: it depends on the length of the file."""

    def scratch_bytes(self, frames: int, source: Signal) -> int:
        """See `Stage`."""
        return 8 * source.channels * frames

    def open(self, source: Signal) -> Processor:
        """See `Stage`."""
        return _Reversing(source.channels)


class _Reversing:
    def __init__(self, channels: int) -> None:
        self._channels, self._heard = channels, Scratch(channels, "the sound for reverse")

    def process(self, samples: Array) -> Array:
        """Nothing is ready before the end."""
        self._heard.append(samples)
        return np.empty((0, self._channels))

    def flush(self) -> Iterator[Array]:
        """See `Processor`."""
        for _, samples in self._heard.backwards(block_frames(self._channels)):
            yield samples[::-1]
