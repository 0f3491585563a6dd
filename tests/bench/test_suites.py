"""The suites are those that are written down, their noise is what it says, and the truth is SciPy's."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import soundfile
from bench_chains import chain

from torchfx_cli.bench import accuracy
from torchfx_cli.bench.backends import NAMES, backend_of
from torchfx_cli.bench.loads import Load, load_of, noise, read
from torchfx_cli.bench.suites import Suite, suite_of
from torchfx_cli.design.stages import Sections, Taps
from torchfx_cli.errors import ReadError, UsageError

FS = 44_100
CHEBYSHEV = {"rp": 0.5, "fs": FS, "output": "sos"}


def test_fir_is_five_windowed_low_passes() -> None:
    for stage, (taps, hz) in zip(suite_of("fir").stages, [(101, 1000), (102, 5000), (103, 1500), (104, 1800),
                                                          (105, 1850)], strict=True):
        assert isinstance(stage, Taps)
        np.testing.assert_allclose(stage.taps, scipy.signal.firwin(taps, hz, fs=FS), atol=1e-15)
        assert stage.delay_frames == 0


def test_iir_is_two_butterworths_and_two_chebyshevs() -> None:
    wanted = [scipy.signal.butter(2, 1000, "high", fs=FS, output="sos"),
              scipy.signal.butter(2, 5000, "low", fs=FS, output="sos"),
              scipy.signal.cheby1(2, Wn=1500, btype="high", **CHEBYSHEV),
              scipy.signal.cheby1(2, Wn=1800, btype="low", **CHEBYSHEV)]
    _same_sections(suite_of("iir"), wanted)


def test_api_is_three_high_passes_and_three_low_passes() -> None:
    wanted = [*(scipy.signal.cheby1(2, Wn=hz, btype="high", **CHEBYSHEV) for hz in (20, 60, 65)),
              *(scipy.signal.butter(2, hz, "low", fs=FS, output="sos") for hz in (5000, 4900, 4850))]
    suite = suite_of("api")
    _same_sections(suite, wanted)
    assert (suite.durations_s, suite.channels, suite.ways) == ((120.0,), (8,), ("class", "sequential", "pipe"))


def _same_sections(suite: Suite, wanted: list[np.ndarray]) -> None:
    for stage, sos in zip(suite.stages, wanted, strict=True):
        assert isinstance(stage, Sections)
        np.testing.assert_allclose(stage.sos, sos, rtol=1e-9, atol=1e-12)


def test_sizes_are_those_of_the_suites() -> None:
    assert (suite_of("fir").durations_s, suite_of("fir").channels) == ((5, 60, 180, 300, 600), (1, 2, 4, 8, 12))
    assert (suite_of("iir").durations_s, suite_of("iir").channels) == ((1, 5, 180, 300, 600), (1, 2, 4, 8, 12))


def test_noise_reaches_full_scale_in_every_channel_and_is_the_same_every_time() -> None:
    sound = noise(3, 20_000)
    assert sound.dtype == np.float32
    np.testing.assert_array_equal(np.abs(sound).max(axis=1), np.float32(1.0))
    np.testing.assert_array_equal(sound, noise(3, 20_000))
    np.testing.assert_allclose(np.corrcoef(sound), np.eye(3), atol=0.05)
    np.testing.assert_allclose((sound.astype(float) ** 2).mean(axis=1), 1.0 / 3.0, rtol=0.03)  # uniform


def test_a_file_is_read_as_float_up_to_the_frames_that_are_wanted(tmp_path: Path) -> None:
    wanted = np.random.default_rng(1).uniform(-1, 1, (5000, 2)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", wanted, 48_000, "FLOAT")
    np.testing.assert_array_equal(read(tmp_path / "a.wav", 4000), wanted[:4000].T)
    with pytest.raises(ReadError, match="ends after 5000 of 5001 frames"):
        read(tmp_path / "a.wav", 5001)


def test_normalize_is_no_work_for_a_backend() -> None:
    with pytest.raises(UsageError, match="normalize to -1 dBFS is no filter that SciPy has"):
        _ = Suite("mine", chain("normalize:-1"), (1.0,), (1,)).stages


def test_other_filters_have_another_fingerprint() -> None:
    chains = ("highpass:80",), ("highpass:81",), ("highpass:80", "gain:3"), ("fir:lowpass=80,taps=5",)
    prints = {Suite("mine", chain(*effects), (1.0,), (1,)).fingerprint for effects in chains}
    assert len(prints) == 4
    assert Suite("other", chain("highpass:80"), (9.0,), (2,)).fingerprint in prints


MIXED = chain("highpass:cutoff=80,order=4", "fir:lowpass=9000,taps=301", "gain:-3", "peaking:frequency=900,gain=6")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("channels", "frames"), [(1, 1), (2, 5000), (3, 150_001)])
def test_every_backend_that_is_here_computes_what_scipy_does(name: str, channels: int, frames: int) -> None:
    backend = backend_of(name)
    if reason := backend.why_not():
        pytest.skip(reason)
    load = load_of(Suite("mine", MIXED, (frames / FS,), (channels,)), frames / FS, channels)
    prepared = backend.prepare(load)
    seconds, result = backend.timed(prepared)
    got = prepared.part(result, 0, frames)
    assert seconds > 0.0
    assert got.shape == (channels, frames)
    wanted = load.sound.astype(np.float64)
    for stage in load.stages:
        if isinstance(stage, Sections):
            wanted = scipy.signal.sosfilt(stage.sos.copy(), wanted)
        elif isinstance(stage, Taps):
            wanted = scipy.signal.lfilter(stage.taps, 1.0, wanted)
        else:
            wanted = wanted * stage.factor
    assert accuracy.snr_db(got, wanted) > 145.0  # float32 as it leaves
    assert accuracy.truth_of(load).error_db(lambda first, end: wanted[:, first:end]) > 200.0


def test_a_second_run_of_a_backend_begins_from_rest() -> None:
    load = load_of(suite_of("iir"), 0.1, 2)
    for name in ("native", "cpu", "scipy"):
        backend = backend_of(name)
        if not backend.why_not():
            prepared = backend.prepare(load)
            first = prepared.part(prepared.run(), 0, load.frames).copy()
            np.testing.assert_array_equal(prepared.part(prepared.run(), 0, load.frames), first)


def test_the_ways_of_api_compute_the_same() -> None:
    backend = backend_of("cpu")
    if reason := backend.why_not():
        pytest.skip(reason)
    load = load_of(suite_of("api"), 0.2, 2)
    for way in suite_of("api").ways:
        prepared = backend.prepare(load, way)
        assert accuracy.truth_of(load).error_db(lambda first, end, prepared=prepared:  # type: ignore[misc]
                                                prepared.part(prepared.run(), first, end)) > accuracy.LEAST_DB


def test_an_unknown_backend_or_suite_is_told_with_those_that_are() -> None:
    with pytest.raises(UsageError, match="'gpu'; allowed are cuda, native, cpu, scipy, scipy-sos"):
        backend_of("gpu")
    with pytest.raises(UsageError, match="'xyz'; allowed are fir, iir, api, io"):
        suite_of("xyz")


def test_the_truth_covers_head_and_tail_and_sees_an_error_in_either() -> None:
    load = Load(MIXED, Suite("mine", MIXED, (1.0,), (1,)).stages, FS, 2, 12 * FS)
    truth, right = accuracy.truth_of(load), accuracy.reference(load.stages, load.sound)
    (head, _), (tail, last) = truth.pieces
    assert (head, tail + last.shape[1]) == (0, load.frames)
    assert truth.error_db(lambda first, end: right[:, first:end]) > 170.0
    for at in (100, load.frames - 100):
        wrong = right.copy()
        wrong[1, at] += 1e-3
        assert truth.error_db(lambda first, end, wrong=wrong: wrong[:, first:end]) < 115.0  # type: ignore[misc]


def test_signal_over_error_is_the_formula_at_its_ends_too() -> None:
    wanted = np.array([[3.0, 4.0]])
    assert accuracy.snr_db(wanted * (1.0 + 1e-5), wanted) == pytest.approx(100.0)
    assert accuracy.snr_db(wanted, wanted) == np.inf
    for got in (wanted[:, :1], wanted * np.nan, wanted * np.inf, wanted * 1e200):
        assert accuracy.snr_db(got, wanted) == -np.inf
    assert accuracy.snr_db(wanted, 0.0 * wanted) == -np.inf


@pytest.mark.parametrize(("got", "wanted", "db"), [
    ([[1.0]], [[1.0]], math.inf), ([[0.9]], [[1.0]], 20.0), ([[1.0], [2.0]], [[1.0]], -math.inf),
    ([[1.0, 1.0]], [[1.0]], -math.inf), ([[math.nan]], [[1.0]], -math.inf), ([[1.0]], [[0.0]], -math.inf),
])
def test_the_error_is_the_ratio_of_energies(got: list[list[float]], wanted: list[list[float]], db: float) -> None:
    assert accuracy.snr_db(got, np.array(wanted)) == pytest.approx(db)
