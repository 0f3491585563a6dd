"""Which files say themselves that more is to come."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from torchfx_cli.stream.unfinished import why_unfinished

FORMATS = [("WAV", "PCM_16"), ("RF64", "PCM_16"), ("W64", "PCM_16"), ("AIFF", "PCM_24"), ("CAF", "FLOAT"),
           ("AU", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")]


def sound(path: Path, major: str, subtype: str) -> bytes:
    noise = np.random.default_rng(1).normal(0, 0.1, (20000, 2))
    soundfile.write(path, noise, 48000, subtype, format=major)
    return path.read_bytes()


@pytest.mark.parametrize(("major", "subtype"), FORMATS)
def test_a_file_is_unfinished_until_its_last_byte(tmp_path: Path, major: str, subtype: str) -> None:
    path = tmp_path / "sound"
    whole = sound(path, major, subtype)
    assert why_unfinished(path) == ""
    for size in (0, 3, 100, len(whole) // 3, len(whole) // 2, len(whole) - 4000, len(whole) - 50, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert why_unfinished(path), f"{size} of {len(whole)} bytes"


def test_an_mp3_without_a_xing_frame_ends_with_a_whole_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(b"\xff\xfb\x90\x00".ljust(417, b"\0") * 9)
    assert why_unfinished(path) == ""
    path.write_bytes(path.read_bytes()[:-1])
    assert why_unfinished(path) == "its last frame is not whole"


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
@pytest.mark.parametrize("at", [4, 40])
def test_a_recorder_that_is_still_writing_has_not_set_its_sizes(tmp_path: Path, size: int, at: int) -> None:
    path = tmp_path / "a.wav"
    whole = bytearray(sound(path, "WAV", "PCM_16"))
    struct.pack_into("<I", whole, at, size)
    path.write_bytes(whole)
    assert why_unfinished(path)


def test_what_is_no_audio_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"hallo, this is no sound")
    assert why_unfinished(path) == why_unfinished(tmp_path) == why_unfinished(tmp_path / "none") == ""
