"""Compressor, expander, gate and de-esser: their curves, times and filters against the formulas."""

from __future__ import annotations

import numpy as np
import pytest
from support.processing import FS, assert_cut_anywhere, assert_kernels_agree, processed

from torchfx_cli.chain.parse import join
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.design.stage import Array
from torchfx_cli.effects.deesser import Deesser
from torchfx_cli.errors import ChainError, DesignError
from torchfx_cli.samples import Signal

FRAMES = FS // 4
EFFECTS = ["compressor:threshold=-30,detector=rms,rms=3 ms,sidechain=200 Hz,mix=0.7,makeup=3",
           "expander:threshold=-10,ratio=3,range=30", "gate:threshold=-8,hold=1 ms,release=5 ms",
           "deesser:threshold=-30,frequency=3 kHz",
           "multiband:crossover=[300, 3000],threshold=[-30, -20, -25],ratio=4,makeup=3"]
# A peak detector sees a sine between its crests too: its gain leaves the curve by about so much with a short attack
# and a long release.
SINE_DB = 0.05


def sine(level_db: float, frequency: float = 996.0, frames: int = FRAMES) -> Array:
    """A stereo sine by its peak level, the right channel 6 dB softer; a third is whole periods of n 12 Hz."""
    crest = 10 ** (level_db / 20) * np.sin(2 * np.pi * frequency * np.arange(frames) / FS)
    return np.stack([crest, crest / 2], axis=1)


def db(x: Array) -> Array:
    made: Array = 20.0 * np.log10(x)
    return made


def steady_gain_db(effect: str, x: Array) -> float:
    """Power out to power in of the last third, of all channels; each channel has the same."""
    y = processed(effect, x)
    powers = [np.mean(part[-len(x) // 3 :] ** 2, axis=0) for part in (y, x)]
    each = 10 * np.log10(powers[0] / powers[1])
    np.testing.assert_allclose(each, each[0], atol=1e-9)
    return float(each[0])


def bent(over_db: float, knee_db: float) -> float:
    """Giannoulis, Massberg and Reiss, eq. 4: how far beyond the threshold a level counts."""
    if 2 * abs(over_db) <= knee_db:
        return (over_db + knee_db / 2) ** 2 / (2 * knee_db)
    return max(over_db, 0.0)


@pytest.mark.parametrize("level_db", [-60, -33, -30, -27, -20, -3])
def test_the_compressors_curve_by_peak_and_by_rms(level_db: float) -> None:
    """The RMS of a sine lies 3.01 dB below its peak."""
    peak, rms = 0.75 * bent(level_db + 30, 8), 0.75 * bent(level_db - 10 * np.log10(2) + 30, 8)
    settings = "compressor:threshold=-30,ratio=4,knee=8,makeup=2"
    got = steady_gain_db(f"{settings},attack=0,release=2 s", sine(level_db))
    assert got == pytest.approx(2 - peak, abs=SINE_DB)
    got = steady_gain_db(f"{settings},detector=rms,rms=40 ms,attack=0,release=0", sine(level_db))
    assert got == pytest.approx(2 - rms, abs=SINE_DB)


@pytest.mark.parametrize("level_db", [-80, -50, -42, -40, -38, -30, -10])
def test_the_expanders_curve_and_range(level_db: float) -> None:
    wanted = -min(2 * bent(-40 - level_db, 8), 24)
    got = steady_gain_db("expander:threshold=-40,ratio=3,knee=8,range=24,attack=0,release=2 s", sine(level_db))
    assert got == pytest.approx(wanted, abs=SINE_DB)


def test_what_is_soft_at_the_beginning_is_turned_down_from_the_first_sample() -> None:
    x = np.full((10, 1), 0.001)
    for effect in ("expander:threshold=-20,ratio=4,range=30", "gate:threshold=-20,range=30"):
        np.testing.assert_allclose(processed(effect, x), x * 10 ** (-30 / 20), rtol=1e-12, err_msg=effect)


def test_the_expander_opens_and_closes_with_its_time_constants() -> None:
    x = np.concatenate([np.full((FS, 1), 0.001), np.full((FS // 2, 1), 0.5), np.full((FS // 2, 1), 0.001)])
    y = processed("expander:threshold=-40,ratio=2,knee=0,range=100,attack=20 ms,release=50 ms", x, 999)
    gain_db = db(y / x)[:, 0]
    assert gain_db[FS - 1] == pytest.approx(-20, abs=1e-6)
    assert gain_db[FS + 960 - 1] == pytest.approx(-20 * np.exp(-1), abs=1e-6)
    assert gain_db[FS + FS // 2 + 2400 - 1] == pytest.approx(-20 * (1 - np.exp(-1)), abs=1e-6)


def test_the_rms_rises_with_its_time_constant() -> None:
    """At once above the threshold: a mean square of 1 - 1 / e after the time."""
    x = np.ones((FRAMES, 1))
    gain_db = db(processed("compressor:threshold=-60,ratio=1000,knee=0,attack=0,release=0,detector=rms,rms=10 ms", x))
    assert gain_db[479, 0] == pytest.approx(-0.999 * (60 + 10 * np.log10(1 - np.exp(-1))), abs=1e-6)


def test_the_sidechain_is_a_butterworth_and_only_heard() -> None:
    """At its frequency a sine is heard 3.01 dB softer and comes out as it is."""
    effect = "compressor:threshold=-40,ratio=2,knee=0,attack=0,release=2 s,sidechain=996 Hz"
    assert steady_gain_db(effect, sine(-10)) == pytest.approx((10 * np.log10(2) - 30) / 2, abs=SINE_DB)
    assert abs(steady_gain_db(effect, sine(-10, 12.0))) < SINE_DB


@pytest.mark.parametrize("mix", [0.0, 0.25, 1.0])
def test_the_mix_adds_what_was_not_compressed(mix: float) -> None:
    x = sine(-6)
    settings = "threshold=-30,ratio=8,makeup=6"
    wet, got = processed(f"compressor:{settings}", x), processed(f"compressor:{settings},mix={mix}", x)
    np.testing.assert_allclose(got, mix * wet + (1 - mix) * x, rtol=0, atol=1e-14)


def test_the_gate_opens_and_closes_with_hysteresis_after_its_hold() -> None:
    """-20 dBFS opens it, down to -26 it stays so, below only for the 10 ms = 480 frames of the hold."""
    levels = [(0.04, 1000), (0.09, 1000), (0.11, 1000), (0.06, 1000), (0.04, 1000), (0.06, 1000)]
    x = np.concatenate([np.full((frames, 1), level) for level, frames in levels])
    gain = (processed("gate:threshold=-20,hysteresis=6,attack=0,hold=10 ms,release=0,range=40", x, 77) / x)[:, 0]
    wanted = np.full(6000, 0.01)
    wanted[2000 : 4000 + 480] = 1.0
    np.testing.assert_allclose(gain, wanted, rtol=1e-12)


def test_the_gates_times_are_those_of_its_gain() -> None:
    x = np.concatenate([np.full((FRAMES, 1), level) for level in (0.001, 0.5, 0.001)])
    gain = (processed("gate:threshold=-20,attack=10 ms,hold=0,release=20 ms,range=60", x, 999) / x)[:, 0]
    floor = 0.001
    assert gain[FRAMES - 1] == pytest.approx(floor)
    assert 1 - gain[FRAMES + 480 - 1] == pytest.approx((1 - floor) * np.exp(-1))
    assert gain[2 * FRAMES + 960 - 1] - floor == pytest.approx((1 - floor) * np.exp(-1), rel=1e-6)


def test_a_hold_longer_than_half_a_period_keeps_a_bass_whole() -> None:
    x = sine(-10, 50.0)
    y = processed("gate:threshold=-20,hold=12 ms,attack=0,release=0", x)
    assert y[: 2000].any()
    np.testing.assert_array_equal(y[2000:], x[2000:])


def shelf_db(frequency: float, gain_db: float) -> float:
    """|H|^2 = (1 + g^2 u) / (1 + u), u the fourth power of the warped frequency over the warped 5 kHz."""
    u = (np.tan(np.pi * frequency / FS) / np.tan(np.pi * 5000 / FS)) ** 4
    return float(10 * np.log10((1 + 10 ** (gain_db / 10) * u) / (1 + u)))


@pytest.mark.parametrize("frequency", [300.0, 2508.0, 5004.0, 7008.0, 14_988.0])
def test_the_deessers_shelf_is_that_of_its_formula(frequency: float) -> None:
    effect = "deesser:threshold=-120,frequency=5 kHz,ratio=1000,range=12,attack=0,release=10 s"
    assert steady_gain_db(effect, sine(-3, frequency)) == pytest.approx(shelf_db(frequency, -12), abs=1e-3)


def test_the_deesser_hears_what_is_high_and_at_rest_changes_nothing() -> None:
    soft = sine(-20, 300.0)
    np.testing.assert_array_equal(processed("deesser:threshold=-40", soft), soft)
    got = steady_gain_db("deesser:threshold=-40,ratio=2,knee=0,range=30,attack=0,release=2 s", sine(-20, 14_988.0))
    assert got == pytest.approx(shelf_db(14_988.0, -10), abs=SINE_DB)


def test_no_sample_leaves_the_deesser_higher_than_the_plan_reckons() -> None:
    impulse = np.zeros((2000, 1))
    impulse[0] = 1.0
    for frequency in (50.0, 5000.0, 23_000.0):
        effect = f"deesser:threshold=-120,frequency={frequency},ratio=1000,range=60,attack=0,release=10 s"
        y = processed(effect, impulse)
        assert np.abs(y).sum() < Deesser.peak_gain


@pytest.mark.parametrize("crossover", ["[50]", "[200, 3000]", "[1000, 1100, 20000]"])
def test_the_bands_add_up_to_an_all_pass(crossover: str) -> None:
    impulse = np.zeros((FS // 2, 1))
    impulse[0] = 1.0
    y = processed(f"multiband:crossover={crossover},threshold=0,ratio=1", impulse)[:, 0]
    np.testing.assert_allclose(np.abs(np.fft.rfft(y)), 1.0, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("frequency", "threshold", "ratio", "makeup"), [(36.0, -40, 2, 0), (900.0, -30, 4, 2),
                                                                        (14_988.0, -20, 5, -3)])
def test_each_band_has_its_own_curve(frequency: float, threshold: float, ratio: float, makeup: float) -> None:
    effect = ("multiband:crossover=[180, 4500],threshold=[-40, -30, -20],ratio=[2, 4, 5],makeup=[0, 2, -3],knee=0,"
              "attack=0,release=2 s")
    wanted = makeup + (1 / ratio - 1) * (-6 - threshold)
    assert steady_gain_db(effect, sine(-6, frequency)) == pytest.approx(wanted, abs=0.15)  # what the others leak


def test_the_plan_reckons_with_the_peaks_of_the_bands_and_their_ringing() -> None:
    effect = "multiband:crossover=[200, 3000],threshold=0,ratio=1,makeup=[6, 0, -6]"
    (stage,) = design_chain(join([], [effect]), FS, 1)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (FRAMES, 1))
    assert 1.0 < np.abs(processed(effect, signs)).max() < stage.peak_gain < 8.0
    impulse, rings = np.zeros((FS // 2, 1)), stage.tail_frames(Signal(FS, 1))
    impulse[0] = 1.0
    y = np.abs(processed(effect, impulse))
    assert y[rings:].max() < 1e-6 < y[rings // 2 :].max()


@pytest.mark.parametrize("effect", EFFECTS)
def test_cut_anywhere_and_by_any_kernel_it_is_the_same(effect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(4).standard_normal((1201, 2)) * np.geomspace(0.01, 2.0, 1201)[:, None]
    assert_cut_anywhere(effect, x)
    assert_kernels_agree(effect, x, monkeypatch, "following", "gate", "deesser")
    assert_kernels_agree(effect, np.repeat(x, 3, axis=1)[:, :5].copy(), monkeypatch, "following", "gate", "deesser")


@pytest.mark.parametrize("effect", EFFECTS)
def test_silence_stays_and_a_full_scale_square_is_finite(effect: str) -> None:
    square = np.sign(np.sin(np.arange(3000)))[:, None]
    assert not processed(effect, np.zeros((3000, 2))).any()
    both = processed(effect, np.concatenate([np.zeros((3000, 1)), square, np.zeros((3000, 1))]))
    assert np.isfinite(both).all()
    assert np.abs(both[3000:6000]).max() > 0.1


@pytest.mark.parametrize(("effect", "words"), [
    ("compressor:threshold=-20,rms=5 ms", "does nothing for detector: peak"),
    ("compressor:threshold=-20,detector=loud", "one of peak, rms"), ("compressor:threshold=-20,mix=2", "out of range"),
    ("expander:threshold=-20,ratio=0.5", "out of range"), ("gate:hold=1", "missing"),
    ("gate:threshold=-20,hysteresis=-3", "out of range"), ("deesser:threshold=-20,frequency=0", "out of range"),
    ("multiband:crossover=[300, 200],threshold=-20", "200 Hz does not lie above 300 Hz"),
    ("multiband:crossover=300,threshold=[-20, -10, -5]", "found 3 numbers; write one, or one for each of the 2 bands"),
    ("multiband:crossover=[1, 2, 3, 4, 5, 6, 7, 8],threshold=-20", "found 8 frequencies")])
def test_what_makes_no_sense_is_refused(effect: str, words: str) -> None:
    with pytest.raises(ChainError, match=words):
        join([], [effect])


@pytest.mark.parametrize("effect", ["compressor:threshold=-20,sidechain=24 kHz",
                                    "deesser:threshold=-20,frequency=30000",
                                    "multiband:crossover=[200, 24000],threshold=-20"])
def test_a_side_chain_has_room_below_half_the_rate(effect: str) -> None:
    with pytest.raises(DesignError, match="not below 24 kHz, half of 48 kHz"):
        design_chain(join([], [effect]), FS, 2)
