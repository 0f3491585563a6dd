"""Cookbook sections against the cookbook's own formulas and against what their names promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import sosfreqz
from support.designing import design

from torchfx_cli.chain.parse import join
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.design import biquad
from torchfx_cli.design.stages import Sections, Stage, response
from torchfx_cli.effects.kind import Origin
from torchfx_cli.effects.table import KINDS
from torchfx_cli.errors import ChainError

RATES = (8000, 44100, 48000, 96000, 192000)


def cookbook(kind: str, f: float, q: float, gain_db: float, fs: float) -> list[float]:
    """b0 b1 b2 a0 a1 a2 as printed in the Audio EQ Cookbook."""
    a, w = 10 ** (gain_db / 40), 2 * np.pi * f / fs
    c, alpha = np.cos(w), np.sin(w) / (2 * q)
    r = 2 * np.sqrt(a) * alpha
    return {
        "lowpass": [(1 - c) / 2, 1 - c, (1 - c) / 2, 1 + alpha, -2 * c, 1 - alpha],
        "highpass": [(1 + c) / 2, -(1 + c), (1 + c) / 2, 1 + alpha, -2 * c, 1 - alpha],
        "bandpass": [alpha, 0, -alpha, 1 + alpha, -2 * c, 1 - alpha],
        "notch": [1, -2 * c, 1, 1 + alpha, -2 * c, 1 - alpha],
        "allpass": [1 - alpha, -2 * c, 1 + alpha, 1 + alpha, -2 * c, 1 - alpha],
        "peaking": [1 + alpha * a, -2 * c, 1 - alpha * a, 1 + alpha / a, -2 * c, 1 - alpha / a],
        "low_shelf": [a * ((a + 1) - (a - 1) * c + r), 2 * a * ((a - 1) - (a + 1) * c), a * ((a + 1) - (a - 1) * c - r),
                      (a + 1) + (a - 1) * c + r, -2 * ((a - 1) + (a + 1) * c), (a + 1) + (a - 1) * c - r],
        "high_shelf": [a * ((a + 1) + (a - 1) * c + r), -2 * a * ((a - 1) + (a + 1) * c),
                       a * ((a + 1) + (a - 1) * c - r), (a + 1) - (a - 1) * c + r, 2 * ((a - 1) - (a + 1) * c),
                       (a + 1) - (a - 1) * c - r],
    }[kind]


def made(kind: str, f: float, q: float, gain_db: float, fs: float) -> np.ndarray:
    make = getattr(biquad, kind)
    if kind in ("low_shelf", "high_shelf"):
        return make(f, gain_db, q, 2, fs)
    if kind == "peaking":
        return make(f, gain_db, q, fs)
    return make(f, q, 2, fs) if kind == "allpass" else make(f, q, fs)


@pytest.mark.parametrize("fs", RATES)
@pytest.mark.parametrize("kind", ["lowpass", "highpass", "bandpass", "notch", "allpass", "peaking", "low_shelf",
                                  "high_shelf"])
def test_the_coefficients_are_those_of_the_cookbook(kind: str, fs: int) -> None:
    for part in (0.001, 0.02, 0.25, 0.49):
        for q in (0.3, 0.7071, 5.0):
            for gain_db in (-12.0, 6.0):
                printed = np.array(cookbook(kind, part * fs, q, gain_db, fs))
                assert made(kind, part * fs, q, gain_db, fs)[0] == pytest.approx(printed / printed[3], abs=1e-13)


def level_db(kind: str, at_hz: float, fs: float, **settings: float) -> float:
    stage = design(KINDS[kind].record(kind=kind, origin=Origin("t", 1, kind), **settings), fs)
    return float(20 * np.log10(np.abs(response([stage], at_hz, fs)[0])))


LEVEL_DB = 0.01  # the promise; the figures are in fact right to 1e-9


@pytest.mark.parametrize("fs", RATES)
@pytest.mark.parametrize("gain_db", [6.0, -12.0])
def test_a_gain_is_the_gain_that_was_written(gain_db: float, fs: int) -> None:
    top_hz = fs / 2 * 0.9999
    for f in (20.0, 1000.0, 3000.0):
        peaking = level_db("peaking", f, fs, frequency_hz=f, gain_db=gain_db, q=1.0)
        assert peaking == pytest.approx(gain_db, abs=LEVEL_DB)
        for order in (1, 2):
            low = {"frequency_hz": f, "gain_db": gain_db, "order": order}
            assert level_db("low_shelf", 0.0, fs, **low) == pytest.approx(gain_db, abs=LEVEL_DB)
            assert level_db("low_shelf", f, fs, **low) == pytest.approx(gain_db / 2, abs=LEVEL_DB)
            assert level_db("low_shelf", top_hz, fs, **low) == pytest.approx(0.0, abs=LEVEL_DB)
            assert level_db("high_shelf", top_hz, fs, **low) == pytest.approx(gain_db, abs=LEVEL_DB)
            assert level_db("high_shelf", f, fs, **low) == pytest.approx(gain_db / 2, abs=LEVEL_DB)
            assert level_db("high_shelf", 0.0, fs, **low) == pytest.approx(0.0, abs=LEVEL_DB)


@pytest.mark.parametrize("fs", RATES)
def test_first_order_sections_turn_where_they_should(fs: int) -> None:
    half = 10 * np.log10(0.5)
    assert level_db("dc_block", 5.0, fs) == pytest.approx(half, abs=1e-6)
    assert level_db("highpass", 80.0, fs, cutoff_hz=80.0, order=1) == pytest.approx(half, abs=1e-6)
    assert level_db("lowpass", 80.0, fs, cutoff_hz=80.0, order=1) == pytest.approx(half, abs=1e-6)
    allpass = response([Sections(biquad.allpass(500.0, 1.0, 1, fs))], [0.0, 500.0], fs)
    assert allpass == pytest.approx([1.0, -1j], abs=1e-9)
    assert response([Sections(biquad.allpass(500.0, 1.0, 2, fs))], 500.0, fs) == pytest.approx([-1.0], abs=1e-9)


@pytest.mark.parametrize("fs", RATES)
def test_dc_block_passes_nothing_at_0_hz(fs: int) -> None:
    stage = design(KINDS["dc_block"].record(kind="dc_block", origin=Origin("t", 1, "x")), fs)
    assert response([stage], 0.0, fs)[0] == 0.0


@pytest.mark.parametrize("fs", RATES)
@pytest.mark.parametrize("kind", ["bandpass", "notch"])
def test_q_is_the_frequency_over_the_bandwidth(kind: str, fs: int) -> None:
    f, q = 1000.0, 30.0
    upper_hz = biquad.upper_edge_hz(f, q, fs)
    k = np.tan(np.pi * f / fs)
    lower_hz = np.arctan(k * k / np.tan(np.pi * upper_hz / fs)) * fs / np.pi
    power = np.abs(response([Sections(made(kind, f, q, 0.0, fs))], [lower_hz, upper_hz], fs)) ** 2
    assert power == pytest.approx([0.5, 0.5], abs=1e-9)
    assert (np.tan(np.pi * upper_hz / fs) - np.tan(np.pi * lower_hz / fs)) / k == pytest.approx(1 / q, rel=1e-9)


def test_the_response_is_that_of_scipy() -> None:
    sos = np.concatenate([biquad.peaking(1000.0, 6.0, 2.0, 48000), biquad.notch(5000.0, 9.0, 48000)])
    at_hz = np.linspace(0.0, 23999.0, 101)
    assert response([Sections(sos)], at_hz, 48000) == pytest.approx(sosfreqz(sos, at_hz, fs=48000)[1], abs=1e-12)


# ITU-R BS.1770-4, annex 1, tables 1 and 2: the weighting's two stages at 48 kHz.
K_SHELF = (1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585)
K_RLB = (1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621)


def test_the_k_weighting_of_bs_1770_is_a_cookbook_shelf_and_highpass() -> None:
    at_hz = np.geomspace(20.0, 20000.0, 400)
    shelf = biquad.high_shelf(1499.05, 3.99984, 0.7071752, 2, 48000)
    highpass = biquad.highpass(38.13547, 0.5003270, 48000)
    gains = [np.abs(response([Sections(sos)], at_hz, 48000)) for sos in (shelf, K_SHELF, highpass, K_RLB)]
    assert np.abs(20 * np.log10(gains[0] / gains[1])).max() < LEVEL_DB
    # The standard's numerator 1 -2 1 is not scaled to unity gain: 0.0433 dB more, at every frequency.
    rlb_db = 20 * np.log10(gains[2] / gains[3])
    assert rlb_db == pytest.approx(np.full(400, -0.0433), abs=1e-4)


def designed(effect: str, fs: float) -> tuple[Stage, ...]:
    return design_chain(join([], [effect]), fs, 1)


@pytest.mark.parametrize("fs", [44_100, 96_000])
@pytest.mark.parametrize("hz", [100, 1000, 8000])
@pytest.mark.parametrize("octaves", [0.5, 1.0, 2.0])
def test_a_bandwidth_is_the_cookbooks(fs: int, hz: float, octaves: float) -> None:
    """The cookbook's own formula of alpha, with its coefficients written out."""
    w = 2 * np.pi * hz / fs
    alpha = np.sin(w) * np.sinh(np.log(2) / 2 * octaves * w / np.sin(w))
    a = 10 ** (6 / 40)
    cos = np.cos(w)
    for effect, b, den in (
            (f"peaking:frequency={hz},gain=6", [1 + alpha * a, -2 * cos, 1 - alpha * a],
             [1 + alpha / a, -2 * cos, 1 - alpha / a]),
            (f"notch:frequency={hz}", [1, -2 * cos, 1], [1 + alpha, -2 * cos, 1 - alpha]),
            (f"bandpass:frequency={hz}", [alpha, 0, -alpha], [1 + alpha, -2 * cos, 1 - alpha]),
            (f"allpass:frequency={hz}", [1 - alpha, -2 * cos, 1 + alpha], [1 + alpha, -2 * cos, 1 - alpha])):
        (stage,) = designed(f"{effect},bandwidth={octaves}", fs)
        np.testing.assert_allclose(stage.sos, [np.array([*b, *den]) / den[0]], rtol=0, atol=1e-12)  # type: ignore[attr-defined]


@pytest.mark.parametrize("slope", [0.3, 0.7, 1.0])
@pytest.mark.parametrize("gain", [-12, 6])
def test_a_shelfs_slope_is_the_cookbooks(slope: float, gain: float) -> None:
    fs, hz = 48_000, 1000
    w, a = 2 * np.pi * hz / fs, 10 ** (gain / 40)
    alpha, cos = np.sin(w) / 2 * np.sqrt((a + 1 / a) * (1 / slope - 1) + 2), np.cos(w)
    root = 2 * np.sqrt(a) * alpha
    b = [a * ((a + 1) - (a - 1) * cos + root), 2 * a * ((a - 1) - (a + 1) * cos), a * ((a + 1) - (a - 1) * cos - root)]
    den = [(a + 1) + (a - 1) * cos + root, -2 * ((a - 1) + (a + 1) * cos), (a + 1) + (a - 1) * cos - root]
    (stage,) = designed(f"low_shelf:frequency={hz},gain={gain},slope={slope}", fs)
    np.testing.assert_allclose(stage.sos, [np.array([*b, *den]) / den[0]], rtol=0, atol=1e-12)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("effect", "words"), [
    ("peaking:frequency=100,gain=3,q=1,bandwidth=1", "bandwidth: contradicts q"),
    ("low_shelf:frequency=100,gain=3,q=1,slope=1", "slope: contradicts q"),
    ("low_shelf:frequency=100,gain=3,order=1,slope=1", "slope: has no meaning for order 1"),
    ("allpass:frequency=100,order=1,bandwidth=1", "bandwidth: has no meaning for order 1"),
    ("bandpass:bandwidth=1", "frequency missing"), ("bandpass:low=3,high=5,bandwidth=1", "contradicts"),
    ("low_shelf:frequency=100,gain=3,slope=2", "allowed"),
])
def test_two_words_for_one_width_are_refused(effect: str, words: str) -> None:
    with pytest.raises(ChainError, match=words):
        join([], [effect])
