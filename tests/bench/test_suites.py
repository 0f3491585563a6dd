"""The suites are those that are written down, their noise is what it says, and the truth is SciPy's."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import soundfile
from bench_fakes import chain, suite

from torchfx_cli.bench import accuracy
from torchfx_cli.bench.backends import NAMES, Native, backend_of, nothing
from torchfx_cli.bench.loads import Load, load_of, noise, read
from torchfx_cli.bench.measure import Rule, measure
from torchfx_cli.bench.suites import Suite, beside, suite_of
from torchfx_cli.design.stages import Array, Gain, Sections, Stage, Taps
from torchfx_cli.errors import ReadError, UsageError
from torchfx_cli.samples import Signal

FS = 44_100
CHEBYSHEV = {"rp": 0.5, "fs": FS, "output": "sos"}


def test_fir_is_five_windowed_low_passes() -> None:
    for stage, (taps, hz) in zip(suite_of("fir").stages(1), [(101, 1000), (102, 5000), (103, 1500), (104, 1800),
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
    api = suite_of("api")
    _same_sections(api, wanted)
    assert (api.durations_s, api.channels, api.variants) == ((120.0,), (8,), ("class", "sequential", "pipe"))


def _same_sections(found: Suite, wanted: list[np.ndarray]) -> None:
    for stage, sos in zip(found.stages(2), wanted, strict=True):
        assert isinstance(stage, Sections)
        np.testing.assert_allclose(stage.sos, sos, rtol=1e-9, atol=1e-12)


def test_noise_reaches_full_scale_in_every_channel_and_is_the_same_every_time() -> None:
    sound = noise(3, 20_000)
    assert sound.dtype == np.float32
    np.testing.assert_array_equal(np.abs(sound).max(axis=1), np.float32(1.0))
    np.testing.assert_array_equal(sound, noise(3, 20_000))
    np.testing.assert_allclose(np.corrcoef(sound), np.eye(3), atol=0.05)
    np.testing.assert_allclose((sound.astype(float) ** 2).mean(axis=1), 1.0 / 3.0, rtol=0.03)  # uniform


def test_a_file_is_read_as_float_up_to_the_frames_that_are_wanted(tmp_path: Path) -> None:
    wanted = np.random.default_rng(1).uniform(-1, 1, (5000, 2)).astype(np.float32)
    path = tmp_path / "a.wav"
    soundfile.write(path, wanted, 48_000, "FLOAT")
    np.testing.assert_array_equal(read(path, 4000), wanted[:4000].T)
    with pytest.raises(ReadError, match="ends after 5000 of 5001 frames"):
        _ = Load(MIXED, (), 48_000, 2, 5001, path).sound


@pytest.mark.parametrize("effect", ["normalize:-1", "loudness:-23"])
def test_a_stage_that_hears_the_whole_file_first_is_left_out_and_alone_refused_by_its_name(effect: str) -> None:
    kind = effect.partition(":")[0]
    both = suite("highpass:80", effect)
    assert [stage.label for stage in both.stages(2)] == ["highpass 80 Hz butterworth order 2"]
    assert [label.partition(" ")[0] for label in both.left_out(2)] == [kind]
    with pytest.raises(UsageError, match="has to hear the whole file first"):
        beside(both, ("sox",)).stages(2)
    with pytest.raises(UsageError, match=f"mine: .*{kind} .*has to hear the whole file first"):
        suite(effect).stages(1)


def test_other_filters_have_another_fingerprint() -> None:
    chains = (("highpass:80",), ("highpass:81",), ("highpass:80", "gain:3"), ("fir:lowpass=80,taps=5",), ("mono",),
              ("compressor:-20",), ("compressor:-21",))
    assert len({suite(*effects).fingerprint for effects in chains}) == len(chains)
    assert suite("highpass:80", duration_s=9.0, channels=2).fingerprint == suite("highpass:80").fingerprint


EFFECTS = ("highpass:cutoff=80,order=4", "fir:lowpass=9000,taps=301", "gain:-3", "peaking:frequency=900,gain=6")
MIXED = chain(*EFFECTS)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("channels", "frames"), [(1, 1), (2, 5000), (3, 150_001)])
def test_every_backend_that_is_here_computes_what_scipy_does(name: str, channels: int, frames: int) -> None:
    backend = backend_of(name)
    if reason := backend.why_not():
        pytest.skip(reason)
    load = load_of(suite(*EFFECTS), frames / FS, channels)
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
    assert accuracy.truth_of(load).snr_db(lambda first, end: wanted[:, first:end]) > 200.0


def test_a_second_run_of_a_backend_begins_from_rest() -> None:
    load = load_of(suite_of("iir"), 0.1, 2)
    for name in ("native", "cpu", "scipy"):
        backend = backend_of(name)
        if not backend.why_not():
            prepared = backend.prepare(load)
            first = prepared.part(prepared.run(nothing), 0, load.frames).copy()
            np.testing.assert_array_equal(prepared.part(prepared.run(nothing), 0, load.frames), first)


def test_an_unknown_backend_or_suite_is_told_with_those_that_are() -> None:
    with pytest.raises(UsageError, match="'gpu'; allowed are cuda, native, cpu, scipy, scipy-sos"):
        backend_of("gpu")
    with pytest.raises(UsageError, match="'xyz'; allowed are fir, iir, api, io"):
        suite_of("xyz")


def test_the_truth_covers_head_and_tail_and_sees_an_error_in_either() -> None:
    load = load_of(suite(*EFFECTS), 12.0, 2)
    truth, right = accuracy.truth_of(load), accuracy.reference(load.stages, load.fs, load.sound)
    (head, _), (tail, last) = truth.pieces
    assert (head, tail + last.shape[1]) == (0, load.frames)
    assert truth.snr_db(lambda first, end: right[:, first:end]) > 170.0
    for at in (100, load.frames - 100):
        wrong = right.copy()
        wrong[1, at] += 1e-3
        assert truth.snr_db(lambda first, end, wrong=wrong: wrong[:, first:end]) < 115.0  # type: ignore[misc]


NONLINEAR = ("highpass:80", "compressor:-30", "mono", "resample:48000", "fir:lowpass=9000,taps=301,align=true")


@pytest.mark.parametrize("name", NAMES)
def test_a_chain_that_is_no_filter_is_right_where_a_backend_can_do_it(name: str) -> None:
    backend, load = backend_of(name), load_of(suite(*NONLINEAR), 1.0, 2)
    if reason := backend.why_not():
        pytest.skip(reason)
    found = measure(backend, load, partial(accuracy.truth_of, load), Rule(reps=1))
    if name.startswith("scipy"):
        assert (found.status, found.reason[:36]) == ("unavailable", "SciPy has nothing for it: compressor")
    else:
        assert (found.status, found.reason) == ("ok", "")
        assert found.snr_db is not None
        assert found.snr_db > 145.0


@dataclass(frozen=True)
class Squared(Stage):
    """A made-up stage, every other frame of it: the square, and at the end one frame of 0.5."""

    label: str = "squared"
    off: float = 0.0

    def output(self, source: Signal) -> Signal:
        return Signal(source.fs / 2, source.channels)

    def frames_out(self, frames: int, source: Signal) -> int:
        return (frames + 1) // 2 + 1

    def open(self, source: Signal) -> _Squaring:
        return _Squaring(source.channels, self.off)


class _Squaring:
    def __init__(self, channels: int, off: float) -> None:
        self._channels, self._off, self._skip = channels, off, 0

    def process(self, samples: Array) -> Array:
        kept = samples[self._skip :: 2]
        self._skip = (self._skip + len(samples)) % 2
        return kept**2 + self._off

    def flush(self) -> Iterator[Array]:
        yield np.full((1, self._channels), 0.5)


def test_a_made_up_stage_is_its_own_truth_from_the_first_frame_to_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accuracy, "MAX_SAMPLES", 1000)
    load = replace(load_of(suite(), 4.001, 2), stages=(Gain(0.5), Squared()))
    wanted = np.concatenate([(0.5 * load.sound.astype(np.float64))[:, ::2] ** 2, np.full((2, 1), 0.5)], axis=1)
    truth = accuracy.truth_of(load)
    assert [(at, piece.shape[1]) for at, piece in truth.pieces] == [(0, 500), (wanted.shape[1] - (1 << 14), 1 << 14)]
    for at, piece in truth.pieces:
        np.testing.assert_array_equal(piece, wanted[:, at : at + piece.shape[1]])
    prepared = Native("native").prepare(load)
    result = prepared.run(nothing)
    assert len(result) == wanted.shape[1]
    assert truth.snr_db(lambda first, end: prepared.part(result, first, end)) > 145.0
    wrong = Native("native").prepare(replace(load, stages=(Gain(0.5), Squared(off=1e-5))))
    noise_db = 10.0 * math.log10((wanted[:, :500] ** 2).mean() / 1e-10)
    found_db = truth.snr_db(lambda first, end: wrong.part(wrong.run(nothing), first, end))
    assert found_db == pytest.approx(noise_db, abs=0.5), "the square of the offset is all that is wrong"


@pytest.mark.parametrize(("got", "wanted", "db"), [
    ([[1.0]], [[1.0]], math.inf), ([[0.9]], [[1.0]], 20.0), ([[1.0], [2.0]], [[1.0]], -math.inf),
    ([[1.0, 1.0]], [[1.0]], -math.inf), ([[math.inf]], [[1.0]], -math.inf), ([[1e200]], [[1.0]], -math.inf),
    ([[3.0 + 3e-5, 4.0 + 4e-5]], [[3.0, 4.0]], 100.0), ([[math.nan]], [[1.0]], -math.inf),
    ([[1.0]], [[0.0]], -math.inf),
])
def test_the_error_is_the_ratio_of_energies(got: list[list[float]], wanted: list[list[float]], db: float) -> None:
    assert accuracy.snr_db(got, np.array(wanted)) == pytest.approx(db)
