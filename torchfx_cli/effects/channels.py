"""Some of the channels, in any order."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from torchfx_cli.design.stage import Stage
from torchfx_cli.effects.kind import Complaint, Kind, StageSpec, param
from torchfx_cli.effects.matrix import mixed
from torchfx_cli.errors import DesignError
from torchfx_cli.records import dataclass
from torchfx_cli.samples import Signal

MAX_CHANNELS = 1024


@dataclass(frozen=True, kw_only=True)
class ChannelsSpec(StageSpec):
    """Takes the channels that are named, in that order; the first is 1. One may be taken twice.

    Where all are taken once, each stays for its own speaker, in the file too that can say so; `swap` exchanges what two
    speakers play.
    """

    is_filter = False

    take: tuple[float, ...] = param("numbers of channels, from 1", form="numbers", low=1, high=MAX_CHANNELS)

    def problems(self, given: Collection[str]) -> Iterator[Complaint]:
        """See `StageSpec`."""
        if not self.take or len(self.take) > MAX_CHANNELS:
            yield "take", f"found {len(self.take)} numbers; 1 to {MAX_CHANNELS} are allowed"
        for number in self.take:
            if number != int(number):
                yield "take", f"found {number:g}; a channel has a whole number"
                return

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        numbers = [int(number) for number in self.take]
        taken = tuple(number - 1 for number in numbers)
        if max(numbers) > source.channels:
            have = f"{source.channels} channel{'s' * (source.channels != 1)}"
            raise DesignError(f"{self.origin}.take: there is no channel {max(numbers)}; the signal has {have} here")
        return mixed(np.eye(source.channels)[list(taken)], f"channels {', '.join(map(str, numbers))}", taken=taken)


KIND = Kind(ChannelsSpec, "take", "- channels: [2, 1]")
