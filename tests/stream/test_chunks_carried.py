"""Broadcast, marker and sampler chunks go byte for byte into a file of the same kind; the others are named, once."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from support import oddfiles
from support.oddfiles import FS, TONE, Chunk, put
from support.rewrite import rewrite, wav_chunks

from torchfx_cli.errors import WriteError
from torchfx_cli.stream import append, metadataplan, metadatasource, writer
from torchfx_cli.stream.append import Extra
from torchfx_cli.stream.formats import choose_output
from torchfx_cli.stream.reader import open_source
from torchfx_cli.stream.writer import Output


def info(*texts: tuple[bytes, bytes]) -> Chunk:
    body = b"".join(name + struct.pack("<I", len(text)) + text + b"\0" * (len(text) % 2) for name, text in texts)
    return b"LIST", b"INFO" + body


def bext(version: int = 1, loudness: tuple[int, ...] = (0, 0, 0, 0, 0)) -> Chunk:
    """EBU Tech 3285: description, originator, ..., version, UMID, five loudness values, coding history."""
    head = b"A description".ljust(256, b"\0") + b"Ein Ger\xe4t".ljust(32, b"\0") + bytes(32) + b"2024-02-2912:34:56"
    numbers = struct.pack("<QH", 123_456_789, version) + bytes(64) + struct.pack("<5H", *loudness) + bytes(180)
    return b"bext", head + numbers + b"A=PCM,F=48000,W=16,M=mono\r\n"


CUE = (b"cue ", struct.pack("<I", 1) + struct.pack("<II4sIII", 1, 2400, b"data", 0, 0, 2400))
LABELS = (b"LIST", b"adtl" + b"labl" + struct.pack("<II", 8, 1) + b"mid\0")
SMPL = (b"smpl", struct.pack("<9I", 0, 0, 20833, 60, 0, 0, 0, 1, 0) + struct.pack("<6I", 1, 0, 100, 4000, 0, 0))
FRONT: list[Chunk] = [bext(), (b"iXML", b"<BWFXML/>"), info((b"INAM", b"Bj\xf6rk"), (b"IENG", b"x"), (b"ISFT", b"me"))]
BACK: list[Chunk] = [CUE, LABELS, SMPL, (b"inst", bytes(7)), (b"acid", bytes(24)), (b"_PMX", b"<x/>"),
                     (b"axml", b"<a/>"), (b"chna", struct.pack("<HH", 1, 1) + bytes(40)),
                     (b"id3 ", b"ID3\4\0\0\0\0\0\0"), (b"zzzz", b"odd")]  # fmt: skip


def everything(folder: Path) -> Path:
    return put(folder, oddfiles.riff(*FRONT, oddfiles.fmt_chunk(), oddfiles.data_chunk(), *BACK))


@pytest.mark.parametrize(("name", "word", "magic"), [("out.wav", None, b"RIFF"), ("out.rf64", None, b"RF64")])
def test_every_chunk_of_a_wav_goes_into_the_next_byte_for_byte(
    tmp_path: Path, name: str, word: str | None, magic: bytes
) -> None:
    assert rewrite(tmp_path / name, everything(tmp_path), word) == ([], [])
    content = (tmp_path / name).read_bytes()
    found = list(wav_chunks(content))
    assert content[:4] == magic
    own = (b"fmt ", b"data", b"ds64", b"fact")
    assert [chunk for chunk in found if chunk[0] not in own] == [*FRONT, *BACK]
    assert dict(found)[b"data"] == TONE.tobytes()


def test_a_third_pass_gives_the_same_bytes_as_the_second(tmp_path: Path) -> None:
    rewrite(tmp_path / "one.wav", everything(tmp_path))
    rewrite(tmp_path / "two.wav", tmp_path / "one.wav")
    assert (tmp_path / "one.wav").read_bytes() == (tmp_path / "two.wav").read_bytes()


def test_a_wav_of_unknown_length_carries_chunks_too(tmp_path: Path) -> None:
    rewrite(tmp_path / "out.wav", everything(tmp_path), expected_bytes=None)
    content = (tmp_path / "out.wav").read_bytes()
    assert content[:4] == b"RIFF"
    assert [chunk for chunk in wav_chunks(content) if chunk[0] in (b"bext", b"smpl")] == [FRONT[0], SMPL]


def test_an_odd_number_of_sample_bytes_is_padded_before_the_first_chunk(tmp_path: Path) -> None:
    samples = np.arange(101, dtype=np.uint8)
    source = put(tmp_path, oddfiles.riff(oddfiles.fmt_chunk(bits=8), oddfiles.data_chunk(samples), CUE))
    rewrite(tmp_path / "out.wav", source)
    found = dict(wav_chunks((tmp_path / "out.wav").read_bytes()))
    assert found[b"data"] == samples.tobytes()
    assert found[b"cue "] == CUE[1]


def aiff(*chunks: Chunk) -> bytes:
    plain = oddfiles.encode(TONE, format="AIFF", subtype="PCM_16")
    body = b"".join(name + struct.pack(">I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks)
    return plain[:4] + struct.pack(">I", len(plain) + len(body) - 8) + plain[8:] + body


def test_every_chunk_of_an_aiff_goes_into_the_next(tmp_path: Path) -> None:
    mark = (b"MARK", struct.pack(">HHI", 1, 1, 2400) + b"\3mid")
    notes = [(b"ANNO", b"one"), (b"ANNO", b"two"), (b"APPL", b"abcd?")]
    chunks = [(b"NAME", b"Bj\xf6rk"), mark, (b"INST", bytes(20)), *notes]
    assert rewrite(tmp_path / "out.aiff", put(tmp_path, aiff(*chunks), "in.aiff")) == ([], [])
    found = list(wav_chunks((tmp_path / "out.aiff").read_bytes()))
    assert [chunk for chunk in found if chunk[0] not in (b"COMM", b"SSND", b"FVER")] == chunks
    np.testing.assert_array_equal(sf.read(tmp_path / "out.aiff", dtype="int16")[0], TONE)


def test_every_chunk_of_a_caf_goes_into_the_next(tmp_path: Path) -> None:
    extra = b"midi" + struct.pack(">q", 5) + b"MThd?"
    source = put(tmp_path, oddfiles.encode(TONE, format="CAF", subtype="PCM_16") + extra, "in.caf")
    assert rewrite(tmp_path / "out.caf", source) == ([], [])
    assert (tmp_path / "out.caf").read_bytes().endswith(TONE.byteswap().tobytes() + extra)
    np.testing.assert_array_equal(sf.read(tmp_path / "out.caf", dtype="int16")[0], TONE)


@pytest.mark.parametrize(("name", "lost"), [
    ("out.flac", "IENG, bext, iXML, cue, LIST-adtl, smpl, inst, acid, _PMX, axml, chna, zzzz"),
    ("out.w64", "title, id3, IENG, bext, iXML, cue, LIST-adtl, smpl, inst, acid, _PMX, axml and 2 more"),
])  # fmt: skip
def test_chunks_that_another_kind_cannot_hold_are_named_in_one_warning(tmp_path: Path, name: str, lost: str) -> None:
    warnings, _ = rewrite(tmp_path / name, everything(tmp_path))
    assert warnings == [f"not carried over: {lost}"]


def test_a_listing_of_a_file_names_what_it_holds_besides_samples(tmp_path: Path) -> None:
    with open_source(everything(tmp_path)) as source:
        assert ", ".join(metadataplan.contents(source.metadata)) == (
            "IENG, id3, bext, iXML, cue, LIST-adtl, smpl, inst, acid, _PMX, axml, chna, zzzz"
        )


def test_what_is_true_of_the_old_samples_only_is_dropped_and_named(tmp_path: Path) -> None:
    stale = [(b"levl", bytes(120)), (b"MD5 ", bytes(16)), CUE, (b"JUNK", bytes(28)), (b"PEAK", bytes(16))]
    source = put(tmp_path, oddfiles.riff(oddfiles.fmt_chunk(), oddfiles.data_chunk(), *stale))
    assert rewrite(tmp_path / "out.wav", source)[0] == ["not carried over: levl, MD5"]
    assert [name for name, _ in wav_chunks((tmp_path / "out.wav").read_bytes())] == [b"fmt ", b"data", b"cue "]


@pytest.mark.parametrize(("version", "loudness", "said"), [
    (2, (64236, 500, 65500, 0, 0), True), (2, (0x7FFF,) * 5, False), (1, (64236, 0, 0, 0, 0), False),
])  # fmt: skip
def test_loudness_in_bext_is_carried_but_said_to_be_the_inputs(
    tmp_path: Path, version: int, loudness: tuple[int, ...], said: bool
) -> None:
    chunk = bext(version, loudness)
    source = put(tmp_path, oddfiles.riff(chunk, oddfiles.fmt_chunk(), oddfiles.data_chunk()))
    _, notes = rewrite(tmp_path / "out.wav", source)
    assert ("the loudness values in bext are those of the input" in notes) == said
    assert chunk in list(wav_chunks((tmp_path / "out.wav").read_bytes()))


def test_channel_descriptions_do_not_go_into_a_file_of_other_channels(tmp_path: Path) -> None:
    with open_source(everything(tmp_path)) as source:
        kept, lost = source.metadata.sorted_out(channels=2)
    assert lost == ("axml", "chna")
    assert "bext" in [chunk.name for chunk in kept]


def test_a_chunk_that_is_cut_off_or_huge_is_named_and_never_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadatasource, "MAX_BYTES", 1000)
    front, back = [(b"huge", bytes(1001)), (b"fits", bytes(999)), oddfiles.fmt_chunk()], (b"last", bytes(8))
    source = put(tmp_path, oddfiles.riff(*front, oddfiles.data_chunk(), back)[:-4])
    assert rewrite(tmp_path / "out.wav", source)[0] == ["not carried over: huge, last"]
    assert dict(wav_chunks((tmp_path / "out.wav").read_bytes()))[b"fits"] == bytes(999)


def test_a_large_chunk_is_copied_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadatasource, "PIECE_BYTES", 1000)
    monkeypatch.setattr(append, "PIECE_BYTES", 999)
    large = (b"iXML", np.random.default_rng(1).bytes(12_345))
    rewrite(tmp_path / "out.wav", put(tmp_path, oddfiles.riff(large, oddfiles.fmt_chunk(), oddfiles.data_chunk())))
    assert large in list(wav_chunks((tmp_path / "out.wav").read_bytes()))
    with open_source(tmp_path / "out.wav") as source:
        chunk = source.metadata.chunks()[0]
        assert [len(piece) for piece in source.metadata.content(chunk)] == [1000] * 12 + [345]


def test_texts_that_cannot_be_copied_go_through_libsndfile(tmp_path: Path) -> None:
    cut = oddfiles.riff(oddfiles.fmt_chunk(), oddfiles.data_chunk(), info((b"INAM", b"Town"), (b"IENG", b"xyz")))[:-2]
    warnings, _ = rewrite(tmp_path / "out.wav", put(tmp_path, cut))
    assert warnings == ["not carried over: LIST-INFO"]
    assert sf.SoundFile(tmp_path / "out.wav").title == "Town"


def test_chunks_of_a_big_endian_wav_are_named_as_they_would_be_wrong(tmp_path: Path) -> None:
    plain = oddfiles.encode(TONE, format="WAV", subtype="PCM_16", endian="BIG")
    content = plain + b"cue " + struct.pack(">I", 4) + bytes(4)
    source = put(tmp_path, content[:4] + struct.pack(">I", len(content) - 8) + content[8:])
    assert rewrite(tmp_path / "out.wav", source)[0] == ["not carried over: cue"]


def test_samples_behind_an_unfinished_header_are_not_taken_for_chunks(tmp_path: Path) -> None:
    samples = np.append(np.frombuffer(b"abcd\4\0\0\0" + bytes(4), np.int16), TONE)
    content = oddfiles.riff((b"iXML", b"<a/>"), oddfiles.fmt_chunk(), oddfiles.data_chunk(samples))
    warnings, _ = rewrite(tmp_path / "out.wav", put(tmp_path, oddfiles.lie(content, 0, 0)))
    assert warnings == ["the header was never closed; the size was taken from the file"]
    assert [name for name, _ in wav_chunks((tmp_path / "out.wav").read_bytes())] == [b"fmt ", b"data", b"iXML"]


# Sizes and faults


def test_a_wav_that_its_chunks_make_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "RIFF_LIMIT_BYTES", 9_700)
    rewrite(tmp_path / "out.wav", put(tmp_path, oddfiles.plain()))
    rewrite(tmp_path / "out.wav", everything(tmp_path))  # begun as RF64, but small enough in the end
    assert (tmp_path / "out.wav").read_bytes()[:4] == b"RIFF"
    monkeypatch.setattr(append, "MAX_SIZE", 10_000)
    with pytest.raises(WriteError, match=r"out\.wav: with its metadata it would be larger than 4 GiB; use"):
        rewrite(tmp_path / "out.wav", everything(tmp_path))
    rewrite(tmp_path / "out.rf64", everything(tmp_path))


def test_a_chunk_that_shrinks_meanwhile_is_an_error(tmp_path: Path) -> None:
    with open(put(tmp_path, oddfiles.plain()), "r+b") as file, pytest.raises(append.AppendError, match="changed while"):
        append.append(file.fileno(), [Extra(b"abcd", 10, lambda: (b"only 9 by",))])


@pytest.mark.parametrize("at", [-1, -12, -20, 4])
def test_a_byte_that_changes_behind_the_samples_is_found_by_reading_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """In the content, in the size or the name of the last chunk, or in the size of the whole."""

    def damages(fd: int, extras: list[Extra]) -> tuple[append.Placed, ...]:
        placed = as_it_is(fd, extras)
        place = at if at > 0 else os.fstat(fd).st_size + at
        os.pwrite(fd, bytes([os.pread(fd, 1, place)[0] ^ 1]), place)
        return placed

    as_it_is = append.append
    monkeypatch.setattr(append, "append", damages)
    source = put(tmp_path, oddfiles.riff(oddfiles.fmt_chunk(), oddfiles.data_chunk(), (b"last", b"twelve bytes")))
    with pytest.raises(WriteError, match="could not be written"):
        rewrite(tmp_path / "out.wav", source)
    assert sorted(os.listdir(tmp_path)) == ["in.wav"]


# What else an output takes over


def test_times_and_mode_can_be_those_of_the_input(tmp_path: Path) -> None:
    source = put(tmp_path, oddfiles.plain())
    os.utime(source, ns=(1_000_000_007, 2_000_000_009))
    os.chmod(source, 0o4640)
    before = os.stat(source)
    rewrite(tmp_path / "out.wav", source, times_ns=(before.st_atime_ns, before.st_mtime_ns), mode=before.st_mode)
    after = os.stat(tmp_path / "out.wav")
    assert after.st_mtime_ns == 2_000_000_009
    assert after.st_mode & 0o7777 == 0o640
    rewrite(tmp_path / "new.wav", source)
    assert os.stat(tmp_path / "new.wav").st_mtime > 1e9


def test_an_output_without_metadata_names_lost_tags_only(tmp_path: Path) -> None:
    with open_source(everything(tmp_path)) as source:
        chosen = choose_output("out.au", source.facts)
        with Output(tmp_path / "out.au", FS, 1, chosen, source.facts.tags) as output:
            assert output.warnings == ["not carried over: title"]
