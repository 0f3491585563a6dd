"""What people type as they know it from other tools, read as it is meant, or answered with what to write instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from torchfx_cli.chain.parse import parse_chain, parse_effect
from torchfx_cli.cli import options, show
from torchfx_cli.cli.app import app
from torchfx_cli.cli.foreign import HERE
from torchfx_cli.errors import ChainError, UsageError


@pytest.mark.parametrize(("typed", "seconds"), [
    ("1", 1.0), ("1s", 1.0), ("1.5 s", 1.5), ("500ms", 0.5), ("2min", 120.0), ("2m", 120.0), ("1h", 3600.0),
    ("1e-1", 0.1), (".5S", 0.5),
])
def test_seconds_may_have_a_unit(typed: str, seconds: float) -> None:
    assert options.chunk_seconds(typed) == pytest.approx(seconds)
    assert options.timeout_seconds(typed) == pytest.approx(seconds)


@pytest.mark.parametrize("typed", ["", "s", "1x", "inf", "nan", "-1s", "1 s s", "0s", "1e9h"])
def test_what_is_no_time_is_refused_with_an_example(typed: str) -> None:
    with pytest.raises(UsageError, match=r"500ms, 1\.5s, 2min or 1h"):
        options.chunk_seconds(typed)


def test_a_stage_in_a_file_may_be_written_as_behind_the_option() -> None:
    short = parse_chain("chain:\n  - highpass:80\n  - gain:-3\n  - 'peaking:frequency=3000,gain=2,q=1'\n")
    plain = parse_chain("chain:\n  - highpass: 80\n  - gain: -3\n  - peaking: {frequency: 3000, gain: 2, q: 1}\n")
    assert short.digest == plain.digest
    with pytest.raises(ChainError) as caught:
        parse_chain("chain:\n  - invert\n  - highpass:cutof=80\n  - gian:-3\n", "eq.yaml")
    first, second = caught.value.problems
    assert first.startswith("eq.yaml:3: chain[1].highpass: unknown key 'cutof'; did you mean cutoff?")
    assert second.startswith("eq.yaml:4: chain[2].gian: unknown stage 'gian'; did you mean gain?")


def test_fir_takes_a_file_by_its_name_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sf.write("room.wav", np.array([1.0, 0.5, 0.25]), 48_000, "FLOAT")
    (short,), (plain,) = parse_effect("fir:room.wav"), parse_effect("fir:file=room.wav")
    assert (short.file, short.content) == (plain.file, Path("room.wav").read_bytes())
    with pytest.raises(ChainError, match=r"a file whose name ends in \.txt"):
        parse_effect("fir:hamming")


@pytest.fixture
def voice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    sf.write("voice.wav", np.full(480, 0.25), 48_000)
    return "voice.wav"


def test_an_output_in_the_place_of_an_input_gets_a_hint_at_the_option(run: Any, voice: str) -> None:
    hint = "out.flac does not exist; if it is meant as the output, write -o out.flac"
    done = run("process", voice, "out.flac", "-e", "gain:-3")
    assert done.code == 3
    assert f"torchfx: warning: {hint}" in done.told
    done = run("process", voice, "out.flac")
    assert done.code == 2
    assert done.told == [f"torchfx: error: {hint}"]
    sf.write("out.flac", np.zeros(480), 48_000)
    assert "write -o" not in run("process", voice, "out.flac", "-e", "gain:-3", "--overwrite").err


@pytest.mark.parametrize(("words", "told"), [
    (("-o", "x.m4a"), "M4A is not written here; use opus, ogg or mp3 instead"),
    (("--format", "aac"), "AAC is not written here; use opus, ogg or mp3 instead"),
    (("--format", "alac"), "ALAC is not written here; use caf (--subtype alac) or flac instead"),
    (("-e", "gain:-1", "-o", "x.mp2"), "MP2 is not written here; use opus, ogg or mp3 instead"),
    (("-e", "gain:-1", "-o", "x.xyz"), "no audio format has the extension of x.xyz"),
])
def test_formats_of_other_tools_are_answered_with_those_there_are(
        run: Any, voice: str, words: tuple[str, ...], told: str) -> None:
    done = run("process", voice, *words)
    assert done.code == 2
    assert told in done.err
    assert len(done.told) == 1


def test_a_conversion_needs_no_chain(run: Any, voice: str) -> None:
    assert run("process", voice, "-o", "voice.flac", "--chunk", "1s", "--subtype", "24bit").code == 0
    assert sf.info("voice.flac").subtype == "PCM_24"
    assert np.array_equal(sf.read("voice.flac")[0], np.full(480, 0.25))


@pytest.mark.parametrize(("words", "answer"), [
    (["process", "in.wav", "--preset", "podcast"], "No such option: --preset; here it is --chain (see torchfx process"),
    (["process", "-y", "in.wav"], "No such option: -y; here it is --overwrite ("),
    (["watch", "in", "--out", "x"], "No such option: --out; here it is --output ("),
    (["process", "-i", "in.wav"], "No such option: -i; here it is left out: torchfx process in.wav -o out.wav ("),
    (["import", "eq.txt", "eq.yaml"], "Got unexpected extra argument(s) (eq.yaml); an output is given by -o ("),
    (["presets", "podcast", "voice-over"], "Got unexpected extra argument(s) (voice-over) (see torchfx presets"),
    (["info", "-r", "in.wav"], "No such option: -r (see torchfx info --help)"),
    (["process", "in.wav", "--outptu", "x"], "No such option: --outptu (Possible options: --output) ("),
])
def test_an_option_of_another_program_is_answered_with_the_one_here(run: Any, words: list[str], answer: str) -> None:
    done = run(*words)
    assert done.code == 2
    assert answer in done.err


def test_options_that_are_named_instead_exist_and_the_others_do_not() -> None:
    command = app().commands["process"]
    known = {name for parameter in command.params for name in parameter.opts}
    assert {here for here in HERE.values() if here.startswith("--")} <= known
    assert not HERE.keys() & known


def test_long_lines_of_a_comparison_go_on_below_their_beginning(
        capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(show, "is_terminal", lambda stream: True)
    show.say_wrapped("error     at most -5.6 dBFS, at 0:00.112 in channel 1", "  short", hang=10)
    assert capsys.readouterr().out.splitlines() == [
        "error     at most -5.6 dBFS, at", "          0:00.112 in channel 1", "  short"]
