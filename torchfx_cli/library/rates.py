"""The sample rate of filters that had none when they were made: given by name, or by the wave that they filter."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import torch
from torch import Tensor, nn

from torchfx_cli.library.settings import refuse_gradient

WAVE_RATE: ContextVar[tuple[float, torch.device] | None] = ContextVar("WAVE_RATE", default=None)


def checked_rate(fs: float) -> float:
    """A sample rate in Hz as a plain number, an int where it is whole; TypeError or ValueError for what is none."""
    refuse_gradient(fs, "fs")
    plain = fs.item() if isinstance(fs, np.generic | Tensor) else fs
    if not isinstance(plain, int | float):
        raise TypeError(f"a sample rate is a number in Hz, not {fs!r}")
    if not 0 < plain < math.inf:
        raise ValueError(f"a sample rate is above 0 Hz, not {fs!r}")
    return int(plain) if plain == int(plain) else plain


def set_rate(module: nn.Module, fs: float, device: torch.device | None = None) -> None:
    """Give `fs` in Hz to every filter inside `module`; ValueError where one was designed for another rate.

    Filters that had none are designed on `device`: before there were coefficients, `.to` had nothing to move.
    """
    for part in module.modules():
        if take_rate := getattr(part, "take_rate", None):
            take_rate(fs, device)


@contextmanager
def wave_rate(fs: float, device: torch.device) -> Iterator[None]:
    """While a wave goes through a module, filters without a rate take this one wherever the module keeps them."""
    token = WAVE_RATE.set((fs, device))
    try:
        yield
    finally:
        WAVE_RATE.reset(token)


def take_wave_rate(module: nn.Module) -> None:
    """Give `module`, and what is in it, the rate of the wave that is on its way, where it has none; see `wave_rate`."""
    if torch.compiler.is_compiling() or (wave := WAVE_RATE.get()) is None:
        return
    for part in module.modules():
        if getattr(part, "fs", wave) is None and (take_rate := getattr(part, "take_rate", None)):
            take_rate(*wave)
