"""A dozen programs as users write them, each held against SciPy in float64."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy.signal as sp
import soundfile

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import torchfx_cli as fx  # noqa: E402

FS = 48_000
SAME = 1e-11  # float64, another order of the same sums, narrow notches among the filters
FLOAT32 = 1e-7


@pytest.fixture
def take() -> np.ndarray:
    """A tone in noise, on two channels."""
    n = np.arange(12_000)
    return 0.3 * np.sin(2 * np.pi * 220 / FS * n) + 0.05 * np.random.default_rng(7).standard_normal((2, len(n)))


def high(hz: float, order: int = 2) -> np.ndarray:
    return sp.butter(order, hz, "highpass", fs=FS, output="sos")


def low(hz: float, order: int = 2) -> np.ndarray:
    return sp.butter(order, hz, "lowpass", fs=FS, output="sos")


def notch(hz: float, q: float) -> np.ndarray:
    """The cookbook's."""
    alpha, cos = np.sin(2 * np.pi * hz / FS) / (2 * q), np.cos(2 * np.pi * hz / FS)
    return np.array([[1, -2 * cos, 1, 1 + alpha, -2 * cos, 1 - alpha]]) / (1 + alpha)


def test_design_a_filter_and_look_at_it() -> None:
    design = fx.filter.LoElliptic(3000, order=5, ripple=0.5, attenuation=70, fs=FS)
    w, h = sp.freqz(design.b, design.a, worN=2048, fs=FS)
    assert 20 * np.log10(np.abs(h[w <= 3000])).min() >= -0.501
    assert 20 * np.log10(np.abs(h[w >= 6500])).max() <= -69.99
    np.testing.assert_allclose(design.b, sp.ellip(5, 0.5, 70, 3000, fs=FS)[0], rtol=0, atol=1e-12)


def test_filter_a_tensor(take: np.ndarray) -> None:
    got = fx.filter.HiChebyshev1(120, order=3, ripple=1.0, fs=FS)(torch.from_numpy(take))
    np.testing.assert_allclose(got, sp.sosfilt(sp.cheby1(3, 1.0, 120, "high", fs=FS, output="sos"), take), atol=SAME)


def test_clean_a_file(take: np.ndarray, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "take.wav", take.T, FS, "DOUBLE")
    wave = fx.Wave.from_file(tmp_path / "take.wav")
    cleaned = wave | (fx.filter.HiButterworth(80, order=4) | fx.filter.Notch(50, q=25) | fx.effect.Gain(-6))
    cleaned.save(tmp_path / "cleaned.wav", "double")
    due = sp.sosfilt([*high(80, 4), *notch(50, 25)], take) * 10 ** (-6 / 20)
    np.testing.assert_allclose(soundfile.read(tmp_path / "cleaned.wav")[0].T, due, atol=SAME)


def test_one_step_after_the_other_or_all_at_once(take: np.ndarray) -> None:
    wave = fx.Wave(take, FS)
    steps = wave | fx.filter.HiButterworth(100) | fx.filter.LoButterworth(8000) | fx.filter.Notch(60)
    block = nn.Sequential(fx.filter.HiButterworth(100), fx.filter.LoButterworth(8000), fx.filter.Notch(60))
    due = sp.sosfilt([*high(100), *low(8000), *notch(60, 30)], take)
    np.testing.assert_allclose(steps.ys, due, atol=SAME)
    np.testing.assert_allclose((wave | block).ys, due, atol=SAME)
    np.testing.assert_allclose(block(torch.from_numpy(take)), due, atol=SAME)  # which now have the rate


def test_five_firs_in_a_row(take: np.ndarray) -> None:
    cutoffs = (1000, 5000, 1500, 1800, 1850)
    designs = list(zip(range(101, 106), cutoffs, strict=True))
    block = nn.Sequential(*(fx.filter.DesignableFIR(taps, hz) for taps, hz in designs))
    due = take
    for taps, hz in designs:
        due = sp.lfilter(sp.firwin(taps, hz, fs=FS), 1.0, due)
    np.testing.assert_allclose((fx.Wave(take, FS) | block).ys, due, atol=SAME)


def test_two_bands_side_by_side(take: np.ndarray) -> None:
    bands = fx.filter.LoButterworth(300, order=4) + (fx.filter.HiButterworth(3000, order=4) | fx.effect.Gain(6))
    due = sp.sosfilt(low(300, 4), take) + sp.sosfilt(high(3000, 4), take) * 10 ** (6 / 20)
    np.testing.assert_allclose((fx.Wave(take, FS) | bands).ys, due, atol=SAME)


def test_a_batch_of_examples_in_float32(take: np.ndarray) -> None:
    batch = np.stack([take, -0.5 * take, np.zeros_like(take)]).astype(np.float32)
    front = nn.Sequential(fx.filter.HiButterworth(80, fs=FS), fx.filter.LoButterworth(7000, order=3, fs=FS))
    got = front(torch.from_numpy(batch))
    assert got.dtype == torch.float32
    np.testing.assert_allclose(got, sp.sosfilt([*high(80), *low(7000, 3)], batch.astype(float)), atol=FLOAT32)


class Saturator(nn.Module):
    """Drives what lies above a crossover."""

    def __init__(self, hz: float, drive: float) -> None:
        super().__init__()
        self.below, self.above = fx.filter.LoButterworth(hz), fx.filter.HiButterworth(hz)
        self.drive = nn.Parameter(torch.tensor(drive, dtype=torch.float64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.below(x) + torch.tanh(self.drive * self.above(x))


def test_a_module_of_ones_own_with_filters_in_it(take: np.ndarray) -> None:
    module = Saturator(1000, 3.0)
    got = (fx.Wave(take, FS) | module | fx.filter.Notch(50)).ys
    driven = sp.sosfilt(low(1000), take) + np.tanh(3.0 * sp.sosfilt(high(1000), take))
    np.testing.assert_allclose(got.detach(), sp.sosfilt(notch(50, 30), driven), atol=SAME)
    got.square().mean().backward()  # through the notch, to the drive
    with torch.no_grad():
        ahead, behind = (float((fx.Wave(take, FS) | Saturator(1000, drive) | fx.filter.Notch(50)).ys.square().mean())
                         for drive in (3.0 + 1e-4, 3.0 - 1e-4))
    assert float(module.drive.grad) == pytest.approx((ahead - behind) / 2e-4, rel=1e-6)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no CUDA device"))])
def test_a_wave_and_its_filters_move_to_a_device(take: np.ndarray, device: str) -> None:
    chain = (fx.filter.HiButterworth(80, fs=FS) | fx.filter.FIR([0.5, 0.5])).to(device)
    wave = fx.Wave(take, FS).to(device) | chain | fx.filter.Notch(50)
    assert wave.ys.device.type == device
    due = sp.sosfilt(notch(50, 30), sp.lfilter([0.5, 0.5], 1.0, sp.sosfilt(high(80), take)))
    np.testing.assert_allclose(wave.to("cpu").ys, due, atol=SAME)


def test_a_long_recording_block_by_block_and_what_restarting_each_block_costs(take: np.ndarray) -> None:
    """As the README says: carried state gives the whole; a filter that is called for each block starts from rest."""
    wave, chain = fx.Wave(take, FS), fx.filter.HiButterworth(80, order=4) | fx.filter.Notch(50)
    due = sp.sosfilt([*high(80, 4), *notch(50, 30)], take)
    stream = fx.Renderer(copy.deepcopy(chain), fs=wave.fs, channels=wave.channels)
    carried = torch.cat([*(stream.process(block.ys) for block in wave.blocks(0.05)), stream.flush()], dim=-1)
    restarted = torch.cat([(block | chain).ys for block in wave.blocks(0.05)], dim=-1)
    assert snr_db(due, carried) > 200
    assert 10 < snr_db(due, restarted) < 20  # a click at the start of each


def snr_db(due: np.ndarray, got: torch.Tensor) -> float:
    return float(10 * np.log10(np.mean(due**2) / max(np.mean((got.numpy() - due) ** 2), 1e-300)))


def test_channels_apart_and_together(take: np.ndarray) -> None:
    wave = fx.Wave(take, FS)
    left = wave.get_channel(0) | fx.filter.LoButterworth(500)
    right = wave.get_channel(1) | fx.filter.HiButterworth(500)
    apart = fx.Wave.merge([left, right], split_channels=True)
    due = np.stack([sp.sosfilt(low(500), take[0]), sp.sosfilt(high(500), take[1])])
    np.testing.assert_allclose(apart.ys, due, atol=SAME)
    np.testing.assert_allclose(fx.Wave.merge([left, right]).ys[0], due.sum(axis=0), atol=SAME)


def test_samples_go_through_a_function(take: np.ndarray) -> None:
    turned = fx.Wave(take, FS).transform(torch.flip, [-1]) | fx.filter.LoButterworth(900)
    both_ways = turned.transform(torch.flip, [-1]) | fx.filter.LoButterworth(900)
    due = sp.sosfilt(low(900), np.flip(sp.sosfilt(low(900), np.flip(take, -1)), -1))
    np.testing.assert_allclose(both_ways.ys, due, atol=SAME)


def test_a_folder_of_takes_to_16_bits(take: np.ndarray, tmp_path: Path) -> None:
    chain = fx.filter.HiButterworth(80) | fx.effect.Normalize(0.5)
    for name, gain in (("a", 1.0), ("b", 0.1)):
        fx.Wave(gain * take, FS).save(tmp_path / f"{name}.wav", "float")
    for path in sorted(tmp_path.glob("?.wav")):
        (fx.Wave.from_file(path) | chain).save(path.with_suffix(".flac"), 16, dither="none")
    due = sp.sosfilt(high(80), take)
    due *= 0.5 / np.abs(due).max()
    for got in results(tmp_path):
        np.testing.assert_allclose(got, due, rtol=0, atol=0.51 / 32_768)


def results(folder: Path) -> Iterator[np.ndarray]:
    paths = sorted(folder.glob("*.flac"))
    assert [path.name for path in paths] == ["a.flac", "b.flac"]
    for path in paths:
        yield soundfile.read(path)[0].T


def test_a_level_in_db_below_full_scale(take: np.ndarray) -> None:
    got = fx.Wave(take, FS) | fx.effect.Gain(-6) | fx.effect.Normalize(10 ** (-1 / 20))
    assert 20 * np.log10(float(got.ys.abs().max())) == pytest.approx(-1.0, abs=1e-9)
    np.testing.assert_allclose(got.ys, take * 10 ** (-1 / 20) / np.abs(take).max(), rtol=0, atol=SAME)
