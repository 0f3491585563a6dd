"""Tags go from file to file without a letter changed; what cannot go is named."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
import soundfile as sf
from support import oddfiles
from support.oddfiles import FS, TONE
from support.rewrite import rewrite

from torchfx_cli.stream import richtags
from torchfx_cli.stream.formats import CONTAINERS, Container
from torchfx_cli.stream.reader import open_source

TAGS = {
    "title": "Übermut & Co", "artist": "Zoë", "album": "Ålesund", "date": "2024", "comment": "two\nlines",
    "copyright": "© 2024", "license": "CC BY 4.0", "tracknumber": "7", "genre": "Blues", "software": "a recorder",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _without_mutagen(monkeypatch: pytest.MonkeyPatch) -> None:
    """What libsndfile can do alone; test_rich_tags.py has the rest."""
    monkeypatch.setattr(richtags, "is_available", lambda: False)


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
    warnings, _ = rewrite(path, tagged_flac(tmp_path))
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
    rewrite(tmp_path / "out.aiff", tagged_flac(tmp_path))
    content = (tmp_path / "out.aiff").read_bytes()
    assert b"NAME\0\0\0\x0d" + TAGS["title"].encode() in content
    assert b"(c) \0\0\0\x07" + TAGS["copyright"].encode() in content


def test_a_container_without_tags_names_what_is_lost(tmp_path: Path) -> None:
    warnings, _ = rewrite(tmp_path / "out.w64", tagged_flac(tmp_path))
    assert len(warnings) == 1
    assert all(name in warnings[0] for name in ("title", "artist", "genre"))


def latin1_wav(folder: Path) -> Path:
    text = "Björk".encode("latin-1") + b"\0"
    info = b"INFO" + b"INAM" + struct.pack("<I", len(text)) + text
    path = folder / "latin1.wav"
    path.write_bytes(oddfiles.riff(oddfiles.fmt_chunk(), (b"LIST", info), oddfiles.data_chunk()))
    return path


def test_a_latin_1_title_goes_into_the_next_wav_byte_for_byte(tmp_path: Path) -> None:
    rewrite(tmp_path / "out.wav", latin1_wav(tmp_path))
    assert b"INAM\x06\0\0\0" + "Björk".encode("latin-1") in (tmp_path / "out.wav").read_bytes()


def test_a_latin_1_title_becomes_utf_8_where_the_container_demands_it(tmp_path: Path) -> None:
    rewrite(tmp_path / "out.flac", latin1_wav(tmp_path))
    assert sf.SoundFile(tmp_path / "out.flac").title == "Björk"


def test_a_second_pass_does_not_lengthen_the_software_tag(tmp_path: Path) -> None:
    rewrite(tmp_path / "one.wav", tagged_flac(tmp_path))
    rewrite(tmp_path / "two.wav", tmp_path / "one.wav")
    with sf.SoundFile(tmp_path / "one.wav") as one, sf.SoundFile(tmp_path / "two.wav") as two:
        assert one.software == two.software


def test_padding_around_tags_is_dropped_and_blank_tags_are_none(tmp_path: Path) -> None:
    path = tmp_path / "in.mp3"
    tail = b"TAG" + b"Town".ljust(30) + b" " * 90 + b"    " + b"\x00"
    path.write_bytes(oddfiles.encode(TONE, format="MP3") + tail[:128].ljust(128, b"\0"))
    with open_source(path) as source:
        assert source.facts.tags["title"] == "Town"
        assert "album" not in source.facts.tags
