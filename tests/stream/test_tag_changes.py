"""Tags that outputs get whatever their inputs say, in every container, as mutagen and libsndfile read them."""

from __future__ import annotations

import base64
import errno
import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from support.rewrite import rewrite, wav_chunks

from torchfx_cli.errors import FileError, RunError
from torchfx_cli.stream.tagchanges import Cover, TagChanges, comment_key, cover_of

mutagen = pytest.importorskip("mutagen")
id3 = pytest.importorskip("mutagen.id3")

FS = 48_000
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 4
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
CHUNKED = (".wav", ".rf64", ".aiff")
NAMES = ["out.wav", "out.rf64", "out.aiff", "out.caf", "out.flac", "out.ogg", "out.opus", "out.mp3"]
RICH = [name for name in NAMES if name != "out.caf"]
PLAIN = {"title": "Dämmerung", "artist": "Zoë", "comment": "a, b"}  # what every container's own texts hold


def changes(*typed: str, cover: bytes | None = None) -> TagChanges:
    """Of `typed` key=text; `cover` as the bytes of a picture."""
    pairs = tuple((comment_key(word), text) for word, _, text in (pair.partition("=") for pair in typed))
    return TagChanges(pairs, None if cover is None else cover_of(cover) or Cover())


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Path]:
    """A short sound in each container, called Old by Old and with a comment, but for the first, which has no tags."""
    samples = np.random.default_rng(3).uniform(-0.5, 0.5, 4800)
    paths = {"bare": tmp_path / "bare.wav"}
    sf.write(paths["bare"], samples, FS)
    for word, major, subtype in (("wav", "WAV", "PCM_16"), ("aiff", "AIFF", "PCM_16"), ("caf", "CAF", "PCM_16"),
                                 ("flac", "FLAC", "PCM_16"), ("ogg", "OGG", "VORBIS"), ("mp3", "MP3", None)):
        paths[word] = tmp_path / f"in.{word}"
        with sf.SoundFile(paths[word], "w", FS, 1, subtype, format=major) as sound:
            sound.title, sound.artist, sound.comment = "Old", "Old", "kept"
            sound.write(samples)
    return paths


def plain_tags(path: Path) -> dict[str, str]:
    """As libsndfile reads them."""
    with sf.SoundFile(path) as sound:
        return {name: text for name, text in sound.copy_metadata().items() if text and name != "software"}


def chunk(path: Path, name: bytes) -> bytes:
    """The content of a chunk of a WAV, RF64 or AIFF, b"" for none."""
    return dict(wav_chunks(path.read_bytes())).get(name, b"")


def id3_in(path: Path) -> Any:
    """The ID3 tag of an MP3, or in a chunk."""
    name = b"ID3 " if path.suffix == ".aiff" else b"id3 "
    raw = io.BytesIO(path.read_bytes() if path.suffix == ".mp3" else chunk(path, name))
    return id3.ID3(raw)


def comments(path: Path) -> dict[str, list[str]]:
    """Vorbis comments, or ID3 frames under their names in that world, by mutagen."""
    tags = id3_in(path) if path.suffix in CHUNKED else mutagen.File(path).tags
    if not isinstance(tags, id3.ID3):
        return {key.upper(): tags[key] for key, _ in tags}
    names = {"TIT2": "TITLE", "TPE1": "ARTIST", "COMM": "COMMENT", "TCOM": "COMPOSER", "TDRC": "DATE",
             "TRCK": "TRACKNUMBER", "TPE2": "ALBUMARTIST"}
    return {names[frame.FrameID]: [str(text) for text in frame.text] for frame in tags.values()
            if frame.FrameID in names}


def pictures(path: Path) -> list[bytes]:
    if path.suffix == ".flac":
        return [picture.data for picture in mutagen.File(path).pictures]
    if path.suffix in (".ogg", ".opus"):
        blocks = mutagen.File(path).tags.get("metadata_block_picture", [])
        return [mutagen.flac.Picture(base64.b64decode(block)).data for block in blocks]
    return [frame.data for frame in id3_in(path).getall("APIC")]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["bare", "same", "flac"])
def test_plain_tags_arrive_in_place_of_the_old_ones(
        tmp_path: Path, sources: dict[str, Path], name: str, kind: str) -> None:
    word = Path(name).suffix[1:]
    source = sources[{"same": {"rf64": "wav", "opus": "ogg"}.get(word, word)}.get(kind, kind)]
    wanted = changes("title=Dämmerung", "Artist=Zoë", *(("comment=a, b",) if kind == "bare" else ()))
    warnings, _ = rewrite(tmp_path / name, source, changes=wanted)
    assert plain_tags(tmp_path / name) == (PLAIN if kind == "bare" else {**PLAIN, "comment": "kept"})
    assert not warnings


@pytest.mark.parametrize("name", RICH)
@pytest.mark.parametrize("kind", ["bare", "wav", "flac"])
def test_other_keys_several_values_and_a_cover_arrive_beside_the_old_ones(
        tmp_path: Path, sources: dict[str, Path], name: str, kind: str) -> None:
    wanted = changes("artist=A", "artist=B", "year=2024-02-29", "track=3/12", "Album Artist=C", cover=JPEG)
    warnings, _ = rewrite(tmp_path / name, sources[kind], changes=wanted)
    assert not warnings
    expected = {"ARTIST": ["A", "B"], "DATE": ["2024-02-29"], "TRACKNUMBER": ["3/12"], "ALBUMARTIST": ["C"]}
    if kind != "bare":
        expected |= {"TITLE": ["Old"], "COMMENT": ["kept"]}
    found = comments(tmp_path / name)
    assert {key: found.get(key) for key in expected} == expected
    assert ("TITLE" in found) == (kind != "bare")
    assert pictures(tmp_path / name) == [JPEG]


def test_an_empty_text_takes_a_tag_away_and_an_empty_cover_the_pictures(
        tmp_path: Path, sources: dict[str, Path]) -> None:
    for word in ("wav", "aiff", "flac", "mp3", "ogg"):
        first, second = tmp_path / f"first.{word}", tmp_path / f"second.{word}"
        rewrite(first, sources[word], changes=changes("composer=X", cover=JPEG))
        assert pictures(first) == [JPEG], word
        rewrite(second, first, changes=changes("title=", "COMPOSER=", cover=b""))
        assert plain_tags(second) == {"artist": "Old", "comment": "kept"}, word
        assert {"TITLE", "COMPOSER"}.isdisjoint(comments(second)), word
        assert pictures(second) == [], word


def test_a_new_cover_takes_the_place_of_the_front_and_leaves_the_back(
        tmp_path: Path, sources: dict[str, Path]) -> None:
    song = mutagen.File(sources["flac"])
    for kind in (3, 4):
        picture = mutagen.flac.Picture()
        picture.type, picture.mime, picture.data = kind, "image/jpeg", JPEG + bytes([kind])
        song.add_picture(picture)
    song.save()
    for name in ("out.flac", "out.mp3", "out.wav"):
        rewrite(tmp_path / name, sources["flac"], changes=changes(cover=PNG))
        assert sorted(pictures(tmp_path / name)) == sorted([PNG, JPEG + b"\4"]), name


def test_without_the_tags_of_the_input_only_those_that_are_given_are_there(
        tmp_path: Path, sources: dict[str, Path]) -> None:
    for word in ("wav", "flac", "mp3"):
        out = tmp_path / f"out.{word}"
        rewrite(out, sources["bare"], metadata=None, changes=changes("title=Only", "composer=X"))
        assert plain_tags(out) == {"title": "Only"}, word
        assert comments(out)["COMPOSER"] == ["X"], word


def test_other_chunks_and_texts_of_a_wav_stay(tmp_path: Path, sources: dict[str, Path]) -> None:
    texts = b"INFO" + b"".join(name + struct.pack("<I", 4) + text for name, text in (
        (b"INAM", b"Old\0"), (b"IARL", b"Box\0"), (b"IPRT", b"7/9\0")))
    more = b"".join(name + struct.pack("<I", len(body)) + body
                    for name, body in ((b"LIST", texts), (b"bext", b"Desc".ljust(602, b"\0"))))
    path = sources["bare"]
    data = path.read_bytes() + more
    path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    rewrite(tmp_path / "out.wav", path, changes=changes("title=New", "track=1"))
    info = chunk(tmp_path / "out.wav", b"LIST")
    assert b"IARL\4\0\0\0Box\0" in info
    assert b"INAM\4\0\0\0New\0" in info
    assert b"Old" not in info
    assert b"IPRT" not in info
    assert chunk(tmp_path / "out.wav", b"bext")[:602] == b"Desc".ljust(602, b"\0")
    assert chunk(tmp_path / "out.wav", b"id3 ") == b""


@pytest.mark.parametrize(("name", "tag", "told"), [
    ("out.w64", "title=x", "W64 holds no tags"), ("out.au", "title=x", "AU holds no tags"),
    ("out.caf", "composer=x", "CAF cannot hold COMPOSER"),
])
def test_what_a_container_cannot_hold_is_an_error(
        tmp_path: Path, sources: dict[str, Path], name: str, tag: str, told: str) -> None:
    with pytest.raises(FileError, match=told):
        rewrite(tmp_path / name, sources["flac"], changes=changes(tag))
    rewrite(tmp_path / name, sources["flac"], changes=changes("title="))


def test_without_mutagen_plain_tags_are_set_and_others_name_the_install(
        tmp_path: Path, sources: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    rewrite(tmp_path / "tagged.wav", sources["wav"], changes=changes("composer=X"))
    monkeypatch.setattr("torchfx_cli.stream.richtags.is_available", lambda: False)
    for name in NAMES:
        rewrite(tmp_path / name, sources["flac"], changes=changes("title=x"))
        assert plain_tags(tmp_path / name)["title"] == "x", name
    coming = [name for name in NAMES if Path(name).suffix not in CHUNKED]
    rewrite(tmp_path / "covered.flac", sources["flac"])
    song = mutagen.flac.FLAC(tmp_path / "covered.flac")
    song.add_picture(mutagen.flac.Picture(mutagen.flac.Picture().write()))
    song.save()
    for name in coming:
        warnings, _ = rewrite(tmp_path / name, tmp_path / "covered.flac", changes=changes(cover=b""))
        assert warnings == [], "a picture that shall go is not missed"
    with pytest.raises(FileError, match="WAV takes COMPOSER only with mutagen: pip install mutagen"):
        rewrite(tmp_path / "out.wav", sources["wav"], changes=changes("composer=x"))
    with pytest.raises(FileError, match="ID3 tag can be changed only with mutagen"):
        rewrite(tmp_path / "out.wav", tmp_path / "tagged.wav", changes=changes("title=x"))


def test_a_broken_mutagen_is_told_as_that_and_not_as_damaged_tags(
        tmp_path: Path, sources: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    rewrite(tmp_path / "tagged.flac", sources["flac"], changes=changes("composer=X"))
    monkeypatch.setitem(sys.modules, "mutagen.id3", None)
    monkeypatch.delattr(mutagen, "id3")
    told = "pip install --force-reinstall mutagen (the installed one is broken: import of mutagen.id3 halted"
    warnings, _ = rewrite(tmp_path / "out.ogg", tmp_path / "tagged.flac")
    assert len(warnings) == 1
    assert warnings[0].startswith(f"not carried over: COMPOSER; {told}")
    with pytest.raises(FileError, match=f"WAV takes COMPOSER only with mutagen: {re.escape(told)}"):
        rewrite(tmp_path / "out.wav", sources["wav"], changes=changes("composer=x"))


@pytest.mark.parametrize("name", ["out.flac", "out.ogg", "out.mp3"])
def test_a_disk_that_is_full_when_tags_are_written_ends_the_run(
        tmp_path: Path, sources: dict[str, Path], monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def full(*arguments: Any, **options: Any) -> None:
        raise mutagen.MutagenError(OSError(errno.ENOSPC, "No space left on device"))

    monkeypatch.setattr("torchfx_cli.stream.richtags._write_comments", full)
    monkeypatch.setattr("torchfx_cli.stream.richtags._write_id3", full)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(RunError, match=f"no space left on {re.escape(str(tmp_path))}: "):
        rewrite(tmp_path / name, sources["bare"], changes=changes("title=x", "composer=y"))
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")
@pytest.mark.parametrize("name", ["out.wav", "out.flac", "out.mp3", "out.caf"])
def test_ffprobe_finds_them(tmp_path: Path, sources: dict[str, Path], name: str) -> None:
    rewrite(tmp_path / name, sources["bare"], changes=changes("title=Ü", "date=2024"))
    command = ["ffprobe", "-v", "error", "-show_entries", "format_tags", "-of", "json", str(tmp_path / name)]
    tags = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["format"]["tags"]
    assert {"title": "Ü", "date": "2024"}.items() <= {key.lower(): text for key, text in tags.items()}.items()
