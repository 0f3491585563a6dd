"""What is told before a run: whether it may clip, what it needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import butter, sosfilt

from torchfx_cli.analysis.reach import tone_gain_db, worst_gain_db
from torchfx_cli.chain.parse import join
from torchfx_cli.tasks.fileplan import JobPlan, describe_job
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.preflight import free_bytes, needed_bytes

FS = 8000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "in.wav", np.zeros((1000, 2), np.int16), FS)
    return tmp_path / "in.wav"


def planned(source: Path, *effects: str, name: str = "out.wav") -> JobPlan:
    return describe_job(Job(source, source.with_name(name)), Settings(join([], effects)))


def absolute_sum_db(impulse_response: np.ndarray) -> float:
    return float(20 * np.log10(np.abs(impulse_response).sum()))


def test_the_worst_gain_is_the_absolute_sum_of_the_impulse_response(source: Path) -> None:
    impulse = np.zeros(FS * 10)
    impulse[0] = 1.0
    truth = absolute_sum_db(sosfilt(butter(4, 80, "highpass", fs=FS, output="sos"), impulse))
    assert worst_gain_db(planned(source, "highpass:cutoff=80,order=4").plan) == pytest.approx(truth, abs=1e-3)
    assert worst_gain_db(planned(source, "gain:6").plan) == pytest.approx(6.0, abs=1e-9)
    assert worst_gain_db(planned(source, "gain:0").plan) == pytest.approx(0.0, abs=1e-9)


def test_the_gain_of_a_tone_is_the_peak_of_the_frequency_response(source: Path) -> None:
    assert tone_gain_db(planned(source, "peaking:frequency=1000,gain=12,q=30").plan) == pytest.approx(12.0, abs=0.01)
    dipped = planned(source, "peaking:frequency=25,gain=-9,q=2", "gain:2")
    assert tone_gain_db(dipped.plan) == pytest.approx(2.0, abs=0.01)
    assert tone_gain_db(planned(source, "highpass:cutoff=80,order=4").plan) == pytest.approx(0.0, abs=0.01)
    assert tone_gain_db(planned(source, "gain:30", "normalize:-3", "gain:1").plan) == pytest.approx(-2.0, abs=1e-9)


def test_a_delay_that_is_removed_loses_nothing_of_it(source: Path) -> None:
    taps = np.array([0.25, -0.5, 1.0, -0.5, 0.25])
    written = ",".join(map(str, taps))
    aligned = worst_gain_db(planned(source, f"fir:taps=[{written}],align=true").plan)
    assert aligned == pytest.approx(absolute_sum_db(taps), abs=1e-9)


def test_behind_normalize_its_level_counts(source: Path) -> None:
    assert worst_gain_db(planned(source, "gain:30", "normalize:-3").plan) == pytest.approx(-3.0, abs=1e-9)
    assert worst_gain_db(planned(source, "normalize:-3", "gain:5").plan) == pytest.approx(2.0, abs=1e-9)


def test_the_space_needed_is_that_of_the_samples(source: Path, tmp_path: Path) -> None:
    assert needed_bytes([planned(source, "gain:1"), planned(source, "gain:1", name="x.flac")]) == 2 * 1000 * 2 * 2
    free = free_bytes(tmp_path / "not" / "yet" / "there")
    assert free is not None
    assert free > 0
