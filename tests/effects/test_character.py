"""tilt, tremolo and saturate do what their formulas say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal
from support.processing import FS, assert_cut_anywhere, processed

from torchfx_cli.chain.parse import join
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.design.stages import linear, response
from torchfx_cli.errors import ChainError, DesignError

EFFECTS = ["tremolo:rate=7.3 Hz,depth=0.9", "tremolo:rate=311 Hz,shape=triangle"]


@pytest.mark.parametrize("effect", EFFECTS)
def test_chunked_is_whole(effect: str) -> None:
    assert_cut_anywhere(effect, np.random.default_rng(1).uniform(-1.0, 1.0, (9001, 2)))


@pytest.mark.parametrize("gain_db", [6.0, -3.0, 40.0, 0.0])
@pytest.mark.parametrize("middle_hz", [30.0, 1000.0, 15_000.0])
def test_tilt_is_its_analogue_formula_through_the_bilinear_transform(gain_db: float, middle_hz: float) -> None:
    at_hz = np.geomspace(1.0, 23_999.0, 200)
    got = response(linear(design_chain(join([], [f"tilt:gain={gain_db},frequency={middle_hz}"]), FS)), at_hz, FS)
    s, g = 1j * np.tan(np.pi * at_hz / FS) / np.tan(np.pi * middle_hz / FS), 10.0 ** (gain_db / 20.0)
    np.testing.assert_allclose(got, (g * s + 1.0) / (s + g), rtol=1e-9, atol=0.0)


@pytest.mark.parametrize("shape", ["sine", "triangle"])
@pytest.mark.parametrize("rate_hz", [5.0, 0.37, 440.0])
def test_a_tremolo_swings_as_its_formula_says_from_the_first_frame(shape: str, rate_hz: float) -> None:
    t = np.arange(30_000) / FS
    got = processed(f"tremolo:rate={rate_hz},depth=0.8,shape={shape}", np.ones((30_000, 2)), 997)
    wave = signal.sawtooth(2 * np.pi * rate_hz * t, 0.5) if shape == "triangle" else -np.cos(2 * np.pi * rate_hz * t)
    np.testing.assert_allclose(got, np.repeat((0.6 - 0.4 * wave)[:, None], 2, axis=1), rtol=0.0, atol=1e-11)
    assert got[0].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("effect", "words"), [
    ("tilt:gain=61", r"tilt.gain: found '61' \(out of range\); allowed: a number from -60 to 60 dB"),
    ("tilt:frequency=1 kHz", "gain.*missing"), ("tilt:gain=3,frequency=0", "frequency.*out of range"),
    ("tremolo:depth=1.1", "depth.*allowed: a number from 0 to 1"), ("tremolo:0 Hz", "rate.*above 0"),
    ("tremolo:shape=square", "one of sine, triangle"),
])
def test_what_makes_no_sense_is_told_before_any_file(effect: str, words: str) -> None:
    with pytest.raises(ChainError, match=words):
        join([], [effect])


@pytest.mark.parametrize(("effect", "words"), [
    ("tilt:gain=3,frequency=5 kHz", r"tilt\.frequency: 5 kHz is not below 4 kHz, half of the file's 8 kHz"),
    ("tremolo:4 kHz", r"tremolo\.rate: 4 kHz is not below 4 kHz"),
])
def test_what_this_rate_cannot_have_is_told(effect: str, words: str) -> None:
    with pytest.raises(DesignError, match=words):
        design_chain(join([], [effect]), 8000)
