"""Digital filters with the magnitude of an analogue circuit of real poles and zeros: RIAA, de-emphasis, weightings.

Poles and zeros go to exp(-2 pi f / fs) (matched z-transform: Oppenheim & Schafer, "Digital Signal Processing", 1975,
5.1). That is right at low frequencies, but images bend the top octaves, so three or more zeros are added. The squared
magnitude of zeros alone is a polynomial in y = cos(w). It is fitted to |analogue|^2 / |matched|^2 over the whole band
by linear least squares, and each of its roots y gives the zero z with z + 1/z = 2y inside the unit circle. The phase
follows the magnitude (minimum phase), as in the circuit. Error below 0.1 dB up to 0.45 fs for the curves named above,
where the bilinear transform would be off by 10 dB.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

import numpy as np

from torchfx_cli.design.stages import Array, Sections, response

EXTRA_ZEROS = 3  # at least; one more where that fills a section
GRID_POINTS = 512
FITTED_PART = 0.92  # of 0 to fs / 2; above, where no transition band passes anything, errors count a tenth
MAX_ERROR_DB = 0.5

_TOO_FAR = "poles, zeros and unity lie too far apart for float64"
_IDENTITY = (1.0, 0.0, 0.0)


def analog(poles_hz: Sequence[float], zeros_hz: Sequence[float], unity_hz: float, fs: float) -> Array:
    """Sections [K, 6] with gain exactly 1 at `unity_hz`. Raises ValueError where there is no such filter."""
    poles = [_matched(f, fs) for f in sorted(poles_hz, reverse=True)]
    zeros = _added_zeros(poles_hz, zeros_hz, fs) + [_matched(f, fs) for f in sorted(zeros_hz, reverse=True)]
    rows = zip_longest(_quadratics(zeros), _quadratics(poles), fillvalue=_IDENTITY)
    sos = np.array([[*b, *a] for b, a in rows])
    with np.errstate(all="ignore"):  # what is not finite is caught by the check
        gain = abs(response([Sections(sos)], unity_hz, fs)[0])
        if gain == 0.0:
            raise ValueError("the gain is 0 at `unity`, so it cannot be made 1 there")
        sos[0, :3] /= gain
        _check(sos, poles_hz, zeros_hz, unity_hz, fs)
    return sos


def circuit_gain(poles_hz: Sequence[float], zeros_hz: Sequence[float], unity_hz: float, frequencies_hz: Array) -> Array:
    """|H| of the analogue circuit at `frequencies_hz` [F], 1 at `unity_hz`."""
    at_hz = np.append(frequencies_hz, unity_hz)
    power = _power(zeros_hz, at_hz) / _power(poles_hz, at_hz)
    gain: Array = np.sqrt(power[:-1] / power[-1])
    return gain


def _power(corners_hz: Sequence[float], at_hz: Array) -> Array:
    """The product of 1 + (f / corner)^2, or of f^2 for a corner at 0 Hz."""
    power = np.ones_like(at_hz)
    for corner_hz in corners_hz:
        power *= at_hz**2 if corner_hz == 0.0 else 1.0 + (at_hz / corner_hz) ** 2
    return power


def _matched_power(corners_hz: Sequence[float], w: Array, fs: float) -> Array:
    """|1 - z0 z^-1|^2 = d^2 + 4 (1 - d) sin^2(w / 2) for all matched corners, d = 1 - z0."""
    power = np.ones_like(w)
    for d in (_matched(corner_hz, fs) for corner_hz in corners_hz):
        power *= d * d + 4.0 * (1.0 - d) * np.sin(w / 2.0) ** 2
    return power


def _matched(corner_hz: float, fs: float) -> float:
    """1 - z of a corner: the distance from z = 1 keeps its digits at low frequencies."""
    return float(-np.expm1(-2.0 * np.pi * corner_hz / fs))


def _added_zeros(poles_hz: Sequence[float], zeros_hz: Sequence[float], fs: float) -> list[complex]:
    """The distances 1 - z of the zeros that mend the matched filter, conjugates side by side, then real ones."""
    from numpy.polynomial import chebyshev  # 3 ms that most chains need not pay

    count = max(EXTRA_ZEROS, len(poles_hz) - len(zeros_hz))
    count += (count + len(zeros_hz)) % 2
    w = np.pi * (np.arange(GRID_POINTS) + 0.5) / GRID_POINTS
    at_hz = w * fs / (2.0 * np.pi)
    with np.errstate(all="ignore"):
        wanted = _power(zeros_hz, at_hz) / _power(poles_hz, at_hz)
        wanted *= _matched_power(poles_hz, w, fs) / _matched_power(zeros_hz, w, fs)
    if not (np.isfinite(wanted).all() and wanted.min() > 1e-200):
        raise ValueError(_TOO_FAR)
    weight = np.where(w < FITTED_PART * np.pi, 1.0, 0.1)
    while True:
        terms = chebyshev.chebvander(np.cos(w), count) * (weight / wanted)[:, None]
        series = np.linalg.lstsq(terms, weight, rcond=None)[0]
        roots = chebyshev.chebroots(chebyshev.chebtrim(series, 1e-12 * abs(series[0])))
        if not np.any((np.abs(roots.imag) < 1e-12) & (np.abs(roots.real) <= 1.0)):
            return _inside(roots)
        count -= 1  # a power below zero belongs to no filter


def _inside(roots: Array) -> list[complex]:
    y = roots.astype(np.complex128)
    spread = np.sqrt(y - 1.0) * np.sqrt(y + 1.0)
    z = np.where(np.abs(y + spread) < 1.0, y + spread, y - spread)
    upper = z[z.imag > 1e-12]
    real = z[np.abs(z.imag) <= 1e-12].real
    return [1.0 - part for pole in upper for part in (pole, pole.conjugate())] + [1.0 - part for part in real]


def _quadratics(distances: Sequence[complex]) -> list[tuple[float, float, float]]:
    """(1 - (1-d1) z^-1) (1 - (1-d2) z^-1), two and two; an odd one out goes alone."""
    rows = []
    for d1, d2 in zip_longest(distances[::2], distances[1::2], fillvalue=1.0):
        total, product = complex(d1 + d2).real, complex(d1 * d2).real
        rows.append((1.0, -2.0 + total, 1.0 - total + product))
    return rows


def _check(sos: Array, poles_hz: Sequence[float], zeros_hz: Sequence[float], unity_hz: float, fs: float) -> None:
    at_hz = np.linspace(0.01, 0.45, 45) * fs
    got = np.abs(response([Sections(sos)], at_hz, fs))
    error_db = np.abs(20.0 * np.log10(got / circuit_gain(poles_hz, zeros_hz, unity_hz, at_hz)))
    if not np.isfinite(error_db).all():
        raise ValueError(_TOO_FAR)
    if error_db.max() > MAX_ERROR_DB:
        raise ValueError(f"the digital filter misses the curve by {error_db.max():.2g} dB "
                         f"at {at_hz[error_db.argmax()]:.0f} Hz; fewer poles and zeros may do")
