"""What the keys of one stage must satisfy together, as far as no sample rate is needed.

A key that would be ignored in silence (a ripple for a Butterworth) is a contradiction, hence an error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from typing import Any

from torchfx_cli.chain.spec import (
    AllpassSpec,
    AnalogSpec,
    BandSpec,
    CutSpec,
    FirSpec,
    ShelfSpec,
    SosSpec,
    StageSpec,
    key_of,
)

# (the key at hand, or "" for the stage as a whole; what is wrong with it)
Complaint = tuple[str, str]

RIPPLE_FAMILIES = ("chebyshev1", "elliptic")
ATTENUATION_FAMILIES = ("chebyshev2", "elliptic")
FIR_DESIGNS = ("lowpass_hz", "highpass_hz", "bandpass_hz", "bandstop_hz")
FIR_FILES = (".txt", ".csv", ".npy", ".wav")
_CLASSICAL_KEYS = ("order", "family", "ripple", "attenuation")


def complaints(spec: StageSpec, given: Collection[str]) -> Iterator[Complaint]:
    """Contradictions in `spec`; `given` are the keys that were written, the others hold their defaults."""
    if check := _CHECKS.get(type(spec)):
        yield from check(spec, given)


def pole_radius(a0: float, a1: float, a2: float) -> float:
    """Largest |z| with a0 z^2 + a1 z + a2 = 0; inf or nan where float64 cannot say."""
    half, product = -a1 / a0 / 2, a2 / a0
    discriminant = half * half - product
    return math.sqrt(product) if discriminant < 0 else abs(half) + math.sqrt(discriminant)


def _cut(spec: CutSpec, given: Collection[str]) -> Iterator[Complaint]:
    yield from _family(spec, given) if spec.q is None else _cookbook_only(given)
    if spec.family == "linkwitz_riley" and spec.order % 2:
        yield "order", f"found {spec.order}; linkwitz_riley needs an even order, like {spec.order + 1}"


def _band(spec: BandSpec, given: Collection[str]) -> Iterator[Complaint]:
    edges, centre = {"low", "high"} & set(given), {"frequency", "q"} & set(given)
    if edges and centre:
        yield "", f"{_listed(edges)} contradicts {_listed(centre)}: write low and high, or frequency and q"
    elif len(edges or centre) < 2:
        missing = (("frequency", "q") if centre else ("low", "high"))
        absent = [key for key in missing if key not in given]
        yield "", f"{_listed(absent)} missing: write low and high, or frequency and q"
    elif centre:
        yield from _cookbook_only(given)
    elif spec.low_hz is not None and spec.high_hz is not None and spec.low_hz >= spec.high_hz:
        yield "low", f"found {spec.low_hz:g} Hz; must be below high, {spec.high_hz:g} Hz"
    if not centre:
        yield from _family(spec, given)


def _cookbook_only(given: Collection[str]) -> Iterator[Complaint]:
    for key in _CLASSICAL_KEYS:
        if key in given:
            yield key, f"contradicts q, which asks for the second-order cookbook section; leave out q or {key}"


def _family(spec: CutSpec | BandSpec, given: Collection[str]) -> Iterator[Complaint]:
    for key, families in (("ripple", RIPPLE_FAMILIES), ("attenuation", ATTENUATION_FAMILIES)):
        if key in given and spec.family not in families:
            yield key, f"has no meaning for family {spec.family}, only for {' and '.join(families)}"
    if spec.family == "elliptic" and spec.attenuation_db <= spec.ripple_db:
        yield "attenuation", f"found {spec.attenuation_db:g} dB; must be above the ripple, {spec.ripple_db:g} dB"


def _first_order_has_no_q(spec: ShelfSpec | AllpassSpec, given: Collection[str]) -> Iterator[Complaint]:
    if spec.order == 1 and "q" in given:
        yield "q", "has no meaning for order 1; leave out q, or write order: 2"


def _analog(spec: AnalogSpec, _: Collection[str]) -> Iterator[Complaint]:
    if not spec.poles_hz:
        yield "poles", "found an empty list; at least one pole is needed"
    elif len(spec.zeros_hz) > len(spec.poles_hz):
        yield "zeros", f"found {len(spec.zeros_hz)}; no more than the {len(spec.poles_hz)} poles are allowed"
    if spec.unity_hz == 0 and 0.0 in spec.zeros_hz:
        yield "unity", "found 0 Hz; with a zero at 0 Hz nothing passes there, write another frequency"


def _sos(spec: SosSpec, _: Collection[str]) -> Iterator[Complaint]:
    for index, (_b0, _b1, _b2, a0, a1, a2) in enumerate(spec.sections):
        if a0 == 0:
            yield f"sections[{index}]", "a0, the fourth number, is 0; rows are b0, b1, b2, a0, a1, a2"
        elif not (radius := pole_radius(a0, a1, a2)) < 1:
            yield f"sections[{index}]", f"not stable: pole radius {radius:.9g}; must be below 1"


def _fir(spec: FirSpec, given: Collection[str]) -> Iterator[Complaint]:
    sources = [key_of(name) for name in FIR_DESIGNS if getattr(spec, name) is not None]
    designed = bool(sources)
    sources += ["file"] if spec.file is not None else []
    sources += ["taps, as a list"] if isinstance(spec.taps, tuple) else []
    if len(sources) != 1:
        what = f"{' and '.join(sources)} contradict each other" if sources else "nothing says what to filter"
        yield "", f"{what}; write exactly one of lowpass, highpass, bandpass, bandstop, file, taps (a list)"
    elif designed:
        yield from _fir_design(spec)
    else:
        yield from ((key, f"has no meaning for taps that are given ({sources[0]})")
                    for key in ("window", "beta") if key in given)
        if isinstance(spec.taps, int):
            yield "taps", "a number of taps has no meaning for taps from a file"
    if designed and "beta" in given and spec.window != "kaiser":
        yield "beta", f"has no meaning for window {spec.window}, only for kaiser"


def _fir_design(spec: FirSpec) -> Iterator[Complaint]:
    if spec.taps is None:
        yield "taps", "missing; write a whole number, like 511: more taps, steeper filter"
    elif isinstance(spec.taps, int) and spec.taps % 2 == 0 and (spec.highpass_hz or spec.bandstop_hz):
        yield "taps", (f"found {spec.taps}; an even number of taps cannot pass half the sample rate, "
                       f"write {spec.taps + 1}")


def _listed(keys: Collection[str]) -> str:
    return " and ".join(sorted(keys))


_CHECKS: dict[type[StageSpec], Callable[[Any, Collection[str]], Iterator[Complaint]]] = {
    CutSpec: _cut,
    BandSpec: _band,
    ShelfSpec: _first_order_has_no_q,
    AllpassSpec: _first_order_has_no_q,
    AnalogSpec: _analog,
    SosSpec: _sos,
    FirSpec: _fir,
}
