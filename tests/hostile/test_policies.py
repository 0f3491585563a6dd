"""--on-nan and --on-truncated, from the input to the output and the report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from support import oddfiles
from support.invariants import nothing_lost
from support.oddfiles import FS

from torchfx_cli.chain.parse import join
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.onefile import RunObserver, process_file
from torchfx_cli.tasks.report import FileResult

CHAIN = join([], ["highpass:80", "fir:lowpass=5 kHz,taps=101", "normalize:-1"])


def do(source: Path, output: Path, **settings: object) -> FileResult:
    with nothing_lost([source], {output: None}):
        return process_file(Job(source, output), Settings(CHAIN, **settings), RunObserver())  # type: ignore[arg-type]


def ramp(path: Path, holes: bool) -> Path:
    """A ramp of two channels in steps that floats hold exactly, so that a line across a hole is the very same ramp."""
    samples = np.stack([np.arange(6000), -np.arange(6000)], axis=1).astype(np.float32) / 8192
    if holes:
        samples[1000:1031, 0] = np.nan  # 31 steps: the fractions are exact too
        samples[3999:4002, 1] = (np.inf, np.nan, -np.inf)
    sf.write(path, samples, FS, "FLOAT")
    return path


def test_a_repaired_file_becomes_what_the_whole_one_becomes(tmp_path: Path) -> None:
    whole = do(ramp(tmp_path / "whole.wav", holes=False), tmp_path / "a.wav")
    for number, chunk_s in enumerate((None, 1 / FS, 509 / FS)):
        output = tmp_path / f"b{number}.wav"
        mended = do(ramp(tmp_path / "holes.wav", holes=True), output, on_nan="repair", chunk_s=chunk_s)
        assert (mended.status, mended.repaired) == ("ok", 34)
        assert mended.warnings == (*whole.warnings, "34 non-finite samples repaired (first at 0.020833 s, channel 1)")
        assert output.read_bytes() == (tmp_path / "a.wav").read_bytes()


def test_strict_does_not_take_repaired_samples(tmp_path: Path) -> None:
    result = do(ramp(tmp_path / "in.wav", holes=True), tmp_path / "out.wav", on_nan="repair", strict=True)
    assert result.status == "failed"
    assert "34 non-finite samples repaired" in str(result.error)
    assert not (tmp_path / "out.wav").exists()


def test_without_repair_the_first_sample_that_is_not_finite_is_named(tmp_path: Path) -> None:
    result = do(ramp(tmp_path / "in.wav", holes=True), tmp_path / "out.wav")
    assert (result.status, result.error) == ("failed", "non-finite sample at 0.020833 s, channel 1")


@pytest.mark.parametrize("name", ["in.wav", "in.mp3"])
def test_a_file_that_is_cut_off_is_kept_or_fails_in_the_same_words(tmp_path: Path, name: str) -> None:
    content = oddfiles.plain()[:-4800] if name == "in.wav" else oddfiles.cut_mp3()
    source = oddfiles.put(tmp_path, content, name)
    kept = do(source, tmp_path / "kept.wav")
    assert (kept.status, kept.truncated) == ("ok", True)
    refused = do(source, tmp_path / "refused.wav", on_truncated="fail")
    assert (refused.status, refused.error) == ("failed", kept.warnings[0])
    assert not (tmp_path / "refused.wav").exists()
