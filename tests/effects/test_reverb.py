"""The reverb's decay by Schroeder's integral against what is asked for, its level, its end, and its twin."""

from __future__ import annotations

from math import gcd
from typing import Any

import numpy as np
import pytest
from scipy.signal import butter, sosfilt
from test_kinds import FS, assert_the_law, noise, plan_of, render

from torchfx_cli.chain.parse import join
from torchfx_cli.effects.reverb import line_lengths
from torchfx_cli.errors import ChainError, DesignError
from torchfx_cli.kernel.load import available


def answer(effect: str, seconds: float, channels: int = 1) -> np.ndarray:
    x = np.zeros((round(seconds * FS), channels))
    x[0, 0] = 1.0
    return render(plan_of(effect, channels=channels), x)


def rt60_s(h: np.ndarray) -> float:
    """M. R. Schroeder, "New method of measuring reverberation time", JASA 37 (1965); ISO 3382's T30."""
    level_db = 10 * np.log10(np.cumsum(h[::-1] ** 2)[::-1] / np.sum(h**2))
    first, end = np.argmax(level_db < -5.0), np.argmax(level_db < -35.0)
    return float(-60.0 / np.polyfit(np.arange(first, end) / FS, level_db[first:end], 1)[0])


@pytest.mark.parametrize("decay_s", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("size", [0.5, 1.0])
def test_it_decays_by_60_db_in_the_time_asked_for(decay_s: float, size: float) -> None:
    h = answer(f"reverb:decay={decay_s},damping=1e9,mix=1,size={size}", 2 * decay_s)[:, 0]
    assert rt60_s(h) == pytest.approx(decay_s, rel=0.05)


def test_it_decays_in_half_the_time_at_the_damping() -> None:
    h = answer("reverb:decay=1.5,damping=4 kHz,mix=1", 3.0)[:, 0]
    for hz, wanted_s in ((250, 1.5), (4000, 0.75)):
        band = butter(4, [hz / 2**0.25, hz * 2**0.25], "band", fs=FS, output="sos")
        assert rt60_s(sosfilt(band, h)) == pytest.approx(wanted_s, rel=0.05)


def test_the_room_is_as_loud_as_the_sound_and_its_sides_are_unlike_each_other() -> None:
    x = noise(2 * FS)
    got = render(plan_of("reverb:decay=0.8,damping=1e9,mix=1"), x)[FS:]
    np.testing.assert_allclose(20 * np.log10(got.std(axis=0) / x.std()), 0.0, atol=1.0)
    assert abs(np.corrcoef(got.T)[0, 1]) < 0.15
    got = render(plan_of("reverb:decay=0.8,mix=1,width=0"), x)
    np.testing.assert_allclose(got[:, 0], got[:, 1], rtol=0, atol=1e-12)


def test_the_answer_begins_behind_the_predelay_and_the_dry_sound_at_once() -> None:
    h = answer("reverb:decay=1,predelay=20 ms,mix=0.25", 0.1)[:, 0]
    heard = np.flatnonzero(h)
    assert (heard[0], h[0], heard[1]) == (0, 0.75, 960 + line_lengths(1.0, FS)[0])


def test_the_tail_lasts_to_120_db_and_then_all_is_zero_without_subnormal_numbers() -> None:
    plan = plan_of("reverb:decay=0.1,mix=1", channels=1, tail_s="auto")
    h = render(plan, np.eye(1000, 1))[:, 0]
    assert len(h) == 1000 + plan.tail_frames
    assert 0.0 < np.abs(h[-4800:]).max() < 1e-6 * np.abs(h).max()
    for kernel in available()[:-1]:
        (stage,) = plan.stages
        state = stage.state(plan.output)
        x = np.eye(20 * FS, 1)
        kernel.reverb(x, x.copy(), state)
        heard = np.abs(x[x != 0.0])
        assert heard.min() >= np.finfo(np.float64).tiny
        assert not x[-FS:].any()
        assert not state.lines.any()


def test_the_lines_have_no_common_time() -> None:
    for fs in (100.0, 8000.0, 48_000.0, 192_000.0):
        lengths = line_lengths(1.0, fs).tolist()
        assert all(gcd(a, b) == 1 for n, a in enumerate(lengths) for b in lengths[:n])
        assert lengths == sorted(lengths)


@pytest.mark.parametrize("kernel", available(), ids=lambda kernel: kernel.name)
@pytest.mark.parametrize("channels", [1, 2, 5, 16])
def test_kernels_give_the_same_bits(kernel: Any, channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, x = plan_of("reverb:decay=1,predelay=3 ms,width=0.7", channels=channels), noise(3000, channels)
    wanted = render(plan, x)
    monkeypatch.setattr("torchfx_cli.effects.reverb.load", lambda: kernel)
    np.testing.assert_array_equal(render(plan, x, 509), wanted)


def test_chunked_is_whole_in_combination() -> None:
    assert_the_law(plan_of("reverb:decay=0.2,size=0.1,damping=3 kHz", "reverse", "trim:end=0.5", tail_s=0.01))


@pytest.mark.parametrize(("effect", "words"), [
    ("reverb", "decay: missing"), ("reverb:0", "from 0.1 to 60 s"), ("reverb:decay=1,damping=50", "from 100 to 1e9 Hz"),
    ("reverb:decay=1,size=9", "from 0.1 to 4"),
])
def test_rooms_that_make_no_sense_are_told_before_any_file(effect: str, words: str) -> None:
    with pytest.raises(ChainError, match=words):
        join([], [effect])


def test_more_channels_than_lines_are_refused() -> None:
    with pytest.raises(DesignError, match="has room for 16 channels, the signal has 17 here"):
        plan_of("reverb:1", channels=17)
