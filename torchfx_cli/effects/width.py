"""How wide or steep a section of the RBJ Audio EQ Cookbook is: by its Q, by octaves, or by the slope of a shelf."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from torchfx_cli.design.biquad import q_of_bandwidth
from torchfx_cli.effects.kind import Complaint, param


def bandwidth(doc: str) -> Any:
    """A field for a bandwidth in octaves beside a Q."""
    return param(doc, default=None, low=1e-3, high=10.0)


def width_problems(given: Collection[str], order: int = 2, other: str = "bandwidth") -> Iterator[Complaint]:
    """A Q and `other` are two answers to one question, which is that of the second order."""
    if {"q", other} <= set(given):
        yield other, "contradicts q; write one of them"
    if order == 1:
        for key in ("q", other):
            if key in given:
                yield key, f"has no meaning for order 1; leave out {key}, or write order: 2"


def q_of(q: float, octaves: float | None, frequency_hz: float, fs: float) -> float:
    """The Q that is meant: `q`, or that of so many `octaves`."""
    return q if octaves is None else q_of_bandwidth(octaves, frequency_hz, fs)


def width(q: float, octaves: float | None = None, order: int = 2) -> str:
    """What was said of it, in a label."""
    if order == 1:
        return "order 1"
    return f"q {q:g}" if octaves is None else f"{octaves:g} octave{'s' * (octaves != 1)}"
