"""A tail comes behind what minds the end of the sound, and in front of what rings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from test_kinds import FS, assert_the_law, noise, plan_of, render

from torchfx_cli.chain.parse import join
from torchfx_cli.plan import tail
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.local import run_jobs
from torchfx_cli.tasks.onefile import RunObserver

ECHO = "delay:time=10 ms,feedback=0,mix=1"  # a tail of 480 frames


@pytest.mark.parametrize(("effects", "made"), [
    (["trim:end=0.02", ECHO], lambda x: x[:960]),
    (["trim_silence:margin=0", ECHO], lambda x: x),
    (["fade:out=5 ms", ECHO], lambda x: x * np.concatenate([np.ones(960), np.arange(240)[::-1] / 240])[:, None]),
    (["reverse", ECHO], lambda x: x[::-1]),
    (["normalize:rms=-20", ECHO], lambda x: x * 0.1 / np.sqrt(np.mean(x**2))),
    (["trim:start=0.01", ECHO], lambda x: x[480:]),
])
@pytest.mark.parametrize("tail_s", ["auto", 0.01])
def test_an_echo_of_the_whole_is_heard_behind_what_minds_the_end(effects: list[str], made: Any, tail_s: Any) -> None:
    x = noise(1200)
    wanted = made(x)
    got = render(plan_of(*effects, tail_s=tail_s), x, 509)
    np.testing.assert_allclose(got, np.concatenate([np.zeros((480, 2)), wanted]), rtol=0, atol=1e-15)


def test_what_is_cut_or_faded_behind_an_echo_has_its_tail_in_it() -> None:
    x = noise(1200)
    got = render(plan_of(ECHO, "fade:out=5 ms", ECHO, tail_s="auto"), x)
    faded = np.concatenate([np.zeros((480, 2)), x])
    faded[-240:] *= np.arange(240)[::-1, None] / 240
    np.testing.assert_allclose(got, np.concatenate([np.zeros((480, 2)), faded]), rtol=0, atol=1e-15)


def test_the_plan_shows_each_tail_and_counts_it() -> None:
    plan = plan_of("trim:end=0.5", "resample:24 kHz", ECHO, tail_s="auto")
    assert plan.tail_frames == 0
    assert plan.describe()[1] == "tail of 0.010 s"
    assert [plan.frames_out(frames) for frames in (0, 2, FS)] == [0, 241, 12_240]
    assert plan_of(ECHO, "trim:end=0.5", tail_s="auto").tail_frames == 480
    assert plan_of("trim:end=0.5", "mono", tail_s=0.01).tail_frames == 480


@pytest.mark.parametrize("tail_s", ["auto", 0.01])
def test_chunked_is_whole(tail_s: Any) -> None:
    assert_the_law(plan_of("highpass:800", "fade:out=1 ms", ECHO, "trim:end=0.02", "resample:16 kHz", "highpass:800",
                           tail_s=tail_s))


def test_a_tail_that_is_longer_than_a_minute_is_cut_and_that_is_told() -> None:
    ringing = "delay:time=10 s,feedback=0.9"
    plan = plan_of(ringing, tail_s="auto")
    assert plan.tail_frames == 60 * FS
    (told,) = plan.warned
    assert re.fullmatch(r"--tail auto: what rings takes 13\d\d s to fall to -120 dB; its tail ends after 60 s", told)
    assert plan_of(ringing, tail_s=3.0).warned == plan_of(ECHO, tail_s="auto").warned == ()


def test_that_a_tail_is_cut_is_a_warning_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "MAX_TAIL_S", 1.0)
    soundfile.write(tmp_path / "in.wav", noise(1000), FS)
    settings = Settings(join([], ["delay:time=0.5 s,feedback=0.5,mix=1"]), tail_s="auto")
    (result,) = run_jobs([Job(tmp_path / "in.wav", tmp_path / "out.wav")], settings, RunObserver()).results
    assert [warning.startswith("--tail auto: what rings takes") for warning in result.warnings] == [True]
    assert result.frames == 1000 + FS
