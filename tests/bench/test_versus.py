"""Other programs get the same filters: what they give back is held against float64 SciPy, or they say they cannot."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
from bench_chains import chain

from torchfx_cli.bench import versus
from torchfx_cli.bench.rivals import CannotSayError, Ffmpeg, Pedalboard, Rival, Sox, Work, _process
from torchfx_cli.chain.spec import ChainSpec, design_chain
from torchfx_cli.design.stages import Sections, Taps

FS, FRAMES = 44_100, 5000
BIQUADS = chain("highpass:cutoff=80,order=4", "peaking:frequency=3200,gain=2.5", "gain:-3")
FIRS = chain("fir:lowpass=8000,taps=101", "fir:lowpass=9000,taps=102")
SHELVES = chain("peaking:frequency=1000,gain=3", "low_shelf:frequency=200,gain=-3", "high_shelf:frequency=5000,gain=2")

# 24-bit float mantissas give some 150 dB. SoX computes in 32-bit fixed point at a quarter of full scale, pedalboard in
# float32 throughout: low cut-offs cost it 50 dB.
LEAST_DB = {"torchfx process": 145.0, "sox": 120.0, "ffmpeg": 145.0, "pedalboard": 90.0}


def work(spec: ChainSpec, channels: int = 2) -> Work:
    noise = np.random.default_rng(3).uniform(-0.25, 0.25, (FRAMES, channels)).astype(np.float32)
    return Work(spec, design_chain(spec, FS), FS, noise)


@pytest.mark.parametrize(("spec", "names"), [
    (BIQUADS, {"torchfx process", "sox", "ffmpeg"}), (FIRS, {"torchfx process", "sox"}),
    (SHELVES, {"torchfx process", "sox", "ffmpeg", "pedalboard"}),
], ids=["biquads", "firs", "shelves"])
def test_every_program_that_can_say_the_chain_computes_it(spec: ChainSpec, names: set[str]) -> None:
    for reading in versus.measure(spec, FS, 2, FRAMES, repeats=1):
        if "not installed" in reading.reason:
            continue
        if reading.name in names:
            assert reading.reason == ""
            assert len(reading.times_s) == 1
            assert reading.error_db is not None
            assert reading.error_db > LEAST_DB[reading.name], reading
        else:
            assert "has no words for" in reading.reason
            assert (reading.times_s, reading.error_db) == ((), None)


def test_programs_are_rows_of_results_in_the_place_of_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = [versus.Reading("sox", (3.0, 2.0), 129.0), versus.Reading("ffmpeg", reason="ffmpeg is not installed")]
    monkeypatch.setattr(versus, "measure", lambda chain, fs, channels, frames, repeats: readings)
    (sox, time), (ffmpeg, missing) = versus.rows("iir", BIQUADS, 5.0, 2)
    assert (sox.suite, sox.backend, sox.duration_s, sox.channels) == ("iir", "sox", 5.0, 2)
    assert (time.status, time.times_s, time.error_db) == ("ok", (3.0, 2.0), 129.0)
    assert (ffmpeg.backend, missing.status, missing.reason) == ("ffmpeg", "unavailable", "ffmpeg is not installed")


def test_the_truth_is_scipys_with_the_delay_taken_out() -> None:
    this = work(FIRS)
    taps = np.convolve(*(stage.taps for stage in this.stages if isinstance(stage, Taps)))
    whole = scipy.signal.lfilter(taps, 1.0, this.noise.astype(np.float64), axis=0)
    np.testing.assert_allclose(versus.truth(this, 1000, 100), whole[100:1100], atol=1e-13)


def test_the_truth_of_sections_is_sosfilts() -> None:
    this = work(chain("highpass:cutoff=80,order=4"))
    (stage,) = this.stages
    assert isinstance(stage, Sections)
    wanted = scipy.signal.sosfilt(stage.sos.copy(), this.noise.astype(np.float64), axis=0)
    np.testing.assert_allclose(versus.truth(this, FRAMES, 0), wanted, atol=1e-13)


def test_sections_cross_to_sox_and_ffmpeg_with_all_their_digits(tmp_path: Path) -> None:
    (stage,) = design_chain(chain("highpass:80"), FS)
    assert isinstance(stage, Sections)
    assert [float(word) for word in Sox()._words(stage, tmp_path / "t.txt")[1:]] == stage.sos[0].tolist()
    (words,) = Ffmpeg()._words(stage)
    options = dict(pair.split("=") for pair in words.removeprefix("biquad=").split(":"))
    assert [float(options[name]) for name in ("b0", "b1", "b2", "a0", "a1", "a2")] == stage.sos[0].tolist()
    assert options["r"] == "f64"


@pytest.mark.parametrize(("rival", "spec", "word"), [
    (Sox(), chain("normalize:-1"), "normalize"), (Ffmpeg(), FIRS, "impulse response"),
    (Pedalboard(), BIQUADS, "highpass"),
])
def test_a_chain_that_a_program_has_no_words_for_is_refused(rival: Rival, spec: ChainSpec, word: str,
                                                           tmp_path: Path) -> None:
    if isinstance(rival, Pedalboard):
        pytest.importorskip("pedalboard")
    with pytest.raises(CannotSayError, match=word):
        rival.prepare(work(spec), tmp_path / "in.wav", tmp_path / "out.wav")


class Broken(Rival):
    """Gives back what it was given."""

    name = "broken"

    def why_not(self) -> str:
        return ""

    def prepare(self, work: Work, source: Path, output: Path) -> Callable[[], object]:
        return lambda: work.noise


class Missing(Broken):
    name = "missing"

    def why_not(self) -> str:
        return "missing is not installed"


def test_a_rival_that_filters_nothing_shows_it_in_its_error() -> None:
    (reading,) = versus.measure(BIQUADS, FS, 1, FRAMES, repeats=1, rivals=(Broken(),))
    assert reading.error_db is not None
    assert reading.error_db < 30.0
    assert reading.measurement.status == "wrong"


class Silent(Broken):
    """Gives back nothing."""

    name = "silent"

    def prepare(self, work: Work, source: Path, output: Path) -> Callable[[], object]:
        return lambda: work.noise[:0]


def test_a_rival_whose_output_is_empty_is_not_exact() -> None:
    (reading,) = versus.measure(BIQUADS, FS, 1, FRAMES, repeats=1, rivals=(Silent(),))
    assert (reading.error_db, reading.measurement.status) == (-np.inf, "wrong")


def test_a_rival_that_is_not_there_is_a_row_with_the_reason() -> None:
    (reading,) = versus.measure(BIQUADS, FS, 1, FRAMES, rivals=(Missing(),))
    assert (reading.times_s, reading.reason) == ((), "missing is not installed")
    assert reading.measurement.status == "unavailable"


class Failing(Broken):
    name = "failing"

    def prepare(self, work: Work, source: Path, output: Path) -> Callable[[], object]:
        return _process([sys.executable, "-c", "import sys; sys.exit('no such filter')"])


def test_a_program_that_fails_is_a_row_with_its_own_complaint() -> None:
    (reading,) = versus.measure(BIQUADS, FS, 1, FRAMES, rivals=(Failing(),))
    assert reading.reason.endswith("failed: no such filter")
    assert reading.times_s == ()
