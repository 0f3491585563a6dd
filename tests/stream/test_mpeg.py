"""MP3s that are damaged, cut or go on as something else: what is missing is told, and nothing is said of whole ones."""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from torchfx_cli.errors import ReadError
from torchfx_cli.stream.mpeg import Header, header_of, walk
from torchfx_cli.stream.reader import open_source

SECONDS = 2.0
RATES = (44100, 48000, 32000, 22050, 24000, 16000, 11025, 12000, 8000)
MODES = ("CONSTANT", "AVERAGE", "VARIABLE")


def mp3(path: Path, fs: int = 44100, channels: int = 2, mode: str = "CONSTANT", tagged: bool = True) -> Path:
    """Noise; without `tagged`, the frame in front that tells the length is taken away."""
    noise = np.random.default_rng(fs).uniform(-0.2, 0.2, (round(SECONDS * fs), channels))
    with soundfile.SoundFile(path, "w", fs, channels, "MPEG_LAYER_III", bitrate_mode=mode) as sound:
        sound.write(noise)
    if not tagged:
        content = path.read_bytes()
        first = header_of(*content[1:4])
        assert first is not None
        path.write_bytes(content[first.size :])
    return path


def read(path: Path, **how: Any) -> tuple[int, list[str], bool]:
    """Frames, warnings, and whether frames are known to be missing."""
    with open_source(path, **how) as source:
        return sum(len(block) for block in source.blocks(1 << 15)), source.warnings, source.truncated


def zeroed(path: Path, at: int, count: int = 800) -> Path:
    content = path.read_bytes()
    path.with_name("damaged.mp3").write_bytes(content[:at] + bytes(count) + content[at + count :])
    return path.with_name("damaged.mp3")


@pytest.mark.parametrize(("raw", "header"), [
    ("fffb90c4", Header(417, 1152, 44100, True)), ("fffb9244", Header(418, 1152, 44100, False)),
    ("fff384c4", Header(192, 576, 24000, True)), ("ffe328c4", Header(144, 576, 8000, True)),
    ("fffdc404", Header(768, 1152, 48000, False)), ("ffff8804", Header(384, 384, 32000, False)),
    ("fffb00c4", None), ("fffbf0c4", None), ("fffb9cc4", None), ("fff990c4", None), ("ffeb90c4", None),
])
def test_a_header_says_how_long_its_frame_is(raw: str, header: Header | None) -> None:
    """ISO 11172-3, 2.4.3.1: 144 times the bit rate over the rate, and the padding; layer I in words of four bytes."""
    assert header_of(*bytes.fromhex(raw)[1:]) == header


@pytest.mark.parametrize(("fs", "channels", "mode"), list(itertools.product(RATES, (1, 2), MODES))[::4])
def test_of_a_whole_file_nothing_is_said(tmp_path: Path, fs: int, channels: int, mode: str) -> None:
    path = mp3(tmp_path / "a.mp3", fs, channels, mode)
    frames, warnings, truncated = read(path)
    assert (frames, warnings, truncated) == (round(SECONDS * fs), [], False)
    behind = path.read_bytes() + b"TAG" + bytes(125)
    path.write_bytes(b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10) + behind)
    assert read(path) == (frames, [], False)


@pytest.mark.parametrize(("fs", "channels", "mode"), list(itertools.product(RATES, (1, 2), MODES))[::5])
def test_what_libsndfile_does_not_read_of_a_file_that_tells_no_length_is_told(
        tmp_path: Path, fs: int, channels: int, mode: str) -> None:
    path = mp3(tmp_path / "a.mp3", fs, channels, mode, tagged=False)
    with path.open("rb") as file:
        stream = walk(file.fileno(), path.stat().st_size)
    assert stream is not None
    assert stream.frames >= SECONDS * fs
    assert stream.holes == ()
    frames, warnings, truncated = read(path)
    words = f"only {frames} of {stream.frames} frames were read: nothing in the file tells how long it is"
    assert (warnings, truncated) == (([], False) if frames == stream.frames else ([words], True))


@pytest.mark.parametrize(("fs", "channels", "mode"), [
    (44100, 2, "CONSTANT"), (48000, 1, "VARIABLE"), (16000, 2, "AVERAGE")])
def test_whatever_800_zeroed_bytes_take_is_told(tmp_path: Path, fs: int, channels: int, mode: str) -> None:
    """17 of 20 such files were said to be ok, with up to 1,809 frames missing."""
    path = mp3(tmp_path / "a.mp3", fs, channels, mode)
    whole, size = read(path)[0], path.stat().st_size
    pattern = r"damaged near ([0-9.]+) s: ([0-9]+) bytes are no MPEG audio; (?:about )?([0-9]+) frames are missing"
    for part in range(20):
        at = 2000 + (size - 2800) * part // 20
        try:
            frames, warnings, truncated = read(zeroed(path, at))
        except ReadError:
            continue  # the decoder gave up, and the file fails
        assert frames == whole or truncated, f"{whole - frames} frames went without a word at {part} of 20"
        for words in warnings:
            found = re.fullmatch(pattern, words)
            assert found, words
            assert float(found[1]) == pytest.approx(SECONDS * at / size, abs=0.25)
            assert int(found[3]) == whole - frames or "about" in words


def test_missing_frames_are_refused_where_that_is_asked_for(tmp_path: Path) -> None:
    damaged = zeroed(mp3(tmp_path / "a.mp3"), 9000)
    with pytest.raises(ReadError, match="damaged near"):
        read(damaged, on_truncated="fail")


@pytest.mark.parametrize("tagged", [True, False])
def test_a_file_that_is_cut_is_said_to_be(tmp_path: Path, tagged: bool) -> None:
    path = mp3(tmp_path / "a.mp3", tagged=tagged)
    path.write_bytes(path.read_bytes()[:-5000])
    _, (words,), truncated = read(path)
    assert truncated
    assert words.endswith("(cut off)") or words.startswith("only ")


@pytest.mark.parametrize(("fs", "channels"), [(48000, 2), (22050, 2), (44100, 1)])
def test_what_goes_on_at_another_rate_or_layout_is_told_with_its_time(tmp_path: Path, fs: int, channels: int) -> None:
    first, second = mp3(tmp_path / "a.mp3", tagged=False), mp3(tmp_path / "b.mp3", fs, channels, tagged=False)
    first.write_bytes(first.read_bytes() + second.read_bytes())
    _, warnings, _ = read(first)
    assert [re.sub(r"[0-9.]+ s", "N s", words) for words in warnings] == [
        "holds a second stream; only the first N s was read"]


def test_noise_is_no_stream_and_a_long_one_is_walked_in_no_time(tmp_path: Path) -> None:
    path = tmp_path / "noise.mp3"
    path.write_bytes(np.random.default_rng(1).bytes(1 << 21))
    with path.open("rb") as file:
        assert walk(file.fileno(), os.path.getsize(path)) is None
