"""Loudness: EBU Tech 3341's signals, libebur128, ceilings, layouts, and what cannot be measured."""

from __future__ import annotations

import ctypes
import ctypes.util
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from scipy.signal import firwin, resample_poly
from test_kinds import FS, assert_the_law, noise, plan_of, render
from test_levels import true_peak

from torchfx_cli.chain.parse import join
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.effects.loudness import LoudnessMeter, weights_of
from torchfx_cli.errors import ChainError, FileError
from torchfx_cli.samples import Signal
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.local import run_jobs
from torchfx_cli.tasks.onefile import RunObserver

RATES = [8000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000]
# ebur128.h: 0 is unused, 1 2 3 left, right, centre, 4 5 surrounds at 110 degrees, 11 12 at 90, 13 14 at 135, 15 behind
THEIR_CHANNELS = {1: [3], 2: [1, 2], 3: [1, 2, 3], 4: [1, 2, 4, 5], 5: [1, 2, 3, 4, 5], 6: [1, 2, 3, 0, 4, 5],
                  7: [1, 2, 3, 0, 15, 11, 12], 8: [1, 2, 3, 0, 13, 14, 11, 12]}


def measured(x: np.ndarray, fs: int, mask: int = 0) -> float:
    meter = LoudnessMeter(fs, weights_of(Signal(fs, x.shape[1], mask))[0])
    meter.process(x)
    return meter.reading()[0]


def by_libebur128(x: np.ndarray, fs: int) -> float:
    name = ctypes.util.find_library("ebur128")
    if name is None:
        pytest.skip("libebur128 is not installed")
    library = ctypes.CDLL(name)
    library.ebur128_init.restype = ctypes.c_void_p
    state = ctypes.c_void_p(library.ebur128_init(x.shape[1], ctypes.c_ulong(fs), 5))
    for channel, speaker in enumerate(THEIR_CHANNELS[x.shape[1]]):
        library.ebur128_set_channel(state, channel, speaker)
    library.ebur128_add_frames_double(state, x.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(len(x)))
    lufs = ctypes.c_double()
    library.ebur128_loudness_global(state, ctypes.byref(lufs))
    library.ebur128_destroy(ctypes.byref(state))
    return lufs.value


@pytest.mark.parametrize("channels", range(1, 9))
def test_it_reads_what_libebur128_reads(channels: int) -> None:
    random = np.random.default_rng(channels)
    for fs in RATES if channels == 2 else (8000, 48_000):
        levels = np.repeat(10 ** random.uniform(-1.5, 0.0, 8), fs // 4)[:, None]
        x = 0.1 * levels * random.normal(size=(len(levels), channels)) * 10 ** -random.uniform(0.0, 1.0, channels)
        assert measured(x, fs) == pytest.approx(by_libebur128(x, fs), abs=0.02), fs


def test_the_channels_of_ebu_tech_3341_case_6_weigh_as_they_should() -> None:
    """-28 dBFS left and right, -24 centre, -30 surrounds: -23 LUFS; the LFE is not heard."""
    tone = np.sin(2 * np.pi * 1000 * np.arange(20 * 16_000) / 16_000)[:, None]
    levels = 10 ** (np.array([-28.0, -28.0, -24.0, -30.0, -30.0]) / 20)
    assert measured(tone * levels, 16_000) == pytest.approx(-23.0, abs=0.1)
    with_lfe = np.insert(tone * levels, 3, 0.9, axis=1)
    assert measured(with_lfe, 16_000) == measured(tone * levels, 16_000)
    assert measured(with_lfe, 16_000, 0x60F) == measured(with_lfe, 16_000), "5.1 with sides is 5.1"


@pytest.mark.parametrize(("levels", "wanted"), [
    ([(-69.5, 0.5), (-90.3, 0.5)] * 4, -69.5),
    ([(-90.3, 0.5), (-19.93, 0.9), (-7.09, 1.3), (-19.93, 0.8), (-90.3, 0.5)], -10.0)], ids=["absolute", "relative"])
def test_the_gates_are_those_of_itu_r_bs_2217(levels: list[tuple[float, float]], wanted: float) -> None:
    """Its signals AbsGate and RelGate: 1 kHz at so many dBFS for so many seconds."""
    level = np.concatenate([np.full(round(seconds * FS), 10 ** (level_db / 20)) for level_db, seconds in levels])
    x = level * np.sin(2 * np.pi * 1000 * np.arange(len(level)) / FS)
    assert measured(np.stack([x, x], axis=1), FS) == pytest.approx(wanted, abs=0.1)


@pytest.mark.parametrize(("channels", "mask", "weights", "is_told"), [
    (8, 0x63F, (1, 1, 1, 0, 1, 1, 1.41, 1.41), True), (6, 0x3F, (1, 1, 1, 0, 1.41, 1.41), True),
    (6, 0, (1, 1, 1, 0, 1.41, 1.41), False), (3, 0xB, (1, 1, 0), True), (12, 0, (1,) * 12, False),
    (2, 0, (1, 1), True), (6, 0x3, (1, 1, 1, 0, 1.41, 1.41), False)])
def test_weights_follow_the_layout(channels: int, mask: int, weights: Any, is_told: bool) -> None:
    got, remarks = weights_of(Signal(48_000, channels, mask))
    assert got == weights
    assert len(remarks) == (not is_told)


def test_a_layout_is_kept_over_a_resampler() -> None:
    *_, loudness = design_chain(join([], ["resample:44100", "gain:-1", "loudness"]), 48_000, 3, 0xB)
    assert loudness.weights == (1, 1, 0)


def test_the_true_peak_holds_and_chunks_do_not_matter() -> None:
    x = noise(FS)
    plan = plan_of("loudness:target=-3,true_peak=-1 dBTP,ceiling=lower")
    got = render(plan, x)
    assert 20 * np.log10(true_peak(got, FS)) == pytest.approx(-1.0, abs=1e-9)
    np.testing.assert_array_equal(render(plan, x, 997), got)
    free = render(plan_of("loudness:target=-30,true_peak=-1"), x)
    assert measured(free, FS) == pytest.approx(-30.0, abs=1e-9)
    with pytest.raises(FileError, match=r"would bring the true peak \d+\.\d\d dB above that"):
        render(plan_of("loudness:target=-3,true_peak=-1,ceiling=fail"), x)


def knocks(seconds: float = 1.0) -> np.ndarray:
    """A tone at about -26 LUFS with 4 knocks a second that stand 22 dB above it."""
    n = np.arange(round(seconds * FS))
    tone = 0.05 * np.sin(2 * np.pi * 997 / FS * n) + np.where(n % (FS // 4) < 4, 0.4, 0.0)
    return np.repeat(tone[:, None], 2, axis=1)


def test_quiet_blocks_that_the_gain_lifts_above_the_gate_count() -> None:
    """They lower the loudness that comes out, so that target less reading is not the gain."""
    t = np.arange(2 * FS)[:, None] / FS
    x = np.concatenate([10.0 ** (level_db / 20.0) * np.sin(2.0 * np.pi * 1000.0 * t) for level_db in (-62.0, -70.5)])
    (stage,) = design_chain(join([], ["loudness:-18"]), FS, 1)
    meter = stage.meter(Signal(FS, 1))
    meter.process(x.copy())
    reading = meter.reading()
    assert measured(x * 10.0 ** ((-18.0 - reading.lufs) / 20.0), FS) < -19.0
    assert measured(x * 10.0 ** (reading.gain_db / 20.0), FS) == pytest.approx(-18.0, abs=1e-6)


def test_a_limiter_holds_the_true_peak_and_the_loudness_where_it_has_little_to_do() -> None:
    """Of knocks that stand 2.1 dB too high; within 0.4 LU, and by an interpolator of another window within 0.05 dB."""
    plan, x = plan_of("loudness:target=-19,true_peak=-1"), knocks()
    assert plan.describe() == ["loudness to -19 LUFS, true peak at most -1 dBTP by a limiter"]
    got = render(plan, x)
    eightfold = resample_poly(np.pad(got[:, 0], 500), 8, 1, window=firwin(8 * 64 + 1, 1 / 8, window=("kaiser", 8.0)))
    assert -1.1 <= 20 * np.log10(np.abs(eightfold).max()) <= -1.0 + 0.05
    assert measured(got, FS) == pytest.approx(-19.0, abs=0.4)
    assert measured(got, FS) > measured(render(plan_of("loudness:target=-19,true_peak=-1,ceiling=lower"), x), FS) + 1.5
    for size in (17, 509, 44_100):
        assert render(plan, x, size).tobytes() == got.tobytes(), size


def test_chunked_is_whole_where_it_limits_long_files_and_short_ones() -> None:
    assert_the_law(plan_of("highpass:80", "loudness:target=-1,true_peak=-20", "fir:lowpass=3000,taps=31,align=true"))


def test_a_limiter_takes_from_the_highest_peak_what_is_told_and_leaves_the_rest() -> None:
    x = knocks()
    target = plan_of("loudness:target=-20,true_peak=-1,ceiling=limit").first_measured
    assert target is not None
    meter = target.meter(Signal(FS, 2))
    meter.process(x.copy())
    found = target.resolved(meter.reading())
    gain_db, limited_db = map(float, re.findall(r"([-+\d.]+) dB[,)]", found.label))
    got = render(plan_of("loudness:target=-20,true_peak=-1,ceiling=limit"), x)
    between = slice(FS // 5, FS // 5 + 500)  # nearly three time constants behind a knock
    np.testing.assert_allclose(got[between], x[between] * 10 ** (gain_db / 20), rtol=0.01)
    assert gain_db + 20 * np.log10(true_peak(x)) + 1.0 == pytest.approx(limited_db, abs=0.01)
    assert found.ceiling == 10 ** (-1 / 20)


def test_below_the_ceiling_nothing_limits() -> None:
    x = noise(FS)
    for ceiling in ("limit", "lower", "fail"):
        got = render(plan_of(f"loudness:target=-30,true_peak=-1,ceiling={ceiling}"), x)
        assert got.tobytes() == render(plan_of("loudness:-30"), x).tobytes(), ceiling


@pytest.mark.parametrize(("ceiling", "highest"), [("limit", 0.5), ("lower", 0.5)])
def test_the_true_peak_of_what_has_no_loudness_is_held_too(ceiling: str, highest: float) -> None:
    """300 ms are shorter than a block; their gain is none."""
    x = knocks(0.3)
    effect = f"loudness:target=-16,true_peak={20 * np.log10(highest)},ceiling="
    x *= 2.0
    assert true_peak(render(plan_of(effect + ceiling), x)) == pytest.approx(highest, rel=1e-3)
    with pytest.raises(FileError, match="would bring the true peak"):
        render(plan_of(effect + "fail"), x)


@pytest.mark.parametrize(("effect", "words"), [
    ("loudness:ceiling=fail", "write true_peak too"), ("loudness:target=-16,ceiling=limit", "write true_peak too"),
    ("loudness:target=-16,true_peak=-1,ceiling=cut", "limit, lower, fail"),
    ("loudness:target=-16,true_peak=loud", "like -1 or -1 dBTP")])
def test_what_makes_no_sense_is_told(effect: str, words: str) -> None:
    with pytest.raises(ChainError, match=words):
        join([], [effect])


@pytest.mark.parametrize(("effect", "seconds", "level", "warning"), [
    ("loudness:-16", 1.0, 0.0, "left as loud as it is, for it is silence, or shorter than 400 ms"),
    ("loudness:-16", 0.3, 0.1, "left as loud as it is, for it is silence, or shorter than 400 ms"),
    ("loudness:target=-3,true_peak=-1,ceiling=lower", 1.0, 0.1, "LUFS, for its true peak"),
    ("loudness:target=-3,true_peak=-1,ceiling=lower", 0.3, 4.0, "turned down by "),
    ("loudness:target=-1,true_peak=-1,ceiling=limit", 1.0, 0.1, "LUFS, for the limiter takes "),
    ("loudness:target=-15,true_peak=-1,ceiling=limit", 1.0, 0.1, None),
    ("loudness:-30", 1.0, 0.1, None)])
def test_what_does_not_reach_its_loudness_is_a_warning(tmp_path: Path, effect: str, seconds: float, level: float,
                                                       warning: str | None) -> None:
    source = tmp_path / "in.wav"
    soundfile.write(source, level * noise(round(seconds * FS)), FS, "PCM_16")
    result = run_jobs([Job(source, tmp_path / "out.wav")], Settings(join([], [effect])), RunObserver()).results[0]
    assert result.status == "ok"
    assert [warning in told for told in result.warnings] == ([True] if warning else [])
