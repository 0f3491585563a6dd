"""All backends that are here over tiny sizes, and how the budget is divided."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from bench_fakes import Clock, Fake
from bench_fakes import suite as made

from torchfx_cli.bench import end_to_end
from torchfx_cli.bench.backends import NAMES, backend_of
from torchfx_cli.bench.matrix import Purse, cells_of, names_for, run
from torchfx_cli.bench.measure import Rule
from torchfx_cli.bench.records import Cell, Measurement
from torchfx_cli.bench.suites import END_TO_END, Suite, beside, suite_of
from torchfx_cli.errors import Interrupted


def tiny(name: str, *sizes: tuple[float, ...]) -> Suite:
    return replace(suite_of(name), durations_s=sizes[0] if sizes else (0.05,), channels=(1, 3))


@pytest.mark.parametrize("name", ["fir", "iir", "api"])
def test_every_backend_that_is_here_is_right_and_has_a_time(name: str) -> None:
    suite = tiny(name)
    rows = dict(run(cells_of([suite], NAMES), {name: suite}, reps=2))
    assert {cell.backend for cell in rows} == set(NAMES)
    for cell, measurement in rows.items():
        if reason := backend_of(cell.backend).why_not():
            assert measurement == Measurement("unavailable", reason=reason)
        else:
            assert (measurement.status, len(measurement.times_s)) == ("ok", 2), (cell, measurement)
            assert measurement.snr_db is not None
            assert measurement.snr_db > 140.0
            assert measurement.seconds is not None
            assert 0.0 < measurement.seconds < 10.0


def test_a_transfer_function_that_loses_its_digits_is_wrong_and_not_fast() -> None:
    """What `lfilter` does to a filter of high order at a low frequency is known; the column says so."""
    suite = made("highpass:cutoff=30,order=10", duration_s=0.5)
    rows = {cell.backend: measurement for cell, measurement in
            run(cells_of([suite], ["native", "scipy", "scipy-sos"]), {suite.name: suite}, reps=1)}
    assert (rows["native"].status, rows["scipy-sos"].status) == ("ok", "ok")
    assert (rows["scipy"].status, rows["scipy"].times_s) == ("wrong", ())


def test_a_wrong_backend_among_right_ones_is_refused() -> None:
    suite, clock = tiny("iir"), Clock()
    backends = {"native": Fake("native", clock=clock), "cpu": Fake("cpu", clock=clock, spoil=lambda y: np.float16(y))}
    rows = list(run(cells_of([suite], ("native", "cpu")), {"iir": suite}, reps=2, backends=backends))
    assert [(cell.backend, measurement.status) for cell, measurement in rows] == [
        ("native", "ok"), ("cpu", "wrong"), ("native", "ok"), ("cpu", "wrong")]


def test_small_groups_come_first_and_a_group_stays_together() -> None:
    cells = cells_of([tiny("fir", (5.0, 1.0))], ("native", "scipy"))
    assert [(cell.duration_s, cell.channels, cell.backend) for cell in cells] == [
        (duration_s, channels, backend) for duration_s, channels in ((1.0, 1), (1.0, 3), (5.0, 1), (5.0, 3))
        for backend in ("native", "scipy")]


def test_only_torch_has_variants_and_only_process_has_its_backends() -> None:
    cells = cells_of([tiny("api")], ("cpu", "scipy"))
    assert {(cell.backend, cell.label) for cell in cells} == {
        ("cpu", "class"), ("cpu", "sequential"), ("cpu", "pipe"), ("scipy", "")}
    assert {(cell.backend, cell.label) for cell in cells_of([tiny("io")], NAMES)} == {
        ("cuda", END_TO_END), ("native", END_TO_END)}
    assert names_for(suite_of("io"), ("scipy", "cpu")) == ()


CELLS = tuple(Cell("fir", "native", duration_s, 1) for duration_s in (1.0, 2.0, 7.0))


def test_half_of_the_budget_is_for_all_alike_and_half_by_samples() -> None:
    clock = Clock()
    purse = Purse(CELLS, 60.0, None, clock)
    # 60 (0.5 / 3 + 0.5 / 10), then of what is left among those that are left
    assert purse.rule(CELLS[0]) == Rule(None, pytest.approx(13.0), pytest.approx(26.0))
    clock.pass_(40.0)
    assert purse.rule(CELLS[1]).share_s == pytest.approx(20.0 * (0.5 / 2 + 0.5 * 2 / 9))
    last = purse.rule(CELLS[2])
    assert (last.share_s, last.most_s) == (pytest.approx(20.0), pytest.approx(20.0)), "no more than there is"


def test_a_spent_budget_leaves_nothing_and_none_at_all_is_no_limit() -> None:
    clock = Clock()
    purse = Purse(CELLS, 10.0, 3, clock)
    clock.pass_(11.0)
    assert purse.rule(CELLS[0]).share_s == 0.0
    assert Purse(CELLS, math.inf, 50, clock).rule(CELLS[2]) == Rule(50, math.inf, math.inf)


def test_what_does_not_fit_into_the_budget_is_skipped_and_the_rest_is_measured() -> None:
    suite, clock = tiny("iir", (0.05, 30.0)), Clock()
    backends = {name: Fake(name, seconds, clock) for name, seconds in
                {"native": lambda load: 1e-9 * load.samples, "scipy": lambda load: 1e-5 * load.samples}.items()}
    rows = list(run(cells_of([suite], ("native", "scipy")), {"iir": suite}, None, 20.0, backends=backends, now=clock))
    found = {(cell.duration_s, cell.channels, cell.backend): measurement.status for cell, measurement in rows}
    assert {key for key, status in found.items() if status == "skipped"} == {(30.0, 1, "scipy"), (30.0, 3, "scipy")}
    assert {status for key, status in found.items() if key[2] == "native"} == {"ok"}


def test_an_interruption_leaves_what_was_measured_before() -> None:
    suite, rows = tiny("iir"), []
    backends = {"native": Fake("native"), "scipy": Fake("scipy", error=Interrupted(2))}
    with pytest.raises(Interrupted):
        rows.extend(run(cells_of([suite], ("native", "scipy")), {"iir": suite}, 1, backends=backends))
    assert [(cell.backend, measurement.status) for cell, measurement in rows] == [("native", "ok")]


def test_each_cell_is_told_before_it_is_measured() -> None:
    suite, told = tiny("fir"), []
    cells = cells_of([suite], ("native",))
    for cell, _ in run(cells, {"fir": suite}, 1, told=told.append, backends={"native": Fake()}):
        assert told[-1] == cell
    assert tuple(told) == cells


def test_other_programs_stand_in_a_group_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    suite = beside(tiny("fir"), ("sox", "ffmpeg"))
    asked: list[tuple[Cell, ...]] = []

    def rows(cells: tuple[Cell, ...], suite: Suite, rule: Rule) -> list[tuple[Cell, Measurement]]:
        asked.append(cells)
        assert rule.reps == 3
        return [(cell, Measurement("ok", (1.0,))) for cell in cells]

    monkeypatch.setattr(end_to_end, "rows", rows)
    cells = cells_of([suite], NAMES)
    assert tuple(cell for cell, _ in run(cells, {suite.name: suite}, 3)) == cells
    assert [[(cell.backend, cell.channels) for cell in group] for group in asked] == [
        [("sox", 1), ("ffmpeg", 1)], [("sox", 3), ("ffmpeg", 3)]]
