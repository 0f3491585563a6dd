"""Classical designs against SciPy's, and against the formulas in 50 digits where SciPy's own digits end."""

from __future__ import annotations

from collections.abc import Callable

import mpmath
import numpy as np
import pytest
import scipy.signal

from torchfx_cli.chain.parse import join
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.design import iir
from torchfx_cli.design.prototypes import bessel
from torchfx_cli.design.stages import Sections, is_stable, response, section_responses

RATES = (8000, 44100, 48000, 96000, 192000)
RIPPLE_DB, ATTENUATION_DB = 0.5, 60.0
SHAPES = {"lowpass": (0.11,), "highpass": (0.03,), "bandpass": (0.05, 0.2), "bandstop": (0.02, 0.3)}  # edges over fs
TRUTH: dict[str, Callable] = {
    "butterworth": lambda *a, **k: scipy.signal.butter(*a, **k),
    "chebyshev1": lambda n, e, t, **k: scipy.signal.cheby1(n, RIPPLE_DB, e, t, **k),
    "chebyshev2": lambda n, e, t, **k: scipy.signal.cheby2(n, ATTENUATION_DB, e, t, **k),
    "elliptic": lambda n, e, t, **k: scipy.signal.ellip(n, RIPPLE_DB, ATTENUATION_DB, e, t, **k),
    "bessel": lambda *a, **k: scipy.signal.bessel(*a, norm="mag", **k),
}


def ours(shape: str, edges_hz: tuple[float, ...], fs: float, order: int, family: str) -> np.ndarray:
    return getattr(iir, shape)(edges_hz if len(edges_hz) > 1 else edges_hz[0], fs, order, family, RIPPLE_DB,
                               ATTENUATION_DB)


def scipys(shape: str, edges_hz: tuple[float, ...], fs: float, order: int, family: str) -> np.ndarray:
    edges = edges_hz if len(edges_hz) > 1 else edges_hz[0]
    return TRUTH[family](order, edges, shape, output="sos", fs=fs)


@pytest.mark.parametrize("family", TRUTH)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fs", RATES)
def test_the_response_and_the_impulse_response_are_those_of_scipy(fs: int, shape: str, family: str) -> None:
    edges_hz = tuple(part * fs for part in SHAPES[shape])
    at_hz = np.linspace(0.0, fs / 2, 257)
    impulse = np.eye(1, 256)[0]
    for order in (1, 2, 3, 4, 7, 10):
        got, want = (make(shape, edges_hz, fs, order, family) for make in (ours, scipys))
        truth = scipy.signal.sosfreqz(want, at_hz, fs=fs)[1]
        assert np.abs(response([Sections(got)], at_hz, fs) - truth).max() < 1e-9, order
        if order < 10:  # SciPy's order of sections costs it 2e-9 in the wide band-stop of order 10, ours 3e-15
            filtered = scipy.signal.sosfilt(got, impulse), scipy.signal.sosfilt(want, impulse)
            assert np.abs(filtered[0] - filtered[1]).max() < 1e-9, order


@pytest.mark.parametrize("shape", ["lowpass", "highpass"])
def test_linkwitz_riley_is_two_butterworths_of_half_the_order(shape: str) -> None:
    at_hz = np.geomspace(10.0, 20000.0, 50)
    half = scipy.signal.butter(2, 2000.0, shape, output="sos", fs=48000)
    truth = scipy.signal.sosfreqz(half, at_hz, fs=48000)[1] ** 2
    got = response([Sections(ours(shape, (2000.0,), 48000, 4, "linkwitz_riley"))], at_hz, 48000)
    assert np.abs(got - truth).max() < 1e-12


@pytest.mark.parametrize("fs", RATES)
@pytest.mark.parametrize("order", [4, 8])
def test_linkwitz_riley_low_and_high_sum_to_an_all_pass(order: int, fs: int) -> None:
    at_hz = np.geomspace(5.0, 0.499 * fs, 200)
    low, high = (response([Sections(ours(shape, (1000.0,), fs, order, "linkwitz_riley"))], at_hz, fs)
                 for shape in ("lowpass", "highpass"))
    assert np.abs(np.abs(low + high) - 1.0).max() < 1e-9


def exact_power(sos: np.ndarray, hertz: float, fs: float) -> mpmath.mpf:
    """|H|^2 of the very coefficients, in 50 digits."""
    with mpmath.workdps(50):
        z1 = mpmath.expjpi(-2 * mpmath.mpf(hertz) / fs)
        h = mpmath.mpf(1)
        for b0, b1, b2, a0, a1, a2 in sos.tolist():
            h *= (b0 + b1 * z1 + b2 * z1**2) / (a0 + a1 * z1 + a2 * z1**2)
        return abs(h) ** 2


def formula_power(family: str, order: int, cutoff_hz: float, hertz: float, fs: float) -> mpmath.mpf:
    """|H|^2 of the high-pass by its closed form, in 50 digits."""
    with mpmath.workdps(50):
        omega = mpmath.tan(mpmath.pi * cutoff_hz / fs) / mpmath.tan(mpmath.pi * mpmath.mpf(hertz) / fs)
        if family == "butterworth":
            return 1 / (1 + omega ** (2 * order))
        return 1 / (1 + (mpmath.mpf(10) ** (mpmath.mpf(RIPPLE_DB) / 10) - 1) * mpmath.chebyt(order, omega) ** 2)


# 1 + a1 + a2 of a pole pair is about (2 pi f / fs)^2, and a1, a2 are rounded to 2^-53: that much can be kept.
@pytest.mark.parametrize(("family", "order", "cutoff_hz", "tolerance"), [
    ("butterworth", 2, 1.0, 2e-6), ("butterworth", 2, 20.0, 1e-8), ("butterworth", 8, 20.0, 1e-7),
    ("chebyshev1", 8, 20.0, 1e-6), ("butterworth", 20, 5.0, 1e-5),
])
def test_very_low_cutoffs_keep_their_digits_at_192_khz(family: str, order: int, cutoff_hz: float,
                                                       tolerance: float) -> None:
    sos = ours("highpass", (cutoff_hz,), 192000, order, family)
    for factor in (0.5, 0.9, 0.99, 1.0, 1.01, 1.1, 2.0, 10.0, 1000.0):
        got = exact_power(sos, cutoff_hz * factor, 192000)
        want = formula_power(family, order, cutoff_hz, cutoff_hz * factor, 192000)
        assert abs(got / want - 1) < tolerance, factor


@pytest.mark.parametrize("order", [1, 2, 5, 12, 25, 40])
def test_bessel_poles_are_the_zeros_of_the_reverse_bessel_polynomial(order: int) -> None:
    """In 80 digits: where the polynomial has half its power, and that Newton's rule finds each zero where it was."""
    proto = bessel(order)
    poles = [pole for pole, _ in proto.pairs] + ([] if proto.real_pole is None else [complex(proto.real_pole)])
    with mpmath.workdps(80):
        factorial = mpmath.factorial
        falling = [factorial(2 * order - k) / (mpmath.mpf(2) ** (order - k) * factorial(k) * factorial(order - k))
                   for k in range(order, -1, -1)]

        def excess(w: mpmath.mpf) -> mpmath.mpf:
            return abs(mpmath.polyval(falling, 1j * w) / falling[-1]) ** 2 - 2

        half_power = mpmath.findroot(excess, mpmath.sqrt(order * mpmath.mpf(1.4)))
        for pole in poles:
            value, slope = mpmath.polyval(falling, pole * half_power, derivative=1)
            assert abs(value / slope / (pole * half_power)) < 2e-15, pole  # how often it was rounded is up to NumPy
    assert len(set(poles)) == (order + 1) // 2
    assert all(pole.real < 0.0 for pole in poles)


@pytest.mark.parametrize("family", TRUTH)
@pytest.mark.parametrize(("shape", "edges_hz"), [("lowpass", (1000.0,)), ("highpass", (20.0,)),
                                                 ("bandpass", (20.0, 20000.0)), ("bandstop", (100.0, 10000.0)),
                                                 ("bandpass", (1000.0, 1100.0)), ("bandstop", (49.0, 51.0))])
def test_no_section_inside_a_cascade_rises_more_than_6_db_above_its_passband(
    shape: str, edges_hz: tuple[float, ...], family: str
) -> None:
    w = 2 * np.pi / 48000 * np.concatenate([np.geomspace(1, 23999, 2000), *(np.linspace(0.9, 1.1, 500) * edge
                                                                           for edge in edges_hz)])
    for order in (2, 5, 8, 20):
        inside = np.cumprod(section_responses(ours(shape, edges_hz, 48000, order, family), w), axis=0)
        assert np.abs(inside).max() < 2.0, order


@pytest.mark.parametrize("family", TRUTH)
def test_order_40_is_stable_and_has_its_edge(family: str) -> None:
    sos = iir.lowpass(1000.0, 48000, 40, family, 0.1, 100.0)
    edge_db = {"chebyshev1": -0.1, "elliptic": -0.1, "chebyshev2": -100.0}.get(family, -10 * np.log10(2))
    assert is_stable(sos)
    assert 20 * np.log10(np.abs(response([Sections(sos)], 1000.0, 48000)[0])) == pytest.approx(edge_db, abs=1e-3)



@pytest.mark.parametrize("order", [2, 4, 6, 8, 10, 12])
@pytest.mark.parametrize("cutoff_hz", [80.0, 2000.0, 15_000.0])
def test_linkwitz_riley_halves_sum_flat_with_one_turned_over_where_that_is_said(order: int, cutoff_hz: float) -> None:
    halves = [design_chain(join([], [f"{kind}:cutoff={cutoff_hz},order={order},family=linkwitz_riley"]), 48_000, 1)
              for kind in ("lowpass", "highpass")]
    at_hz = np.geomspace(10.0, 23_000.0, 500)
    low, high = (response(half, at_hz, 48_000) for half in halves)
    turned = -1.0 if order % 4 else 1.0
    np.testing.assert_allclose(20 * np.log10(np.abs(low + turned * high)), 0.0, atol=1e-6)
    assert bool(halves[0][0].remarks) is (order % 4 != 0)
    assert all("cancel there when they are added" in remark for half in halves for remark in half[0].remarks)
