"""Fusing makes a chain shorter and computes the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, sosfilt

from torchfx_cli.design.stages import Gain, Sections, Stage, Taps
from torchfx_cli.effects.normalize import Normalize
from torchfx_cli.errors import DesignError
from torchfx_cli.plan import fuse as fusing
from torchfx_cli.plan.fuse import fuse

LOW = Sections(butter(3, 0.2, output="sos"), "low")
HIGH = Sections(butter(2, 0.01, "highpass", output="sos"), "high")
SHORT = Taps([0.5, 0.25], 0, "short")
LONG = Taps(np.hanning(31), 15, "long")
UP, DOWN, TURN = Gain(2.0, "up"), Gain(0.5, "down"), Gain(-1.0, "turn")
NOTHING = [Gain(1.0), Taps([1.0]), Sections([[1, 0.7, 0.1, 1, 0.7, 0.1], [1, 0, 0, 1, 0, 0]])]


def heard(stages: tuple[Stage, ...] | list[Stage], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """What linear stages make of `x`, one after another, with nothing fused; delays are kept."""
    for stage in stages:
        if isinstance(stage, Sections):
            x = sosfilt(stage.sos.copy(), x)
        elif isinstance(stage, Taps):
            x = lfilter(stage.taps, 1.0, x)
        else:
            assert isinstance(stage, Gain)
            x = x * stage.factor
    return x


@given(st.lists(st.sampled_from([LOW, HIGH, SHORT, LONG, UP, DOWN, TURN, *NOTHING]), max_size=8))
@settings(deadline=None)
def test_a_fused_chain_computes_the_same_in_no_more_stages(stages: list[Stage]) -> None:
    x = np.random.default_rng(1).standard_normal(500)
    fused = fuse(stages)
    truth = heard(stages, x)
    np.testing.assert_allclose(heard(fused, x), truth, rtol=0, atol=1e-12 * max(1.0, np.abs(truth).max()))
    assert len(fused) <= len(stages)
    delays = [sum(stage.delay_frames for stage in some if isinstance(stage, Taps)) for some in (stages, fused)]
    assert delays[0] == delays[1]


def test_neighbouring_sections_become_one_cascade_in_their_order() -> None:
    (one,) = fuse([LOW, HIGH])
    assert isinstance(one, Sections)
    assert one.sos.tolist() == [*LOW.sos.tolist(), *HIGH.sos.tolist()]
    assert one.label == "low, high"


def test_neighbouring_impulse_responses_become_their_convolution_and_delays_add_up() -> None:
    (one,) = fuse([SHORT, LONG, LONG])
    assert isinstance(one, Taps)
    np.testing.assert_allclose(one.taps, np.convolve(np.convolve(SHORT.taps, LONG.taps), LONG.taps), rtol=1e-15)
    assert one.delay_frames == 30


def test_impulse_responses_too_long_to_convolve_stay_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fusing, "MAX_JOIN_PRODUCTS", 31 * 31 - 1)
    assert fuse([LONG, LONG]) == (LONG, LONG)


def test_sections_and_impulse_responses_keep_their_order() -> None:
    kinds = [type(stage) for stage in fuse([LOW, SHORT, UP, HIGH, LOW, LONG])]
    assert kinds == [Sections, Taps, Sections, Taps]


@pytest.mark.parametrize("at", [0, 1, 2])
def test_gains_are_folded_into_the_first_filter(at: int) -> None:
    chain: list[Stage] = [LONG, LOW]
    chain[at:at] = [UP, TURN]
    first, second = fuse(chain)
    assert isinstance(first, Taps)
    np.testing.assert_array_equal(first.taps, -2.0 * LONG.taps)
    assert isinstance(second, Sections)
    np.testing.assert_array_equal(second.sos, LOW.sos)
    assert first.label == "long, up, turn"


def test_a_gain_of_sections_goes_into_one_numerator_only() -> None:
    (one,) = fuse([LOW, UP])
    assert isinstance(one, Sections)
    np.testing.assert_array_equal(one.sos[0], LOW.sos[0] * [2, 2, 2, 1, 1, 1])
    np.testing.assert_array_equal(one.sos[1:], LOW.sos[1:])


def test_gains_alone_become_one_and_cancel() -> None:
    assert fuse([UP, TURN, UP]) == (Gain(-4.0, "up, turn, up"),)
    assert fuse([UP, DOWN]) == ()


def test_what_does_nothing_is_dropped() -> None:
    assert fuse(NOTHING) == ()
    (left,) = fuse([Sections([*LOW.sos, [1, 0.5, 0.2, 1, 0.5, 0.2]], "low")])
    assert isinstance(left, Sections)
    np.testing.assert_array_equal(left.sos, LOW.sos)


def test_one_tap_with_a_delay_to_remove_is_not_nothing() -> None:
    assert len(fuse([Taps([1.0], 1)])) == 1


def test_nothing_moves_across_normalize() -> None:
    wall = Normalize(0.9, "normalize")
    assert fuse([UP, wall, DOWN, wall, wall]) == (UP, wall, DOWN, wall, wall)
    assert [type(stage) for stage in fuse([LOW, wall, LOW])] == [Sections, Normalize, Sections]


def test_the_stages_that_came_in_are_left_as_they_were() -> None:
    before = LOW.sos.copy()
    fuse([LOW, HIGH, UP])
    np.testing.assert_array_equal(LOW.sos, before)


def test_gains_beyond_any_number_are_refused() -> None:
    with pytest.raises(DesignError, match="the gains together are beyond any number: huge, huge"):
        fuse([Gain(1e200, "huge"), LOW, Gain(1e200, "huge")])
