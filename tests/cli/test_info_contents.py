"""What `torchfx info` shows of a file besides samples: bext, iXML, markers, tags, pictures; and its table."""

from __future__ import annotations

import csv
import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

FS = 48_000
IXML = (b"<BWFXML><PROJECT>Doc &amp; Co</PROJECT><SCENE>12A</SCENE><TRACK><NAME>Boom</NAME></TRACK>"
        b"<TRACK><NAME>Lav</NAME></TRACK></BWFXML>")


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def _bext() -> bytes:
    """EBU Tech 3285, version 2: recorded at 10:00:00.5."""
    body = bytearray(602)
    for at, text in ((0, "Gespräch".encode()), (256, b"Deck"), (288, b"REF1"), (320, b"2024-02-29"),
                     (330, b"10:00:00")):
        body[at : at + len(text)] = text
    struct.pack_into("<QH", body, 338, FS * 36_000 + FS // 2, 2)
    struct.pack_into("<5h", body, 412, -2301, 750, 0x7FFF, -1800, -2000)
    return bytes(body) + b"A=PCM,F=48000,W=16\r\nA=PCM,T=x\r\n"


def _cues() -> bytes:
    """Start at 0.5 s, and a region of 0.1 s at 0.25 s."""
    points = [(1, FS // 2), (2, FS // 4)]
    cue = struct.pack("<I", 2) + b"".join(struct.pack("<II4sIII", n, 0, b"data", 0, 0, at) for n, at in points)
    labels = (_chunk(b"labl", struct.pack("<I", 1) + b"Start\0") + _chunk(b"labl", struct.pack("<I", 2) + b"Answer\0")
              + _chunk(b"ltxt", struct.pack("<II4s4H", 2, 4800, b"rgn ", 0, 0, 0, 0)))
    return _chunk(b"cue ", cue) + _chunk(b"LIST", b"adtl" + labels)


def _with(path: Path, more: bytes) -> Path:
    sf.write(path, np.full(FS, 0.5), FS)
    data = path.read_bytes() + more
    path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    return path


@pytest.fixture
def broadcast(tmp_path: Path) -> Path:
    info = b"INFO" + _chunk(b"INAM", b"Title\0") + _chunk(b"IARL", b"Box 7\0")
    return _with(tmp_path / "b.wav", _chunk(b"bext", _bext()) + _chunk(b"iXML", IXML) + _cues() + _chunk(b"LIST", info))


def test_a_broadcast_wav_is_shown_in_readable_lines(run: Any, broadcast: Path) -> None:
    lines = [line.strip() for line in run("info", broadcast).out.splitlines()]
    for line in ("title: Title", "iarl: Box 7", "description: Gespräch", "originator: Deck",
                 "originator reference: REF1", "date: 2024-02-29 10:00:00",
                 "time reference: 10:00:00.500 (1728024000 frames since midnight)",
                 "loudness: -23.01", "coding history: A=PCM,F=48000,W=16", "coding history: A=PCM,T=x",
                 "project: Doc & Co", "scene: 12A", "name: Boom, Lav", "2 markers"):
        assert line in lines, line
    assert lines[-2:] == ["00:00:00.250  Answer, 0.100 s long", "00:00:00.500  Start"]
    assert not any(line.startswith(("also holds", "true peak")) for line in lines)


def test_the_record_holds_the_same(run: Any, broadcast: Path) -> None:
    record = json.loads(run("info", broadcast, "--json").out)
    assert record["bext"]["time_reference_frames"] == 1_728_024_000
    assert record["bext"]["levels"] == {"loudness": -23.01, "loudness_range": 7.5, "momentary_max": -18.0,
                                        "short_term_max": -20.0}
    assert record["ixml"] == {"PROJECT": "Doc & Co", "SCENE": "12A", "NAME": "Boom, Lav"}
    assert record["markers"] == [{"at_s": 0.25, "name": "Answer", "length_s": 0.1},
                                 {"at_s": 0.5, "name": "Start", "length_s": None}]
    assert record["also"] == ["IARL", "bext", "iXML", "cue", "LIST-adtl"]


@pytest.mark.parametrize("more", [
    _chunk(b"bext", b"short"), _chunk(b"cue ", struct.pack("<I", 1 << 31)), _chunk(b"iXML", b"\xff\xfe\0<"),
    _chunk(b"cue ", b"") + _chunk(b"LIST", b"adtl" + b"labl" + b"\xff" * 8),
])
def test_what_is_damaged_is_named_and_not_shown(run: Any, tmp_path: Path, more: bytes) -> None:
    done = run("info", _with(tmp_path / "d.wav", more))
    assert done.code == 0
    assert f"also holds: {more[:4].decode().strip()}" in done.out


def test_markers_of_aiff_and_chapters_of_tags(run: Any, tmp_path: Path) -> None:
    flac = pytest.importorskip("mutagen.flac")
    id3 = pytest.importorskip("mutagen.id3")
    sf.write(tmp_path / "c.flac", np.zeros(FS), FS)
    song = flac.FLAC(tmp_path / "c.flac")
    song.tags["CHAPTER001"], song.tags["CHAPTER001NAME"], song.tags["COMPOSER"] = "00:00:00.500", "Intro", ["A", "B"]
    picture = flac.Picture()
    picture.type, picture.mime, picture.data = 3, "image/png", bytes(9)
    song.add_picture(picture)
    song.save()
    record = json.loads(run("info", tmp_path / "c.flac", "--json").out)
    assert record["markers"] == [{"at_s": 0.5, "name": "Intro", "length_s": None}]
    assert record["tags"]["composer"] == "A; B"
    assert record["pictures"] == [{"kind": "front", "mime": "image/png", "bytes": 9}]

    sf.write(tmp_path / "c.mp3", np.zeros(FS), FS)
    tag = id3.ID3()
    tag.add(id3.CHAP(element_id="a", start_time=250, end_time=750, sub_frames=[id3.TIT2(text=["One"])]))
    tag.save(tmp_path / "c.mp3")
    record = json.loads(run("info", tmp_path / "c.mp3", "--json").out)
    assert record["markers"] == [{"at_s": 0.25, "name": "One", "length_s": 0.5}]

    sf.write(tmp_path / "m.aiff", np.zeros(FS), FS)
    mark = struct.pack(">HhIB4sx", 1, 7, FS // 4, 4, b"Here")
    data = (tmp_path / "m.aiff").read_bytes() + b"MARK" + struct.pack(">I", len(mark)) + mark
    (tmp_path / "m.aiff").write_bytes(data[:4] + struct.pack(">I", len(data) - 8) + data[8:])
    record = json.loads(run("info", tmp_path / "m.aiff", "--json").out)
    assert record["markers"] == [{"at_s": 0.25, "name": "Here", "length_s": None}]


def test_the_table_has_a_row_a_file_and_the_same_columns_whatever_is_asked_for(
        run: Any, tmp_path: Path, broadcast: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    with sf.SoundFile(tmp_path / "t.wav", "w", FS, 1) as sound:
        sound.title = 'a, "b"\n\x1b[31m'
        sound.write(np.full(100, 0.25))
    tables = []
    for options in ((), ("--stats",), ("--check",)):
        done = run("info", broadcast, tmp_path / "bad.wav", tmp_path / "t.wav", "--csv", *options)
        assert done.code == 3
        tables.append(list(csv.DictReader(io.StringIO(done.out))))
    assert tables[0][0].keys() == tables[1][0].keys() == tables[2][0].keys()
    assert len(set(tables[0][0])) == len(run("info", broadcast, "--csv").out.splitlines()[0].split(","))
    first, bad, other = tables[1]
    assert (first["fs"], first["frames"], first["duration_s"], first["title"]) == ("48000", "48000", "1.0", "Title")
    assert (first["bext_description"], first["markers"]) == ("Gespräch", "2")
    assert first["bext_time_reference"] == "10:00:00.500"
    assert bad["error"]
    assert bad["fs"] == ""
    assert other["title"] == 'a, "b"\\n\\x1b[31m'
    assert float(first["peak"]) == float(tables[2][0]["peak"]) == pytest.approx(-6.02, abs=0.01)
    assert tables[0][0]["peak"] == ""
    assert float(other["peak"]) == pytest.approx(-12.04, abs=0.01)
    assert [other[name] for name in ("loudness", "loudness_range", "max_short_term")] == [""] * 3, "too short for them"


def test_json_and_csv_contradict_each_other(run: Any, broadcast: Path) -> None:
    assert run("info", broadcast, "--json", "--csv").code == 2
