"""`torchfx process` over folders, patterns and lists: what a person types, what comes out, what is told."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from torchfx_cli.stream import foreign

HALF = "gain:-6.0205999132796239"
NAMES = ("a.wav", "sub/b.wav", "sub/deep/c.flac")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """in/ with three sounds at three depths, and beside them what is none; the current folder holds it."""
    for number, name in enumerate(NAMES):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.full((80, 1), 2000 + 2 * number, np.int16), 8000)
    (tmp_path / "in" / "notes.txt").write_text("no sound")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def outputs(folder: str) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file()
                  and not path.name.startswith("."))


def level(path: str | Path) -> int:
    return int(soundfile.read(path, dtype="int16")[0][40])


def test_a_folder_is_mirrored(run: Any, tree: Path) -> None:
    done = run("process", "in", "-e", HALF, "--dither", "none", "-o", "out")
    assert done.code == 0
    assert outputs("out") == sorted(NAMES)
    assert [level(Path("out", name)) for name in NAMES] == [1000, 1001, 1002]
    assert done.told[0] == "left out: 1 no audio"
    assert re.fullmatch(r"3 ok, 0 warned, 0 failed, 0 skipped  in \d+\.\d\d s \([\d.]+x\) -> out/", done.told[-1])


def test_verbose_names_each_file_that_is_left_out(run: Any, tree: Path) -> None:
    (tree / "in" / "\x1b[31m.txt").touch()
    told = run("process", "in", "-e", HALF, "-o", "out", "-v").told
    assert "left out: in/\\x1b[31m.txt (no audio)" in told
    assert "left out: 2 no audio" in told


def test_without_an_output_a_folder_gets_a_folder_of_outputs_which_is_no_input_the_next_time(
        run: Any, tree: Path) -> None:
    assert run("process", "in", "-e", HALF).code == 0
    assert outputs("in/processed") == sorted(NAMES)
    again = run("process", "in", "-e", HALF, "--overwrite")
    assert again.code == 0
    assert again.told[-1].startswith("3 ok, 0 warned, 0 failed, 0 skipped")
    assert outputs("in/processed") == sorted(NAMES)


def test_an_output_folder_inside_the_input_is_never_read(run: Any, tree: Path) -> None:
    for _ in range(2):
        assert run("process", "in", "-e", HALF, "-o", "in/out", "--overwrite").code == 0
        assert outputs("in/out") == sorted(NAMES)


def test_a_pattern_a_template_and_a_format(run: Any, tree: Path) -> None:
    done = run("process", "in/**/*.wav", "-e", "gain:0", "-o", "out", "--format", "flac", "--name",
               "{stem}.{chain}{ext}")
    assert done.code == 0
    assert outputs("out") == ["a.gain.flac", "sub/b.gain.flac"]


def test_resuming_does_only_what_is_missing(run: Any, tree: Path) -> None:
    assert run("process", "in", "-e", HALF, "-o", "out").code == 0
    refused = run("process", "in", "-e", HALF, "-o", "out")
    assert refused.code == 2
    assert "--resume" in refused.told[-1]
    Path("out/sub/b.wav").unlink()
    done = run("process", "in", "-e", HALF, "-o", "out", "--resume")
    assert done.code == 0
    assert done.told[-1].startswith("1 ok, 0 warned, 0 failed, 2 skipped")
    assert not [line for line in done.told if line.startswith("in/a.wav")], "what was done before needs no line"


def test_another_chain_is_done_anew(run: Any, tree: Path) -> None:
    assert run("process", "in", "-e", HALF, "--dither", "none", "-o", "out").code == 0
    done = run("process", "in", "-e", "gain:0", "-o", "out", "--resume")
    assert done.told[-1].startswith("3 ok, 0 warned, 0 failed, 0 skipped")
    assert [level(Path("out", name)) for name in NAMES] == [2000, 2002, 2004]


@pytest.mark.parametrize("how", [[], ["--hash"], ["--hash", "--jobs", "2"]], ids=" ".join)
def test_a_comment_in_the_chain_redoes_nothing_and_a_parameter_does(run: Any, tree: Path, how: list[str]) -> None:
    todo = ["process", "in", "-c", "eq.yaml", "-o", "out", *how]
    Path("eq.yaml").write_text("chain: [gain: -6]\n")
    assert run(*todo).code == 0
    Path("eq.yaml").write_text("# Half of it.\nname: quiet\nchain:\n  - gain: -6.0 dB  # at most\n")
    assert run(*todo, "--resume").told[-1] == "0 ok, 0 warned, 0 failed, 3 skipped"
    Path("eq.yaml").write_text("chain: [gain: -6.01]\n")
    assert run(*todo, "--resume").told[-1].startswith("3 ok, 0 warned, 0 failed, 0 skipped")


def test_in_place_a_comment_in_the_chain_redoes_nothing(run: Any, tree: Path) -> None:
    todo = ["process", "in", "-c", "eq.yaml", "--in-place", "--backup", ".bak", "--hash", "--jobs", "2"]
    Path("eq.yaml").write_text("chain: [gain: -6]\n")
    assert run(*todo).code == 0
    Path("eq.yaml").write_text("# Half of it.\nchain: [gain: -6]\n")
    assert run(*todo, "--resume").told[-1] == "0 ok, 0 warned, 0 failed, 3 skipped"
    Path("eq.yaml").write_text("chain: [gain: -7]\n")
    assert run(*todo, "--resume").code == 2


@pytest.mark.parametrize(("how", "redone"), [(["--hash"], 0), (["--hash", "--keep-mtime"], 0), ([], 3)])
def test_a_moved_and_touched_input_folder_is_redone_without_hashes_alone(
        run: Any, tree: Path, how: list[str], redone: int) -> None:
    assert run("process", "in", "-e", HALF, "-o", "out", *how).code == 0
    Path("in").rename("there")
    for name in NAMES:
        os.utime(Path("there", name))
    done = run("process", "there", "-e", HALF, "-o", "out", "--resume", *how)
    assert done.told[-1].startswith(f"{redone} ok, 0 warned, 0 failed, {3 - redone} skipped")


def test_the_report_and_the_list_of_failures_feed_the_next_run(run: Any, tree: Path) -> None:
    Path("in/new\nline.wav").write_bytes(b"no sound")
    done = run("process", "in", "-e", HALF, "-o", "out", "--report", "r.json", "--failed", "f", "-0")
    assert done.code == 3
    report = json.loads(Path("r.json").read_text())
    assert report["counts"] == {"ok": 3, "warned": 0, "failed": 1, "skipped": 0, "not_done": 0}
    bad = next(file for file in report["files"] if file["status"] == "failed")
    assert (bad["input"], bad["reason"]) == ("in/new\nline.wav", "input")
    assert Path("f").read_bytes() == b"in/./new\nline.wav\0"
    soundfile.write("in/new\nline.wav", np.zeros(80, np.int16), 8000)
    assert run("process", "--files-from", "f", "-0", "-e", HALF, "-o", "out").code == 0
    assert "new\nline.wav" in outputs("out")


@pytest.mark.parametrize("option", ["--report", "--failed"])
def test_a_report_that_cannot_be_written_is_told_before_the_work(run: Any, tree: Path, option: str) -> None:
    done = run("process", "in", "-e", HALF, "-o", "out", option, "no/such/folder/r.json")
    assert done.code == 2
    assert option in done.told[-1]
    assert not Path("out").exists()


def test_in_place_the_old_file_is_kept_and_mode_and_links_stay(run: Any, tree: Path) -> None:
    source = Path("in/a.wav")
    before = source.read_bytes()
    source.chmod(0o640)
    Path("link.wav").symlink_to(source)
    done = run("process", "link.wav", "in/sub", "-e", HALF, "--dither", "none", "--in-place", "--backup", ".bak")
    assert done.code == 0, done.err
    assert Path("link.wav").is_symlink()
    assert level(source) == 1000
    assert Path("in/a.wav.bak").read_bytes() == before
    assert source.stat().st_mode & 0o777 == 0o640
    assert run("process", "link.wav", "-e", HALF, "--in-place", "--backup", ".bak").code == 2
    with_dither = run("process", "link.wav", "-e", HALF, "--in-place", "--backup", ".bak", "--resume")
    assert with_dither.code == 2
    assert "was made by another chain or other options; what it was before is" in with_dither.err
    again = run("process", "link.wav", "in/sub", "-e", HALF, "--dither", "none", "--in-place", "--backup", ".bak",
                "--resume")
    assert again.code == 0, again.err
    assert again.told[-1] == "0 ok, 0 warned, 0 failed, 3 skipped"
    assert level(source) == 1000, "never filtered twice"


def test_in_place_a_file_that_fails_is_as_it_was_and_has_no_backup(run: Any, tree: Path) -> None:
    before = Path("in/a.wav").read_bytes()
    done = run("process", "in/a.wav", "-e", "gain:40", "--on-clip", "fail", "--in-place", "--backup", ".bak")
    assert done.code == 3
    assert Path("in/a.wav").read_bytes() == before
    assert not Path("in/a.wav.bak").exists()


@pytest.mark.parametrize(("options", "words"), [
    (["--in-place"], "--backup"), (["--backup", ".bak"], "--in-place"),
    (["--in-place", "--backup", "a/b"], "--backup"), (["--in-place", "--backup", ".b", "-o", "x"], "contradict"),
    (["--resume", "--skip-existing"], "contradict"), (["--jobs", "0"], "1 to 256"), (["--jobs", "1e3"], "1 to 256"),
    (["--jobs", "-1"], "1 to 256"), (["--timeout", "x"], "--timeout"), (["--on-nan", "keep"], "fail, repair"),
    (["--on-clip", "no"], "fail, keep, attenuate"), (["--on-truncated", ""], "fail, keep"),
    (["--name", "{x}"], "{stem}"),
])
def test_wrong_options_are_one_line_before_anything_is_written(
        run: Any, tree: Path, options: list[str], words: str) -> None:
    before = sorted(os.walk("."))
    done = run("process", "in", "-e", HALF, *options)
    assert done.code == 2
    assert words in done.told[-1]
    assert len([line for line in done.told if "error" in line]) == 1
    assert sorted(os.walk(".")) == before


def test_an_output_that_would_clip_is_turned_down_refused_or_told(run: Any, tree: Path) -> None:
    loud = ["process", "in/a.wav", "-e", "gain:40", "--dither", "none"]
    told = run(*loud, "-o", "kept.wav")
    assert (told.code, level("kept.wav")) == (0, 32767)
    assert "80 samples clipped" in told.err
    limited = run(*loud, "-o", "limited.wav", "--on-clip", "attenuate", "--json")
    record = json.loads(limited.out)
    assert record["turned_down_db"] == pytest.approx(20 * np.log10(200_000 / 32768), abs=0.01)
    assert (record["clipped"], record["warnings"]) == (0, [])
    assert 32700 <= level("limited.wav") <= 32767
    assert run(*loud, "-o", "old.wav", "--on-clip", "limit").code == 0  # its former name
    assert Path("old.wav").read_bytes() == Path("limited.wav").read_bytes()
    assert run(*loud, "-o", "no.wav", "--on-clip", "fail").code == 3
    assert not Path("no.wav").exists()


def test_the_time_of_the_input_is_kept_on_request(run: Any, tree: Path) -> None:
    os.utime("in/a.wav", ns=(10**18, 10**18))
    assert run("process", "in/a.wav", "-e", HALF, "-o", "x.wav", "--keep-mtime").code == 0
    assert Path("x.wav").stat().st_mtime_ns == 10**18


def test_a_batch_needs_one_second_look_only_where_it_is_wanted(run: Any, tree: Path) -> None:
    done = run("process", "in", "-e", "gain:30", "-o", "out", "--dry-run")
    assert done.code == 0
    assert done.out.count("may clip: an input at full scale could reach +30.0 dBFS") == 3
    assert "3 files, 0:00 of audio; needs about" in done.err
    assert not Path("out").exists()


@pytest.fixture
def locked(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that cannot be listed, in `tree`, for the superuser as well."""
    scandir = os.scandir

    def refusing(folder: str = ".") -> Any:
        if str(folder).endswith("in/locked"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    (tree / "in" / "locked").mkdir()
    return tree


@pytest.mark.parametrize("options", [
    ["-o", "out"], ["-o", "out", "--jobs", "2", "--hash"], [], ["-o", "out", "--resume", "--name", "{number}{ext}"],
    ["--in-place", "--backup", ".bak"], ["-o", "out", "--skip-existing"]], ids=" ".join)
def test_a_folder_that_cannot_be_listed_fails_also_under_quiet_and_all_else_is_done(
        run: Any, locked: Path, options: list[str]) -> None:
    done = run("process", "in", "-e", HALF, "-q", "--report", "r.json", "--failed", "f", *options)
    assert done.code == 3
    assert done.told == ["in/locked: cannot be searched: Permission denied"]
    report = json.loads(Path("r.json").read_text())
    assert report["counts"] == {"ok": 3, "warned": 0, "failed": 1, "skipped": 0, "not_done": 0}
    assert [(file["input"], file["status"]) for file in report["files"]][-1] == ("in/locked", "failed")
    assert Path("f").read_bytes() == b"", "it is no file; a list would leave it out"


def test_a_folder_that_cannot_be_listed_stops_a_run_that_is_to_fail_fast_and_a_dry_run_tells_it(
        run: Any, locked: Path) -> None:
    dry = run("process", "in", "-e", HALF, "-o", "out", "--dry-run")
    assert dry.code == 3
    assert "in/locked: cannot be searched: Permission denied" in dry.told
    fast = run("process", "in", "-e", HALF, "-o", "out", "--fail-fast")
    assert (fast.code, fast.told[-1]) == (3, "0 ok, 0 warned, 1 failed, 0 skipped, 3 not done")
    alone = run("process", "in/locked", "-e", HALF, "-o", "out2", "-q")
    assert (alone.code, len(alone.told)) == (3, 1)


def test_a_file_that_vanishes_before_its_turn_fails_and_is_in_the_report_and_the_list(
        run: Any, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchfx_cli.cli import batch

    planned = batch.plan_jobs

    def vanishing(*arguments: Any, **more: Any) -> Any:
        jobs = planned(*arguments, **more)
        Path("in/sub/b.wav").unlink()
        return jobs

    monkeypatch.setattr(batch, "plan_jobs", vanishing)
    done = run("process", "in", "-e", HALF, "-o", "out", "-q", "--jobs", "2", "--report", "r.json", "--failed", "f")
    assert (done.code, len(done.told)) == (3, 1)
    assert done.told[0].startswith("in/sub/b.wav: does not exist")
    assert [file["input"] for file in json.loads(Path("r.json").read_text())["files"]
            if file["status"] == "failed"] == ["in/sub/b.wav"]
    assert Path("f").read_bytes() == b"in/./sub/b.wav\n"


def test_sounds_of_other_kinds_are_told_by_their_kind(run: Any, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "is_available", lambda: False)
    for number in range(12):
        Path(f"in/{number}.m4a").touch()
    Path("in/film.mov").touch()
    way_out = "; --exclude leaves them out on purpose"
    done = run("process", "in", "-e", HALF, "-o", "out")
    told = f"left out: 12 m4a: cannot be decoded here, 1 mov: a video, 1 no audio{way_out}"
    assert (done.code, done.told[0]) == (3, told)
    quiet = run("process", "in", "-e", HALF, "-o", "out", "--overwrite", "-q")
    assert (quiet.code, quiet.told) == (3, [f"left out: 12 m4a: cannot be decoded here{way_out}"])
    assert run("process", "in", "-e", HALF, "-o", "out", "--overwrite", "--dry-run").code == 3
    assert run("process", "in", "-e", HALF, "-o", "out", "--overwrite", "--exclude", "*.m4a").code == 0
    Path("other").mkdir()
    Path("other/a.wma").touch()
    nothing = run("process", "other", "-e", HALF, "-o", "out", "-q")
    assert nothing.code == 1
    assert nothing.told[-1].endswith("left out: 1 wma: cannot be decoded here")
