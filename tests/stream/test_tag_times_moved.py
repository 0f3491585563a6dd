"""Chapters, cue sheets and synchronised words are where their sound is when the beginning or the rate changes.

Inputs are 48 kHz and 4 s long; the times that are expected were worked out by hand. Tags are written and read back
with mutagen.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from support import oddfiles
from support.oddfiles import FS, put
from support.rewrite import wav_chunks

from torchfx_cli.chain.parse import join
from torchfx_cli.stream import richtags
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.onefile import RunObserver, process_file

flac = pytest.importorskip("mutagen.flac")
id3 = pytest.importorskip("mutagen.id3")
mutagen = pytest.importorskip("mutagen")

SOUND = np.round(9000 * np.sin(np.arange(4 * FS) / 7)).astype(np.int16)
RATE, CUT, PART = "resample:16000", "trim:start=0.5", "trim:start=0.5,end=2.5"
LONG_AGO = 0xFFFFFFFF


def do(source: Path, output: Path, *effects: str) -> tuple[str, ...]:
    """The warnings."""
    result = process_file(Job(source, output), Settings(join([], effects)), RunObserver())
    assert result.error is None
    return result.warnings


def commented(folder: Path, *comments: tuple[str, str]) -> Path:
    path = put(folder, oddfiles.encode(SOUND, format="FLAC"), "in.flac")
    song = flac.FLAC(path)
    song.tags[:] = comments
    song.save()
    return path


def comments_in(path: Path) -> list[tuple[str, str]]:
    return [(key.upper(), value) for key, value in mutagen.File(path).tags if key.upper() != "ENCODER"]


CHAPTERS = [
    ("TITLE", "t"),
    ("CHAPTER001", "00:00:00.0"), ("CHAPTER001NAME", "gone"),
    ("CHAPTER002", "00:00:00.200"), ("CHAPTER002NAME", "cut"), ("CHAPTER002URL", "x:y"),
    ("CHAPTER003", "00:00:01.250"), ("CHAPTER003NAME", "whole"),
    ("CHAPTER004", "00:00:02.500"), ("CHAPTER004NAME", "late"),
]  # fmt: skip
CUT_CHAPTERS = [
    ("TITLE", "t"),
    ("CHAPTER001", "00:00:00.000"), ("CHAPTER001NAME", "cut"), ("CHAPTER001URL", "x:y"),
    ("CHAPTER002", "00:00:00.750"), ("CHAPTER002NAME", "whole"),
    ("CHAPTER003", "00:00:02.000"), ("CHAPTER003NAME", "late"),
]  # fmt: skip


@pytest.mark.parametrize("name", ["out.flac", "out.ogg", "out.opus"])
@pytest.mark.parametrize(("effects", "expected"), [
    ([RATE], CHAPTERS), (["gain:-3"], CHAPTERS), ([CUT], CUT_CHAPTERS), ([CUT, RATE], CUT_CHAPTERS),
    ([RATE, CUT], CUT_CHAPTERS), ([PART], CUT_CHAPTERS[:-2]),
])  # fmt: skip
def test_chapters_in_vorbis_comments_move_and_are_numbered_anew(
    tmp_path: Path, name: str, effects: list[str], expected: list[tuple[str, str]]
) -> None:
    """The chapter that is under way at the cut begins with the output."""
    assert do(commented(tmp_path, *CHAPTERS), tmp_path / name, *effects) == ()
    assert comments_in(tmp_path / name) == expected


def test_a_chapter_without_a_proper_time_is_left_out_and_named(tmp_path: Path) -> None:
    odd = [("CHAPTER001", "soon"), ("CHAPTER001NAME", "one"), ("CHAPTER002", "00:00:03.000"), ("CUESHEET", "INDEX")]
    warnings = do(commented(tmp_path, *odd, ("TIME_REFERENCE", "noon")), tmp_path / "out.flac", CUT)
    assert warnings == ("not carried over: CHAPTER001, CUESHEET, TIME_REFERENCE",)
    assert comments_in(tmp_path / "out.flac") == [("CHAPTER002", "00:00:02.500")]


SHEET = """\
REM DATE 2024\r
FILE "in.wav" WAVE\r
  TRACK 01 AUDIO\r
    INDEX 01 00:00:00\r
  TRACK 02 AUDIO\r
    TITLE "two"\r
    INDEX 00 00:00:15\r
    INDEX 01 00:00:30\r
    INDEX 02 00:01:00\r
  TRACK 03 AUDIO\r
    INDEX 00 00:01:70\r
    INDEX 01 00:02:15\r
  TRACK 04 AUDIO\r
    INDEX 01 00:03:00\r
"""
CUT_SHEET = """\
REM DATE 2024\r
FILE "in.wav" WAVE\r
  TRACK 02 AUDIO\r
    TITLE "two"\r
    INDEX 01 00:00:00\r
    INDEX 02 00:00:30\r
  TRACK 03 AUDIO\r
    INDEX 00 00:01:25\r
    INDEX 01 00:01:45\r
  TRACK 04 AUDIO\r
    INDEX 01 00:02:30\r
"""


@pytest.mark.parametrize(("effects", "expected"), [
    ([RATE], SHEET), (["trim:start=0.6"], CUT_SHEET), ([RATE, "trim:start=0.6"], CUT_SHEET),
    (["trim:start=0.6,end=2.6"], "".join(CUT_SHEET.splitlines(keepends=True)[:-2])),
])  # fmt: skip
def test_a_cue_sheet_keeps_the_tracks_of_which_something_is_left(
    tmp_path: Path, effects: list[str], expected: str
) -> None:
    """0.6 s are 45 frames of a CD: within track 2, which then begins with the output."""
    assert do(commented(tmp_path, ("CUESHEET", SHEET)), tmp_path / "out.flac", *effects) == ()
    assert comments_in(tmp_path / "out.flac") == [("CUESHEET", expected)]


@pytest.mark.parametrize("sheet", [SHEET + SHEET, "", "TRACK 01 AUDIO\n", "TRACK 01 AUDIO\nINDEX 01 0:0:0\n",
                                   SHEET + "REM\n" * 300_000])
def test_a_cue_sheet_of_several_files_or_without_times_is_left_out_and_named(tmp_path: Path, sheet: str) -> None:
    """The times of several files count from the beginning of each."""
    source = commented(tmp_path, ("CUESHEET", sheet), ("MOOD", "calm"))
    assert do(source, tmp_path / "out.flac", CUT) == ("not carried over: CUESHEET",)
    assert comments_in(tmp_path / "out.flac") == [("MOOD", "calm")]


def test_a_time_reference_from_bext_moves_in_a_comment(tmp_path: Path) -> None:
    assert do(commented(tmp_path, ("TIME_REFERENCE", "172800000")), tmp_path / "out.ogg", CUT, RATE) == ()
    assert comments_in(tmp_path / "out.ogg") == [("TIME_REFERENCE", "57608000")]


def chapter(name: str, start: int, end: int) -> object:
    title = id3.TIT2(encoding=3, text=[name])
    return id3.CHAP(element_id=name, start_time=start, end_time=end, start_offset=17, end_offset=99, sub_frames=[title])


def contents(name: str, *children: str) -> object:
    return id3.CTOC(element_id=name, flags=3, child_element_ids=list(children), sub_frames=[])


FRAMES = [
    chapter("gone", 0, 400), chapter("cut", 400, 1250), chapter("whole", 1250, 2000), chapter("late", 2000, 4000),
    contents("toc", "gone", "cut", "whole", "late", "part"), contents("part", "gone"),
    id3.SYLT(encoding=3, lang="eng", format=2, type=1, desc="", text=[("la", 100), ("li", 500), ("lu", 2600)]),
    id3.ETCO(format=2, events=[(2, 0), (3, 1500)]), id3.SYTC(format=2, data=b"\x78\0\0\0\0"),
    id3.TXXX(encoding=3, desc="CHAPTER001", text=["00:00:01.000"]), id3.TIT2(encoding=3, text=["title"]),
]  # fmt: skip


def tagged(folder: Path, kind: str, version: int = 4) -> Path:
    """An MP3, or a WAV or AIFF with an `id3` chunk."""
    buffer, tag = io.BytesIO(), id3.ID3()
    for frame in FRAMES:
        tag.add(frame)
    if kind == "mp3":
        path = put(folder, oddfiles.encode(SOUND, format="MP3"), "in.mp3")
        tag.save(path, v2_version=version)
        return path
    tag.save(buffer, v2_version=version, padding=lambda info: 0)
    if kind == "wav":
        chunk = (b"id3 ", buffer.getvalue())
        return put(folder, oddfiles.riff(oddfiles.fmt_chunk(), oddfiles.data_chunk(SOUND), chunk))
    plain, more = oddfiles.encode(SOUND, format="AIFF", subtype="PCM_16"), buffer.getvalue()
    chunk_bytes = b"ID3 " + struct.pack(">I", len(more)) + more + bytes(len(more) % 2)
    whole = plain[:4] + struct.pack(">I", len(plain) + len(chunk_bytes) - 8) + plain[8:] + chunk_bytes
    return put(folder, whole, "in.aiff")


def id3_in(path: Path) -> id3.ID3:
    if path.suffix == ".mp3":
        return id3.ID3(path)
    return id3.ID3(io.BytesIO(next(data for name, data in wav_chunks(path.read_bytes()) if name.lower() == b"id3 ")))


def chapters_in(tag: id3.ID3) -> list[tuple[str, int, int]]:
    found = tag.getall("CHAP")
    assert all((each.start_offset, each.end_offset) == (LONG_AGO, LONG_AGO) for each in found)
    assert all(str(each.sub_frames["TIT2"]) == each.element_id for each in found)
    return sorted(((each.element_id, each.start_time, each.end_time) for each in found), key=lambda each: each[1:])


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("kind", ["mp3", "wav", "aiff"])
@pytest.mark.parametrize(("effects", "chapters", "words", "events", "text"), [
    ([CUT], [("cut", 0, 750), ("whole", 750, 1500), ("late", 1500, 3500)], [("li", 0), ("lu", 2100)], [(3, 1000)],
     "00:00:00.500"),
    ([CUT, RATE], [("cut", 0, 750), ("whole", 750, 1500), ("late", 1500, 3500)], [("li", 0), ("lu", 2100)],
     [(3, 1000)], "00:00:00.500"),
    ([PART], [("cut", 0, 750), ("whole", 750, 1500), ("late", 1500, 2000)], [("li", 0)], [(3, 1000)], "00:00:00.500"),
])  # fmt: skip
def test_id3_chapters_move_are_clipped_and_leave_the_tables_of_contents(
    tmp_path: Path, kind: str, version: int, effects: list[str], chapters: list[tuple[str, int, int]],
    words: list[tuple[str, int]], events: list[tuple[int, int]], text: str,
) -> None:
    output = tmp_path / f"out.{kind}"
    assert do(tagged(tmp_path, kind, version), output, *effects) == ("not carried over: SYTC",)
    tag = id3_in(output)
    assert chapters_in(tag) == chapters
    assert [(each.element_id, each.child_element_ids) for each in tag.getall("CTOC")] == [
        ("toc", ["cut", "whole", "late"])]
    assert (tag.getall("SYLT")[0].text, tag.getall("ETCO")[0].events) == (words, events)
    assert [str(each) for each in tag.getall("TXXX")] == [text]
    assert (str(tag["TIT2"]), tag.version[1]) == ("title", version)


def test_where_no_chapter_is_left_there_is_no_table_of_contents(tmp_path: Path) -> None:
    source = put(tmp_path, oddfiles.encode(SOUND, format="MP3"), "in.mp3")
    tag = id3.ID3()
    for frame in [chapter("a", 0, 400), contents("toc", "part"), contents("part", "a"), id3.TIT2(encoding=3, text="t")]:
        tag.add(frame)
    tag.save(source)
    assert do(source, tmp_path / "out.mp3", CUT) == ()
    assert {key for key in id3.ID3(tmp_path / "out.mp3") if key != "TSSE"} == {"TIT2"}


@pytest.mark.parametrize("effect", ["gain:-3", "trim:end=4"])
def test_an_id3_chunk_is_copied_byte_for_byte_where_nothing_moves(tmp_path: Path, effect: str) -> None:
    source = tagged(tmp_path, "wav")
    assert do(source, tmp_path / "out.wav", effect) == ()
    before, after = (dict(wav_chunks(path.read_bytes()))[b"id3 "] for path in (source, tmp_path / "out.wav"))
    assert before == after


def test_an_id3_chunk_without_times_is_copied_byte_for_byte(tmp_path: Path) -> None:
    tag = b"ID3\3\0\0\0\0\0\x19TIT2\0\0\0\5\0\0\0what" + bytes(10)
    source = put(tmp_path, oddfiles.riff(oddfiles.fmt_chunk(), oddfiles.data_chunk(SOUND), (b"id3 ", tag)))
    assert do(source, tmp_path / "out.wav", CUT) == ()
    assert dict(wav_chunks((tmp_path / "out.wav").read_bytes()))[b"id3 "] == tag


def test_without_mutagen_a_chunk_with_chapters_is_left_out_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(richtags, "is_available", lambda: False)
    assert do(tagged(tmp_path, "wav"), tmp_path / "out.wav", CUT) == (f"not carried over: id3{richtags.hint()}",)
    assert b"id3 " not in dict(wav_chunks((tmp_path / "out.wav").read_bytes()))


def test_a_damaged_chunk_with_chapters_is_left_out_or_carried_and_never_raises(tmp_path: Path) -> None:
    whole = tagged(tmp_path, "wav").read_bytes()
    start, rng = whole.index(b"ID3"), np.random.default_rng(6)
    for _ in range(30):
        raw = bytearray(whole)
        for at in rng.integers(start + 6, len(raw), size=4):
            raw[at] = rng.choice([0, 1, 127, 128, 255])
        do(put(tmp_path, bytes(raw), "odd.wav"), tmp_path / "out.wav", "trim:start=0.5,end=0.6", "gain:-3")
        (tmp_path / "out.wav").unlink()
