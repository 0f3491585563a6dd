"""Outputs that would destroy something are found by what names lead to, not by how they are written."""

from __future__ import annotations

import os
from pathlib import Path

from torchfx_cli.tasks.conflicts import find_conflicts


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
