"""`torchfx watch` as a user has it: a process that is fed, looked at, and ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).parents[2]
GAIN = ("-e", "gain:-6.0206", "--dither", "none")


def put(path: Path, level: int = 1000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(800, level, np.int16), 8000)


def levels(path: Path) -> set[int]:
    return set(soundfile.read(path, dtype="int16")[0].tolist())


def wait_for(path: Path, child: subprocess.Popen[str]) -> None:
    for _ in range(1000):
        if path.exists():
            return
        assert child.poll() is None
        time.sleep(0.01)
    raise AssertionError(f"{path} never came")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_files_are_done_as_they_come_until_a_signal(tmp_path: Path, number: int, code: int) -> None:
    put(tmp_path / "in" / "a.wav", 1000)
    words = ["watch", "in", *GAIN, "-o", "done", "--poll", "0.05", "--settle", "0.1"]
    child = subprocess.Popen([sys.executable, "-m", "torchfx_cli", *words], cwd=tmp_path, text=True,
                             env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE)
    wait_for(tmp_path / "done" / "a.wav", child)
    put(tmp_path / "in" / "sub" / "b.wav", 2000)
    wait_for(tmp_path / "done" / "sub" / "b.wav", child)
    child.send_signal(number)
    _, told = child.communicate(timeout=20)
    assert child.returncode == code
    first, *results, counts, last = told.splitlines()
    assert first == "watching in; outputs go to done; Ctrl-C ends it"
    assert [line.split("  ")[0] for line in results] == [
        "in/a.wav -> done/a.wav", "in/sub/b.wav -> done/sub/b.wav"][: len(results)]
    assert (counts.startswith(("1 ok", "2 ok")), last) == (True, "torchfx: interrupted")
    assert (levels(tmp_path / "done" / "a.wav"), levels(tmp_path / "done" / "sub" / "b.wav")) == ({500}, {1000})


def test_once_does_what_is_there_and_says_what_failed(run: Callable[..., Any], tmp_path: Path) -> None:
    put(tmp_path / "in" / "a.wav")
    (tmp_path / "in" / "bad.wav").write_text("no sound")
    words = ("watch", tmp_path / "in", *GAIN, "-o", tmp_path / "done", "--once", "--settle", "0")
    done = run(*words, "--json")
    assert done.code == 3
    assert {Path(record["input"]).name: record["status"] for record in map(json.loads, done.out.splitlines())} == {
        "a.wav": "ok", "bad.wav": "failed"}
    assert done.told[-1].startswith("1 ok, 0 warned, 1 failed, 0 skipped")
    os.remove(tmp_path / "in" / "bad.wav")
    again = run(*words)
    assert (again.code, again.out, again.told) == (0, "", ["0 ok, 0 warned, 0 failed, 0 skipped"])
    assert run(*words, "--quiet").err == ""


@pytest.mark.parametrize(("words", "message"), [
    (("nowhere", "-o", "done"), "no such folder: nowhere"),
    (("in/a.wav", "-o", "done"), "in/a.wav is not a folder; watch takes one"),
    (("in",), "watch needs a folder for its outputs: give it with -o FOLDER"),
    (("in", "-o", "in"), "outputs cannot go into in, which is watched; give another folder with -o"),
    (("in", "-o", "in/../in/"), "outputs cannot go into in, which is watched; give another folder with -o"),
    (("in", "-o", "in/a.wav"), "-o: in/a.wav is a file; watch needs a folder"),
    (("in", "-o", "done", "--poll", "0"), "--poll: found '0'; allowed is a number of seconds, above 0 to 1e+06"),
    (("in", "-o", "done", "--settle", "-1"), "--settle: found '-1'; allowed is a number of seconds, 0 to 1e+06"),
    (("in", "-o", "done", "--name", "x.wav"), "--name: x.wav gives every output the same name"),
    (("in", "-o", "done", "--format", "flac", "--subtype", "float"), "FLAC cannot hold float"),
    (("in", "-o", "done", "-q", "-v"), "--quiet and --verbose contradict each other"),
])
def test_a_mistake_is_told_before_anything_is_watched(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], message: str
) -> None:
    put(tmp_path / "in" / "a.wav")
    monkeypatch.chdir(tmp_path)
    done = run("watch", *words, *GAIN)
    assert done.code == 2
    assert done.told[0].startswith(f"torchfx: error: {message}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def test_a_chain_is_needed(run: Callable[..., Any], tmp_path: Path) -> None:
    done = run("watch", tmp_path, "-o", tmp_path / "done")
    assert done.code == 2
    assert "nothing to apply" in done.err
