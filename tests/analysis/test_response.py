"""What a chain is said to do is what SciPy, formulas and documents say of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import signal

from torchfx_cli.analysis.curve import extremes, transform
from torchfx_cli.analysis.panels import notes_of, panels_of
from torchfx_cli.analysis.record import record_of
from torchfx_cli.analysis.response import ChainView, StageView, view
from torchfx_cli.chain.parse import join, load_chain, parse_chain
from torchfx_cli.chain.presets import find
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.design.stages import Linear, linear
from torchfx_cli.effects.table import KINDS
from torchfx_cli.errors import DesignError

FS = 48_000
TOLERANCE = 1e-9  # relative to the highest value; of group delays, to ten milliseconds


def seen(*effects: str, fs: float = FS, channels: int = 1) -> ChainView:
    return view(join([], effects), "chain", fs, channels)


def stage_of(effect: str, channels: int = 1) -> StageView:
    (stage,) = seen(effect, channels=channels).stages
    return stage


def at(found: ChainView, frequency_hz: float, line: int = 0) -> float:
    return float(np.interp(frequency_hz, found.frequencies_hz, found.lines[line].curve.magnitude_db))


def delay_frames(stages: Sequence[Linear], w: np.ndarray) -> np.ndarray:
    """Of sections and taps, by SciPy."""
    total = np.zeros(len(w))
    for stage in stages:
        for row in stage.recursive():
            total += signal.group_delay((row[:3], row[3:]), w)[1]
        if hasattr(stage, "taps"):
            total += signal.group_delay((stage.taps, [1.0]), w)[1] - stage.latency_frames
    return total


@pytest.mark.parametrize("preset", ["a-weighting", "riaa-playback", "podcast-voice", "ten-band-eq", "three-band-eq",
                                    "mastering-eq", "room-eq", "telephone"])
def test_responses_and_delays_of_presets_are_scipys(preset: str) -> None:
    chain = load_chain(find(preset))
    found = view(chain, preset, FS, 1)
    stages, w = linear(design_chain(chain, FS)), 2.0 * np.pi * found.frequencies_hz / FS
    wanted = np.ones(len(w), np.complex128)
    for stage in stages:
        taps = getattr(stage, "taps", [getattr(stage, "factor", 1.0)])
        wanted *= signal.sosfreqz(stage.recursive(), w)[1] if len(stage.recursive()) else signal.freqz(taps, 1, w)[1]
        wanted *= np.exp(1j * w * stage.latency_frames)
    (line,) = found.lines
    np.testing.assert_allclose(line.curve.h, wanted, rtol=0, atol=TOLERANCE * np.abs(wanted).max())
    sure = (np.abs(wanted) > 1e-3) & (w > 0.05) & (w < 3.1)  # elsewhere SciPy's polynomials lose what ours keep
    np.testing.assert_allclose(line.curve.group_delay_s[sure] * FS, delay_frames(stages, w[sure]), rtol=0,
                               atol=TOLERANCE * FS / 100)


def test_a_group_delay_is_the_derivative_of_the_phase_also_of_branches_and_at_low_frequencies() -> None:
    """A slope over 1e-4 of the frequency, in mpmath's 50 digits, of a 20 Hz high-pass beside a low-pass."""
    mpmath = pytest.importorskip("mpmath")
    found = seen("parallel: [{chain: [highpass: 20 Hz]}, {chain: [lowpass: 8 kHz], gain: -6 dB}]")
    (stage,) = linear(design_chain(join([], ["parallel: [{chain: [highpass: 20 Hz]}, "
                                             "{chain: [lowpass: 8 kHz], gain: -6 dB}]"]), FS))
    with mpmath.workdps(50):
        def phase(w: float) -> float:
            z, total = mpmath.expj(-w), mpmath.mpf(0)
            for row in stage.rows:  # type: ignore[attr-defined]
                part = mpmath.mpf(1)
                for inner in row:
                    for b0, b1, b2, _, a1, a2 in inner.recursive():
                        part *= (b0 + b1 * z + b2 * z * z) / (1 + a1 * z + a2 * z * z)
                    part *= getattr(inner, "factor", 1.0)
                total += part
            return mpmath.arg(total)

        for place in range(0, len(found.frequencies_hz), 50):
            w = 2 * mpmath.pi * found.frequencies_hz[place] / FS
            wanted = -mpmath.diff(phase, w) / FS
            assert found.lines[0].curve.group_delay_s[place] == pytest.approx(float(wanted), rel=1e-8, abs=1e-12)


def test_delay_that_is_removed_counts_as_removed() -> None:
    kept, removed = (seen(f"fir:lowpass=8000,taps=301,align={align}") for align in ("false", "true"))
    for found, delay_s in ((kept, 150 / FS), (removed, 0.0)):
        delays_s = found.lines[0].curve.group_delay_s[found.frequencies_hz < 6000]
        np.testing.assert_allclose(delays_s, delay_s, rtol=1e-9, atol=1e-12)
        (trace,) = found.impulses
        assert trace.x[np.argmax(trace.y)] == pytest.approx(delay_s, abs=1e-12)


@pytest.mark.parametrize("length", [1, 2, 256, 257, 5000, 32_768])
def test_a_transform_at_any_frequency_is_the_sum_that_it_stands_for(length: int) -> None:
    h = np.random.default_rng(length).uniform(-1.0, 1.0, length)
    w = np.concatenate([[0.0, 1e-4, np.pi - 1e-4, np.pi], np.random.default_rng(1).uniform(0.0, np.pi, 40)])
    wanted = np.exp(-1j * np.outer(w, np.arange(length))) @ h
    np.testing.assert_allclose(transform(h, w), wanted, rtol=0, atol=1e-12 * np.abs(h).sum())


@pytest.mark.parametrize("effect", ["highpass: 80 Hz", "fir: {lowpass: 8 kHz, taps: 301, align: true}"])
def test_what_is_measured_is_what_is_computed(effect: str) -> None:
    """On one of two channels a filter is no longer one that all engines compute for all channels."""
    chain, half = (parse_chain(f"chain:\n  - {effect}\n{more}") for more in ("", "    channels: [1]\n"))
    whole, measured = view(chain, "", FS, 2), view(half, "", FS, 2)
    _, here, there = np.intersect1d(whole.frequencies_hz, measured.frequencies_hz, return_indices=True)
    assert len(here) > 900
    wanted, got = whole.lines[0].curve, measured.lines[0].curve
    np.testing.assert_allclose(got.h[there], wanted.h[here], rtol=0, atol=TOLERANCE)
    sure = np.abs(wanted.h[here]) > 1e-3
    np.testing.assert_allclose(got.group_delay_s[there][sure], wanted.group_delay_s[here][sure], rtol=0, atol=1e-9)


@pytest.mark.parametrize(("channels", "effects", "names"), [
    (2, ["highpass:80"], [""]), (2, ["mono"], ["1 to 1, 2 to 1"]), (2, ["swap"], ["2 to 1, 1 to 2"]),
    (1, ["crossover:[1 kHz]"], ["1 to 1", "1 to 2"]), (2, ["width:1.3"], ["1 to 1, 2 to 2", "2 to 1, 1 to 2"]),
    (2, ["mid_side:encode", "mid_side:decode"], [""]),
])
def test_channels_with_responses_of_their_own_have_lines_of_their_own(channels: int, effects: list[str],
                                                                      names: list[str]) -> None:
    found = seen(*effects, channels=channels)
    assert [line.name for line in found.lines] == names
    assert [trace.name for trace in found.impulses] == names


def test_of_many_ways_that_differ_those_from_the_first_channel_are_shown_and_the_others_counted() -> None:
    alone, few = seen("reverb: 0.1 s", channels=5), seen("reverb: 0.1 s", "highpass:80", "swap", channels=2)
    many = seen("reverb: 0.1 s", "highpass:80", channels=8)
    assert (alone.ways_left_out, few.ways_left_out, many.ways_left_out) == (0, 0, 56)
    assert [line.name for line in many.lines] == [f"1 to {place}" for place in range(1, 9)]
    assert [trace.name for trace in many.impulses] == [f"1 to {place}" for place in range(1, 9)]
    assert [len(stage.lines) for stage in many.stages] == [8, 1]
    assert record_of(many)["ways_not_shown"] == 56
    assert "only ways from channel 1 are shown, 56 from the others are not" in list(notes_of(many))
    same = seen("highpass:80", channels=64)
    assert (len(same.lines), same.ways_left_out, same.lines[0].name) == (1, 0, "")


def test_a_long_impulse_response_is_thinned_to_its_lows_and_highs_and_says_so() -> None:
    found = seen("reverb: 0.4 s")
    (record,), (trace,) = record_of(found)["impulse"], found.impulses
    assert record["thinned"]
    assert record["samples"] > 3 * len(record["value"]) > 6000
    times_s, values = np.array(record["time_s"]), np.array(record["value"])
    of_all = trace.y[np.rint((times_s - trace.x[0]) * FS).astype(int)]
    peak = np.abs(trace.y).max()
    np.testing.assert_allclose(values, of_all, rtol=0, atol=1e-7 * peak)
    assert (values.max(), values.min()) == pytest.approx((trace.y.max(), trace.y.min()), abs=1e-7 * peak)
    (short,) = record_of(seen("highpass:80"))["impulse"]
    assert (short["thinned"], short["samples"]) == (False, len(short["value"]))
    drawn = next(panel for panel in panels_of([found]) if panel.role == "impulse").series[0]
    assert len(drawn.x) < 6000
    assert (drawn.y.max(), drawn.y.min()) == (trace.y.max(), trace.y.min())


@pytest.mark.parametrize("count", [0, 1, 10, 11, 20, 21, 25, 999])
def test_extremes_are_those_of_each_column_and_all_of_what_is_short(count: int) -> None:
    values = np.random.default_rng(count).standard_normal(count)
    places = extremes(values, 10)
    width = max(1, -(-count // 10))
    if width <= 2:
        assert places.tolist() == list(range(count))
        return
    for start in range(0, count, width):
        column = values[start : start + width]
        kept = values[places[(places >= start) & (places < start + width)]]
        assert (kept.min(), kept.max()) == (column.min(), column.max())


def test_bands_of_a_crossover_meet_at_6_db_and_channels_keep_their_own_level() -> None:
    found = seen("crossover:[1 kHz]")
    assert [at(found, 1000.0, band) for band in (0, 1)] == pytest.approx([-6.0206, -6.0206], abs=2e-3)
    found = seen("width:1.5", channels=2)
    assert [at(found, 500.0, line) for line in (0, 1)] == pytest.approx([20 * np.log10(1.25), 20 * np.log10(0.25)])


@pytest.mark.parametrize(("effect", "pass_hz", "stop_hz", "least_db"), [
    ("resample:16 kHz", 7280, 8800, 165), ("resample:44.1 kHz", 20_060, 24_000, 165),
    ("resample:96 kHz", 21_800, 26_300, 165), ("resample:rate=16 kHz,quality=high", 7280, 8800, 100),
    ("resample:rate=16 kHz,quality=low", 5500, 9600, 90),
])
def test_resampling_keeps_the_band_and_rejects_as_libsoxr_says(effect: str, pass_hz: float, stop_hz: float,
                                                             least_db: float) -> None:
    """soxr.h: very high quality has 28 bits, 168 dB, up to 91 % of the band, the others 16, 96 dB."""
    found = seen(effect)
    level_db = found.lines[0].curve.magnitude_db
    assert np.abs(level_db[found.frequencies_hz < pass_hz]).max() < 0.01
    assert level_db[found.frequencies_hz >= stop_hz].max() < -least_db
    assert np.abs(found.lines[0].curve.group_delay_s[found.frequencies_hz < pass_hz]).max() < 1e-6


def test_a_rate_that_changes_on_the_way_has_the_band_of_both() -> None:
    found = seen("highpass:100", "resample:16 kHz", "lowpass:4 kHz")
    assert (found.target.fs, found.frequencies_hz[-1]) == (16_000, 24_000)
    assert at(found, 100.0) == pytest.approx(-3.01, abs=0.02)
    assert at(found, 4000.0) == pytest.approx(-3.01, abs=0.02)
    assert at(found, 12_000.0) < -160


@pytest.mark.parametrize(("fs", "rate", "highest_hz"), [(FS, 47_999, 23_999.5), (FS, 12, 6.0), (8000, 11_025, 5512.5)])
def test_rates_with_little_in_common_are_shown_up_to_half_of_the_lower_one(fs: int, rate: int, highest_hz: float
                                                                          ) -> None:
    found = seen(f"resample:{rate}", fs=fs)
    assert found.frequencies_hz[-1] == highest_hz
    assert abs(at(found, highest_hz / 20.0)) < 1e-6


def test_where_nothing_passes_there_is_no_line() -> None:
    found = seen("gain:1", "mix:[[0, 0], [0, 0]]", channels=2)
    assert (found.lines, found.impulses, found.left_out) == ((), (), ())


@pytest.mark.parametrize("knee", [0.0, 6.0])
@pytest.mark.parametrize("detector", ["peak", "rms"])
def test_the_static_curve_of_a_compressor_is_its_formula(knee: float, detector: str) -> None:
    """Giannoulis, Massberg and Reiss (2012), eq. 4."""
    (trace,) = stage_of(f"compressor:threshold=-30,ratio=4,knee={knee},makeup=3,detector={detector}").levels
    over = trace.x + 30.0
    bend = (over + knee / 2) ** 2 / (2 * knee) if knee else 0.0
    turned = (1 / 4 - 1) * np.where(2 * over < -knee, 0.0, np.where(2 * over > knee, over, bend))
    np.testing.assert_allclose(trace.y, trace.x + turned + 3.0, rtol=0, atol=0.02)


@pytest.mark.parametrize(("effect", "level_db", "wanted_db"), [
    ("expander:threshold=-40,ratio=2,range=100", -60.0, -80.0), ("gate:threshold=-50,range=40", -60.0, -100.0),
    ("gate:threshold=-50,range=40", -40.0, -40.0), ("limiter:-6", 0.0, -6.0),
    ("saturate:drive=12,shape=soft", 0.0, -20 * np.log10(10 ** (12 / 20))),
])
def test_other_static_curves_are_what_their_keys_say(effect: str, level_db: float, wanted_db: float) -> None:
    (trace,) = stage_of(effect).levels
    assert np.interp(level_db, trace.x, trace.y) == pytest.approx(wanted_db, abs=0.05)


def test_a_stage_that_minds_the_frequency_has_a_static_curve_for_each() -> None:
    traces = stage_of("deesser: {threshold: -30 dBFS, frequency: 6 kHz}").levels
    assert [trace.name for trace in traces] == ["100 Hz, 1 kHz", "8 kHz"]
    assert traces[0].y[-1] == pytest.approx(0.0, abs=0.1)
    assert traces[1].y[-1] < -4
    sidechain = stage_of("compressor:threshold=-30,sidechain=400 Hz").levels
    assert [trace.name for trace in sidechain] == ["100 Hz", "1 kHz", "8 kHz"]
    assert stage_of("compressor:-30", channels=2).levels[0].name == ""


def test_what_changes_with_time_is_its_envelope() -> None:
    (fade,) = stage_of("fade:in=0.1,out=0.3").envelope
    np.testing.assert_allclose(np.interp([0.0, 0.05, 0.15, 0.35], fade.x, fade.y), [0.0, 0.5, 1.0, 0.5], atol=1e-3)
    (tremolo,) = stage_of("tremolo:rate=2 Hz,depth=0.8").envelope
    assert (tremolo.x[-1], tremolo.y.min(), tremolo.y.max()) == pytest.approx((1.5, 0.2, 1.0), abs=1e-4)


def test_what_depends_on_the_sound_is_named() -> None:
    found = seen("highpass:80", "normalize:-1", "compressor:-20", "trim:start=1")
    assert found.left_out == ("normalize to -1 dBFS", "compressor -20 dBFS 4:1", "trim 1 s to the end")
    assert [stage.label for stage in found.stages if stage.is_empty] == ["normalize to -1 dBFS", "trim 1 s to the end"]
    np.testing.assert_allclose(found.lines[0].curve.h, seen("highpass:80").lines[0].curve.h, rtol=1e-12)


@pytest.mark.parametrize("effect", ["notch: {frequency: 1234.5 Hz, q: 1000}",
                                    "notch: {frequency: 1234.5 Hz, q: 200, zero_phase: true}"])
def test_a_notch_is_found_however_narrow_it_is(effect: str) -> None:
    found = seen(effect)
    assert found.lines[0].curve.magnitude_db.min() < -60
    assert abs(found.frequencies_hz[np.argmin(found.lines[0].curve.magnitude_db)] - 1234.5) < 0.01
    assert np.isfinite(found.lines[0].curve.group_delay_s[found.lines[0].curve.h != 0.0]).all()


def test_a_stage_that_cannot_be_is_refused_as_for_a_file() -> None:
    with pytest.raises(DesignError, match=r"-e 'highpass:6 kHz': highpass.cutoff: 6 kHz is not below 4 kHz"):
        seen("highpass:6 kHz", fs=8000)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("files_of_examples")
def test_the_example_of_every_kind_has_something_to_show_or_a_name(kind: str) -> None:
    found = view(parse_chain(f"chain:\n  {KINDS[kind].example}\n"), kind, FS, 2)
    assert all(np.isfinite(line.curve.h).all() for line in found.lines)
    assert all(stage.label for stage in found.stages)
    assert not [stage.label for stage in found.stages if stage.is_empty and stage.label not in found.left_out]
