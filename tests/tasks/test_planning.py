"""What becomes what, and every conflict found before anything is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from torchfx_cli.chain.spec import ChainSpec
from torchfx_cli.errors import UsageError
from torchfx_cli.tasks.job import Settings, plan_jobs

NOTHING = ChainSpec("nothing", ())


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path / "a.wav", tmp_path / "b.wav"


def outputs(inputs: list[Path], output: str | Path | None = None, **settings: object) -> list[Path]:
    return [job.output for job in plan_jobs(inputs, output, Settings(NOTHING, **settings))]  # type: ignore[arg-type]


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
    job = plan_jobs([two[0]], tmp_path / "x.wav", Settings(NOTHING, skip_existing=True))[0]
    assert job.skip == "the output exists"


def test_a_fifo_is_never_an_output(two: tuple[Path, Path], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.wav")
    with pytest.raises(UsageError, match="not a regular file"):
        outputs([two[0]], tmp_path / "x.wav", overwrite=True)


def test_a_folder_as_input_says_how_to_name_its_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is a folder; name its files"):
        outputs([tmp_path])


def test_all_conflicts_are_told_at_once(two: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for name in ("a.wav", "b.wav"):
        (tmp_path / "out" / name).touch()
    with pytest.raises(UsageError) as refused:
        outputs([*two], tmp_path / "out")
    assert str(refused.value).count("exists") == 2


def test_an_impossible_format_or_subtype_is_told_before_anything_runs(two: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown format"):
        outputs([*two], format="wavv")
    with pytest.raises(UsageError, match=r"FLAC cannot hold float; it can hold PCM_16"):
        outputs([*two], tmp_path / "out", format="flac", subtype="float")
    with pytest.raises(UsageError, match="would not be FLAC"):
        outputs([two[0]], tmp_path / "x.wav", format="flac")
