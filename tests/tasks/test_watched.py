"""A single small file of a run that somebody watches is done in the run's own process; any other by a worker."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from torchfx_cli.chain.parse import join
from torchfx_cli.tasks import local, onefile, watched, workers
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.onefile import RunObserver
from torchfx_cli.tasks.report import FileResult

SETTINGS = Settings(join([], ["gain:-3"]))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[bool | int]:
    """The risk that was told, and by which process files were done in between; 0 for another one than this."""
    found: list[bool | int] = []

    def process_file(job: Job, settings: Settings, observer: RunObserver) -> FileResult:
        found.append(os.getpid())
        return onefile.process_file(job, settings, observer)

    monkeypatch.setattr(watched, "tell_risk", found.append)
    monkeypatch.setattr(local, "step_of", lambda settings: process_file)
    monkeypatch.setattr(workers, "step_of", lambda settings: process_file)
    return found


@pytest.mark.parametrize(("form", "changes", "is_own"), [
    ("WAV", {}, True),
    ("FLAC", {}, True),
    ("AIFF", {}, True),
    ("MP3", {}, False),  # whose decoder talks to the standard error
    ("WAV", {"timeout_s": 9.0}, False),
    ("WAV", {"is_batch": True}, False),
])
def test_a_small_plain_file_is_done_in_the_process_itself(
        tmp_path: Path, told: list[bool | int], form: str, changes: dict[str, object], is_own: bool) -> None:
    source = tmp_path / "in"
    soundfile.write(source, np.zeros(2000), 44_100, format=form)
    job = Job(source, tmp_path / "out" / "out.wav", root=tmp_path / "out")
    report = local.run_jobs([job], replace(SETTINGS, **changes), RunObserver())  # type: ignore[arg-type]
    assert report.exit_code == 0
    assert told == ([True, os.getpid(), False] if is_own else [])


def test_a_large_file_and_one_in_place_are_not(
        tmp_path: Path, told: list[bool | int], monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "in.wav"
    soundfile.write(source, np.zeros(2000), 44_100)
    job = Job(source, tmp_path / "out.wav")
    assert watched.may_crash(job, SETTINGS)
    assert not watched.may_crash(replace(job, backup=tmp_path / "in.wav.bak"), SETTINGS)
    assert not watched.may_crash(replace(job, source=tmp_path / "none.wav"), SETTINGS)
    monkeypatch.setattr(watched, "MAX_BYTES", 2000)
    assert not watched.may_crash(job, SETTINGS)
    monkeypatch.setattr(watched, "tell_risk", None)
    monkeypatch.setattr(watched, "MAX_BYTES", 1 << 20)
    assert not watched.may_crash(job, SETTINGS)
