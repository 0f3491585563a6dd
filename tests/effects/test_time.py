"""Stages that change when a sound is heard: fades, silence added and removed."""

from __future__ import annotations

import numpy as np
import pytest
from test_kinds import FS, assert_the_law, noise, plan_of, render

from torchfx_cli.chain.parse import join
from torchfx_cli.errors import ChainError

# What SoX's manual and ffmpeg's afade say of their shapes, at a quarter of the way.
AT_A_QUARTER = {"linear": 0.25, "sine": np.sin(np.pi / 8), "half_sine": (1 - np.cos(np.pi / 4)) / 2,
                "parabola": 1 - 0.75**2, "exponential": 10 ** (-75 / 20), "log": 1 + 0.2 * np.log10(0.25)}


@pytest.mark.parametrize(("curve", "gain"), AT_A_QUARTER.items())
def test_a_fade_has_its_shape_at_both_ends_and_none_between(curve: str, gain: float) -> None:
    got = render(plan_of(f"fade:in=100 ms,out=200 ms,curve={curve}", channels=1), np.ones((FS, 1)), 509)[:, 0]
    assert got[1200] == pytest.approx(gain, rel=1e-12)
    assert got[FS - 1 - 2400] == pytest.approx(gain, rel=1e-12)
    assert got[0] == got[-1] == (1e-5 if curve == "exponential" else 0.0)
    assert (got[4800 : FS - 9600] == 1.0).all()
    assert (np.diff(got[:4801]) >= 0.0).all()
    assert (np.diff(got[FS - 9601 :]) <= 0.0).all()


def test_fades_of_a_file_that_is_shorter_are_multiplied() -> None:
    got = render(plan_of("fade:in=0.01,out=0.02", channels=1), np.ones((300, 1)), 17)[:, 0]
    n = np.arange(300)
    np.testing.assert_allclose(got, n / 480 * n[::-1] / 960, rtol=1e-15)


def test_silence_is_added_and_markers_move_with_the_sound() -> None:
    plan = plan_of("pad:start=10 ms,end=20 ms")
    x = noise(1000)
    np.testing.assert_array_equal(render(plan, x, 17), np.concatenate([np.zeros((480, 2)), x, np.zeros((960, 2))]))
    assert plan.place(5) == 485
    assert plan.frames_out(0) == 0
    assert plan_of("trim:start=10 ms", "pad:start=1 ms", "resample:16 kHz").place(FS) == (FS - 480 + 48) / 3


@pytest.mark.parametrize("effects", [
    ["trim:start=0.001,end=0.5", "fade:in=10 ms,out=40 ms,curve=log", "resample:16 kHz", "mono"],
    ["pad:start=3 ms,end=20 ms", "fir:lowpass=9000,taps=301,align=true", "fade:out=30 ms"],
])
@pytest.mark.parametrize("tail_s", [0.0, 0.01])
def test_chunked_is_whole_in_combination(effects: list[str], tail_s: float) -> None:
    assert_the_law(plan_of(*effects, tail_s=tail_s))


@pytest.mark.parametrize(("effect", "words"), [
    ("fade", "nothing says how long to fade"), ("fade:curve=sine", "nothing says how long to fade"),
    ("fade:in=3 min", "min is not a unit here"), ("fade:in=121", "from 0 to 120 s"),
    ("fade:in=1,curve=cosine", "one of linear, sine, half_sine"), ("pad", "nothing says how much silence"),
    ("pad:start=-1", "from 0 to 120 s"),
])
def test_times_that_make_no_sense_are_told_before_any_file(effect: str, words: str) -> None:
    with pytest.raises(ChainError, match=words):
        join([], [effect])


def test_the_library_has_a_fade_whose_in_is_in_() -> None:
    torch = pytest.importorskip("torch")
    effect = pytest.importorskip("torchfx_cli").effect
    made = effect.Fade(in_=0.5, fs=8)(torch.ones(1, 8))
    assert made.tolist() == [[0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0]]
