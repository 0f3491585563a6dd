"""Ctrl-C, kill and a closed terminal: the right exit code, nothing half done left, and the second one ends at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).parents[2]
SLOW = ("-e", "highpass:80", "--chunk", "0.0001")  # a block a frame: hours of work for a minute of sound


def started(folder: Path, *arguments: str, before: str = "") -> subprocess.Popen[str]:
    """torchfx at work in `folder`: its temporary output is there."""
    soundfile.write(folder / "in.wav", np.zeros((8000 * 600, 2), np.int16), 8000)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    torchfx = [sys.executable, "-m", "torchfx_cli", "process", "in.wav", *SLOW, *arguments]
    child = subprocess.Popen(["bash", "-c", f'{before} exec "$@"', "bash", *torchfx], cwd=folder, env=env,
                             stderr=subprocess.PIPE, text=True)
    for _ in range(1000):
        if list(folder.glob("processed/.torchfx-*.part")):
            return child
        assert child.poll() is None, child.stderr.read() if child.stderr else ""
        time.sleep(0.01)
    child.kill()
    raise AssertionError("no temporary output was seen")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_the_run_and_leaves_nothing_behind(tmp_path: Path, number: int, code: int) -> None:
    child = started(tmp_path)
    child.send_signal(number)
    _, told = child.communicate(timeout=20)
    assert (child.returncode, told) == (code, "torchfx: interrupted\n")
    assert list((tmp_path / "processed").iterdir()) == []


def test_the_counts_of_an_interrupted_batch_add_up(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "b.wav", np.zeros(80, np.int16), 8000)
    child = started(tmp_path, "b.wav", "c.wav", "--jobs", "1")
    child.send_signal(signal.SIGINT)
    _, told = child.communicate(timeout=20)
    assert told.splitlines() == ["0 ok, 0 warned, 0 failed, 0 skipped, 3 not done", "torchfx: interrupted"]


def test_a_signal_that_the_caller_ignores_stays_ignored(tmp_path: Path) -> None:
    child = started(tmp_path, before="trap '' HUP;")
    child.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert child.poll() is None, "nohup must protect the run"
    child.terminate()
    child.communicate(timeout=20)
    assert child.returncode == 143


def test_a_signal_that_comes_inside_a_destructor_is_not_lost() -> None:
    script = """
import os, signal, time
from torchfx_cli.cli import signals
from torchfx_cli.errors import Interrupted

class Unlucky:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        sum(range(100))

with signals.raised():
    try:
        for _ in range(500):
            Unlucky()
            time.sleep(0.01)
            break
        time.sleep(5)
        print("lost")
    except Interrupted as stop:
        print(stop.exit_code)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=20)
    assert (done.returncode, done.stdout, done.stderr) == (0, "143\n", "")


def test_the_second_signal_ends_at_once() -> None:
    script = """
import os, signal, time
from torchfx_cli.cli import signals
from torchfx_cli.errors import Interrupted
with signals.raised():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    except Interrupted as stop:
        print(stop.exit_code, flush=True)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
    print("still here")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=20)
    assert (done.returncode, done.stdout) == (130, "143\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("arguments", [["info", "in.wav"], ["process", "in.wav", "-e", "gain:1", "--dry-run"]])
def test_what_writes_nothing_ends_within_two_seconds_also_in_a_long_call(
        tmp_path: Path, arguments: list[str], number: int) -> None:
    """A decoder that looks through a huge file stands for minutes in one call, in which Python hears of no signal."""
    soundfile.write(tmp_path / "in.wav", np.zeros(80, np.int16), 8000)
    script = f"""
import ctypes, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from torchfx_cli.stream import opened
def slow(fd):
    print("opening", flush=True)
    libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(64)
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)  # which no signal interrupts
opened.open_to_read = slow
from torchfx_cli.__main__ import main
sys.exit(main({arguments!r}))
"""
    child = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "opening\n"
    child.send_signal(number)
    asked = time.monotonic()
    _, told = child.communicate(timeout=20)
    assert time.monotonic() - asked < 2.0
    assert (child.returncode, told) == (128 + number, "torchfx: interrupted\n")


def test_handlers_are_put_back(run: Any) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    assert run("--version").code == 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before
