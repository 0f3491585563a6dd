"""The names of outputs: mirrored, templated, and never outside the output folder."""

from __future__ import annotations

import pytest

from torchfx_cli.errors import UsageError
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


@pytest.mark.parametrize("relative", ["../x.wav", "a/../../x.wav", "../..", "/etc/x.wav", "a/../x.wav"])
@pytest.mark.parametrize("output", [None, "out", "out/"])
@pytest.mark.parametrize("template", [None, "{stem}-eq{ext}", "{parent}/{stem}{ext}"])
@pytest.mark.parametrize("root", [None, "in"])
def test_no_output_lies_outside_the_output_folder(
        relative: str, output: str | None, template: str | None, root: str | None) -> None:
    with pytest.raises(UsageError, match=r"leave|no extension of audio"):
        output_path(Input("in/x.wav", relative, root), output=output, inputs=2, template=template)


def test_a_file_that_is_listed_with_its_root_fits_into_one_file() -> None:
    listed = Input("in/./a.wav", "a.wav", "in", listed=True)
    assert output_path(listed, output="out.wav", inputs=1) == "out.wav"


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
    "template", ["{steam}", "{stem", "{}", "{0}", "{stem!r}", "{stem.__class__}", "{stem:%}", "{stem[0]}", "{stem:9}",
                 "{number:999999999}", "{number:{stem}}", "{number:+}"])
def test_a_template_with_anything_else_is_refused_with_what_is_allowed(template: str) -> None:
    with pytest.raises(UsageError, match=r"--name: found .*; allowed are \{stem\}, \{ext\}, \{name\}"):
        check_template(template)


@pytest.mark.parametrize(("template", "expected"), [
    ("{parent}/{stem}-eq{ext}", "out/a-eq.wav"),
    ("all/{parent}/{stem}{ext}", "out/all/a.wav"),
    ("{parent}{stem}{ext}", "out/a.wav"),
])
def test_what_lies_at_the_top_has_no_parent_and_no_slash(template: str, expected: str) -> None:
    top = Input("in/a.wav", "a.wav", "in")
    assert output_path(top, output="out", inputs=2, template=template) == expected
    assert output_path(NAMED, output="out", inputs=2, template=template) == expected


def test_a_template_without_an_extension_is_refused_unless_a_format_is_given() -> None:
    with pytest.raises(UsageError, match=r"--name: x/y/take\.1-eq has no extension of audio; end .* with \{ext\}"):
        output_path(DEEP, output="out", inputs=2, template="{stem}-eq")
    named = output_path(DEEP, output="out", inputs=2, template="{stem}-eq", extension=".flac")
    assert named == "out/x/y/take.1-eq"


def test_an_empty_output_is_a_variable_that_is_not_set() -> None:
    with pytest.raises(UsageError, match="--output is an empty word"):
        output_path(NAMED, output="", inputs=1)


def test_a_template_that_gives_all_outputs_one_name_is_refused() -> None:
    with pytest.raises(UsageError, match="gives every output the same name"):
        check_template("{chain}{ext}")


@pytest.mark.parametrize(
    "template", ["../{stem}{ext}", "/tmp/{stem}{ext}", "{stem}/../../x{ext}", "{stem}/", "{chain}/{stem}{ext}"])
def test_a_name_that_leaves_the_output_folder_or_is_none_is_refused(template: str) -> None:
    with pytest.raises(UsageError, match="--name"):
        output_path(DEEP, output="out", inputs=2, template=template, chain="..")


@pytest.mark.parametrize("template", ["x" * 246 + "{name}", "\u00e9" * 123 + "{name}", "x" * 256 + "/{name}"])
def test_a_name_of_more_than_255_bytes_is_refused(template: str) -> None:
    with pytest.raises(UsageError, match="longer than 255 bytes"):
        output_path(DEEP, output="out", inputs=2, template=template)
    assert output_path(DEEP, output="out", inputs=2, template=template[2:])
