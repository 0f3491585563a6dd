"""Every kind has a design, every design a name, and what cannot exist at a sample rate is refused with the reason."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.designing import design

from torchfx_cli.chain.spec import ChainSpec, design_chain
from torchfx_cli.design.stages import Gain, Sections, is_stable, response
from torchfx_cli.effects.classical import FAMILIES
from torchfx_cli.effects.kind import Origin, StageSpec, params_of
from torchfx_cli.effects.normalize import Normalize
from torchfx_cli.effects.table import KINDS
from torchfx_cli.effects.zero_phase import ZeroPhase
from torchfx_cli.errors import DesignError

RATES = (8000, 44100, 48000, 96000, 192000)


def spec(kind: str, **values: object) -> StageSpec:
    return KINDS[kind].record(kind=kind, origin=Origin("eq.yaml", 7, f"chain[2].{kind}"), **values)  # type: ignore[arg-type]


def refusal(fs: float, kind: str, **values: object) -> str:
    with pytest.raises(DesignError) as caught:
        design(spec(kind, **values), fs)
    return str(caught.value)


LABELS = [
    ("highpass", {"cutoff_hz": 80.0, "order": 4}, "highpass 80 Hz butterworth order 4"),
    ("lowpass", {"cutoff_hz": 3200.0, "q": 0.5}, "lowpass 3.2 kHz q 0.5"),
    ("lowpass", {"cutoff_hz": 3200.0, "family": "chebyshev1"}, "lowpass 3.2 kHz chebyshev1 order 2 ripple 0.5 dB"),
    ("bandpass", {"low_hz": 300.0, "high_hz": 3400.0, "order": 4, "family": "elliptic"},
     "bandpass 300 Hz to 3.4 kHz elliptic order 4 ripple 0.5 dB attenuation 60 dB"),
    ("bandpass", {"frequency_hz": 300.0, "q": 2.0}, "bandpass 300 Hz q 2"),
    ("bandstop", {"low_hz": 45.0, "high_hz": 55.0}, "bandstop 45 Hz to 55 Hz butterworth order 2"),
    ("bandstop", {"frequency_hz": 50.0, "q": 2.0}, "bandstop 50 Hz q 2"),
    ("peaking", {"frequency_hz": 3200.0, "gain_db": 2.5, "q": 0.9}, "peaking 3.2 kHz +2.5 dB q 0.9"),
    ("low_shelf", {"frequency_hz": 100.0, "gain_db": -3.0, "order": 1}, "low_shelf 100 Hz -3 dB order 1"),
    ("high_shelf", {"frequency_hz": 3000.0, "gain_db": 3.0}, "high_shelf 3 kHz +3 dB q 0.707107"),
    ("notch", {"frequency_hz": 50.0}, "notch 50 Hz q 30"),
    ("allpass", {"frequency_hz": 500.0, "order": 1}, "allpass 500 Hz order 1"),
    ("dc_block", {}, "dc_block 5 Hz"),
    ("analog", {"poles_hz": (50.05, 2122.07), "zeros_hz": (500.5,)},
     "analog (poles 50.05 Hz, 2.12207 kHz; zeros 500.5 Hz)"),
    ("sos", {"sections": ((1.0, 0.0, 0.0, 1.0, -0.5, 0.0),)}, "sos, 1 section"),
    ("fir", {"lowpass_hz": 3000.0, "taps": 511}, "fir lowpass 3 kHz 511 taps hamming"),
    ("fir", {"bandpass_hz": (300.0, 3000.0), "taps": 101, "window": "kaiser"},
     "fir bandpass 300 Hz to 3 kHz 101 taps kaiser 8.6"),
    ("fir", {"taps": (1.0, 0.5)}, "fir 2 taps"),
    ("tilt", {"gain_db": 2.0, "frequency_hz": 700.0}, "tilt +2 dB around 700 Hz"),
    ("graphic_eq", {"bands": ((63.0, 2.0), (1000.0, -3.0))}, "graphic_eq, 2 octave bands"),
    ("eq_curve", {"points": ((100.0, 3.0), (1000.0, 0.0))}, "eq_curve of 2 points, linear phase"),
    ("gain", {"gain_db": -1.0}, "gain -1 dB"),
    ("invert", {}, "invert"),
    ("normalize", {}, "normalize to -1 dBFS"),
]


@pytest.mark.parametrize("fs", RATES)
@pytest.mark.parametrize(("kind", "values", "label"), LABELS, ids=[label for _, _, label in LABELS])
def test_a_stage_says_what_it_is_and_is_stable_at_every_rate(kind: str, values: dict, label: str, fs: int) -> None:
    stage = design(spec(kind, **values), fs)
    assert stage.label == label
    if isinstance(stage, Sections):
        assert is_stable(stage.sos)
        assert np.all(stage.sos[:, 3] == 1.0)


def test_every_kind_is_among_the_labels() -> None:
    assert {kind for kind, _, _ in LABELS} == {k for k, kind in KINDS.items() if kind.record.is_filter} | {"normalize"}


def test_gains_and_levels_are_factors() -> None:
    written = spec("gain", gain_db=-6.0), spec("invert"), spec("normalize", peak_db=-3.0)
    stages = design_chain(ChainSpec("x", written), 1)
    assert [stage.factor for stage in stages if isinstance(stage, Gain)] == pytest.approx([0.501187233627, -1.0])
    assert [stage.level for stage in stages if isinstance(stage, Normalize)] == pytest.approx([0.707945784384])


def test_raw_sections_are_divided_by_a0() -> None:
    stage = design(spec("sos", sections=((2.0, 1.0, 0.0, 2.0, -1.0, 0.5),), rate_hz=48000.0), 48000)
    assert isinstance(stage, Sections)
    assert stage.sos.tolist() == [[1.0, 0.5, 0.0, 1.0, -0.5, 0.25]]


@pytest.mark.parametrize(("kind", "values", "key"), [
    ("highpass", {"cutoff_hz": 30000.0}, "cutoff"),
    ("lowpass", {"cutoff_hz": 30000.0, "q": 1.0}, "cutoff"),
    ("bandpass", {"low_hz": 80.0, "high_hz": 30000.0}, "high"),
    ("bandstop", {"frequency_hz": 30000.0, "q": 1.0}, "frequency"),
    ("peaking", {"frequency_hz": 30000.0, "gain_db": 1.0}, "frequency"),
    ("low_shelf", {"frequency_hz": 30000.0, "gain_db": 1.0}, "frequency"),
    ("high_shelf", {"frequency_hz": 30000.0, "gain_db": 1.0, "order": 1}, "frequency"),
    ("notch", {"frequency_hz": 30000.0}, "frequency"),
    ("allpass", {"frequency_hz": 30000.0}, "frequency"),
    ("dc_block", {"cutoff_hz": 30000.0}, "cutoff"),
    ("fir", {"lowpass_hz": 30000.0, "taps": 11}, "lowpass"),
    ("fir", {"bandstop_hz": (80.0, 30000.0), "taps": 11}, "bandstop"),
])
def test_a_frequency_at_or_above_half_the_rate_is_refused(kind: str, values: dict, key: str) -> None:
    where = f"eq.yaml:7: chain[2].{kind}.{key}: 30 kHz is not below "
    assert refusal(48000, kind, **values) == where + "24 kHz, half of 48 kHz"
    assert refusal(60000, kind, **values) == where + "30 kHz, half of 60 kHz"
    design(spec(kind, **values), 60002)


@pytest.mark.parametrize(("value", "reason"), [
    (0.0, "cannot be told from 0 Hz at 48 kHz"), (-5.0, "cannot be told from 0 Hz at 48 kHz"),
    (1e-300, "cannot be told from 0 Hz at 48 kHz"), (float("nan"), "is not below 24 kHz, half of 48 kHz"),
])
def test_a_frequency_that_is_none_is_refused(value: float, reason: str) -> None:
    message = refusal(48000, "highpass", cutoff_hz=value)
    assert message == f"eq.yaml:7: chain[2].highpass.cutoff: {value:g} Hz {reason}"


def test_raw_sections_for_another_rate_are_refused() -> None:
    assert refusal(44100, "sos", sections=((1.0, 0.0, 0.0, 1.0, 0.0, 0.0),), rate_hz=48000.0) == (
        "eq.yaml:7: chain[2].sos.rate: these sections are for 48 kHz, the file has 44.1 kHz")


@pytest.mark.parametrize(("row", "radius"), [((1.0, -2.0, 1.0), "1"), ((1.0, 0.0, -1.21), "1.1"),
                                             ((2.0, 0.0, 2.0), "1")])
def test_raw_sections_on_or_outside_the_circle_are_refused_with_the_radius(row: tuple[float, ...], radius: str) -> None:
    message = refusal(44100, "sos", sections=((1.0, 0.0, 0.0, *row),))
    assert f"not stable in float64: pole radius {radius};" in message


@pytest.mark.parametrize("values", [
    {"low_hz": 3.0, "high_hz": 3.000001, "order": 20}, {"low_hz": 1e-3, "high_hz": 1e-2, "order": 8},
    {"low_hz": 1000.0, "high_hz": 1000.0 + 1e-9, "order": 4},
    {"low_hz": 90000.0, "high_hz": 90000.0 + 1e-9, "order": 20},
])
def test_a_band_too_narrow_for_float64_is_refused_rather_than_wrong(values: dict) -> None:
    message = refusal(192000, "bandpass", **values)
    assert message.startswith("eq.yaml:7: chain[2].bandpass: bandpass ")
    assert "float64" in message
    assert message.endswith("use a lower order, a higher frequency or a wider band")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("order", [2, 8, 20, 40])
def test_what_is_not_refused_has_its_edge_where_it_says(order: int, family: str) -> None:
    """Down to a thousandth of a hertz: either the design is right, or it says that it cannot be."""
    wanted_db = {"chebyshev1": -0.5, "elliptic": -0.5, "chebyshev2": -60.0, "linkwitz_riley": -20 * np.log10(2)}
    for cutoff_hz in (1e-3, 0.1, 2.0, 20.0, 1000.0, 95999.0):
        try:
            stage = design(spec("lowpass", cutoff_hz=cutoff_hz, order=order, family=family), 192000)
        except DesignError:
            assert cutoff_hz < 2.0 or order > 20
            continue
        got_db = 20 * np.log10(np.abs(response([stage], cutoff_hz, 192000)[0]))
        assert got_db == pytest.approx(wanted_db.get(family, -10 * np.log10(2)), abs=0.01)


def test_odd_orders_of_linkwitz_riley_and_ripples_above_the_attenuation_are_refused() -> None:
    assert "order: 3 is odd" in refusal(48000, "lowpass", cutoff_hz=80.0, order=3, family="linkwitz_riley")
    message = refusal(48000, "lowpass", cutoff_hz=80.0, family="elliptic", ripple_db=10.0, attenuation_db=5.0)
    assert message == "eq.yaml:7: chain[2].lowpass.ripple: 10 dB is not below the attenuation, 5 dB"


@pytest.mark.parametrize("values", [{}, {"low_hz": 100.0}, {"low_hz": 200.0, "high_hz": 100.0},
                                      {"frequency_hz": 100.0}])
def test_a_band_without_two_rising_edges_is_refused(values: dict) -> None:
    assert refusal(48000, "bandpass", **values).endswith("needs low and high, low below high, or frequency and q")


@pytest.mark.parametrize("values", [{}, {"taps": 11}, {"lowpass_hz": 100.0}])
def test_an_unfinished_fir_is_refused(values: dict) -> None:
    assert "needs taps and one of" in refusal(48000, "fir", **values)


def test_designing_loads_neither_scipy_nor_torch() -> None:
    script = """
import sys
from torchfx_cli.effects.kind import Origin
from torchfx_cli.effects.table import KINDS
from torchfx_cli.samples import Signal
make = lambda kind, **s: KINDS[kind].record(kind=kind, origin=Origin("", 0, ""), **s).design(Signal(48000, 1))
make("highpass", cutoff_hz=80.0, family="bessel")
make("fir", lowpass_hz=8000.0, taps=511)
make("analog", poles_hz=(80.0,))
print([name for name in ("scipy", "torch", "soundfile", "rich") if name in sys.modules])
"""
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "[]\n"


FREQUENCIES = st.floats(1e-320, 1e9) | st.floats(1.0, 24000.0)
SETTINGS = {
    "cutoff_hz": FREQUENCIES, "frequency_hz": FREQUENCIES, "low_hz": FREQUENCIES, "high_hz": FREQUENCIES,
    "order": st.integers(1, 40), "family": st.sampled_from(FAMILIES), "ripple_db": st.floats(1e-4, 20.0),
    "attenuation_db": st.floats(3.1, 200.0), "q": st.none() | st.floats(1e-3, 1e4), "gain_db": st.floats(-300.0, 300.0),
    "poles_hz": st.lists(FREQUENCIES, min_size=1, max_size=6).map(tuple), "unity_hz": st.just(0.0) | FREQUENCIES,
    "bandwidth": st.none() | st.floats(1e-3, 10.0), "slope": st.none() | st.floats(1e-3, 1.0),
    "zeros_hz": st.lists(st.just(0.0) | FREQUENCIES, max_size=4).map(tuple), "zero_phase": st.booleans(),
}


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(["highpass", "lowpass", "bandpass", "bandstop", "peaking", "low_shelf", "high_shelf", "notch",
                        "allpass", "dc_block", "analog"]), st.data())
def test_any_values_give_a_stable_stage_or_a_reason(kind: str, data: st.DataObject) -> None:
    names = [field.name for field, _ in params_of(KINDS[kind].record).values()]
    values = {name: data.draw(SETTINGS[name], label=name) for name in names}
    if kind in ("low_shelf", "high_shelf", "allpass"):
        values["order"] = 1 + values["order"] % 2
    if kind not in ("highpass", "lowpass", "bandpass", "bandstop") and values.get("q", 1.0) is None:
        values["q"] = 1.0
    message = ""
    try:
        stage = design(spec(kind, **values), data.draw(st.sampled_from(RATES)))
    except DesignError as error:
        message = str(error)
    if message:
        assert message.startswith(f"eq.yaml:7: chain[2].{kind}")
        return
    if isinstance(stage, ZeroPhase):
        stage = stage.sections
    assert isinstance(stage, Sections)
    assert is_stable(stage.sos)
    assert np.isfinite(stage.sos).all()
