"""tilt, tremolo and saturate do what their formulas say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal
from support.processing import FS, assert_cut_anywhere, processed

from torchfx_cli.chain.parse import join
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.design.stage import Array
from torchfx_cli.design.stages import linear, response
from torchfx_cli.errors import ChainError, DesignError

EFFECTS = ["tremolo:rate=7.3 Hz,depth=0.9", "tremolo:rate=311 Hz,shape=triangle", "saturate:drive=30,mix=0.8",
           "saturate:shape=soft,oversampling=1", "saturate:shape=atan,oversampling=3"]


@pytest.mark.parametrize("effect", EFFECTS)
def test_chunked_is_whole(effect: str) -> None:
    assert_cut_anywhere(effect, np.random.default_rng(1).uniform(-1.0, 1.0, (1201, 2)))


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


CURVES = {"tanh": np.tanh, "atan": lambda x: np.arctan(np.pi / 2 * x) * 2 / np.pi,
          "soft": lambda x: np.where(np.abs(x) < 1.5, x - 4 / 27 * x**3, np.sign(x))}


@pytest.mark.parametrize(("shape", "mix"), [("tanh", 1.0), ("tanh", 0.25), ("soft", 1.0), ("atan", 1.0)])
def test_saturation_is_the_curve_of_a_continuous_sound_without_what_no_rate_can_hold(shape: str, mix: float) -> None:
    """Three tones that fit 4800 frames: at 64 times the rate the curve is taken, and its spectrum cut off at 20 kHz."""
    def tones(rate: int) -> Array:
        t = np.arange(rate // 10) / rate
        made: Array = sum(0.25 * np.cos(2 * np.pi * hz * t + hz) for hz in (440, 1000, 3010))
        return made

    x, fine = tones(FS), tones(64 * FS)
    bent = (1 - mix) * fine + mix * CURVES[shape](2.0 * fine) / 2.0
    due = np.fft.rfft(bent)[:2000] / 64
    made = processed(f"saturate:drive={20 * np.log10(2)},shape={shape},mix={mix}", np.tile(x, 3)[:, None], 777)
    got = np.fft.rfft(made[4800:9600, 0])[:2000]
    np.testing.assert_allclose(got, due, rtol=0.0, atol=10 ** (-85 / 20) * np.abs(due).max())


@pytest.mark.parametrize(("drive_db", "times", "alias_db"), [(12, 4, -110), (18, 4, -65), (24, 4, -43), (24, 8, -75),
                                                             (24, 16, -108), (12, 1, -25)])
def test_what_aliases_lies_this_far_below_a_full_scale_sine(drive_db: float, times: int, alias_db: float) -> None:
    """5003 Hz at 48 kHz, tanh: of its harmonics 5003, 15009 and 25015 the last must not be heard at 22985 Hz."""
    hz, frames = 5003, FS // 2
    x = np.sin(2 * np.pi * hz * np.arange(frames + 9600) / FS)[:, None]
    y = processed(f"saturate:drive={drive_db},oversampling={times}", x)[4800:-4800, 0]
    spectrum = np.abs(np.fft.rfft(y * signal.windows.kaiser(frames, 22)))
    at_hz = np.arange(len(spectrum)) * FS / frames
    folded = np.abs(at_hz[:, None] - [hz, 3 * hz]).min(axis=1) > 30
    worst_db = 20 * np.log10(spectrum[folded].max() / spectrum.max())
    assert alias_db - 10 < worst_db < alias_db


def test_a_soft_sound_passes_saturation_as_it_is_and_a_loud_one_levels_off() -> None:
    soft = 1e-6 * np.random.default_rng(3).uniform(-1.0, 1.0, (4000, 2))
    np.testing.assert_allclose(processed("saturate:24", soft), soft, rtol=0.0, atol=1e-6 * 1e-8)
    level = processed("saturate:20", np.ones((4000, 1)))[2000, 0]
    assert level == pytest.approx(np.tanh(10.0) / 10.0, rel=2e-4)  # the interpolator is flat so far


@pytest.mark.parametrize(("effect", "words"), [
    ("tilt:gain=61", r"tilt.gain: found '61' \(out of range\); allowed: a number from -60 to 60 dB"),
    ("tilt:frequency=1 kHz", "gain.*missing"), ("tilt:gain=3,frequency=0", "frequency.*out of range"),
    ("tremolo:depth=1.1", "depth.*allowed: a number from 0 to 1"), ("tremolo:0 Hz", "rate.*above 0"),
    ("saturate:drive=-1", "drive.*from 0 to 48 dB"), ("saturate:oversampling=17", "oversampling.*from 1 to 16"),
    ("saturate:oversampling=2.5", "oversampling.*whole"), ("saturate:mix=2", "mix.*from 0 to 1"),
    ("tremolo:shape=square", "one of sine, triangle"),
])
def test_what_makes_no_sense_is_told_before_any_file(effect: str, words: str) -> None:
    with pytest.raises(ChainError, match=words):
        join([], [effect])


@pytest.mark.parametrize(("effect", "words"), [
    ("tilt:gain=3,frequency=5 kHz", r"tilt\.frequency: 5 kHz is not below 4 kHz"),
    ("tremolo:4 kHz", r"tremolo\.rate: 4 kHz is not below 4 kHz"),
])
def test_what_this_rate_cannot_have_is_told(effect: str, words: str) -> None:
    with pytest.raises(DesignError, match=words):
        design_chain(join([], [effect]), 8000)
