"""Differences of files against what was done to them, and spectra against SciPy."""

from __future__ import annotations

import json
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.signal
import soundfile

from torchfx_cli.__main__ import main
from torchfx_cli.analysis.difference import Difference, best_shift, difference
from torchfx_cli.analysis.samples import side_by_side
from torchfx_cli.analysis.spectrum import SpectrumMeter, third_octaves
from torchfx_cli.stream.reader import open_source

FS = 8000
Array = npt.NDArray[np.float64]


def noise(frames: int, channels: int = 2, seed: int = 1) -> Array:
    return np.random.default_rng(seed).uniform(-0.4, 0.4, (frames, channels))


def write(path: Path, samples: Array, fs: int = FS) -> str:
    soundfile.write(path, samples, fs, subtype="DOUBLE")
    return str(path)


def compare(folder: Path, a: Array, b: Array) -> Difference:
    with open_source(write(folder / "a.wav", a)) as x, open_source(write(folder / "b.wav", b)) as y:
        return difference(x, y)


def test_the_largest_error_is_found_with_its_place_and_the_signal_to_noise_ratio(tmp_path: Path) -> None:
    a = noise(FS)
    b = a.copy()
    b[5000, 1] += 0.25
    b[70, 0] -= 0.125
    found = compare(tmp_path, a, b)
    assert (found.frames, found.shift, found.aligned) == ((FS, FS), 0, None)
    residual = found.residual
    assert (residual.peak_frame, residual.peak_channel) == (5000, 1)
    assert residual.peak_db == pytest.approx(20 * np.log10(0.25), abs=1e-9)
    power = 0.25**2 + 0.125**2
    assert residual.rms_db == pytest.approx(10 * np.log10(power / a.size), abs=1e-9)
    assert residual.snr_db == pytest.approx(10 * np.log10(np.square(a).sum() / power), abs=1e-9)
    assert found.is_within(-12.0)
    assert not found.is_within(-12.1)
    assert not found.is_within(-inf)


def test_a_gain_and_a_turned_polarity_are_told_and_taken_back(tmp_path: Path) -> None:
    a = noise(FS)
    residual = compare(tmp_path, a, -0.5 * a).residual
    assert residual.is_inverted
    assert residual.gain_db == pytest.approx(-6.0206, abs=1e-4)
    assert residual.matched_db < -140.0


@pytest.mark.parametrize("shift", [1, -1, 440, -3000])
def test_a_shift_is_found_and_taken_back(tmp_path: Path, shift: int) -> None:
    a, rest = noise(2 * FS), noise(abs(shift), seed=2)
    b = np.concatenate([rest, a]) if shift > 0 else a[-shift:]
    found = compare(tmp_path, a, b)
    assert found.shift == shift
    assert found.residual.peak_db > -10.0
    assert found.aligned is not None
    assert found.aligned.peak_db == -inf
    assert found.is_within(-inf, aligned=True)
    assert not found.is_within(-inf)


def test_the_place_of_an_error_behind_a_shift_is_one_of_the_first_file(tmp_path: Path) -> None:
    a = noise(2 * FS)
    b = a[100:].copy()
    b[900] += 0.5
    aligned = compare(tmp_path, a, b).aligned
    assert aligned is not None
    assert aligned.peak_frame == 1000


def test_a_shorter_file_counts_as_silent_behind_its_end(tmp_path: Path) -> None:
    a = noise(FS)
    a[-1] = 0.0
    silent_end = compare(tmp_path, a, a[:-1])
    assert silent_end.residual.peak_db == -inf
    assert not silent_end.is_within(-inf), "its length differs"
    assert silent_end.is_within(-90.0)
    assert compare(tmp_path, a, a[:-500]).residual.peak_frame >= FS - 500


def test_of_a_periodic_sound_the_nearest_place_is_meant() -> None:
    sine = np.sin(2 * np.pi * np.arange(1 << 14) / 100)
    padded = np.concatenate([np.zeros(1 << 17), sine, np.zeros(1 << 17)])
    assert best_shift(sine, padded) == 0
    assert best_shift(noise(4000, 1)[:, 0], noise(4000 + (1 << 18), 1, seed=3)[:, 0]) is None


def test_files_in_which_nothing_sounds_are_the_same(tmp_path: Path) -> None:
    found = compare(tmp_path, np.zeros((100, 1)), np.zeros((100, 1)))
    assert found.is_within(-inf)
    assert (found.shift, found.bands) == (None, ())


def test_the_spectrum_of_a_filtered_file_changes_as_the_filter_says(tmp_path: Path) -> None:
    sos = scipy.signal.butter(2, 500, "highpass", fs=FS, output="sos")
    a = noise(40 * FS, 1)
    found = compare(tmp_path, a, scipy.signal.sosfilt(sos, a, axis=0))
    centres, changes = np.array(found.bands).T
    _, response = scipy.signal.sosfreqz(sos, centres, fs=FS)
    above = centres > 150
    assert changes[above] == pytest.approx(20 * np.log10(np.abs(response[above])), abs=0.35)


@pytest.mark.parametrize("cuts", [[], [1, 17, 509], [8000]])
def test_blocks_of_any_length_give_the_spectrum_of_scipy(cuts: list[int]) -> None:
    samples = noise(50_000)
    meter = SpectrumMeter(FS, 2, 4096)
    for block in np.split(samples, np.cumsum(cuts)):
        meter.process(block)
    hz, density = scipy.signal.welch(samples, FS, "hann", 4096, detrend=False, axis=0)
    assert np.array_equal(meter.frequencies_hz, hz)
    assert meter.power() == pytest.approx(density * (hz[1] - hz[0]), rel=1e-9, abs=1e-20)


def test_the_power_of_all_bins_is_the_mean_square_also_of_a_short_file() -> None:
    for frames in (100, 4096, 50_000):
        sine = np.sin(2 * np.pi * 1000 * np.arange(frames) / FS)[:, None]
        meter = SpectrumMeter(FS, 1, 4096)
        meter.process(sine)
        assert meter.power().sum() == pytest.approx(0.5, rel=0.02)
        centres, power = third_octaves(meter.frequencies_hz, meter.power())
        assert centres[power[:, 0].argmax()] == pytest.approx(1000.0)
        assert centres[-1] < FS / 2


def test_side_by_side_pairs_frames_of_blocks_of_other_lengths() -> None:
    a, b = noise(100), noise(90)
    pairs = list(side_by_side(np.split(a, [7, 50]), np.split(b, [33])))
    assert np.array_equal(np.concatenate([x for x, _ in pairs]), a)
    assert np.array_equal(np.concatenate([y for _, y in pairs]), np.concatenate([b, np.zeros((10, 2))]))
    shifted = list(side_by_side(np.split(a, [7]), np.split(b, [33]), 5))
    assert np.array_equal(np.concatenate([x for x, _ in shifted]), a[:85])
    assert np.array_equal(np.concatenate([y for _, y in shifted]), b[5:])


def torchfx(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["diff", *arguments])
    return code, *capsys.readouterr()


def test_the_command_tells_by_its_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples = noise(FS)
    a, b = write(tmp_path / "a.wav", samples), write(tmp_path / "b.wav", samples * 0.5)
    other = write(tmp_path / "c.wav", samples, 16_000)
    mono = write(tmp_path / "d.wav", samples[:, :1])
    assert torchfx(capsys, a, a)[:2] == (0, "every sample is the same, of 8000 frames\n")
    assert torchfx(capsys, a, b)[0] == 1
    assert torchfx(capsys, a, b, "--max-error", "-6dB")[0] == 0
    assert torchfx(capsys, a, b, "--max-error", "-60 dBFS", "-q") == (1, "", "")
    assert "the sample rates differ: 8000 and 16000 Hz" in torchfx(capsys, a, other)[1]
    assert torchfx(capsys, a, mono)[:2] == (1, "the numbers of channels differ: 2 and 1\n")
    assert torchfx(capsys, a, b, "--max-error", "3dB")[0] == 2
    code, _, told = torchfx(capsys, a, str(tmp_path / "none.wav"))
    assert (code, "none.wav: does not exist" in told) == (3, True)


def test_a_file_that_is_cut_off_is_told_though_its_rest_is_the_same(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, cut = tmp_path / "whole.wav", tmp_path / "cut.wav"
    soundfile.write(whole, np.linspace(-0.5, 0.5, 4000), 8000)
    cut.write_bytes(whole.read_bytes()[:4044])
    (tmp_path / "eq.yaml").write_text("chain: [gain: -3]\n")
    told = f"{cut}: warning: 2000 of 4000 frames (cut off)\n"
    for words, code, err in ((["diff", cut, cut], 0, told * 2), (["diff", cut, cut, "-q"], 0, ""),
                             (["diff", whole, cut], 1, told), (["plot", cut, "--json"], 0, told),
                             (["verify", tmp_path / "eq.yaml", cut], 0, told)):
        assert main(list(map(str, words))) == code
        assert capsys.readouterr().err == err


def test_what_is_found_while_reading_names_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, bad = write(tmp_path / "a.wav", noise(FS)), tmp_path / "bad.wav"
    samples = noise(FS)
    samples[4000, 1] = np.nan
    soundfile.write(bad, samples, FS, "FLOAT")
    for pair in ((a, str(bad)), (str(bad), a)):
        assert torchfx(capsys, *pair) == (3, "", f"torchfx: error: {bad}: non-finite sample at 0.500000 s, channel 2\n")


def test_the_record_and_the_lines_say_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples = noise(FS)
    a, b = write(tmp_path / "a.wav", samples), write(tmp_path / "b.wav", samples * 0.5)
    record: dict[str, Any] = json.loads(torchfx(capsys, a, b, "--json")[1])
    assert (record["status"], record["shift"], record["frames"]) == ("different", 0, [FS, FS])
    assert record["error"]["gain_db"] == pytest.approx(-6.0206, abs=1e-4)
    lines = torchfx(capsys, a, b)[1].splitlines()
    assert lines[0].split() == ["length", "the", "same"]
    assert "with a gain of -6.02 dB taken back: RMS" in lines[3]
    assert lines[4].startswith("spectrum  20 to 3.15k -6.0 dB")
    assert lines[5].split() == ["result", "different"]
