"""Echoes: the difference equation itself, their end, and what they cost in long silence."""

from __future__ import annotations

import numpy as np
import pytest
from test_kinds import FS, noise, plan_of, render

from torchfx_cli.chain.parse import join
from torchfx_cli.errors import ChainError


@pytest.mark.parametrize("feedback", [0.0, 0.3, -0.7, 0.99])
@pytest.mark.parametrize("size", [1, 509, 1 << 20])
def test_echoes_are_those_of_the_difference_equation(feedback: float, size: int) -> None:
    frames, mix, x = 240, 0.4, noise(2000)
    echo = np.zeros_like(x)
    for n in range(frames, len(x)):
        echo[n] = x[n - frames] + feedback * echo[n - frames]
    got = render(plan_of(f"delay:time=5 ms,feedback={feedback},mix={mix}"), x, size)
    np.testing.assert_allclose(got, (1 - mix) * x + mix * echo, rtol=0, atol=1e-16)


def test_the_tail_ends_with_the_last_echo_of_120_db() -> None:
    plan = plan_of("delay:time=10 ms,feedback=0.5,mix=1", channels=1, tail_s="auto")
    x = np.zeros((100, 1))
    x[0] = 1.0
    got = render(plan, x)[:, 0]
    assert np.flatnonzero(got).tolist() == [480 * n for n in range(1, 21)]
    assert got[480 * 20] == 0.5**19 >= 1e-6 > 0.5**20
    assert len(got) == 100 + 480 * 20


def test_the_time_is_rounded_to_frames_which_the_plan_says() -> None:
    (stage,) = plan_of("delay:1.01 ms").stages
    assert stage.describe() == "delay 1.01 ms (48 frames), feedback 0.3"


def test_echoes_fade_to_zeros_and_not_to_subnormal_numbers() -> None:
    (stage,) = plan_of("delay:time=1 ms,feedback=0.5,mix=1", channels=1).stages
    processor = stage.open(plan_of(channels=1).output)
    processor.process(np.ones((48, 1)))
    last = processor.process(np.zeros((FS, 1)))[:, 0]
    heard = last[last != 0.0]
    assert 1e-300 < heard.min() < 1e-250
    assert not last[-48:].any()


@pytest.mark.parametrize(("effect", "words"), [
    ("delay", "time: missing"), ("delay:0", "from 0.001 to 60 s"), ("delay:time=1,feedback=1", "from -0.99 to 0.99"),
    ("delay:time=1,mix=2", "from 0 to 1"), ("delay:61", "from 0.001 to 60 s"),
])
def test_delays_that_make_no_sense_are_told_before_any_file(effect: str, words: str) -> None:
    with pytest.raises(ChainError, match=words):
        join([], [effect])
