"""The limiter: no peak above its ceiling, on the worst signals known, and a gain without steps."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import firwin, resample_poly
from support.processing import FS, assert_cut_anywhere, assert_kernels_agree, processed

from torchfx_cli.chain.parse import join
from torchfx_cli.design.stage import Array
from torchfx_cli.design.truepeak import PHASES, TAPS, folded, interpolator
from torchfx_cli.errors import ChainError
from torchfx_cli.kernel.base import Kernel
from torchfx_cli.kernel.load import available

FRAMES = 6000
N = np.arange(FRAMES)
RNG = np.random.default_rng(1)
ALTERNATING = (-1.0) ** N
WORST = {
    "a sine at fs/4, 45 degrees": np.sin(np.pi / 2 * N + np.pi / 4),
    "alternating impulses": ALTERNATING,
    "alternating, turned over": np.where(N < FRAMES // 2, ALTERNATING, -ALTERNATING),
    "single impulses": np.where(N % 37 == 0, (-1.0) ** (N // 37), 0.0),
    "clipped noise": np.clip(3.0 * RNG.standard_normal(FRAMES), -1.0, 1.0),
    "random signs": RNG.choice([-1.0, 1.0], FRAMES),
    "a square wave": np.sign(np.sin(2 * np.pi * 997 / FS * N + 0.1)),
    "a fast square wave": np.sign(np.sin(2 * np.pi * 0.303 * N + 0.1)),
    "a step": np.where(N < FRAMES // 2, 0.0, 1.0),
    "a step of +40 dB": np.where(N < FRAMES // 2, 0.1, 100.0) * np.sin(2 * np.pi * 0.23 * N),
}
# Interpolators to eight times the rate: SciPy's own of 20 taps a phase, and 64 taps under another window than ours.
OTHERS = {"SciPy's": ("kaiser", 5.0), "64 taps": firwin(8 * 64 + 1, 1 / 8, window=("kaiser", 8.0))}
TOLERANCE_DB = 0.05


def db(x: Array) -> float:
    return float(20.0 * np.log10(np.abs(x).max()))


@pytest.mark.parametrize("name", WORST)
@pytest.mark.parametrize("other", OTHERS)
def test_no_true_peak_is_above_the_ceiling(name: str, other: str) -> None:
    y = processed("limiter:-1 dB", WORST[name][:, None])[:, 0]
    assert db(y) <= -1.0
    assert db(resample_poly(np.pad(y, 500), 8, 1, window=OTHERS[other])) <= -1.0 + TOLERANCE_DB


@pytest.mark.parametrize("name", WORST)
@pytest.mark.parametrize(("lookahead", "release"), [("0", "0"), ("0", "50 ms"), ("0.1 ms", "1 ms"), ("2 ms", "5 ms")])
def test_neither_look_ahead_nor_release_lifts_a_true_peak(name: str, lookahead: str, release: str) -> None:
    """Where the gain follows each peak, SciPy's 20 taps differ by up to 0.13 dB, from what is near half the rate."""
    y = processed(f"limiter:ceiling=-6,lookahead={lookahead},release={release}", WORST[name][:, None])[:, 0]
    assert db(resample_poly(np.pad(y, 500), 8, 1, window=OTHERS["64 taps"])) <= -6.0 + TOLERANCE_DB


@pytest.mark.parametrize("name", WORST)
@pytest.mark.parametrize("lookahead", ["0", "0.1 ms", "5 ms", "20 ms"])
def test_no_sample_is_above_the_ceiling(name: str, lookahead: str) -> None:
    y = processed(f"limiter:ceiling=-6,true_peak=false,lookahead={lookahead}", WORST[name][:, None], 777)
    assert np.abs(y).max() <= 10 ** (-6 / 20)
    assert db(y) == pytest.approx(-6.0, abs=1e-6)  # and no more is taken than is needed


def test_a_peak_stays_in_its_place_and_the_gain_bends_down_to_it_and_comes_back() -> None:
    """Look-ahead 5 ms = 240 frames; behind the peak the gain stays for as long, then returns with the time constant."""
    x = np.full((FS // 2, 1), 0.1)
    x[10_000] = 2.0
    gain = (processed("limiter:ceiling=0,true_peak=false,release=50 ms", x) / x)[:, 0]
    assert gain[10_000] == 0.5
    np.testing.assert_array_equal(gain[: 10_000 - 239], 1.0)
    assert (np.diff(gain[9_700:10_001]) <= 0).all()
    assert np.abs(np.diff(gain, 2)).max() < 1.1 * 0.5 / 120**2  # the integral of a triangle
    later = 10_001 + 2400 + np.array([0, 2400])
    assert (1 - gain[later[1]]) / (1 - gain[later[0]]) == pytest.approx(np.exp(-1), abs=1e-6)


def test_sound_below_the_ceiling_is_the_same_to_the_last_bit() -> None:
    x = 0.2 * np.random.default_rng(2).uniform(-1, 1, (FRAMES, 2))
    for true_peak in ("true", "false"):
        np.testing.assert_array_equal(processed(f"limiter:ceiling=-1,true_peak={true_peak}", x, 100), x)


def test_all_channels_have_one_gain() -> None:
    x = np.random.default_rng(3).standard_normal((FRAMES, 3)) * [2.0, 0.5, 0.01]
    gain = processed("limiter:-1", x) / x
    np.testing.assert_allclose(gain, gain[:, :1].repeat(3, axis=1), rtol=1e-10)  # two grains of it


@pytest.mark.parametrize("true_peak", ["true", "false"])
def test_cut_anywhere_and_by_any_kernel_it_is_the_same(true_peak: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(4).standard_normal((1201, 2)) * np.linspace(0.1, 3.0, 1201)[:, None]
    effect = f"limiter:ceiling=-6,true_peak={true_peak}"
    assert_cut_anywhere(effect, x)
    assert_kernels_agree(effect, x, monkeypatch, "limiter", atol=1e-11)  # a grain of the gain is 4e-12
    five = np.repeat(x, 3, axis=1)[:, :5] * np.arange(1, 6)
    assert_kernels_agree(effect, five, monkeypatch, "limiter", atol=1e-10)


def test_silence_stays_and_a_full_scale_square_is_finite() -> None:
    assert not processed("limiter:-1", np.zeros((FRAMES, 2))).any()
    assert np.isfinite(processed("limiter:ceiling=-60,release=0", np.sign(np.sin(N))[:, None])).all()


def test_the_interpolator_is_flat_and_its_folded_form_the_same() -> None:
    taps = interpolator()
    n = np.arange(1 - TAPS // 2, TAPS // 2 + 1)
    for frequency in (0.0, 0.1, 0.25, 0.4, 0.46):  # of the rate
        wanted = np.exp(2j * np.pi * frequency * np.arange(PHASES) / PHASES)
        np.testing.assert_allclose(taps @ np.exp(2j * np.pi * frequency * n), wanted, atol=2e-4)
    x, fold = RNG.standard_normal(TAPS), folded()
    left, right = x[TAPS // 2 - 1 :: -1], x[TAPS // 2 :]
    even, odd = (left + right) @ fold[:, ::2], (left - right) @ fold[:, 1::2]
    np.testing.assert_allclose([*(even[:3] + odd), even[3], *(even[:3] - odd)[::-1]], taps[1:] @ x, atol=1e-13)


@pytest.mark.parametrize("kernel", available(), ids=lambda kernel: kernel.name)
def test_a_meter_reads_the_peaks_between_samples(kernel: Kernel) -> None:
    """Of a fade of a sine at fs/4, 45 degrees, 3.01 dB above its samples, in the second channel; cut anywhere."""
    x = np.stack([0.1 * N / FRAMES, np.hanning(FRAMES) * WORST["a sine at fs/4, 45 degrees"]], axis=1)
    x = np.concatenate([x, np.zeros((TAPS // 2, 2))])
    taps = folded()
    for size in (7, 1000, len(x)):
        highest, heard = 0.0, np.zeros((2, TAPS - 1))
        for at in range(0, len(x), size):
            highest = kernel.true_peak(np.ascontiguousarray(x[at : at + size]), taps, heard, highest)
        assert highest == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("effect", ["limiter:3 dB", "limiter:lookahead=1 s", "limiter:release=-1", "limiter:ceiling=x"])
def test_what_makes_no_sense_is_refused(effect: str) -> None:
    with pytest.raises(ChainError, match="allowed"):
        join([], [effect])


def test_a_ceiling_of_true_peaks_contradicts_a_limiter_of_samples() -> None:
    with pytest.raises(ChainError, match=r"limiter.ceiling: found '-1 dBTP', a true peak, and true_peak is false"):
        join([], ["limiter:ceiling=-1 dBTP,true_peak=false"])
    for effect in ("limiter:ceiling=-1 dBTP", "limiter:ceiling=-1 dBFS,true_peak=false", "limiter:-1 dB"):
        assert len(join([], [effect]).stages) == 1
