"""Batches: a worker that dies costs one file, the journal is believed where the disk agrees, nothing is done twice."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from torchfx_cli import scratch
from torchfx_cli.chain.parse import join, parse_chain
from torchfx_cli.errors import RunError
from torchfx_cli.tasks import journal, onefile, workers
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.local import run_jobs
from torchfx_cli.tasks.onefile import RunObserver
from torchfx_cli.tasks.report import FileResult, Report

FS = 8000
SETTINGS = Settings(join([], ["highpass:cutoff=80,order=2"]))


@pytest.fixture
def batch(tmp_path: Path) -> list[Job]:
    """Five different files of half a second, to go into out/."""
    root, jobs = tmp_path / "out", []
    for number in range(5):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, np.random.default_rng(number).uniform(-0.3, 0.3, FS // 2), FS)
        jobs.append(Job(path, root / path.name, root=root))
    return jobs


def run(batch: list[Job], settings: Settings = SETTINGS, observer: RunObserver | None = None, **how: Any) -> Report:
    return run_jobs(batch, replace(settings, **({"is_batch": True, "jobs": 2} | how)), observer or RunObserver())


def bytes_of(jobs: list[Job]) -> list[bytes]:
    return [job.output.read_bytes() for job in jobs]


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def statuses(report: Report) -> list[str]:
    return [result.status for result in report.results]


@pytest.mark.parametrize("size", [1, 2, 7])
def test_any_number_of_workers_gives_the_same_bytes_as_one_file_at_a_time(batch: list[Job], size: int) -> None:
    alone = [onefile.process_file(job, SETTINGS, RunObserver()) for job in batch]
    assert [result.status for result in alone] == ["ok"] * 5
    truth = bytes_of(batch)
    report = run(batch, Settings(SETTINGS.chain, overwrite=True), jobs=size)
    assert statuses(report) == ["ok"] * 5
    assert [result.output for result in report.results] == [str(job.output) for job in batch]
    assert bytes_of(batch) == truth
    assert names(batch[0].output.parent) == [journal.NAME, *(f"{n}.wav" for n in range(5))]


def test_a_listener_hears_of_every_file_once_from_its_start_to_its_end(batch: list[Job]) -> None:
    heard: list[tuple[str, str]] = []

    class Ear(RunObserver):
        def started(self, job: Job) -> None:
            heard.append(("started", job.source.name))

        def planned(self, todo: onefile.JobPlan) -> None:
            heard.append(("planned", todo.job.source.name))

        def finished(self, job: Job, result: FileResult) -> None:
            heard.append(("finished", job.source.name))

    run(batch, observer=Ear())
    for job in batch:
        assert [kind for kind, name in heard if name == job.source.name] == ["started", "planned", "finished"]


class Deadly:
    """Stands in for `process_file`: does to the worker what the name of the file says."""

    def __init__(self, victim: str, deed: str, times: int, folder: Path) -> None:
        self.victim, self.deed, self.times, self.tally = victim, deed, times, folder / "tally"

    def __call__(self, job: Job, settings: Settings, observer: RunObserver) -> FileResult:
        if job.source.name == self.victim and self._again():
            if self.deed == "hang":
                signal.pause()
            elif self.deed == "raise":
                raise OverflowError("a mistake")
            elif self.deed == "exit":
                os._exit(139)
            faulthandler.disable()
            os.kill(os.getpid(), getattr(signal, self.deed))
        return onefile.process_file(job, settings, observer)

    def _again(self) -> bool:
        done = self.tally.stat().st_size if self.tally.exists() else 0
        with open(self.tally, "ab") as file:
            file.write(b".")
        return done < self.times


@pytest.mark.parametrize(("deed", "words"), [
    ("SIGSEGV", "crashed the decoder, twice (SIGSEGV)"),
    ("SIGABRT", "crashed the decoder, twice (SIGABRT)"),
    ("SIGKILL", "was ended from outside, twice (SIGKILL); was the memory used up?"),
    ("SIGTERM", "was ended from outside, twice (SIGTERM); the file was not to blame; run it again"),
    ("SIGXCPU", "was ended from outside, twice (SIGXCPU); the file was not to blame; run it again"),
    ("exit", "crashed the decoder, twice (exit code 139)"),
])
def test_a_file_that_kills_its_worker_twice_fails_and_all_others_are_done(
        batch: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deed: str, words: str) -> None:
    monkeypatch.setattr(workers, "step_of", lambda settings: Deadly("2.wav", deed, 2, tmp_path))
    report = run(batch)
    assert statuses(report) == ["ok", "ok", "failed", "ok", "ok"]
    result = report.results[2]
    assert words in (result.error or "")
    assert (result.reason, report.exit_code) == ("crash", 3)
    assert names(tmp_path / "out") == [journal.NAME, "0.wav", "1.wav", "3.wav", "4.wav"]


def test_a_worker_that_is_killed_once_costs_nothing(
        batch: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "step_of", lambda settings: Deadly("2.wav", "SIGKILL", 1, tmp_path))
    assert statuses(run(batch)) == ["ok"] * 5


def test_a_file_that_hangs_is_stopped_after_its_time(
        batch: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "step_of", lambda settings: Deadly("0.wav", "hang", 9, tmp_path))
    report = run(batch, timeout_s=0.5)
    assert statuses(report) == ["failed", "ok", "ok", "ok", "ok"]
    assert (report.results[0].error, report.results[0].reason) == (
        "took longer than 0.5 s and was stopped (--timeout)", "timeout")


def test_a_mistake_in_the_program_costs_its_file_only(batch: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OverflowError("a mistake")

    whole = onefile.plan_file
    monkeypatch.setattr(onefile, "plan_file",
                        lambda job, facts, settings: (broken if job.source.name == "1.wav" else whole)(
                            job, facts, settings))
    report = run(batch)
    assert statuses(report) == ["ok", "failed", "ok", "ok", "ok"]
    assert (report.results[1].reason, report.results[1].exit_code) == ("internal", 3)
    assert "OverflowError: a mistake" in (report.results[1].error or "")


def test_an_error_that_ends_the_run_ends_the_workers_too(batch: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(job: Job, *_: object) -> FileResult:
        raise RunError("no space left")

    monkeypatch.setattr(workers, "step_of", lambda settings: full)
    report = Report()
    with pytest.raises(RunError, match="no space left"):
        run_jobs(batch, replace(SETTINGS, is_batch=True, jobs=2), RunObserver(), report)
    assert report.counts == {"ok": 0, "warned": 0, "failed": 0, "skipped": 0}
    assert names(batch[0].output.parent) == [journal.NAME]


def test_fail_fast_ends_the_run_at_the_first_failure(batch: list[Job]) -> None:
    batch[0].source.write_bytes(b"")
    report = run(batch, jobs=1, fail_fast=True)
    assert statuses(report) == ["failed"]
    assert report.as_dict()["counts"]["not_done"] == 4


def test_a_resumed_run_does_nothing_that_was_done(batch: list[Job]) -> None:
    run(batch)
    stamps = [job.output.stat().st_mtime_ns for job in batch]
    report = run(batch, resume=True)
    assert statuses(report) == ["skipped"] * 5
    assert [job.output.stat().st_mtime_ns for job in batch] == stamps


@pytest.mark.parametrize(("what", "redone"), [
    ("output deleted", [1]), ("output edited", [1]), ("input touched", [1]), ("another chain", [0, 1, 2, 3, 4]),
    ("another format", [0, 1, 2, 3, 4]), ("a file more", [4]), ("with a warning, and now --strict", [2]),
])
def test_a_resumed_run_does_exactly_what_is_missing_or_changed(batch: list[Job], what: str, redone: list[int]) -> None:
    run(batch[:-1] if what == "a file more" else batch)
    settings = SETTINGS
    if what == "output deleted":
        batch[1].output.unlink()
    elif what == "output edited":
        batch[1].output.write_bytes(b"not what we made")
    elif what == "input touched":
        os.utime(batch[1].source, ns=(1, 1))
    elif what == "another chain":
        settings = Settings(join([], ["gain:-3"]))
    elif what == "another format":
        settings = Settings(SETTINGS.chain, subtype="24")
    elif what == "with a warning, and now --strict":
        note_warnings(batch[2], 1)
        settings = Settings(SETTINGS.chain, strict=True)
    report = run(batch, settings, resume=True)
    assert [number for number, status in enumerate(statuses(report)) if status == "ok"] == redone
    done = bytes_of(batch)
    assert statuses(run(batch, Settings(settings.chain, subtype=settings.subtype, overwrite=True))) == ["ok"] * 5
    assert bytes_of(batch) == done


def note_warnings(job: Job, count: int) -> None:
    """As if the output of `job` had been made with so many warnings."""
    assert job.root is not None
    path = job.root / journal.NAME
    lines = path.read_text().splitlines()
    record = next(json.loads(line) for line in lines if f'"{job.output.name}"' in line)
    path.write_text("\n".join([*lines, json.dumps(record | {"warnings": count})]) + "\n")


def somebody_elses(job: Job) -> bytes:
    """Another file has the name of the output now."""
    mine = job.output.with_name("mine")
    mine.write_bytes(b"mine, under a name that a run had used")
    os.replace(mine, job.output)
    return job.output.read_bytes()


def test_a_resumed_run_replaces_nothing_but_what_a_run_has_made(batch: list[Job]) -> None:
    run(batch[:3])
    kept = {job: somebody_elses(job) for job in (batch[1], batch[4])}  # named in the journal, and not
    report = run(batch, resume=True)
    assert statuses(report) == ["skipped", "failed", "skipped", "ok", "failed"]
    assert [result.error for result in report.results if result.error] == [
        f"{job.output} exists; with overwrite it is replaced" for job in kept]
    assert {job: job.output.read_bytes() for job in kept} == kept


def test_a_run_that_was_killed_before_the_renaming_does_not_disown_what_was_made_before(batch: list[Job]) -> None:
    run(batch[:1])
    with batch[1].source.open("rb") as never_named:
        settings = Settings(SETTINGS.chain, noted=journal.NAME)
        journal.note(batch[0], settings, batch[0].source.stat(), never_named.fileno(), 0)
    assert statuses(run(batch[:1], resume=True)) == ["ok"]
    assert statuses(run(batch[:1], resume=True)) == ["skipped"]


def test_an_output_that_is_a_link_is_done_by_what_it_leads_to(batch: list[Job], tmp_path: Path) -> None:
    job, target = batch[0], tmp_path / "elsewhere.wav"
    job.output.parent.mkdir()
    job.output.symlink_to(target)
    run([job], Settings(SETTINGS.chain, overwrite=True))
    assert job.output.is_symlink()
    assert statuses(run([job], resume=True)) == ["skipped"]
    target.unlink()
    assert statuses(run([job], Settings(SETTINGS.chain, overwrite=True), resume=True)) == ["ok"]
    assert target.is_file()


def test_an_output_that_the_run_could_not_name_is_named_in_the_journal_and_still_is_not_its_own(
        batch: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    job, noted = batch[0], journal.note

    def note(*arguments: Any) -> None:
        noted(*arguments)
        somebody_elses(job)

    monkeypatch.setattr(journal, "note", note)
    assert statuses(run([job])) == ["failed"]
    monkeypatch.undo()
    assert statuses(run([job], resume=True)) == ["failed"]
    assert job.output.read_bytes().startswith(b"mine")


def test_outputs_are_as_much_of_a_secret_as_their_inputs(batch: list[Job]) -> None:
    batch[0].source.chmod(0o600)
    batch[1].source.chmod(0o444)
    before = os.umask(0o022)
    try:
        run(batch[:2])
    finally:
        os.umask(before)
    assert [oct(job.output.stat().st_mode & 0o777) for job in batch[:2]] == ["0o600", "0o644"]


def test_equal_size_and_time_hide_a_change_but_not_from_hashes(batch: list[Job]) -> None:
    run(batch, hashes=True)
    source = batch[3].source
    before = source.stat()
    source.write_bytes(source.read_bytes()[:-1] + b"\x55")
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert statuses(run(batch, resume=True)) == ["skipped"] * 5
    assert statuses(run(batch, resume=True, hashes=True)) == ["skipped"] * 3 + ["ok", "skipped"]


def test_with_hashes_the_bytes_count_and_neither_times_nor_places(batch: list[Job]) -> None:
    run(batch, hashes=True, jobs=2)
    for job in batch:
        os.utime(job.source, ns=(0, 0))
    moved = [replace(job, source=job.source.rename(job.source.with_name(f"moved{job.source.name}"))) for job in batch]
    os.utime(batch[0].output, ns=(0, 0))
    copy = batch[1].output.read_bytes()
    batch[1].output.unlink()
    (batch[1].output.parent / "other.wav").touch()  # so that the copy gets another inode
    batch[1].output.write_bytes(copy)
    assert statuses(run(moved, resume=True, hashes=True, jobs=2)) == ["skipped"] * 5
    moved[2].source.write_bytes(moved[3].source.read_bytes())
    assert statuses(run(moved, resume=True, hashes=True, jobs=2)) == ["skipped"] * 2 + ["ok"] + ["skipped"] * 2
    louder = Settings(parse_chain("chain: [gain: -5.99]"))
    assert statuses(run(moved, louder, resume=True, hashes=True)) == ["ok"] * 5
    os.utime(moved[3].source, ns=(1, 1))
    assert statuses(run(moved, louder, resume=True)) == ["skipped"] * 3 + ["ok", "skipped"]
    assert statuses(run(moved, louder, resume=True, hashes=True)) == ["skipped"] * 3 + ["ok", "skipped"], "has no sum"


def test_a_journal_torn_anywhere_is_believed_where_it_is_whole(batch: list[Job]) -> None:
    run(batch[:2])
    path = batch[0].output.parent / journal.NAME
    whole, truth = path.read_bytes(), bytes_of(batch[:2])
    for size in range(0, len(whole), 61):
        path.write_bytes(whole[:size])
        report = run(batch[:2], resume=True, jobs=1)
        lines = [line for line in whole[:size].split(b"\n") if line.endswith(b"}")]
        named = [any(b'"output": "%d.wav"' % number in line for line in lines) for number in range(2)]
        assert statuses(report) == ["skipped" if known else "failed" for known in named]
        assert bytes_of(batch[:2]) == truth
    path.write_bytes(whole[:-9])
    again = Settings(SETTINGS.chain, overwrite=True)
    assert sorted(statuses(run(batch[:2], again, resume=True))) == ["ok", "skipped"]
    assert statuses(run(batch[:2], resume=True)) == ["skipped"] * 2
    assert bytes_of(batch[:2]) == truth


@pytest.mark.parametrize(
    "line", [b"[]", b"{", b"null", b'{"output": 7}', b"\xff\xfe", b'{"output": "0.wav"}', b"[" * 200_000,
             b'{"a":' * 60_000, b" " * 200_000 + b"{}"], ids=lambda line: repr(line[:20]))
def test_lines_that_make_no_sense_are_no_records(batch: list[Job], line: bytes) -> None:
    run(batch)
    path = batch[0].output.parent / journal.NAME
    path.write_bytes(path.read_bytes() + line)
    redone = 1 if b"0.wav" in line else 0  # the last record says nothing of it, one before that it is ours
    assert statuses(run(batch, resume=True)).count("ok") == redone


@pytest.mark.parametrize("kind", ["a FIFO", "a folder", "a link", "20 GB"])
def test_what_is_no_journal_ends_the_run_with_a_line(batch: list[Job], kind: str) -> None:
    root = batch[0].output.parent
    root.mkdir()
    path = root / journal.NAME
    if kind == "a FIFO":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    elif kind == "a link":
        path.symlink_to(batch[0].source)
    else:
        path.touch()
        os.truncate(path, 20 << 30)
    before = batch[0].source.read_bytes()
    words = {"a FIFO": "is a FIFO, not a regular file", "20 GB": "has 21 GB, which no run has written; remove it"}
    with pytest.raises(RunError, match=words.get(kind, "cannot open the journal")):
        run(batch, resume=True)
    assert batch[0].source.read_bytes() == before


@pytest.mark.parametrize("shared", [1, 3])
def test_a_resumed_run_refuses_while_others_are_at_work_and_names_one(batch: list[Job], shared: int) -> None:
    root = batch[0].output.parent
    root.mkdir()
    with contextlib.ExitStack() as others:
        entered = [others.enter_context(journal.opened(root, "work", shared=True)) for _ in range(shared)]
        assert [one.name for one in entered] == [f"{journal.NAME}{end}" for end in ("", "-2", "-3")[:shared]]
        with pytest.raises(RunError, match=f"in use by process {os.getpid()}; wait"):
            run(batch, resume=True)
        assert statuses(run(batch)) == ["ok"] * 5, "a run that is not resumed shares the folder"
    assert names(root) == [journal.NAME, *(f"{journal.NAME}-{number}" for number in range(2, shared + 2)),
                           *(f"{number}.wav" for number in range(5))]
    assert statuses(run(batch, resume=True)) == ["skipped"] * 5


def test_of_several_journals_the_record_that_was_noted_last_counts(batch: list[Job]) -> None:
    """With --keep-mtime and one size, all outputs of a name look alike."""
    quiet = Settings(parse_chain("chain: [gain: -1]"), keep_mtime=True, overwrite=True)
    loud = replace(quiet, chain=parse_chain("chain: [gain: 1]"))
    root = batch[0].output.parent
    root.mkdir()
    with journal.opened(root, "work", shared=True):
        run(batch, quiet)
    run(batch, loud)
    assert statuses(run(batch, loud, resume=True)) == ["skipped"] * 5
    assert statuses(run(batch, quiet, resume=True)) == ["ok"] * 5
    assert statuses(run(batch, quiet, resume=True)) == ["skipped"] * 5


@pytest.mark.parametrize("kind", ["killed", "copied"])
def test_an_output_that_may_be_of_an_earlier_chain_is_made_anew(batch: list[Job], kind: str) -> None:
    """Killed before the renaming, or with other inodes, on another disk; size and time tell nothing."""
    job, *_ = batch
    quiet = Settings(parse_chain("chain: [gain: -1]"), keep_mtime=True)
    loud = replace(quiet, chain=parse_chain("chain: [gain: 1]"), overwrite=True, noted=journal.NAME)
    run([job], quiet)
    if kind == "copied":
        run([job], loud)
    copy = job.output.with_name("copy")
    shutil.copy2(job.output, copy)
    if kind == "killed":
        with copy.open("rb") as never_named:
            journal.note(job, loud, job.source.stat(), never_named.fileno(), 0)
    else:
        kept = job.output.rename(job.output.with_name("kept"))  # so that its inode is not used again
        copy.rename(job.output)
        assert kept.stat().st_ino != job.output.stat().st_ino
    assert statuses(run([job], loud, resume=True)) == ["ok"]
    assert statuses(run([job], loud, resume=True)) == ["skipped"]


def test_of_two_runs_that_made_one_output_the_one_whose_file_it_is_counts(
        batch: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one noted it later, and gave the name earlier."""
    settings = Settings(parse_chain("chain: [gain: -1]"), keep_mtime=True, overwrite=True)
    other = replace(settings, chain=parse_chain("chain: [gain: 1]"))
    noted = journal.note

    def note(job: Job, *arguments: Any) -> None:
        noted(job, *arguments)
        monkeypatch.setattr(journal, "note", noted)
        assert statuses(run(batch[:1], other, jobs=1, fresh=True, is_batch=False)) == ["ok"]

    monkeypatch.setattr(journal, "note", note)
    root = batch[0].output.parent
    root.mkdir()
    with journal.opened(root, "work", shared=True):
        pass
    assert statuses(run(batch[:1], settings, fresh=True, is_batch=False)) == ["ok"]
    assert sorted(name for name in names(root) if name.startswith(".")) == [journal.NAME, f"{journal.NAME}-2"]
    assert statuses(run(batch[:1], other, resume=True)) == ["ok"]
    assert statuses(run(batch[:1], other, resume=True)) == ["skipped"]


def test_a_single_file_is_noted_where_a_batch_was(batch: list[Job]) -> None:
    assert statuses(run(batch[:4])) == ["ok"] * 4
    assert statuses(run(batch[4:], is_batch=False)) == ["ok"], "as xargs leaves it for the last run"
    assert statuses(run(batch, resume=True)) == ["skipped"] * 5


def test_the_journal_says_what_was_made_from_what(batch: list[Job]) -> None:
    run(batch[:1], hashes=True)
    before_ns = time.time_ns()
    began, record = map(json.loads, (batch[0].output.parent / journal.NAME).read_text().splitlines())
    assert before_ns - 60 * 10**9 < record.pop("noted_ns") < before_ns
    assert began["run"] == os.getpid()
    facts = batch[0].output.stat()
    assert record == {
        "output": "0.wav", "input": str(batch[0].source), "work": SETTINGS.work,
        "in_bytes": batch[0].source.stat().st_size, "in_mtime_ns": batch[0].source.stat().st_mtime_ns,
        "out_bytes": facts.st_size, "out_mtime_ns": facts.st_mtime_ns, "out_inode": facts.st_ino, "warnings": 0,
        "in_sha256": journal.sha256_of(batch[0].source), "out_sha256": journal.sha256_of(batch[0].output),
    }


def test_an_output_folder_in_whose_place_another_comes_ends_the_run(batch: list[Job]) -> None:
    root = batch[0].root
    assert root is not None

    class Swapping(RunObserver):
        def finished(self, job: Job, result: FileResult) -> None:
            if not root.with_name("before").exists():
                root.rename(root.with_name("before"))
                root.mkdir(exist_ok=True)  # a worker that begins a file just now may have been first

    report = Report()
    with pytest.raises(RunError, match=f"{root} was removed or replaced during the run"):
        run_jobs(batch, replace(SETTINGS, is_batch=True), Swapping(), report)
    assert len(report.results) == 1


def test_an_output_folder_that_vanishes_is_not_made_again(batch: list[Job]) -> None:
    root = batch[0].root
    assert root is not None
    deep = Job(batch[0].source, root / "sub" / "0.wav", root=root)
    with pytest.raises(RunError, match="was removed during the run"):
        onefile.process_file(deep, SETTINGS, RunObserver())
    assert not root.exists()


def test_a_file_too_long_for_the_folder_of_temporary_files_costs_that_file_only(
        batch: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    soundfile.write(batch[2].source, np.zeros(3 * FS), FS)
    monkeypatch.setattr(scratch, "MEMORY_BYTES", 1 << 10)
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result([4096, 4096, 25, 25, 25, 9, 9, 9, 0, 255]))
    report = run(batch, Settings(join([], ["reverse"])), jobs=1)
    assert statuses(report) == ["ok", "ok", "failed", "ok", "ok"]
    assert "0.00 GB are free; TMPDIR may name another place" in report.results[2].error
    assert report.exit_code == 3
