"""From a chain as written to its stages at one sample rate: the one table from kind to design.

A kind's function makes the coefficients, names what they are, and says which gain they must have at which
frequency; `proof` holds them to it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from torchfx_cli.chain import spec as chain
from torchfx_cli.chain.spec import ChainSpec, StageSpec
from torchfx_cli.design import biquad, fir, iir
from torchfx_cli.design.analog import analog
from torchfx_cli.design.proof import check_family, check_frequencies, hertz, not_below, proved
from torchfx_cli.design.prototypes import edge_db
from torchfx_cli.design.stages import Array, Gain, Normalize, Stage, Taps
from torchfx_cli.errors import DesignError

HALF_POWER_DB = -10.0 * np.log10(2.0)


def design_chain(spec: ChainSpec, fs: float) -> tuple[Stage, ...]:
    """Every stage of `spec` at the sample rate `fs` in Hz. Raises DesignError, see `design`."""
    return tuple(design(one, fs) for one in spec.stages)


def design(spec: StageSpec, fs: float) -> Stage:
    """One entry of a chain at the sample rate `fs` in Hz.

    Raises DesignError, naming where the stage was written, when it cannot exist at this rate.
    """
    if not isinstance(spec, chain.AnalogSpec | chain.SosSpec):
        check_frequencies(spec, fs)
    return _DESIGNS[spec.kind](spec, fs)


def _cut(spec: chain.CutSpec, fs: float) -> Stage:
    label = f"{spec.kind} {hertz(spec.cutoff_hz)}"
    if spec.q is not None:
        section = (biquad.lowpass if spec.kind == "lowpass" else biquad.highpass)(spec.cutoff_hz, spec.q, fs)
        return proved(spec, fs, section, f"{label} q {spec.q:g}", (spec.cutoff_hz, 20.0 * np.log10(spec.q)))
    check_family(spec)
    make = iir.lowpass if spec.kind == "lowpass" else iir.highpass
    sos = _classical(spec, make, spec.cutoff_hz, fs)
    halves = 2 if spec.family == "linkwitz_riley" else 1
    level_db = halves * edge_db(spec.family, spec.ripple_db, spec.attenuation_db)
    return proved(spec, fs, sos, f"{label} {_family(spec)}", (spec.cutoff_hz, level_db))


def _band(spec: chain.BandSpec, fs: float) -> Stage:
    if spec.frequency_hz is not None and spec.q is not None:
        label = f"{spec.kind} {hertz(spec.frequency_hz)} q {spec.q:g}"
        if spec.kind == "bandstop":
            return _notched(spec, spec.frequency_hz, spec.q, fs, label)
        return proved(spec, fs, biquad.bandpass(spec.frequency_hz, spec.q, fs), label, (spec.frequency_hz, 0.0))
    if spec.low_hz is None or spec.high_hz is None or not spec.low_hz < spec.high_hz:
        raise DesignError(f"{spec.origin}: needs low and high, low below high, or frequency and q")
    check_family(spec)
    edges_hz = spec.low_hz, spec.high_hz
    make = iir.bandpass if spec.kind == "bandpass" else iir.bandstop
    sos = _classical(spec, make, edges_hz, fs)
    level_db = edge_db(spec.family, spec.ripple_db, spec.attenuation_db)
    label = f"{spec.kind} {hertz(spec.low_hz)} to {hertz(spec.high_hz)} {_family(spec)}"
    return proved(spec, fs, sos, label, *((edge_hz, level_db) for edge_hz in edges_hz))


def _classical(spec: chain.CutSpec | chain.BandSpec, make: Callable[..., Array], edges_hz: object, fs: float) -> Array:
    """What cannot be computed comes out as NaN, which the proof refuses in its own words."""
    try:
        with np.errstate(all="ignore"):
            return make(edges_hz, fs, spec.order, spec.family, spec.ripple_db, spec.attenuation_db)
    except ArithmeticError:
        return np.full((1, 6), np.nan)


def _peaking(spec: chain.PeakingSpec, fs: float) -> Stage:
    label = f"peaking {hertz(spec.frequency_hz)} {spec.gain_db:+g} dB q {spec.q:g}"
    section = biquad.peaking(spec.frequency_hz, spec.gain_db, spec.q, fs)
    return proved(spec, fs, section, label, (spec.frequency_hz, spec.gain_db))


def _shelf(spec: chain.ShelfSpec, fs: float) -> Stage:
    make = biquad.low_shelf if spec.kind == "low_shelf" else biquad.high_shelf
    section = make(spec.frequency_hz, spec.gain_db, spec.q, spec.order, fs)
    label = f"{spec.kind} {hertz(spec.frequency_hz)} {spec.gain_db:+g} dB {_slope(spec)}"
    return proved(spec, fs, section, label, (spec.frequency_hz, spec.gain_db / 2.0))


def _notch(spec: chain.NotchSpec, fs: float) -> Stage:
    return _notched(spec, spec.frequency_hz, spec.q, fs, f"notch {hertz(spec.frequency_hz)} q {spec.q:g}")


def _notched(spec: StageSpec, frequency_hz: float, q: float, fs: float, label: str) -> Stage:
    edge_hz = biquad.upper_edge_hz(frequency_hz, q, fs)
    return proved(spec, fs, biquad.notch(frequency_hz, q, fs), label, (edge_hz, HALF_POWER_DB))


def _allpass(spec: chain.AllpassSpec, fs: float) -> Stage:
    section = biquad.allpass(spec.frequency_hz, spec.q, spec.order, fs)
    label = f"allpass {hertz(spec.frequency_hz)} {_slope(spec)}"
    return proved(spec, fs, section, label, (spec.frequency_hz, 0.0))


def _dc_block(spec: chain.DcBlockSpec, fs: float) -> Stage:
    section = biquad.first_order_highpass(spec.cutoff_hz, fs)
    return proved(spec, fs, section, f"dc_block {hertz(spec.cutoff_hz)}", (spec.cutoff_hz, HALF_POWER_DB))


def _analog(spec: chain.AnalogSpec, fs: float) -> Stage:
    if not spec.unity_hz < fs / 2.0:
        raise DesignError(f"{spec.origin}.unity: {not_below(spec.unity_hz, fs)}")
    try:
        sos = analog(spec.poles_hz, spec.zeros_hz, spec.unity_hz, fs)
    except ValueError as error:
        raise DesignError(f"{spec.origin}: {error}") from error
    corners = f"poles {', '.join(map(hertz, spec.poles_hz))}"
    if spec.zeros_hz:
        corners += f"; zeros {', '.join(map(hertz, spec.zeros_hz))}"
    return proved(spec, fs, sos, f"analog ({corners})", (spec.unity_hz, 0.0))


def _sos(spec: chain.SosSpec, fs: float) -> Stage:
    if spec.rate_hz is not None and spec.rate_hz != fs:
        raise DesignError(f"{spec.origin}.rate: these sections are for {hertz(spec.rate_hz)}, the file has {hertz(fs)}")
    rows = np.array(spec.sections, dtype=np.float64)
    with np.errstate(all="ignore"):
        rows = rows / rows[:, 3:4]
    return proved(spec, fs, rows, f"sos, {len(rows)} section{'s' * (len(rows) > 1)}")


def _fir(spec: chain.FirSpec, fs: float) -> Stage:
    taps, label = _impulse_response(spec, fs)
    return Taps(taps, (len(taps) - 1) // 2 if spec.align else 0, label)


def _impulse_response(spec: chain.FirSpec, fs: float) -> tuple[Array, str]:
    if spec.file is not None:
        return _taps_file(spec, fs)
    bands = _passbands(spec, fs)
    if isinstance(spec.taps, tuple) and bands is None:
        return np.array(spec.taps), f"fir {len(spec.taps)} taps"
    if bands is None or not isinstance(spec.taps, int):
        raise DesignError(f"{spec.origin}: needs taps and one of lowpass, highpass, bandpass, bandstop, or file")
    bands_hz, label = bands
    if bands_hz[-1][1] == fs / 2.0 and spec.taps % 2 == 0:
        raise DesignError(f"{spec.origin}.taps: {spec.taps} is even, so the gain at half the sample rate is 0; "
                          f"use {spec.taps + 1}")
    shape = f"{spec.window} {spec.beta:g}" if spec.window == "kaiser" else spec.window
    taps = fir.windowed_sinc(bands_hz, spec.taps, spec.window, spec.beta, fs)
    return taps, f"fir {label} {spec.taps} taps {shape}"


def _passbands(spec: chain.FirSpec, fs: float) -> tuple[list[tuple[float, float]], str] | None:
    """What passes, low to high, and its name."""
    nyquist_hz = fs / 2.0
    if spec.lowpass_hz is not None:
        return [(0.0, spec.lowpass_hz)], f"lowpass {hertz(spec.lowpass_hz)}"
    if spec.highpass_hz is not None:
        return [(spec.highpass_hz, nyquist_hz)], f"highpass {hertz(spec.highpass_hz)}"
    if spec.bandpass_hz is not None:
        low, high = spec.bandpass_hz
        return [(low, high)], f"bandpass {hertz(low)} to {hertz(high)}"
    if spec.bandstop_hz is not None:
        low, high = spec.bandstop_hz
        return [(0.0, low), (high, nyquist_hz)], f"bandstop {hertz(low)} to {hertz(high)}"
    return None


def _taps_file(spec: chain.FirSpec, fs: float) -> tuple[Array, str]:
    path = Path(str(spec.file))
    try:
        taps = fir.read_taps(path.suffix, spec.content, fs)
    except ValueError as error:
        raise DesignError(f"{spec.origin}.file: {path}: {error}") from error
    return taps, f"fir {path.name} {len(taps)} taps"


def _gain(spec: chain.GainSpec, fs: float) -> Stage:
    return Gain(10.0 ** (spec.gain_db / 20.0), f"gain {spec.gain_db:+g} dB")


def _invert(spec: chain.InvertSpec, fs: float) -> Stage:
    return Gain(-1.0, "invert")


def _normalize(spec: chain.NormalizeSpec, fs: float) -> Stage:
    return Normalize(10.0 ** (spec.peak_db / 20.0), f"normalize to {spec.peak_db:g} dBFS")


def _family(spec: chain.CutSpec | chain.BandSpec) -> str:
    """Such as "chebyshev1 order 4 ripple 0.5 dB": what the family has."""
    words = f"{spec.family} order {spec.order}"
    if spec.family in ("chebyshev1", "elliptic"):
        words += f" ripple {spec.ripple_db:g} dB"
    if spec.family in ("chebyshev2", "elliptic"):
        words += f" attenuation {spec.attenuation_db:g} dB"
    return words


def _slope(spec: chain.ShelfSpec | chain.AllpassSpec) -> str:
    return "order 1" if spec.order == 1 else f"q {spec.q:g}"


_DESIGNS: dict[str, Callable[[Any, float], Stage]] = {
    "highpass": _cut,
    "lowpass": _cut,
    "bandpass": _band,
    "bandstop": _band,
    "peaking": _peaking,
    "low_shelf": _shelf,
    "high_shelf": _shelf,
    "notch": _notch,
    "allpass": _allpass,
    "dc_block": _dc_block,
    "analog": _analog,
    "sos": _sos,
    "fir": _fir,
    "gain": _gain,
    "invert": _invert,
    "normalize": _normalize,
}
