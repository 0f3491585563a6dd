"""A row as one operator of torch: `torch.compile` and `torch.export` keep it whole, for inputs of any length.

What computes it is no business of a graph: the CPU engine on a CPU, modules of matrices elsewhere. The operator takes
the row by value, as text, so a graph may be saved, and loaded by any process that has imported this library.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from torchfx_cli.design import stages
from torchfx_cli.library import units
from torchfx_cli.library.cores import Cores, Row
from torchfx_cli.render import native_forward

KEPT_ROWS = 64


@torch.library.custom_op("torchfx_cli::filtered", mutates_args=())
def filtered(x: Tensor, row: str, skipped: int) -> Tensor:
    """`row`, as `text_of` writes it, over `x` [channels, frames] from rest, less the first `skipped` frames."""
    stages_of_it, cores = _read(row)
    if native_forward.is_plain(x):
        return native_forward.from_rest(stages_of_it, x, skipped)
    y = units.from_rest(cores.of(stages_of_it, x), x, skipped)
    return y.clone() if y.untyped_storage().data_ptr() == x.untyped_storage().data_ptr() else y.contiguous()


@filtered.register_fake
def _shape(x: Tensor, row: str, skipped: int) -> Tensor:
    return x.new_empty(x.shape)


def _keep(ctx: Any, inputs: tuple[Tensor, str, int], output: Tensor) -> None:
    _, ctx.row, ctx.skipped = inputs


def _backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
    """y[n] = sum of h[n + skipped - m] x[m]; its transpose is the same filter, run from the end to the beginning."""
    return filtered(gradient.flip(-1), ctx.row, ctx.skipped).flip(-1), None, None


filtered.register_autograd(_backward, setup_context=_keep)


class _Text:
    """A `Builder` of what JSON can hold; numbers come back to the last bit."""

    def sections(self, stage: stages.Sections) -> dict[str, Any]:
        return {"sos": stage.sos.tolist(), "label": stage.label}

    def taps(self, stage: stages.Taps) -> dict[str, Any]:
        return {"taps": stage.taps.tolist(), "label": stage.label}

    def gain(self, stage: stages.Gain) -> dict[str, Any]:
        return {"factor": stage.factor, "label": stage.label}

    def sum(self, stage: stages.Sum) -> dict[str, Any]:
        return {"rows": [_plain(row) for row in stage.rows]}


def text_of(row: Row) -> str:
    """`row` as text."""
    return json.dumps(_plain(row))


def _plain(row: Row) -> list[dict[str, Any]]:
    return [stage.build(_Text()) for stage in row]


@lru_cache(KEPT_ROWS)
def _read(text: str) -> tuple[Row, Cores]:
    return _row(json.loads(text)), Cores()


def _row(plain: list[dict[str, Any]]) -> Row:
    return tuple(map(_stage, plain))


def _stage(plain: dict[str, Any]) -> stages.Linear:
    if "rows" in plain:
        return stages.Sum(tuple(map(_row, plain["rows"])))
    kind = {"sos": stages.Sections, "taps": stages.Taps, "factor": stages.Gain}
    (key,) = set(plain) & set(kind)
    return kind[key](plain[key], label=plain["label"])
