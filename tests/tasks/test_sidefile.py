"""Reports and lists: whole or not at all, through links, into streams; nothing of the user's is replaced unasked."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from torchfx_cli.errors import RunError, TorchfxError, UsageError
from torchfx_cli.stream.atomicfile import part_name
from torchfx_cli.tasks import lists
from torchfx_cli.tasks.conflicts import Named
from torchfx_cli.tasks.report import FileResult, Report
from torchfx_cli.tasks.sidefile import SideFile, check_together, save_all


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def report(name: str | None) -> SideFile:
    return SideFile("--report", name, Report.is_own)


def written(name: str, text: str = "new") -> None:
    with report(name) as file:
        file.save(text)


def problem(name: str, *, overwrite: bool = False, is_own: Callable[[bytes], bool] = Report.is_own) -> str:
    return SideFile("--report", name, is_own).problem(overwrite=overwrite)


def full_report() -> str:
    found = Report(planned=1)
    found.add(0, FileResult("ok", "in.wav", "out.wav"))
    return "".join(found.json_lines())


def test_without_a_name_nothing_happens(tmp_path: Path) -> None:
    with report(None) as file:
        file.save("text")
    assert (file.is_stdout, file.problem(overwrite=False), list(tmp_path.iterdir())) == (False, "", [])


def test_what_is_not_saved_leaves_nothing_behind_and_the_old_file_whole(tmp_path: Path) -> None:
    Path("r").write_text("old")
    with pytest.raises(KeyError), report("r"):
        raise KeyError
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_what_a_killed_run_has_left_goes_and_what_a_run_beside_writes_stays(tmp_path: Path) -> None:
    stale = tmp_path / "folder" / part_name("0123abcd")
    stale.parent.mkdir()
    stale.touch()
    with report("folder/other") as other:
        written("folder/r")
        assert not stale.exists()
        other.save("whole")
    assert {path.name: path.read_text() for path in stale.parent.iterdir()} == {"r": "new", "other": "whole"}


@pytest.mark.parametrize("link", ["far/r", "between", "{here}/far/r"])
def test_a_link_stays_and_what_it_leads_to_is_replaced_or_made(tmp_path: Path, link: str) -> None:
    Path("far").mkdir()
    Path("between").symlink_to("far/r")
    Path("link").symlink_to(link.format(here=tmp_path))
    for text in ("made", "replaced"):
        written("link", text)
        assert Path("link").is_symlink()
        assert os.listdir("far") == ["r"]
        assert Path("far/r").read_text() == text


def test_a_loop_of_links_and_a_link_into_no_folder_are_told(tmp_path: Path) -> None:
    Path("a").symlink_to("b")
    Path("b").symlink_to("a")
    Path("c").symlink_to("no/r")
    assert problem("a") == "--report: a cannot be written: Too many levels of symbolic links"
    with pytest.raises(UsageError, match=r"--report: c cannot be written: the folder .*no does not exist"), report("c"):
        pass
    assert sorted(os.listdir()) == ["a", "b", "c"]


@pytest.mark.parametrize(("number", "kind", "words"), [
    (errno.ENOSPC, RunError, "no space left on "), (errno.EACCES, UsageError, "permission denied"),
])
def test_a_folder_that_takes_no_file_is_a_wrong_option_and_a_full_disk_is_not(
        monkeypatch: pytest.MonkeyPatch, number: int, kind: type[TorchfxError], words: str) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("torchfx_cli.stream.atomicfile._create", fail)
    with pytest.raises(kind, match=f"--report: .*{words}"), report("r"):
        pass


@pytest.mark.parametrize(("name", "words"), [
    ("", "'' is a folder"), (".", ". is a folder"), ("/", "/ is a folder"), ("d", "d is a folder"),
    ("link", "link is a folder"), ("a\0b", "a\\x00b no file can have this name"),
])
def test_what_is_no_place_for_a_file_is_told(name: str, words: str) -> None:
    Path("d").mkdir()
    Path("link").symlink_to("d")
    assert problem(name, overwrite=True).startswith(f"--report: {words}")


@pytest.mark.parametrize("name", ["r", "link"])
def test_what_others_wrote_is_replaced_only_when_asked(name: str) -> None:
    Path("link").symlink_to("r")
    told = f"--report: {name} exists, and torchfx did not write it for this option; --overwrite replaces it"
    for text in ("notes", '{"counts": 3}', " " + full_report()):
        Path("r").write_text(text)
        assert problem(name) == told
        assert problem(name, overwrite=True) == ""
    for text in ("", full_report()):
        Path("r").write_text(text)
        assert problem(name) == ""


def test_a_list_is_known_again_by_its_marks_and_reads_as_it_was_written() -> None:
    for names in (["in/./a.wav"], ["in/./new\nline.wav", "in/./b.wav\r", "/./\udcff.wav"], []):
        for zero in (False, True):
            data = lists.as_list(names, zero=zero)
            Path("f").write_bytes(data)
            assert lists.read_names("f", zero=zero) == names
            assert lists.read_names("f") == names, "also where nobody says that its names end with NUL"
            assert problem("f", is_own=lists.is_own) == ""
    assert lists.as_list(["in/./a.wav"], zero=False) == b"in/./a.wav\n"
    assert lists.as_list(["in/./a\n", "in/./b"], zero=False) == b"in/./a\n\0in/./b\0"
    long = lists.as_list([f"in/./{number:09}.wav" for number in range(10_000)], zero=False)
    assert all(lists.is_own(long[:end]) for end in range(1 << 16, (1 << 16) + 40)), "the beginning is enough"
    for text in ("a.wav\nb.wav\n", "in/./a.wav\nb.wav\n", "notes", "\n", "#EXTM3U\nin/./a.wav\n"):
        assert not lists.is_own(text.encode())


def in_child(code: str, shell: str) -> subprocess.CompletedProcess[bytes]:
    """`code` in a process whose streams `shell` redirects."""
    code = "from torchfx_cli.tasks.sidefile import SideFile, check_together\n" + code
    return subprocess.run(["bash", "-c", shell, "bash", sys.executable, "-c", code], capture_output=True, timeout=30)


SAVE = "name = {!r}\nwith SideFile('--report', name, bool) as file: file.save(['ab', 'c\\n'])"


@pytest.mark.parametrize(("name", "descriptor"), [
    ("-", 1), ("/dev/stdout", 1), ("/dev/stderr", 2), ("/dev/fd/2", 2), ("/proc/self/fd/1", 1), ("/dev/fd/7", 7),
    ("link", 1), ("link2", 1),
])
def test_a_descriptor_is_written_where_it_stands_and_its_name_stays(tmp_path: Path, name: str, descriptor: int) -> None:
    Path("link").symlink_to("/proc/self/fd/1")
    Path("link2").symlink_to("link")
    before = os.lstat(name).st_ino if name.startswith("link") else None
    done = in_child(SAVE.format(name), f'echo first > f; exec "$@" {descriptor}>> f')
    assert (done.returncode, done.stderr) == (0, b"")
    assert Path("f").read_text() == "first\nabc\n"
    assert before is None or os.lstat(name).st_ino == before
    piped = in_child(SAVE.format(name), f'"$@" {descriptor}>&1 | cat')
    assert piped.stdout == b"abc\n"


@pytest.mark.parametrize(("name", "shell", "words"), [
    ("/dev/fd/7", 'exec "$@"', "/dev/fd/7 cannot be written: Bad file descriptor"),
    ("-", 'exec "$@" >&-', "- cannot be written: it is closed"),
    ("/dev/stdout", 'exec "$@" >&-', "/dev/stdout cannot be written: "),
    ("/dev/fd/7", 'exec "$@" 7</dev/null', "/dev/fd/7 cannot be written: it is open for reading only"),
])
def test_a_descriptor_that_cannot_be_written_is_told_before_the_work(name: str, shell: str, words: str) -> None:
    done = in_child(SAVE.format(name), shell)
    assert f"UsageError: --report: {words}" in done.stderr.decode()


@pytest.mark.parametrize("is_link", [False, True])
def test_a_named_pipe_is_written_and_stays(is_link: bool) -> None:
    os.mkfifo("pipe")
    Path("link").symlink_to("pipe")
    got = []
    reader = threading.Thread(target=lambda: got.append(Path("pipe").read_text()))
    reader.start()
    written("link" if is_link else "pipe", "x" * 200_000)
    reader.join(10)
    assert [len(text) for text in got] == [200_000]
    assert sorted(os.listdir()) == ["link", "pipe"]


def test_a_device_is_written_and_what_it_refuses_is_told_when_all_is_saved() -> None:
    Path("null").symlink_to("/dev/null")
    Path("full").symlink_to("/dev/full")
    written("null")
    with (report("full") as full, SideFile("--failed", "f", lists.is_own) as other,
          pytest.raises(RunError, match="--report: full cannot be written: No space left on device")):
        save_all([(full, "x"), (other, b"y\n")])
    assert Path("f").read_text() == "y\n", "the other file is saved all the same"
    assert (os.readlink("null"), os.readlink("full")) == ("/dev/null", "/dev/full")


def test_a_reader_that_leaves_needs_no_message() -> None:
    done = in_child(SAVE.format("-") + "\nimport sys; sys.exit(7)", '"$@" | true; exit ${PIPESTATUS[0]}')
    assert (done.returncode, done.stderr) == (7, b"")


def test_all_reasons_are_told_at_once_and_none_advises_to_overwrite_an_input() -> None:
    for name in ("in.wav", "eq.yaml", "notes", "more"):
        Path(name).write_text("theirs")
    os.link("in.wav", "hard")
    files = [SideFile("--report", "hard", Report.is_own), SideFile("--failed", "./eq.yaml", lists.is_own),
             SideFile("--csv", "notes", Report.is_own), SideFile("--json", "more", Report.is_own)]
    with pytest.raises(UsageError) as told:
        check_together(files, overwrite=False, read=[Named("the chain eq.yaml", "eq.yaml")], inputs=["in.wav"])
    assert str(told.value).splitlines() == [
        "--report: hard is the input in.wav; choose another file",
        "--failed: ./eq.yaml is the chain eq.yaml; choose another file"]
    with pytest.raises(UsageError) as told:
        check_together(files[2:], overwrite=False)
    assert [line.partition(",")[0] for line in str(told.value).splitlines()] == [
        "--csv: notes exists", "--json: more exists"]


def test_the_json_of_a_report_begins_as_it_is_known_by() -> None:
    assert Report.is_own(full_report().encode())
    assert json.loads(full_report())["counts"]["ok"] == 1
