"""What high-pass, low-pass, band-pass and band-stop share: the classical families, and their cookbook sections."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Protocol

import numpy as np

from torchfx_cli.design.stages import Array
from torchfx_cli.effects.kind import Complaint

FAMILIES = ("butterworth", "chebyshev1", "chebyshev2", "elliptic", "bessel", "linkwitz_riley")
RIPPLE_FAMILIES = ("chebyshev1", "elliptic")
ATTENUATION_FAMILIES = ("chebyshev2", "elliptic")
CLASSICAL_KEYS = ("order", "family", "ripple", "attenuation")


class Classical(Protocol):
    """The fields of a record that say which classical filter is meant."""

    @property
    def order(self) -> int: ...
    @property
    def family(self) -> str: ...
    @property
    def ripple_db(self) -> float: ...
    @property
    def attenuation_db(self) -> float: ...


def sections_of(spec: Classical, make: Callable[..., Array], edges_hz: object, fs: float) -> Array:
    """Sections by one of `design.iir`. What cannot be computed comes out as NaN, which is refused later."""
    try:
        with np.errstate(all="ignore"):
            return make(edges_hz, fs, spec.order, spec.family, spec.ripple_db, spec.attenuation_db)
    except ArithmeticError:
        return np.full((1, 6), np.nan)


def family_words(spec: Classical) -> str:
    """Such as "chebyshev1 order 4 ripple 0.5 dB": what the family has."""
    words = f"{spec.family} order {spec.order}"
    if spec.family in RIPPLE_FAMILIES:
        words += f" ripple {spec.ripple_db:g} dB"
    if spec.family in ATTENUATION_FAMILIES:
        words += f" attenuation {spec.attenuation_db:g} dB"
    return words


def family_problems(spec: Classical, given: Collection[str]) -> Iterator[Complaint]:
    """Keys that the family does not have, and levels that contradict each other."""
    for key, families in (("ripple", RIPPLE_FAMILIES), ("attenuation", ATTENUATION_FAMILIES)):
        if key in given and spec.family not in families:
            yield key, f"has no meaning for family {spec.family}, only for {' and '.join(families)}"
    if spec.family == "elliptic" and spec.attenuation_db <= spec.ripple_db:
        yield "attenuation", f"found {spec.attenuation_db:g} dB; must be above the ripple, {spec.ripple_db:g} dB"


def cookbook_problems(given: Collection[str]) -> Iterator[Complaint]:
    """Keys that contradict a Q."""
    for key in CLASSICAL_KEYS:
        if key in given:
            yield key, f"contradicts q, which asks for the second-order cookbook section; leave out q or {key}"
