"""Any channels made of any channels, by a matrix that is written out."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from torchfx_cli.design.stage import Stage
from torchfx_cli.effects.channels import MAX_CHANNELS
from torchfx_cli.effects.kind import Complaint, Kind, StageSpec, param
from torchfx_cli.effects.matrix import mixed
from torchfx_cli.errors import DesignError
from torchfx_cli.samples import Signal


@dataclass(frozen=True, kw_only=True)
class MixSpec(StageSpec):
    """Mixes channels by a matrix: a row for each that comes out, with a factor for each that goes in."""

    is_filter = False

    matrix: tuple[tuple[float, ...], ...] = param("rows of factors, such as [[0.5, 0.5]] for the mean of two",
                                                  form="matrix", low=-1e6, high=1e6)

    def problems(self, given: Collection[str]) -> Iterator[Complaint]:
        """See `StageSpec`."""
        if len({len(row) for row in self.matrix}) > 1 or not self.matrix[0]:
            yield "matrix", "its rows are not of one length; each has a factor for each channel that goes in"
        elif max(len(self.matrix), len(self.matrix[0])) > MAX_CHANNELS:
            yield "matrix", f"is larger than {MAX_CHANNELS} channels"

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        weights = np.array(self.matrix)
        rows, columns = weights.shape
        if columns != source.channels:
            have = f"{source.channels} channel{'s' * (source.channels != 1)}"
            raise DesignError(f"{self.origin}.matrix: its rows have {columns} factors; the signal has {have} here")
        return mixed(weights, f"mix of {columns} to {rows}")


KIND = Kind(MixSpec, "matrix", "- mix: [[0.7, 0.3], [0.3, 0.7]]")
