"""Rows of stages with sums among them, (highpass, Sum(((lowpass,), (notch, gain)))): what the library's modules are.

A chain file has no sums, so engines that only render chain files need not know them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from torchfx_cli.design.stages import Stage
from torchfx_cli.plan.fuse import fuse


@dataclass(frozen=True)
class Sum:
    """Rows side by side on the same input, added."""

    rows: tuple[Row, ...]

    @property
    def label(self) -> str:
        """Such as "(lowpass + notch, gain)"."""
        return f"({' + '.join(map(label_of, self.rows))})"


Row: TypeAlias = tuple[Stage | Sum, ...]


def label_of(row: Iterable[Stage | Sum]) -> str:
    """The labels of `row`, separated by commas."""
    return ", ".join(part.label for part in row)


def fuse_row(row: Iterable[Stage | Sum]) -> Row:
    """`row` with as few stages as it needs between its sums. Raises DesignError where its gains overflow."""
    fused: list[Stage | Sum] = []
    for _, run in groupby(row, lambda part: isinstance(part, Sum)):
        neighbours = list(run)
        stages = [part for part in neighbours if not isinstance(part, Sum)]
        fused += fuse(stages) if stages else neighbours
    return tuple(fused)
