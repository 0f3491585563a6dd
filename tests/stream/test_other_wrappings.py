"""What is whole, but wrapped otherwise than libsndfile knows: it is read, or named in one line."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from support.oddfiles import FS, data_chunk, fmt_chunk, put, rf64, riff
from support.rewrite import rewrite, wav_chunks

from torchfx_cli.errors import ReadError
from torchfx_cli.stream.reader import open_source

SAMPLES = np.arange(-500, 500, dtype="<i2")
BEXT = b"bext", b"A description".ljust(602, b"\0")
TITLE = b"TIT2" + struct.pack(">I", 6) + b"\0\0" + b"\0Title"
TAG = b"ID3\x03\0\0" + bytes([0, 0, 0, len(TITLE)]) + TITLE


def samples(path: Path) -> np.ndarray:
    with open_source(path) as source:
        found = np.concatenate(list(source.blocks(99)))
        assert (source.facts.fs, source.warnings) == (FS, [])
        return found[:, 0]


def test_chunks_behind_a_tag_in_front_of_a_wav_are_carried_and_so_is_the_tag(tmp_path: Path) -> None:
    """They were lost, in silence."""
    wav = put(tmp_path, TAG + riff(BEXT, fmt_chunk(), data_chunk(SAMPLES)))
    np.testing.assert_array_equal(samples(wav), SAMPLES)
    assert rewrite(tmp_path / "out.wav", wav)[0] == []
    np.testing.assert_array_equal(samples(tmp_path / "out.wav"), SAMPLES)
    chunks = dict(wav_chunks((tmp_path / "out.wav").read_bytes()))
    assert chunks[b"bext"] == BEXT[1]
    assert chunks[b"id3 "] == TAG


def test_a_wav_behind_a_tag_that_lacks_samples_is_told(tmp_path: Path) -> None:
    wav = put(tmp_path, TAG + riff(fmt_chunk(), data_chunk(SAMPLES))[:-500])
    with open_source(wav) as source:
        assert len(np.concatenate(list(source.blocks(99)))) == 750
        assert source.warnings == ["750 of 1000 frames (cut off)"]


def test_bw64_is_read_as_the_rf64_that_it_is(tmp_path: Path) -> None:
    small = put(tmp_path, riff(fmt_chunk(), data_chunk(SAMPLES), (b"axml", b"<x/>"), magic=b"BW64"))
    np.testing.assert_array_equal(samples(small), SAMPLES)
    rewrite(tmp_path / "out.wav", small)
    assert dict(wav_chunks((tmp_path / "out.wav").read_bytes()))[b"axml"] == b"<x/>"
    large = rf64(9600)
    wrapped = samples(put(tmp_path, b"BW64" + large[4:], "b.wav"))
    np.testing.assert_array_equal(wrapped, samples(put(tmp_path, large, "c.wav")))


@pytest.mark.parametrize(("content", "told"), [
    (b"NIST_1A\n   1024\nsample_coding -s26 pcm,embedded-shorten-v2.00\nend_head\n".ljust(2000, b"\1"),
     "packed with shorten cannot be decoded here"),
])
def test_what_cannot_be_decoded_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    with pytest.raises(ReadError, match=told), open_source(put(tmp_path, content, "a.wav")):
        pass


def test_the_annotation_of_an_au_is_named(tmp_path: Path) -> None:
    head = struct.pack(">4s5I", b".snd", 40, 2 * len(SAMPLES), 3, FS, 1)
    for text, told in ((b"field recording".ljust(16, b"\0"), ["not carried over: annotation"]), (bytes(16), [])):
        au = put(tmp_path, head + text + SAMPLES.astype(">i2").tobytes(), "in.au")
        np.testing.assert_array_equal(samples(au), SAMPLES)
        assert rewrite(tmp_path / "out.wav", au)[0] == told
        assert rewrite(tmp_path / "out.au", au)[0] == told
