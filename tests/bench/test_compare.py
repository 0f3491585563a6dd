"""Comparing two results tells a change from noise."""

from __future__ import annotations

import numpy as np
import pytest
from bench_fakes import of, results

from torchfx_cli.bench.compare import LEAST_CHANGE, compare, differences
from torchfx_cli.bench.records import Cell, Measurement

KEY = ("iir", "native", 5.0, 1)


def around(center: float, spread: float, seed: int, count: int = 25) -> tuple[float, ...]:
    return tuple(center * np.random.default_rng(seed).normal(1.0, spread, count))


@pytest.mark.parametrize(("factor", "verdict"), [(1.5, "slower"), (0.5, "faster"), (1.0, "same"), (1.01, "same")])
def test_a_change_outside_the_noise_is_told_and_one_inside_is_not(factor: float, verdict: str) -> None:
    (change,) = compare(results({KEY: around(1.0, 0.05, 1)}), results({KEY: around(factor, 0.05, 2)}))
    assert change.verdict == verdict
    assert change.ratio == pytest.approx(factor, rel=0.05)


def test_the_same_distribution_measured_again_is_rarely_a_change() -> None:
    verdicts = [compare(results({KEY: around(1.0, 0.1, 2 * n)}), results({KEY: around(1.0, 0.1, 2 * n + 1)}))[0].verdict
                for n in range(200)]
    assert verdicts.count("same") >= 190  # the intervals' level is 95 %


def test_a_change_of_a_tenth_drowns_in_noise_of_a_half_but_not_of_a_hundredth() -> None:
    loud = compare(results({KEY: around(1.0, 0.5, 1)}), results({KEY: around(1.1, 0.5, 2)}))[0]
    quiet = compare(results({KEY: around(1.0, 0.01, 1)}), results({KEY: around(1.1, 0.01, 2)}))[0]
    assert (loud.verdict, quiet.verdict) == ("same", "slower")
    assert quiet.words.startswith("1.1")
    assert "slower (noise" in quiet.words


def test_the_noise_of_a_ratio_is_that_of_both_medians() -> None:
    """Of six times the 95 % interval of the median goes from the least to the largest."""
    old, new = (1.0, 1.0, 1.0, 1.0, 1.0, 1.2), (2.0, 2.0, 2.0, 2.0, 2.0, 2.2)
    (change,) = compare(results({KEY: old}), results({KEY: new}))
    assert change.noise == pytest.approx(0.1 + 0.05 * 2.0)


def test_few_times_are_not_believed_to_have_no_noise() -> None:
    (change,) = compare(results({KEY: (1.0,)}), results({KEY: (1.15,)}))
    assert change.verdict == "same"
    assert change.noise > 0.15


def test_identical_times_are_the_same_within_the_least_change() -> None:
    (change,) = compare(results({KEY: (1.0,) * 9}), results({KEY: (1.0 + LEAST_CHANGE / 2,) * 9}))
    assert change.words == "same within 2 %"


def test_cells_of_one_side_only_are_new_or_gone_and_say_why() -> None:
    cell = Cell("fir", "cuda", 5.0, 2)
    without = of((cell, Measurement("unavailable", reason="no CUDA device")))
    measured = of((cell, Measurement("ok", (1.0,) * 5)))
    wrong = of((cell, Measurement("wrong", (1.0,) * 5, "SNR 12 dB")))
    assert compare(without, measured)[0].words == "new: it was unavailable (no CUDA device)"
    assert compare(measured, of())[0].words == "gone: not measured now"
    assert compare(measured, wrong)[0].words == "gone: it is now wrong (SNR 12 dB)"
    assert compare(of(), measured)[0].words == "new: not measured before"


def test_cells_keep_the_order_of_the_new_results() -> None:
    old = results({("iir", "scipy", 5.0, 1): (1.0,), KEY: (1.0,)})
    new = results({KEY: (1.0,), ("fir", "native", 5.0, 1): (1.0,)})
    assert [change.cell.backend for change in compare(old, new)] == ["native", "native", "scipy"]


def test_environments_that_differ_are_told_by_name() -> None:
    old = results({}, torch="2.12.0", when="2026-01-01T00:00:00Z", clock="3000 MHz")
    new = results({}, torch="2.13.0", gpu="NVIDIA H200")
    assert differences(old, new) == ["gpu: none -> NVIDIA H200", "torch: 2.12.0 -> 2.13.0"]
    assert differences(new, new) == []
