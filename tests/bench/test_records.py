"""The figures of a measurement are those of its times; what is wrong has no speed."""

from __future__ import annotations

import numpy as np
import pytest

from torchfx_cli.bench.records import Cell, Measurement, median_precision

TIMES = (4.0, 1.0, 3.0, 2.0, 9.0)


def test_median_least_and_spread_are_those_of_numpy() -> None:
    measurement = Measurement("ok", TIMES)
    low, middle, high = np.percentile(TIMES, (25, 50, 75))
    assert measurement.seconds == middle == 3.0
    assert measurement.least_s == 1.0
    assert measurement.spread == pytest.approx((high - low) / middle)


@pytest.mark.parametrize("status", ["wrong", "failed", "skipped", "unavailable"])
def test_only_a_right_result_has_a_speed(status: str) -> None:
    measurement = Measurement(status, TIMES)  # type: ignore[arg-type]
    assert (measurement.seconds, measurement.least_s, measurement.spread, measurement.precision) == (None,) * 4


def test_a_cell_counts_frames_and_samples() -> None:
    cell = Cell("fir", "native", 1.5, 8)
    assert (cell.frames, cell.samples) == (66_150, 529_200)
    assert Cell("fir", "native", 1e-9, 2).samples == 2


# The ranks (from 1) of the 95 % interval of the median, from the tables of the sign test.
@pytest.mark.parametrize(("count", "rank"), [(6, 1), (8, 1), (9, 2), (11, 2), (12, 3), (15, 4), (20, 6), (25, 8)])
def test_the_interval_of_the_median_has_the_ranks_of_the_sign_test(count: int, rank: int) -> None:
    times = [float(n) for n in range(1, count + 1)]
    half_width = ((count + 1 - rank) - rank) / 2.0
    assert median_precision(times[::-1]) == pytest.approx(half_width / ((count + 1) / 2.0))


@pytest.mark.parametrize("count", range(6))
def test_of_fewer_than_six_times_nothing_is_known(count: int) -> None:
    assert median_precision([1.0] * count) is None
