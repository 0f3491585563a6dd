"""Policies for dirty data: NaN and infinity become lines, a file that is cut off is kept or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile as sf
from support import oddfiles
from support.oddfiles import FS, put

from torchfx_cli.errors import ReadError
from torchfx_cli.stream.reader import open_source
from torchfx_cli.stream.repair import MAX_LINE_FRAMES, Repair

SIZES = [1, 17, 509, 44100, 100_000]
LONG = MAX_LINE_FRAMES


def repaired(samples: npt.NDArray[np.floating], size: int) -> tuple[npt.NDArray[np.floating], Repair]:
    repair = Repair(samples.shape[1])
    blocks = [samples[at : at + size].copy() for at in range(0, len(samples), size)]
    return np.concatenate(list(repair.blocks(blocks))), repair


def with_gaps(seed: int, dtype: str = "float32", frames: int = 12_000) -> npt.NDArray[np.floating]:
    """Two channels of noise with 40 gaps up to 900 frames long, some at the ends, some overlapping."""
    rng = np.random.default_rng(seed)
    samples = rng.standard_normal((frames, 2)).astype(dtype)
    for _ in range(40):
        start, length, channel = rng.integers(-300, frames), rng.choice([1, 2, 30, 900]), rng.integers(2)
        samples[max(0, start) : max(0, start + length), channel] = rng.choice([np.nan, np.inf, -np.inf])
    return samples


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(4))
def test_short_gaps_become_straight_lines_and_nothing_else_changes(seed: int, dtype: str) -> None:
    samples = with_gaps(seed, dtype)
    mended, repair = repaired(samples, 1000)
    bad = ~np.isfinite(samples)
    assert repair.samples == bad.sum()
    for channel in range(2):
        good = np.flatnonzero(~bad[:, channel])
        truth = np.interp(np.arange(len(samples)), good, samples[good, channel].astype(float))
        np.testing.assert_allclose(mended[:, channel], truth, atol=1e-6, rtol=0)
        np.testing.assert_array_equal(mended[good, channel], samples[good, channel])


@pytest.mark.parametrize("size", SIZES)
def test_the_size_of_the_blocks_never_changes_a_bit(size: int) -> None:
    samples = with_gaps(9) if size > 1 else with_gaps(9, frames=1500)
    samples[2000 : 2000 + LONG, 0] = np.nan  # just short enough for a line
    samples[7000 : 7000 + LONG + 1, 1] = np.inf  # just too long
    samples[11_990:] = np.nan
    whole, first = repaired(samples, len(samples))
    cut, second = repaired(samples, size)
    assert whole.tobytes() == cut.tobytes()
    assert np.isfinite(whole).all()
    assert (first.samples, first.first) == (second.samples, second.first)


@pytest.mark.parametrize("size", SIZES)
def test_a_gap_too_long_for_a_line_falls_to_silence(size: int) -> None:
    samples = np.ones((LONG + 300, 2))
    samples[100 : 100 + LONG + 1, 0] = np.nan
    samples[10:, 1] = np.nan
    mended, _ = repaired(samples, size)
    fall = 1 - np.arange(1, LONG + 1) / LONG
    np.testing.assert_allclose(mended[100 : 100 + LONG, 0], fall, atol=1e-15)
    assert mended[100 + LONG, 0] == 0
    assert (mended[101 + LONG :, 0] == 1).all()
    np.testing.assert_allclose(mended[10 : 10 + LONG, 1], fall, atol=1e-15)
    assert not mended[10 + LONG :, 1].any()


@pytest.mark.parametrize("frames", [1, 500, LONG, LONG + 1, 3 * LONG])
@pytest.mark.parametrize("size", [509, 10**6])
def test_nothing_but_nan_is_silence(frames: int, size: int) -> None:
    mended, repair = repaired(np.full((frames, 1), np.nan, np.float32), size)
    assert mended.shape == (frames, 1)
    assert not mended.any()
    assert repair.samples == frames


def test_a_gap_at_the_start_is_held_from_behind_unless_it_is_too_long() -> None:
    for length, value in ((LONG, 0.5), (LONG + 1, 0.0)):
        samples = np.full((length + 10, 1), 0.5)
        samples[:length] = -np.inf
        assert (repaired(samples, 509)[0][:length] == value).all()


def test_a_line_between_the_largest_doubles_does_not_overflow() -> None:
    samples = np.array([[1.7e308], [np.nan], [-1.7e308]])
    assert repaired(samples, 1)[0].tolist() == [[1.7e308], [0.0], [-1.7e308]]


def test_every_second_sample_missing_is_repaired_in_reasonable_time() -> None:
    samples = np.zeros((200_000, 2), np.float32)
    samples[::2] = np.nan
    assert not repaired(samples, 65_536)[0].any()


def dirty(folder: Path) -> Path:
    samples = np.full((3000, 2), 0.25, np.float32)
    samples[1000:1010, 1] = np.nan
    sf.write(folder / "in.wav", samples, FS, "FLOAT")
    return folder / "in.wav"


def test_a_source_repairs_on_request_and_says_how_much_and_where(tmp_path: Path) -> None:
    with open_source(dirty(tmp_path), on_nan="repair") as source:
        for _ in range(2):  # a second pass counts anew and says nothing new
            assert (np.concatenate(list(source.blocks(100))) == 0.25).all()
            assert source.repaired == 10
            assert source.warnings == ["10 non-finite samples repaired (first at 0.020833 s, channel 2)"]
            source.rewind()
            assert source.repaired == 0


def test_without_the_request_what_is_not_finite_is_handed_out(tmp_path: Path) -> None:
    with open_source(dirty(tmp_path)) as source:
        assert np.isnan(np.concatenate(list(source.blocks(100)))).sum() == 10
        assert source.repaired == 0
        assert source.warnings == []


CUT = {
    "cut.wav": lambda: oddfiles.lie(oddfiles.plain(), 9600)[: 44 + 4800],
    "cut.aiff": lambda: oddfiles.encode(oddfiles.TONE, format="AIFF", subtype="PCM_16")[:-4800],
    "cut.caf": lambda: oddfiles.encode(oddfiles.TONE, format="CAF", subtype="PCM_16")[:-4800],
    "lies.aiff": lambda: oddfiles.aiff_with_frames(5000),
    "cut.ogg": lambda: oddfiles.encode(np.tile(oddfiles.TONE, 40), format="OGG", subtype="VORBIS")[:-2000],
    "cut.mp3": oddfiles.cut_mp3,
}


@pytest.mark.parametrize("name", CUT)
def test_a_file_that_is_cut_off_is_kept_with_a_warning_or_refused_in_the_same_words(tmp_path: Path, name: str) -> None:
    path = put(tmp_path, CUT[name](), name)
    with open_source(path) as source:
        frames = sum(len(block) for block in source.blocks(1000))
        assert frames > 0
        assert source.truncated
        (warning,) = source.warnings
    with pytest.raises(ReadError) as caught, open_source(path, on_truncated="fail") as source:
        list(source.blocks(1000))
    assert str(caught.value) == warning


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.ogg", "a.aiff", "a.caf", "a.w64", "a.au"])
def test_a_whole_file_is_not_called_truncated(tmp_path: Path, name: str) -> None:
    sf.write(tmp_path / name, oddfiles.TONE, FS)
    with open_source(tmp_path / name, on_truncated="fail") as source:
        assert sum(len(block) for block in source.blocks(1000)) == len(oddfiles.TONE)
        assert not source.truncated
