"""What becomes what, and every conflict found before anything is written."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from torchfx_cli.chain.spec import ChainSpec
from torchfx_cli.errors import UsageError
from torchfx_cli.tasks import journal
from torchfx_cli.tasks.inputs import Input
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.planning import plan_in_place, plan_jobs

NOTHING = ChainSpec("nothing", ())


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path / "a.wav", tmp_path / "b.wav"


def named(*paths: Path) -> list[Input]:
    return [Input(str(path), path.name, None) for path in paths]


def outputs(inputs: list[Path], output: str | Path | None = None, **settings: object) -> list[Path]:
    target = None if output is None else str(output)
    jobs = plan_jobs(named(*inputs), target, Settings(NOTHING, **settings))  # type: ignore[arg-type]
    return [job.output for job in jobs]


def test_without_an_output_the_file_goes_into_processed_beside_it(two: tuple[Path, Path]) -> None:
    assert outputs([*two]) == [two[0].parent / "processed" / "a.wav", two[0].parent / "processed" / "b.wav"]


def test_a_format_changes_the_extension(two: tuple[Path, Path]) -> None:
    assert outputs([two[0]], format="flac") == [two[0].parent / "processed" / "a.flac"]


def test_an_output_with_an_audio_extension_is_a_file_and_without_is_a_folder(
    two: tuple[Path, Path], tmp_path: Path
) -> None:
    assert outputs([two[0]], tmp_path / "x.flac") == [tmp_path / "x.flac"]
    assert outputs([two[0]], tmp_path / "x") == [tmp_path / "x" / "a.wav"]
    assert outputs([two[0]], f"{tmp_path}/x.wav/") == [tmp_path / "x.wav" / "a.wav"]


def test_a_mistyped_extension_does_not_become_a_folder(two: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no audio format has .*x\.wavv; for a folder write .*x\.wavv/"):
        outputs([two[0]], tmp_path / "x.wavv")
    assert outputs([*two], tmp_path / "v1.2") == [tmp_path / "v1.2" / "a.wav", tmp_path / "v1.2" / "b.wav"]


def test_several_inputs_do_not_fit_into_one_file(two: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one file, but there are 2 inputs"):
        outputs([*two], tmp_path / "x.wav")


@pytest.mark.parametrize("how", ["same", "dotted", "symlink", "hard link", "folder link"])
def test_an_output_that_is_an_input_is_refused_by_any_name(two: tuple[Path, Path], tmp_path: Path, how: str) -> None:
    source = two[0]
    output = tmp_path / "other.wav"
    if how == "same":
        output = source
    elif how == "dotted":
        output = tmp_path / "processed" / ".." / "a.wav"
        (tmp_path / "processed").mkdir()
    elif how == "symlink":
        output.symlink_to(source)
    elif how == "hard link":
        os.link(source, output)
    else:
        (tmp_path / "again").symlink_to(tmp_path)
        output = tmp_path / "again" / "a.wav"
    with pytest.raises(UsageError, match="would overwrite the input"):
        outputs([source], output, overwrite=True)
    with pytest.raises(UsageError, match="would overwrite the input"):
        outputs([two[1], source], output.parent if how == "same" else tmp_path, overwrite=True)


def test_two_inputs_that_would_become_one_output_are_both_named(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.wav").touch()
    with pytest.raises(UsageError, match=r"x/same.wav and .*y/same.wav would both become"):
        outputs([tmp_path / "x" / "same.wav", tmp_path / "y" / "same.wav"], tmp_path / "out")


def test_an_existing_output_is_refused_replaced_or_skipped_as_asked(two: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(b"old")
    with pytest.raises(UsageError, match="--overwrite"):
        outputs([two[0]], tmp_path / "x.wav")
    assert outputs([two[0]], tmp_path / "x.wav", overwrite=True) == [tmp_path / "x.wav"]
    job = plan_jobs(named(two[0]), str(tmp_path / "x.wav"), Settings(NOTHING, skip_existing=True))[0]
    assert job.skip == "the output exists"


def test_a_fifo_is_never_an_output(two: tuple[Path, Path], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.wav")
    with pytest.raises(UsageError, match="not a regular file"):
        outputs([two[0]], tmp_path / "x.wav", overwrite=True)


def test_what_was_found_in_a_folder_keeps_its_place(tmp_path: Path) -> None:
    found = [Input(str(tmp_path / "in" / "x" / "a.wav"), "x/a.wav", str(tmp_path / "in"))]
    job = plan_jobs(found, str(tmp_path / "out"), Settings(NOTHING))[0]
    assert (job.output, job.root) == (tmp_path / "out" / "x" / "a.wav", tmp_path / "out")
    job = plan_jobs(found, None, Settings(NOTHING))[0]
    assert (job.output, job.root) == (
        tmp_path / "in" / "processed" / "x" / "a.wav", tmp_path / "in" / "processed")


def test_an_output_that_is_named_has_no_folder_of_the_run(two: tuple[Path, Path], tmp_path: Path) -> None:
    assert plan_jobs(named(two[0]), str(tmp_path / "x.wav"), Settings(NOTHING))[0].root is None


def test_a_template_names_the_outputs(two: tuple[Path, Path], tmp_path: Path) -> None:
    jobs = plan_jobs(named(*two), str(tmp_path / "out"), Settings(NOTHING, format="flac"),
                     template="{stem}.{chain}{ext}", chain="eq")
    assert [job.output.name for job in jobs] == ["a.eq.flac", "b.eq.flac"]


def test_resuming_replaces_what_is_there_only_where_a_run_was_before(two: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.wav").write_bytes(b"somebody's")
    with pytest.raises(UsageError, match="exists"):
        plan_jobs(named(*two), str(out), Settings(NOTHING), resume=True)
    (out / journal.NAME).write_text(json.dumps({"output": "a.wav", "out_inode": 1}) + "\n")
    with pytest.raises(UsageError, match=r"a\.wav exists, and is not what the journal says was made; use --overwrite"):
        plan_jobs(named(*two), str(out), Settings(NOTHING), resume=True)
    inode = (out / "a.wav").stat().st_ino
    (out / journal.NAME).write_text(json.dumps({"output": "a.wav", "out_inode": inode}) + "\n")
    assert len(plan_jobs(named(*two), str(out), Settings(NOTHING), resume=True)) == 2


def test_resuming_needs_one_output_folder(tmp_path: Path) -> None:
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.wav").touch()
    with pytest.raises(UsageError, match="--resume needs one output folder"):
        plan_jobs(named(tmp_path / "x" / "a.wav", tmp_path / "y" / "a.wav"), None, Settings(NOTHING), resume=True)


def test_in_place_the_input_is_the_output_and_a_link_stays_one(two: tuple[Path, Path], tmp_path: Path) -> None:
    link = tmp_path / "link.wav"
    link.symlink_to(two[0])
    jobs = plan_in_place(named(link, two[1]), ".bak", Settings(NOTHING))
    assert jobs == [
        Job(link, two[0], overwrite=True, backup=tmp_path / "a.wav.bak"),
        Job(two[1], two[1], overwrite=True, backup=tmp_path / "b.wav.bak"),
    ]


def in_place(*paths: Path, resume: bool = False, settings: Settings | None = None) -> list[Job]:
    return plan_in_place(named(*paths), ".bak", settings or Settings(NOTHING), resume=resume)


@pytest.mark.parametrize("resume", [False, True])
def test_in_place_a_backup_of_other_bytes_is_refused_whatever_its_size_and_time(
        two: tuple[Path, Path], resume: bool) -> None:
    path, backup = two[0], Path(f"{two[0]}.bak")
    path.write_bytes(b"what it is now")
    backup.write_bytes(b"what it was...")
    facts = path.stat()
    os.utime(backup, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    words = "no journal says that it was made from it" if resume else "was it done before?"
    with pytest.raises(UsageError, match=re.escape(f"{backup} exists and is not {path}: {words}")):
        in_place(*two, resume=resume)


def test_in_place_what_was_done_is_what_the_journal_and_the_bytes_say(two: tuple[Path, Path]) -> None:
    path, backup = two[0], Path(f"{two[0]}.bak")
    path.write_bytes(b"filtered")
    backup.write_bytes(b"what it was")
    settings = Settings(NOTHING)
    record = {"replaced": path.name, "work": settings.work, "out_sha256": hashlib.sha256(b"filtered").hexdigest(),
              "warnings": 1}
    (path.parent / journal.NAME).write_text(json.dumps(record) + "\n")
    assert [job.skip for job in in_place(*two, resume=True)] == ["done before", None]
    assert "--strict forbids" in str(in_place(path, resume=True, settings=Settings(NOTHING, strict=True))[0].fault)
    with pytest.raises(UsageError, match=f"{path} was made by another chain or other options; .* is {backup}"):
        in_place(path, resume=True, settings=Settings(NOTHING, dither="none"))
    backup.unlink()  # the user is content
    assert in_place(path, resume=True)[0].skip == "done before"
    path.write_bytes(b"edited!!")
    assert in_place(path, resume=True)[0].skip is None


@pytest.mark.parametrize("how", [os.link, shutil.copy])
def test_in_place_a_backup_that_still_is_the_input_is_no_obstacle(two: tuple[Path, Path], how: Any) -> None:
    how(two[0], f"{two[0]}.bak")
    (job,) = in_place(two[0])
    assert job.skip is None
    assert job.has_backup


def test_in_place_a_link_is_no_backup_and_an_input_is_none(two: tuple[Path, Path]) -> None:
    Path(f"{two[0]}.bak").symlink_to(two[0])
    with pytest.raises(UsageError, match=r"a\.wav\.bak exists and is not "):
        in_place(two[0])
    Path(f"{two[0]}.bak").unlink()
    os.link(two[0], f"{two[0]}.bak")
    with pytest.raises(UsageError, match=r"a\.wav\.bak would be the backup of .*a\.wav, and is an input"):
        in_place(two[0], Path(f"{two[0]}.bak"))


def test_in_place_two_names_of_one_file_are_refused(two: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "link.wav").symlink_to(two[0])
    with pytest.raises(UsageError, match="both"):
        in_place(two[0], tmp_path / "link.wav")


def test_all_conflicts_are_told_at_once(two: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for name in ("a.wav", "b.wav"):
        (tmp_path / "out" / name).touch()
    with pytest.raises(UsageError) as refused:
        outputs([*two], tmp_path / "out")
    assert str(refused.value).count(" exists") == 2
    assert str(refused.value).count("--overwrite") == 1


def test_an_impossible_format_or_subtype_is_told_before_anything_runs(two: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown format"):
        outputs([*two], format="wavv")
    with pytest.raises(UsageError, match=r"FLAC cannot hold float; it can hold PCM_16"):
        outputs([*two], tmp_path / "out", format="flac", subtype="float")
    with pytest.raises(UsageError, match="would not be FLAC"):
        outputs([two[0]], tmp_path / "x.wav", format="flac")
