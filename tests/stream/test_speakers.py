"""Speakers keep their places from one kind of file to another; each channel has its own level, so that a swap shows."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.oddfiles import data_chunk, encode, extensible_chunk, put, riff
from support.rewrite import rewrite

from torchfx_cli.__main__ import main
from torchfx_cli.stream.reader import open_source
from torchfx_cli.stream.speakers import USUAL, mask_of, names

FS = 48000
PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")
LFE_LEVEL = 0.05  # the lowest by far: Opus makes it up to a third louder
# Places in Vorbis and Opus, of the speakers in the order of WAV (Vorbis I, 4.3.9).
IN_OGG = {1: [0], 2: [0, 1], 3: [0, 2, 1], 4: [0, 1, 2, 3], 5: [0, 2, 1, 3, 4], 6: [0, 2, 1, 5, 3, 4],
          7: [0, 2, 1, 6, 5, 3, 4], 8: [0, 2, 1, 7, 5, 6, 3, 4]}


def tones(channels: int) -> np.ndarray:
    """Low enough for an LFE."""
    level = 0.9 * 0.75 ** np.arange(channels)
    if channels > 5:
        level[3] = LFE_LEVEL
    return level * np.sin(2 * np.pi * 60 * np.arange(FS * 3 // 4) / FS)[:, None]


def levels(samples: np.ndarray) -> np.ndarray:
    return np.abs(samples[FS // 4 : -FS // 4]).max(axis=0)


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


MASKS = [0x7, 0x33, 0x37, 0x60F, 0x3F, 0x13F, 0x70F, 0x63F, 0xFF, 0x2D03F, 0x4, 0x600]


@pytest.mark.parametrize("mask", MASKS)
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


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("name", ["a.flac", "a.w64", "a.caf", "a.aiff", "alac.caf", "s8.caf"])
def test_every_mask_goes_through_the_other_kinds_and_back(tmp_path: Path, name: str, mask: int) -> None:
    """libsndfile writes none at all into a W64 or FLAC, and five or so into a CAF or AIFF."""
    channels = mask.bit_count()
    if channels > 8 and name in ("a.flac", "alac.caf"):
        pytest.skip("8 channels at most")
    samples = np.arange(99 * channels, dtype="<i2").reshape(99, channels) * 256
    wav = put(tmp_path, riff(extensible_chunk(channels, 16, 16, mask), data_chunk(samples)))
    subtype = {"alac.caf": "ALAC", "s8.caf": "S8"}.get(name)
    warnings, _ = rewrite(tmp_path / name, wav, subtype=subtype)
    assert bool(warnings) == (name == "alac.caf" and mask not in (0x7, 0x37, 0x3F, 0x13F, 0xFF, 0x4, 0x600))
    assert rewrite(tmp_path / "back.wav", tmp_path / name) == ([], [])
    with open_source(tmp_path / name) as source, open_source(tmp_path / "back.wav") as back:
        if mask != 0x4:  # mono needs no word
            assert mask_of(source.facts.channel_map) == mask_of(back.facts.channel_map) == mask
        found = np.concatenate(list(source.blocks(4800)))
    assert np.array_equal(found, samples)


def test_a_wave64_of_floats_with_a_mask_is_read_and_written_without(tmp_path: Path) -> None:
    """libsndfile takes all Wave64 with a mask for PCM: what ffmpeg writes of 6 channels was noise."""
    samples = np.arange(18, dtype="<f4").reshape(3, 6) / 64
    content = w64(extensible_chunk(6, 32, 32, 0x3F, b"\3" + PCM_GUID[1:])[1], samples)
    path = put(tmp_path, content, "in.w64")
    with open_source(path) as source:
        assert (source.facts.subtype, mask_of(source.facts.channel_map)) == ("FLOAT", 0x3F)
        assert np.array_equal(next(source.blocks(9)), samples)
    assert rewrite(tmp_path / "a.w64", path)[0] == ["W64 does not say that its channels are FL FR FC LFE BL BR"]
    assert np.array_equal(soundfile.read(tmp_path / "a.w64")[0], samples)


def w64(fmt: bytes, samples: np.ndarray) -> bytes:
    tail = bytes.fromhex("f3acd3118cd100c04f8edb8a")
    body = b"".join(name + tail + struct.pack("<q", 24 + len(data)) + data
                    for name, data in ((b"fmt ", fmt), (b"data", samples.tobytes())))
    head = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")
    return head + struct.pack("<q", 40 + len(body)) + b"wave" + tail + body


@pytest.mark.parametrize(("tag", "letters"), [
    (114, "C L R"), (120, "C L R Ls Rs"), (123, "L C R Ls Rs LFE"), (124, "C L R Ls Rs LFE"),
    (121, "L R C LFE Ls Rs"), (128, "L R C LFE Ls Rs Lb Rb"), (127, "C Lc Rc L R Ls Rs LFE"),
])
@pytest.mark.parametrize("kind", ["CAF", "AIFF"])
def test_channels_of_a_common_arrangement_come_in_the_order_of_a_wav(
        tmp_path: Path, kind: str, tag: int, letters: str) -> None:
    names = letters.split()
    wave = ["L", "R", "C", "LFE", *(["Lb", "Rb"] if "Lb" in names else ["Ls", "Rs"]), "Lc", "Rc", "Ls", "Rs"]
    wanted = list(dict.fromkeys(name for name in wave if name in names))
    path = with_chan(tmp_path, kind, np.arange(1, 1 + len(names), dtype="i2"), struct.pack(">III", tag << 16, 0, 0))
    rewrite(tmp_path / "a.wav", path)
    found = soundfile.read(tmp_path / "a.wav", dtype="int16")[0][0]
    assert [names[value - 1] for value in found] == wanted


def with_chan(folder: Path, kind: str, frame: np.ndarray, content: bytes) -> Path:
    """A CAF or AIFF of one frame, with this layout."""
    samples = encode(frame[None], format=kind, subtype="PCM_16")
    if kind == "CAF":
        return put(folder, samples + struct.pack(">4sq", b"chan", len(content)) + content, "in.caf")
    whole = samples + struct.pack(">4sI", b"CHAN", len(content)) + content
    return put(folder, whole[:4] + struct.pack(">I", len(whole) - 8) + whole[8:], "in.aiff")


def test_a_layout_that_is_not_understood_goes_into_a_file_of_its_kind(tmp_path: Path) -> None:
    """Ambisonics in the order ACN: no speaker of ours, yet true of the same channels."""
    layout = struct.pack(">III", 190 << 16 | 4, 0, 0)
    path = with_chan(tmp_path, "CAF", np.arange(4, dtype="i2"), layout)
    assert rewrite(tmp_path / "a.caf", path) == ([], [])
    assert (tmp_path / "a.caf").read_bytes().count(b"chan" + struct.pack(">q", 12) + layout) == 1
    assert rewrite(tmp_path / "a.wav", path)[0] == ["not carried over: chan"]


def test_an_alac_has_the_order_that_its_decoders_take_for_granted(tmp_path: Path) -> None:
    """The centre came out of them on the left."""
    wav = put(tmp_path, riff(extensible_chunk(6, 16, 16, 0x3F), data_chunk(np.arange(6, dtype="<i2")[None])))
    rewrite(tmp_path / "a.caf", wav, subtype="ALAC")
    assert list(soundfile.read(tmp_path / "a.caf", dtype="int16")[0][0]) == [2, 0, 1, 4, 5, 3]
    with open_source(tmp_path / "a.caf") as source:
        assert list(next(source.blocks(9))[0]) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("channels", [3, 4, 9, 16])
@pytest.mark.parametrize("name", ["a.wav", "a.rf64", "a.w64"])
def test_the_mark_of_ambisonics_is_kept(tmp_path: Path, name: str, channels: int) -> None:
    guid = bytes.fromhex("01000000 2107d311 8644c8c1ca000000")
    wav = put(tmp_path, riff(extensible_chunk(channels, 16, 16, 0, guid),
                             data_chunk(np.zeros((99, channels), "<i2"))))
    assert rewrite(tmp_path / name, wav) == ([], [])
    assert guid in (tmp_path / name).read_bytes()[:150]
    told = "ambisonic, " + " ".join("WXYZRSTUVKLMNOPQ"[:channels])
    assert rewrite(tmp_path / "a.au", tmp_path / name)[0] == [f"AU does not say that its channels are {told}"]
    if channels > 4:
        return
    assert rewrite(tmp_path / "a.caf", tmp_path / name) == ([], [])
    with open_source(tmp_path / "a.caf") as source:
        assert " ".join(names(source.facts.channel_map)) == "WXYZ"[:channels].replace("", " ").strip()


def test_a_pipe_gets_the_mask(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    wav = put(tmp_path, riff(extensible_chunk(3, 16, 16, 0xB), data_chunk(np.zeros((99, 3), "<i2"))))
    assert main(["process", os.fspath(wav), "-o", "-", "--format", "wav", "-e", "gain:-6"]) == 0
    out = capfdbinary.readouterr().out
    assert int.from_bytes(out[out.index(b"fmt ") + 28 :][:4], "little") == 0xB


@pytest.mark.parametrize("channels", range(3, 9))
@pytest.mark.parametrize("name", ["a.ogg", "a.flac"])
def test_speakers_that_the_number_tells_become_a_mask(tmp_path: Path, name: str, channels: int) -> None:
    soundfile.write(tmp_path / name, tones(channels), FS)
    rewrite(tmp_path / "b.wav", tmp_path / name)
    with open_source(tmp_path / "b.wav") as source:
        assert (source.facts.container, source.facts.channel_map) == ("WAVEX", USUAL[channels])


@pytest.mark.parametrize(("name", "mask", "told"), [
    ("a.wav", 0x70F, ""), ("a.flac", 0x3F, ""), ("a.flac", 0x60F, ""), ("a.flac", 0x33, ""),
    ("a.ogg", 0xFF, "OGG does not say that its channels are FL FR FC LFE BL BR FLC FRC"),
    ("a.au", 0x3F, "AU does not say that its channels are FL FR FC LFE BL BR"), ("a.caf", 0x3, ""),
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
