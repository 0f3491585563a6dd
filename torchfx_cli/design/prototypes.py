"""The classical analogue low-pass filters, with their edge at 1 rad/s, as poles and zeros.

The edge is where the gain is -3 dB (Butterworth, Bessel), where the ripple ends (Chebyshev I, elliptic), or where
the attenuation begins (Chebyshev II). All zeros lie on the imaginary axis, so a frequency says where.
Formulas: Oppenheim & Schafer, "Discrete-Time Signal Processing", appendix B; Bessel: see `bessel`.
"""

from __future__ import annotations

from functools import lru_cache
from math import asinh, cos, cosh, expm1, factorial, inf, log, pi, sin, sinh, sqrt

import numpy as np
import numpy.typing as npt

from torchfx_cli.records import dataclass


@dataclass(frozen=True)
class Prototype:
    """An analogue filter of real coefficients.

    pairs      (pole, zero): the pole stands for itself and its conjugate, the zero for plus and minus that
               frequency in rad/s (inf: no zero). Flattest section first.
    real_pole  the one pole that odd orders have on the real axis, else None; its zero is at `end`.
    end        0 or inf: where the zeros are that a plain low-pass has at infinity.
    """

    pairs: tuple[tuple[complex, float], ...]
    real_pole: float | None
    end: float = inf

    def inverted(self) -> Prototype:
        """s -> 1/s: of a low-pass, the high-pass with the same edge."""
        pairs = tuple((1.0 / pole, 1.0 / zero) for pole, zero in self.pairs)
        return Prototype(pairs, None if self.real_pole is None else 1.0 / self.real_pole, 1.0 / self.end)


def prototype(family: str, order: int, ripple_db: float, attenuation_db: float) -> Prototype:
    """The low-pass of a family; `ripple_db` and `attenuation_db` count where the family has them."""
    if family == "chebyshev1":
        return chebyshev1(order, ripple_db)
    if family == "chebyshev2":
        return chebyshev2(order, attenuation_db)
    if family == "elliptic":
        return elliptic(order, ripple_db, attenuation_db)
    return bessel(order) if family == "bessel" else butterworth(order)


def edge_db(family: str, ripple_db: float, attenuation_db: float) -> float:
    """The gain of `prototype` at 1 rad/s, in dB."""
    if family in ("chebyshev1", "elliptic"):
        return -ripple_db
    return -attenuation_db if family == "chebyshev2" else -10.0 * np.log10(2.0)


def start_db(family: str, order: int, ripple_db: float) -> float:
    """The gain of `prototype` at 0 rad/s, in dB: even orders with ripple start in the valley."""
    return -ripple_db if family in ("chebyshev1", "elliptic") and order % 2 == 0 else 0.0


def butterworth(order: int) -> Prototype:
    """Poles evenly on the left half of the unit circle: maximally flat."""
    pairs = tuple((complex(-sin(a), cos(a)), inf) for a in _angles(order))
    return Prototype(pairs, -1.0 if order % 2 else None)


def chebyshev1(order: int, ripple_db: float) -> Prototype:
    """Equal ripple below the edge: the Butterworth poles drawn onto an ellipse."""
    mu = asinh(1.0 / sqrt(_excess(ripple_db))) / order
    pairs = tuple((complex(-sinh(mu) * sin(a), cosh(mu) * cos(a)), inf) for a in _angles(order))
    return Prototype(pairs, -sinh(mu) if order % 2 else None)


def chebyshev2(order: int, attenuation_db: float) -> Prototype:
    """Equal ripple above the edge, at `attenuation_db`: the inverse of a Chebyshev I in 1/s."""
    mu = asinh(sqrt(_excess(attenuation_db))) / order
    pairs = tuple((1.0 / complex(-sinh(mu) * sin(a), cosh(mu) * cos(a)), 1.0 / cos(a)) for a in _angles(order))
    return Prototype(pairs, -1.0 / sinh(mu) if order % 2 else None)


@lru_cache(maxsize=64)
def elliptic(order: int, ripple_db: float, attenuation_db: float) -> Prototype:
    """Equal ripple on both sides (SciPy's solution of the degree equation)."""
    from scipy.signal import ellipap

    zeros, poles, _ = ellipap(order, ripple_db, attenuation_db)
    rising = np.sort(zeros.imag[zeros.imag > 0.0])[::-1]
    return _from_poles(np.atleast_1d(poles), rising.tolist() + [inf] * (order // 2 - len(rising)))


@lru_cache(maxsize=64)
def bessel(order: int) -> Prototype:
    """Maximally flat group delay, scaled so that the gain is -3 dB at 1 rad/s (SciPy's norm="mag").

    The poles are the zeros of the reverse Bessel polynomial (Thomson 1949; Grosswald, "Bessel Polynomials", 1978),
    sum of c_k s^k with c_k = (2n-k)! / (2^(n-k) k! (n-k)!). Float64 cannot evaluate it near a zero from order 20 on,
    but the c_k are integers and a float is a fraction: the Newton step is taken from exact values, and only the
    mutual repulsion of the zeros (Aberth 1973) is float arithmetic, so every zero comes out to the last digit.
    """
    n = order
    falling = [factorial(2 * n - k) // (2 ** (n - k) * factorial(k) * factorial(n - k)) for k in range(n, -1, -1)]
    angle = np.pi * ((np.arange(n) + 0.5) / n - 0.5)
    poles = n * (-0.66 * np.cos(angle) + 1j * np.sin(angle))  # near the curve on which they gather
    for _ in range(60):  # 14 at order 40
        largest = 0.0
        for i in range(n):
            newton = _newton_step(falling, complex(poles[i]))
            step = newton / (1.0 - newton * np.sum(1.0 / (poles[i] - np.delete(poles, i))))
            poles[i] -= step
            largest = max(largest, abs(step / poles[i]))
        if largest < 1e-15:
            break
    return _from_poles(poles / _half_power(poles), [inf] * (n // 2))


_FRACTION_BITS = 256


def _newton_step(falling: list[int], s: complex) -> complex:
    """p(s) / p'(s) by Horner's rule in integers of 2^-256; `falling` are the coefficients of p."""
    re, im = (int(part * 2.0**80) << (_FRACTION_BITS - 80) for part in (s.real, s.imag))
    p_re = p_im = d_re = d_im = 0
    for c in falling:
        d_re, d_im = _times(d_re, d_im, re, im)
        d_re, d_im = d_re + p_re, d_im + p_im
        p_re, p_im = _times(p_re, p_im, re, im)
        p_re += c << _FRACTION_BITS
    size = d_re * d_re + d_im * d_im
    return complex((p_re * d_re + p_im * d_im) / size, (p_im * d_re - p_re * d_im) / size)


def _times(a_re: int, a_im: int, b_re: int, b_im: int) -> tuple[int, int]:
    return (a_re * b_re - a_im * b_im) >> _FRACTION_BITS, (a_re * b_im + a_im * b_re) >> _FRACTION_BITS


def _half_power(poles: npt.NDArray[np.complex128]) -> float:
    """The frequency in rad/s where the all-pole filter has half its power; its gain only falls."""
    low, high = 0.0, float(np.abs(poles).max()) * 2.0
    for _ in range(100):
        middle = (low + high) / 2.0
        power_db = -20.0 * np.log10(np.abs(1.0 - 1j * middle / poles)).sum()
        low, high = (middle, high) if power_db > -10.0 * np.log10(2.0) else (low, middle)
    return low


def _angles(order: int) -> list[float]:
    """Of the poles above the real axis, in radians from the imaginary one; the flattest first."""
    return [pi * (2 * k + 1) / (2 * order) for k in reversed(range(order // 2))]


def _excess(level_db: float) -> float:
    """10^(level/10) - 1 without the loss that small ripples would suffer."""
    return expm1(level_db * log(10.0) / 10.0)


def _from_poles(poles: npt.NDArray[np.complex128], zeros: list[float]) -> Prototype:
    """Poles in any order, and the zeros of their upper half from far to near: the sharpest gets the nearest zero."""
    by_height = sorted((complex(p) for p in poles), key=lambda p: p.imag)
    upper = sorted(by_height[(len(by_height) + 1) // 2 :], key=lambda p: abs(p) / -p.real)
    real = by_height[len(by_height) // 2].real if len(by_height) % 2 else None
    return Prototype(tuple(zip(upper, zeros, strict=True)), real)
