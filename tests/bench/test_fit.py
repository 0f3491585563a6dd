"""The fit finds the costs that synthetic times were made from."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torchfx_cli.bench.fit import Line, fit_line, nonnegative

SAMPLES = (1e4, 1e5, 1e6, 1e7, 1e8)


@settings(deadline=None)  # SciPy is imported in the first of them
@given(st.floats(1e-6, 10.0), st.floats(1e-11, 1e-6))
def test_exact_times_give_back_their_fixed_and_per_sample_cost(fixed_s: float, sample_s: float) -> None:
    line = fit_line([(n, fixed_s + sample_s * n) for n in SAMPLES])
    assert [line.seconds(n) for n in SAMPLES] == pytest.approx([fixed_s + sample_s * n for n in SAMPLES], rel=1e-6)


def test_a_negative_start_is_never_told() -> None:
    line = fit_line([(n, 3e-9 * n**1.1) for n in SAMPLES])  # small files are cheaper a sample than large ones
    assert line.fixed_s == 0.0
    assert line.sample_s > 0.0


def test_times_that_fall_with_length_leave_only_a_fixed_cost() -> None:
    # least squares of f/2 - 1 and f - 1: f = (1/2 + 1) / (1/4 + 1)
    assert fit_line([(1e4, 2.0), (1e6, 1.0)]) == Line(pytest.approx(1.2), 0.0)


def test_one_length_alone_says_nothing_of_a_start() -> None:
    assert fit_line([(1000, 2e-3), (1000, 2e-3)]) == Line(0.0, pytest.approx(2e-6))


def test_what_a_fit_is_off_is_the_mean_square_of_its_relative_errors() -> None:
    assert nonnegative([[1.0], [1.0]], [1.0, 2.0]) == (pytest.approx([1.2]), pytest.approx(0.1**0.5))


@pytest.mark.parametrize("points", [[], [(10, 0.0)], [(10, -1.0)], [(10, float("nan"))]])
def test_nothing_measured_or_an_impossible_time_is_refused(points: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="measured"):
        fit_line(points)


@pytest.mark.parametrize(("points", "known"), [
    ([(n, 1e-3 + 3e-9 * n) for n in SAMPLES], True),
    ([(1e5, 0.9), (1e6, 0.01), (1e7, 0.03)], False),  # the first was disturbed
    ([(1e5, 0.02), (1e6, 0.02), (1e7, 0.02)], False),  # 0.00 ns a sample
])
def test_a_line_that_its_times_do_not_lie_on_is_not_known(points: list[tuple[float, float]], known: bool) -> None:
    assert fit_line(points).is_known is known


@pytest.mark.parametrize(("here", "there", "samples"), [
    (Line(0.1, 3e-9), Line(3.1, 1e-9), 1.5e9),
    (Line(3.1, 3e-9), Line(0.1, 1e-9), 0.0),  # better from the start
    (Line(0.1, 1e-9), Line(3.1, 3e-9), None),
    (Line(0.1, 1e-9), Line(0.1, 1e-9), None),
    (Line(0.2, 1e-9), Line(0.1, 1e-9), 0.0),
])
def test_the_crossover_is_where_two_lines_meet(here: Line, there: Line, samples: float | None) -> None:
    assert here.crossover(there) == (None if samples is None else pytest.approx(samples))
