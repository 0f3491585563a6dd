"""Loudness range and loudest moments: the signals of EBU Tech 3342 and 3341, and ffmpeg where it is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from torchfx_cli.effects.programme import Programme, ProgrammeMeter, range_lu

FS = 8000  # the K weighting of 1 kHz is that at 48 kHz to 0.02 dB
TOLERANCE_LU, RANGE_TOLERANCE_LU = 0.1, 1.0  # of Tech 3341 and 3342
EXACT_LU = 0.05  # what steps of 10 ms and hops of whole frames leave
FFMPEG_LU = 0.11  # it shows one decimal, and moves in steps of 100 ms


def signal(*parts: tuple[float, float], fs: int = FS) -> np.ndarray:
    """1 kHz in both channels at so many dBFS for so many seconds, which is its loudness in LUFS."""
    level = np.concatenate([np.full(round(seconds * fs), 10 ** (level_db / 20)) for level_db, seconds in parts])
    return np.repeat((level * np.sin(2 * np.pi * 1000 / fs * np.arange(len(level))))[:, None], 2, axis=1)


def read(x: np.ndarray, fs: int = FS, size: int = 1 << 15) -> Programme:
    meter = ProgrammeMeter(fs, (1.0, 1.0))
    for start in range(0, len(x), size):
        meter.process(x[start:start + size])
    return meter.reading()


def test_the_percentiles_are_those_of_the_code_in_ebu_tech_3342() -> None:
    """Of 102 windows a tenth is number round(1 + 101 * 0.1) = 11, and 95 % number 97, where ffmpeg takes 10 and 97."""
    levels = np.concatenate([np.linspace(-37.0, -36.1, 10), [-35.0], np.linspace(-34.0, -25.0, 85), np.full(6, -20.0)])
    assert range_lu(10 ** ((levels + 0.691) / 10)) == pytest.approx(-20.0 + 35.0, abs=1e-9)


@pytest.mark.parametrize(("levels_db", "wanted"), [
    ((-20, -30), 10.0), ((-20, -15), 5.0), ((-40, -20), 20.0), ((-50, -35, -20, -35, -50), 15.0)])
def test_the_range_is_that_of_ebu_tech_3342_cases_1_to_4(levels_db: tuple[int, ...], wanted: float) -> None:
    found = read(signal(*((level_db, 20.0) for level_db in levels_db))).range_lu
    assert found == pytest.approx(wanted, abs=RANGE_TOLERANCE_LU)
    assert found == pytest.approx(wanted, abs=EXACT_LU), "between its 10th and 95th percentile nothing fades"


@pytest.mark.parametrize(("parts", "key"), [
    (((-20, 1.34), (-30, 1.66)) * 5, "max_short_term"), (((-20, 0.18), (-30, 0.22)) * 25, "max_momentary"),
    *((((-300, 0.15 * i), (-23, 3.0), (-300, 1.0)), "max_short_term") for i in (0, 1, 7, 19)),
    *((((-300, 0.02 * i), (-23, 0.4), (-300, 1.0)), "max_momentary") for i in (0, 1, 2, 5, 13, 19))])
def test_the_loudest_moments_are_those_of_ebu_tech_3341_cases_9_10_12_and_13(
        parts: tuple[tuple[float, float], ...], key: str) -> None:
    assert getattr(read(signal(*parts)), key) == pytest.approx(-23.0, abs=TOLERANCE_LU)


@pytest.mark.parametrize("i", [0, 3, 10, 19])
def test_the_loudest_moments_are_those_of_ebu_tech_3341_cases_11_and_14(i: int) -> None:
    live = read(signal((-300, 0.15 * i), (-38 + i, 3.0), (-300, 3.0 - 0.15 * i)))
    assert live.max_short_term == pytest.approx(-38 + i, abs=TOLERANCE_LU)
    live = read(signal((-300, 0.02 * i), (-38 + i, 0.4), (-300, 0.4 - 0.02 * i)))
    assert live.max_momentary == pytest.approx(-38 + i, abs=TOLERANCE_LU)


@pytest.mark.parametrize("size", [61, 509, 44_100])
def test_no_cut_changes_a_bit(size: int) -> None:
    random, fs = np.random.default_rng(1), 11_025
    x = np.repeat(10 ** -random.uniform(0.0, 2.0, 5), fs)[:, None] * random.normal(size=(5 * fs, 2))
    assert read(x, fs, size) == read(x, fs, len(x))


def test_silence_and_short_sounds_have_no_range_and_a_steady_sound_has_one_of_nothing() -> None:
    none = -np.inf
    assert read(np.zeros((5 * FS, 2))) == (none, none, none, none)
    assert read(signal((-20, 0.399))) == (none, none, none, none)
    second = read(signal((-20, 1.0)))
    assert (second.range_lu, second.max_short_term) == (none, none)
    assert second.max_momentary == pytest.approx(-20.0, abs=TOLERANCE_LU)
    assert read(signal((-20, 4.0))).range_lu == pytest.approx(0.0, abs=EXACT_LU)


def test_what_is_kept_for_the_loudest_moments_does_not_grow() -> None:
    meter = ProgrammeMeter(FS, (1.0, 1.0))
    for _ in range(8):
        meter.process(signal((-20, 1.0)))
    assert len(meter._loudest._kept) == 299


def test_ffmpeg_reads_the_same_range_and_loudest_moments(tmp_path: Path) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    random, fs = np.random.default_rng(2), 16_000
    level_db = -26.0 + 9.0 * np.sin(2 * np.pi * np.arange(60 * fs) / (12 * fs))
    x = 10 ** (level_db[:, None] / 20) * random.normal(size=(60 * fs, 2))
    x[:3 * fs] = 0.0  # where it counts windows that are not yet full
    soundfile.write(tmp_path / "a.wav", x, fs, "FLOAT")
    done = subprocess.run(
        ["ffmpeg", "-loglevel", "verbose", "-i", tmp_path / "a.wav", "-af", "ebur128", "-f", "null", "-"],
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8", check=True)
    moments = np.array(re.findall(r" M:\s*(-?[\d.]+) S:\s*(-?[\d.]+)", done.stderr), float)
    whole = [re.findall(rf"{key}:\s+(\S+) LU", done.stderr)[-1] for key in ("I", "LRA")]
    assert read(x, fs) == pytest.approx((*map(float, whole), *moments.max(axis=0)), abs=FFMPEG_LU)
