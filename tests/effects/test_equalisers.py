"""graphic_eq has the written gain at every centre, eq_curve lies within its tolerance everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from torchfx_cli.chain.parse import join, parse_chain
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.design.stages import linear, response
from torchfx_cli.effects.graphic_eq import CENTRES_HZ
from torchfx_cli.errors import ChainError, DesignError

FS = 48_000
CENTRE_TOLERANCE_DB = 0.01
RNG = np.random.default_rng(16)


def level_db(effect: str, at_hz: Any, fs: float = FS) -> Any:
    return 20.0 * np.log10(np.abs(response(linear(design_chain(join([], [effect]), fs)), at_hz, fs)))


def curve_db(points: Any, at_hz: Any) -> Any:
    hz, db = np.array(points).T
    return np.interp(np.log(np.maximum(at_hz, 1e-9)), np.log(hz), db)


@pytest.mark.parametrize("fs", [44_100, 48_000, 192_000])
@pytest.mark.parametrize("width", CENTRES_HZ)
def test_every_band_has_its_gain_at_its_centre_whatever_its_neighbours_do(width: str, fs: int) -> None:
    centres = np.array(CENTRES_HZ[width])
    for gains in (np.full(len(centres), 12.0), 12.0 * (-1.0) ** np.arange(len(centres)),
                  RNG.uniform(-12.0, 12.0, len(centres))):
        got = level_db(f"graphic_eq:gains={gains.tolist()},width={width}", centres, fs)
        np.testing.assert_allclose(got, gains, rtol=0.0, atol=CENTRE_TOLERANCE_DB)


def test_bands_that_are_not_written_stay_and_alike_ones_hardly_waver() -> None:
    centres = CENTRES_HZ["octave"]
    got = level_db("graphic_eq:bands=[[31, 2], [1 kHz, -3]]", centres)
    due = [{31.5: 2.0, 1000.0: -3.0}.get(hz, 0.0) for hz in centres]
    np.testing.assert_allclose(got, due, rtol=0.0, atol=CENTRE_TOLERANCE_DB)
    for width, size in (("octave", 10), ("third_octave", 31)):
        between = np.geomspace(CENTRES_HZ[width][0], CENTRES_HZ[width][-1], 500)
        got = level_db(f"graphic_eq:gains={[12.0] * size},width={width}", between)
        assert np.abs(got - 12.0).max() < 0.8


def test_a_map_of_frequencies_and_gains_may_be_written() -> None:
    chain = parse_chain("chain:\n  - graphic_eq: {bands: {63: 2 dB, 1 kHz: -3}}\n  - eq_curve: {100: 3, 1 kHz: 0}\n")
    assert [getattr(chain.stages[0], "bands", 0), getattr(chain.stages[1], "points", 0)] == [
        ((63.0, 2.0), (1000.0, -3.0)), ((100.0, 3.0), (1000.0, 0.0))]


@pytest.mark.parametrize("phase", ["linear", "minimum"])
@pytest.mark.parametrize(("points", "tolerance_db"), [
    ([[100, 6], [1000, 0], [8000, -9]], 0.1), ([[1000, -3]], 0.1), ([[20, -12], [60, 3], [10_000, 0]], 0.5),
    ([[hz, db] for hz, db in zip(np.geomspace(20, 20_000, 60).round(2), RNG.uniform(-4, 4, 60).round(1), strict=True)],
     1.0)])
def test_a_curve_is_met_within_its_tolerance_everywhere(points: Any, tolerance_db: float, phase: str) -> None:
    (stage,) = linear(design_chain(join([], [f"eq_curve:points={written(points)},phase={phase},"
                                             f"tolerance={tolerance_db}"]), FS))
    taps = stage.build(Numbers())
    size = 3 * len(taps)
    got = np.abs(np.fft.rfft(taps, size))
    due = curve_db(points, np.arange(len(got)) * FS / size)
    np.testing.assert_allclose(20 * np.log10(got), due, rtol=0.0, atol=1.01 * tolerance_db)
    if phase == "linear":
        np.testing.assert_allclose(taps, taps[::-1], rtol=0.0, atol=1e-15)
        assert stage.latency_frames == len(taps) // 2


def written(points: Any) -> str:
    return str([[float(hz), float(db)] for hz, db in points])


def test_minimum_phase_has_its_zeros_inside_and_the_magnitude_of_linear_phase() -> None:
    chain = "eq_curve:points=[[500, 9], [3000, 0], [9000, -9]],tolerance=1,phase="
    (line,), (least,) = (linear(design_chain(join([], [chain + phase]), FS)) for phase in ("linear", "minimum"))
    at_hz = np.linspace(0.0, FS / 2, 400)
    np.testing.assert_allclose(np.abs(response([least], at_hz, FS)), np.abs(response([line], at_hz, FS)), rtol=1e-6)
    assert (line.latency_frames, least.latency_frames) == (line.tap_count // 2, 0)
    taps = least.build(Numbers())
    assert np.abs(np.roots(taps)).max() < 1.0
    energy = np.cumsum(taps**2) / np.sum(taps**2)
    assert energy[40] > 0.99, "it comes at once"


class Numbers:
    def taps(self, stage: Any) -> Any:
        return stage.taps

    sections = gain = sum = taps


@pytest.mark.parametrize(("effect", "said"), [
    ("graphic_eq:bands=[[70, 3]]", "70 Hz is no octave band; the nearest is 63 Hz"),
    ("graphic_eq:bands=[[31, 3], [32, 3]]", "31.5 Hz is given twice"),
    ("graphic_eq:gains=[1, 2, 3]", "octave has 10 bands"), ("graphic_eq:width=octave", "write either bands"),
    ("eq_curve:[[100, 3], [100, 4]]", "100 Hz is not above 100 Hz"),
    ("eq_curve:points=[[100, 3, 4]]", "frequencies and gains"), ("eq_curve:points=[[100, 300]]", "out of range"),
    ("eq_curve:points=[[-100, 3]]", "out of range"),
])
def test_what_makes_no_sense_is_told(effect: str, said: str) -> None:
    with pytest.raises(ChainError, match=said):
        join([], [effect])


def test_what_cannot_be_at_a_rate_is_told() -> None:
    with pytest.raises(DesignError, match=r"16 kHz is not below 4 kHz"):
        level_db("graphic_eq:bands=[[16000, 3]]", [1000], 8000)
    assert level_db("graphic_eq:bands=[[1000, 3]]", [1000], 8000)[0] == pytest.approx(3.0, abs=CENTRE_TOLERANCE_DB)
    with pytest.raises(DesignError, match="allow more tolerance"):
        level_db("eq_curve:points=[[1, 60], [1.1, -60]],tolerance=0.001", [1000])
