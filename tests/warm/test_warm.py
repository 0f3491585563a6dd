"""A call that a warm process does is as if it ran where it was made; one that cannot be so runs there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.warmed import HERE, ROOT, Warm, wait_for

from torchfx_cli.warm import handover, place

# How a program may be started: a shell's words before "$@", which are the program and its arguments.
PLACES = {
    "folder": 'mkdir -p "a b"; cd "a b"; exec "$@"',
    "deleted folder": 'mkdir gone; cd gone; rmdir ../gone; exec "$@"',
    "umask": 'umask 027; exec "$@"',
    "environment": 'export TEST_A=1 TEST_B=$\'\\xff\' HOME=/nowhere TZ=Asia/Tokyo; exec "$@"',
    "limits": 'ulimit -Sn 200; ulimit -f 1000; ulimit -c 0; ulimit -v 8000000; exec "$@"',
    "nice": 'exec nice -n 7 "$@"',
    "one processor": 'exec taskset -c 0 "$@"',
    "nohup": "trap '' INT HUP; exec \"$@\"",
    "descriptors": 'exec 5<"/etc/passwd" 17>/dev/null; exec "$@"',
    "closed": 'exec "$@" <&- 2>&-',
    "words": 'exec "$@" "" "a b" $\'\\xff\' "ä"',
}


def test_a_call_finds_itself_as_a_program_that_was_started_there(warm: Warm, tmp_path: Path) -> None:
    warm.start()
    warm.told()  # the first may load modules, the second is the rule
    for shell in PLACES.values():
        told = warm.told(shell=shell, cwd=tmp_path)
        program = ["bash", "-c", shell, "bash", sys.executable, str(HERE / "told.py"), "tell"]
        direct = subprocess.run(program, env=warm.environment, capture_output=True, text=True, cwd=tmp_path, timeout=30)
        expected = json.loads(direct.stdout)
        assert told.pop("pid") != expected.pop("pid")
        assert told == expected


def test_exit_codes_and_ends_by_a_signal_are_those_of_the_call(warm: Warm) -> None:
    warm.start()
    assert [warm.call("exit", str(code)).returncode for code in (0, 1, 3, 141)] == [0, 1, 3, 141]
    assert warm.call("kill", "9").returncode == -9
    assert warm.call("kill", "15").returncode == -15
    assert warm.call("copy", input="a\nb").stdout == "a\nb"


def test_each_call_has_a_process_of_its_own_and_many_run_at_a_time(warm: Warm, tmp_path: Path) -> None:
    warm.start()
    counts = tmp_path / "counts"
    children = [subprocess.Popen(warm.command("count", str(counts)), env=warm.environment) for _ in range(4)]
    assert [child.wait(30) for child in children] == [0, 0, 0, 0]
    who = [line.split()[0] for line in counts.read_text().splitlines()]
    assert len(set(who)) == 4
    assert who != sorted(who)


def test_calls_with_torch_are_done_one_after_another_by_one_process(warm: Warm, tmp_path: Path) -> None:
    warm.start()
    counts = tmp_path / "counts"
    children = [subprocess.Popen(warm.command("count", str(counts), engine), env=warm.environment)
                for engine in ("torch", "--device=cuda", "cuda:1")]
    assert [child.wait(30) for child in children] == [0, 0, 0]
    lines = counts.read_text().splitlines()
    assert len({line.split()[0] for line in lines}) == 1
    assert [line.split()[1] for line in lines] == ["0", "1", "2"] * 3
    first = warm.told("torch", shell='exec 17</dev/null; umask 077; exec "$@"')
    second = warm.told("torch")
    assert first["descriptors"] == {"17": "/dev/null"}
    assert (second["descriptors"], second["mask"]) == ({}, warm.told()["mask"])
    assert first["pid"] == second["pid"] == int(lines[0].split()[0])
    assert warm.call("kill", "9", "torch").returncode == -9  # the next has another one
    assert warm.told("torch")["pid"] != first["pid"]


@pytest.mark.parametrize("engine", ["native", "torch"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_call(warm: Warm, tmp_path: Path, engine: str, number: int) -> None:
    warm.start()
    begun = tmp_path / "begun"
    child = subprocess.Popen(warm.command("wait", str(begun), engine), env=warm.environment)
    wait_for(lambda: begun.exists() and begun.read_text() != "")
    child.send_signal(number)
    assert child.wait(10) == 100 + number
    assert warm.told()


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_a_call_whose_caller_is_killed_ends_too_and_one_that_is_stopped_waits(
        warm: Warm, tmp_path: Path, engine: str) -> None:
    warm.start()
    begun = tmp_path / "begun"
    child = subprocess.Popen(warm.command("wait", str(begun), engine), env=warm.environment)
    wait_for(lambda: begun.exists() and begun.read_text() != "")
    stat = Path("/proc", begun.read_text(), "stat")
    child.send_signal(signal.SIGTSTP)
    wait_for(lambda: stat.read_text().split()[2] == "T")
    child.send_signal(signal.SIGCONT)
    wait_for(lambda: stat.read_text().split()[2] == "S")
    child.kill()
    assert child.wait(10) == -9
    wait_for(lambda: not stat.exists())
    assert warm.told()


def test_what_cannot_be_a_warm_process_of_this_user_and_environment_is_not_called(warm: Warm) -> None:
    warm.start()
    assert warm.told()
    assert not warm.told(env={"OMP_NUM_THREADS": "3"})  # what NumPy and torch read once
    assert not warm.told(env={"TORCHFX_WARM": "off"})
    folder = warm.sockets[0].parent
    folder.chmod(0o750)
    assert not warm.told()
    folder.chmod(0o700)
    assert warm.told()
    assert not warm.told(shell='ulimit -Hn unlimited 2>/dev/null; exec 450</dev/null; exec "$@"')


def test_a_process_that_does_not_answer_is_not_waited_for(warm: Warm) -> None:
    warm.start()
    assert warm.process is not None
    assert warm.told()
    warm.process.send_signal(signal.SIGSTOP)
    began_s = time.monotonic()
    assert not warm.told(env={"TEST_ANSWER_S": str(handover.ANSWER_S)})
    took_s = time.monotonic() - began_s
    warm.process.send_signal(signal.SIGCONT)
    assert took_s < 2.0
    assert warm.told()
    warm.process.kill()
    warm.process.wait()
    assert warm.sockets, "a stale one"
    assert not warm.told()


def test_it_ends_when_it_was_idle_and_when_the_program_was_installed_anew(warm: Warm, tmp_path: Path) -> None:
    warm.start(idle_s=0.3)
    assert warm.process is not None
    assert warm.process.wait(10) == 0
    assert not warm.sockets
    changed = tmp_path / "torchfx_cli_changed.py"
    changed.write_text("")
    warm.environment["TEST_LOADS"] = str(changed)
    warm.start()
    assert warm.told()
    os.utime(changed, (1, 1))
    assert not warm.told()
    assert warm.process.wait(10) == 0


def test_the_program_itself_starts_one_tells_of_it_and_stops_it(warm: Warm, ramp: Path) -> None:
    def torchfx(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "torchfx_cli", *words], capture_output=True, text=True, timeout=60,
                              env={**warm.environment, "PYTHONPATH": str(ROOT), **environment}, cwd=ramp.parent)

    assert torchfx("warm").stdout == "no warm process is running\n"
    started = torchfx("warm", "start", "--idle", "30")
    assert "0 calls done, 0 running; ends after 30 s" in started.stdout, started
    line = ["process", "in.wav", "-e", "lowpass:1000", "-o", "out.wav", "--overwrite"]
    told, data = [], []
    for mode in ("off", "30"):
        done = torchfx(*line, TORCHFX_WARM=mode)
        told.append((done.returncode, done.stdout, done.stderr.split(" in ")[0]))
        data.append((ramp.parent / "out.wav").read_bytes())
    assert told[0] == told[1]
    assert data[0] == data[1]
    bad = [torchfx("process", "none.wav", "-e", "lowpass:1e9", TORCHFX_WARM=mode) for mode in ("off", "30")]
    assert (bad[0].returncode, bad[0].stderr) == (bad[1].returncode, bad[1].stderr)
    assert "2 calls done, 0 running; ends after 30 s" in torchfx("warm", "status").stdout
    assert torchfx("warm", "stop").stdout.startswith("stopped: process ")
    assert torchfx("warm", "stop").stdout == "no warm process is running\n"
    wrong = torchfx("--version", TORCHFX_WARM="soon")
    assert wrong.returncode == 2
    assert wrong.stderr == "torchfx: error: TORCHFX_WARM: expected seconds or off, got 'soon'\n"


def test_a_runtime_folder_that_others_can_write_or_that_is_a_link_is_not_used(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    path = f"{tmp_path}/torchfx-{os.geteuid()}"
    assert place.folder() == ""
    assert place.folder(make=True) == path
    os.chmod(path, 0o701)
    assert place.folder(make=True) == ""
    os.rmdir(path)
    os.symlink(tmp_path, path)
    assert place.folder(make=True) == ""
