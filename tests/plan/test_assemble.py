"""The plan settles dither, tail, latency and passes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import bessel, butter, cheby1, sosfilt

from torchfx_cli.design.stages import Gain, Sections, Stage, Taps
from torchfx_cli.effects.normalize import Normalize
from torchfx_cli.errors import DesignError
from torchfx_cli.plan.assemble import RenderPlan, assemble
from torchfx_cli.plan.tail import MAX_TAIL_S
from torchfx_cli.samples import FLOAT64, SampleFormat

FS = 48000
INT8, INT16, INT24 = SampleFormat("int16", 8), SampleFormat("int16", 16), SampleFormat("int32", 24)
FLOAT32 = SampleFormat("float32")
HALF = Gain(0.5, "half")
LOW = Sections(butter(2, 1000, fs=FS, output="sos"), "low")
WALL = Normalize(0.5, "normalize")


def plan_of(*stages: Stage, source: SampleFormat = INT16, sink: SampleFormat = INT16, **options: object) -> RenderPlan:
    return assemble(stages, FS, 2, source, sink, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stages", "source", "sink", "expected"),
    [
        ([], INT16, INT16, False),  # an identity is bit-exact
        ([], INT8, INT16, False),
        ([], INT24, INT16, True),
        ([], FLOAT32, INT16, True),
        ([], FLOAT32, INT24, False),  # the rounding error of 24 bits is below any converter's noise
        ([HALF], INT16, INT16, True),
        ([HALF], INT16, INT8, True),
        ([HALF], INT24, INT24, False),
        ([HALF], INT16, FLOAT32, False),
        ([Gain(2.0), HALF], INT16, INT16, False),  # together nothing
    ],
)
def test_dither_is_added_where_values_change_on_the_way_to_16_bits_or_fewer(
    stages: list[Stage], source: SampleFormat, sink: SampleFormat, expected: bool
) -> None:
    assert plan_of(*stages, source=source, sink=sink).dither == expected


def test_dither_can_be_asked_for_and_forbidden_but_floats_have_none() -> None:
    assert plan_of(source=INT24, sink=INT24, dither="tpdf").dither
    assert not plan_of(HALF, dither="none").dither
    assert not plan_of(HALF, sink=FLOAT32, dither="tpdf").dither


def test_a_tail_in_seconds_is_rounded_to_frames() -> None:
    assert plan_of(LOW).tail_frames == 0
    assert plan_of(LOW, tail_s=0.25).tail_frames == 12000
    assert plan_of(LOW, tail_s=0.7 / FS).tail_frames == 1


RINGING = {
    "lowpass": butter(2, 1000, fs=FS, output="sos"),
    "highpass 20 Hz": butter(2, 20, "highpass", fs=FS, output="sos"),
    "linkwitz_riley 8": np.tile(butter(4, 500, fs=FS, output="sos"), (2, 1)),
    "same pole five times": np.tile([[0.1, 0, 0, 1, -0.9, 0]], (5, 1)),
    "chebyshev": cheby1(8, 3, 200, fs=FS, output="sos"),
    "bessel": bessel(6, 200, fs=FS, output="sos"),
    "no feedback": np.array([[0.5, 0.3, 0.2, 1.0, 0.0, 0.0]]),
}


@pytest.mark.parametrize("name", RINGING)
def test_an_automatic_tail_ends_where_the_response_has_fallen_by_120_db(name: str) -> None:
    frames = plan_of(Sections(RINGING[name]), tail_s="auto").tail_frames
    impulse = np.zeros(4 * frames + 100)
    impulse[0] = 1.0
    response = np.abs(sosfilt(RINGING[name], impulse))
    left = response[frames + 1 :].max() / response.max()
    assert 20 * np.log10(left + 1e-300) < -120, f"{frames} frames"
    audible = np.flatnonzero(response > 1e-6 * response.max())[-1]
    assert frames < 4 * audible + 50, "the tail is many times too long"


def test_an_automatic_tail_of_an_aligned_fir_is_what_lies_behind_its_middle() -> None:
    assert plan_of(Taps(np.hanning(101), 50), tail_s="auto").tail_frames == 50
    assert plan_of(Taps(np.hanning(101)), tail_s="auto").tail_frames == 100
    assert plan_of(HALF, tail_s="auto").tail_frames == 0


def test_an_automatic_tail_is_a_minute_at_most() -> None:
    endless = Sections([[1.0, 0, 0, 1, -0.999999999, 0]])
    assert plan_of(endless, tail_s="auto").tail_frames == MAX_TAIL_S * FS


def test_latency_is_the_sum_of_the_delays_to_remove() -> None:
    assert plan_of(LOW).latency_frames == 0
    assert plan_of(Taps(np.hanning(101), 50), LOW, Taps(np.hanning(31), 15)).latency_frames == 65


def test_every_normalize_is_a_pass_more() -> None:
    assert [plan_of(*[LOW, WALL] * n).passes for n in (0, 1, 2)] == [1, 2, 3]


def test_a_measuring_pass_stops_before_the_first_normalize_and_rounds_nothing() -> None:
    measuring = plan_of(LOW, WALL, HALF).measuring()
    assert [type(stage) for stage in measuring.stages] == [Sections]
    assert (measuring.sink, measuring.dither, measuring.passes) == (FLOAT64, False, 1)


def test_a_measured_peak_becomes_a_gain_that_is_folded() -> None:
    measured = plan_of(LOW, WALL, Gain(3.0)).measured(0.25)
    (only,) = measured.stages
    assert isinstance(only, Sections)
    np.testing.assert_array_equal(only.sos[0, :3], LOW.sos[0, :3] * 6.0)
    assert measured.dither
    assert "normalize (+6.02 dB)" in only.label


def test_of_two_normalizes_the_first_is_measured_first() -> None:
    plan = plan_of(Normalize(0.5, "first"), LOW, Normalize(0.25, "second"))
    assert plan.measuring().stages == ()
    once = plan.measured(1.0)
    assert once.passes == 2
    assert [type(stage) for stage in once.measuring().stages] == [Sections]
    assert once.measured(0.5).passes == 1


def test_silence_is_not_raised_by_normalize() -> None:
    assert plan_of(WALL).measured(0.0).stages == ()


def test_a_peak_too_small_to_raise_is_refused() -> None:
    with pytest.raises(DesignError, match="beyond any number"):
        plan_of(WALL, source=SampleFormat("float64")).measured(5e-324)


def test_a_plan_says_what_it_does_in_one_line_a_stage() -> None:
    plan = plan_of(LOW, LOW, Taps(np.hanning(31), 15, "smooth"), WALL, HALF)
    assert plan.describe() == [
        "2 second-order sections: low, low",
        "FIR of 31 taps (15 frames removed): smooth",
        "normalize",
        "half",
    ]
    assert plan_of().describe() == ["nothing to change"]
