"""The sections of the RBJ Audio EQ Cookbook as SoX and ffmpeg say them: a frequency, and a width in one of five units.

A width in Hz, a Q and the slope of a shelf are a Q at every sample rate. Octaves are bent by the bilinear transform, so
they stay octaves where a stage here takes them, and become sections for one rate where none does.
"""

from __future__ import annotations

from math import exp, log10, pi, sqrt

from torchfx_cli.design import biquad
from torchfx_cli.design.biquad import q_of_bandwidth, q_of_slope
from torchfx_cli.design.stages import Array
from torchfx_cli.exchange.reading import Reading, RefusedError

FREQUENCY = {"lowpass": "cutoff", "highpass": "cutoff"}  # the key of the frequency, where it is not `frequency`
TAKES_OCTAVES = ("peaking", "notch", "bandpass", "allpass")


def take_section(reading: Reading, line: int, kind: str, hz: float, unit: str, width: float,
                 gain_db: float | None = None) -> None:
    """The section `kind` with a width in `unit`: h (Hz), k (kHz), q, o (octaves) or s (slope). Raises RefusedError."""
    if not (hz > 0 and width > 0):
        raise RefusedError(f"{kind}: a frequency of {hz:g} Hz and a width of {width:g} make no filter")
    where = {FREQUENCY.get(kind, "frequency"): hz} | ({} if gain_db is None else {"gain": gain_db})
    if unit != "o":
        reading.take(line, kind, **where, q=_q(hz, unit, width, gain_db or 0.0))
    elif kind in TAKES_OCTAVES:
        reading.take(line, kind, **where, bandwidth=width)
    else:
        fs = reading.rate(f"{kind} with a width in octaves")
        take_rows(reading, line, _designed(kind, hz, q_of_bandwidth(width, hz, fs), gain_db or 0.0, fs))


def take_skirt_gain(reading: Reading, line: int, hz: float, unit: str, width: float) -> None:
    """The band-pass whose skirts stay and whose peak is its Q. Raises RefusedError."""
    if unit == "o":
        fs = reading.rate("a band-pass of constant skirt gain with a width in octaves")
        q = q_of_bandwidth(width, hz, fs)
        rows = biquad.bandpass(hz, q, fs)
        rows[:, :3] *= q
        take_rows(reading, line, rows)
        return
    take_section(reading, line, "bandpass", hz, unit, width)
    reading.take(line, "gain", gain=20.0 * log10(_q(hz, unit, width, 0.0)))


def take_one_pole(reading: Reading, line: int, kind: str, hz: float) -> None:
    """The low-pass or high-pass of one pole at exp(-w), which is no bilinear transform. Raises RefusedError."""
    fs = reading.rate(f"a {kind} of one pole")
    if not 0 < hz < fs / 2.0:
        raise RefusedError(f"{kind}: {hz:g} Hz does not lie between 0 and half of {fs:g} Hz")
    pole = exp(-2.0 * pi * hz / fs)
    b = (1.0 - pole, 0.0, 0.0) if kind == "lowpass" else ((1.0 + pole) / 2.0, -(1.0 + pole) / 2.0, 0.0)
    reading.take(line, "sos", sections=[[*b, 1.0, -pole, 0.0]], rate=fs)


def take_rows(reading: Reading, line: int, rows: Array) -> None:
    """Second-order sections, for the rate of `reading` if it has one."""
    rate = {} if reading.rate_hz is None else {"rate": reading.rate_hz}
    reading.take(line, "sos", sections=rows.tolist(), **rate)


def _q(hz: float, unit: str, width: float, gain_db: float) -> float:
    if unit == "q":
        return width
    if unit in "hk":
        return hz / (width * 1000.0 if unit == "k" else width)
    if unit != "s":
        raise RefusedError(f"a width in '{unit}' is not known here; h, k, q, o and s are")
    a = 10.0 ** (gain_db / 40.0)
    if (a + 1.0 / a) * (1.0 / width - 1.0) + 2.0 <= 0.0:
        raise RefusedError(f"a slope of {width:g} is too steep for a gain of {gain_db:g} dB")
    return sqrt(0.5) if width == 1.0 else q_of_slope(width, gain_db)


def _designed(kind: str, hz: float, q: float, gain_db: float, fs: float) -> Array:
    if not hz < fs / 2.0:
        raise RefusedError(f"{kind}: {hz:g} Hz is not below half of {fs:g} Hz")
    if kind in FREQUENCY:
        return (biquad.lowpass if kind == "lowpass" else biquad.highpass)(hz, q, fs)
    return (biquad.low_shelf if kind == "low_shelf" else biquad.high_shelf)(hz, gain_db, q, 2, fs)
