"""Levels of whole files, held against formulas and a fine interpolation by FFT."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import firwin
from test_kinds import FS, noise, plan_of, render

from torchfx_cli.chain.parse import join
from torchfx_cli.effects.meters import RmsMeter, TruePeakMeter
from torchfx_cli.errors import ChainError
from torchfx_cli.samples import SampleFormat
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.local import run_jobs
from torchfx_cli.tasks.onefile import RunObserver


def true_peak(x: np.ndarray, block: int = 1 << 20) -> float:
    meter = TruePeakMeter(x.shape[1])
    for at in range(0, len(x), block):
        meter.process(x[at : at + block])
    return meter.reading()


@pytest.mark.parametrize(("divisor", "degrees", "seconds_db", "wanted_db"), [
    (4, 0.0, -6.0206, -6.0), (4, 45.0, -6.0206, -6.0), (6, 60.0, -6.0206, -6.0), (8, 67.5, -6.0206, -6.0),
    (4, 45.0, 2.9899, 3.0)])
def test_true_peaks_of_ebu_tech_3341(divisor: int, degrees: float, seconds_db: float, wanted_db: float) -> None:
    """Its cases 15 to 19: tones of fs / 4, 6, 8 at phases that hide the peak between samples; +0.2, -0.4 dB."""
    n = np.arange(FS // 4)
    tone = 10 ** (seconds_db / 20) * np.sin(2 * np.pi * n / divisor + np.radians(degrees))
    fade = np.minimum(1.0, np.minimum(n, n[::-1]) / 2000)
    got_db = 20 * np.log10(true_peak((tone * fade)[:, None]))
    assert wanted_db - 0.4 <= got_db <= wanted_db + 0.2


@pytest.mark.parametrize("offset", range(4))
def test_true_peaks_of_ebu_tech_3341_that_one_period_makes(offset: int) -> None:
    """Its cases 20 to 23, 0 dBTP: a period of 12 kHz in a tone of 8 kHz at half its amplitude, four samplings of it."""
    fast, slow = np.sin(2 * np.pi * np.arange(16) / 16), 0.5 * np.sin(2 * np.pi * np.arange(24 * 400) / 24)
    lowpass = firwin(2001, 23_500, fs=192_000, window=("kaiser", 10.0))
    x = np.convolve(np.concatenate([slow, fast, slow]), lowpass, "same")[offset::4]
    n = np.arange(len(x))
    got_db = 20 * np.log10(true_peak((x * np.minimum(1.0, np.minimum(n, n[::-1]) / 500))[:, None]))
    assert -0.4 <= got_db <= 0.2


def test_the_true_peak_of_noise_is_that_of_a_fine_interpolation() -> None:
    """Band-limited to 0.4 fs and periodic, so that an FFT gives its values 64 times as dense."""
    bins = np.zeros(2049, complex)
    bins[1:1600] = np.random.default_rng(3).normal(size=(1599, 2)) @ [1.0, 1j]
    x, fine = np.fft.irfft(bins, 4096), np.fft.irfft(bins, 64 * 4096) * 64
    got = true_peak(np.tile(x, 3)[:, None])
    assert 20 * np.log10(got / np.abs(fine).max()) == pytest.approx(0.0, abs=0.12)


def test_the_last_sample_counts_and_cuts_do_not() -> None:
    x = np.zeros((1000, 2))
    x[-2:, 1] = 0.5
    assert 20 * np.log10(true_peak(x) / 0.5) == pytest.approx(20 * np.log10(4 / np.pi), abs=0.1)
    x = noise(20_000)
    assert len({true_peak(x, block) for block in (17, 509, 8192, 20_000)}) == 1


def test_rms_is_the_mean_square_of_all() -> None:
    x = noise(10_001)
    readings = set()
    for block in (17, 4096, 10_001):
        meter = RmsMeter(2)
        for at in range(0, len(x), block):
            meter.process(x[at : at + block])
        readings.add(meter.reading())
    assert len(readings) == 1
    assert readings.pop() == pytest.approx(np.sqrt(np.mean(x**2)), rel=1e-13)


@pytest.mark.parametrize("effect", ["normalize:true_peak=-1 dBTP", "normalize:rms=-20 dB", "normalize:-3"])
def test_normalize_reaches_its_level(effect: str) -> None:
    x = noise(30_000)
    got = render(plan_of(effect), x)
    level = {"t": lambda: true_peak(got), "r": lambda: np.sqrt(np.mean(got**2)), "-": lambda: np.abs(got).max()}
    wanted_db = float(effect.split("=")[-1].split(":")[-1].split()[0])
    assert 20 * np.log10(level[effect[10]]()) == pytest.approx(wanted_db, abs=1e-9)
    np.testing.assert_array_equal(render(plan_of(effect), np.zeros((100, 2))), np.zeros((100, 2)))
    np.testing.assert_array_equal(render(plan_of(effect), x, 997), got)


def test_two_levels_contradict() -> None:
    with pytest.raises(ChainError, match="peak and rms contradict each other"):
        join([], ["normalize:peak=-1,rms=-20"])
    with pytest.raises(ChainError, match="LUFS is not a unit here"):
        join([], ["normalize:-16 LUFS"])


@pytest.mark.parametrize("effect", [
    "normalize:0", "normalize:true_peak=0", "limiter:0", "limiter:ceiling=0,true_peak=false",
    "loudness:target=0,true_peak=0,ceiling=lower", "loudness:target=-6,true_peak=0"])
@pytest.mark.parametrize(("name", "subtype"), [
    ("out.wav", "PCM_16"), ("out.wav", "PCM_U8"), ("out.flac", "PCM_24"), ("out.ogg", "VORBIS")])
def test_full_scale_does_not_clip(effect: str, name: str, subtype: str, tmp_path: Path) -> None:
    x = np.repeat(np.sin(2 * np.pi * np.arange(FS // 2) / 16), 2).reshape(-1, 2)  # with samples at its peaks
    soundfile.write(tmp_path / "in.wav", 1.7 * x, FS, "FLOAT")
    settings = Settings(join([], [effect]), subtype=subtype)
    (result,) = run_jobs([Job(tmp_path / "in.wav", tmp_path / name)], settings, RunObserver()).results
    assert (result.clipped, [told for told in result.warnings if "clip" in told]) == (0, [])
    bits = {"PCM_16": 16, "PCM_U8": 8}.get(subtype, 24)
    if effect in ("normalize:0", "limiter:ceiling=0,true_peak=false"):
        assert 1.0 - 3.5 * 2.0 ** (1 - bits) <= result.peak <= 1.0, "and nothing else is lost"


def test_more_than_full_scale_still_clips_as_asked() -> None:
    assert plan_of("normalize:1", sink=SampleFormat("int16", 16)).stages[0].level == 10 ** (1 / 20)
    assert plan_of("normalize:-1", sink=SampleFormat("int16", 16)).stages[0].level == 10 ** (-1 / 20)
