"""Convolution with impulse responses, against SciPy in float64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from scipy.signal import fftconvolve
from test_kinds import FS, assert_the_law, noise, plan_of, planned, render

from torchfx_cli.chain.parse import join, parse_chain
from torchfx_cli.design.stages import Stage, Taps
from torchfx_cli.effects.convolve import Convolution, at_rate
from torchfx_cli.effects.delay import Delay
from torchfx_cli.effects.parallel import Parallel
from torchfx_cli.errors import ChainError, DesignError, FileError
from torchfx_cli.kernel.load import available
from torchfx_cli.samples import Signal
from torchfx_cli.tasks.fileplan import _check_memory


def room(path: Path, frames: int = 3000, channels: int = 1, fs: int = FS) -> np.ndarray:
    """Noise that decays by 60 dB, written to `path`."""
    decay = 10 ** (-3 * np.arange(frames) / frames)
    h = np.random.default_rng(frames + channels).uniform(-0.2, 0.2, (frames, channels)) * decay[:, None]
    soundfile.write(path, h, fs, "DOUBLE")
    return h


def convolved(x: np.ndarray, h: np.ndarray) -> np.ndarray:
    return fftconvolve(x, h)[: len(x)]


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_a_mono_response_is_a_filter_for_any_channels(tmp_path: Path, channels: int) -> None:
    h = room(tmp_path / "h.wav")[:, 0]
    plan, x = plan_of(f"convolve:{tmp_path / 'h.wav'}", channels=channels), noise(10_000, channels)
    assert isinstance(plan.stages[0], Taps)
    wanted = np.stack([convolved(column, h) for column in x.T], axis=1)
    np.testing.assert_allclose(render(plan, x, 509), wanted, rtol=0, atol=1e-14)


@pytest.mark.parametrize("kernel", available(), ids=lambda kernel: kernel.name)
def test_a_stereo_response_is_taken_side_by_side(tmp_path: Path, kernel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchfx_cli.effects.convolve.load", lambda: kernel)
    h, x = room(tmp_path / "h.wav", channels=2), noise(10_000)
    wanted = np.stack([convolved(x[:, n], h[:, n]) for n in (0, 1)], axis=1)
    plan = plan_of(f"convolve:file={tmp_path / 'h.wav'},mix=0.25")
    np.testing.assert_allclose(render(plan, x, 509), 0.25 * wanted + 0.75 * x, rtol=0, atol=1e-14)


def test_four_channels_on_stereo_are_ll_lr_rl_rr(tmp_path: Path) -> None:
    h, x = room(tmp_path / "h.wav", channels=4), noise(10_000)
    left = convolved(x[:, 0], h[:, 0]) + convolved(x[:, 1], h[:, 2])
    right = convolved(x[:, 0], h[:, 1]) + convolved(x[:, 1], h[:, 3])
    plan = plan_of(f"convolve:file={tmp_path / 'h.wav'},mix=0.5")
    np.testing.assert_allclose(render(plan, x), 0.5 * np.stack([left, right], axis=1) + 0.5 * x, rtol=0, atol=1e-14)


@pytest.mark.parametrize("channels", [1, 2])
def test_the_tail_is_cut_unless_it_is_asked_for(tmp_path: Path, channels: int) -> None:
    h, x = room(tmp_path / "h.wav", channels=channels), noise(1000)
    effect = f"convolve:{tmp_path / 'h.wav'}"
    whole = render(plan_of(effect, tail_s="auto"), x)
    assert len(whole) == 1000 + 3000 - 1
    np.testing.assert_allclose(whole[:, 1], fftconvolve(x[:, 1], h[:, -1]), rtol=0, atol=1e-14)
    np.testing.assert_array_equal(render(plan_of(effect), x), whole[:1000])


@pytest.mark.parametrize("fs", [44_100, 96_000, 22_050])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_response_of_another_rate_keeps_its_spectrum_and_its_place(tmp_path: Path, fs: int, channels: int) -> None:
    """Two impulses 1 ms apart, the first in the first frame: below 5 kHz it is 1 + 0.5 e^(-i w 1 ms) at any rate."""
    h = np.zeros((fs // 100, channels))
    h[0], h[round(fs / 1000) if fs != 22_050 else 22] = 1.0, 0.5
    soundfile.write(tmp_path / "h.wav", h, fs, "DOUBLE")
    delay_s = (np.flatnonzero(h[:, 0])[1]) / fs
    x = np.zeros((8192, 2))
    x[3000] = 1.0
    got = render(plan_of(f"convolve:{tmp_path / 'h.wav'}"), x, 1000)[:, 1]
    f_hz = np.array([0.0, 100.0, 1000.0, 3456.7, 5000.0])
    response = np.exp(-2j * np.pi * np.outer(f_hz, np.arange(8192) - 3000) / FS) @ got
    np.testing.assert_allclose(response, 1.0 + 0.5 * np.exp(-2j * np.pi * f_hz * delay_s), rtol=0, atol=1e-7)


def test_the_response_of_another_rate_is_short_where_the_rates_have_no_common_factor() -> None:
    taps, delay = at_rate(np.ones((100, 1)), 44_101, 48_000)
    assert delay <= 300
    assert len(taps) <= 100 * 48_000 / 44_101 + 600
    assert taps.sum() == pytest.approx(100, abs=1e-6)


@pytest.mark.parametrize(("normalize", "size"), [("peak", lambda h: np.abs(h).max()),
                                                 ("energy", lambda h: np.sqrt((h**2).sum(axis=0).max()))])
def test_a_response_is_scaled_as_a_whole(tmp_path: Path, normalize: str, size: Any) -> None:
    h = room(tmp_path / "h.wav", channels=2) * [1.0, 0.5]
    soundfile.write(tmp_path / "h.wav", h, FS, "DOUBLE")
    x = np.zeros((3000, 2))
    x[0] = 1.0
    got = render(plan_of(f"convolve:file={tmp_path / 'h.wav'},normalize={normalize}"), x)
    np.testing.assert_allclose(got, h / size(h), rtol=0, atol=1e-14)


@pytest.mark.parametrize("effects", [["resample:16 kHz", "convolve:{h}", "trim:start=0.001"],
                                     ["highpass:80", "convolve:file={h},mix=0.4", "mono", "fade:out=20 ms"]])
@pytest.mark.parametrize(("channels", "fs"), [(1, FS), (2, 44_100), (4, 16_000)])
def test_chunked_is_whole_in_combination(tmp_path: Path, effects: list[str], channels: int, fs: int) -> None:
    room(tmp_path / "h.wav", channels=channels, fs=fs)
    assert_the_law(plan_of(*(effect.format(h=tmp_path / "h.wav") for effect in effects), tail_s=0.01))


def test_behind_resample_the_response_is_that_of_the_new_rate(tmp_path: Path) -> None:
    h, x = room(tmp_path / "h.wav", channels=2, fs=16_000), noise(30_000)
    resampled = render(plan_of("resample:16 kHz"), x)
    wanted = np.stack([convolved(resampled[:, n], h[:, n]) for n in (0, 1)], axis=1)
    np.testing.assert_allclose(render(plan_of("resample:16 kHz", f"convolve:{tmp_path / 'h.wav'}"), x), wanted,
                               rtol=0, atol=1e-14)


@pytest.mark.parametrize(("h", "channels", "words"), [
    (np.ones((9, 3)), 2, "it has 3 channels, the signal has 2 here"),
    (np.ones((9, 2)), 1, "it has 2 channels, the signal has 1 here; `- channels: .1, 1.` in front makes it stereo"),
    (np.ones((8_400_000, 1), np.float32), 1, "it lasts 175 s; at 48 kHz at most 174.8 s are possible"),
])
def test_a_response_that_will_not_do_is_named_with_its_line(tmp_path: Path, h: Any, channels: int, words: str) -> None:
    soundfile.write(tmp_path / "h.wav", h, FS, "FLOAT")
    chain = parse_chain("chain:\n  - gain: 0 dB\n  - convolve:\n      file: h.wav\n", "eq.yaml", tmp_path)
    from torchfx_cli.chain.spec import design_chain

    with pytest.raises(DesignError, match=rf"^eq.yaml:3: chain\[1\].convolve.file: .*h.wav: {words}$"):
        design_chain(chain, FS, channels)


@pytest.mark.parametrize(("h", "words"), [
    (np.zeros((0, 1)), "it is empty"), (np.zeros((99, 2)), "it is silent"),
    (np.full((9, 1), np.nan), "it holds samples that are not finite"),
    (b"RIFF", "it is not a sound file that can be read")])
def test_a_response_that_will_do_for_no_signal_is_a_mistake_in_the_chain(tmp_path: Path, h: Any, words: str) -> None:
    if isinstance(h, bytes):
        (tmp_path / "h.wav").write_bytes(h)
    else:
        soundfile.write(tmp_path / "h.wav", h, FS, "FLOAT")
    with pytest.raises(ChainError, match=rf"^eq.yaml:4: chain\[1\].convolve.file: 'h.wav': {words}$"):
        parse_chain("chain:\n  - gain: 0 dB\n  - convolve:\n      file: h.wav\n", "eq.yaml", tmp_path)


def test_a_response_may_be_longer_than_any_list_of_taps(tmp_path: Path) -> None:
    """Ten seconds at 192 kHz; they are not computed here."""
    h = np.zeros((1_920_000, 2), np.float32)
    h[0], h[-1] = 0.5, 0.25
    soundfile.write(tmp_path / "h.wav", h, 192_000, "FLOAT")
    (spec,) = join([], [f"convolve:{tmp_path / 'h.wav'}"]).stages
    stage = spec.design(Signal(192_000, 2))
    assert isinstance(stage, Convolution)
    assert [(len(taps), taps[0], taps[-1]) for *_, taps in stage.ways] == [(1_920_000, 0.5, 0.25)] * 2
    assert stage.memory_bytes(Signal(192_000, 2)) == pytest.approx(0.65e9, rel=0.1)
    _check_memory(planned((stage,)))


def long_ways(count: int) -> Convolution:
    return Convolution(tuple((n % 2, n // 2, np.zeros(5_000_000)) for n in range(count)), 0, "convolve hall.wav, 104 s")


@pytest.mark.parametrize(("stages", "words"), [
    ([long_ways(4)], "^2 channels through convolve hall.wav, 104 s need about 4.1 GB of memory; 2.1 GB are all"),
    ([Parallel(((Taps(np.zeros(3_000_000)),), (long_ways(4),)))], r"need about 5\.3 GB of memory"),
    ([Delay(60 * FS, 0.3, 0.5, "delay")] * 50, "2 channels through delay need about 2.3 GB of memory"),
])
def test_what_would_take_the_memory_of_the_machine_is_refused_with_its_figure(stages: list[Stage], words: str) -> None:
    with pytest.raises(FileError, match=words):
        _check_memory(planned(tuple(stages)))


@pytest.mark.parametrize(("body", "words"), [
    ("{file: no.wav}", "chain.yaml:1: chain.0..convolve.file: 'no.wav': no such file"),
    ("{file: no.mp3}", "allowed: a file whose name ends in .wav, .flac"),
    ("{mix: 1}", "chain.0..convolve.file: missing"), ("{file: no.wav, mix: 2}", "a number from 0 to 1"),
])
def test_what_is_wrong_as_written_is_told_before_any_file(tmp_path: Path, body: str, words: str) -> None:
    with pytest.raises(ChainError, match=words):
        parse_chain(f"chain: [convolve: {body}]", folder=tmp_path)


def test_a_response_changed_after_reading_changes_nothing(tmp_path: Path) -> None:
    room(tmp_path / "h.wav")
    before = join([], [f"convolve:{tmp_path / 'h.wav'}"])
    room(tmp_path / "h.wav", 100)
    after = join([], [f"convolve:{tmp_path / 'h.wav'}"])
    assert before.digest != after.digest
    assert before.files == after.files == (str(tmp_path / "h.wav"),)
