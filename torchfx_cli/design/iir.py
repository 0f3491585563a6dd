"""Classical designs as second-order sections, by the bilinear transform with prewarped edges.

All is computed in the plane of s = (1 - z^-1) / (1 + z^-1), where the frequency f lies at j tan(pi f / fs), and every
pole pair is carried to its section by itself: no polynomial of more than two roots is ever multiplied out. A pole
near z = 1 is kept as its distance d = 1 - z = -2s / (1 - s), so that the coefficients of a 1 Hz filter at 192 kHz are
right to their last digit. Transforms: Oppenheim & Schafer, "Discrete-Time Signal Processing", 7.2 and table 7.1.
"""

from __future__ import annotations

import cmath
from math import atan, cos, inf, pi, sin, sqrt, tan

import numpy as np

from torchfx_cli.design.prototypes import Prototype, prototype, start_db
from torchfx_cli.design.stages import Array, section_responses

# The poles of one section, and the frequencies of its zeros on the imaginary axis: twice the same stands for +-.
AnalogSection = tuple[tuple[complex, ...], tuple[float, ...]]


def lowpass(cutoff_hz: float, fs: float, order: int, family: str, ripple_db: float, attenuation_db: float) -> Array:
    """Sections [K, 6] of a low-pass; the edge is what it is for the family, see `prototypes`."""
    if family == "linkwitz_riley":
        return _linkwitz_riley(lowpass(cutoff_hz, fs, order // 2, "butterworth", ripple_db, attenuation_db))
    low = prototype(family, order, ripple_db, attenuation_db)
    return _sections(_scaled(low, tan(pi * cutoff_hz / fs)), 0.0, start_db(family, order, ripple_db))


def highpass(cutoff_hz: float, fs: float, order: int, family: str, ripple_db: float, attenuation_db: float) -> Array:
    """Sections [K, 6] of a high-pass: a low-pass in 1/s."""
    if family == "linkwitz_riley":
        return _linkwitz_riley(highpass(cutoff_hz, fs, order // 2, "butterworth", ripple_db, attenuation_db))
    high = prototype(family, order, ripple_db, attenuation_db).inverted()
    return _sections(_scaled(high, tan(pi * cutoff_hz / fs)), pi, start_db(family, order, ripple_db))


def bandpass(edges_hz: tuple[float, float], fs: float, order: int, family: str, ripple_db: float,
             attenuation_db: float) -> Array:
    """Sections [order, 6] of a band-pass: `order` poles at each edge, as in SciPy."""
    low = prototype(family, order, ripple_db, attenuation_db)
    width, centre = _band(edges_hz, fs)
    return _sections(_banded(low, width, centre), 2.0 * atan(centre), start_db(family, order, ripple_db))


def bandstop(edges_hz: tuple[float, float], fs: float, order: int, family: str, ripple_db: float,
             attenuation_db: float) -> Array:
    """Sections [order, 6] of a band-stop: a band-pass of the inverted prototype."""
    high = prototype(family, order, ripple_db, attenuation_db).inverted()
    width, centre = _band(edges_hz, fs)
    return _sections(_banded(high, width, centre), 0.0, start_db(family, order, ripple_db))


def _linkwitz_riley(half: Array) -> Array:
    """Two equal Butterworth filters in a row; low and high of them add up to an all-pass (Linkwitz 1976)."""
    return np.concatenate([half, half])


def _band(edges_hz: tuple[float, float], fs: float) -> tuple[float, float]:
    """Width and (geometric) centre of the prewarped band; tan b - tan a without cancellation."""
    low, high = (pi * edge / fs for edge in edges_hz)
    width = sin(pi * (edges_hz[1] - edges_hz[0]) / fs) / (cos(low) * cos(high))
    return width, sqrt(tan(low) * tan(high))


def _scaled(proto: Prototype, edge: float) -> list[AnalogSection]:
    """s -> s / edge."""
    single: list[AnalogSection] = []
    if proto.real_pole is not None:
        single = [((complex(proto.real_pole * edge),), (proto.end * edge,))]
    return single + [((p * edge, p.conjugate() * edge), (zero * edge, zero * edge)) for p, zero in proto.pairs]


def _banded(proto: Prototype, width: float, centre: float) -> list[AnalogSection]:
    """s -> (s^2 + centre^2) / (width s): each pole becomes two, one towards each edge, each with its own zeros.

    The two stand side by side, the one that falls first: in a wide band-stop the other rises by as much.
    """
    sections: list[AnalogSection] = []
    if proto.real_pole is not None:
        poles = _split(complex(proto.real_pole * width / 2.0), centre)
        sections.append((poles, (0.0, inf) if proto.end == inf else (centre, centre)))
    for pole, zero in proto.pairs:
        outer, inner = _split(pole * width / 2.0, centre)
        far = zero * width / 2.0 + sqrt((zero * width / 2.0) ** 2 + centre**2)
        near = centre**2 / far
        sections += [((inner, inner.conjugate()), (near, near)), ((outer, outer.conjugate()), (far, far))]
    return sections


def _split(half: complex, centre: float) -> tuple[complex, complex]:
    """The roots of s^2 - 2 half s + centre^2, the larger first; the smaller follows from their product."""
    root = cmath.sqrt(half * half - centre * centre)
    outer = max(half + root, half - root, key=abs)
    return outer, centre * centre / outer


def _sections(analog: list[AnalogSection], reference: float, level_db: float) -> Array:
    """Digital sections, each with gain 1 at `reference` (radians a sample), and the level there put on the first.

    So no section inside the cascade overflows or drowns the signal in rounding noise.
    """
    sos = np.array([[*_numerator(zeros), *_denominator(poles)] for poles, zeros in analog])
    sos[:, :3] /= np.abs(section_responses(sos, np.array([reference])))
    sos[0, :3] *= 10.0 ** (level_db / 20.0)
    return sos


def _numerator(zeros: tuple[float, ...]) -> tuple[float, float, float]:
    """Zeros on the unit circle, angle 2 atan(frequency): 1 - 2 cos z^-1 + z^-2, and 1 - cos x = 2 sin^2(x / 2)."""
    if len(zeros) == 1:
        return 1.0, 1.0 if zeros[0] == inf else -1.0, 0.0
    if zeros == (0.0, inf):
        return 1.0, 0.0, -1.0
    return 1.0, -2.0 + 4.0 * sin(atan(zeros[0])) ** 2, 1.0


def _denominator(poles: tuple[complex, ...]) -> tuple[float, float, float]:
    """(1 - (1-d1) z^-1) (1 - (1-d2) z^-1) for the distances d = 1 - z."""
    distances = [-2.0 * s / (1.0 - s) for s in poles]
    if len(distances) == 1:
        return 1.0, -1.0 + distances[0].real, 0.0
    total, product = (distances[0] + distances[1]).real, (distances[0] * distances[1]).real
    return 1.0, -2.0 + total, 1.0 - total + product


