"""`torchfx process --cluster`: what is refused before anything is opened, and a run on two processes of one machine."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from torchfx_cli.__main__ import main

HERE = "tcp://127.0.0.1:1"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for number in range(4):
        samples = np.random.default_rng(number).uniform(-0.3, 0.3, 8000)
        soundfile.write(tmp_path / "in" / f"{number}.wav", samples, 8000)
    (tmp_path / "in" / "broken.wav").write_bytes(b"no sound")
    return tmp_path


def process(*words: object) -> int:
    return main(["process", *map(str, words)])


@pytest.mark.parametrize(("words", "said"), [
    (["--cluster", "here"], "--cluster: found 'here'; allowed is the address of a Dask scheduler, such as "
                            "tcp://scheduler:8786, or local:4"),
    (["--cluster", "local:0"], "--cluster: found 'local:0'"),
    (["--cluster", HERE, "--jobs", "2"], "--cluster and --jobs contradict each other"),
    (["--cluster", HERE, "--in-place", "--backup", ".old"], "--cluster and --in-place contradict each other"),
    (["--cluster", HERE, "-o", "-"], "--cluster: its workers cannot reach the standard input and output"),
    (["--cluster", HERE, "-o", "out.wav"], "--cluster needs one output folder for all files: give it with -o FOLDER/"),
    (["--cluster", HERE, "--device", "cuda:x"], "--device 'cuda:x': allowed are"),
])
def test_what_a_cluster_cannot_do_is_a_wrong_option(
        files: Path, capfd: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert process(files / "in" / "0.wav", "-e", "gain:-6", *words) == 2
    assert said in capfd.readouterr().err
    assert sorted(path.name for path in files.iterdir()) == ["in"]


def test_a_dry_run_needs_no_cluster(files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert process(files / "in" / "0.wav", "-e", "gain:-6", "-o", files / "out/", "--cluster", HERE, "--dry-run",
                   "--device", "cuda") == 0
    assert "torch on cuda" in capfd.readouterr().out


def test_two_processes_of_this_machine_do_the_same_as_one_run(
        files: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    chain = ["-e", "highpass:80", "-e", "gain:-6"]
    monkeypatch.chdir(files)
    assert process("in", *chain, "-o", "local") == 3
    told = capfd.readouterr().err
    assert process("in", *chain, "-o", "out", "--cluster", "local:2", "--report", "report.json") == 3
    said = capfd.readouterr().err
    assert {path.name: path.read_bytes() for path in (files / "out").glob("*.wav")} == {
        path.name: path.read_bytes() for path in (files / "local").glob("*.wav")}
    assert [line for line in said.splitlines() if "broken" in line] == [
        line for line in told.splitlines() if "broken" in line]
    assert all(line.startswith(("in/", "torchfx: error", "4 ok")) for line in said.splitlines()), said
    report = json.loads((files / "report.json").read_text())
    assert [file["status"] for file in report["files"]] == ["ok"] * 4 + ["failed"]
    assert not list((files / "out").glob("*.part"))
    assert process("in", *chain, "-o", "out", "--resume", "--cluster", HERE, "--exclude",
                   "broken.wav") == 0  # nothing is left to do, and nothing is asked of a cluster
    assert "0 ok, 0 warned, 0 failed, 4 skipped" in capfd.readouterr().err
