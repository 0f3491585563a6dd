"""What is missing in an Ogg is silence where it was, is told before the first sample, and all else is as it was."""

from __future__ import annotations

import io
import os
import re
import struct
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from torchfx_cli.__main__ import main
from torchfx_cli.errors import ReadError
from torchfx_cli.stream.oggpages import crc_of, pages, sealed
from torchfx_cli.stream.reader import open_source
from torchfx_cli.stream.speakers import from_ogg

SECONDS = 3
CODECS = [("VORBIS", 44100, 1), ("VORBIS", 32000, 6), ("OPUS", 48000, 2), ("OPUS", 16000, 1)]
# Frames behind a hole in which a decoder of Opus, which predicts from what came before, is not yet as it was.
SETTLING_S = {"VORBIS": 0.0, "OPUS": 0.5}
HEADER_PAGES = 2
Samples = npt.NDArray[np.float32]


@cache
def ogg(subtype: str, fs: int, channels: int, seconds: int = SECONDS) -> bytes:
    noise = np.random.default_rng(fs).uniform(-0.3, 0.3, (seconds * fs, channels))
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", fs, channels, subtype, format="OGG") as sound:
        for at in range(0, len(noise), 4096):
            sound.write(noise[at : at + 4096])
    return file.getvalue()


def split(path: Path) -> list[bytes]:
    content = path.read_bytes()
    with path.open("rb") as file:
        return [content[page.start : page.end] for page in pages(file.fileno(), len(content))]


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def damaged(page: bytes) -> bytes:
    return page[:-1] + bytes([page[-1] ^ 1])


def granule(page: bytes) -> int:
    return int(struct.unpack_from("<q", page, 6)[0])


def read(path: Path, frames: int = 1 << 12) -> tuple[Samples, list[str], bool]:
    with open_source(path) as source:
        told = list(source.warnings)
        found = np.concatenate(list(source.blocks(frames)))
        assert source.warnings == told, "all is known before the first sample is read"
        assert len(found) == source.facts.frames
        return found, told, source.truncated


def test_the_crc_is_that_of_the_pages_of_others(tmp_path: Path) -> None:
    parts = split(put(tmp_path / "a.ogg", ogg("VORBIS", 44100, 1)))
    assert b"".join(parts) == (tmp_path / "a.ogg").read_bytes()
    assert all(crc_of(page) == page[22:26] for page in parts)
    assert crc_of(damaged(parts[3])) != parts[3][22:26]


@pytest.mark.parametrize(("subtype", "fs", "channels"), CODECS)
def test_of_a_whole_file_nothing_is_said(tmp_path: Path, subtype: str, fs: int, channels: int) -> None:
    content = ogg(subtype, fs, channels)
    whole = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)[0]
    whole = whole[:, from_ogg(channels) or range(channels)]
    for before, behind in ((b"", b""), (b"", b"TAG" + bytes(125))):
        found, told, truncated = read(put(tmp_path / "a.ogg", before + content + behind))
        assert (told, truncated) == ([], False)
        np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize("how", ["damaged", "taken out", "overwritten"])
@pytest.mark.parametrize(("subtype", "fs", "channels"), CODECS)
def test_a_hole_is_silence_and_nothing_moves(tmp_path: Path, subtype: str, fs: int, channels: int, how: str) -> None:
    """Everything behind it came too early, and nothing was said."""
    path = put(tmp_path / "a.ogg", ogg(subtype, fs, channels, 2))
    whole, parts = read(path)[0], split(path)
    step, skip = (48000 // fs, 312) if subtype == "OPUS" else (1, 0)
    for lost in range(HEADER_PAGES, len(parts) - 2):
        broken = {"damaged": damaged(parts[lost]), "taken out": b"", "overwritten": b"junk" * 100}[how]
        found, (words,), truncated = read(put(path, b"".join([*parts[:lost], broken, *parts[lost + 1 :]])))
        begin = max(0, (granule(parts[lost - 1]) - skip) // step)
        least = (granule(parts[lost]) - skip) // step - begin
        match = re.fullmatch(r"damaged near (.*) s: (\d+) frames \((.*) s\) are missing and are silence", words)
        assert match, words
        assert truncated
        missing = int(match[2])
        assert least <= missing <= least + 4096
        assert float(match[1]) == round(begin / fs, 2)
        assert len(found) == len(whole), (lost, words)
        np.testing.assert_array_equal(found[:begin], whole[:begin])
        assert not found[begin : begin + missing].any()
        behind = begin + missing + round(SETTLING_S[subtype] * fs)
        np.testing.assert_allclose(found[behind:], whole[behind:], atol=1e-6)


@pytest.mark.parametrize(("subtype", "fs", "channels"), CODECS)
def test_of_a_last_page_behind_a_hole_the_end_is_known(tmp_path: Path, subtype: str, fs: int, channels: int) -> None:
    """It tells where it ends, but not how much of its last packet is meant, so it may lie off by less than that."""
    path = put(tmp_path / "a.ogg", ogg(subtype, fs, channels))
    whole, parts = read(path)[0], split(path)
    found, (words,), _ = read(put(path, b"".join([*parts[:-2], parts[-1]])))
    assert "are missing and are silence" in words
    assert len(found) == len(whole)


@pytest.mark.parametrize(("subtype", "fs", "channels"), CODECS)
def test_several_holes_are_one_warning_whatever_the_block(
        tmp_path: Path, subtype: str, fs: int, channels: int) -> None:
    path = put(tmp_path / "a.ogg", ogg(subtype, fs, channels, seconds=6))
    whole, parts = read(path)[0], split(path)
    for lost in (2, 4, 6):
        parts[lost] = damaged(parts[lost])
    found, (words,), _ = read(put(path, b"".join(parts)))
    assert "near 0.00 s (and 2 more such places): " in words
    assert len(found) == len(whole)
    for frames in (13, 509, 1 << 20):
        np.testing.assert_array_equal(read(path, frames)[0], found)
    with open_source(path) as source:
        next(source.blocks(5000))
        source.rewind()
        np.testing.assert_array_equal(np.concatenate(list(source.blocks(777))), found)
        assert source.warnings == [words]


def test_a_page_that_comes_twice_is_read_once(tmp_path: Path) -> None:
    path = put(tmp_path / "a.ogg", ogg("VORBIS", 44100, 1))
    whole, parts = read(path)[0], split(path)
    found, told, _ = read(put(path, b"".join([*parts[:5], parts[4], *parts[5:]])))
    assert told == []
    np.testing.assert_array_equal(found, whole)


def test_a_hole_and_a_missing_end_are_both_told(tmp_path: Path) -> None:
    path = put(tmp_path / "a.ogg", ogg("VORBIS", 44100, 1))
    parts = split(path)
    parts[4] = damaged(parts[4])
    with open_source(put(path, b"".join(parts[:-3]))) as source:
        count = sum(map(len, source.blocks(4096)))
        assert count == granule(parts[-4])
        assert [words.split(":")[0] for words in source.warnings][:1] == ["damaged near 0.92 s"]
        assert "cut off" in source.warnings[1]


def test_missing_pages_between_header_and_sound_are_silence_only_where_positions_say_so(tmp_path: Path) -> None:
    """Editors of comments change the number of pages in front, and not the numbers of those behind."""
    for subtype, fs in (("VORBIS", 44100), ("OPUS", 48000)):
        path = put(tmp_path / "a.ogg", ogg(subtype, fs, 1))
        whole, parts = read(path)[0], split(path)
        moved = [sealed(page[:18] + struct.pack("<I", number + 3) + page[22:]) for number, page in enumerate(parts)]
        found, told, _ = read(put(path, b"".join([*parts[:HEADER_PAGES], *moved[HEADER_PAGES:]])))
        assert told == []
        np.testing.assert_allclose(found, whole, atol=1e-6)


@pytest.mark.parametrize("position", [2**62, -(2**62), 10**9])
def test_positions_that_lie_cost_nothing(tmp_path: Path, position: int) -> None:
    path = put(tmp_path / "a.ogg", ogg("VORBIS", 44100, 1))
    parts = split(path)
    for liar in (5, 7, len(parts) - 1):
        lied = [*parts[:4], *parts[5:liar], sealed(parts[liar][:6] + struct.pack("<q", position) + parts[liar][14:]),
                *parts[liar + 1 :]]
        with open_source(put(path, b"".join(lied))) as source:
            frames = sum(map(len, source.blocks(1 << 16)))
            assert frames <= os.path.getsize(path) * 8192
            assert source.truncated


def test_holes_are_refused_where_that_is_asked_for_and_info_tells_them(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = put(tmp_path / "a.ogg", ogg("VORBIS", 44100, 1))
    parts = split(path)
    parts[4] = damaged(parts[4])
    put(path, b"".join(parts))
    with pytest.raises(ReadError, match=r"damaged near 0.92 s"), open_source(path, on_truncated="fail"):
        pass
    assert main(["info", os.fspath(path)]) == 0
    assert "warning: damaged near 0.92 s: " in capsys.readouterr().out


def repaged(parts: list[bytes], lacing_values: int) -> list[bytes]:
    """The packets of Opus, of 960 frames each, in pages of so many lacing values, wherever that cuts them."""
    body, lacing = b"", b""
    for page in parts[HEADER_PAGES:]:
        lacing += page[27 : 27 + page[26]]
        body += page[27 + page[26] :]
    made, ended = parts[:HEADER_PAGES], 0
    for at in range(0, len(lacing), lacing_values):
        values = lacing[at : at + lacing_values]
        ends = sum(value < 255 for value in values)
        ended += ends
        is_last = at + lacing_values >= len(lacing)
        flags = 4 * is_last + (at > 0 and lacing[at - 1] == 255)
        position = granule(parts[-1]) if is_last else 960 * ended if ends else -1
        head = parts[-1][:5] + struct.pack("<Bq", flags, position) + parts[-1][14:18]
        head += struct.pack("<II", len(made), 0) + bytes([len(values)])
        size = sum(values)
        made.append(sealed(head + values + body[:size]))
        body = body[size:]
    return made


@pytest.mark.parametrize("lacing_values", [1, 3, 100])
def test_packets_that_go_on_in_the_next_page_are_lost_with_either(tmp_path: Path, lacing_values: int) -> None:
    path = put(tmp_path / "a.ogg", ogg("OPUS", 48000, 2))
    whole, parts = read(path)[0], repaged(split(path), lacing_values)
    found, told, _ = read(put(path, b"".join(parts)))
    assert told == []
    np.testing.assert_array_equal(found, whole)
    for lost in range(len(parts) // 3, len(parts) // 3 + 3):
        found, (words,), _ = read(put(path, b"".join([*parts[:lost], *parts[lost + 1 :]])))
        match = re.search(r"near (.*) s: (\d+) frames", words)
        assert match, words
        behind = round(float(match[1]) * 48000) + int(match[2]) + 24500
        assert len(found) == len(whole)
        np.testing.assert_allclose(found[behind:], whole[behind:], atol=1e-6)
