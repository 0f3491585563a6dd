"""`torchfx plot` at its door: what it prints, what it writes, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from torchfx_cli.cli.program import run


def out_of(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> tuple[str, str]:
    found = run(["plot", *map(str, arguments)])
    out, err = capsys.readouterr()
    assert found == code, err
    return out, err


def test_numbers_are_records_a_chain_with_a_stage_each(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = out_of(capsys, "three-band-eq", "crossover-low", "-e", "notch: {frequency: 1 kHz}", "-e", "compressor:-20",
                    "--rate", "44.1e3", "--channels", 1, "--json")
    first, second = map(json.loads, out.splitlines())
    assert first["chain"] == "three-band-eq + notch: {frequency: 1 kHz} + compressor:-20"
    assert second["chain"].startswith("crossover-low + ")
    assert (first["rate"], first["channels"], first["output_channels"]) == (44_100, 1, 1)
    (line,) = first["response"]
    assert len(line["magnitude_db"]) == len(line["phase_deg"]) == len(first["frequencies_hz"])
    assert min(value for value in line["magnitude_db"] if value is not None) < -60
    assert first["not_in_response"] == ["compressor -20 dBFS 4:1"]
    assert first["stages"][-1]["levels"][0]["out_dbfs"][-1] == pytest.approx(-15.0, abs=0.02)
    assert first["frequencies_hz"][-1] == 22_050


def test_a_page_says_what_it_cannot_draw(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = out_of(capsys, "-e", "highpass:80", "-e", "normalize:-1")
    assert "magnitude in dB" in out
    assert out.splitlines()[-1] == "nothing to draw without a sound: normalize to -1 dBFS"
    assert max(map(len, out.splitlines())) <= 160
    assert ("\x1b" in out, err) == (False, "")


@pytest.mark.parametrize(("arguments", "code", "words"), [
    ([], 2, "nothing to look at"), (["no-such-preset"], 2, "no preset and no file has this name"),
    (["riaa-playback", "eq.png"], 2, "eq.png is no chain; if it is meant as the picture, write -o eq.png"),
    (["riaa-playback", "--rate", "44100.5"], 2, "--rate: found '44100.5'; allowed is a whole number of Hz"),
    (["riaa-playback", "--channels", "65"], 2, "--channels: found '65'"),
    (["riaa-playback", "-o", "a.gif"], 2, "--output a.gif: the name has to end in .png, .svg or .pdf"),
    (["riaa-playback", "-o", "-", "--json"], 2, "--output -: the name has to end in"),
    (["-e", "highpass:6 kHz", "--rate", "8000"], 3, "-e 'highpass:6 kHz': highpass.cutoff: 6 kHz is not below 4 kHz"),
    (["-e", "pan:0.3", "--channels", "6"], 3, "-e 'pan:0.3': pan: needs a stereo signal, this one has 6 channels"),
])
def test_what_is_refused_is_told(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
                                 ) -> None:
    out, err = out_of(capsys, *arguments, code=code)
    assert words in err
    assert out == ""


def test_a_chain_file_that_suits_no_such_rate_is_named_with_its_line(capsys: pytest.CaptureFixture[str],
                                                                     tmp_path: Path) -> None:
    chain = tmp_path / "eq.yaml"
    chain.write_text("chain:\n  - gain: 1\n  - lowpass: 5 kHz\n")
    _, err = out_of(capsys, chain, "--rate", 8000, "-o", tmp_path / "eq.png", code=3)
    assert f"{chain}:3: chain[1].lowpass.cutoff: 5 kHz is not below 4 kHz" in err
    assert [path.name for path in tmp_path.iterdir()] == ["eq.yaml"]


def test_a_picture_takes_no_file_that_is_not_its_own(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    mine, own = tmp_path / "mine.png", tmp_path / "own.png"
    mine.write_bytes(b"\x89PNG of somebody")
    _, err = out_of(capsys, "-e", "gain:1", "-o", mine, code=2)
    assert "exists, and torchfx did not write it for this option; --overwrite replaces it" in err
    assert mine.read_bytes() == b"\x89PNG of somebody"
    out_of(capsys, "-e", "gain:1", "-o", own)
    before = own.read_bytes()
    out_of(capsys, "-e", "gain:2", "-o", own)
    assert own.read_bytes() != before
    out_of(capsys, "-e", "gain:1", "-o", mine, "--overwrite")
    assert mine.read_bytes() == before


def test_a_picture_is_no_chain(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    chain = tmp_path / "eq.png"
    chain.write_text("chain:\n  - gain: 1\n")
    _, err = out_of(capsys, chain, "-o", chain, "--overwrite", code=2)
    assert "which the chain is read from" in err
    assert chain.read_text() == "chain:\n  - gain: 1\n"


def test_a_terminal_without_braille_gets_ascii(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
                                               ) -> None:
    monkeypatch.setattr(sys.stdout, "reconfigure", lambda **options: None, raising=False)
    monkeypatch.setattr(type(sys.stdout), "encoding", "ascii", raising=False)
    out, _ = out_of(capsys, "-e", "highpass:80")
    assert out.isascii()
    assert "'" in out


def test_neither_torch_nor_scipy_nor_matplotlib_is_loaded_for_the_terminal() -> None:
    script = ("import sys; from torchfx_cli.cli.program import run; code = run(['plot', 'podcast-voice']); "
              "print(code, sorted({'torch', 'scipy', 'matplotlib', 'rich'} & set(sys.modules)), file=sys.stderr)")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr.strip() == "0 []"
