"""The response of stages against 40 digits, and where the border of stability runs."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from torchfx_cli.design import biquad
from torchfx_cli.design.stages import Gain, Sections, Taps, is_stable, pole_radius, response
from torchfx_cli.effects.normalize import Normalize


@pytest.mark.parametrize("hertz", [1e-3, 1.0, 20.0, 1000.0, 48000.0, 90000.0, 95999.999])
@pytest.mark.parametrize("make", [lambda: biquad.highpass(1.0, 0.7, 192000), lambda: biquad.lowpass(20.0, 3.0, 192000),
                                  lambda: biquad.peaking(90000.0, 6.0, 9.0, 192000),
                                  lambda: biquad.low_shelf(2.0, -20.0, 0.7, 2, 192000)])
def test_the_response_has_all_its_digits(make: object, hertz: float) -> None:
    sos = make()  # type: ignore[operator]
    with mpmath.workdps(40):
        z1 = mpmath.expjpi(-2 * mpmath.mpf(hertz) / 192000)
        b0, b1, b2, a0, a1, a2 = sos[0].tolist()
        truth = complex((b0 + b1 * z1 + b2 * z1**2) / (a0 + a1 * z1 + a2 * z1**2))
    assert response([Sections(sos)], hertz, 192000)[0] == pytest.approx(truth, rel=1e-9)


def test_the_responses_of_stages_multiply() -> None:
    taps = np.array([0.5, 0.25, -0.125])
    sos = biquad.peaking(1000.0, 6.0, 1.0, 48000)
    at_hz = np.array([0.0, 100.0, 1000.0, 23000.0])
    z1 = np.exp(-2j * np.pi * at_hz / 48000)
    truth = -0.5 * (taps[0] + taps[1] * z1 + taps[2] * z1**2) / z1 * response([Sections(sos)], at_hz, 48000)
    got = response([Taps(taps, 1), Gain(-0.5), Sections(sos)], at_hz, 48000)
    assert got == pytest.approx(truth, rel=1e-13)


def test_the_response_of_many_taps_takes_no_exponential_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    taps = np.random.default_rng(3).standard_normal(100_003)
    at_hz = np.array([0.0, 20.0, 1234.5, 23_999.0])
    frames = np.arange(len(taps)) - 7
    truth = [np.exp(-2j * np.pi * hz / 48_000 * frames) @ taps for hz in at_hz]
    exponentials = []
    exp = np.exp
    monkeypatch.setattr(np, "exp", lambda x: exponentials.append(np.size(x)) or exp(x))
    assert response([Taps(taps, 7)], at_hz, 48_000) == pytest.approx(np.array(truth), abs=1e-7)
    assert sum(exponentials) < 4 * 2 * 320


def test_a_stage_that_is_not_linear_has_no_response() -> None:
    with pytest.raises(TypeError, match="normalize is not linear"):
        response([Gain(2.0), Normalize(0.1, "normalize")], 100.0, 48000)


def test_no_stage_has_the_response_one() -> None:
    assert response([], [0.0, 100.0], 48000).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("poles", "radius"), [
    ((0.5, -0.25), 0.5), ((-0.75, 0.25), 0.75), ((0.6 + 0.6j, 0.6 - 0.6j), np.sqrt(0.72)), ((0.0, 0.0), 0.0),
    ((1.0 - 2**-20, 1.0 - 2**-20), 1.0 - 2**-20), ((1.0 - 2**-20, 0.5), 1.0 - 2**-20), ((1.25, 0.5), 1.25),
    ((-1.5, -2.0), 2.0), ((3.0, -3.0), 3.0),
])
def test_the_pole_radius_is_that_of_the_outermost_pole(poles: tuple[complex, complex], radius: float) -> None:
    row = [1.0, 0.0, 0.0, 1.0, -(poles[0] + poles[1]).real, (poles[0] * poles[1]).real]
    assert pole_radius([row]) == pytest.approx(radius, abs=1e-15)
    assert pole_radius([[1.0, 0.0, 0.0, 1.0, 0.0, 0.0], row]) == pytest.approx(radius, abs=1e-15)
    assert is_stable([row]) == (radius < 1.0)


@pytest.mark.parametrize("a", [(-2.0, 1.0), (0.0, 1.0), (2.0, 1.0), (-1.0, 0.0), (1.0, 0.0), (0.0, -1.0), (-1.5, 0.5),
                               (np.nan, 0.0), (0.0, np.inf)])
def test_a_pole_on_the_circle_is_not_stable(a: tuple[float, float]) -> None:
    assert not is_stable([[1.0, 0.0, 0.0, 1.0, *a]])


def test_a_pole_within_the_last_digit_of_the_circle_is_stable() -> None:
    assert is_stable([[1.0, 0.0, 0.0, 1.0, 0.0, 1.0 - 2**-53]])
    assert is_stable([[1.0, 0.0, 0.0, 1.0, -1.0 + 2**-53, 0.0]])
