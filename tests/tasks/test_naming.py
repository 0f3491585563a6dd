"""The names of outputs: mirrored, templated, and never outside the output folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from torchfx_cli.errors import UsageError
from torchfx_cli.tasks.conflicts import find_conflicts
from torchfx_cli.tasks.inputs import Input
from torchfx_cli.tasks.naming import check_template, output_path

DEEP = Input("in/x/y/take.1.wav", "x/y/take.1.wav", "in")
NAMED = Input("in/a.wav", "a.wav", None)


@pytest.mark.parametrize(("found", "output", "expected"), [
    (NAMED, None, "in/processed/a.wav"),
    (Input("a.wav", "a.wav", None), None, "processed/a.wav"),
    (NAMED, "out", "out/a.wav"),
    (NAMED, "out.flac", "out.flac"),
    (NAMED, "out.flac/", "out.flac/a.wav"),
    (DEEP, None, "in/processed/x/y/take.1.wav"),
    (DEEP, "out", "out/x/y/take.1.wav"),
    (DEEP, "v1.2", "v1.2/x/y/take.1.wav"),
])
def test_an_output_goes_where_its_input_says(found: Input, output: str | None, expected: str) -> None:
    assert output_path(found, output=output, inputs=1) == expected


def test_what_is_found_in_a_folder_does_not_fit_into_one_file() -> None:
    with pytest.raises(UsageError, match="one file"):
        output_path(DEEP, output="out.wav", inputs=1)


@pytest.mark.parametrize(("template", "expected"), [
    ("{stem}.{chain}{ext}", "out/x/y/take.1.eq.flac"),
    ("{name}{ext}", "out/x/y/take.1.wav.flac"),
    ("{number:03}{ext}", "out/x/y/007.flac"),
    ("{chain}/{stem}{ext}", "out/x/y/eq/take.1.flac"),
    ("{parent}/{chain}-{stem}{ext}", "out/x/y/eq-take.1.flac"),
    ("flat/{parent}_{stem}{ext}", "out/flat/x/y_take.1.flac"),
])
def test_a_template_fills_in_what_it_names(template: str, expected: str) -> None:
    check_template(template)
    assert output_path(DEEP, output="out", inputs=9, template=template, extension=".flac", chain="eq",
                       number=7) == expected


@pytest.mark.parametrize(
    "template", ["{steam}", "{stem", "{}", "{0}", "{stem!r}", "{stem.__class__}", "{stem:%}", "{stem[0]}"])
def test_a_template_with_anything_else_is_refused_with_what_is_allowed(template: str) -> None:
    with pytest.raises(UsageError, match=r"--name: found .*; allowed are \{stem\}, \{ext\}, \{name\}"):
        check_template(template)


def test_a_template_that_gives_all_outputs_one_name_is_refused() -> None:
    with pytest.raises(UsageError, match="gives every output the same name"):
        check_template("{chain}{ext}")


@pytest.mark.parametrize("template", ["../{stem}{ext}", "/tmp/{stem}{ext}", "{stem}/../../x{ext}", "{stem}/"])
def test_a_name_that_leaves_the_output_folder_or_is_none_is_refused(template: str) -> None:
    with pytest.raises(UsageError, match="--name"):
        output_path(DEEP, output="out", inputs=2, template=template)


def test_a_name_that_is_too_long_is_refused() -> None:
    with pytest.raises(UsageError, match="longer than 255 bytes"):
        output_path(DEEP, output="out", inputs=2, template="x" * 250 + "{stem}{ext}")


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
