"""Advice follows from costs: made-up costs with known crossings, then one tiny run of the real thing."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from torchfx_cli.bench import advise as advising
from torchfx_cli.bench import calibrate, candidates, timings
from torchfx_cli.bench.advise import Advice, Candidate, Question
from torchfx_cli.bench.fit import Line
from torchfx_cli.bench.suites import written
from torchfx_cli.errors import DesignError, RunError
from torchfx_cli.render.costs import BackendCost, Work, predict

CHAIN = written(("highpass:80", "gain:-3"))
NATIVE = Candidate("native", "cpu", 0.2, Line(0.002, 5e-9))
CUDA = Candidate("torch", "cuda", 3.2, Line(0.002, 1e-9))
TORCH = Candidate("torch", "cpu", 2.2, Line(0.010, 9e-9))
MISSING = Candidate("torch", "cuda", reason="no NVIDIA driver")


def question(duration_s: float = 60.0, files: int = 1, channels: int = 1) -> Question:
    return Question(*CHAIN, 50_000, channels, duration_s, files)


@pytest.mark.parametrize(("asked", "best"), [
    (question(60.0), "native on cpu"),  # 3e6 samples: 0.217 s against 3.205 s
    (question(15_000.0, channels=2), "cuda"),  # 1.5e9 samples: 7.7 s against 4.7 s
    (question(60.0, files=10_000), "cuda"),  # as many small ones
])
def test_the_candidate_that_ends_first_wins(asked: Question, best: str) -> None:
    ranked = advising.ranked([MISSING, TORCH, CUDA, NATIVE], asked)
    assert ranked[0].name == best
    assert ranked[-1] is MISSING


def test_a_candidates_time_is_start_and_files_and_samples_over_its_speedup() -> None:
    one = Candidate("native", "cpu", 0.5, Line(0.01, 2e-9), speedup=4.0)
    assert one.seconds(question(100.0, files=8)) == pytest.approx(0.5 + 8 / 4 * (0.01 + 2e-9 * 5e6))
    assert one.seconds(question(100.0, files=1)) == pytest.approx(0.5 + 0.01 + 2e-9 * 5e6)  # one file has no company


@pytest.mark.parametrize(("best", "other", "duration_s", "words"), [
    # 0.2 + 5e-9 n = 3.2 + 1e-9 n at n = 7.5e8 samples, 15000 s at 50 kHz
    (NATIVE, CUDA, 60.0, "cuda ends sooner from 4.17 h a file on"),
    (CUDA, NATIVE, 60_000.0, "native on cpu ends sooner below 4.17 h a file"),
    (NATIVE, TORCH, 60.0, "torch on cpu never ends sooner, however long the files"),
])
def test_the_crossover_in_length_is_where_both_end_together(best: Candidate, other: Candidate, duration_s: float,
                                                            words: str) -> None:
    assert advising.crossover_words(best, other, question(duration_s)) == words
    n = 15_000.0 * 50_000
    assert NATIVE.whole(1).seconds(n) == pytest.approx(CUDA.whole(1).seconds(n))


def test_the_number_of_files_from_which_another_wins_is_exact() -> None:
    slow_start = Candidate("torch", "cuda", 3.2, Line(0.001, 5e-9))
    at = advising._files_from(NATIVE, slow_start, question())
    assert at == 3000  # 3.0 s of start over 1 ms a file
    for files, sooner in ((at - 1, False), (at + 1, True)):
        asked = question(files=files)
        assert (slow_start.seconds(asked) < NATIVE.seconds(asked)) is sooner
    assert advising.crossover_words(NATIVE, slow_start, question()) == "cuda ends sooner from 3000 such files on"


def test_what_is_within_the_noise_is_not_advised() -> None:
    near = Candidate("torch", "cpu", 0.2, Line(0.002, 4.8e-9))
    assert advising.ranked([NATIVE, near], question())[0] is NATIVE, "3 % are no reason for another engine"
    words = advising.words(Advice(question(), (NATIVE, near), None, ((None, 1.0),)))
    assert words == ["use: --device cpu", "torch on cpu is as fast within the noise of 10 %",
                     "--chunk: leave it out, nothing tried was faster"]
    clearly = Candidate("torch", "cpu", 0.2, Line(0.002, 3e-9))
    assert advising.ranked([NATIVE, clearly], question(600.0))[0] is clearly


@pytest.mark.usefixtures("brief")
def test_times_that_make_no_line_are_measured_again_and_then_told(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "LENGTHS", (1 << 10, 1 << 12, 1 << 14))
    bench = candidates.Bench(question(), tmp_path)
    monkeypatch.setattr(bench, "_seconds", lambda *a: 0.02)
    found = bench.measured(Candidate("native", "cpu"), starts=False)
    assert found.reason == ("its times make no line (0.00 ns a sample, 0 % off): the machine is busy; try again")
    late = iter([9.0, 0.01])  # the shortest was disturbed in the first try alone
    monkeypatch.setattr(bench, "_seconds", lambda _, samples: next(late, None) or 1e-6 * samples)
    found = bench.measured(Candidate("native", "cpu"), starts=False)
    assert (found.reason, found.line.sample_s) == ("", pytest.approx(1e-6, rel=0.1))


def test_jobs_are_the_fewest_that_are_within_the_noise_of_the_best() -> None:
    assert advising.choose_jobs([(1, 4.0), (2, 2.1), (4, 2.0), (8, 2.2)]) == (2, pytest.approx(4.0 / 2.1))
    assert advising.choose_jobs([(1, 4.0), (2, 3.9)]) == (1, 1.0)


def test_a_chunk_is_advised_only_where_it_is_worth_it() -> None:
    assert advising.choose_chunk([(None, 1.0), (0.1, 0.95), (1.0, 1.2)]) is None
    assert advising.choose_chunk([(None, 1.0), (0.1, 0.8), (1.0, 0.7)]) == 1.0


def test_the_advice_is_the_options_to_write_and_why() -> None:
    chunks, batches = ((None, 2.0), (0.5, 1.0)), ((1, 2.0), (2, 1.0))
    advice = Advice(question(files=12), (NATIVE, CUDA, MISSING), 0.5, chunks, 2, batches)
    words = advising.words(advice)
    assert words[0] == "use: --device cpu --chunk 0.5 --jobs 2"
    assert "--chunk 0.5: 2.00 times as fast as without" in words
    assert "--jobs 2: 2.00 times as fast as one file at a time" in words
    table = advising.table(advice)
    assert table[1] == ("native on cpu", "0.2 s", "2 ms", "5.00 ns", "0.404 s")
    assert table[3][-1] == "not here: no NVIDIA driver"


def test_for_one_file_jobs_are_not_mentioned() -> None:
    advice = Advice(question(), (NATIVE,), None, ((None, 1.0), (0.1, 1.05), (1.0, 1.05)))
    assert advising.words(advice) == [
        "use: --device cpu", "--chunk: leave it out, nothing tried was faster; 0.1 s to 1 s are as fast"]


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that are as short as can be: what is tested is that they happen, not how long they take."""
    monkeypatch.setattr(candidates, "LENGTHS", (1 << 10, 1 << 12))
    monkeypatch.setattr(candidates, "CHUNKS", (1 << 9,))
    monkeypatch.setattr(candidates, "STARTS", 1)
    monkeypatch.setattr(calibrate, "MOST_ERROR", math.inf)
    monkeypatch.setattr(timings, "LEAST_REPS", 1)
    monkeypatch.setattr(candidates, "BUDGET_S", 1e-9)


@pytest.mark.usefixtures("brief")
def test_advice_is_measured_from_real_files() -> None:
    told: list[str] = []
    asked = Question(*CHAIN, 8000, 2, 1.0, files=3)
    advice = advising.advise(asked, told.append, (Candidate("native", "cpu"), Candidate("torch", "cuda:99")))
    assert told == ["files at a time", "native on cpu", "cuda:99", "chunks"]
    assert advice.best.name == "native on cpu"
    assert advice.best.start_s > 0.05  # no interpreter starts sooner
    assert advice.best.line.seconds(16_000) > 0.0
    assert [jobs for jobs, _ in advice.batches] == sorted({1, *(jobs for jobs, _ in advice.batches)})
    assert {chunk for chunk, _ in advice.chunks} == {None, 0.032}  # 512 samples of 2 x 8 kHz
    assert advice.candidates[1].reason.startswith("no CUDA device")
    assert advising.words(advice)[0].startswith("use: --device cpu")


@pytest.mark.usefixtures("brief")
def test_where_nothing_can_do_it_the_reason_is_told() -> None:
    with pytest.raises(RunError, match="nothing here can do it: cuda:99: no CUDA device"):
        advising.advise(question(), candidates=(Candidate("torch", "cuda:99"),))


def test_a_chain_that_cannot_be_at_this_rate_is_refused_first(tmp_path: Path) -> None:
    with pytest.raises(DesignError, match="half"):
        candidates.Bench(Question(*written(("lowpass:9000",)), 8000), tmp_path)


def test_calibration_finds_the_costs_that_times_were_made_from() -> None:
    true = BackendCost(0.3, 2e-3, 4e-9, 1.1e-9, 0.6e-9)
    works = [Work(samples, 1, sections, taps) for samples in (1 << 16, 1 << 21)
             for sections, taps in ((0, 0), (2, 0), (20, 0), (0, 127), (0, 4095))]
    found = calibrate.fitted("native", 0.3, [(work, predict(true, work) - true.start_s) for work in works])
    assert found.cost is not None
    assert [found.cost.start_s, found.cost.file_s, found.cost.sample_s, found.cost.section_s, found.cost.octave_s] == \
        pytest.approx([0.3, 2e-3, 4e-9, 1.1e-9, 0.6e-9], rel=1e-6)
    assert found.error < 1e-9


@pytest.mark.usefixtures("brief")
def test_calibration_of_what_is_here_can_be_saved_and_of_what_is_not_says_why() -> None:
    found = calibrate.calibrate(lengths=(1 << 10, 1 << 12), backends={
        "native": Candidate("native", "cpu"), "cuda": Candidate("torch", "cuda:99")})
    costs = calibrate.costs_of(found)
    assert list(costs) == ["native"]
    assert predict(costs["native"], Work(1 << 20, 10)) > 0.0
    assert calibrate.table(found)[2][-1].startswith("not here: no CUDA device")
