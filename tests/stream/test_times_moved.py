"""Cue points, loops, markers and times of day are where their sound is when the beginning or the rate changes.

Inputs are 48 kHz and 2 s long. The numbers that are expected were worked out by hand: a frame n of the input is
n - 24000 behind a cut of 0.5 s, n / 3 at 16 kHz, and (n - 24000) / 3 with both.
"""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from support import oddfiles
from support.oddfiles import FS, Chunk, put
from support.rewrite import wav_chunks

from torchfx_cli.chain.parse import join
from torchfx_cli.stream.timedchunks import MOVERS, move
from torchfx_cli.stream.timeline import Timeline
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.onefile import RunObserver, process_file
from torchfx_cli.tasks.report import FileResult

SOUND = np.round(9000 * np.sin(np.arange(2 * FS) / 7)).astype(np.int16)
RATE, CUT, PART = "resample:16000", "trim:start=0.5", "trim:start=0.5,end=1.5"


def do(source: Path, output: Path, *effects: str, **settings: object) -> FileResult:
    settings = {"chain": join([], effects), "tail_s": 0.0} | settings
    result = process_file(Job(source, output), Settings(**settings), RunObserver())  # type: ignore[arg-type]
    assert result.error is None
    return result


def through(folder: Path, chunks: list[Chunk], *effects: str) -> tuple[dict[bytes, bytes], FileResult]:
    """The chunks of the output of a WAV that has `chunks`, a LIST by the name of its kind."""
    source = put(folder, oddfiles.riff(oddfiles.fmt_chunk(), oddfiles.data_chunk(SOUND), *chunks))
    result = do(source, folder / "out.wav", *effects)
    found = list(wav_chunks((folder / "out.wav").read_bytes()))
    return {data[:4] if name == b"LIST" else name: without_own_line(name, data) for name, data in found}, result


def without_own_line(name: bytes, data: bytes) -> bytes:
    """A bext without the line that each run adds to its history."""
    return data[: data.rindex(b"A=PCM")] if name == b"bext" and len(data) > 602 else data


# Readers of their own


def cue_chunk(*points: tuple[int, int]) -> Chunk:
    return b"cue ", struct.pack("<I", len(points)) + b"".join(
        struct.pack("<II4sIII", number, at, b"data", 0, 0, at) for number, at in points)


def cues(content: bytes) -> list[tuple[int, int, int]]:
    """Number, dwPosition, dwSampleOffset."""
    found = [struct.unpack("<II4sIII", content[at : at + 24]) for at in range(4, len(content), 24)]
    assert len(found) == struct.unpack("<I", content[:4])[0]
    assert all(fields[2:5] == (b"data", 0, 0) for fields in found)
    return [(number, position, offset) for number, position, _, _, _, offset in found]


def sub(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def label(number: int, text: bytes, name: bytes = b"labl") -> bytes:
    return sub(name, struct.pack("<I", number) + text + b"\0")


def region(number: int, frames: int) -> bytes:
    return sub(b"ltxt", struct.pack("<II4sHHHH", number, frames, b"rgn ", 1, 2, 3, 4) + b"text")


def labels(content: bytes) -> list[tuple[bytes, int, int | bytes]]:
    """Name, number, and the text or the length."""
    found, at = [], 4
    while at < len(content):
        name, size, number = struct.unpack_from("<4sII", content, at)
        body = content[at + 12 : at + 8 + size]
        found.append((name, number, struct.unpack_from("<I", body)[0] if name == b"ltxt" else body.rstrip(b"\0")))
        at += 8 + size + size % 2
    return found


def smpl_chunk(*loops: tuple[int, int]) -> Chunk:
    head = struct.pack("<9I", 1, 2, 20833, 57, 0x80000000, 0, 0, len(loops), 4)
    body = [struct.pack("<6I", place, 0, start, end, 7, 9) for place, (start, end) in enumerate(loops)]
    return b"smpl", head + b"".join(body) + b"mine"


def loops(content: bytes) -> tuple[int, list[tuple[int, int]]]:
    """Sample period in ns, and the loops."""
    maker, product, period_ns, note, cents, _, _, count, extra = struct.unpack("<9I", content[:36])
    assert (maker, product, note, cents, extra, content[-4:]) == (1, 2, 57, 0x80000000, 4, b"mine")
    assert len(content) == 36 + 24 * count + 4
    return period_ns, [struct.unpack_from("<2I", content, 44 + 24 * place) for place in range(count)]  # type: ignore[misc]


def bext_chunk(reference: int) -> Chunk:
    head = b"A description".ljust(256, b"\0") + b"me".ljust(32, b"\0") + bytes(32) + b"2024-02-2912:34:56"
    return b"bext", (head + struct.pack("<QH", reference, 2) + bytes(64) + struct.pack("<5H", *[0x7FFF] * 5)
                     + bytes(180) + b"A=PCM,F=48000,W=16,M=mono\r\n")


POINTS = [cue_chunk((1, 12000), (2, 24000), (3, 60000), (4, 90000)),
          (b"LIST", b"adtl" + label(1, b"early") + label(2, b"begin") + label(3, b"mid", b"note") + region(3, 18000)
           + label(4, b"late"))]  # fmt: skip


@pytest.mark.parametrize(("effects", "points", "texts"), [
    ([RATE], [(1, 4000), (2, 8000), (3, 20000), (4, 30000)],
     [(b"labl", 1, b"early"), (b"labl", 2, b"begin"), (b"note", 3, b"mid"), (b"ltxt", 3, 6000), (b"labl", 4, b"late")]),
    ([CUT], [(2, 0), (3, 36000), (4, 66000)],
     [(b"labl", 2, b"begin"), (b"note", 3, b"mid"), (b"ltxt", 3, 18000), (b"labl", 4, b"late")]),
    ([CUT, RATE], [(2, 0), (3, 12000), (4, 22000)],
     [(b"labl", 2, b"begin"), (b"note", 3, b"mid"), (b"ltxt", 3, 6000), (b"labl", 4, b"late")]),
    ([RATE, CUT], [(2, 0), (3, 12000), (4, 22000)],
     [(b"labl", 2, b"begin"), (b"note", 3, b"mid"), (b"ltxt", 3, 6000), (b"labl", 4, b"late")]),
    ([PART], [(2, 0), (3, 36000)], [(b"labl", 2, b"begin"), (b"note", 3, b"mid"), (b"ltxt", 3, 12000)]),
    (["trim:end=0.4"], [(1, 12000)], [(b"labl", 1, b"early")]),
])  # fmt: skip
def test_cue_points_move_and_those_cut_off_take_their_labels_along(
    tmp_path: Path, effects: list[str], points: list[tuple[int, int]], texts: list[tuple[bytes, int, int | bytes]]
) -> None:
    found, result = through(tmp_path, POINTS, *effects)
    assert cues(found[b"cue "]) == [(number, at, at) for number, at in points]
    assert labels(found[b"adtl"]) == texts
    assert result.warnings == ()


def test_a_region_that_reaches_into_the_output_begins_with_it(tmp_path: Path) -> None:
    chunks = [cue_chunk((7, 12000), (8, 13000)), (b"LIST", b"adtl" + region(7, 18000) + region(8, 11000))]
    found, _ = through(tmp_path, chunks, CUT)
    assert cues(found[b"cue "]) == [(7, 0, 0)]
    assert labels(found[b"adtl"]) == [(b"ltxt", 7, 6000)]


@pytest.mark.parametrize(("pad_s", "at"), [(0.25, 12_000), (0.5, 24_000), (0.75, 36_000)])
def test_marks_cut_off_stay_away_where_silence_stands_for_what_was_cut_off(tmp_path: Path, pad_s: float, at: int
                                                                         ) -> None:
    chunks = [cue_chunk((1, 0), (2, 12_000), (3, 24_000), (4, 30_000)), smpl_chunk((12_000, 30_000)),
              bext_chunk(480_000)]
    found, _ = through(tmp_path, chunks, "trim:start=0.5", f"pad:start={pad_s}")
    assert [(number, place) for number, place, _ in cues(found[b"cue "])] == [(3, at), (4, at + 6000)]
    assert loops(found[b"smpl"])[1] == [(at, at + 6000)]
    assert struct.unpack_from("<Q", found[b"bext"], 338)[0] == 504_000 - at


def test_a_name_that_means_markers_in_another_kind_of_file_means_nothing_here(tmp_path: Path) -> None:
    chunks = [(b"MARK", MARKS[1]), (b"mark", CAF_MARK), (b"INST", b"?")]
    found, result = through(tmp_path, chunks, CUT)
    assert (list(found.items())[2:], result.warnings) == (chunks, ())


def test_where_no_point_is_left_there_is_no_chunk_and_nothing_to_say(tmp_path: Path) -> None:
    found, result = through(tmp_path, [cue_chunk((1, 5)), (b"LIST", b"adtl" + label(1, b"gone"))], CUT)
    assert set(found) == {b"fmt ", b"data"}
    assert result.warnings == ()


@pytest.mark.parametrize(("point", "moved"), [
    ((3, 60000, b"data", 0, 0, 60000), (3, 12000, b"data", 0, 0, 12000)),
    ((3, 0, b"data", 0, 0, 60000), (3, 0, b"data", 0, 0, 12000)),
    ((3, 2, b"data", 0, 0, 60000), (3, 2, b"data", 0, 0, 12000)),
    ((3, 60000, b"data", 0, 0, 0), (3, 12000, b"data", 0, 0, 0)),
    ((3, 60000, b"data", 0, 120000, 0), (3, 12000, b"data", 0, 0, 12000)),
])  # fmt: skip
def test_a_point_moves_by_the_field_in_which_its_position_is(
    tmp_path: Path, point: tuple[int, int, bytes, int, int, int], moved: tuple[int, int, bytes, int, int, int]
) -> None:
    chunk = b"cue ", struct.pack("<I", 1) + struct.pack("<II4sIII", *point)
    found, _ = through(tmp_path, [chunk], CUT, RATE)
    assert struct.unpack("<II4sIII", found[b"cue "][4:]) == moved


@pytest.mark.parametrize(("effects", "period_ns", "expected"), [
    ([RATE], 62500, [(4000, 4999), (10000, 31999), (0, 31999)]),
    ([CUT], 20833, [(6000, 71999), (0, 71999)]),
    ([CUT, RATE], 62500, [(2000, 23999), (0, 23999)]),
    ([PART], 20833, [(6000, 47999), (0, 47999)]),
    (["trim:end=0.2"], 20833, [(0, 9599)]),
])  # fmt: skip
def test_loops_move_are_clipped_at_the_edges_and_keep_their_note(
    tmp_path: Path, effects: list[str], period_ns: int, expected: list[tuple[int, int]]
) -> None:
    """12000 to 14999 is 3000 frames long: 1000 at a third of the rate."""
    found, result = through(tmp_path, [smpl_chunk((12000, 14999), (30000, 95999), (0, 95999))], *effects)
    assert loops(found[b"smpl"]) == (period_ns, expected)
    assert result.warnings == ()


def test_a_playlist_plays_what_is_left(tmp_path: Path) -> None:
    playlist = b"plst", struct.pack("<I", 2) + struct.pack("<6I", 1, 3000, 5, 3, 48000, 6)
    found, _ = through(tmp_path, [*POINTS, playlist], CUT, RATE)
    assert struct.unpack("<4I", found[b"plst"]) == (1, 3, 12000, 6)


@pytest.mark.parametrize(("effects", "reference"), [
    ([RATE], 57_600_000),
    ([CUT], 172_824_000),
    ([CUT, RATE], 57_608_000),
    ([RATE, CUT], 57_608_000),
    (["trim:end=1"], 172_800_000),
])  # fmt: skip
def test_the_time_of_day_in_bext_is_that_of_the_first_frame_of_the_output(
    tmp_path: Path, effects: list[str], reference: int
) -> None:
    """An hour after midnight: 172,800,000 frames of 48 kHz."""
    chunk = bext_chunk(172_800_000)
    found, result = through(tmp_path, [chunk], *effects)
    assert found[b"bext"] == chunk[1][:338] + struct.pack("<Q", reference) + chunk[1][346:]
    assert result.warnings == ()


def test_a_reference_beyond_the_precision_of_a_float_moves_exactly(tmp_path: Path) -> None:
    found, _ = through(tmp_path, [bext_chunk(3 * 2**60 + 3)], CUT, RATE)
    assert struct.unpack_from("<Q", found[b"bext"], 338)[0] == 2**60 + 8001


IXML = b"""<?xml version="1.0" encoding="UTF-8"?>
<BWFXML>\r\n\t<SCENE>B\xc3\xb6 & <![CDATA[48000]]></SCENE>
 <SPEED>
  <NOTE/> <MASTER_SPEED>24/1</MASTER_SPEED> <CURRENT_SPEED>24/1</CURRENT_SPEED>
  <FILE_SAMPLE_RATE>%d</FILE_SAMPLE_RATE><DIGITIZER_SAMPLE_RATE>48000</DIGITIZER_SAMPLE_RATE>
  <TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI>%d</TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI>
  <TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO> %d </TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO>
  <TIMESTAMP_SAMPLE_RATE>%d</TIMESTAMP_SAMPLE_RATE>
 </SPEED>
 <BEXT><BWF_TIME_REFERENCE_LOW>%d</BWF_TIME_REFERENCE_LOW><BWF_TIME_REFERENCE_HIGH>0</BWF_TIME_REFERENCE_HIGH></BEXT>
</BWFXML>  \0\0"""
DAY = 24 * 3600 * FS  # 4,147,200,000: less than 2^32; at 96 kHz it would be more


@pytest.mark.parametrize(("effects", "before", "after"), [
    ([RATE], (48000, 0, 172_800_000, 48000, 172_800_000), (16000, 0, 57_600_000, 16000, 57_600_000)),
    ([CUT], (48000, 0, 172_800_000, 48000, 172_800_000), (48000, 0, 172_824_000, 48000, 172_824_000)),
    ([CUT, RATE], (48000, 0, 172_800_000, 48000, 172_800_000), (16000, 0, 57_608_000, 16000, 57_608_000)),
    (["resample:96000"], (48000, 0, 4_000_000_000, 48000, 3), (96000, 1, 3_705_032_704, 96000, 6)),
    ([CUT], (48000, 0, 2**32 - 1, 48000, 0), (48000, 1, 23_999, 48000, 24_000)),
    ([CUT, RATE], (48048, 0, 172_972_800, 48048, 3), (16000, 0, 172_996_824, 48048, 8_001)),
])  # fmt: skip
def test_the_time_stamp_in_ixml_moves_and_all_else_stays_byte_for_byte(
    tmp_path: Path, effects: list[str], before: tuple[int, ...], after: tuple[int, ...]
) -> None:
    """With its own rate, 48048 Hz in a file of 48 kHz, the time stamp goes on counting in it: 0.5 s are 24024."""
    found, result = through(tmp_path, [(b"iXML", IXML % before)], *effects)
    assert found[b"iXML"] == IXML % after
    assert result.warnings == ()


def test_sync_points_in_ixml_move_and_those_cut_off_are_not_counted(tmp_path: Path) -> None:
    def point(kind: bytes, at: int, frames: int) -> bytes:
        return (b"<SYNC_POINT><SYNC_POINT_TYPE>%b</SYNC_POINT_TYPE><SYNC_POINT_LOW>%d</SYNC_POINT_LOW>"
                b"<SYNC_POINT_HIGH>0</SYNC_POINT_HIGH><SYNC_POINT_EVENT_DURATION>%d</SYNC_POINT_EVENT_DURATION></SYNC_POINT>\n"
                % (kind, at, frames))

    def listed(*points: bytes) -> bytes:
        return (b"<BWFXML><SYNC_POINT_LIST><SYNC_POINT_COUNT>%d</SYNC_POINT_COUNT>%b</SYNC_POINT_LIST></BWFXML>"
                % (len(points), b"".join(points)))

    before = listed(point(b"RELATIVE", 12000, 0), point(b"RELATIVE", 60000, 300), point(b"ABSOLUTE", 172_800_000, 0))
    after = listed(point(b"RELATIVE", 12000, 100), point(b"ABSOLUTE", 57_600_000, 0))
    assert through(tmp_path, [(b"iXML", before)], CUT, RATE)[0][b"iXML"] == after


# Where nothing moves, and where nobody can tell


@pytest.mark.parametrize("effect", ["gain:-3", "lowpass:1000", "trim:end=2", "trim:end=30", "resample:48000"])
def test_chunks_are_copied_byte_for_byte_where_rate_and_beginning_stay(tmp_path: Path, effect: str) -> None:
    odd = (b"cue ", struct.pack("<I", 9) + bytes(20))
    chunks = [odd, POINTS[1], smpl_chunk((5, 500_000)), bext_chunk(1), (b"iXML", IXML % (1, 2, 3, 4, 5)),
              (b"strc", bytes(30))]
    found, result = through(tmp_path, chunks, effect)
    assert [found[data[:4] if name == b"LIST" else name] for name, data in chunks] == [data for _, data in chunks]
    assert result.warnings == ()


@pytest.mark.parametrize(("chunks", "named"), [
    ([(b"cue ", struct.pack("<I", 2) + bytes(24))], "cue"),
    ([(b"cue ", b"\1\0")], "cue"),
    ([(b"cue ", struct.pack("<I", 0xFFFFFFFF) + bytes(48)), (b"LIST", b"adtl" + label(1, b"x"))], "cue, LIST-adtl"),
    ([POINTS[0], (b"LIST", b"adtl" + struct.pack("<4sI", b"labl", 99) + bytes(8))], "LIST-adtl"),
    ([(b"smpl", smpl_chunk((1, 2))[1][:50])], "smpl"),
    ([(b"bext", bytes(340))], "bext"),
    ([(b"bext", bext_chunk(2**64 - 1)[1])], "bext"),
    ([(b"iXML", IXML.replace(b"> %d <", b"> soon <") % (1, 2, 48000, 4))], "iXML"),
    ([(b"iXML", (IXML % (48000, 0, 9, 0, 4)))], "iXML"),
    ([(b"iXML", "<BWFXML/>".encode("utf-16"))], "iXML"),
    ([(b"strc", bytes(30))], "strc"),
])  # fmt: skip
def test_a_chunk_that_cannot_be_understood_is_left_out_and_named(
    tmp_path: Path, chunks: list[Chunk], named: str
) -> None:
    found, result = through(tmp_path, chunks, CUT)
    assert result.warnings == (f"not carried over: {named}",)
    assert not found.keys() & {name.removeprefix("LIST-").ljust(4).encode() for name in named.split(", ")}


def of(kind: str, chunks: Iterable[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return [chunk for chunk in chunks if chunk[0] in MOVERS[kind]]


def test_no_damage_makes_a_mover_raise() -> None:
    timeline = Timeline(lambda at: (at - 24000) / 3 if 24000 <= at <= 96000 else None, FS, 16000, 24000.0, 24000)
    rng = np.random.default_rng(5)
    whole = {"cue": POINTS[0][1], "LIST-adtl": POINTS[1][1], "smpl": smpl_chunk((12000, 50000))[1],
             "plst": struct.pack("<4I", 1, 3, 48000, 6), "bext": bext_chunk(5)[1], "iXML": IXML % (1, 2, 3, 4, 5),
             "MARK": MARKS[1], "INST": INST[1], "COMT": COMT[1], "mark": CAF_MARK, "regn": CAF_REGN}  # fmt: skip
    assert whole.keys() == {name for movers in MOVERS.values() for name in movers}
    assert None not in [content for kind in MOVERS for content in move(kind, of(kind, whole.items()), timeline)]
    for _ in range(400):
        damaged = []
        for name, content in whole.items():
            raw = bytearray(content[: rng.integers(len(content) + 1)] if rng.random() < 0.5 else content)
            for at in rng.integers(max(1, len(raw)), size=3 if raw else 0):
                raw[at] = rng.choice([0, 1, 127, 128, 255])
            damaged.append((name, bytes(raw)))
        for kind in MOVERS:
            assert len(move(kind, of(kind, damaged), timeline)) == len(MOVERS[kind])


def test_a_great_many_points_are_not_read(tmp_path: Path) -> None:
    """Of each chunk a little less than the bound, of both together more."""
    labels = b"LIST", b"adtl" + label(1, b"x" * 3) * 150_000
    found, result = through(tmp_path, [cue_chunk(*[(n, n) for n in range(120_000)]), labels], CUT)
    assert (set(found), result.warnings) == ({b"fmt ", b"data"}, ("not carried over: cue, LIST-adtl",))


def test_the_length_of_a_pipe_is_not_known_and_need_not_be(tmp_path: Path) -> None:
    """Sizes as programs write them into a pipe; of such a file chunks in front of the samples are known."""
    chunks = [*POINTS, smpl_chunk((30000, 95999)), bext_chunk(172_800_000)]
    content = oddfiles.riff(oddfiles.fmt_chunk(), *chunks, oddfiles.data_chunk(SOUND))
    piped = oddfiles.lie(content, oddfiles.STREAMED, oddfiles.STREAMED)
    for effect, late in (CUT, [(4, 66000, 66000)]), (PART, []):
        words = [sys.executable, "-m", "torchfx_cli", "process", "-", "-e", effect, "-o", str(tmp_path / "out.wav")]
        subprocess.run([*words, "--overwrite"], input=piped, check=True, capture_output=True)
        found = {name: data for name, data in wav_chunks((tmp_path / "out.wav").read_bytes()) if name != b"LIST"}
        assert cues(found[b"cue "]) == [(2, 0, 0), (3, 36000, 36000), *late]
        assert loops(found[b"smpl"]) == (20833, [(6000, 71999 if late else 47999)])
        assert struct.unpack_from("<Q", found[b"bext"], 338)[0] == 172_824_000


def test_a_file_without_samples_has_a_beginning_too(tmp_path: Path) -> None:
    source = put(tmp_path, oddfiles.riff(oddfiles.fmt_chunk(), bext_chunk(172_800_000), oddfiles.data_chunk(SOUND[:0])))
    do(source, tmp_path / "out.wav", CUT, RATE)
    found = dict(wav_chunks((tmp_path / "out.wav").read_bytes()))
    assert struct.unpack_from("<Q", found[b"bext"], 338)[0] == 57_608_000


# AIFF and CAF


def mark(number: int, at: int, name: bytes) -> bytes:
    text = bytes([len(name)]) + name
    return struct.pack(">hI", number, at) + text + bytes(len(text) % 2)


MARKS = b"MARK", struct.pack(">H", 4) + mark(1, 12000, b"in") + mark(2, 60000, b"mid") + mark(3, 72000, b"") + mark(
    9, 21000, b"gone")
INST = b"INST", struct.pack(">bbbbbbh", 60, 0, 0, 127, 1, 127, -3) + struct.pack(">6h", 1, 1, 3, 2, 9, 1)
COMT = b"COMT", struct.pack(">H", 2) + struct.pack(">IhH", 1, 9, 3) + b"one\0" + struct.pack(">IhH", 2, 2, 2) + b"on"


def aiff(*chunks: Chunk) -> bytes:
    plain = oddfiles.encode(SOUND, format="AIFF", subtype="PCM_16")
    body = b"".join(name + struct.pack(">I", len(data)) + data + bytes(len(data) % 2) for name, data in chunks)
    return plain[:4] + struct.pack(">I", len(plain) + len(body) - 8) + plain[8:] + body


@pytest.mark.parametrize(("effects", "marks", "sustained", "released", "comments"), [
    ([RATE], [(1, 4000, b"in"), (2, 20000, b"mid"), (3, 24000, b""), (9, 7000, b"gone")], (1, 1, 3), (2, 9, 1), (9, 2)),
    ([CUT, RATE], [(1, 0, b"in"), (2, 12000, b"mid"), (3, 16000, b"")], (1, 1, 3), (0, 0, 0), (0, 2)),
    (["trim:start=0.5,end=1.3"], [(1, 0, b"in"), (2, 36000, b"mid"), (3, 38400, b"")], (1, 1, 3), (0, 0, 0), (0, 2)),
    (["trim:start=1.6"], [], (0, 0, 0), (0, 0, 0), (0, 0)),
])  # fmt: skip
def test_markers_of_an_aiff_move_and_the_loops_between_them_are_clipped(
    tmp_path: Path, effects: list[str], marks: list[tuple[int, int, bytes]], sustained: tuple[int, int, int],
    released: tuple[int, int, int], comments: tuple[int, int],
) -> None:
    result = do(put(tmp_path, aiff(MARKS, INST, COMT), "in.aiff"), tmp_path / "out.aiff", *effects)
    chunks = dict(wav_chunks((tmp_path / "out.aiff").read_bytes()))
    expected = struct.pack(">H", len(marks)) + b"".join(mark(*each) for each in marks) if marks else None
    assert chunks.get(b"MARK") == expected
    assert chunks[b"INST"] == INST[1][:8] + struct.pack(">6h", *sustained, *released)
    assert tuple(struct.unpack_from(">h", chunks[b"COMT"], at)[0] for at in (6, 18)) == comments
    assert result.warnings == ()


def caf_marker(at: float, number: int) -> bytes:
    return struct.pack(">4sdI8sI", b"rbeg", at, number, b"\1\2\3\4\0\0\0\5", 0)


CAF_MARK = struct.pack(">II", 2, 2) + caf_marker(12000.0, 1) + caf_marker(60000.0, 2)
CAF_REGN = (struct.pack(">II", 2, 2) + struct.pack(">III", 1, 0, 2) + caf_marker(12000.0, 3) + caf_marker(60000.0, 4)
            + struct.pack(">III", 2, 0, 2) + caf_marker(6000.0, 5) + caf_marker(12000.0, 6))  # fmt: skip


def test_markers_and_regions_of_a_caf_move(tmp_path: Path) -> None:
    chunks = [(b"mark", CAF_MARK), (b"regn", CAF_REGN), (b"midi", b"MThd?")]
    body = b"".join(name + struct.pack(">q", len(data)) + data for name, data in chunks)
    source = put(tmp_path, oddfiles.encode(SOUND, format="CAF", subtype="PCM_16") + body, "in.caf")
    result = do(source, tmp_path / "out.caf", CUT, RATE)
    expected = [
        (b"mark", struct.pack(">II", 2, 1) + caf_marker(12000.0, 2)),
        (b"regn", struct.pack(">IIIII", 2, 1, 1, 0, 2) + caf_marker(0.0, 3) + caf_marker(12000.0, 4)),
        (b"midi", b"MThd?"),
    ]
    assert (tmp_path / "out.caf").read_bytes().endswith(
        b"".join(name + struct.pack(">q", len(data)) + data for name, data in expected))
    assert result.warnings == ()


# Together


@pytest.mark.parametrize("chunk_s", [17 / FS, 0.01, 0.5])
def test_the_chunk_size_moves_nothing(tmp_path: Path, chunk_s: float) -> None:
    chunks = [*POINTS, smpl_chunk((30000, 95999)), bext_chunk(172_800_000), (b"iXML", IXML % (48000, 0, 1, 48000, 2))]
    source = put(tmp_path, oddfiles.riff(oddfiles.fmt_chunk(), oddfiles.data_chunk(SOUND[:30_000]), *chunks))
    do(source, tmp_path / "whole.wav", CUT, RATE)
    do(source, tmp_path / "cut.wav", CUT, RATE, chunk_s=chunk_s)
    assert (tmp_path / "whole.wav").read_bytes() == (tmp_path / "cut.wav").read_bytes()


def test_a_marked_click_is_where_its_mark_is(tmp_path: Path) -> None:
    """The sound itself is the witness."""
    clicks = np.zeros(2 * FS, np.int16)
    clicks[[33_000, 60_000]] = 30_000
    chunks = [cue_chunk((1, 33_000), (2, 60_000)), smpl_chunk((33_000, 59_999))]
    source = put(tmp_path, oddfiles.riff(oddfiles.fmt_chunk(), oddfiles.data_chunk(clicks), *chunks))
    do(source, tmp_path / "out.wav", "highpass:40", "resample:44100", "trim:start=0.25", "resample:16000", tail_s=0.5)
    found = dict(wav_chunks((tmp_path / "out.wav").read_bytes()))
    sound = np.abs(np.frombuffer(found[b"data"], np.int16).astype(float))
    loud = sorted(np.argsort(sound)[-2:])
    assert [at for _, at, _ in cues(found[b"cue "])] == loud == [7000, 16000]
    assert loops(found[b"smpl"]) == (62500, [(7000, 15999)])
