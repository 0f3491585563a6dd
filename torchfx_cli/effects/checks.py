"""What a design must be before it leaves: possible at this rate, finite, stable, and right.

In float64 a filter that is too steep or too narrow for its sample rate comes out unstable, or stable and wrong.
So the gain at the design's own edge or centre is computed from the finished coefficients and compared with the
formula; what is off by more than 0.01 dB is refused.
"""

from __future__ import annotations

from math import isfinite

import numpy as np

from torchfx_cli.design.stages import Array, Sections, Stage, is_stable, pole_radius, response
from torchfx_cli.effects.classical import Classical
from torchfx_cli.effects.kind import Origin, StageSpec, params_of
from torchfx_cli.effects.zero_phase import ZeroPhase
from torchfx_cli.errors import DesignError
from torchfx_cli.samples import hertz

LEVEL_TOLERANCE_DB = 0.01
SMALLEST_FRACTION = 2.0**-53  # of fs: a pole so close to z = 1 is rounded to 1

Level = tuple[float, float]  # a frequency in Hz, and the gain in dB there


def not_below(frequency_hz: float, fs: float) -> str:
    """The middle of a message."""
    return f"{hertz(frequency_hz)} is not below {hertz(fs / 2.0)}, half of {hertz(fs)}"


def check_frequencies(spec: StageSpec, fs: float) -> None:
    """Raises DesignError unless every frequency of `spec` lies above 0 (as float64 sees it) and below fs / 2."""
    for key, (field, allowed) in params_of(type(spec)).items():
        if allowed.unit != "Hz":
            continue
        value = getattr(spec, field.name)
        for frequency_hz in () if value is None else value if isinstance(value, tuple) else (value,):
            if not frequency_hz < fs / 2.0:
                raise DesignError(f"{spec.origin}.{key}: {not_below(frequency_hz, fs)}")
            if not frequency_hz > fs * SMALLEST_FRACTION:
                raise DesignError(f"{spec.origin}.{key}: {hertz(frequency_hz)} cannot be told from 0 Hz at {hertz(fs)}")


def check_family(spec: Classical, origin: Origin) -> None:
    """Raises DesignError for orders and levels that the family does not have."""
    if spec.family == "linkwitz_riley" and spec.order % 2:
        raise DesignError(f"{origin}.order: {spec.order} is odd; linkwitz_riley is two equal filters in a row")
    if spec.family == "elliptic" and not spec.ripple_db < spec.attenuation_db:
        raise DesignError(f"{origin}.ripple: {spec.ripple_db:g} dB is not below the attenuation, "
                          f"{spec.attenuation_db:g} dB")


def validated(spec: StageSpec, fs: float, sos: Array, label: str, *levels: Level, remarks: tuple[str, ...] = ()
              ) -> Stage:
    """`sos` as a stage, once it is finite, stable and has the gain of every one of `levels`; else DesignError.

    Forward and backward where `spec` says so, see zero_phase.py; levels and remarks are those of one way.
    """
    name = f"{spec.origin}: {label} at {hertz(fs)}"
    if not np.isfinite(sos).all():
        raise DesignError(f"{name} is beyond float64; use a lower order or a higher frequency")
    if not is_stable(sos):
        raise DesignError(f"{name} is not stable in float64: pole radius {pole_radius(sos):.12g}; "
                          "use a lower order, a higher frequency or a wider band")
    stage = Sections(sos, label, remarks)
    for frequency_hz, wanted_db in levels:
        got_db = _level_db(stage, frequency_hz, fs)
        if not (isfinite(got_db) and abs(got_db - wanted_db) < LEVEL_TOLERANCE_DB):
            raise DesignError(f"{name} is not possible in float64: it would have {got_db:.2f} dB at "
                              f"{hertz(frequency_hz)} instead of {wanted_db:.2f} dB; "
                              "use a lower order, a higher frequency or a wider band")
    return ZeroPhase(stage) if spec.is_both_ways else stage


def _level_db(stage: Sections, frequency_hz: float, fs: float) -> float:
    with np.errstate(all="ignore"):
        return float(20.0 * np.log10(np.abs(response([stage], frequency_hz, fs)[0])))
