"""How often a run is repeated, on clocks that only the runs turn; and programs, which fail and take too long."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import pytest
from bench_fakes import Clock

from torchfx_cli.bench import timings
from torchfx_cli.bench.records import median_precision
from torchfx_cli.bench.timings import LEAST_REPS, PRECISION, fresh, in_turn, median_seconds, repeat, run_process
from torchfx_cli.errors import RunError


def of_times(times: list[float], **rule: Any) -> tuple[float, ...]:
    """`repeat` over times that are known, on a clock that they turn."""
    clock, left = Clock(), iter(times)

    def timed() -> float:
        seconds = next(left)
        clock.pass_(seconds)
        return seconds

    return repeat(timed, rule.pop("budget_s", math.inf), now=clock, **rule)


def test_equal_times_are_enough_when_there_are_six_of_them() -> None:
    assert of_times([1.0] * 50) == (1.0,) * LEAST_REPS


def test_it_goes_on_until_the_median_is_known() -> None:
    times = np.random.default_rng(3).normal(1.0, 0.05, 500).tolist()
    taken = of_times(times)
    assert taken == tuple(times[: len(taken)])
    assert len(taken) > LEAST_REPS
    known = [(median_precision(times[:n]) or math.inf) <= PRECISION for n in range(1, len(taken) + 1)]
    assert known == [False] * (len(taken) - 1) + [True]


def test_the_budget_ends_it_before() -> None:
    assert len(of_times([1.0, 2.0] * 50, budget_s=20.0)) == 14  # the 14th ends at 21 s
    assert len(of_times([30.0] * 5, budget_s=1.0)) == 1


def test_short_runs_are_done_six_times_whatever_the_budget() -> None:
    assert len(of_times([0.001, 0.002] * 50, budget_s=0.0)) == LEAST_REPS
    assert len(of_times([0.2, 0.4] * 50, budget_s=0.0)) == 3


def test_a_run_that_was_disturbed_is_not_the_median_of_one() -> None:
    assert of_times([0.8, 0.007, 0.02] * 9, budget_s=0.3) == (0.8, 0.007, 0.02)


@pytest.mark.parametrize("reps", [1, 2, 50])
def test_reps_are_exactly_so_many(reps: int) -> None:
    assert len(of_times([1.0, 2.0] * 50, reps=reps, budget_s=0.0)) == reps


def test_times_that_never_settle_end_somewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timings, "MOST_REPS", 40)
    assert len(of_times([1.0, 9.0] * 40)) == 40


@pytest.mark.parametrize(("times", "budget_s", "median_s", "calls"), [
    ([0.05, 0.01, 0.03, 0.02, 0.02, 0.04, 0.02, 9.0], 0.08, 0.02, 7),  # the first is to warm up
    ([5.0, 1.0], 0.3, 5.0, 1),  # what is longer than the budget is not done again
])
def test_the_median_is_of_the_runs_after_the_first(times: list[float], budget_s: float, median_s: float, calls: int
                                                   ) -> None:
    clock, left = Clock(), iter(times)
    assert median_seconds(lambda: clock.pass_(next(left)), budget_s, clock) == pytest.approx(median_s)
    assert len(times) - len(list(left)) == calls


def test_calls_are_made_in_turn_after_one_of_each_to_warm_up() -> None:
    made: list[str] = []
    found = in_turn({name: lambda name=name: made.append(name) or len(made) for name in "ab"}, 2,  # type: ignore[misc]
                    before=lambda name: made.append(f"before {name}"))
    assert [name for name in made if len(name) == 1] == ["a", "b"] * 3
    assert made[:4] == ["before a", "a", "before b", "b"]
    assert found == {"a": [6, 10], "b": [8, 12]}
    assert in_turn({"a": lambda: 1}, 2, warm_up=False) == {"a": [1, 1]}


def test_a_program_is_timed_with_its_memory_and_what_it_wrote() -> None:
    run = run_process([sys.executable, "-c", "import sys, time; b = b'x' * 50_000_000; time.sleep(0.1); "
                       "print(sys.stdin.read())"], b"told")
    assert run.output == b"told\n"
    assert 0.1 < run.seconds < 20.0
    assert run.peak_mb == 0.0 or 50.0 < run.peak_mb < 150.0


@pytest.mark.parametrize(("command", "said"), [
    ([sys.executable, "-c", "import time; time.sleep(20)"], r"took longer than 0\.2 s"),
    (["no-such-program"], "no-such-program: No such file"),
    ([sys.executable, "-c", "import sys; print('first', file=sys.stderr); sys.exit('no such filter')"],
     "failed: no such filter$"),
])
def test_a_program_that_fails_takes_too_long_or_is_not_there_is_told(command: list[str], said: str) -> None:
    with pytest.raises(RunError, match=said):
        run_process(command, longest_s=0.2 if "sleep" in command[-1] else 20.0)


def test_a_fresh_process_knows_nothing_of_what_is_loaded_here() -> None:
    import hypothesis  # noqa: F401

    assert fresh(is_loaded, "hypothesis") is False
    assert fresh(is_loaded, "sys") is True


def is_loaded(name: str) -> bool:
    return name in sys.modules
