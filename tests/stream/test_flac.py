"""All frames of a FLAC are read whatever its header promises, of any width, and are held against the sum in it."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from support import oddfiles
from support.flacs import flac

from torchfx_cli.__main__ import main
from torchfx_cli.errors import ReadError
from torchfx_cli.stream.pipereader import open_pipe
from torchfx_cli.stream.reader import open_source

FRAMES = 10_000
MD5_AT, FACTS_AT = 26, 18
WIDTHS = {8: ("PCM_S8", 16), 12: ("PCM_16", 16), 16: ("PCM_16", 16), 20: ("PCM_24", 32), 24: ("PCM_24", 32),
          32: ("PCM_32", 32)}
WRONG_SUM = "the samples do not fit the MD5 sum in the header: damaged, or changed without a new sum"


def noise(bits: int, channels: int = 2) -> npt.NDArray[np.int64]:
    return np.random.default_rng(bits).integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (FRAMES, channels))


def library_flac(subtype: str, frames: int = FRAMES) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.random.default_rng(1).uniform(-0.5, 0.5, (frames, 2)), 44100, subtype, format="FLAC")
    return file.getvalue()


def promising(content: bytes, frames: int) -> bytes:
    facts = int.from_bytes(content[FACTS_AT:MD5_AT], "big") >> 36 << 36 | frames
    return content[:FACTS_AT] + facts.to_bytes(8, "big") + content[MD5_AT:]


def wrong_sum(content: bytes) -> bytes:
    return content[:MD5_AT] + bytes([content[MD5_AT] ^ 1]) + content[MD5_AT + 1 :]


def read(path: Path) -> tuple[npt.NDArray[np.generic], list[str], bool]:
    with open_source(path) as source:
        found = np.concatenate(list(source.blocks(777)))
        assert source.facts.frames in (None, len(found)) or source.truncated
        return found, source.warnings, source.damaged


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("bits", WIDTHS)
def test_flac_of_any_width_is_read_bit_for_bit_and_fits_its_sum(tmp_path: Path, bits: int, channels: int) -> None:
    samples, (subtype, wide) = noise(bits, channels)[:5000], WIDTHS[bits]  # a block and a shorter one
    content = flac(samples, bits)
    path = oddfiles.put(tmp_path, content, "a.flac")
    with open_source(path) as source:
        assert source.facts.subtype == subtype
    found, told, damaged = read(path)
    assert (told, damaged) == ([], False)
    np.testing.assert_array_equal(found, samples << wide - bits)
    oddfiles.put(tmp_path, wrong_sum(content), "a.flac")
    assert read(path)[1:] == ([WRONG_SUM], True)


def test_flac_of_a_width_that_frames_do_not_tell_is_refused_in_plain_words(tmp_path: Path) -> None:
    content = flac(noise(16), 16)
    facts = int.from_bytes(content[FACTS_AT:MD5_AT], "big") & ~(0x1F << 36) | 17 << 36
    odd = oddfiles.put(tmp_path, content[:FACTS_AT] + facts.to_bytes(8, "big") + content[MD5_AT:], "a.flac")
    with pytest.raises(ReadError, match="FLAC of 18 bits a sample cannot be decoded here"), open_source(odd):
        pass


@pytest.mark.parametrize("subtype", ["PCM_S8", "PCM_16", "PCM_24"])
@pytest.mark.parametrize("id3", [b"", b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10)])
def test_frames_that_the_header_does_not_promise_are_read(tmp_path: Path, subtype: str, id3: bytes) -> None:
    """Half of them were left out, in silence."""
    content = library_flac(subtype, 3 * FRAMES)
    whole = read(oddfiles.put(tmp_path, content, "a.flac"))[0]
    for promised in (1, FRAMES, 3 * FRAMES - 1):
        found, told, damaged = read(oddfiles.put(tmp_path, id3 + promising(content, promised), "a.flac"))
        np.testing.assert_array_equal(found, whole)
        assert (told, damaged) == ([f"the header promises {promised} frames, but 30000 are there and are read"], True)
    found, told, damaged = read(oddfiles.put(tmp_path, promising(content, 0), "a.flac"))
    assert (len(found), told, damaged) == (3 * FRAMES, [], False)


def test_frames_that_are_promised_and_missing_are_told_once(tmp_path: Path) -> None:
    content = promising(library_flac("PCM_16"), FRAMES + 7)
    found, told, damaged = read(oddfiles.put(tmp_path, content, "a.flac"))
    assert (len(found), told, damaged) == (FRAMES, [f"{FRAMES} of {FRAMES + 7} frames (cut off)"], True)


@pytest.mark.parametrize("tag", [b"TAG" + b"Title".ljust(125, b"\0")])
def test_a_tag_behind_a_flac_is_no_damage(tmp_path: Path, tag: bytes) -> None:
    content = library_flac("PCM_16")
    whole = read(oddfiles.put(tmp_path, content, "a.flac"))[0]
    found, told, damaged = read(oddfiles.put(tmp_path, content + tag, "a.flac"))
    np.testing.assert_array_equal(found, whole)
    assert (told, damaged) == ([], False)


@pytest.mark.parametrize("bits", WIDTHS)
def test_a_pipe_reads_the_same(bits: int) -> None:
    samples = noise(bits)[:3000]
    for content, told in ((flac(samples, bits), []), (wrong_sum(flac(samples, bits)), [WRONG_SUM])):
        ours, theirs = os.pipe()
        os.write(theirs, content)
        os.close(theirs)
        with open_pipe(ours) as source:
            found = np.concatenate(list(source.blocks(509)))
            np.testing.assert_array_equal(found, samples << WIDTHS[bits][1] - bits)
            assert source.warnings == told


def test_info_with_check_exits_3_for_what_is_damaged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = library_flac("PCM_16")
    for what, plain, checked in ((content, 0, 0), (wrong_sum(content), 0, 3), (promising(content, 99), 0, 3)):
        path = os.fspath(oddfiles.put(tmp_path, what, "a.flac"))
        assert (main(["info", path]), main(["info", "--check", path])) == (plain, checked)
    assert "do not fit the MD5 sum" in capsys.readouterr().out
    cut = os.fspath(oddfiles.put(tmp_path, oddfiles.cut_mp3(), "a.mp3"))
    assert (main(["info", cut]), main(["info", "--check", cut])) == (0, 3)
