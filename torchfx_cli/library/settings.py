"""What a user gives a filter or effect, as a chain file would say it, and how that is shown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import fields

import numpy as np
from torch import Tensor

from torchfx_cli.chain.parse import parse_effect
from torchfx_cli.effects.beside import PartSpec
from torchfx_cli.effects.kind import StageSpec
from torchfx_cli.errors import TorchfxError

SHOWN_NUMBERS = 4  # of a tuple, in a filter's representation


def parsed(kind: str, settings: dict[str, object], where: str) -> StageSpec:
    """The stage that a chain file would hold, or several as one; ValueError, naming `where`, for what it refuses."""
    for name, value in settings.items():
        refuse_gradient(value, f"{where}: {name}")
    text = kind + ":" * bool(settings) + ",".join(f"{name}={_written(value)}" for name, value in settings.items())
    try:
        specs = parse_effect(text, where)
    except TorchfxError as error:
        raise ValueError(str(error)) from None
    if len(specs) == 1:
        return specs[0]
    return PartSpec(kind=kind, origin=specs[0].origin, stages=specs)


def _written(value: object) -> str:
    """As in a chain file, where the numbers of NumPy and torch are plain ones, and a path is its name."""
    if isinstance(value, np.generic | np.ndarray | Tensor):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_written, value))}]"
    if isinstance(value, str | os.PathLike):
        text = os.fspath(value).replace("'", "''")
        return f"'{text}'"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def refuse_gradient(value: object, name: str) -> None:
    """ValueError where a number, or one in a list, asks for a gradient: a design passes none on."""
    if isinstance(value, list | tuple):
        for number in value:
            refuse_gradient(number, name)
    elif isinstance(value, Tensor) and value.requires_grad:
        raise ValueError(f"{name} asks for a gradient, and a design passes none on: give a number, with .item() or "
                         ".detach(); gradients pass through the signal alone")


def settings_of(spec: StageSpec) -> Iterator[str]:
    """What was said and not left as it is anyway, such as "cutoff_hz=80"."""
    for field in fields(spec):
        value = getattr(spec, field.name)
        if "param" not in field.metadata or value == field.default:
            continue
        is_long = isinstance(value, tuple) and len(value) > SHOWN_NUMBERS
        yield f"{field.name}=" + (f"{len(value)} values" if is_long else _shown(value))


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)
