"""Ogg pages get a serial number that follows from the content, and CRCs that fit it, however the stream is cut."""

from __future__ import annotations

import os
import struct
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from support.oddfiles import encode
from support.rewrite import rewrite

from torchfx_cli.samples import SampleFormat
from torchfx_cli.stream.formats import choose_output
from torchfx_cli.stream.oggserial import Renumbering, renumber
from torchfx_cli.stream.reader import open_source
from torchfx_cli.stream.writer import Output

RATE = 48_000
SOUND = np.random.default_rng(1).uniform(-0.3, 0.3, (5 * RATE, 2)).astype(np.float32)


class Facts:
    container, subtype, fs, channels, channel_map = "WAV", "FLOAT", RATE, 2, ()
    sample_format = SampleFormat("float32")


def written(path: Path, sound: np.ndarray = SOUND, cut: int = 4800, **tags: str) -> bytes:
    with Output(path, RATE, 2, choose_output(path, Facts(), None), tags, overwrite=True) as output:  # type: ignore[arg-type]
        for at in range(0, len(sound), cut):
            output.write(sound[at : at + cut])
        output.commit()
    return path.read_bytes()


def pages(data: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(data):
        assert data[at : at + 4] == b"OggS"
        end = at + 27 + data[at + 26] + sum(data[at + 27 : at + 27 + data[at + 26]])
        found.append(data[at:end])
        at = end
    return found


def serials(data: bytes) -> set[int]:
    return {struct.unpack_from("<I", page, 14)[0] for page in pages(data)}


def crc_of(page: bytes) -> int:
    """By the book (RFC 3533, section 6), bit by bit."""
    crc = 0
    for byte in page[:22] + bytes(4) + page[26:]:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc


@pytest.mark.parametrize("name", ["a.ogg", "a.opus"])
def test_the_same_content_gives_the_same_bytes_however_it_comes(tmp_path: Path, name: str) -> None:
    data = written(tmp_path / name)
    assert len(pages(data)) > 4
    assert written(tmp_path / name) == data
    for cut in (997, 1 << 16, len(SOUND)):
        assert written(tmp_path / name, cut=cut) == data, cut


@pytest.mark.parametrize("name", ["a.ogg", "a.opus"])
def test_all_pages_have_one_number_and_a_crc_that_fits(tmp_path: Path, name: str) -> None:
    data = written(tmp_path / name)
    assert len(serials(data)) == 1
    for page in pages(data):
        assert struct.unpack_from("<I", page, 22)[0] == crc_of(page)


def test_other_sounds_and_other_tags_have_other_numbers(tmp_path: Path) -> None:
    sounds = [written(tmp_path / "a.ogg"), written(tmp_path / "a.ogg", -SOUND), written(tmp_path / "a.ogg", title="a")]
    assert len({number for data in sounds for number in serials(data)}) == 3


def test_rich_tags_do_not_bring_chance_back(tmp_path: Path) -> None:
    mutagen_flac = pytest.importorskip("mutagen.flac")
    source = tmp_path / "in.flac"
    source.write_bytes(encode(SOUND[:RATE], format="FLAC"))
    song = mutagen_flac.FLAC(source)
    song["mood"] = ["m" * 200_000]
    song.save()
    for name in ("a.ogg", "a.opus"):
        outputs = []
        for _ in range(2):
            rewrite(tmp_path / name, source)
            outputs.append((tmp_path / name).read_bytes())
        assert outputs[0] == outputs[1]
        assert all(struct.unpack_from("<I", page, 22)[0] == crc_of(page) for page in pages(outputs[0])[:3])


def test_a_stream_is_numbered_alike_in_pieces_of_any_size(tmp_path: Path) -> None:
    raw = encode(SOUND[:RATE], format="OGG")
    results = set()
    for size in (1, 4096, len(raw)):
        numbering, done = Renumbering(), b""
        for at, end in pairwise([*range(0, len(raw), size), len(raw)]):
            done += numbering.take(raw[at:end])
        results.add(done + numbering.rest())
    path = tmp_path / "whole.ogg"
    path.write_bytes(raw)
    fd = os.open(path, os.O_RDWR)
    renumber(fd)
    os.close(fd)
    assert results == {path.read_bytes()}
    with open_source(path) as source:
        assert sum(len(block) for block in source.blocks(4096)) == RATE


def test_what_is_no_ogg_stays_as_it_is() -> None:
    for data in (b"", b"OggS", b"no pages at all" * 5000):
        numbering = Renumbering()
        assert numbering.take(data) + numbering.rest() == data


def test_a_long_block_does_not_overflow_the_stack_of_the_encoder(tmp_path: Path) -> None:
    silence = np.zeros((2_000_000, 2), np.float32)
    written(tmp_path / "a.ogg", silence, cut=len(silence))
    with open_source(tmp_path / "a.ogg") as source:
        assert source.facts.frames == len(silence)
