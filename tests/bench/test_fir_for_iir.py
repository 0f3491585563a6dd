"""The FIR found for an IIR chain has its response; the truth is scipy.signal.freqz, on frequencies of our own."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
from bench_fakes import chain

from torchfx_cli.bench import fir_for_iir
from torchfx_cli.bench.backends import Native, Prepared
from torchfx_cli.bench.fir_for_iir import FLOOR_DB, TOLERANCE_DB, Match, Weighed, iir_stages, linear_phase, weigh
from torchfx_cli.bench.loads import Load
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.errors import UsageError

FS = 44_100
GRID_SLACK_DB = 0.01  # between the points of the design's own grid


@pytest.mark.parametrize("effects", [
    ("lowpass:5000",), ("highpass:80",), ("highpass:cutoff=1000,order=4",),
    ("lowpass:cutoff=1800,family=chebyshev1,ripple=0.5",), ("peaking:frequency=3200,gain=2.5",),
    ("lowpass:cutoff=5000,family=elliptic,order=8,attenuation=80",), ("low_shelf:frequency=200,gain=-9", "gain:-20"),
])
def test_the_fir_has_the_chains_magnitude_wherever_it_passes_anything(effects: tuple[str, ...]) -> None:
    stages = iir_stages(design_chain(chain(*effects), FS))
    match = linear_phase(stages, FS)
    hz = np.concatenate([np.geomspace(0.1, FS / 2, 4001), np.linspace(0.0, FS / 2, 4001)])
    _, wanted = scipy.signal.freqz_sos(np.concatenate([stage.sos for stage in stages]), hz, fs=FS)
    _, got = scipy.signal.freqz(match.taps, 1.0, hz, fs=FS)
    held = np.abs(wanted) > np.abs(wanted).max() * 10 ** (FLOOR_DB / 20)
    off_db = np.abs(20 * np.log10(np.abs(got[held]) / np.abs(wanted[held])))
    assert match.met
    assert off_db.max() < TOLERANCE_DB + GRID_SLACK_DB


def test_the_fir_is_linear_phase_and_its_stage_takes_the_delay_out() -> None:
    match = linear_phase(design_chain(chain("highpass:1000"), FS), FS)
    assert len(match.taps) % 2 == 1
    np.testing.assert_allclose(match.taps, match.taps[::-1], atol=1e-15)
    assert match.stage.delay_frames == int(np.abs(match.taps).argmax()) == len(match.taps) // 2


def test_a_looser_tolerance_never_needs_more_taps() -> None:
    stages = design_chain(chain("highpass:300"), FS)
    lengths = [len(linear_phase(stages, FS, tolerance_db).taps) for tolerance_db in (0.01, 0.1, 1.0, 3.0)]
    assert lengths == sorted(lengths, reverse=True)


def test_a_response_too_sharp_for_any_fir_is_told_and_not_pretended() -> None:
    match = linear_phase(design_chain(chain("notch:1000"), FS), FS, max_taps=1023)
    assert not match.met
    assert match.off_db > TOLERANCE_DB
    assert match.worst_hz == pytest.approx(1000.0, abs=5.0)
    assert 511 <= len(match.taps) <= 1023


def test_a_chain_without_recursion_has_no_question() -> None:
    with pytest.raises(UsageError, match="no recursive"):
        iir_stages(design_chain(chain("gain:-3", "fir:lowpass=8000,taps=101"), FS))


def test_both_are_timed_and_the_faster_one_is_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    samples, asked = 1 << 12, []

    class Timed(Native):
        def prepare(self, load: Load, label: str = "") -> Prepared:
            asked.append((load.channels, load.frames))
            return Prepared(lambda between: load.stages[0].tap_count, lambda *a: np.zeros(0))

    monkeypatch.setattr(fir_for_iir, "Native", Timed)
    monkeypatch.setattr(fir_for_iir, "median_seconds", lambda run: (6e-9 if run() else 2e-9) * samples)
    weighed = weigh(design_chain(chain("lowpass:5000", "fir:lowpass=8000,taps=101"), FS), FS, 2, samples=samples)
    assert asked == [(2, samples // 2)] * 2
    assert (weighed.iir_s, weighed.fir_s) == pytest.approx((2e-9, 6e-9))
    assert weighed.words()[0].startswith("FIR or IIR: IIR, 3 times as fast")


def test_the_words_say_the_delay_and_how_close_the_response_is() -> None:
    match = Match(np.ones(4411), True, 0.05, 100.0)
    words = Weighed(4, match, FS, 6e-9, 3e-9).words()
    assert words[0].startswith("FIR or IIR: FIR, 2 times as fast")
    assert words[1] == "IIR: 4 second-order sections, 6.00 ns a sample, no delay"
    assert "4411 taps, 3.00 ns a sample, 50 ms of delay; within 0.05 dB" in words[2]
    assert "IIR. No linear-phase FIR of up to 4411 taps" in Weighed(1, match, FS, 6e-9, None).words()[0]


def test_a_real_engine_is_timed() -> None:
    weighed = weigh(design_chain(chain("lowpass:5000"), FS), FS, 1, samples=1 << 14)
    assert 0.0 < weighed.iir_s < 1e-3
    assert weighed.fir_s is not None
    assert 0.0 < weighed.fir_s < 1e-3
