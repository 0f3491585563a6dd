"""Outputs that would destroy something are found by what names lead to, not by how they are written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from torchfx_cli.tasks.conflicts import Named, find_clashes, find_conflicts


def test_outputs_that_are_one_place_by_different_names_are_found(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to("out")
    pairs = [("a", f"{tmp_path}/out/x.wav"), ("b", f"{tmp_path}/link/x.wav"), ("c", f"{tmp_path}/link/../out/x.wav"),
             ("d", f"{tmp_path}/gone/x.wav"), ("e", f"{tmp_path}/gone/./x.wav"), ("f", f"{tmp_path}/out/y.wav")]
    told = find_conflicts(pairs, in_place=False)
    assert [line.split(" would")[0] for line in told] == ["a and b", "a and c", "d and e"]


def test_an_output_that_is_an_input_is_found_through_links(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    (tmp_path / "b.wav").symlink_to("a.wav")
    told = find_conflicts([(f"{tmp_path}/a.wav", f"{tmp_path}/b.wav")], in_place=False)
    assert told == [f"{tmp_path}/a.wav: the output {tmp_path}/b.wav would overwrite the input {tmp_path}/a.wav; "
                    "choose another --output"]
    assert find_conflicts([(f"{tmp_path}/a.wav", f"{tmp_path}/a.wav")], in_place=True) == []


def test_folders_that_are_still_to_be_made_are_told_apart_by_where_they_will_be(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to("out")
    pairs = [("a", f"{tmp_path}/out/new/x.wav"), ("b", f"{tmp_path}/link/new/x.wav"),
             ("c", f"{tmp_path}/out/other/x.wav"), ("d", f"{tmp_path}/new/x.wav")]
    assert [line.split(" would")[0] for line in find_conflicts(pairs, in_place=False)] == ["a and b"]


def test_relative_and_absolute_names_of_one_output_are_one(tmp_path: Path) -> None:
    relative = os.path.relpath(tmp_path / "gone" / "x.wav")
    assert len(find_conflicts([("a", f"{tmp_path}/gone/x.wav"), ("b", relative)], in_place=False)) == 1


def test_an_input_that_is_given_twice_is_a_conflict_too() -> None:
    pair = ("a.wav", "gone/a.wav")
    assert find_conflicts([pair, pair], in_place=True) == [
        "a.wav and a.wav would both become gone/a.wav; give the folder that holds them as the input, or a --name with "
        "{number}"]


def test_a_hard_link_to_an_input_is_that_input(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    (tmp_path / "out").mkdir()
    os.link(tmp_path / "a.wav", tmp_path / "out" / "b.wav")
    pairs = [(f"{tmp_path}/{name}", f"{tmp_path}/out/{name}") for name in ("b.wav", "a.wav")]
    told = find_conflicts(pairs, in_place=False)
    assert [line.split("; ")[0] for line in told] == [
        f"{tmp_path}/b.wav: the output {tmp_path}/out/b.wav would overwrite the input {tmp_path}/a.wav"]


def test_hundreds_of_missing_levels_are_no_trouble(tmp_path: Path) -> None:
    deep = "/".join(["d"] * 1500)
    pairs = [("a", f"{tmp_path}/{deep}/x.wav"), ("b", f"{tmp_path}/{deep}/y.wav"), ("c", f"{tmp_path}/d/{deep}/x.wav")]
    assert find_conflicts(pairs, in_place=False) == []


def test_impossible_names_are_no_conflicts() -> None:
    assert find_conflicts([("a\0", "b\0"), ("c" * 300, "d" * 300)], in_place=False) == []


def test_outputs_that_links_bring_to_one_file_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    (tmp_path / "b.wav").symlink_to("a.wav")
    (tmp_path / "c.wav").symlink_to("new.wav")
    for first, second in (("a.wav", "b.wav"), ("c.wav", "new.wav")):
        told = find_conflicts([("x", f"{tmp_path}/{first}"), ("y", f"{tmp_path}/{second}")], in_place=False)
        assert [line.split(" would")[0] for line in told] == ["x and y"]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the current folder: in.wav, also called hard and soft; taps.txt; out/, also called way; r, also called s."""
    monkeypatch.chdir(tmp_path)
    for name in ("in.wav", "taps.txt", "r"):
        Path(name).touch()
    os.link("in.wav", "hard")
    Path("soft").symlink_to("in.wav")
    Path("s").symlink_to("r")
    Path("new").symlink_to("made")
    Path("out").mkdir()
    Path("way").symlink_to("out")


@pytest.mark.parametrize(("name", "role"), [
    ("in.wav", "the input in.wav"), ("hard", "the input in.wav"), ("soft", "the input in.wav"),
    ("out/../in.wav", "the input in.wav"), ("gone.wav", "the input gone.wav"), ("way/../taps.txt", "the taps"),
    ("out/x.wav", "an output of this run"), ("way/x.wav", "an output of this run"),
    ("out/sub", "where the folder of the output out/sub/deep/y.wav must be"),
    ("out/./sub/deep", "where the folder of the output out/sub/deep/y.wav must be"),
    ("in.wav.bak", "an output of this run"),
])
def test_a_report_is_no_input_no_output_and_no_folder_of_one(files: None, name: str, role: str) -> None:
    told = find_clashes([Named("--report", name)], [Named("the taps", "taps.txt")], ["in.wav", "gone.wav"],
                        ["out/x.wav", "out/sub/deep/y.wav", "in.wav.bak"])
    assert told == [f"--report: {name} is {role}; choose another file"]


@pytest.mark.parametrize(("first", "second"), [
    ("r", "r"), ("r", "./out/../r"), ("r", "s"), ("x", f"{os.curdir}/x"), ("out/x", "way/x"), ("new", "made"),
    ("in.wav", "hard"),
])
def test_two_files_at_one_place_are_refused(files: None, first: str, second: str) -> None:
    told = find_clashes([Named("--csv", first), Named("--json", second)])
    assert told == [f"--csv and --json are the same file: {second}"]


def test_an_output_does_not_overwrite_what_is_read_beside_the_audio(files: None) -> None:
    told = find_clashes([], [Named("the taps", "taps.txt")], ["in.wav"], ["way/../taps.txt", "out/x.wav"])
    assert told == ["the output way/../taps.txt would overwrite the taps; choose another --output"]


def test_what_is_apart_is_no_clash_and_everybody_may_write_the_null_device(files: None) -> None:
    written = [Named("--report", "/dev/null"), Named("--failed", "/dev/null"), Named("--csv", "r"), Named("--x", "-")]
    assert find_clashes(written, [Named("the taps", "taps.txt")], ["in.wav", "-"], ["in.wav", "out/x.wav"]) == []
    assert find_clashes([], [], ["in.wav"], ["in.wav"]) == [], "in place the input is the output"


def test_a_file_called_dash_is_no_stream(files: None) -> None:
    Path("-").mkdir()
    assert find_conflicts([("-", "-/x.wav")], in_place=False) == []
    assert find_clashes([Named("--report", "./-")], [], ["-"]) == []


def test_two_of_one_stem_are_told_how_to_keep_both_names() -> None:
    (problem,) = find_conflicts([("in/a.wav", "out/a.flac"), ("in/a.mp3", "out/a.flac")], in_place=False)
    assert problem == ("in/a.wav and in/a.mp3 would both become out/a.flac; --name '{name}{ext}' keeps both names "
                       "whole, a.mp3.wav beside a.wav.wav")
