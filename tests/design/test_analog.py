"""Digital twins of analogue circuits against the circuits' formulas and the standards' tables."""

from __future__ import annotations

import numpy as np
import pytest
from support.designing import design

from torchfx_cli.design.analog import analog, circuit_gain
from torchfx_cli.design.stages import Sections, is_stable, response
from torchfx_cli.effects.analog import AnalogSpec
from torchfx_cli.effects.kind import Origin
from torchfx_cli.errors import DesignError

RATES = (44100, 48000, 88200, 96000, 192000)

# IEC 61672-1:2013, annex E: f1, f2, f3, f4.
F1, F2, F3, F4 = 20.598997, 107.65265, 737.86223, 12194.217
A_WEIGHTING = ((F1, F1, F2, F3, F4, F4), (0.0,) * 4)
C_WEIGHTING = ((F1, F1, F4, F4), (0.0,) * 2)
# Time constants of 3180, 318 and 75 us (IEC 60098), and of 50 and 75 us.
RIAA = ((1 / (2 * np.pi * 3180e-6), 1 / (2 * np.pi * 75e-6)), (1 / (2 * np.pi * 318e-6),))
DEEMPHASIS_50 = ((1 / (2 * np.pi * 50e-6),), ())
DEEMPHASIS_75 = ((1 / (2 * np.pi * 75e-6),), ())


def errors_db(curve: tuple, fs: float, low_hz: float, high_hz: float) -> np.ndarray:
    at_hz = np.geomspace(low_hz, high_hz, 300)
    got = np.abs(response([Sections(analog(*curve, 1000.0, fs))], at_hz, fs))
    return np.abs(20 * np.log10(got / circuit_gain(*curve, 1000.0, at_hz)))


@pytest.mark.parametrize("fs", RATES)
@pytest.mark.parametrize(("curve", "high_hz"), [(RIAA, 20000.0), (DEEMPHASIS_50, 15000.0), (DEEMPHASIS_75, 15000.0),
                                                (A_WEIGHTING, 20000.0), (C_WEIGHTING, 20000.0)],
                         ids=["riaa", "50us", "75us", "a", "c"])
def test_the_magnitude_is_the_circuits_within_a_tenth_of_a_db(curve: tuple, high_hz: float, fs: int) -> None:
    assert errors_db(curve, fs, 20.0, high_hz).max() < 0.1


@pytest.mark.parametrize("fs", [8000, 16000, 22050])
@pytest.mark.parametrize("curve", [A_WEIGHTING, C_WEIGHTING, DEEMPHASIS_50], ids=["a", "c", "50us"])
def test_poles_above_half_the_sample_rate_work(curve: tuple, fs: int) -> None:
    assert is_stable(analog(*curve, 1000.0, fs))
    assert errors_db(curve, fs, 10.0, 0.45 * fs).max() < 0.1


def test_the_formula_is_the_table_of_iec_61672() -> None:
    """The rounded values of table 3."""
    at_hz = np.array([31.5, 63.0, 125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16000.0])
    a_db = [-39.4, -26.2, -16.1, -8.6, -3.2, 0.0, 1.2, 1.0, -1.1, -6.6]
    c_db = [-3.0, -0.8, -0.2, 0.0, 0.0, 0.0, -0.2, -0.8, -3.0, -8.5]
    exact_hz = 1000.0 * 10.0 ** (np.round(10 * np.log10(at_hz / 1000.0)) / 10)
    assert 20 * np.log10(circuit_gain(*A_WEIGHTING, 1000.0, exact_hz)) == pytest.approx(a_db, abs=0.051)
    assert 20 * np.log10(circuit_gain(*C_WEIGHTING, 1000.0, exact_hz)) == pytest.approx(c_db, abs=0.051)


def test_the_formula_is_the_riaa_table() -> None:
    table = {20.0: 19.27, 100.0: 13.09, 500.0: 2.65, 1000.0: 0.0, 5000.0: -8.21, 10000.0: -13.73, 20000.0: -19.62}
    got = 20 * np.log10(circuit_gain(*RIAA, 1000.0, np.array(list(table))))
    assert got == pytest.approx(list(table.values()), abs=0.011)


@pytest.mark.parametrize("unity_hz", [0.0, 50.0, 1000.0, 15000.0])
def test_the_gain_at_unity_is_exactly_one(unity_hz: float) -> None:
    sections = Sections(analog(*RIAA, unity_hz, 48000))
    assert np.abs(response([sections], unity_hz, 48000)[0]) == pytest.approx(1.0, abs=1e-12)


def test_a_differentiator_passes_nothing_at_0_hz() -> None:
    assert response([Sections(analog(*A_WEIGHTING, 1000.0, 48000))], 0.0, 48000)[0] == 0.0


@pytest.mark.parametrize("curve", [((1000.0,) * 10, ()), ((0.01,), ()), ((1000.0,), (1000.0,)), ((30000.0,), (0.0,))],
                         ids=["ten poles", "a pole at 0.01 Hz", "nothing", "a differentiator"])
def test_other_curves_are_met_within_half_a_db(curve: tuple) -> None:
    for fs in (8000, 48000, 192000):
        assert errors_db(curve, fs, 1.0, 0.45 * fs).max() < 0.5


@pytest.mark.parametrize(("settings", "reason"), [
    ({"poles_hz": (100.0,), "zeros_hz": (0.0,), "unity_hz": 0.0}, "eq.yaml:2: x: the gain is 0 at `unity`"),
    ({"poles_hz": (100.0,), "unity_hz": 5000.0},
     "eq.yaml:2: x.unity: 5 kHz is not below 4 kHz, half of 8 kHz"),
])
def test_impossible_unity_is_refused(settings: dict, reason: str) -> None:
    with pytest.raises(DesignError) as caught:
        design(AnalogSpec(kind="analog", origin=Origin("eq.yaml", 2, "x"), **settings), 8000)
    assert str(caught.value).startswith(reason)
