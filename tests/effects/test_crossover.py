"""Bands on channels of their own: what SciPy makes of each, and that they add up flat."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_kinds import FS, assert_the_law, noise, plan_of, planned, render

from torchfx_cli.chain.parse import join, parse_chain
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.errors import ChainError, DesignError
from torchfx_cli.render.native import NativeEngine
from torchfx_cli.render.scipy_engine import ScipyEngine

ORDERS = range(2, 17, 2)
SPLITS = [200.0, 2000.0, 9000.0]


def crossover(order: int) -> str:
    return f"crossover:frequencies={SPLITS},order={order}"


def impulse(frames: int = 20_000) -> np.ndarray:
    return np.eye(frames, 1)


@pytest.mark.parametrize("order", ORDERS)
def test_each_band_is_what_scipy_makes_of_its_filters(order: int) -> None:
    signal = pytest.importorskip("scipy.signal")

    def butterworth_twice(kind: str, frequency: float) -> np.ndarray:
        half = signal.butter(order // 2, frequency, kind, fs=FS, output="sos")
        return np.concatenate([half, half])

    def all_pass(frequency: float) -> np.ndarray:
        """Zeros where the poles of the half are, mirrored in the circle."""
        sos = signal.butter(order // 2, frequency, fs=FS, output="sos")
        for row in sos:
            row[:3] = row[5:2:-1] if row[5] else (row[4], 1.0, 0.0)
        return sos

    x, made = noise(8000, 1), render(plan_of(crossover(order), channels=1), noise(8000, 1), 509)
    assert made.shape == (8000, 4)
    for band in range(4):
        wanted = x[:, 0].copy()
        for frequency in SPLITS[:band]:
            wanted = signal.sosfilt(butterworth_twice("high", frequency), wanted) * (-1.0) ** (order // 2)
        for n, frequency in enumerate(SPLITS[band:]):
            wanted = signal.sosfilt(all_pass(frequency) if n else butterworth_twice("low", frequency), wanted)
        np.testing.assert_allclose(made[:, band], wanted, rtol=0, atol=1e-11, err_msg=f"band {band}")


@pytest.mark.parametrize("order", ORDERS)
def test_the_bands_add_up_flat_and_meet_at_half_their_level(order: int) -> None:
    made = render(plan_of(crossover(order), channels=1), impulse())
    bands = np.fft.rfft(made, axis=0)
    np.testing.assert_allclose(np.abs(bands.sum(axis=1)), 1.0, rtol=0, atol=1e-10)
    halves = np.fft.rfft(render(plan_of(f"crossover:frequencies=2400,order={order}", channels=1), impulse()), axis=0)
    np.testing.assert_allclose(np.abs(halves[1000]), 0.5, rtol=1e-9)


def test_channels_come_band_by_band() -> None:
    x = noise(3000)
    made = render(plan_of("crossover:[200,2000]"), x)
    sides = [render(plan_of("crossover:[200,2000]", channels=1), x[:, [side]]) for side in (0, 1)]
    for band in range(3):
        for side in (0, 1):
            np.testing.assert_array_equal(made[:, 2 * band + side], sides[side][:, band], err_msg=f"{band}, {side}")


@pytest.mark.parametrize("engine", ["scipy", "torch"])
def test_engines_agree(engine: str) -> None:
    plan, x = plan_of("highpass:30", crossover(4), "gain:-1"), noise(20_000)
    other: Any = ScipyEngine
    if engine == "torch":
        pytest.importorskip("torch")
        from torchfx_cli.render.mixed_engine import MixedEngine as other
    np.testing.assert_allclose(render(plan, x, 777, other), render(plan, x, 5000, NativeEngine), rtol=0, atol=1e-12)


def test_a_band_may_have_its_own_stages_and_all_become_one_signal_again() -> None:
    text = ("chain: [crossover: 1 kHz, {compressor: -30, channels: [1, 2]}, {gain: -3, channels: [3, 4]}, "
            "mix: [[1, 0, 1, 0], [0, 1, 0, 1]]]")
    plan = planned(design_chain(parse_chain(text), FS, 2), tail_s="auto")
    assert plan.output.channels == 2
    assert_the_law(plan)


@pytest.mark.parametrize(("effect", "words"), [
    ("crossover:[]", "frequencies: found 0 frequencies; 1 to 7 are allowed"),
    ("crossover:[1,2,3,4,5,6,7,8]", "frequencies: found 8 frequencies"),
    ("crossover:[300,200]", "frequencies: 200 Hz does not lie above 300 Hz in front of it"),
    ("crossover:[300,300]", "300 Hz does not lie above 300 Hz"),
    ("crossover:[300],order=3", "order: found 3; Linkwitz-Riley needs an even order, like 4"),
    ("crossover:[300],order=18", "order: found '18'"), ("crossover:-3", "out of range"),
    ("crossover:frequencies=[300],ordr=4", "unknown key 'ordr'; did you mean order"),
])
def test_what_no_crossover_can_be_is_told(effect: str, words: str) -> None:
    with pytest.raises(ChainError, match=words):
        join([], [effect])


@pytest.mark.parametrize(("effect", "channels", "words"), [
    ("crossover:[200,24000]", 2, "frequencies: 24 kHz is not below 24 kHz, half of 48 kHz"),
    ("crossover:200", 1000, "2 bands of 1000 channels make 2000; at most 1024"),
    ("crossover:frequencies=[0.0001],order=16", 2, "float64"),
])
def test_what_does_not_fit_the_file_is_refused(effect: str, channels: int, words: str) -> None:
    with pytest.raises(DesignError, match=words):
        plan_of(effect, channels=channels)


def test_many_crossovers_cost_too_much_before_they_are_designed() -> None:
    entry = "crossover: {frequencies: [1, 2, 3, 4, 5, 6, 7], order: 16}, mono"
    with pytest.raises(ChainError, match="orders of recursive stages"):
        parse_chain(f"chain: [{', '.join([entry] * 100)}]")
