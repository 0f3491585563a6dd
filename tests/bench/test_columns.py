"""Ratios to others: measured where both were, marked where SciPy's follows from another length."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench_fakes import of, results

from torchfx_cli.bench import tables
from torchfx_cli.bench.columns import NARROW, PLACE, headers, rows_of, shown, words
from torchfx_cli.bench.environment import Waiting
from torchfx_cli.bench.records import Cell, Measurement

TIMES = {("fir", "scipy", 5.0, 8): (1.0,) * 6, ("fir", "scipy", 60.0, 8): (6.0,) * 6,
         ("fir", "native", 60.0, 8): (0.5,) * 6, ("fir", "native", 600.0, 8): (10.0,) * 6,
         ("fir", "native", 600.0, 1): (10.0,), ("iir", "native", 600.0, 8): (10.0, 11.0),
         ("fir", "cpu", 60.0, 8): (2.0,) * 6, ("fir", "cuda", 60.0, 8): (0.1,) * 6}


def told() -> dict[tuple[str, float, int, str], dict[str, str]]:
    rows = rows_of(results(TIMES))
    return {(row.cell.suite, row.cell.duration_s, row.cell.channels, row.cell.backend):
            dict(zip(headers(NARROW), words(row, NARROW), strict=True)) for row in rows}


def test_a_length_that_scipy_was_not_measured_at_has_a_ratio_from_the_nearest_one() -> None:
    found = told()
    assert found["fir", 60.0, 8, "native"]["x SciPy"] == "12"
    assert found["fir", 600.0, 8, "native"]["x SciPy"] == "~6"  # 6 s at 60 s, so 60 s at 600 s
    assert found["fir", 600.0, 1, "native"]["x SciPy"] == "-", "other channels are other work"
    assert found["iir", 600.0, 8, "native"]["x SciPy"] == "-"


def test_a_gpu_stands_beside_the_fastest_backend_of_the_cpu() -> None:
    found = told()
    assert found["fir", 60.0, 8, "cuda"]["x CPU"] == "5"
    assert {row["x CPU"] for key, row in found.items() if key[3] != "cuda"} == {"-"}
    without = rows_of(results({key: value for key, value in TIMES.items() if key[1] != "cuda"}))
    assert "gpu_gain" in shown(NARROW, rows_of(results(TIMES)))
    assert "gpu_gain" not in shown(NARROW, without)


def test_too_few_runs_are_told_instead_of_a_spread() -> None:
    found = told()
    assert found["fir", 600.0, 1, "native"]["spread"] == "1 run"
    assert found["iir", 600.0, 8, "native"]["spread"] == "2 runs"
    assert found["fir", 600.0, 8, "native"]["spread"] == "0.0 %"


def test_the_legend_tells_what_occurs() -> None:
    found = results(TIMES)
    lines = tables.legend(rows_of(found), tables.fastest(found), {"fir": "five filters"})
    assert "~  SciPy's time is that of 60 s, multiplied by the length" in lines
    assert "cuda  torch on the GPU, the sound already there" in lines
    assert any(line.startswith("1 run  ") for line in lines)
    assert tables.legend(rows_of(of((Cell("x", "native", 1.0, 1), Measurement("skipped")))), set(), {}) == []
    assert len(PLACE) == 3


@pytest.mark.parametrize(("before", "after", "said"), [
    ("1000 500 3", "2000 1500 9", "50 % of the time for a core"),
    ("1000 500 3", "2000 520 9", ""),
    ("1000 500 3", "1000 500 3", ""),
    ("not a number", "at all", ""),
])
def test_a_thread_that_waits_for_a_core_is_on_a_busy_machine(tmp_path: Path, before: str, after: str,
                                                             said: str) -> None:
    file = tmp_path / "schedstat"
    file.write_text(before)
    waiting = Waiting(file)
    file.write_text(after)
    assert waiting.words() == said
    assert Waiting(tmp_path / "missing").words() == ""
