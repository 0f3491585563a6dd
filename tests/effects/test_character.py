"""tilt, tremolo and saturate do what their formulas say."""

from __future__ import annotations

import numpy as np
import pytest

from torchfx_cli.chain.parse import join
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.design.stages import linear, response
from torchfx_cli.errors import ChainError, DesignError

FS = 48_000


@pytest.mark.parametrize("gain_db", [6.0, -3.0, 40.0, 0.0])
@pytest.mark.parametrize("middle_hz", [30.0, 1000.0, 15_000.0])
def test_tilt_is_its_analogue_formula_through_the_bilinear_transform(gain_db: float, middle_hz: float) -> None:
    at_hz = np.geomspace(1.0, 23_999.0, 200)
    got = response(linear(design_chain(join([], [f"tilt:gain={gain_db},frequency={middle_hz}"]), FS)), at_hz, FS)
    s, g = 1j * np.tan(np.pi * at_hz / FS) / np.tan(np.pi * middle_hz / FS), 10.0 ** (gain_db / 20.0)
    np.testing.assert_allclose(got, (g * s + 1.0) / (s + g), rtol=1e-9, atol=0.0)


@pytest.mark.parametrize(("effect", "words"), [
    ("tilt:gain=61", "tilt.gain: found .61. .out of range.; allowed: a number from -60 to 60 dB"), ("tilt:frequency=1 kHz", "gain.*missing"),
    ("tilt:gain=3,frequency=0", "frequency.*out of range"),
])
def test_what_makes_no_sense_is_told_before_any_file(effect: str, words: str) -> None:
    with pytest.raises(ChainError, match=words):
        join([], [effect])


def test_what_this_rate_cannot_have_is_told() -> None:
    with pytest.raises(DesignError, match="tilt.frequency: 5 kHz is not below 4 kHz, half of the file's 8 kHz"):
        design_chain(join([], ["tilt:gain=3,frequency=5 kHz"]), 8000)
