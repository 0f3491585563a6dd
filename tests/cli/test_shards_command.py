"""`process --shard`: what all shards have done together is what one run does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

FS = 8000
COUNT = 3


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """in/: eight files in three folders, one of which is no sound."""
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, 400)
    for number, name in enumerate(("a", "b", "c", "x/a", "x/b", "x/y/a", "x/y/é")):
        path = tmp_path / "in" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, noise / (number + 1), FS, "PCM_16")
    (tmp_path / "in/broken.wav").write_bytes(b"RIFF")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.wav*"))}


def shards(run: Any, *words: str) -> list[Any]:
    return [run("process", "in/", "-o", "out/", *words, "--shard", f"{n}/{COUNT}") for n in range(1, COUNT + 1)]


@pytest.mark.parametrize("words", [
    ("-e", "gain:-3"), ("-e", "gain:-3", "--resume"), ("-e", "gain:-3", "--name", "{number:03} {stem}{ext}"),
    ("--normalize", "-1", "--album", "--resume")], ids=lambda words: " ".join(words[2:]) or "plain")
def test_shards_together_make_what_one_run_makes(run: Any, folder: Path, words: tuple[str, ...]) -> None:
    done = shards(run, *words)
    assert sorted(one.code for one in done) == [0, 0, 3], "of the one with the broken file"
    assert run("process", "in/", "-o", "whole/", *words).code == 3
    assert tree(folder / "out") == tree(folder / "whole")
    assert len(tree(folder / "out")) == 7
    if "--resume" in words:
        again = shards(run, *words, "--json")
        records = [json.loads(line) for one in again for line in one.out.splitlines()]
        assert sorted(record["status"] for record in records) == ["failed", *["skipped"] * 7]
        assert {record["shard"] for record in records} <= {"1/3", "2/3", "3/3"}
        assert run("process", "in/", "-o", "out/", *words).told[-1].startswith("0 ok, 0 warned, 1 failed, 7 skipped")


def test_in_place_each_file_is_replaced_once_and_a_whole_run_knows_of_it(run: Any, folder: Path) -> None:
    shutil.copytree("in", "before")
    run("process", "before/", "-e", "gain:-3", "-o", "wanted/")
    words = ("-e", "gain:-3", "--in-place", "--backup", ".bak")
    for n in range(1, COUNT + 1):
        run("process", "in/", *words, "--shard", f"{n}/{COUNT}")
    done = {name: data for name, data in tree(folder / "in").items() if not name.endswith(".bak")}
    assert done == tree(folder / "wanted") | {"broken.wav": b"RIFF"}
    for more in ([], ["--shard", "1/2"], ["--shard", "2/2"]):
        assert " 0 ok" in " " + run("process", "in/", *words, "--resume", *more).told[-1].split(": ")[-1]
    assert {name: data for name, data in tree(folder / "in").items() if not name.endswith(".bak")} == done


@pytest.mark.parametrize("second", ["in/a.flac", "in2/a.wav"])
def test_every_shard_refuses_what_the_whole_run_would(run: Any, folder: Path, second: str) -> None:
    Path(second).parent.mkdir(exist_ok=True)
    soundfile.write(second, np.zeros(10), FS)
    inputs = ["in/", "in2/"] if second.startswith("in2") else ["in/"]
    for word in ("1/3", "2/3", "3/3"):
        done = run("process", *inputs, "-e", "gain:-3", "-o", "out/", "--format", "wav", "--shard", word)
        assert (done.code, "out/a.wav" in done.err) == (2, True)
    assert not (folder / "out").exists()


def test_what_another_shard_has_made_is_no_hindrance_and_what_nobody_has_made_is(run: Any, folder: Path) -> None:
    assert run("process", "in/", "-e", "gain:-3", "-o", "out/", "--shard", "1/3").code in (0, 3)
    made = tree(folder / "out")
    assert run("process", "in/", "-e", "gain:-3", "-o", "out/", "--shard", "2/3").code in (0, 3)
    assert made.items() < tree(folder / "out").items()
    again = run("process", "in/", "-e", "gain:-3", "-o", "out/", "--shard", "1/3")
    assert (again.code, " exists" in again.err) == (2, True)


def test_a_shard_without_files_is_done_at_once(run: Any, folder: Path) -> None:
    words = ("process", "in/a.wav", "-e", "gain:-3", "-o", "out/", "--shard", "6/16", "--report", "out/6.json")
    for more in (["--dry-run"], [], ["--resume"]):
        done = run(*words, *more)
        assert (done.code, done.told) == (0, ["shard 6/16: no files fall to it"])
    assert json.loads(Path("out/6.json").read_text())["files"] == []


def test_the_shard_is_named(run: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ID", 2), ("MIN", 1), ("MAX", 2), ("STEP", 1), ("COUNT", 2)):
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", str(value))
    words = ("process", "in/", "--exclude", "broken*", "-e", "gain:-3", "-o", "out/", "--shard", "auto")
    dry = run(*words, "--dry-run", "--json")
    assert {json.loads(line)["shard"] for line in dry.out.splitlines()} == {"2/2"}
    assert dry.told[-1].startswith("shard 2/2: ")
    done = run(*words, "--json")
    assert {json.loads(line)["shard"] for line in done.out.splitlines()} == {"2/2"}
    assert done.told[-1].startswith("shard 2/2: ")
    assert len(done.out.splitlines()) == len(dry.out.splitlines()) < 7


@pytest.mark.parametrize(("words", "told"), [
    (["--shard", "0/16"], "--shard: found '0/16'"), (["--shard", "auto"], "no task of a Slurm job array"),
    (["--shard", "1/2", "-o", "-"], "--shard is for files; - is a pipe")])
def test_a_shard_that_cannot_be_is_a_usage_error(run: Any, folder: Path, monkeypatch: pytest.MonkeyPatch,
                                                 words: list[str], told: str) -> None:
    monkeypatch.delenv("SLURM_ARRAY_TASK_ID", raising=False)
    done = run("process", "in/a.wav", "-e", "gain:-3", *words)
    assert (done.code, told in done.err) == (2, True), done.err
