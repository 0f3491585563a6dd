"""A file from beginning to end, as `torchfx process` does it, against SciPy and against what must never happen."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import butter, sosfilt

from torchfx_cli.chain.parse import join
from torchfx_cli.tasks.fileplan import describe_job
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.onefile import RunObserver, process_file
from torchfx_cli.tasks.report import FileResult

FS = 44_100


def do(source: Path, output: Path, *effects: str, **settings: object) -> FileResult:
    chain = join([], effects)
    return process_file(Job(source, output), Settings(chain, **settings), RunObserver())  # type: ignore[arg-type]


def noise(
    path: Path, frames: int = 50_000, channels: int = 2, subtype: str = "PCM_16", level: float = 0.1
) -> np.ndarray:
    samples = np.random.default_rng(3).standard_normal((frames, channels)) * level
    soundfile.write(path, samples, FS, subtype)
    return soundfile.read(path, always_2d=True)[0]


def leftovers(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if name.startswith("."))


def test_the_output_is_the_scipy_result_within_half_a_step(tmp_path: Path) -> None:
    samples = noise(tmp_path / "in.wav")
    result = do(tmp_path / "in.wav", tmp_path / "out.wav", "highpass:cutoff=80,order=4", "gain:-3", dither="none")
    assert (result.status, result.error, result.frames) == ("ok", None, 50_000)
    truth = sosfilt(butter(4, 80, "highpass", fs=FS, output="sos"), samples, axis=0) * 10 ** (-3 / 20)
    got = soundfile.read(tmp_path / "out.wav", dtype="int16")[0]
    assert np.abs(got - truth * 32768).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("chunk_s", [1 / FS, 17 / FS, 509 / FS, 0.25, 100.0])
@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_the_chunk_size_never_changes_a_bit(tmp_path: Path, chunk_s: float, subtype: str) -> None:
    noise(tmp_path / "in.wav", 3000, subtype=subtype)
    effects = (
        "highpass:cutoff=20,order=3",
        "fir:lowpass=5 kHz,taps=301,align=true",
        "normalize:-1",
        "peaking:frequency=1000,gain=-4",
    )
    assert do(tmp_path / "in.wav", tmp_path / "whole.wav", *effects).status == "ok"
    assert do(tmp_path / "in.wav", tmp_path / "cut.wav", *effects, chunk_s=chunk_s).status == "ok"
    assert (tmp_path / "whole.wav").read_bytes() == (tmp_path / "cut.wav").read_bytes()


@pytest.mark.parametrize("effects", [("highpass:cutoff=20,order=3", "fir:lowpass=5 kHz,taps=301,align=true"),
                                     ("highpass:80", "compressor:-30", "fir:lowpass=5 kHz,taps=301")], ids=len)
def test_nor_does_it_with_the_torch_engine(tmp_path: Path, effects: tuple[str, ...]) -> None:
    pytest.importorskip("torch")
    noise(tmp_path / "in.wav", 300_000, subtype="DOUBLE")
    for name, chunk_s in (("whole", None), ("one", 1.0), ("short", 0.01), ("odd", 12_345 / FS)):
        settings = {"engine": "torch", "device": "cpu", "chunk_s": chunk_s}
        assert do(tmp_path / "in.wav", tmp_path / f"{name}.wav", *effects, **settings).status == "ok"
    whole = (tmp_path / "whole.wav").read_bytes()
    for name in ("one", "short", "odd"):
        assert (tmp_path / f"{name}.wav").read_bytes() == whole, name


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_a_chain_that_does_nothing_keeps_every_bit(tmp_path: Path, subtype: str) -> None:
    noise(tmp_path / "in.wav", subtype=subtype)
    result = do(tmp_path / "in.wav", tmp_path / "out.wav", "gain:0")
    assert result.subtype == subtype
    for dtype in ("int32", "float64"):
        before, after = (soundfile.read(tmp_path / name, dtype=dtype)[0] for name in ("in.wav", "out.wav"))
        assert (before == after).all()


@pytest.mark.parametrize("peak_db", [-1.0, -20.0])
def test_normalize_brings_the_highest_sample_of_all_channels_to_its_level(tmp_path: Path, peak_db: float) -> None:
    samples = noise(tmp_path / "in.wav", subtype="FLOAT")
    result = do(tmp_path / "in.wav", tmp_path / "out.wav", f"normalize:{peak_db}")
    got = soundfile.read(tmp_path / "out.wav")[0]
    assert np.abs(got).max() == pytest.approx(10 ** (peak_db / 20), rel=1e-6)
    assert result.peak == pytest.approx(10 ** (peak_db / 20), rel=1e-9)
    np.testing.assert_allclose(got / samples, np.abs(got).max() / np.abs(samples).max(), rtol=1e-6)


def test_normalizing_silence_leaves_silence(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", np.zeros((100, 1), np.int16), FS)
    assert do(tmp_path / "in.wav", tmp_path / "out.wav", "normalize:-1", dither="none").status == "ok"
    assert not soundfile.read(tmp_path / "out.wav")[0].any()


def test_a_tail_lets_the_filter_ring_and_no_tail_keeps_the_length(tmp_path: Path) -> None:
    noise(tmp_path / "in.wav", 1000)
    assert do(tmp_path / "in.wav", tmp_path / "a.wav", "peaking:frequency=50,gain=12,q=8").frames == 1000
    assert (
        do(tmp_path / "in.wav", tmp_path / "b.wav", "peaking:frequency=50,gain=12,q=8", tail_s=0.5).frames
        == 1000 + FS // 2
    )
    ringing = (
        do(tmp_path / "in.wav", tmp_path / "c.wav", "peaking:frequency=50,gain=12,q=8", tail_s="auto").frames - 1000
    )
    # The pole of the cookbook section: r^2 = (1 - alpha/A) / (1 + alpha/A), and the tail ends where r^n is -120 dB.
    alpha_over_a = np.sin(2 * np.pi * 50 / FS) / 16 / 10 ** (12 / 40)
    radius = np.sqrt((1 - alpha_over_a) / (1 + alpha_over_a))
    shortest = np.log(1e-6) / np.log(radius)
    assert shortest <= ringing <= 1.5 * shortest


def test_clipping_is_counted_exactly_and_the_peak_is_told(tmp_path: Path) -> None:
    samples = noise(tmp_path / "in.wav", subtype="FLOAT", level=0.4)
    result = do(tmp_path / "in.wav", tmp_path / "out.wav", "gain:0", subtype="PCM_16", dither="none")
    scaled = np.rint(samples * 32768)
    clipped = int(((scaled > 32767) | (scaled < -32768)).sum())
    assert clipped > 0
    assert result.clipped == clipped
    assert any(f"{clipped} samples clipped (peak +" in warning for warning in result.warnings)


@pytest.mark.parametrize(("value", "subtype"), [(np.nan, "FLOAT"), (np.inf, "FLOAT"), (-np.inf, "DOUBLE")])
def test_a_non_finite_sample_fails_the_file_and_leaves_nothing(tmp_path: Path, value: float, subtype: str) -> None:
    samples = np.zeros((FS, 2))
    samples[FS - 1, 1] = value
    soundfile.write(tmp_path / "in.wav", samples, FS, subtype)
    (tmp_path / "out.wav").write_bytes(b"the old output")
    result = do(tmp_path / "in.wav", tmp_path / "out.wav", "highpass:80", overwrite=True)
    assert (result.status, result.exit_code) == ("failed", 3)
    assert "non-finite sample at 0.99" in str(result.error)
    assert "channel 2" in str(result.error)
    assert (tmp_path / "out.wav").read_bytes() == b"the old output"
    assert leftovers(tmp_path) == []


def test_a_cutoff_above_half_the_rate_fails_this_file_with_its_rate(tmp_path: Path) -> None:
    noise(tmp_path / "in.wav")
    result = do(tmp_path / "in.wav", tmp_path / "out.wav", "lowpass:30 kHz")
    assert (result.status, result.exit_code) == ("failed", 3)
    assert "30 kHz" in str(result.error)
    assert "22.05 kHz" in str(result.error)
    assert not (tmp_path / "out.wav").exists()


def test_the_input_keeps_its_bytes_and_its_time(tmp_path: Path) -> None:
    noise(tmp_path / "in.wav")
    before = hashlib.sha256((tmp_path / "in.wav").read_bytes()).digest(), (tmp_path / "in.wav").stat().st_mtime_ns
    do(tmp_path / "in.wav", tmp_path / "out.wav", "highpass:80", "normalize:-3")
    assert (
        hashlib.sha256((tmp_path / "in.wav").read_bytes()).digest(),
        (tmp_path / "in.wav").stat().st_mtime_ns,
    ) == before


def test_strict_turns_a_warning_into_a_failure_without_an_output(tmp_path: Path) -> None:
    noise(tmp_path / "in.wav", level=0.3)
    result = do(tmp_path / "in.wav", tmp_path / "out.wav", "gain:12", strict=True)
    assert (result.status, result.exit_code) == ("failed", 3)
    assert "clipped" in str(result.error)
    assert not (tmp_path / "out.wav").exists()


@pytest.mark.parametrize("frames", [1, 3, 7])
def test_a_file_shorter_than_the_filter_keeps_its_length(tmp_path: Path, frames: int) -> None:
    noise(tmp_path / "in.wav", frames)
    assert (
        do(
            tmp_path / "in.wav",
            tmp_path / "out.wav",
            "fir:lowpass=5000,taps=511,align=true",
            "highpass:cutoff=80,order=8",
        ).frames
        == frames
    )
    assert soundfile.info(tmp_path / "out.wav").frames == frames


@pytest.mark.parametrize("channels", [1, 2, 3, 8, 32])
def test_every_channel_is_filtered_alone(tmp_path: Path, channels: int) -> None:
    noise(tmp_path / "in.wav", 5000, channels, "FLOAT")
    do(tmp_path / "in.wav", tmp_path / "out.wav", "highpass:cutoff=200,order=3", "fir:lowpass=5000,taps=301")
    together = soundfile.read(tmp_path / "out.wav", always_2d=True)[0]
    for channel in {0, channels - 1}:
        soundfile.write(
            tmp_path / "one.wav", soundfile.read(tmp_path / "in.wav", always_2d=True)[0][:, channel], FS, "FLOAT"
        )
        do(
            tmp_path / "one.wav",
            tmp_path / "alone.wav",
            "highpass:cutoff=200,order=3",
            "fir:lowpass=5000,taps=301",
            overwrite=True,
        )
        np.testing.assert_allclose(together[:, channel], soundfile.read(tmp_path / "alone.wav")[0], atol=1e-7)


def test_describing_a_job_writes_nothing(tmp_path: Path) -> None:
    noise(tmp_path / "in.wav")
    chain = join([], ["highpass:80", "gain:-3", "normalize:-1"])
    plan = describe_job(Job(tmp_path / "in.wav", tmp_path / "out" / "in.wav"), Settings(chain)).plan
    assert (plan.passes, len(plan.stages)) == (2, 2)
    assert sorted(os.listdir(tmp_path)) == ["in.wav"]


def test_a_missing_folder_ends_the_run_and_names_it(tmp_path: Path) -> None:
    from torchfx_cli.errors import RunError

    noise(tmp_path / "in.wav")
    with pytest.raises(RunError, match="no such folder"):
        do(tmp_path / "in.wav", tmp_path / "not" / "here" / "out.wav", "gain:-1")
