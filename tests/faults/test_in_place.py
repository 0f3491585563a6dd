"""Runs in place that are interrupted, starved and lied to: the old bytes are under the file's name or its backup's."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.rounds import ROUNDS
from support.started import Started
from support.strace import needs_strace
from support.trees import TORCHFX, environment, make_tree

from torchfx_cli.stream.atomicfile import remove_stale
from torchfx_cli.tasks.journal import NAME

FILES = 8
FEWEST = 2  # runs for each signal; there are more while none was caught in the middle
FAULTS = (
    *(f"fsync:error=EIO:when={when}" for when in range(1, 6)),
    *(f"rename,renameat,renameat2:error=EIO:when={when}" for when in (1, 2)),
    "rename,renameat,renameat2:signal=SIGTERM:when=2", "rename,renameat,renameat2:signal=SIGKILL:when=1",
    "unlink,unlinkat:error=EIO:when=1", "link,linkat:error=EIO:when=1", "fchown,chown:error=EPERM:when=1",
)
NO_LINKS = """
import errno, os
def link(*arguments, **more):
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))
os.link = link
"""


@dataclass(frozen=True)
class Takes:
    """Recordings in `folder` that are replaced in place, by their names: the old bytes, and those of a whole run.

    no_links  a folder of Python code that takes hard links away, as on a file system that has none.
    """

    folder: Path
    old: dict[str, bytes]
    new: dict[str, bytes]
    options: tuple[str, ...] = ()
    no_links: Path | None = None

    def command(self, *more: str) -> list[str]:
        return [*TORCHFX, "process", str(self.folder), "-e", "gain:-6", "-e", "highpass:cutoff=80,order=4",
                "--in-place", "--backup", ".bak", "--chunk", "0.05", "--jobs", "2", *self.options, *more]

    def run(self, *more: str) -> subprocess.CompletedProcess[str]:
        found = environment()
        if self.no_links is not None:
            found["PYTHONPATH"] = f"{self.no_links}{os.pathsep}{found['PYTHONPATH']}"
        return subprocess.run(self.command(*more), capture_output=True, text=True, env=found, timeout=120)

    def start(self, *more: str, strace: tuple[str, ...] = ()) -> Started:
        return Started(self.command(*more)[len(TORCHFX) :], strace, path=os.fspath(self.no_links or ""))

    def done(self) -> list[str]:
        """The files that hold new bytes; fails where old bytes are lost, or anything is half there."""
        done = []
        for name, old in self.old.items():
            now, backup = (self.folder / name).read_bytes(), self.folder / f"{name}.bak"
            assert now in (old, self.new[name]), f"{name} holds neither the old bytes nor the new ones"
            assert not backup.exists() or backup.read_bytes() == old, f"{name}.bak is not what {name} was"
            assert now == old or backup.exists(), f"the old bytes of {name} are lost"
            if now != old:
                done.append(name)
        return done

    def check_resumed(self) -> None:
        """A run that goes on replaces what is left, and nothing twice."""
        run = self.run("--resume")
        assert run.returncode == 0, run.stderr
        assert self.done() == list(self.old)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """The recordings, and by their names the outputs of a run that nothing disturbs."""
    folder = tmp_path_factory.mktemp("model")
    make_tree(folder / "made", FILES, 0.5)
    (folder / "takes").mkdir()
    for path in (folder / "made").rglob("*.*"):
        path.rename(folder / "takes" / f"{path.parent.name}{path.name}")
    shutil.copytree(folder / "takes", folder / "new")
    (folder / "no-links").mkdir()
    (folder / "no-links" / "sitecustomize.py").write_text(NO_LINKS)
    run = Takes(folder / "new", {}, {}).run()
    assert run.returncode == 0, run.stderr
    return folder / "takes", {path.name: path.read_bytes() for path in (folder / "new").glob("[0-9]*[!k]")}


def fresh(model: tuple[Path, dict[str, bytes]], tmp_path: Path, *options: str, links: bool = True) -> Takes:
    """The recordings anew; without `links`, as on a file system that has none. One folder takes them away for all
    tests, so that one warm process does."""
    shutil.rmtree(tmp_path / "takes", ignore_errors=True)
    shutil.copytree(model[0], tmp_path / "takes")
    old = {path.name: path.read_bytes() for path in sorted(model[0].iterdir())}
    return Takes(tmp_path / "takes", old, model[1], options, None if links else model[0].parent / "no-links")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_loses_no_original_whatever_the_options(
        model: tuple[Path, dict[str, bytes]], tmp_path: Path, number: int) -> None:
    rng = random.Random(number)
    caught = 0
    options = [*itertools.product([True, False], repeat=3)]
    for tried, (keeps, resumes, links) in enumerate(options * ROUNDS if ROUNDS > 1 else rng.sample(options, 8)):
        if ROUNDS == 1 and tried >= FEWEST and caught:
            break
        takes = fresh(model, tmp_path, *(["--keep-mtime"] if keeps else []), links=links)
        child = takes.start(*(["--resume"] if resumes else []))
        while not (takes.folder / NAME).exists() and child.poll() is None:
            time.sleep(0.001)
        time.sleep(rng.uniform(0.0, 0.15))
        child.send_signal(number)
        _, told = child.communicate(timeout=20)
        done = takes.done()
        assert child.returncode in (0, 128 + number, -number), told
        if number != signal.SIGKILL:
            assert not list(takes.folder.glob("*.part")), "a temporary file is left"
        if child.returncode and done:
            caught += 1
            assert takes.run().returncode == 2, "what is done is not done again"
            assert takes.done() == done
        takes.check_resumed()
    takes.check_resumed()
    assert caught, "the signals came too early or too late to prove anything"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_of_two_runs_in_one_folder_one_is_stopped_and_the_other_does_not_mind(
        model: tuple[Path, dict[str, bytes]], tmp_path: Path, number: int) -> None:
    takes = fresh(model, tmp_path, "--hash")
    victim = takes.start("--include", "?[ab].*")
    while not (takes.folder / NAME).exists() and victim.poll() is None:
        time.sleep(0.001)
    other = takes.start("--include", "?[cd].*")
    time.sleep(0.05)
    victim.send_signal(number)
    victim.communicate(timeout=20)
    _, told = other.communicate(timeout=20)
    assert other.returncode == 0, told
    assert set(takes.done()) >= {name for name in takes.old if name[1] in "cd"}
    takes.check_resumed()


@pytest.mark.parametrize(("fault", "links"), [
    (fault, links) for number, fault in enumerate(FAULTS) for links in (True, False)
    if ROUNDS > 1 or links == (number % 2 == 0)  # each fault once, with links and without by turns
])
def test_a_failing_call_loses_no_original(
        model: tuple[Path, dict[str, bytes]], tmp_path: Path, fault: str, links: bool) -> None:
    needs_strace()
    takes = fresh(model, tmp_path, "--keep-mtime", links=links)
    name = next(iter(takes.old))
    one = Takes(takes.folder, {name: takes.old[name]}, takes.new, takes.options, takes.no_links)
    for path in takes.folder.iterdir():
        if path.name != name:
            path.unlink()
    run = one.start(strace=("-o", str(tmp_path / "log"), "-e", f"trace={fault.split(':')[0]}", "-e", f"inject={fault}"))
    _, told = run.communicate(timeout=120)
    assert "Traceback" not in told, told
    done = one.done()
    assert done or run.returncode != 0, "told as done, and is not"
    if "signal=SIGKILL" not in fault:
        assert not list(takes.folder.glob("*.part")), "a temporary file is left"
    remove_stale(takes.folder)
    one.check_resumed()


def test_without_hard_links_a_copy_that_was_cut_never_counts_as_a_backup(
        model: tuple[Path, dict[str, bytes]], tmp_path: Path) -> None:
    takes = fresh(model, tmp_path, "--keep-mtime", links=False)
    name = next(iter(takes.old))
    cut = takes.folder / f"{name}.bak"
    shutil.copy2(takes.folder / name, cut)
    os.truncate(cut, 1000)
    run = takes.run("--resume")
    assert run.returncode == 2
    assert f"{cut} exists and is not {takes.folder / name}: no journal says that it was made from it" in run.stderr
    assert {path.name: path.read_bytes() for path in takes.folder.glob("[0-9]*[!k]")} == takes.old


def test_a_file_that_is_replaced_keeps_its_owner_mode_lists_and_attributes(
        model: tuple[Path, dict[str, bytes]], tmp_path: Path) -> None:
    takes = fresh(model, tmp_path)
    path = takes.folder / next(iter(takes.old))
    path.chmod(0o604)
    kept = {}
    try:
        os.setxattr(path, "user.take", b"7")
        os.setxattr(path, "user.empty", b"")
        kept = {"user.take": b"7", "user.empty": b""}
    except OSError:
        pass  # a file system without them
    if os.geteuid() == 0:
        os.chown(path, 1234, 2345)
    before = path.stat()
    assert takes.run().returncode == 0
    after = path.stat()
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
    assert {name: os.getxattr(path, name) for name in kept} == kept
    assert len(takes.done()) == FILES
