"""Stages that change when a sound is heard: fades, silence added and removed."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from test_kinds import FS, assert_the_law, noise, plan_of, render

from torchfx_cli.chain.parse import join
from torchfx_cli.errors import ChainError
from torchfx_cli.samples import Signal
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.local import run_jobs
from torchfx_cli.tasks.onefile import RunObserver
from torchfx_cli.tasks.report import FileResult

# What SoX's manual and ffmpeg's afade say of their shapes, at a quarter of the way.
AT_A_QUARTER = {"linear": 0.25, "sine": np.sin(np.pi / 8), "half_sine": (1 - np.cos(np.pi / 4)) / 2,
                "parabola": 1 - 0.75**2, "exponential": 10 ** (-75 / 20), "log": 1 + 0.2 * np.log10(0.25)}


@pytest.mark.parametrize(("curve", "gain"), AT_A_QUARTER.items())
def test_a_fade_has_its_shape_at_both_ends_and_none_between(curve: str, gain: float) -> None:
    got = render(plan_of(f"fade:in=100 ms,out=200 ms,curve={curve}", channels=1), np.ones((FS, 1)), 509)[:, 0]
    assert got[1200] == pytest.approx(gain, rel=1e-12)
    assert got[FS - 1 - 2400] == pytest.approx(gain, rel=1e-12)
    assert got[0] == got[-1] == (1e-5 if curve == "exponential" else 0.0)
    assert (got[4800 : FS - 9600] == 1.0).all()
    assert (np.diff(got[:4801]) >= 0.0).all()
    assert (np.diff(got[FS - 9601 :]) <= 0.0).all()


def test_fades_of_a_file_that_is_shorter_are_multiplied() -> None:
    got = render(plan_of("fade:in=0.01,out=0.02", channels=1), np.ones((300, 1)), 17)[:, 0]
    n = np.arange(300)
    np.testing.assert_allclose(got, n / 480 * n[::-1] / 960, rtol=1e-15)


def test_a_fade_hands_on_the_blocks_between_as_they_came() -> None:
    (stage,) = plan_of("fade:in=1 ms,out=2 ms").stages
    fading, blocks = stage.open(Signal(FS, 2)), [np.ones((64, 2)) for _ in range(5)]
    out = [fading.process(block) for block in blocks]
    end = list(fading.flush())
    assert [len(block) for block in out] == [0, 0, 64, 64, 64]
    assert list(map(id, [*out[2:], *end])) == list(map(id, blocks))
    np.testing.assert_array_equal(np.concatenate(end)[32:, 0], np.arange(96)[::-1] / 96)


def test_silence_is_added_and_markers_move_with_the_sound() -> None:
    plan = plan_of("pad:start=10 ms,end=20 ms")
    x = noise(1000)
    np.testing.assert_array_equal(render(plan, x, 17), np.concatenate([np.zeros((480, 2)), x, np.zeros((960, 2))]))
    assert plan.place(5) == 485
    assert plan.frames_out(0) == 0
    assert plan_of("trim:start=10 ms", "pad:start=1 ms", "resample:16 kHz").place(FS) == (FS - 480 + 48) / 3


@pytest.mark.parametrize("effects", [
    ["trim:start=0.001,end=0.5", "fade:in=10 ms,out=40 ms,curve=log", "resample:16 kHz", "mono"],
    ["pad:start=3 ms,end=20 ms", "fir:lowpass=9000,taps=301,align=true", "fade:out=30 ms"],
])
@pytest.mark.parametrize("tail_s", [0.0, 0.01])
def test_chunked_is_whole_in_combination(effects: list[str], tail_s: float) -> None:
    assert_the_law(plan_of(*effects, tail_s=tail_s))


@pytest.mark.parametrize(("effect", "words"), [
    ("fade", "nothing says how long to fade"), ("fade:curve=sine", "nothing says how long to fade"),
    ("fade:in=3 min", "min is not a unit here"), ("fade:in=121", "from 0 to 120 s"),
    ("fade:in=1,curve=cosine", "one of linear, sine, half_sine"), ("pad", "nothing says how much silence"),
    ("pad:start=-1", "from 0 to 120 s"),
])
def test_times_that_make_no_sense_are_told_before_any_file(effect: str, words: str) -> None:
    with pytest.raises(ChainError, match=words):
        join([], [effect])


def test_the_library_has_a_fade_whose_in_is_in_() -> None:
    torch = pytest.importorskip("torch")
    effect = pytest.importorskip("torchfx_cli").effect
    made = effect.Fade(in_=0.5, fs=8)(torch.ones(1, 8))
    assert made.tolist() == [[0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0]]


def spoken(before: int, sound: int, behind: int, between: int = 0) -> np.ndarray:
    """Sound at -20 dBFS in one of two channels, with noise at -70 dBFS around it and in its middle."""
    x = 10 ** (-70 / 20) * np.random.default_rng(1).choice([-1.0, 1.0], (before + sound + behind, 2))
    x[before : before + (sound - between) // 2, 1] = 0.1
    x[before + (sound + between) // 2 : before + sound, 1] = -0.1
    return x


@pytest.mark.parametrize(("setting", "first", "last"), [
    ("", 8000 - 2400, 24_000 + 2400), ("ends=start", 5600, 0), ("ends=end", 0, 26_400), ("margin=0", 8000, 24_000),
    ("margin=1 s", 0, 0), ("min=0.2", 0, 26_400), ("min=0.2,margin=0", 0, 24_000), ("threshold=-71", 0, 0),
])
@pytest.mark.parametrize("size", [509, 1 << 20])
def test_silence_goes_from_the_ends_and_never_from_inside(setting: str, first: int, last: int, size: int) -> None:
    x = spoken(8000, 16_000, 12_000, between=12_000)
    got = render(plan_of("trim_silence" + ":" * bool(setting) + setting), x, size)
    np.testing.assert_array_equal(got, x[first : last or len(x)])


def test_a_single_sample_at_the_threshold_is_sound() -> None:
    x = np.zeros((3001, 1))
    x[1500] = -(10 ** (-40 / 20))
    plan = plan_of("trim_silence:threshold=-40,min=0,margin=0", channels=1)
    np.testing.assert_array_equal(render(plan, x, 7), x[1500:1501])


def test_what_was_cut_is_in_the_report_and_the_markers_and_the_time_move(tmp_path: Path) -> None:
    source = tmp_path / "in.wav"
    soundfile.write(source, spoken(9600, 4800, 9600), FS, "PCM_24")
    mark(source, 9700)
    effects = ["gain:-3", "trim_silence:margin=25 ms", "resample:16 kHz", "fade:out=10 ms"]
    result = processed(source, tmp_path / "out.wav", *effects)
    assert (result.status, result.frames, result.warnings) == ("ok", (1200 + 4800 + 1200) // 3, ())
    assert result.notes == ("trim silence below -60 dBFS: 0.175 s at the start and 0.175 s at the end are cut",)
    (cue,) = struct.iter_unpack("<6I", (tmp_path / "out.wav").read_bytes().partition(b"cue ")[2][8:32])
    assert cue[1] == round((9700 - 8400) / 3)


@pytest.mark.parametrize(("x", "effects", "error"), [
    (np.zeros((4800, 1)), ["trim_silence"], "silent: no sample reaches -60 dBFS, so nothing would be left of it"),
    (spoken(9600, 4800, 9600), ["trim_silence", "trim:start=0.3"], "nothing is left of 24000 frames: "),
])
def test_a_file_of_which_nothing_is_left_fails(tmp_path: Path, x: np.ndarray, effects: list[str], error: str) -> None:
    soundfile.write(tmp_path / "in.wav", x, FS)
    result = processed(tmp_path / "in.wav", tmp_path / "out.wav", *effects)
    assert result.status == "failed"
    assert str(result.error).startswith(error)
    assert not (tmp_path / "out.wav").exists()


def test_an_empty_file_stays_empty(tmp_path: Path) -> None:
    source = tmp_path / "in.wav"
    soundfile.write(source, np.zeros((0, 2)), FS)
    result = processed(source, tmp_path / "out.wav", "trim_silence", "pad:end=1", "fade:in=1")
    assert (result.status, result.frames) == ("ok", 0)


def processed(source: Path, output: Path, *effects: str) -> FileResult:
    (result,) = run_jobs([Job(source, output)], Settings(join([], effects)), RunObserver()).results
    return result


def mark(path: Path, frame: int) -> None:
    content = path.read_bytes() + b"cue " + struct.pack("<II6I", 28, 1, 1, frame, 0, 0, 0, frame)
    path.write_bytes(content[:4] + struct.pack("<I", len(content) - 8) + content[8:])
