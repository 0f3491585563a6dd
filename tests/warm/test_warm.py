"""A call that a warm process does is as if it ran where it was made; one that cannot be so runs there."""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from threading import Timer
from typing import IO

import pytest
from support.warmed import COLD, HERE, ROOT, Warm, wait_for

from torchfx_cli.cli import warm as cli
from torchfx_cli.stream import atomicfile
from torchfx_cli.warm import caller, handover, place, server

# How a program may be started: a shell's words before "$@", which are the program and its arguments.
PLACES = {
    "folder": 'mkdir -p "a b"; cd "a b"; exec "$@"',
    "deleted folder": 'mkdir gone; cd gone; rmdir ../gone; exec "$@"',
    "umask": 'umask 027; exec "$@"',
    "environment": 'export TEST_A=1 TEST_B=$\'\\xff\' HOME=/nowhere TZ=Asia/Tokyo; exec "$@"',
    "limits": 'ulimit -Sn 200; ulimit -f 1000; ulimit -c 0; ulimit -v 8000000; exec "$@"',
    "nice": 'exec nice -n 7 "$@"',
    "disks": 'export TEST_DISKS=1; exec ionice -c 2 -n 7 "$@"',
    "batch": 'exec chrt -b 0 "$@"',
    "one processor": 'exec taskset -c 0 "$@"',
    "nohup": "trap '' INT HUP; exec \"$@\"",
    "descriptors": 'exec 5<"/etc/passwd" 17>/dev/null; exec "$@"',
    "closed": 'exec "$@" <&- 2>&-',
    "words": 'exec "$@" "" "a b" $\'\\xff\' "ä"',
}


def alone(warm: Warm, *words: str, stderr: int | IO[str] = subprocess.DEVNULL,
          pass_fds: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
    """A caller without pipes."""
    null = subprocess.DEVNULL
    return subprocess.Popen(warm.command(*words), env=warm.environment, stdin=null, stdout=null, stderr=stderr,
                            pass_fds=pass_fds)


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


def test_a_call_that_crashes_where_it_said_that_it_may_is_done_by_its_caller(warm: Warm) -> None:
    warm.start()
    for number in (signal.SIGSEGV, signal.SIGKILL):
        assert warm.call("crash", str(int(number)), "at risk").returncode == COLD
        assert warm.call("crash", str(int(number)), "safe").returncode == -number
    assert warm.call("crash", str(int(signal.SIGTERM)), "at risk").returncode == -signal.SIGTERM  # somebody's wish


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
    children = [alone(warm, "count", str(counts), engine) for engine in ("torch", "--device=cuda", "cuda:1")]
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


def test_a_call_that_waits_for_its_turn_can_be_ended_and_one_with_a_pipe_does_not_wait(
        warm: Warm, tmp_path: Path) -> None:
    warm.start()
    kept = warm.told("torch")["pid"]
    first = subprocess.Popen(warm.command("copy", "torch"), env=warm.environment, stdin=subprocess.PIPE)
    wait_for(lambda: is_waiting(first.pid))
    assert not warm.told("torch")  # it may read what the first writes, or the other way
    assert not warm.told("torch", shell='ulimit -t 60; exec "$@"')
    messages = tmp_path / "messages"
    for number, expected in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)):
        with messages.open("w") as file:
            second = alone(warm, "exit", "0", "torch", stderr=file, pass_fds=(file.fileno(),))
            wait_for(partial(is_waiting, second.pid))
            second.send_signal(number)
            assert second.wait(10) == expected
        assert messages.read_text() == ("" if expected < 0 else "torchfx: interrupted\n")
    first.communicate(b"")
    assert first.returncode == 0
    wait_for(lambda: warm.told("torch").get("pid") == kept)
    assert str(messages) not in {os.readlink(path) for path in Path(f"/proc/{kept}/fd").iterdir()}
    assert not warm.told("torch", shell='ulimit -t 60; exec "$@"')  # the child has used some for others


def is_waiting(pid: int) -> bool:
    """Whether that caller has handed its call over: SIGTERM has a handler, and it sleeps."""
    told = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return told["State"].startswith("S") and bool(int(told["SigCgt"], 16) >> signal.SIGTERM - 1 & 1)


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
    warm.process.send_signal(signal.SIGSTOP)
    Timer(0.2, warm.process.send_signal, [signal.SIGCONT]).start()
    said = cli._asked(str(warm.sockets[0]), "status")  # which a call would not wait for
    assert said is not None
    assert said["pids"][0] == warm.process.pid
    warm.process.kill()
    warm.process.wait()
    assert warm.sockets, "a stale one"
    assert not warm.told()


def test_only_calls_prolong_its_time_and_any_time_may_be_asked_for(warm: Warm) -> None:
    warm.start(idle_s=0.5)
    assert warm.process is not None
    address = str(warm.sockets[0])
    began_s = time.monotonic()
    while warm.process.poll() is None:
        assert time.monotonic() - began_s < 10.0
        if connection := handover.connected(address):
            handover.asked(connection, "status")
            connection.close()
        time.sleep(0.01)
    warm.start(idle_s=1e12)
    assert warm.told()


def test_another_may_start_while_the_last_calls_of_one_are_done(
        warm: Warm, tmp_path: Path) -> None:
    warm.start()
    begun = tmp_path / "begun"
    child = subprocess.Popen(warm.command("wait", str(begun)), env=warm.environment)
    wait_for(lambda: begun.exists() and begun.read_text() != "")
    address = str(warm.sockets[0])
    with open(f"{address}.lock") as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert cli._asked(address, "stop")
        wait_for(lambda: not warm.sockets)
        wait_for(lambda: is_free(lock.fileno()))
    child.terminate()
    assert child.wait(10) == 100 + signal.SIGTERM


def is_free(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def test_a_start_waits_until_another_process_has_ended(
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    tries: list[str] = []
    said = {"pids": [1 << 30], "loaded": [], "done": 0, "running": 0, "idle_s": 5.0}
    monkeypatch.setattr(handover, "start", lambda address, idle: tries.append(idle) or len(tries) == 3)
    monkeypatch.setattr(cli, "_asked", lambda address, question: said if len(tries) == 3 else None)
    monkeypatch.setattr(cli, "START_STEP_S", 0.0)
    cli._start("/nowhere", "5")
    assert tries == ["5"] * 3
    assert "ends after 5 s" in capsys.readouterr().out


def test_what_a_call_left_unfinished_is_removed_behind_each_in_a_process_that_goes_on(tmp_path: Path) -> None:
    functions = atexit._ncallbacks()  # type: ignore[attr-defined]
    for _ in range(2):
        part = tmp_path / f"{atomicfile._own_prefix()}1.part"
        part.touch()
        atomicfile._unfinished.add(str(part))
        assert cli._to_the_end(["--version"]) == 0
        atomicfile._unfinished.discard(str(part))
        assert not part.exists()
    assert atexit._ncallbacks() == functions  # type: ignore[attr-defined]


def test_the_hook_is_a_function_of_shells_and_needs_the_client_in_c(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    client = tmp_path / "a b" / "client"
    monkeypatch.setattr(place, "CLIENT", str(client))
    cli.warm("hook")
    said = capsys.readouterr()
    assert (said.out, "was not built" in said.err) == ("", True)
    client.parent.mkdir()
    client.write_text("#!/bin/sh\nshift\nprintf '<%s>' \"$@\"\n")
    client.chmod(0o755)
    cli.warm("hook")
    shell = capsys.readouterr().out + "torchfx process 'x y' '' '*'"
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True)
    assert done.stdout == "<process><x y><><*>"


def test_a_fork_that_fails_leaves_no_signal_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", fork)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with pytest.raises(BlockingIOError):
        server._forked(lambda: os._exit(0))
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_what_is_limited_neither_stays_nor_serves_others(monkeypatch: pytest.MonkeyPatch) -> None:
    unlimited = {"nice": os.getpriority(os.PRIO_PROCESS, 0), "limits": caller.limits()}
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert caller.fits(unlimited)
    assert not caller.fits(unlimited | {"nice": unlimited["nice"] - 1})
    monkeypatch.setattr(caller, "limits", lambda: [(1, 1)] * len(caller.LIMITS))
    assert not caller.fits(unlimited)
    for limit in (resource.RLIMIT_CPU, resource.RLIMIT_NOFILE):
        kept = resource.getrlimit
        monkeypatch.setattr(resource, "getrlimit", lambda asked, limit=limit, kept=kept: (
            (500, 500) if asked == limit else kept(asked)))
        assert not caller.may_stay()
        monkeypatch.setattr(resource, "getrlimit", kept)


def test_it_notices_that_a_package_was_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = tmp_path / "site-packages"
    packages.mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(packages)])
    before = server._loaded_files()
    assert before == server._loaded_files()
    os.utime(packages, (1, 1))
    assert before != server._loaded_files()


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
        command = warm.command(*words) if warm.native else [sys.executable, "-m", "torchfx_cli", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60,
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
    monkeypatch.setattr(place, "LONGEST", len(str(tmp_path)))
    assert place.folder() == ""
    assert place.folder(make=True) == path
    os.chmod(path, 0o701)
    assert place.folder(make=True) == ""
    os.rmdir(path)
    os.symlink(tmp_path, path)
    assert place.folder(make=True) == ""
    monkeypatch.setattr(place, "LONGEST", len(str(tmp_path)) - 1)  # a socket could not be there
    assert not place.folder().startswith(str(tmp_path))
