"""Batches that are killed, interrupted, starved and lied to: every output whole or absent, and resuming ends equal."""

from __future__ import annotations

import os
import random
import re
import resource
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.invariants import check_exit, check_told, nothing_lost
from support.rounds import ROUNDS
from support.started import Started
from support.strace import needs_strace
from support.trees import TORCHFX, Tree, environment, make_tree

from torchfx_cli.tasks.journal import NAME

KILLS = 6 * ROUNDS
JOURNAL = (re.escape(NAME) + r"(-\d+)?", r"\d+")  # beside outputs, there are journals and the mirrored folders
HALVES = (("--include", "[ab].*"), ("--include", "[cd].*"))  # of the inputs


def parts(folder: Path) -> list[Path]:
    return sorted(folder.rglob(".torchfx-*.part"))


def journal_bytes(tree: Tree) -> int:
    path = tree.out / NAME
    return path.stat().st_size if path.exists() else 0


@contextmanager
def held(child: Started, begun: Callable[[], bool]) -> Iterator[None]:
    """`child`, once it has `begun`, does not go on meanwhile; its workers end what they have in hand."""
    while not begun():
        assert child.poll() is None, "it ended before it could be held"
        time.sleep(0.001)
    child.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        child.send_signal(signal.SIGCONT)


def check_resumed(tree: Tree, *more: str) -> None:
    """A run that goes on ends as one that was never disturbed: the same bytes, nothing left behind."""
    with nothing_lost(tree.inputs, tree.truth, also=JOURNAL):
        done = tree.run("--resume", *more)
    assert done.returncode == 0, done.stderr
    check_exit(done.returncode, tree.truth)
    check_told(done.stderr, inputs=len(tree.truth))
    assert parts(tree.out) == []


def test_kill_9_at_random_moments_leaves_whole_outputs_or_none_and_resuming_ends_equal(tree: Tree) -> None:
    rng = random.Random(5)
    finished = 0
    for _ in range(KILLS):
        with nothing_lost(tree.inputs, tree.truth, killed=True, also=JOURNAL):
            child = tree.start("--resume", "--chunk", "0.001")  # a whole run takes half a second and more
            try:
                child.wait(rng.uniform(0.01, 0.15))
            except subprocess.TimeoutExpired:
                child.kill()
            child.communicate()
        if child.returncode == 0:
            finished += 1
            check_exit(0, tree.truth)
            shutil.rmtree(tree.out)
        else:
            assert child.returncode == -signal.SIGKILL
    assert finished < KILLS / 2, "the kills came too late to prove anything"
    check_resumed(tree)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_a_batch_within_two_seconds_and_leaves_no_temporary_file(
        tree: Tree, number: int, code: int) -> None:
    rng = random.Random(number)
    stopped = 0
    for _ in range(2 * ROUNDS):
        with nothing_lost(tree.inputs, tree.truth, also=JOURNAL):
            noted = journal_bytes(tree)
            child = tree.start("--resume")
            while journal_bytes(tree) == noted and child.poll() is None:  # until it runs
                time.sleep(0.005)
            time.sleep(rng.uniform(0.0, 0.1))
            child.send_signal(number)
            asked = time.monotonic()
            _, told = child.communicate(timeout=20)
            assert time.monotonic() - asked < 2.0
        if child.returncode == code:
            stopped += 1
            assert told.splitlines()[-1:] == ["torchfx: interrupted"]
            for summary in (line.split("  in ")[0] for line in told.splitlines() if " ok, " in line):
                assert sum(map(int, re.findall(r"\d+", summary))) == len(tree.truth)
        else:  # it came when all was done, perhaps while the interpreter was leaving
            assert child.returncode in (0, -number), told
            check_exit(0, tree.truth)
            shutil.rmtree(tree.out)
        assert parts(tree.out) == []
    assert stopped >= 1, "the signals came too late to prove anything"
    check_resumed(tree)


def test_ctrl_c_at_a_terminal_reaches_workers_too_and_they_leave_it_to_the_run(tree: Tree) -> None:
    child = tree.start()
    while not list(tree.out.glob("*/*.wav")) and child.poll() is None:
        time.sleep(0.005)
    os.killpg(child.pid, signal.SIGINT)
    _, told = child.communicate(timeout=20)
    assert child.returncode in (0, 130)
    assert "Traceback" not in told
    assert parts(tree.out) == []
    check_resumed(tree)


def test_a_resumed_run_refuses_while_another_is_at_work_in_its_folder(tree: Tree) -> None:
    first = tree.start()
    with held(first, lambda: journal_bytes(tree) > 0):
        second = tree.run("--resume")
    assert second.returncode == 1
    assert re.search(rf"the output folder {re.escape(str(tree.out))} is in use by process {first.pid}; ", second.stderr)
    _, told = first.communicate(timeout=60)
    assert first.returncode == 0, told
    check_exit(0, tree.truth)


@pytest.mark.parametrize("how", [(), ("--hash", "--keep-mtime")], ids=" ".join)
def test_two_runs_share_a_folder_and_the_next_one_knows_what_both_have_done(tree: Tree, how: tuple[str, ...]) -> None:
    first = tree.start(*HALVES[0], *how)
    with held(first, lambda: journal_bytes(tree) > 0):
        second = tree.run(*HALVES[1], *how)
        assert second.returncode == 0, second.stderr
        assert "8 ok, " in second.stderr
    _, told = first.communicate(timeout=60)
    assert first.returncode == 0, told
    check_exit(0, tree.truth)
    assert {path.name for path in tree.out.glob(".*")} == {NAME, f"{NAME}-2"}
    resumed = tree.run("--resume", *how)
    assert resumed.stderr.splitlines()[-1] == "0 ok, 0 warned, 0 failed, 16 skipped"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_of_two_runs_that_share_a_folder_one_is_stopped_and_the_other_does_not_mind(
        tree: Tree, number: int, code: int) -> None:
    rng = random.Random(number)
    stopped = 0
    for turn in range(ROUNDS):
        with nothing_lost(tree.inputs, tree.truth, killed=True, also=JOURNAL):
            victim = tree.start(*HALVES[turn % 2], "--hash")
            while journal_bytes(tree) == 0 and victim.poll() is None:
                time.sleep(0.005)
            other = tree.start(*HALVES[1 - turn % 2])
            time.sleep(rng.uniform(0.0, 0.03))
            victim.send_signal(number)
            victim.communicate(timeout=20)
            _, told = other.communicate(timeout=60)
        assert other.returncode == 0, told
        assert "8 ok, " in told
        stopped += victim.returncode == code
        check_resumed(tree)
        shutil.rmtree(tree.out)
    assert stopped >= 1, "the signals came too late to prove anything"


def test_a_run_that_fails_fast_leaves_the_one_beside_it_alone(tree: Tree) -> None:
    victim = tree.source / "0" / "a.wav"
    whole = victim.read_bytes()
    victim.write_bytes(b"")
    other = tree.start(*HALVES[1])
    with held(other, lambda: journal_bytes(tree) > 0):
        fast = tree.run(*HALVES[0], "--fail-fast")
        assert fast.returncode == 3, fast.stderr
    _, told = other.communicate(timeout=60)
    assert other.returncode == 0, told
    victim.write_bytes(whole)
    check_resumed(tree, "--hash")


def test_six_runs_at_a_time_as_xargs_starts_them_do_every_file(tree: Tree) -> None:
    if shutil.which("xargs") is None:
        pytest.skip("needs xargs")
    (tree.folder / "links").mkdir()
    links = []
    for number in range(16):
        links.append(tree.folder / "links" / f"{number}.wav")
        os.link(tree.inputs[0], links[-1])
    xargs = ["xargs", "-0", "-P", "6", "-n", "3", *TORCHFX, "process", "-e", "gain:-6", "-q", "-o", f"{tree.out}/"]
    names = b"".join(bytes(path) + b"\0" for path in links)
    tree.out.mkdir()
    done = subprocess.run(xargs, input=names, capture_output=True, env=environment(), timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(list(tree.out.glob("*.wav"))) == 16, "the last run had a single file"
    resumed = subprocess.run([*TORCHFX, "process", str(tree.folder / "links"), "-e", "gain:-6", "-o", str(tree.out),
                              "--resume"], capture_output=True, text=True, env=environment(), timeout=120)
    assert resumed.stderr.splitlines()[-1] == "0 ok, 0 warned, 0 failed, 16 skipped"


def test_a_full_disk_stops_the_batch_and_keeps_what_is_done(tree: Tree, tmpfs: Callable[[str], Path]) -> None:
    tmpfs("size=400k")
    with nothing_lost(tree.inputs, tree.truth, also=JOURNAL):
        done = tree.run()
    assert done.returncode == 1
    assert re.search(r"^torchfx: error: no space left on .*: needs about .* free$", done.stderr, re.M), done.stderr
    assert len([path for path in tree.truth if path.exists()]) >= 2
    tmpfs("size=8m")
    check_resumed(tree)


def test_inodes_that_are_used_up_stop_the_batch(tree: Tree, tmpfs: Callable[[str], Path]) -> None:
    tmpfs("size=8m,nr_inodes=8")
    with nothing_lost(tree.inputs, tree.truth, also=JOURNAL):
        done = tree.run()
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    tmpfs("size=8m,nr_inodes=0")
    check_resumed(tree)


def test_a_limit_on_the_size_of_files_costs_the_large_ones(tree: Tree) -> None:
    small = {path for path, data in tree.truth.items() if len(data) <= 70_000}
    assert 0 < len(small) < len(tree.truth)
    with nothing_lost(tree.inputs, tree.truth, also=JOURNAL):
        code, told = tree.disturbed(limits={resource.RLIMIT_FSIZE: 70_000})
    assert code == 3, told
    assert {path for path in tree.truth if path.exists()} == small
    check_told(told, inputs=len(tree.truth), failed=[
        path for path in tree.inputs if tree.out / path.relative_to(tree.source) not in small])
    check_resumed(tree)


def test_a_low_limit_on_open_files_is_enough_for_many(tmp_path: Path) -> None:
    make_tree(tmp_path / "in", 60, 0.01)
    code, told = Tree(tmp_path, {}).disturbed(limits={resource.RLIMIT_NOFILE: 40})
    assert code == 0, told
    assert "60 ok" in told


def test_an_output_folder_that_is_removed_meanwhile_ends_the_run(tree: Tree) -> None:
    child = tree.start()
    with held(child, lambda: any(path.exists() for path in tree.truth)):
        tree.out.rename(tree.folder / "elsewhere")
    _, told = child.communicate(timeout=60)
    assert child.returncode == 1, told
    assert "was removed" in told
    assert not tree.out.exists()


def test_an_output_disk_that_is_unmounted_meanwhile_ends_the_run(tree: Tree, tmpfs: Callable[[str], Path]) -> None:
    tmpfs("size=8m")
    child = tree.start()
    with held(child, lambda: any(path.exists() for path in tree.truth)):
        subprocess.run(["umount", "--lazy", str(tree.out)], check=True)
    _, told = child.communicate(timeout=60)
    assert child.returncode == 1, told
    assert re.search(f"the output folder {tree.out}(/.)? was removed or replaced during the run", told)
    astray = [path for path in tree.out.rglob("*") if path.is_file()]
    assert len(astray) <= 2, "no more than was begun in the moment between"
    assert all(path.read_bytes() == tree.truth[path] for path in astray)


def test_an_input_that_changes_while_it_is_read_fails(tree: Tree) -> None:
    victim = tree.source / "0" / "a.wav"
    stop = threading.Event()

    def touch() -> None:
        while not stop.is_set():
            os.utime(victim)
            time.sleep(0.001)

    thread = threading.Thread(target=touch)
    thread.start()
    try:
        done = tree.run()
    finally:
        stop.set()
        thread.join()
    assert done.returncode == 3, done.stderr
    assert f"{victim}: changed while it was read" in done.stderr
    assert not (tree.out / "0" / "a.wav").exists()
    check_resumed(tree)


def test_one_bad_file_among_many_costs_only_itself(tree: Tree) -> None:
    victim = tree.source / "1" / "b.flac"
    whole = victim.read_bytes()
    victim.write_bytes(b"")
    outputs = {path: data for path, data in tree.truth.items() if path != tree.out / "1" / "b.flac"}
    report, failed = tree.folder / "report.json", tree.folder / "failed.txt"
    with nothing_lost(tree.inputs, outputs, also=JOURNAL):
        done = tree.run("--report", str(report), "--failed", str(failed))
    assert done.returncode == 3
    check_exit(0, outputs)
    check_told(done.stderr, failed=[victim], inputs=16)
    assert failed.read_text() == f"{tree.source}/./1/b.flac\n"
    victim.write_bytes(whole)
    check_resumed(tree)


@pytest.mark.parametrize("fault", [
    "fsync:error=EIO:when=3", "renameat,renameat2,linkat:error=EIO:when=2", "write:error=ENOSPC:when=9",
    "write:error=EIO:when=20", "close:error=EIO:when=30", "openat:error=EMFILE:when=20",
    "rename,renameat,linkat:signal=SIGKILL:when=2", "fsync:signal=SIGKILL:when=2", "fsync:signal=SIGSEGV:when=3",
])
def test_a_failing_call_in_a_worker_or_in_the_run_never_gives_a_wrong_output(tree: Tree, fault: str) -> None:
    needs_strace()
    log = tree.folder / "log"
    strace = ("-o", str(log), "-e", f"trace={fault.split(':')[0]}", "-e", f"inject={fault}")
    with nothing_lost(tree.inputs, tree.truth, killed="SIGKILL" in fault or "SIGSEGV" in fault, also=JOURNAL):
        code, told = tree.disturbed(strace=strace)
    assert "INJECTED" in log.read_text() or "+++ killed by" in log.read_text(), "the fault was not reached"
    assert "Traceback" not in told, told
    if code == 0 or "signal=" not in fault:  # a worker that is killed after the renaming counts as failed
        check_exit(code, tree.truth)
    check_resumed(tree, *(["--overwrite"] if not (tree.out / NAME).exists() else []))
