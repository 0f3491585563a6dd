"""Speakers keep their places from one kind of file to another; each channel has its own level, so that a swap shows."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.oddfiles import data_chunk, extensible_chunk, put, riff
from support.rewrite import rewrite

from torchfx_cli.__main__ import main
from torchfx_cli.stream.reader import open_source
from torchfx_cli.stream.speakers import USUAL, mask_of

FS = 48000
LFE_LEVEL = 0.05  # the lowest by far: Opus makes it up to a third louder
# Places in Vorbis and Opus, of the speakers in the order of WAV (Vorbis I, 4.3.9).
IN_OGG = {1: [0], 2: [0, 1], 3: [0, 2, 1], 4: [0, 1, 2, 3], 5: [0, 2, 1, 3, 4], 6: [0, 2, 1, 5, 3, 4],
          7: [0, 2, 1, 6, 5, 3, 4], 8: [0, 2, 1, 7, 5, 6, 3, 4]}


def tones(channels: int) -> np.ndarray:
    """Low enough for an LFE."""
    level = 0.9 * 0.75 ** np.arange(channels)
    if channels > 5:
        level[3] = LFE_LEVEL
    return level * np.sin(2 * np.pi * 60 * np.arange(2 * FS) / FS)[:, None]


def levels(samples: np.ndarray) -> np.ndarray:
    return np.abs(samples[FS // 2 : -FS // 2]).max(axis=0)


def close(found: np.ndarray, wanted: np.ndarray) -> bool:
    near = np.abs(found / wanted - 1) < np.where(wanted < 2 * LFE_LEVEL, 0.4, 0.12)  # neighbours differ by 25 %
    return bool(near.all())


@pytest.mark.parametrize("channels", range(1, 9))
@pytest.mark.parametrize("name", ["a.ogg", "a.opus"])
def test_speakers_keep_their_places_into_ogg_and_back(tmp_path: Path, name: str, channels: int) -> None:
    """5.1 of a WAV came out of a player with the centre right and the LFE on the left."""
    wav, ogg = tmp_path / "in.wav", tmp_path / name
    soundfile.write(wav, tones(channels), FS, "FLOAT", format="WAVEX")
    rewrite(ogg, wav)
    there = levels(soundfile.read(ogg, always_2d=True)[0])
    wanted = levels(tones(channels))
    assert close(there[IN_OGG[channels]], wanted), there
    with open_source(ogg) as source:
        assert close(levels(np.concatenate(list(source.blocks(4800)))), wanted)


@pytest.mark.parametrize("channels", range(3, 9))
@pytest.mark.parametrize("name", ["a.ogg", "a.opus", "a.flac"])
def test_what_means_speakers_by_their_number_tells_them(tmp_path: Path, name: str, channels: int) -> None:
    wav = tmp_path / "in.wav"
    soundfile.write(wav, tones(channels), FS, "PCM_24")
    rewrite(tmp_path / name, wav)
    with open_source(tmp_path / name) as source:
        assert source.facts.channel_map == USUAL[channels]


@pytest.mark.parametrize("mask", [0x7, 0x33, 0x37, 0x60F, 0x3F, 0x13F, 0x70F, 0x63F, 0xFF, 0x2D03F, 0x4])
@pytest.mark.parametrize("name", ["a.wav", "a.rf64"])
def test_every_mask_of_a_wav_is_kept(tmp_path: Path, name: str, mask: int) -> None:
    """libsndfile knows those of 1, 2, 4, 6 and 8 channels, one each; all others became 0, in silence."""
    channels = mask.bit_count()
    wav = put(tmp_path, riff(extensible_chunk(channels, 16, 16, mask), data_chunk(np.zeros((99, channels), "<i2"))))
    rewrite(tmp_path / name, wav)
    content = (tmp_path / name).read_bytes()
    at = content.index(b"fmt ") + 8
    assert (content[at : at + 2], int.from_bytes(content[at + 20 : at + 24], "little")) == (b"\xfe\xff", mask)
    with open_source(wav) as source, open_source(tmp_path / name) as copy:
        assert source.facts.channel_map == copy.facts.channel_map
        assert mask_of(source.facts.channel_map) == mask


@pytest.mark.parametrize("channels", range(3, 9))
@pytest.mark.parametrize("name", ["a.ogg", "a.flac"])
def test_speakers_that_the_number_tells_become_a_mask(tmp_path: Path, name: str, channels: int) -> None:
    soundfile.write(tmp_path / name, tones(channels), FS)
    rewrite(tmp_path / "b.wav", tmp_path / name)
    with open_source(tmp_path / "b.wav") as source:
        assert (source.facts.container, source.facts.channel_map) == ("WAVEX", USUAL[channels])


@pytest.mark.parametrize(("name", "mask", "told"), [
    ("a.wav", 0x70F, ""), ("a.flac", 0x3F, ""), ("a.flac", 0x60F, ""), ("a.flac", 0x33, ""),
    ("a.flac", 0xFF, "FLAC does not say that its channels are FL FR FC LFE BL BR FLC FRC"),
    ("a.aiff", 0x3F, "AIFF does not say that its channels are FL FR FC LFE BL BR"),
    ("a.w64", 0x7, "W64 does not say that its channels are FL FR FC"), ("a.caf", 0x3, ""),
])
def test_what_a_container_cannot_say_of_speakers_is_one_warning(
        tmp_path: Path, name: str, mask: int, told: str) -> None:
    channels = mask.bit_count()
    wav = put(tmp_path, riff(extensible_chunk(channels, 16, 16, mask), data_chunk(np.zeros((99, channels), "<i2"))))
    assert rewrite(tmp_path / name, wav)[0] == [told] * bool(told)


def test_info_shows_the_speakers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wav = put(tmp_path, riff(extensible_chunk(3, 16, 16, 0xB), data_chunk(np.zeros((99, 3), "<i2"))))
    assert main(["info", os.fspath(wav)]) == 0
    assert "\n  speakers: FL FR LFE\n" in capsys.readouterr().out
