"""`--report` and `--failed` beside everything else that a command line names: nothing of the user's is lost."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

HALF = "gain:-6.020599913279624"
CHAIN = "chain:\n  - preset: ./part.yaml\n  - fir: {file: taps.txt}\n"
PART = "chain:\n  - preset: ./deep.yaml\n"
DEEP = "chain:\n  - gain: -6\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: in/a.wav, in/b.wav, bad.wav, a chain of four files, a list, notes of the user."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for name in ("in/a.wav", "in/b.wav"):
        soundfile.write(name, np.full(80, 4000, np.int16), 8000)
    for name, text in (("eq.yaml", CHAIN), ("part.yaml", PART), ("deep.yaml", DEEP), ("taps.txt", "0.5\n0.5\n"),
                       ("names", "in/a.wav\nin/b.wav\n"), ("notes", "mine"), ("bad.wav", "no sound")):
        Path(name).write_text(text)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes | str]:
    """Everything below `folder`; links by what they say."""
    return {str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.read_bytes()
            for path in sorted(folder.rglob("*")) if path.is_symlink() or path.is_file()}


@pytest.mark.parametrize("way", ["plain", "soft", "hard", "dots"])
@pytest.mark.parametrize("victim", ["in/a.wav", "eq.yaml", "part.yaml", "deep.yaml", "taps.txt", "names"])
def test_what_the_run_reads_is_refused_by_whatever_name(run: Any, place: Path, victim: str, way: str) -> None:
    name = {"plain": victim, "dots": f"in/../{victim}"}.get(way, "other")
    if way == "soft":
        Path("other").symlink_to(victim)
    elif way == "hard":
        os.link(victim, "other")
    before = contents(place)
    for option, flags, source in itertools.product(
            ("--report", "--failed"), ([], ["--overwrite"], ["--dry-run"]), (["--files-from", "names"], ["names@"])):
        done = run("process", *source, "-c", "eq.yaml", "-o", "out", option, name, *flags)
        assert (done.code, len(done.told)) == (2, 1), done.err
        assert done.err.startswith(f"torchfx: error: {option}: {name} is ")
        assert contents(place) == before


def test_an_output_does_not_overwrite_the_taps(run: Any, place: Path) -> None:
    soundfile.write("taps.wav", np.array([0.5, 0.5]), 8000, "FLOAT")
    Path("link.wav").symlink_to("taps.wav")
    before = contents(place)
    for output in ("taps.wav", "in/../taps.wav", "link.wav"):
        done = run("process", "in/a.wav", "-e", "fir:file=taps.wav", "--overwrite", "-o", output)
        assert (done.code, contents(place)) == (2, before)
        assert "which the chain is read from" in done.err


@pytest.mark.parametrize("name", ["notes", "link"])
@pytest.mark.parametrize("option", ["--report", "--failed"])
def test_what_others_wrote_needs_overwrite_and_what_it_wrote_itself_does_not(
        run: Any, place: Path, option: str, name: str) -> None:
    Path("link").symlink_to("notes")
    line = ["process", "in", "bad.wav", "-e", HALF, option, name]
    before = contents(place)
    done = run(*line, "-o", "out")
    assert (done.code, contents(place)) == (2, before)
    assert done.err == (f"torchfx: error: {option}: {name} exists, and torchfx did not write it for this option; "
                        "--overwrite replaces it\n")
    assert run(*line, "-o", "out", "--overwrite").code == 3
    first = Path("notes").read_bytes()
    assert first != b"mine"
    Path("notes").write_bytes(first + (b"" if option == "--report" else b"in/./more.wav\n"))
    assert run(*line, "-o", "out", "--resume").code == 3, "an earlier report is no obstacle"
    assert os.readlink("link") == "notes"
    if option == "--failed":
        assert Path("notes").read_bytes() == b"././bad.wav\n"
    else:
        assert json.loads(Path("notes").read_text())["counts"]["failed"] == 1


@pytest.mark.parametrize("option", ["--report", "--failed"])
@pytest.mark.parametrize("name", ["out", "out/sub", "out/sub/b.wav", "out/.torchfx-journal", "in/../out"])
def test_the_output_folder_and_what_comes_into_it_is_told_before_the_work(
        run: Any, place: Path, option: str, name: str) -> None:
    Path("in/sub").mkdir()
    Path("in/b.wav").rename("in/sub/b.wav")
    before = contents(place)
    done = run("process", "in", "-e", HALF, "-o", "out", option, name)
    assert (done.code, contents(place)) == (2, before)
    assert not Path("out").exists()
    assert done.err.startswith(f"torchfx: error: {option}: {name} is ")


def test_in_place_neither_the_file_nor_its_backup_is_a_report(run: Any, place: Path) -> None:
    before = contents(place)
    for name in ("in/a.wav", "in/a.wav.bak"):
        done = run("process", "in", "-e", HALF, "--in-place", "--backup", ".bak", "--report", name)
        assert (done.code, contents(place)) == (2, before)
    done = run("process", "in", "-e", HALF, "--in-place", "--backup", ".bak", "--report", "r.json")
    assert done.code == 0
    assert contents(place)["in/a.wav.bak"] == before["in/a.wav"]
    assert json.loads(Path("r.json").read_text())["counts"]["ok"] == 2


@pytest.mark.parametrize("arguments", [
    ["--report", "r", "--failed", "./r"], ["--report", "-", "--failed", "/dev/stdout"], ["--report", "-", "--json"],
    ["--failed", "/proc/self/fd/1", "--json"], ["--report", "-", "-o", "-"], ["--report", "link", "-o", "-"],
])
def test_two_outputs_in_one_place_are_refused(torchfx: Any, place: Path, arguments: list[str]) -> None:
    Path("link").symlink_to("/dev/stdout")
    done = torchfx("process", "in/a.wav", "-e", HALF, "-o", "x.wav", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "are the same file" in done.stderr
    assert not Path("x.wav").exists()


@pytest.mark.parametrize(("name", "shell"), [
    ("-", '"$@"'), ("/dev/stdout", '"$@" | cat'), ("link", '"$@"'), ("/dev/stderr", '"$@" -q 2>&1'),
    ("/dev/fd/5", '"$@" 5>&1'), ("pipe", 'cat pipe & "$@"; wait'),
])
def test_a_report_goes_into_a_stream_and_its_name_stays(torchfx: Any, place: Path, name: str, shell: str) -> None:
    Path("link").symlink_to("/proc/self/fd/1")
    os.mkfifo("pipe")
    before = {path: os.lstat(path).st_ino for path in ("link", "pipe")}
    done = torchfx("process", "in", "bad.wav", "-e", HALF, "-o", "out", "--report", name, "--failed", "f", shell=shell)
    text = done.stdout[done.stdout.index("{\n") :]
    assert json.loads(text)["counts"] == {"ok": 2, "warned": 0, "failed": 1, "skipped": 0, "not_done": 0}
    assert Path("f").read_text() == "././bad.wav\n"
    assert {path: os.lstat(path).st_ino for path in before} == before


def test_a_stream_that_is_an_input_is_refused(torchfx: Any, place: Path) -> None:
    before = contents(place)
    for arguments, shell in ((["in/a.wav", "-o", "-"], '"$@" >> in/a.wav'),
                             (["in/a.wav", "-o", "x.wav", "--report", "-"], '"$@" >> in/a.wav'),
                             (["-", "-o", "in/a.wav", "--overwrite"], '"$@" < in/a.wav'),
                             (["-", "-o", "x.wav", "--report", "in/a.wav"], '"$@" < in/a.wav')):
        done = torchfx("process", *arguments, "-e", HALF, shell=shell)
        assert (done.returncode, contents(place)) == (2, before), done.stderr
        assert "the input" in done.stderr


def test_a_report_that_is_lost_makes_the_exit_code_one_and_nothing_else_is_lost(torchfx: Any, place: Path) -> None:
    done = torchfx("process", "in", "-e", HALF, "-o", "out", "--report", "/dev/full", "--failed", "f")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        1, "torchfx: error: --report: /dev/full cannot be written: No space left on device")
    assert (len(list(Path("out").glob("*.wav"))), Path("f").read_text()) == (2, "")
    quiet = torchfx("process", "in", "-e", HALF, "-o", "out2", "-q", "--report", "-",
                    shell='"$@" | true; exit ${PIPESTATUS[0]}')
    assert (quiet.returncode, quiet.stderr) == (0, "")


@pytest.mark.parametrize("shell", ['exec "$@" >&-', 'exec "$@" <&- >&-'])
def test_audio_and_reports_for_a_closed_stream_are_told_before_the_work(torchfx: Any, place: Path, shell: str) -> None:
    for arguments in (["-o", "-"], ["-o", "x.wav", "--report", "-"]):
        done = torchfx("process", "in/a.wav", "-e", HALF, *arguments, shell=shell)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
        assert "closed" in done.stderr
        assert not Path("x.wav").exists()
    if "<&-" in shell:
        done = torchfx("process", "-", "-e", HALF, "-o", "x.wav", shell=shell)
        assert (done.returncode, done.stderr) == (2, "torchfx: error: - reads audio from the standard input, which is "
                                                  "closed\n")


def test_records_for_a_closed_stream_are_told_and_the_work_is_done(torchfx: Any, place: Path) -> None:
    done = torchfx("process", "in", "-e", HALF, "-o", "out", "--json", "-q", shell='exec "$@" >&-')
    assert (done.returncode, done.stderr) == (
        1, "torchfx: error: cannot write to the standard output: it is closed\n")
    assert len(list(Path("out").glob("*.wav"))) == 2


Redo = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("zero", [[], ["-0"]])
@pytest.mark.parametrize("arguments", [
    ["in", "-o", "out"], ["in/sub/./../*", "-o", "out"], ["*.wav", "-o", "out"], ["in", "top.wav", "-o", "out"],
    ["in/sub/bad.wav", "-o", "out"], ["in/sub/bad.wav", "-o", "one.wav"], ["./in/./sub", "-o", "out"],
    ["in", "in2"], ["in/sub/bad.wav"], ["ls@", "-o", "out"], ["--files-from", "ls", "-o", "out"], ["ls@"],
    ["./-", "in/sub/cr\r", "-o", "out", "--format", "wav"],
    ["in", "-o", "out", "--name", "{parent}/{stem}-x{ext}"],
])
def test_the_list_of_failures_gives_the_same_outputs_again(
        run: Any, place: Path, arguments: list[str], zero: list[str]) -> None:
    Path("in/sub").mkdir()
    Path("in2").mkdir()
    names = ["in/sub/bad.wav", "in/line\nbreak.wav", "in/sub/cr\r", "in2/c.wav", "top.wav", "-"]
    for name in names:
        Path(name).write_text("no sound")
    Path("ls").write_text("in/./sub/bad.wav\n./in/sub/bad.wav\nin2/c.wav\ntop.wav\n././in2/./c.wav\n")
    done = run("process", *arguments, "-e", HALF, "--failed", "f", "--report", "r", "--jobs", "1", *zero)
    assert done.code == 3, done.err
    expected = {(file["input"], os.path.abspath(file["output"])) for file in json.loads(Path("r").read_text())["files"]
                if file["status"] == "failed"}
    options = [word for word in arguments[1:] if word.startswith("-") or arguments[arguments.index(word) - 1][0] == "-"]
    if arguments[0] == "--files-from":
        options = options[1:]
    again = run("process", "--files-from", "f", "-e", HALF, "--overwrite", "--report", "r2", "--jobs", "1", *options)
    assert again.code == 3, again.err
    found = {(os.path.normpath(file["input"]), os.path.abspath(file["output"]))
             for file in json.loads(Path("r2").read_text())["files"]}
    assert found == {(os.path.normpath(source), output) for source, output in expected}


def test_a_pipe_that_failed_is_not_listed_for_it_cannot_be_read_again(torchfx: Any, place: Path) -> None:
    done = torchfx("process", "-", "-e", HALF, "-o", "x.wav", "--failed", "f", shell='cat bad.wav | "$@"')
    assert (done.returncode, Path("f").read_text()) == (3, "")


def test_a_report_in_the_output_folder_needs_no_earlier_run(run: Any, place: Path) -> None:
    line = ["process", "in", "bad.wav", "-e", HALF, "-o", "out", "--report", "out/r.jsonl", "--failed", "out/f"]
    assert run(*line, "--dry-run").code == 3
    assert not Path("out").exists()
    assert run(*line).code == 3
    told = [json.loads(record) for record in Path("out/r.jsonl").read_text().splitlines()]
    assert [record["status"] for record in told] == ["ok", "ok", "failed"]
    assert Path("out/f").read_text() == "././bad.wav\n"


@pytest.mark.parametrize("line", ["in/./../evil/x.wav", "in/./a/../../evil/x.wav", "in/./..", "in/sub/./../../x.wav"])
@pytest.mark.parametrize("options", [["-o", "out/deep"], [], ["-o", "out/deep", "--name", "{parent}/{stem}{ext}"]])
def test_no_line_of_a_list_leads_out_of_the_output_folder(
        run: Any, place: Path, line: str, options: list[str]) -> None:
    for folder in ("evil", "out", "in/sub"):
        Path(folder).mkdir()
    for name in ("evil/x.wav", "x.wav"):
        soundfile.write(name, np.zeros(80, np.int16), 8000)
    Path("names").write_text(f"{line}\n")
    before = contents(place)
    for source in (["--files-from", "names"], ["names@"]):
        done = run("process", *source, "-e", HALF, *options)
        assert done.code in (1, 2), "a folder in a list is left out, and then nothing is left"
        assert contents(place) == before
        assert not Path("out/deep").exists()


def test_slashes_behind_the_mark_of_a_list_mean_no_other_place(run: Any, place: Path) -> None:
    Path("names").write_text(f"in/./{place}/in/a.wav\nin/.///b.wav\n")
    done = run("process", "--files-from", "names", "-e", HALF, "-o", "out")
    assert done.code == 3
    assert [str(path.relative_to("out")) for path in Path("out").rglob("*.wav")] == ["b.wav"]


@pytest.mark.parametrize("there", [True, False])
def test_an_output_that_is_a_link_keeps_it_and_an_input_behind_it_is_refused(
        run: Any, place: Path, there: bool) -> None:
    Path("far").mkdir()
    if there:
        soundfile.write("far/t.wav", np.zeros(3, np.int16), 8000)
    Path("link.wav").symlink_to("far/t.wav")
    refused = run("process", "in/a.wav", "-e", HALF, "-o", "link.wav")
    assert refused.code == 2
    assert "link.wav exists" in refused.err
    done = run("process", "in/a.wav", "-e", HALF, "-o", "link.wav", "--overwrite", "--dither", "none", "--report", "r")
    assert done.code == 0, done.err
    assert (os.readlink("link.wav"), os.listdir("far")) == ("far/t.wav", ["t.wav"])
    assert soundfile.read("far/t.wav", dtype="int16")[0].tolist() == [2000] * 80
    before = contents(place)
    for source in ("far/t.wav", "./link.wav"):
        assert run("process", source, "-e", HALF, "-o", "link.wav", "--overwrite").code == 2
        assert contents(place) == before
    again = run("process", "in/a.wav", "-e", HALF, "-o", "link.wav", "--overwrite", "--report", "far/t.wav")
    assert (again.code, contents(place)) == (2, before)


def test_an_output_that_links_to_a_device_is_refused_before_the_work(run: Any, place: Path) -> None:
    Path("null.wav").symlink_to("/dev/null")
    done = run("process", "in/a.wav", "-e", HALF, "-o", "null.wav", "--overwrite")
    assert (done.code, done.err) == (2, "torchfx: error: null.wav exists and is not a regular file\n")
