"""The io suite times real runs; its parts are told apart by a clock that the test owns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bench_chains import chain

from torchfx_cli.bench import io_suite, probe
from torchfx_cli.bench.chainfile import write_chain
from torchfx_cli.chain.parse import load_chain
from torchfx_cli.chain.spec import ChainSpec, design_chain
from torchfx_cli.design.stages import Gain, Sections, Taps, response
from torchfx_cli.effects.normalize import Normalize
from torchfx_cli.errors import RunError
from torchfx_cli.stream.reader import open_source

FS = 8000
CHAIN = chain("highpass:80", "fir:lowpass=3000,taps=63,align=true", "invert", "gain:-2")


def test_a_file_is_timed_from_a_cold_start_and_in_its_parts() -> None:
    times = io_suite.measure(io_suite.Task(CHAIN, fs=FS, channels=2, duration_s=0.5), repeats=1)
    assert list(times) == ["end to end", "start-up", "read", "compute", "write"]
    assert all(len(seconds) == 1 and seconds[0] > 0.0 for seconds in times.values())


def test_parts_are_rows_of_results_and_what_cannot_be_had_is_a_row_with_the_reason(
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(io_suite, "measure", lambda task, repeats: {"end to end": (3.0, 2.0), "read": (1.0, 1.0)})
    (whole, time), (read, _) = io_suite.rows(io_suite.Task(CHAIN, duration_s=5.0))
    assert (whole.suite, whole.backend, whole.label, whole.duration_s) == ("io", "native", "end to end", 5.0)
    assert (time.times_s, read.label) == ((3.0, 2.0), "read")
    ((_, missing),) = io_suite.rows(io_suite.Task(CHAIN, device="cuda:99"))
    assert missing.status == "unavailable"
    assert missing.reason.startswith("no CUDA device")


def test_a_run_that_fails_is_a_row_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(task: io_suite.Task, repeats: int) -> None:
        raise RunError("disk full")

    monkeypatch.setattr(io_suite, "measure", fail)
    ((_, failed),) = io_suite.rows(io_suite.Task(CHAIN))
    assert (failed.status, failed.reason) == ("failed", "disk full")


def test_a_users_own_file_is_read_and_left_as_it_is(tmp_path: Path) -> None:
    source = probe.write_noise(tmp_path / "mine.wav", FS, 1, 100)
    before = source.read_bytes()
    io_suite.measure(io_suite.Task(CHAIN, fs=FS, channels=1, source=source), repeats=1)
    assert source.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["mine.wav"]


def test_time_goes_to_the_part_that_spent_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that moves 1 s a look: so every call takes 1 s, and the parts are the numbers of calls."""
    ticks = iter(range(10**6))
    monkeypatch.setattr(io_suite.time, "perf_counter", lambda: float(next(ticks)))
    source = probe.write_noise(tmp_path / "in.wav", FS, 2, 3 * (1 << 16))
    spent = io_suite.parts(CHAIN, "cpu", source, tmp_path / "out.wav")
    assert spent["read"] == 4  # three blocks, and the end
    assert spent["compute"] == 3 + 2  # three blocks, the frames held back by the FIR, and the end
    assert spent["write"] == 3 + 1 + 1  # four blocks, and the commit
    assert not (tmp_path / "out.wav").exists()


def test_a_chain_that_reads_twice_has_no_parts(tmp_path: Path) -> None:
    source = probe.write_noise(tmp_path / "in.wav", FS, 1, 10)
    with pytest.raises(RunError, match="reads the file twice"):
        io_suite.parts(chain("normalize:-1"), "cpu", source, tmp_path / "out.wav")


def test_a_run_that_fails_says_what_the_program_said() -> None:
    with pytest.raises(RunError, match=r"failed: torchfx: error: .*--device"):
        io_suite.measure(io_suite.Task(CHAIN, device="nonsense", fs=FS, duration_s=0.1), repeats=1)


@pytest.mark.parametrize("spec", [
    CHAIN, chain("notch:50", "invert"), chain("normalize:-1", "gain:3"), chain("fir:lowpass=3000,taps=62"),
], ids=lambda spec: spec.stages[0].kind)
def test_a_chain_file_of_designed_stages_gives_the_same_filters(spec: ChainSpec, tmp_path: Path) -> None:
    stages = design_chain(spec, FS)
    again = design_chain(load_chain(write_chain(stages, FS, tmp_path / "chain.yaml")), FS)
    hz = np.linspace(1.0, FS / 2, 50)
    np.testing.assert_allclose(response(again, hz, FS), response(stages, hz, FS), rtol=1e-13)
    for mine, theirs in zip((s for s in stages if isinstance(s, Sections)),
                            (s for s in again if isinstance(s, Sections)), strict=True):
        np.testing.assert_array_equal(mine.sos, theirs.sos)
    for kind in (Taps, Normalize):
        assert [s.delay_frames if isinstance(s, Taps) else s.peak for s in stages if isinstance(s, kind)] == \
            pytest.approx([s.delay_frames if isinstance(s, Taps) else s.peak for s in again if isinstance(s, kind)])


def test_a_delay_that_a_chain_file_cannot_say_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot say: remove 3 frames of 63 taps"):
        write_chain((Taps(np.ones(63), 3), Gain(1.0)), FS, tmp_path / "chain.yaml")


def test_the_noise_is_as_long_and_loud_as_it_is_said_to_be(tmp_path: Path) -> None:
    path = probe.write_noise(tmp_path / "noise.wav", FS, 3, 70_000)
    with open_source(path) as source:
        facts = source.facts
        samples = np.concatenate(list(source.blocks(1 << 16)))
    assert (facts.fs, facts.channels, facts.subtype, samples.shape) == (FS, 3, "PCM_16", (70_000, 3))
    assert -probe.LEVEL <= samples.min() < -0.99 * probe.LEVEL
    assert 0.99 * probe.LEVEL < samples.max() < probe.LEVEL


class Clock:
    """Time that passes only where a test says so."""

    def __init__(self, *durations_s: float) -> None:
        self.now_s, self._durations = 0.0, list(durations_s)
        self.calls = 0

    def call(self) -> None:
        self.now_s += self._durations[min(self.calls, len(self._durations) - 1)]
        self.calls += 1


@pytest.mark.parametrize(("durations_s", "budget_s", "median_s", "calls"), [
    ((0.05, 0.01, 0.03, 0.02, 0.02), 0.08, 0.02, 5),  # the first is to warm up; 0.01 + 0.03 + 0.02 + 0.02 is the budget
    ((0.2, 0.1), 0.25, 0.1, 4),  # three runs at least
    ((5.0, 1.0), 0.3, 5.0, 1),  # what is longer than the budget is not done again
])
def test_the_median_is_of_the_runs_that_fit_the_budget(
        durations_s: tuple[float, ...], budget_s: float, median_s: float, calls: int) -> None:
    clock = Clock(*durations_s)
    assert probe.median_seconds(clock.call, budget_s, lambda: clock.now_s) == pytest.approx(median_s)
    assert clock.calls == calls


def test_a_process_that_takes_too_long_or_is_not_there_is_told() -> None:
    import sys

    with pytest.raises(RunError, match=r"took longer than 0\.2 s"):
        probe.run_process([sys.executable, "-c", "import time; time.sleep(20)"], longest_s=0.2)
    with pytest.raises(RunError, match="no-such-program: No such file"):
        probe.run_process(["no-such-program"])


def test_a_fresh_process_knows_nothing_of_what_is_loaded_here() -> None:
    import hypothesis  # noqa: F401

    assert probe.fresh(loaded, "hypothesis") is False
    assert probe.fresh(loaded, "sys") is True


def loaded(name: str) -> bool:
    import sys

    return name in sys.modules
