"""What is settled about a file before its first sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from torchfx_cli.chain.parse import join
from torchfx_cli.errors import FileError
from torchfx_cli.stream.stdio import STDIO
from torchfx_cli.tasks.fileplan import JobPlan, describe_job, plan_file
from torchfx_cli.tasks.job import Job, Settings

FS = 8000
SETTINGS = Settings(join([], ["highpass:cutoff=80"]), chunk_s=0.5)


def planned(path: Path, frames: int = FS, channels: int = 1, settings: Settings = SETTINGS) -> JobPlan:
    soundfile.write(path, np.zeros((frames, channels)), FS)
    return describe_job(Job(path, path.with_name("out.wav")), settings)


def test_files_that_are_alike_share_one_plan(tmp_path: Path) -> None:
    first, other_length = planned(tmp_path / "a.wav"), planned(tmp_path / "b.wav", frames=7)
    assert other_length.plan is first.plan
    assert planned(tmp_path / "c.wav", channels=2).plan is not first.plan


@pytest.mark.parametrize(("frames", "overlaps"), [(0, False), (1, False), (1 << 18, False), ((1 << 18) + 1, True)])
def test_threads_are_worth_while_for_more_than_a_few_samples(tmp_path: Path, frames: int, overlaps: bool) -> None:
    todo = planned(tmp_path / "a.wav", frames, channels=2)
    assert todo.block_frames == FS // 2
    assert todo.overlaps is overlaps


def test_a_pipe_is_never_waited_for_in_the_thread_that_hears_signals(tmp_path: Path) -> None:
    facts = planned(tmp_path / "a.wav", 1).facts
    for job in (Job(STDIO, tmp_path / "out.wav"), Job(tmp_path / "a.wav", STDIO)):
        assert plan_file(job, facts, SETTINGS).overlaps


def test_responses_over_so_many_channels_that_memory_would_end_are_refused(tmp_path: Path) -> None:
    """1,024 channels through 32,767 taps took 3.4 GB."""
    settings = Settings(join([], ["fir:lowpass=1000,taps=32767"]))
    with pytest.raises(FileError, match=r"1024 channels through .* 32767 taps need about 3\.5 GB of memory; 2\.1 GB"):
        planned(tmp_path / "a.wav", 2, 1024, settings)
    assert planned(tmp_path / "b.wav", 2, 64, settings).plan.channels == 64
