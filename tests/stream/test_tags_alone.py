"""Each kind of tag alone, from each container to each: it arrives, or it is named; no output fails for it.

The truth is what mutagen and libsndfile read in the output.
"""

from __future__ import annotations

import base64
import io
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from support.oddfiles import TONE
from support.rewrite import rewrite

from torchfx_cli.stream.reader import open_source

mutagen = pytest.importorskip("mutagen")
id3 = pytest.importorskip("mutagen.id3")
flac = pytest.importorskip("mutagen.flac")

SOUND = np.tile(TONE, 2)
SOURCES = {"flac": "PCM_16", "opus": "OPUS", "mp3": "MPEG_LAYER_III", "wav": "PCM_16"}
OUTPUTS = ("flac", "ogg", "opus", "mp3", "wav", "aiff")
PICTURE = "PICTURE"
TRACK_ID = "7d0c1c4e-0f3a-4b63-a2f5-a5c8bb5d31e1"
# A comment's key -> the frame of ID3 that means it (MusicBrainz Picard's tables).
FRAMES = {
    "TITLE": "TIT2", "ARTIST": "TPE1", "ALBUM": "TALB", "GENRE": "TCON", "DATE": "TDRC", "TRACKNUMBER": "TRCK",
    "COPYRIGHT": "TCOP", "ALBUMARTIST": "TPE2", "COMPOSER": "TCOM", "MOOD": "TMOO", "LABEL": "TPUB", "ISRC": "TSRC",
}  # fmt: skip
Pairs = Sequence[tuple[str, str]]

KINDS: dict[str, Pairs] = {
    **{name.lower(): [(name, f"a {name}")] for name in ("TITLE", "ARTIST", "ALBUM", "COMMENT", "COPYRIGHT", "GENRE",
                                                        "LICENSE", "ALBUMARTIST", "COMPOSER", "MOOD", "MY KEY")},
    "umlaut": [("TITLE", "Übermut")],
    "japanese": [("ARTIST", "日本語")],
    "day": [("DATE", "2024-02-29")],
    "season": [("DATE", "in spring")],
    "track": [("TRACKNUMBER", "07")],
    "two values": [("ARTIST", "Zoe"), ("ARTIST", "Ase")],
    "two composers": [("COMPOSER", "B"), ("COMPOSER", "A")],
    "two keys of one frame": [("LABEL", "a"), ("ORGANIZATION", "b")],
    "two keys of lyrics": [("LYRICS", "a"), ("UNSYNCEDLYRICS", "b")],
    "lines": [("LYRICS", "la\nla")],
    "track id": [("MUSICBRAINZ_TRACKID", TRACK_ID)],
    "two track ids": [("MUSICBRAINZ_TRACKID", "a"), ("MUSICBRAINZ_TRACKID", "b")],
    "empty": [("MOOD", "")],
    "empty title": [("TITLE", "")],
    "long title": [("TITLE", "x" * 300_000)],
    "long mood": [("MOOD", "y" * 300_000)],
    "picture": [(PICTURE, "front")],
    "pictures of one name": [(PICTURE, "front"), (PICTURE, "front"), (PICTURE, "front")],
    "picture without a name": [(PICTURE, "")],
}


def image(place: int) -> bytes:
    """Of sizes that do not grow with `place`: ID3 sorts frames by them."""
    return b"\xff\xd8\xff\xe0" + bytes([place]) * (50, 9000, 700)[place]


def source(folder: Path, word: str, pairs: Pairs) -> Path:
    path = folder / f"in.{word}"
    kind = {"opus": "OGG"}.get(word, word.upper())
    soundfile.write(path, SOUND, 48000, SOURCES[word], format=kind)
    if word in ("flac", "opus"):
        put_comments(path, pairs)
    elif word == "mp3":
        tag_of(pairs).save(path)
    else:
        buffer = io.BytesIO()
        tag_of(pairs).save(buffer, padding=lambda info: 0)
        tag = buffer.getvalue() + bytes(len(buffer.getvalue()) % 2)
        content = path.read_bytes() + b"id3 " + struct.pack("<I", len(tag)) + tag
        path.write_bytes(content[:4] + struct.pack("<I", len(content) - 8) + content[8:])
    return path


def pictures(pairs: Pairs) -> Iterator[Any]:
    for place, (key, text) in enumerate(pairs):
        if key == PICTURE:
            made = flac.Picture()
            made.type, made.mime, made.desc, made.data = 3, "image/jpeg", text, image(place)
            yield made


def put_comments(path: Path, pairs: Pairs) -> None:
    song = mutagen.File(path)
    if song.tags is None:
        song.add_tags()
    song.tags[:] = [pair for pair in pairs if pair[0] != PICTURE]
    for made in pictures(pairs):
        if isinstance(song, flac.FLAC):
            song.add_picture(made)
        else:
            song.tags.append(("METADATA_BLOCK_PICTURE", base64.b64encode(made.write()).decode()))
    song.save()


def tag_of(pairs: Pairs) -> Any:
    """As another program would write it."""
    tag = id3.ID3()
    for key in dict.fromkeys(key for key, _ in pairs if key != PICTURE):
        texts = [text for other, text in pairs if other == key]
        if key in FRAMES and texts != ["in spring"]:  # a TDRC holds a date or nothing
            tag.add(getattr(id3, FRAMES[key])(encoding=3, text=texts))
        elif key == "COMMENT":
            tag.add(id3.COMM(encoding=3, lang="eng", desc="", text=texts))
        elif key == "LYRICS":
            tag.add(id3.USLT(encoding=3, lang="eng", desc="", text="\n".join(texts)))
        elif key == "MUSICBRAINZ_TRACKID" and len(texts) == 1:
            tag.add(id3.UFID(owner="http://musicbrainz.org", data=texts[0].encode()))
        else:
            tag.add(id3.TXXX(encoding=3, desc=key, text=texts))
    for place, made in enumerate(pictures(pairs)):
        tag.add(id3.APIC(encoding=3, mime=made.mime, type=3, desc=made.desc + " " * place, data=made.data))
    return tag


def held(path: Path) -> set[tuple[str, str | bytes]]:
    """(key, text or image) of all that libsndfile and mutagen find."""
    with open_source(path) as reader:
        found: set[tuple[str, str | bytes]] = {(name.upper(), text) for name, text in reader.facts.tags.items()}
    song = mutagen.File(path)
    if path.suffix in (".flac", ".ogg", ".opus"):
        found |= {(key.upper(), text) for key, text in song.tags or ()}
        coded = [text for key, text in found if key == "METADATA_BLOCK_PICTURE"]
        images = [*getattr(song, "pictures", ()), *(flac.Picture(base64.b64decode(text)) for text in coded)]
        return found | {(PICTURE, image.data) for image in images}
    keys = {frame: key for key, frame in FRAMES.items()}
    for frame in (song.tags or {}).values():
        key = {"COMM": "COMMENT", "USLT": "LYRICS", "APIC": PICTURE, "UFID": "MUSICBRAINZ_TRACKID"}.get(
            frame.FrameID, keys.get(frame.FrameID) or getattr(frame, "desc", frame.FrameID))
        texts = frame.data if frame.FrameID in ("APIC", "UFID") else frame.text
        texts = texts.decode() if frame.FrameID == "UFID" else texts
        found |= {(key, text) for text in ([texts] if isinstance(texts, str | bytes) else map(str, texts))}
    return found


SYNONYMS = {"ORGANIZATION": "LABEL", "UNSYNCEDLYRICS": "LYRICS"}


def arrived(key: str, text: str | bytes, found: set[tuple[str, str | bytes]]) -> bool:
    """Several lyrics are lines of one frame."""
    name = SYNONYMS.get(key, key)
    joined = (words for other, words in found if other == name == "LYRICS" and isinstance(words, str))
    return (key, text) in found or (name, text) in found or any(text in words.split("\n") for words in joined)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_tag_alone_arrives_in_every_container(tmp_path: Path, kind: str) -> None:
    pairs = KINDS[kind]
    wanted = [(key, image(place) if key == PICTURE else text) for place, (key, text) in enumerate(pairs)]
    for word in SOURCES:
        path = source(tmp_path, word, pairs)
        for other in OUTPUTS:
            output = tmp_path / f"out.{other}"
            warnings, notes = rewrite(output, path)
            found, way = held(output), f"{kind}: {word} -> {other}"
            for key, text in wanted:
                assert arrived(key, text, found) or not text, f"{way}: {key} did not arrive; {warnings}, {notes}"
            assert not [words for words in warnings if "not carried over" in words], f"{way}: {warnings}"


@pytest.mark.parametrize("key", ["REPLAYGAIN_TRACK_GAIN", "R128_TRACK_GAIN"])
def test_loudness_alone_is_dropped_and_named(tmp_path: Path, key: str) -> None:
    for word in SOURCES:
        path = source(tmp_path, word, [(key, "-7.0 dB")])
        for other in OUTPUTS:
            output = tmp_path / f"out.{other}"
            warnings, notes = rewrite(output, path)
            if word == other == "wav":  # chunks go over byte for byte
                assert notes == ["the loudness values in id3 are those of the input"]
                continue
            assert (key, "-7.0 dB") not in held(output)
            assert (warnings, notes) == ([], [f"dropped, because filtering changes it: {key}"]), f"{word} -> {other}"


def test_what_a_kind_of_file_cannot_hold_is_named(tmp_path: Path) -> None:
    long_software = source(tmp_path, "flac", [("SOFTWARE", "s" * 300)])
    assert rewrite(tmp_path / "out.wav", long_software)[0] == ["not carried over: software"]
    huge = source(tmp_path, "mp3", [("MOOD", "m" * 17_000_000), ("ALBUM", "a")])
    assert rewrite(tmp_path / "out.flac", huge)[0] == ["not carried over: MOOD"]
    assert ("ALBUM", "a") in held(tmp_path / "out.flac")


def test_texts_that_libsndfile_does_not_read_are_named(tmp_path: Path) -> None:
    path = source(tmp_path, "wav", [])
    text = b"c" * 3000
    body = b"INFOICMT" + struct.pack("<I", len(text)) + text
    content = path.read_bytes() + b"LIST" + struct.pack("<I", len(body)) + body
    path.write_bytes(content[:4] + struct.pack("<I", len(content) - 8) + content[8:])
    assert rewrite(tmp_path / "out.flac", path)[0] == ["not carried over: ICMT"]
    assert rewrite(tmp_path / "copy.wav", path)[0] == []
    assert text in (tmp_path / "copy.wav").read_bytes()


def test_without_mutagen_an_mp3_gets_what_its_encoder_can_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchfx_cli.stream import richtags

    pairs = [("TITLE", "Übermut"), ("ARTIST", "日本語"), ("DATE", "2024-02-29"), ("ALBUM", "a")]
    path = source(tmp_path, "flac", pairs)
    monkeypatch.setattr(richtags, "is_available", lambda: False)
    warnings, _ = rewrite(tmp_path / "out.mp3", path)
    assert warnings == ['not carried over: artist, date; pip install mutagen would carry the tags']
    texts = {frame.FrameID: str(frame) for frame in id3.ID3(tmp_path / "out.mp3").values()}
    assert texts == texts | {"TIT2": "Übermut", "TALB": "a", "TDRC": "2024"}
    assert "TPE1" not in texts
