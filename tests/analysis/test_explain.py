"""`torchfx explain`: its numbers against formulas and SciPy."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import scipy.signal

from torchfx_cli.__main__ import main
from torchfx_cli.analysis.explain import Explained, StageFacts, explain, how
from torchfx_cli.chain.parse import parse_chain
from torchfx_cli.effects.table import KINDS

FS = 48_000


def explained(*stages: str, channels: int = 2) -> Explained:
    return explain(parse_chain("".join(["chain:\n", *(f"  - {stage}\n" for stage in stages)])), FS, channels)


def one(stage: str) -> StageFacts:
    (facts,) = explained(stage).stages
    return facts


def test_the_half_power_points_are_where_the_filters_cut() -> None:
    assert one("highpass: {cutoff: 80, order: 4}").half_power_hz == pytest.approx([80.0], rel=1e-9)
    assert one("bandpass: {low: 300, high: 3400, order: 2}").half_power_hz == pytest.approx([300.0, 3400.0], rel=1e-9)
    assert one("peaking: {frequency: 1 kHz, gain: 3}").half_power_hz == ()
    hz = np.array(one("notch: {frequency: 50, q: 10}").half_power_hz)
    assert hz[1] - hz[0] == pytest.approx(5.0, rel=1e-4)


def test_sections_and_poles_are_those_of_scipy() -> None:
    facts = one("lowpass: {cutoff: 2000, order: 4}")
    sos = scipy.signal.butter(4, 2000, fs=FS, output="sos")
    _, poles, _ = scipy.signal.sos2zpk(sos)
    assert facts.pole_radius == pytest.approx(np.abs(poles).max(), abs=1e-12)
    w = np.linspace(0.01, 3, 50)
    assert np.abs(scipy.signal.sosfreqz(np.array(facts.sections), w)[1]) == pytest.approx(
        np.abs(scipy.signal.sosfreqz(sos, w)[1]), abs=1e-12)


@pytest.mark.parametrize("stage", ["highpass: {cutoff: 20, order: 4}", "lowpass: {cutoff: 5000, order: 6}",
                                   "peaking: {frequency: 60, gain: 6, q: 4}"])
def test_rounding_stays_below_the_bound_and_not_far_below(stage: str) -> None:
    """SciPy's float64 held against its long double, on noise at full scale."""
    facts = one(stage)
    sos, noise = np.array(facts.sections), np.random.default_rng(1).uniform(-1, 1, 20_000)
    exact = noise.astype(np.longdouble)
    for row in sos.astype(np.longdouble):
        exact = scipy.signal.lfilter(row[:3], row[3:], exact)
    error = (scipy.signal.sosfilt(sos, noise) - exact).astype(np.float64)
    measured_db = 20 * np.log10(np.sqrt(np.mean(np.square(error))))
    assert facts.noise_db is not None
    assert facts.noise_db - 40 < measured_db <= facts.noise_db


def test_what_is_fused_what_waits_and_what_runs_where() -> None:
    found = explained("highpass: 80", "gain: -6", "compressor: -20", "lowpass: 5 kHz", "normalize: -1")
    assert [stage.kind for stage in found.stages] == ["highpass", "gain", "compressor", "lowpass", "normalize"]
    assert [stage.waits for stage in found.stages] == [False] * 4 + [True]
    assert len(found.computed) == 4
    assert "highpass 80 Hz" in found.computed[0]
    assert "gain -6 dB" in found.computed[0]
    assert found.places == ("cuda", "cpu", "cuda", "cpu")
    assert found.passes == 2
    assert found.worst_gain_db == pytest.approx(-1.0)


def test_delay_tail_output_and_cost() -> None:
    found = explained("fir: {lowpass: 3000, taps: 481, align: true}", "mono", "resample: 16 kHz")
    assert found.latency_s == pytest.approx(0.005)
    assert (found.output.fs, found.output.channels) == (16_000, 1)
    assert explained("gain: 3").tail_s == 0.0
    assert explained("highpass: 20").tail_s > 0.1
    six, three = (explained(*["peaking: {frequency: 1 kHz, gain: 3}"] * n).ns_a_sample["native"] for n in (6, 3))
    assert six == pytest.approx(2 * three)


def test_each_kind_says_how_it_is_computed() -> None:
    assert all(len(how(kind)) > 15 for kind in KINDS)
    assert "(s^2 + s A/Q + 1) / (s^2 + s/(A Q) + 1)" in how("peaking")
    assert "BS.1770-5" in how("loudness")


def test_of_hundreds_of_places_at_half_power_some_are_told_in_words_and_all_in_json(
        capsys: pytest.CaptureFixture[str]) -> None:
    line = ["explain", "-e", f"fir:taps=[1{',0' * 99},0.9]"]
    assert main(line) == 0
    assert "Hz, and in 88 more places" in " ".join(capsys.readouterr().out.split())
    assert main([*line, "--json"]) == 0
    (stage,) = json.loads(capsys.readouterr().out)["stages"]
    dips = 240.0 + 480.0 * np.arange(50)  # of 1 + 0.9 z^-100 at 48 kHz, each between two places
    assert [low < dip < high for low, high, dip in zip(stage["half_power_hz"][::2], stage["half_power_hz"][1::2], dips,
                                                       strict=True)] == [True] * 50


def test_the_command_says_it_in_words_and_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "podcast-voice", "-e", "normalize:-1", "--rate", "44.1k"]) == 0
    out = capsys.readouterr().out
    assert "-3 dB at 80 Hz" in out
    assert "In all, at 44100 Hz and 2 channels:" in out
    assert "the file is read 2 times" in out
    assert main(["explain", "podcast-voice", "--json"]) == 0
    record: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert [stage["kind"] for stage in record["stages"]] == ["highpass", "peaking", "peaking", "gain"]
    assert record["stages"][0]["half_power_hz"] == pytest.approx([80.0])
    assert main(["explain"]) == 2
    assert main(["explain", "telephone", "--rate", "6k"]) == 3
    assert "half of 6 kHz" in capsys.readouterr().err
