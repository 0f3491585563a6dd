"""Kinds of files that only FFmpeg reads, with PyAV and without: how they are known, found, named and refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.oddfiles import put

from torchfx_cli.chain.spec import ChainSpec
from torchfx_cli.errors import ReadError, UsageError
from torchfx_cli.stream import foreign
from torchfx_cli.stream.reader import open_source
from torchfx_cli.tasks.inputs import Input, gather
from torchfx_cli.tasks.job import Settings
from torchfx_cli.tasks.planning import plan_in_place, plan_jobs

ADTS = b"".join(b"\xff\xf1\x50\x80" + (size << 5 | 31).to_bytes(2, "big") + b"\xfc" + bytes(size - 7)
                for size in (90, 70, 50))


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign.importlib.util, "find_spec", lambda name: None)
    foreign.is_available.cache_clear()
    monkeypatch.setattr(foreign, "is_available", foreign.is_available.__wrapped__)


@pytest.mark.usefixtures("without")
@pytest.mark.parametrize(("content", "word"), [
    (b"\0\0\0\x20ftypM4A " + bytes(60), "MP4 or M4A"), (b"\0\0\0\x20moov" + bytes(60), "QuickTime"),
    (b"\x1aE\xdf\xa3" + bytes(60), "Matroska or WebM"),
    (bytes.fromhex("3026b2758e66cf11") + bytes(60), "WMA or WMV"), (b"wvpk" + bytes(60), "WavPack"),
    (b"MAC \x96\x0f" + bytes(60), "Monkey's Audio"), (b"TTA1" + bytes(60), "TTA"), (ADTS, "AAC"),
    (b"ID3\4\0\0\0\0\0\x0a" + bytes(10) + ADTS, "AAC"), (b"\x0bw\0\0\x14\x40" + bytes(60), "AC-3"),
    (b"\x0bw\0\0\x14\x80" + bytes(60), "E-AC-3"), (b"OggS\0\2" + bytes(20) + b"\1\x33\x7fFLAC\1\0", "Ogg FLAC"),
])
def test_without_pyav_the_refusal_names_the_kind_and_what_would_decode_it(tmp_path: Path, content: bytes, word: str
                                                                          ) -> None:
    with pytest.raises(ReadError) as told, open_source(put(tmp_path, content, "a.mp3")):
        pass
    assert str(told.value) == f'{word} cannot be decoded here; pip install av would decode it'


def test_a_lone_header_of_adts_is_none(tmp_path: Path) -> None:
    for content, is_known in ((ADTS, True), (ADTS[:-20], True), (ADTS[:90], True), (ADTS[:200], True),
                              (ADTS[:90] + bytes(70), False), (ADTS[:160] + b"\xff\xf1\x4c" + bytes(60), False)):
        with open(put(tmp_path, content), "rb") as file:
            assert (foreign.kind_at(file.fileno()) is not None) == is_known


@pytest.mark.usefixtures("without")
def test_without_pyav_a_folder_leaves_them_out_by_their_kind(tmp_path: Path) -> None:
    for name in ("a.wav", "b.m4a", "c.webm", "d.dsf"):
        put(tmp_path, b"x", name)
    found = gather([str(tmp_path)])
    assert [os.path.basename(one.path) for one in found.inputs] == ["a.wav"]
    assert dict(found.skipped) == {
        "m4a: cannot be decoded here": 1, "dsf: cannot be decoded here": 1, "webm: a video": 1}


def test_with_pyav_a_folder_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "is_available", lambda: True)
    for name in ("a.wav", "b.M4A", "c.webm", "d.dsf"):
        put(tmp_path, b"x", name)
    found = gather([str(tmp_path)])
    assert [os.path.basename(one.path) for one in found.inputs] == ["a.wav", "b.M4A", "c.webm"]
    assert dict(found.skipped) == {"dsf: cannot be decoded here": 1}


def test_outputs_are_named_for_what_can_be_written_and_nothing_is_replaced_in_place(tmp_path: Path) -> None:
    inputs = [Input(str(put(tmp_path, b"x", name)), name, None) for name in ("a.m4a", "b.WV", "c.mkv")]
    settings = Settings(ChainSpec("nothing", ()))
    assert [job.output.name for job in plan_jobs(inputs, f"{tmp_path}/out/", settings)] == ["a.wav", "b.flac", "c.wav"]
    named = plan_jobs(inputs, f"{tmp_path}/out/", settings, template="{stem}_x{ext}")
    assert [job.output.name for job in named] == ["a_x.wav", "b_x.flac", "c_x.wav"]
    with pytest.raises(UsageError, match=r"a\.m4a cannot be replaced in place: its format is read here, not written"):
        plan_in_place(inputs[:1], ".bak", settings)
    clash = [*inputs[:1], Input(str(put(tmp_path, b"x", "a.wav")), "a.wav", None)]
    with pytest.raises(UsageError, match=r"a\.wav"):
        plan_jobs(clash, f"{tmp_path}/out/", settings)


@pytest.mark.parametrize(("content", "lacking"), [
    ((16).to_bytes(4, "big") + b"ftyp" + bytes(8) + (100).to_bytes(4, "big") + b"mdat" + bytes(40), 52),
    ((16).to_bytes(4, "big") + b"ftyp" + bytes(8) + (0).to_bytes(4, "big") + b"mdat" + bytes(40), 0),
    (b"\x1aE\xdf\xa3\x84" + bytes(4) + b"\x18S\x80\x67\x40\x20" + bytes(20), 12),
    (b"\x1aE\xdf\xa3\x84" + bytes(4) + b"\x18S\x80\x67\x01" + b"\xff" * 7 + bytes(20), 0),
])
def test_bytes_that_are_missing_at_the_end_are_counted(tmp_path: Path, content: bytes, lacking: int) -> None:
    with open(put(tmp_path, content), "rb") as file:
        kind = foreign.kind_at(file.fileno())
        assert kind is not None
        assert foreign.lacking_bytes(file.fileno(), len(content), kind) == lacking
