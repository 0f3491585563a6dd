"""Which files are meant: folders, patterns, lists, odd names and links; nothing twice, nothing that is no sound."""

from __future__ import annotations

import codecs
import io
import os
import socket
import unicodedata
from pathlib import Path
from typing import Literal

import pytest

from torchfx_cli.errors import RunError, UsageError
from torchfx_cli.stream import foreign
from torchfx_cli.tasks.inputs import Gathered, Input, gather, in_list
from torchfx_cli.tasks.naming import output_path

DEEP = 1200


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """in/ with sounds at three depths, and what is no input beside them; the current folder holds it."""
    for name in ("a.wav", "b.flac", "sub/c.wav", "sub/deep/d.OGG", "sub/deep/notes.txt", ".hidden.wav", ".git/e.wav",
                 "processed/a.wav", "sub/processed/c.wav"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def faults(found: Gathered) -> dict[str, str]:
    return {one.path: one.fault for one in found.inputs if one.fault is not None}


def paths(found: Gathered) -> list[str]:
    return [one.path for one in found.inputs]


def test_who_listens_hears_of_each_that_is_left_out(tree: Path) -> None:
    heard: list[tuple[str, str]] = []
    found = gather(["in", "in/a.wav"], exclude=["sub"], left_out=lambda path, reason: heard.append((path, reason)))
    assert paths(found) == ["in/a.wav", "in/b.flac"]
    assert {("in/.hidden.wav", "hidden"), ("in/sub", "excluded"), ("in/a.wav", "named twice")} <= set(heard)
    assert len(heard) == found.skipped.total()


def test_a_folder_gives_its_sounds_in_order_with_their_places(tree: Path) -> None:
    found = gather(["in"])
    assert found.inputs == [
        Input("in/a.wav", "a.wav", "in"), Input("in/b.flac", "b.flac", "in"), Input("in/sub/c.wav", "sub/c.wav", "in"),
        Input("in/sub/deep/d.OGG", "sub/deep/d.OGG", "in"),
    ]
    assert found.skipped == {"hidden": 2, "no audio": 1, "in a folder of outputs": 2}


def test_outputs_of_an_earlier_run_are_no_inputs_of_one_with_an_output_folder(tree: Path) -> None:
    for folder in ("in/processed", "in"):
        (tree / folder / ".torchfx-journal").touch()
    found = gather(["in"], output="out")
    assert paths(found)[:2] == ["in/a.wav", "in/b.flac"]
    assert "in/processed/a.wav" not in paths(found)
    assert "in/sub/processed/c.wav" in paths(found), "nobody knows who made it"
    assert found.skipped == {"hidden": 2, "no audio": 1, "in a folder of outputs": 1}, "a journal is worth no word"
    assert paths(gather(["in/processed"], output="out")) == ["in/processed/a.wav"], "it was named"
    assert "in/processed/a.wav" in paths(gather(["in"], output="")), "a command that only looks sees all"


def test_what_is_named_is_tried_whatever_it_is(tree: Path) -> None:
    assert gather(["in/.hidden.wav", "in/sub/deep/notes.txt", "gone.wav"]).inputs == [
        Input("in/.hidden.wav", ".hidden.wav", None), Input("in/sub/deep/notes.txt", "notes.txt", None),
        Input("gone.wav", "gone.wav", None),
    ]


@pytest.mark.parametrize(("pattern", "expected"), [
    ("in/*.wav", ["in/a.wav"]),
    ("in/**/*.wav", ["in/a.wav", "in/sub/c.wav"]),
    ("in/**/[cd].*", ["in/sub/c.wav", "in/sub/deep/d.OGG"]),
    ("in/**/[!c]*", ["in/a.wav", "in/b.flac", "in/sub/deep/d.OGG"]),
    ("i?/?.wav", ["in/a.wav"]),
    ("**/d.OGG", ["in/sub/deep/d.OGG"]),
])
def test_a_pattern_that_the_shell_left_alone_is_expanded(tree: Path, pattern: str, expected: list[str]) -> None:
    assert paths(gather([pattern])) == expected


def test_the_fixed_beginning_of_a_pattern_is_where_the_tree_begins(tree: Path) -> None:
    assert gather(["in/sub/**/*.OGG"]).inputs == [Input("in/sub/deep/d.OGG", "deep/d.OGG", "in/sub")]
    absolute = gather([f"{tree}/in/su*/*.wav"]).inputs
    assert absolute == [Input(f"{tree}/in/sub/c.wav", "sub/c.wav", f"{tree}/in")]


def test_a_file_whose_name_looks_like_a_pattern_or_a_list_is_a_file(tree: Path) -> None:
    for name in ("[a].wav", "x@"):
        Path(name).touch()
    assert paths(gather(["[a].wav", "x@"])) == ["[a].wav", "x@"]


@pytest.mark.parametrize(("options", "expected"), [
    ({"include": ["*.flac"]}, ["in/b.flac"]),
    ({"include": ["sub/*"]}, ["in/sub/c.wav"]),
    ({"include": ["sub/**"]}, ["in/sub/c.wav", "in/sub/deep/d.OGG"]),
    ({"exclude": ["*.wav", "deep/*"]}, ["in/b.flac", "in/sub/deep/d.OGG"]),
    ({"include": ["*.wav"], "exclude": ["a*"]}, ["in/sub/c.wav"]),
    ({"exclude": ["deep"]}, ["in/a.wav", "in/b.flac", "in/sub/c.wav"]),
    ({"exclude": ["sub/"]}, ["in/a.wav", "in/b.flac"]),
])
def test_patterns_take_and_leave_out_by_name_or_by_place(
        tree: Path, options: dict[str, list[str]], expected: list[str]) -> None:
    assert paths(gather(["in"], **options)) == expected  # type: ignore[arg-type]
    assert paths(gather(["in/a.wav"], exclude=["*"])) == ["in/a.wav"], "a named file is meant"


def test_a_list_with_comments_names_files(tree: Path) -> None:
    Path("names.txt").write_text("# the good ones\n\nin/a.wav\r\nin/sub/c.wav\n")
    assert paths(gather(["names.txt@"])) == ["in/a.wav", "in/sub/c.wav"]
    with pytest.raises(UsageError, match=r"the list gone\.txt cannot be read: No such file"):
        gather(["gone.txt@"])


def test_a_list_from_a_pipe_takes_any_name(tree: Path) -> None:
    names = b"in/a.wav\0 leading\0new\nline.wav\0#hash.wav\0\xff\xfe.wav\0"
    found = gather([], files_from="-", zero=True, stdin=io.BytesIO(names))
    assert [os.fsencode(path) for path in paths(found)] == names.split(b"\0")[:-1]
    assert paths(gather([], files_from="-", stdin=io.BytesIO(b"in/a.wav\nin/b.flac"))) == ["in/a.wav", "in/b.flac"]


def test_folders_in_a_list_are_left_out_for_find_prints_what_is_in_them(tree: Path) -> None:
    found = gather([], files_from="-", stdin=io.BytesIO(b".\n./in\n./in/a.wav\n./in/sub\n./in/sub/c.wav\n"))
    assert paths(found) == ["./in/a.wav", "./in/sub/c.wav"]
    assert found.skipped == {"a folder in a list": 3}


def test_a_line_of_a_list_is_never_the_standard_input(tree: Path) -> None:
    assert gather([], files_from="-", stdin=io.BytesIO(b"-\n")).inputs == [Input("./-", "-", None)]


def test_a_list_of_the_other_kind_or_without_a_source_says_what_is_wrong(tree: Path) -> None:
    with pytest.raises(UsageError, match=r"the list - has NUL characters in it: give -0"):
        gather([], files_from="-", stdin=io.BytesIO(b"in/a.wav\0in/b.flac\0"))
    with pytest.raises(UsageError, match=r"the list in cannot be read: Is a directory"):
        gather([], files_from="in")
    with pytest.raises(UsageError, match=r"there is no standard input"):
        gather([], files_from="-")
    with pytest.raises(UsageError, match=r"cannot be both an input and the list"):
        gather(["-"], files_from="-", stdin=io.BytesIO(b"in/a.wav\n"))


def test_the_mark_that_editors_put_before_a_text_is_no_part_of_a_name(tree: Path) -> None:
    Path("names.txt").write_text("in/a.wav\n", encoding="utf-8-sig")
    assert paths(gather(["names.txt@"])) == ["in/a.wav"]


def test_an_empty_word_is_a_variable_that_is_not_set(tree: Path) -> None:
    with pytest.raises(UsageError, match="an input is an empty word"):
        gather(["in/a.wav", ""])


def test_names_in_a_list_keep_their_folders_under_an_output_folder(tree: Path) -> None:
    names = f"./in/sub/c.wav\nin/./sub/c.wav\n{tree}/in/a.wav\n../{tree.name}/in/b.flac\n".encode()
    found = gather([], files_from="-", stdin=io.BytesIO(names), output="o").inputs
    places = [(one.relative, one.root) for one in found]
    assert places == [("in/sub/c.wav", None), ("a.wav", None), ("b.flac", None)], "one is named twice"
    marked = gather([], files_from="-", stdin=io.BytesIO(b"in/./sub/c.wav\n"), output="o").inputs[0]
    assert (marked.relative, marked.root, in_list(marked)) == ("sub/c.wav", "in", "in/./sub/c.wav")
    beside = gather([], files_from="-", stdin=io.BytesIO(b"in/sub/c.wav\n")).inputs[0]
    assert (beside.relative, beside.root) == ("c.wav", None), "without one, processed/ lies beside each"


@pytest.mark.parametrize(("line", "output", "place"), [
    ("in/./../evil/x.wav", "o", None), ("in/./a/../../x.wav", None, None), ("in/./gone/..", "o", None),
    ("in/.//etc/x.wav", "o", "etc/x.wav"), ("in/./sub/../b/./x.wav", "o", "b/x.wav"), ("/./x.wav", "o", "x.wav"),
    ("../x.wav", "o", "x.wav"), ("a/../../x.wav", "o", "x.wav"), ("/x.wav", "o", "x.wav"),
    ("..a/x.wav", "o", "..a/x.wav"), ("..a/x.wav", None, "x.wav"), ("a/../b/x.wav", "o", "b/x.wav"),
])
def test_the_place_of_a_listed_name_is_below_the_output_folder(
        tree: Path, line: str, output: str | None, place: str | None) -> None:
    if place is None:
        with pytest.raises(UsageError, match=r"a list names .*\.\..* must not lead out of its folder"):
            gather([], files_from="-", stdin=io.BytesIO(f"{line}\n".encode()), output=output)
        return
    (found,) = gather([], files_from="-", stdin=io.BytesIO(f"{line}\n".encode()), output=output).inputs
    assert (found.relative, found.path) == (place, line)


def test_lists_that_were_read_are_known(tree: Path) -> None:
    for name in ("one", "two"):
        Path(name).write_text("in/a.wav\n")
    assert gather(["one@", "in/b.flac"], files_from="two").lists == ["one", "two"]


def test_nothing_is_done_twice(tree: Path) -> None:
    found = gather(["in", "in/a.wav", "./in/a.wav", "in/**/*.wav"])
    assert len(found.inputs) == 4
    assert found.skipped["named twice"] == 4


def test_behind_a_link_two_dots_lead_elsewhere_and_nothing_is_lost(tree: Path) -> None:
    (tree / "far" / "away").mkdir(parents=True)
    (tree / "link").symlink_to("far/away")
    (tree / "x.wav").touch()
    (tree / "far" / "x.wav").touch()
    assert paths(gather(["link/../x.wav", "x.wav"])) == ["link/../x.wav", "x.wav"]


@pytest.mark.parametrize(("first", "second"), [("A.wav", "a.wav"), ("\u00e9.wav", "e\u0301.wav")])
def test_names_that_are_one_elsewhere_are_both_done_and_remarked_on(tree: Path, first: str, second: str) -> None:
    (tree / "twins").mkdir()
    for name in (first, second):
        (tree / "twins" / name).touch()
    if len(os.listdir("twins")) == 1:
        pytest.skip("this file system takes them for one")
    found = gather(["twins"])
    assert sorted(paths(found)) == sorted([f"twins/{first}", f"twins/{second}"])
    assert [line.split(" are one name")[0] for line in found.remarks] == [" and ".join(paths(found))]


def test_many_remarks_are_told_in_few_lines(tree: Path) -> None:
    for number in range(30):
        for name in (f"t{number}.wav", f"T{number}.wav"):
            (tree / "in" / name).touch()
    remarks = gather(["in"]).remarks
    assert len(remarks) == 21
    assert remarks[-1] == "... and 10 more remarks"


@pytest.mark.parametrize(("words", "output"), [(["in"], "in"), (["in"], "in/../in/"), (["in/*.wav"], "in")])
def test_an_output_folder_that_would_be_searched_is_refused(tree: Path, words: list[str], output: str) -> None:
    with pytest.raises(UsageError, match="in would be searched for inputs and is the output folder"):
        gather(words, output=output)
    assert paths(gather(["in/a.wav"], output=output)) == ["in/a.wav"]


def test_the_output_folder_is_never_searched(tree: Path) -> None:
    (tree / "in" / "out").mkdir()
    (tree / "in" / "out" / "x.wav").touch()
    found = gather(["in"], output="in/out")
    assert not [path for path in paths(found) if "out" in path]
    assert found.skipped["in the output folder"] == 1
    assert "in/processed/a.wav" in paths(found), "with an output folder of its own this is a folder like others"


def test_loops_and_special_files_are_left_out_and_counted_and_dangling_links_are_faults(tree: Path) -> None:
    (tree / "in" / "sub" / "up").symlink_to(tree / "in")
    (tree / "in" / "gone.wav").symlink_to("nowhere.wav")
    (tree / "in" / "link.wav").symlink_to("a.wav")
    (tree / "in" / "self.wav").symlink_to("self.wav")
    os.mkfifo(tree / "in" / "pipe.wav")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tree / "in" / "s.wav"))
        found = gather(["in"])
    assert "in/link.wav" in paths(found)
    assert len(found.inputs) == 7
    assert found.skipped["reached twice through links"] == 1
    assert found.skipped["no regular file"] == 2
    assert faults(found) == {"in/gone.wav": "a link that leads nowhere",
                             "in/self.wav": "Too many levels of symbolic links"}
    assert [one.fault is None for one in found.inputs] == [True] * 5 + [False] * 2, "others keep their numbers"


def test_nothing_at_all_says_where_and_what_was_looked_for(tree: Path) -> None:
    (tree / "empty").mkdir()
    with pytest.raises(RunError, match=r"no audio files in empty \(looked for \.wav, "):
        gather(["empty"])
    with pytest.raises(RunError, match=r"no audio files in in/\*\*/\*\.mp3 .*left out: 1 hidden"):
        gather(["in/**/*.mp3"])
    assert gather(["empty", "in/a.wav"]).remarks == ["no audio files in empty"]


def test_fifty_levels_and_names_of_every_kind_are_found(tree: Path) -> None:
    deep = tree / "deep" / "/".join(["d"] * 50)
    deep.mkdir(parents=True)
    names = [b"-e.wav", b"\xf0\x9f\x98\x80.wav", b"\xff.wav", b"a\nb.wav", b"x" * 251 + b".wav"]
    for name in names:
        with open(os.fsencode(deep) + b"/" + name, "w"):
            pass
    assert sorted(os.fsencode(one.path).rsplit(b"/", 1)[1] for one in gather(["deep"]).inputs) == sorted(names)


def test_folders_may_be_nested_deeper_than_calls(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "deep").mkdir()
    monkeypatch.chdir(tree / "deep")
    for _ in range(DEEP):
        os.mkdir("d")
        os.chdir("d")
    Path("a.wav").touch()
    bottom = os.open(".", os.O_RDONLY)
    try:
        os.chdir(tree)
        assert [one.relative for one in gather(["deep"]).inputs] == ["d/" * DEEP + "a.wav"]
    finally:  # what tidies up behind the tests would not go that deep
        os.fchdir(bottom)
        os.close(bottom)
        os.remove("a.wav")
        for _ in range(DEEP):
            os.chdir("..")
            os.rmdir("d")


def test_a_folder_that_cannot_be_read_is_an_input_with_a_fault(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refusing(folder: str) -> object:
        if folder == "in/sub":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    found = gather(["in"])
    assert paths(found) == ["in/a.wav", "in/b.flac", "in/sub"]
    assert faults(found) == {"in/sub": "cannot be searched: Permission denied"}


def test_sounds_that_cannot_be_decoded_are_counted_by_their_kind(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "is_available", lambda: False)
    for name in ("1.m4a", "2.M4A", "sub/3.wma", "4.ape", "5.jpg", "6.wv"):
        (tree / "in" / name).touch()
    found = gather(["in"], exclude=["*.wv"])
    assert {reason: found.skipped[reason] for reason in found.skipped if reason[0] not in "hi"} == {
        "m4a: cannot be decoded here": 2, "wma: cannot be decoded here": 1, "ape: cannot be decoded here": 1,
        "no audio": 2, "excluded": 1}


def test_mpeg_audio_of_layer_ii_in_a_folder_is_taken_and_becomes_a_wav(
        tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "is_available", lambda: False)
    for name in ("1.mp2", "2.mpa", "3.mpga"):
        (tree / "in" / name).touch()
    found = gather(["in"], include=["*.mp*"])
    assert paths(found) == ["in/1.mp2", "in/2.mpa", "in/3.mpga"]
    assert [output_path(each, output="out", inputs=3) for each in found.inputs] == [
        "out/1.wav", "out/2.wav", "out/3.wav"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_list_may_have_a_byte_order_mark_or_be_utf_16_as_windows_writes_it(
        tree: Path, encoding: str, end: str) -> None:
    (tree / "in" / "Zoë.wav").touch()
    wanted = ["in/a.wav", "in/Zoë.wav"]
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    data = mark + "".join(name + end for name in wanted).encode(encoding)
    (tree / "list.txt").write_bytes(data)
    assert paths(gather(["list.txt@"])) == wanted
    assert paths(gather([], files_from="list.txt")) == wanted
    assert paths(gather([], files_from="-", stdin=io.BytesIO(data))) == wanted


def test_a_name_that_begins_like_a_byte_order_mark_is_kept(tree: Path) -> None:
    (tree / "\ufeffa.wav").touch()
    assert paths(gather([], files_from="-", stdin=io.BytesIO("\ufeffa.wav\n".encode()))) == ["\ufeffa.wav"]
    assert paths(gather([], files_from="-", stdin=io.BytesIO(b"\xff\xfea.wav\n"))) == ["\udcff\udcfea.wav"]
    assert paths(gather([], files_from="-", zero=True, stdin=io.BytesIO("\ufeffb\0".encode()))) == ["\ufeffb"]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_name_is_found_under_another_form_of_its_accents(tree: Path, form: Literal["NFC", "NFD"]) -> None:
    other: Literal["NFC", "NFD"] = "NFD" if form == "NFC" else "NFC"
    there, asked = (unicodedata.normalize(each, "Éva/Zoë.wav") for each in (form, other))
    (tree / "in" / there).parent.mkdir()
    (tree / "in" / there).touch()
    (tree / "list.txt").write_text(f"in/{asked}\n./in/./{asked}\n{tree}/in/{asked}\n")
    for words in (["list.txt@"], [f"in/{asked}", f"./in/./{asked}", f"{tree}/in/{asked}"]):
        found = gather(words, output="out")
        assert {os.path.realpath(path) for path in paths(found)} == {str(tree / "in" / there)}
        assert f"in/{asked}: found under another form of its accents (NFC or NFD)" in found.remarks
    assert gather(["list.txt@"], output="out").inputs[0].relative == f"in/{there}"


def test_of_several_forms_of_accents_none_is_guessed(tree: Path) -> None:
    for name in ("\u1ebf.wav", "e\u0302\u0301.wav"):
        (tree / "in" / name).touch()
    found = gather(["in/\u00ea\u0301.wav"])
    assert paths(found) == ["in/\u00ea\u0301.wav"], "which will fail: it is not there"
    assert found.remarks == ["in/\u00ea\u0301.wav: not there, but 2 names in in have another form of its accents "
                             "(NFC or NFD); give one of them as the shell completes it"]
    assert gather(["in/Zoë.wav"]).remarks == []
