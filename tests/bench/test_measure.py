"""A cell is timed where its result is right; what is wrong, absent, too large or too long has no time."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from bench_fakes import Fake

from torchfx_cli.bench import measure as measuring
from torchfx_cli.bench import memory
from torchfx_cli.bench.accuracy import LEAST_DB, truth_of
from torchfx_cli.bench.backends import Between, Prepared
from torchfx_cli.bench.loads import Load, load_of
from torchfx_cli.bench.measure import PROBES, Rule, measure
from torchfx_cli.bench.records import Measurement
from torchfx_cli.bench.suites import suite_of
from torchfx_cli.errors import Interrupted, ReadError

LOAD = load_of(suite_of("iir"), 0.05, 2)
TRUTH = partial(truth_of, LOAD)


def test_a_right_result_is_timed_after_one_run_to_warm_up() -> None:
    backend = Fake(seconds=lambda load: 0.25)
    found = measure(backend, LOAD, TRUTH, Rule(reps=4))
    assert found == Measurement("ok", pytest.approx((0.25,) * 4), "", math.inf, found.host_mb)
    assert len(backend.runs) == 5


def one_sample(result: Any, off: float) -> Any:
    result[0, -1] += off
    return result


@pytest.mark.parametrize(("spoil", "said"), [
    (lambda y: y.astype(np.float16), "dB against float64 SciPy; 140 dB is the least"),
    (lambda y: one_sample(y, 1e-3), "dB against float64 SciPy"),
    (lambda y: one_sample(y, np.nan), "nothing like it against float64 SciPy"),
    (lambda y: y[:, 1:], "nothing like it"),
    (lambda y: 0.0 * y, "0 dB against float64 SciPy"),
], ids=["float16", "one sample", "NaN", "short", "silence"])
def test_a_wrong_result_shows_no_speed(spoil: Any, said: str) -> None:
    backend = Fake(spoil=spoil)
    found = measure(backend, LOAD, TRUTH, Rule(reps=4))
    assert (found.status, found.times_s, found.seconds) == ("wrong", (), None)
    assert said in found.reason
    assert found.snr_db is not None
    assert found.snr_db < LEAST_DB
    assert len(backend.runs) == 1, "what is wrong is not worth repeating"


def test_what_is_not_here_is_said_and_nothing_is_run() -> None:
    backend = Fake(absent="no CUDA device (no NVIDIA driver)")
    found = measure(backend, LOAD, TRUTH, Rule())
    assert found == Measurement("unavailable", reason="no CUDA device (no NVIDIA driver)")
    assert backend.runs == []


@pytest.mark.parametrize(("error", "status", "reason"), [
    (RuntimeError("CUDA error: no kernel image\nmore"), "failed", "RuntimeError: CUDA error: no kernel image"),
    (ReadError("in.wav: ends early"), "failed", "ReadError: in.wav: ends early"),
    (ValueError(), "failed", "ValueError"), (MemoryError(), "skipped", "out of memory"),
    (RuntimeError("CUDA out of memory. Tried to allocate"), "skipped", "out of memory on the device"),
])
def test_a_backend_that_breaks_is_a_row_and_not_the_end(error: Exception, status: str, reason: str) -> None:
    found = measure(Fake(error=error), LOAD, TRUTH, Rule())
    assert (found.status, found.reason, found.times_s) == (status, reason, ())


@pytest.mark.parametrize("stop", [Interrupted(2), KeyboardInterrupt()])
def test_an_interruption_is_the_end(stop: BaseException) -> None:
    with pytest.raises(type(stop)):
        measure(Fake(error=stop), LOAD, TRUTH, Rule())


def test_what_does_not_fit_into_memory_is_skipped_before_any_sound_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 2e9)
    backend, load = Fake(), load_of(suite_of("fir"), 86_400.0, 1024)
    backend.host_bytes_a_sample = 12.0
    found = measure(backend, load, partial(truth_of, load), Rule())
    needed_gb = 12e-9 * 86_400 * 44_100 * 1024
    assert (found.status, found.reason) == ("skipped", f"needs about {needed_gb:.1f} GB of memory; 2.0 GB are free")
    assert "sound" not in vars(load)
    assert backend.runs == []


def test_a_full_device_is_told_apart() -> None:
    class Small(Fake):
        def device_bytes(self, load: Load, label: str = "") -> float:
            return 9e9

        def device_free_bytes(self) -> float:
            return 10e9

    found = measure(Small("cuda"), LOAD, TRUTH, Rule())
    assert (found.status, found.reason) == ("skipped", "needs about 9.0 GB on cuda; 10.0 GB are free")


def test_what_would_take_too_long_is_predicted_from_short_runs_and_skipped() -> None:
    load = load_of(suite_of("iir"), 20.0, 2)
    backend = Fake(seconds=lambda load: 0.001 + 1e-6 * load.samples)
    found = measure(backend, load, partial(truth_of, load), Rule(share_s=1.0, most_s=1.5))
    assert found.status == "skipped"
    # 0.001 + 20 * 2 * 44100 * 1e-6 s
    assert found.reason == "would take about 1.8 s; 1.5 s are its share of the budget (--budget gives more)"
    assert max(backend.runs) <= PROBES[-1] // 2


def test_where_the_budget_is_enough_for_one_run_only_that_one_is_the_time() -> None:
    load = load_of(suite_of("iir"), 20.0, 2)
    backend = Fake(seconds=lambda load: 0.001 + 1e-6 * load.samples)
    found = measure(backend, load, partial(truth_of, load), Rule(share_s=1.0, most_s=2.0))
    assert (found.status, found.times_s) == ("ok", (pytest.approx(0.001 + 1e-6 * load.samples),))
    assert backend.runs.count(load.frames) == 1


class Slower(Fake):
    """Says of every run that it took no time, while it really takes `real_s`, as on a busy machine."""

    real_s = 0.03

    def prepare(self, load: Load, label: str = "") -> Prepared:
        prepared = super().prepare(load, label)

        def run(between: Between) -> Any:
            if load is LOAD:
                time.sleep(self.real_s)
            return prepared.run(between)

        return replace(prepared, run=run)


def test_a_run_that_takes_more_than_the_budget_allows_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "SHORT_S", 0.0)
    found = measure(Slower(), LOAD, TRUTH, Rule(share_s=0.01, most_s=0.02))
    assert found == Measurement(
        "skipped", reason="was ended after 0.02 s, its share of the budget (--budget gives more)")
    found = measure(Slower(), LOAD, TRUTH, Rule(share_s=0.03, most_s=0.1))
    assert found.status == "ok"
    assert 1 <= len(found.times_s) <= 3, "what was timed before is kept"


def test_more_repetitions_need_more_of_the_budget() -> None:
    load = load_of(suite_of("iir"), 20.0, 2)
    backend = Fake(seconds=lambda load: 1e-7 * load.samples)
    found = measure(backend, load, partial(truth_of, load), Rule(reps=100, share_s=2.0, most_s=4.0))
    assert found.reason.startswith("would take about 18 s; 4 s are its share of the budget")


def test_a_spent_budget_is_said() -> None:
    found = measure(Fake(), LOAD, TRUTH, Rule(share_s=0.0, most_s=0.0))
    assert found == Measurement("skipped", reason="the budget is spent (--budget gives more)")


def test_a_fixed_cost_is_not_taken_for_a_slope() -> None:
    load = load_of(suite_of("iir"), 600.0, 8)
    assert measuring.predicted_s(Fake(seconds=lambda load: 0.1), load, "") == pytest.approx(0.1)


def test_the_peak_of_memory_is_what_was_taken_on_top() -> None:
    with memory.HostPeak() as peak:
        taken = np.ones(8_000_000)
        del taken
    if peak.megabytes is None:
        pytest.skip("this system does not tell the peak of a process")
    assert 60.0 < peak.megabytes < 90.0


def test_the_room_of_a_control_group_counts(tmp_path: Any) -> None:
    assert memory._group_room(tmp_path) == math.inf
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("400\n")
    assert memory._group_room(tmp_path) == 600.0
    (tmp_path / "memory.max").write_text("max\n")
    assert memory._group_room(tmp_path) == math.inf
