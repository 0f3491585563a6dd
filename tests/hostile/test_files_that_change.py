"""Inputs that change, vanish or fail in the middle of a run: an error for that one, and all others done (39 to 42)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from support import oddfiles
from support.invariants import is_whole, nothing_lost
from support.oddfiles import FS, put

from torchfx_cli.chain.parse import join
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.local import run_jobs
from torchfx_cli.tasks.onefile import RunObserver, process_file
from torchfx_cli.tasks.report import Report

SETTINGS = Settings(join([], ["highpass:80"]), chunk_s=0.01)


class Meddler(RunObserver):
    """Does something to an input when its first block has been filtered; the reader is a few blocks ahead."""

    def __init__(self, meddle: Callable[[Path], object]) -> None:
        self._meddle: Callable[[Path], object] | None = meddle

    def advanced(self, job: Job, frames: int) -> None:
        if self._meddle is not None:
            self._meddle(job.source)
            self._meddle = None


def noise(path: Path, seconds: float = 2.0) -> Path:
    sf.write(path, np.random.default_rng(1).integers(-9000, 9000, int(FS * seconds)).astype(np.int16), FS)
    return path


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(bytes(1000))


def shrink(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def rewrite(path: Path) -> None:
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(5, 5))


def replace(path: Path) -> None:
    noise(path.with_name("other.wav")).replace(path)


def rewrite_in_secret(path: Path) -> None:
    facts = path.stat()
    with path.open("r+b") as file:
        file.seek(-2, os.SEEK_END)
        file.write(b"xy")
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


@pytest.mark.parametrize("meddle", [grow, shrink, rewrite, rewrite_in_secret, replace])
def test_39_an_input_that_changes_while_it_is_read_fails_and_leaves_nothing(
    tmp_path: Path, meddle: Callable[[Path], object]
) -> None:
    source, output = noise(tmp_path / "in.wav"), put(tmp_path, b"the old output", "out.wav")
    settings = Settings(SETTINGS.chain, chunk_s=0.01, overwrite=True)
    with nothing_lost([], {output: None}):
        result = process_file(Job(source, output), settings, Meddler(meddle))
    assert (result.status, result.exit_code) == ("failed", 3)
    assert "changed while it was read" in str(result.error)
    assert output.read_bytes() == b"the old output"


@pytest.mark.parametrize("meddle", [lambda path: os.link(path, f"{path}.again"), lambda path: path.chmod(0o640)])
def test_39_an_input_that_gets_another_name_or_mode_is_done(tmp_path: Path, meddle: Callable[[Path], object]) -> None:
    source = noise(tmp_path / "in.wav")
    result = process_file(Job(source, tmp_path / "out.wav"), SETTINGS, Meddler(meddle))
    assert (result.status, result.frames) == ("ok", 2 * FS)


def test_39_an_input_that_is_deleted_while_it_is_read_is_done_all_the_same(tmp_path: Path) -> None:
    source, output = noise(tmp_path / "in.wav"), tmp_path / "out.wav"
    result = process_file(Job(source, output), SETTINGS, Meddler(Path.unlink))
    assert (result.status, result.frames) == ("ok", 2 * FS)
    assert is_whole(output)


class Vanishing(RunObserver):
    """Deletes a file when the first job begins."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def started(self, job: Job) -> None:
        self._path.unlink(missing_ok=True)


def batch(folder: Path, bad: set[int], count: int) -> tuple[list[Job], Report]:
    """`count` inputs, those of the numbers `bad` no audio, number 1 deleted before its turn."""
    jobs = []
    for number in range(count):
        content = b"no sound" if number in bad else oddfiles.plain()
        jobs.append(Job(put(folder, content, f"{number}.wav"), folder / f"out_{number}.wav"))
    with nothing_lost([job.source for job in jobs if job.source.name != "1.wav"], {job.output: None for job in jobs}):
        return jobs, run_jobs(jobs, SETTINGS, Vanishing(folder / "1.wav"))


def test_40_41_a_bad_file_and_a_vanished_one_do_not_touch_the_others(tmp_path: Path) -> None:
    jobs, report = batch(tmp_path, {57}, 100)
    assert report.counts == {"ok": 98, "warned": 0, "failed": 2, "skipped": 0}
    assert report.exit_code == 3
    failed = {Path(result.input).name: result.error for result in report.results if result.status == "failed"}
    assert failed == {"1.wav": "does not exist", "57.wav": "not an audio file (8 bytes)"}
    assert [job.output.exists() for job in jobs] == [number not in (1, 57) for number in range(100)]


def test_42_where_all_are_bad_nothing_is_written(tmp_path: Path) -> None:
    jobs, report = batch(tmp_path, set(range(5)), 5)
    assert report.counts["failed"] == 5
    assert report.exit_code == 3
    assert not any(job.output.exists() for job in jobs)
