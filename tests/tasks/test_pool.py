"""Workers that do bundles: what one does not finish is done file by file, and each file is told of once."""

from __future__ import annotations

import faulthandler
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from torchfx_cli.chain.parse import join
from torchfx_cli.tasks import journal, pool, workers
from torchfx_cli.tasks.bundle import process_one
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.local import run_jobs
from torchfx_cli.tasks.onefile import RunObserver, process_file
from torchfx_cli.tasks.pool import take_bundle
from torchfx_cli.tasks.report import FileResult, Report, failed
from torchfx_cli.tasks.workers import Task

FS = 8000
SETTINGS = Settings(join([], ["highpass:cutoff=80,order=2"]), engine="native", device="cpu")


@pytest.fixture
def batch(tmp_path: Path) -> list[Job]:
    """Seven different files of an eighth of a second, to go into out/."""
    root, jobs = tmp_path / "out", []
    for number in range(7):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, np.random.default_rng(number).uniform(-0.3, 0.3, FS // 8 + number), FS)
        jobs.append(Job(path, root / path.name, root=root))
    return jobs


class Ear(RunObserver):
    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    def started(self, job: Job) -> None:
        self.heard.append((job.source.name, "started"))

    def finished(self, job: Job, result: FileResult) -> None:
        self.heard.append((job.source.name, result.status))


class Troubled:
    """Stands in for `process_bundle`: does one file after the other, and at 2.wav its `deed`, the first `times`."""

    def __init__(self, deed: str, times: int, folder: Path) -> None:
        self.deed, self.times, self.log = deed, times, folder / "log"

    def __call__(self, jobs: Sequence[Job], settings: Settings, observer: RunObserver,
                 heard: Callable[[], tuple[str, ...]]) -> Iterator[tuple[int, FileResult]]:
        with open(self.log, "a") as log:
            log.write(f"{os.getpid()} {' '.join(job.source.stem for job in jobs)}\n")
        for place, job in enumerate(jobs):
            if job.source.name == "2.wav" and sum("2" in names for _, *names in self.bundles()) <= self.times:
                if self.deed == "hang":
                    signal.pause()
                if self.deed != "device":
                    faulthandler.disable()
                    os.kill(os.getpid(), getattr(signal, self.deed))
                yield place, failed(job.source, job.output, "the device is gone", "device")
                return
            yield place, process_file(job, settings, observer)

    def bundles(self) -> list[list[str]]:
        """The number of the process, and the names of the files it got at a time."""
        return [line.split() for line in self.log.read_text().splitlines()]


def run(batch: list[Job], observer: RunObserver | None = None, **how: Any) -> Report:
    return run_jobs(batch, replace(SETTINGS, **({"is_batch": True, "bundled": True} | how)), observer or RunObserver())


def trouble(deed: str, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Troubled:
    troubled = Troubled(deed, times, tmp_path)
    monkeypatch.setattr(workers, "process_bundle", troubled)
    return troubled


class Mute(Troubled):
    """Writes its output and dies before it can say so."""

    def __call__(self, jobs: Sequence[Job], *rest: Any) -> Iterator[tuple[int, FileResult]]:
        for place, result in super().__call__(jobs, *rest):
            if len(jobs) > 1 and place == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            yield place, result


def statuses(report: Report) -> str:
    return " ".join(result.status for result in report.results)


@pytest.mark.parametrize("deed", ["SIGKILL", "SIGABRT", "device"])
def test_what_a_worker_leaves_of_a_bundle_is_done_one_by_one_in_another(
        batch: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deed: str) -> None:
    troubled, ear = trouble(deed, 1, tmp_path, monkeypatch), Ear()
    report = run(batch, ear)
    assert [(Path(result.input).name, result.status) for result in report.results] == [
        (f"{n}.wav", "ok") for n in range(7)]
    (first, *together), *others = troubled.bundles()
    assert together == ["0", "1", "2", "3", "4", "5", "6"]
    assert [names for _, *names in others] == [["2"], ["3"], ["4"], ["5"], ["6"]]
    assert first not in [process for process, *_ in others]
    for job in batch:
        assert [what for name, what in ear.heard if name == job.source.name] == ["started", "ok"]


def test_an_output_that_nobody_told_of_is_made_again(
        batch: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mute = Mute("none", 0, tmp_path)
    monkeypatch.setattr(workers, "process_bundle", mute)
    assert statuses(run(batch)) == "ok ok ok ok ok ok ok"
    assert [names for _, *names in mute.bundles()[1:]] == [["3"], ["4"], ["5"], ["6"]]


@pytest.mark.parametrize(("deed", "times", "reason", "words"), [
    ("SIGKILL", 3, "crash", "was ended from outside, twice (SIGKILL)"),
    ("SIGSEGV", 3, "crash", "crashed the decoder, twice (SIGSEGV)"),
    ("hang", 2, "timeout", "took longer than 0.2 s and was stopped (--timeout)"),
    ("device", 2, "device", "the device is gone"),
])
def test_a_file_that_fails_alone_too_costs_only_itself(
        batch: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deed: str, times: int, reason: str,
        words: str) -> None:
    troubled, ear = trouble(deed, times, tmp_path, monkeypatch), Ear()
    report = run(batch[:5], ear, jobs=1, timeout_s=0.2 if deed == "hang" else None)
    assert statuses(report) == "ok ok failed ok ok"
    assert report.results[2].reason == reason
    assert words in (report.results[2].error or "")
    assert sum("2" in names for _, *names in troubled.bundles()) == times
    assert sorted(os.listdir(tmp_path / "out")) == [journal.NAME, "0.wav", "1.wav", "3.wav", "4.wav"]
    assert [ear.heard.count((f"{n}.wav", "started")) for n in range(5)] == [1] * 5


def test_what_was_finished_of_a_bundle_is_in_the_journal_when_the_run_ends_early(
        batch: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trouble("none", 0, tmp_path, monkeypatch)
    batch[2].source.write_bytes(b"")
    assert statuses(run(batch, fail_fast=True)) == "ok ok failed"
    batch[2].source.write_bytes(batch[3].source.read_bytes())
    before = [batch[n].output.stat().st_mtime_ns for n in range(2)]
    assert statuses(run(batch, resume=True)).startswith("skipped skipped ok")
    assert [batch[n].output.stat().st_mtime_ns for n in range(2)] == before


def tasks_of(folder: Path, sizes: Sequence[int]) -> deque[Task]:
    for number, size in enumerate(sizes):
        with open(folder / str(number), "wb") as file:
            file.truncate(size)
    return deque(Task(number, Job(folder / str(number), folder / "out")) for number in range(len(sizes)))


def bundles(waiting: deque[Task], size: int = 1) -> list[int]:
    lengths = []
    while waiting:
        first = waiting[0].number
        taken = take_bundle(waiting, size)
        assert [task.number for task in taken] == list(range(first, first + len(taken)))
        lengths.append(len(taken))
    return lengths


@pytest.mark.parametrize(("sizes", "workers_", "expected"), [
    ([10] * 150, 1, [64, 64, 22]),
    ([10] * 10, 4, [3, 2, 2, 1, 1, 1]),
    ([40 << 20, 30 << 20, 30 << 20, 100 << 20, 10], 1, [1, 2, 1, 1]),
    ([64 << 20, 0, 1], 1, [2, 1]),
    ([], 3, []),
], ids=repr)
def test_bundles_hold_so_many_files_and_bytes_and_a_share_for_each_worker(
        tmp_path: Path, sizes: list[int], workers_: int, expected: list[int]) -> None:
    assert bundles(tasks_of(tmp_path, sizes), workers_) == expected


def test_files_that_are_done_again_get_no_neighbours(tmp_path: Path) -> None:
    waiting = tasks_of(tmp_path, [1] * 5)
    waiting[1].is_alone = waiting[2].is_alone = True
    assert bundles(waiting) == [1, 1, 1, 2]


def test_inputs_of_a_bundle_leave_descriptors_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool.resource, "getrlimit", lambda _: (40, 40))
    assert bundles(tasks_of(tmp_path, [1] * 25)) == [10, 10, 5]


def test_an_input_that_is_gone_is_told_of_by_the_one_who_reads_it(
        batch: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trouble("none", 0, tmp_path, monkeypatch)
    batch[1].source.unlink()
    report = run(batch)
    assert statuses(report) == "ok failed ok ok ok ok ok"
    assert report.results[1].reason == "input"


def test_bundles_through_torch_in_a_new_process_are_bit_identical_to_one_by_one(
        batch: list[Job], tmp_path: Path) -> None:
    pytest.importorskip("torch")
    settings = Settings(SETTINGS.chain, engine="torch", device="cpu")
    batch[3].source.write_bytes(b"not audio")
    alone = [Job(job.source, tmp_path / f"alone-{job.source.name}") for job in batch]
    ones = [process_one(job, settings, RunObserver()) for job in alone]
    report = run_jobs(batch, replace(settings, is_batch=True, jobs=1, fresh=True, bundled=True), RunObserver())
    assert statuses(report) == "ok ok ok failed ok ok ok" == " ".join(one.status for one in ones)
    for job, other in zip(batch, alone, strict=True):
        if job is not batch[3]:
            assert job.output.read_bytes() == other.output.read_bytes()
    assert [result.engine for result in report.results if result.status == "ok"] == ["torch"] * 6


def test_a_single_file_takes_the_way_of_bundles_too(
        batch: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batched = pytest.importorskip("torchfx_cli.render.batched")

    def refuse(*_: object) -> None:
        raise AssertionError("this was batched")

    monkeypatch.setattr(batched.BatchedRun, "render", refuse)
    settings = Settings(SETTINGS.chain, engine="torch", device="cpu")
    jobs = [Job(batch[0].source, tmp_path / "single.wav")]
    report = run_jobs(jobs, replace(settings, fresh=True, bundled=True), RunObserver())
    assert "this was batched" in (report.results[0].error or "")
    assert statuses(run_jobs(jobs, replace(settings, fresh=True), RunObserver())) == "ok"
