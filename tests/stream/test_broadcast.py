"""What a broadcast WAV says of its sound is true of the output, or told (EBU Tech 3285, EBU R 98, iXML, ADM)."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from support.oddfiles import FS, data_chunk, fmt_chunk, put, riff
from support.rewrite import wav_chunks

from torchfx_cli import __version__
from torchfx_cli.__main__ import main

LOUDNESS_AT, HISTORY_AT = 412, 602
VALUES = struct.pack("<5h", -2300, 500, -100, -1800, -2000)
UNKNOWN = b"\xff\x7f" * 5
HISTORY = b"A=ANALOGUE,M=stereo,T=Studer A816\r\n"


def bext(version: int = 2, history: bytes = HISTORY) -> bytes:
    return struct.pack("<256s90sH64s", b"A description", b"", version, b"") + VALUES + bytes(180) + history


def through(folder: Path, chunks: dict[bytes, bytes], *words: str, channels: int = 2) -> dict[bytes, bytes]:
    """The chunks of what the command makes of a WAV of one second with `chunks`."""
    sound = np.arange(FS * channels, dtype="<i4").reshape(FS, channels).astype("<i2")
    path = put(folder, riff(fmt_chunk(channels=channels), *chunks.items(), data_chunk(sound)))
    out = folder / "out.wav"
    assert main(["process", os.fspath(path), "-o", os.fspath(out), "--overwrite", "-v", *words]) == 0
    return dict(wav_chunks(out.read_bytes()))


@pytest.mark.parametrize(("words", "line"), [
    (["-e", "gain:-6"], "A=PCM,F=48000,W=16,M=stereo,T=torchfx {}"),
    (["-e", "mono", "--subtype", "24"], "A=PCM,F=48000,W=24,M=mono,T=torchfx {}"),
    (["-e", "resample:44100", "--subtype", "float32"], "A=PCM,F=44100,W=32,M=stereo,T=torchfx {}; float"),
])
def test_filtering_makes_loudness_unknown_and_adds_a_line_to_the_history(
        tmp_path: Path, words: list[str], line: str) -> None:
    found = through(tmp_path, {b"bext": bext()}, *words)[b"bext"]
    assert found[LOUDNESS_AT : LOUDNESS_AT + 10] == UNKNOWN
    assert found[HISTORY_AT:] == HISTORY + line.format(__version__).encode() + b"\r\n"
    assert found[:338] == bext()[:338]


@pytest.mark.parametrize(("history", "kept"), [
    (b"", b""), (HISTORY + bytes(99), HISTORY), (HISTORY[:-2], HISTORY), (HISTORY[:-2] + b"\0", HISTORY),
])
def test_the_history_goes_on_behind_the_old_lines_however_they_end(
        tmp_path: Path, history: bytes, kept: bytes) -> None:
    found = through(tmp_path, {b"bext": bext(history=history)}, "-e", "gain:-6")[b"bext"]
    assert found[HISTORY_AT:] == kept + f"A=PCM,F=48000,W=16,M=stereo,T=torchfx {__version__}\r\n".encode()


def test_what_is_no_loudness_and_what_is_no_whole_bext_stays(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert through(tmp_path, {b"bext": bext(version=1)}, "-e", "gain:-6")[b"bext"][:602] == bext(version=1)[:602]
    assert through(tmp_path, {b"bext": bext()[:500]}, "-e", "gain:-6")[b"bext"] == bext()[:500]
    assert "the loudness values" not in capsys.readouterr().err
    through(tmp_path, {b"bext": bext()}, "-e", "gain:-6")
    assert "the loudness values in bext are set to unknown" in capsys.readouterr().err


IXML = (b"<BWFXML><SPEED><AUDIO_BIT_DEPTH>16</AUDIO_BIT_DEPTH></SPEED><TRACK_LIST><TRACK_COUNT>2</TRACK_COUNT>"
        b"</TRACK_LIST><LOUDNESS><LOUDNESS_VALUE>%s</LOUDNESS_VALUE></LOUDNESS></BWFXML>")


@pytest.mark.parametrize(("chunk", "words", "told"), [
    ({b"iXML": IXML % b""}, ["-e", "mono"], "iXML still tells of the input: 2 tracks (there are 1)"),
    ({b"iXML": IXML % b"-23.0"}, ["-e", "gain:-6"], "iXML still tells of the input: its loudness"),
    ({b"axml": b'<audioProgramme start="00:00:00.0" end="00:00:01.0"/>'}, ["-e", "resample:44100"],
     "axml still tells the times of the input"),
    ({b"iXML": IXML % b""}, ["-e", "gain:-6"], ""),
    ({b"axml": b'<audioProgramme start="00:00:00.0" end="00:00:01.0"/>'}, ["-e", "gain:-6"], ""),
])
def test_what_ixml_and_axml_say_that_is_not_true_is_a_warning(
        tmp_path: Path, capsys: pytest.CaptureFixture[str], chunk: dict[bytes, bytes], words: list[str], told: str
        ) -> None:
    through(tmp_path, chunk, *words)
    found = capsys.readouterr().err
    assert (told or "still tells") in found if told else "still tells" not in found


def test_ixml_tells_the_bits_of_the_output(tmp_path: Path) -> None:
    found = through(tmp_path, {b"iXML": IXML % b""}, "-e", "gain:-6", "--subtype", "24")
    assert b"<AUDIO_BIT_DEPTH>24<" in found[b"iXML"]
