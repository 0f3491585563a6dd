"""A chain as written, and its design for one signal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import Field, field, fields
from functools import cached_property
from typing import Any

from torchfx_cli.design.stage import Stage
from torchfx_cli.effects.kind import StageSpec
from torchfx_cli.records import dataclass
from torchfx_cli.samples import Signal, Start


@dataclass(frozen=True)
class ChainSpec:
    """A chain as written, presets already put in their places.

    `files` is where it was read (chain files, presets, taps files), `start` how filters begin.
    """

    name: str
    stages: tuple[StageSpec, ...]
    description: str = ""
    start: Start = "rest"
    files: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @cached_property
    def digest(self) -> str:
        """See `digest_of`."""
        return digest_of(self.stages)


def digest_of(stages: Sequence[StageSpec]) -> str:
    """The SHA-256 of all that `stages` say, in hexadecimal.

    Comments, names, spellings, places and what is bypassed do not count.
    """
    import hashlib

    return hashlib.sha256(repr(_said(tuple(stages), {})).encode("utf-8", "surrogatepass")).hexdigest()


def _said(value: Any, sums: dict[int, str]) -> Any:
    """`value` in plain words; `sums` are those of contents that were met before, by their identity."""
    import hashlib

    if isinstance(value, StageSpec):
        return type(value).__name__, *((each.name, _said_in(value, each, sums)) for each in fields(value)
                                       if each.compare)
    if isinstance(value, tuple):
        return tuple(_said(one, sums) for one in value if not (isinstance(one, StageSpec) and one.is_bypassed))
    if isinstance(value, bytes):
        if id(value) not in sums:
            sums[id(value)] = hashlib.sha256(value).hexdigest()
        return sums[id(value)]
    return value


def _said_in(spec: StageSpec, each: Field[Any], sums: dict[int, str]) -> Any:
    """Of a file only its kind: what it held is in another field."""
    value, about = getattr(spec, each.name), each.metadata.get("param")
    return os.path.splitext(value)[1].lower() if value and about and about.form == "path" else _said(value, sums)


def design_chain(chain: ChainSpec, fs: float, channels: int = 1, mask: int = 0) -> tuple[Stage, ...]:
    """Every stage of `chain`, for what reaches it of a signal of `fs` Hz in `channels`, for the speakers of `mask`.

    Raises DesignError, naming where a stage was written, when it cannot exist for such a signal.
    """
    stages: list[Stage] = []
    signal = Signal(fs, channels, mask)
    for spec in chain.stages:
        stages.append(spec.design(signal))
        signal = stages[-1].output(signal)
    return tuple(stages)
