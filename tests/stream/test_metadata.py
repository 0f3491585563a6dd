"""Tags go from file to file without a letter changed; what cannot go is named."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from support import oddfiles
from support.oddfiles import FS, TONE

from torchfx_cli.stream.formats import CONTAINERS, Container, choose_output
from torchfx_cli.stream.reader import open_source
from torchfx_cli.stream.writer import Output

TAGS = {
    "title": "Übermut & Co", "artist": "Zoë", "album": "Ålesund", "date": "2024", "comment": "two\nlines",
    "copyright": "© 2024", "license": "CC BY 4.0", "tracknumber": "7", "genre": "Blues", "software": "a recorder",
}  # fmt: skip


def write(path: Path, source: Path) -> list[str]:
    """`source` written again as `path` with its tags; the writer's warnings."""
    with open_source(source) as reader:
        facts = reader.facts
        chosen = choose_output(path, facts)
        with Output(path, facts.fs, facts.channels, chosen, facts.tags, facts.frames) as output:
            for block in reader.blocks(4800):
                output.write(block.astype(chosen.sample_format.dtype))
            output.commit()
            return output.warnings


def tagged_flac(folder: Path) -> Path:
    path = folder / "tagged.flac"
    with sf.SoundFile(path, "w", FS, 1, "PCM_16") as sound:
        for name, text in TAGS.items():
            setattr(sound, name, text)
        sound.write(TONE)
    return path


@pytest.mark.parametrize("row", [row for row in CONTAINERS if row.tags], ids=lambda row: row.word)
def test_each_container_keeps_the_tags_it_says_it_keeps(tmp_path: Path, row: Container) -> None:
    path = tmp_path / f"out{row.extensions[0]}"
    warnings = write(path, tagged_flac(tmp_path))
    with open_source(path) as reader:
        found = reader.facts.tags
    for name in row.tags - {"software"}:
        assert found[name] == TAGS[name], name
    if "software" in row.tags:
        assert found["software"].startswith("a recorder")
    lost = [name for name in TAGS if name not in row.tags and name != "software"]
    assert len(warnings) == bool(lost)
    assert all(name in warnings[0] for name in lost)
    assert all(name not in found for name in lost)


def test_an_aiff_holds_its_texts_as_utf_8(tmp_path: Path) -> None:
    write(tmp_path / "out.aiff", tagged_flac(tmp_path))
    content = (tmp_path / "out.aiff").read_bytes()
    assert b"NAME\0\0\0\x0d" + TAGS["title"].encode() in content
    assert b"(c) \0\0\0\x07" + TAGS["copyright"].encode() in content


def test_a_container_without_tags_names_what_is_lost(tmp_path: Path) -> None:
    warnings = write(tmp_path / "out.w64", tagged_flac(tmp_path))
    assert len(warnings) == 1
    assert all(name in warnings[0] for name in ("title", "artist", "genre"))


def latin1_wav(folder: Path) -> Path:
    text = "Björk".encode("latin-1") + b"\0"
    info = b"INFO" + b"INAM" + struct.pack("<I", len(text)) + text
    path = folder / "latin1.wav"
    path.write_bytes(oddfiles.riff(oddfiles.fmt_chunk(), (b"LIST", info), oddfiles.data_chunk()))
    return path


def test_a_latin_1_title_goes_into_the_next_wav_byte_for_byte(tmp_path: Path) -> None:
    write(tmp_path / "out.wav", latin1_wav(tmp_path))
    assert b"INAM\x06\0\0\0" + "Björk".encode("latin-1") in (tmp_path / "out.wav").read_bytes()


def test_a_latin_1_title_becomes_utf_8_where_the_container_demands_it(tmp_path: Path) -> None:
    write(tmp_path / "out.flac", latin1_wav(tmp_path))
    assert sf.SoundFile(tmp_path / "out.flac").title == "Björk"


def test_a_second_pass_does_not_lengthen_the_software_tag(tmp_path: Path) -> None:
    write(tmp_path / "one.wav", tagged_flac(tmp_path))
    write(tmp_path / "two.wav", tmp_path / "one.wav")
    with sf.SoundFile(tmp_path / "one.wav") as one, sf.SoundFile(tmp_path / "two.wav") as two:
        assert one.software == two.software


def test_padding_around_tags_is_dropped_and_blank_tags_are_none(tmp_path: Path) -> None:
    path = tmp_path / "in.mp3"
    tail = b"TAG" + b"Town".ljust(30) + b" " * 90 + b"    " + b"\x00"
    path.write_bytes(oddfiles.encode(TONE, format="MP3") + tail[:128].ljust(128, b"\0"))
    with open_source(path) as source:
        assert source.facts.tags["title"] == "Town"
        assert "album" not in source.facts.tags


def test_chunks_that_will_be_lost_are_named_once_in_file_order(tmp_path: Path) -> None:
    chunks = [(b"bext", bytes(602)), oddfiles.fmt_chunk(), (b"cue ", bytes(4)), oddfiles.data_chunk(),
              (b"LIST", b"adtl"), (b"smpl", bytes(36)), (b"cue ", bytes(4)), (b"id3 ", b"ID3")]  # fmt: skip
    path = tmp_path / "in.wav"
    path.write_bytes(oddfiles.riff(*chunks))
    with open_source(path) as source:
        assert source.warnings == ["not carried over: bext, cue, LIST-adtl, smpl, id3"]


def test_a_picture_in_a_flac_is_named(tmp_path: Path) -> None:
    whole = oddfiles.encode(TONE, format="FLAC")
    picture = b"\x06" + (32).to_bytes(3, "big") + struct.pack(">I", 3) + bytes(28)
    path = tmp_path / "in.flac"
    path.write_bytes(whole[:42] + picture + whole[42:])
    with open_source(path) as source:
        assert source.warnings == ["not carried over: PICTURE"]
        np.testing.assert_array_equal(next(source.blocks(4800))[:, 0], TONE)
