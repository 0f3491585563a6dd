"""Figures of waveforms that were made to have them, however they are cut into blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from torchfx_cli.stream.reader import open_source
from torchfx_cli.tasks import stats
from torchfx_cli.tasks.stats import FIGURES, read_all

FS = 48_000
STEP = 2.0**-15


@pytest.fixture(params=[1 << 17, 257])
def figures_of(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The figures of samples in a WAV of a subtype, read in long blocks and in short ones."""
    monkeypatch.setattr(stats, "block_frames", lambda channels: request.param)

    def figures(x: np.ndarray, subtype: str = "PCM_16", fs: int = FS, name: str = "a.wav") -> dict[str, float | None]:
        soundfile.write(tmp_path / name, x, fs, subtype)
        with open_source(tmp_path / name) as source:
            return read_all(source, FIGURES)[1]

    return figures


def sine(hz: float, seconds: float = 0.5, peak: float = 0.5) -> np.ndarray:
    return peak * np.sin(2 * np.pi * hz * np.arange(round(seconds * FS)) / FS)


def test_crest_and_dc_are_those_of_a_sine_with_an_offset(figures_of) -> None:
    found = figures_of(np.stack([sine(1000), sine(1000) - 0.01], axis=1), "DOUBLE")
    assert found["dc_offset"] == pytest.approx(1.0, abs=1e-9), "of the channel that is furthest off, absolute"
    assert figures_of(sine(1000), "DOUBLE")["crest"] == pytest.approx(20 * np.log10(2**0.5), abs=1e-9)
    assert figures_of(np.zeros(100))["crest"] == -np.inf


@pytest.mark.parametrize(("subtype", "top", "runs"), [
    ("PCM_16", 1.0 - STEP, 3), ("PCM_16", 1.0 - 2 * STEP, 0), ("PCM_24", 1.0 - STEP, 0), ("FLOAT", 1.0, 3),
    ("FLOAT", 1.25, 3), ("FLOAT", 0.9, 0)])
def test_runs_at_the_highest_value_are_clipped_where_that_is_full_scale(figures_of, subtype: str, top: float,
                                                                        runs: int) -> None:
    x = np.zeros((1000, 2))
    x[100:103, 0] = x[255:260, 1] = top  # over the edge of a block, too
    x[500:502] = x[600] = top  # too short
    x[700:703, 0] = top - 3 * STEP  # flat, below the highest
    x[997:, 1] = -top  # at the end of the file
    assert figures_of(x, subtype)["clipped_runs"] == runs


def test_flat_tops_below_a_higher_peak_are_no_clipping(figures_of) -> None:
    x = np.zeros(1000)
    x[10:20] = 1.0
    x[900] = 1.1
    assert figures_of(x, "FLOAT")["clipped_runs"] == 0


def test_silence_is_what_all_channels_leave_below_60_db(figures_of) -> None:
    x = np.full((FS, 2), 0.0009)
    x[4800, 1], x[40_000, 0] = 0.0011, -0.0011
    found = figures_of(x, "FLOAT")
    assert (found["silence_start"], found["silence_end"]) == (pytest.approx(100.0), pytest.approx(1e3 * 7999 / FS))
    found = figures_of(x[:4800], "FLOAT")
    assert (found["silence_start"], found["silence_end"]) == (100.0, 100.0), "both are all of it"


@pytest.mark.parametrize(("subtype", "stored_bits", "bits"), [
    ("PCM_16", 16, 16), ("PCM_24", 16, 16), ("PCM_24", 24, 24), ("PCM_32", 24, 24), ("PCM_U8", 8, 8),
    ("PCM_16", 8, 8), ("FLOAT", 16, None)])
def test_bits_that_are_never_set_are_not_in_use(figures_of, subtype: str, stored_bits: int,
                                                bits: int | None) -> None:
    steps = 2.0 ** (stored_bits - 1)
    x = np.round(0.5 * np.random.default_rng(1).uniform(-1, 1, 2000) * steps) / steps
    assert figures_of(x, subtype)["bits"] == bits
    if bits:
        assert figures_of(np.zeros(100), subtype)["bits"] == 0


@pytest.mark.parametrize("rms", [0.1, 0.01])
@pytest.mark.parametrize("cutoff_hz", [4000, 16_000, None])
@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_the_bandwidth_ends_at_a_shelf_whatever_clicks_and_dithers(figures_of, rms: float, cutoff_hz: int | None,
                                                                   subtype: str) -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal(2 * FS)
    spectrum = np.fft.rfft(x)
    hz = np.fft.rfftfreq(len(x), 1 / FS)
    spectrum *= 1.0 / np.maximum(1.0, hz / 200)  # as music falls
    if cutoff_hz is not None:
        spectrum[hz > cutoff_hz] = 0.0
    x = np.fft.irfft(spectrum)
    x *= rms / np.sqrt(np.mean(x**2)) * np.minimum(1.0, np.hanning(len(x)) * 20)  # its ends are no clicks
    x[30_000] += 0.05 * rms  # a click holds all frequencies
    if subtype == "PCM_16":
        x += STEP * (rng.uniform(-0.5, 0.5, len(x)) + rng.uniform(-0.5, 0.5, len(x)))
    found = figures_of(np.concatenate([x, np.zeros(FS)]), subtype)["bandwidth"]
    assert found == pytest.approx(cutoff_hz or FS / 2, abs=150)


def test_the_bandwidth_of_a_tone_is_its_frequency_and_silence_has_none(figures_of) -> None:
    assert figures_of(sine(19_000))["bandwidth"] == pytest.approx(19_000, abs=100)
    assert figures_of(sine(1000, 0.05), "FLOAT")["bandwidth"] == pytest.approx(1000, abs=500), "shorter than a window"
    assert figures_of(np.zeros(FS))["bandwidth"] == 0


def test_samples_that_are_no_numbers_are_counted_and_measured_as_silence(figures_of) -> None:
    x = sine(1000)
    at = x.copy()
    at[[0, 24, 12_000]] = np.nan, np.inf, -np.inf
    x[[0, 24, 12_000]] = 0.0
    found, clean = figures_of(at, "FLOAT"), figures_of(x, "FLOAT")
    assert found.pop("non_finite") == 3
    assert clean.pop("non_finite") == 0
    assert found == clean
