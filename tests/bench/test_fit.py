"""The fit finds the costs that synthetic times were made from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import nnls

from torchfx_cli.bench.fit import Line, fit_line, nonnegative

SAMPLES = (1e4, 1e5, 1e6, 1e7, 1e8)


@given(st.floats(1e-6, 10.0), st.floats(1e-11, 1e-6))
def test_exact_times_give_back_their_fixed_and_per_sample_cost(fixed_s: float, sample_s: float) -> None:
    line = fit_line([(n, fixed_s + sample_s * n) for n in SAMPLES])
    assert [line.seconds(n) for n in SAMPLES] == pytest.approx([fixed_s + sample_s * n for n in SAMPLES], rel=1e-6)
    assert line.error < 1e-6


def test_a_negative_start_is_never_told() -> None:
    line = fit_line([(n, 3e-9 * n**1.1) for n in SAMPLES])  # small files are cheaper a sample than large ones
    assert line.fixed_s == 0.0
    assert line.sample_s > 0.0
    assert line.error > 0.1


def test_times_that_fall_with_length_leave_only_a_fixed_cost() -> None:
    line = fit_line([(1e4, 2.0), (1e6, 1.0)])
    assert line.sample_s == 0.0
    assert line.fixed_s == pytest.approx(1.2)  # least squares of f/2 - 1 and f - 1: f = (1/2 + 1) / (1/4 + 1)


def test_one_length_alone_says_nothing_of_a_start() -> None:
    line = fit_line([(1000, 2e-3), (1000, 2e-3)])
    assert line.fixed_s == 0.0
    assert line.sample_s == pytest.approx(2e-6)


@pytest.mark.parametrize("points", [[], [(10, 0.0)], [(10, -1.0)], [(10, float("nan"))]])
def test_nothing_measured_or_an_impossible_time_is_refused(points: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="measured"):
        fit_line(points)


@given(st.integers(0, 2**32 - 1))
def test_the_non_negative_fit_is_as_good_as_scipys(seed: int) -> None:
    random = np.random.default_rng(seed)
    columns, seconds = random.uniform(0.0, 1.0, (9, 4)) * 10.0 ** random.integers(-3, 3, 4), random.uniform(0.5, 2.0, 9)
    found = nonnegative(columns, seconds)
    relative = columns / seconds[:, None]
    _, residual = nnls(relative, np.ones(9))
    assert (found >= 0.0).all()
    assert np.linalg.norm(relative @ found - 1.0) == pytest.approx(residual, rel=1e-9, abs=1e-12)


def test_columns_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="due"):
        nonnegative([[1.0], [2.0]], [1.0])


@pytest.mark.parametrize(("here", "there", "samples"), [
    (Line(0.1, 3e-9), Line(3.1, 1e-9), 1.5e9),
    (Line(3.1, 3e-9), Line(0.1, 1e-9), 0.0),  # better from the start
    (Line(0.1, 1e-9), Line(3.1, 3e-9), None),
    (Line(0.1, 1e-9), Line(0.1, 1e-9), None),
    (Line(0.2, 1e-9), Line(0.1, 1e-9), 0.0),
])
def test_the_crossover_is_where_two_lines_meet(here: Line, there: Line, samples: float | None) -> None:
    found = here.crossover(there)
    assert found is None if samples is None else found == pytest.approx(samples)
    if samples:
        assert here.seconds(samples) == pytest.approx(there.seconds(samples))
