"""Patterns mean what the shell means by them."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from torchfx_cli.errors import UsageError
from torchfx_cli.tasks.inputs import gather
from torchfx_cli.tasks.patterns import compiled, folders_deep, is_pattern, split

NAMES = ("a.wav", "b.wav", "ab.wav", "a-b.wav", "[.wav", "].wav", "a&b~c|d.wav", "^.wav", "\\.wav", "x\ny.wav",
         "d/a.wav", "d/e/a.wav", "d/e/b.flac", "d/f/ab.wav", "dd/a.wav", "dd/e/f/g/a.wav")
PATTERNS = ("*", "*.wav", "?.wav", "a?.wav", "[ab].wav", "[!ab].wav", "[a-b].wav", "[]].wav", "[!]].wav", "[[].wav",
            "[^a].wav", "a[&~|-]b*", "[a-].wav", "[-a].wav", "**/a.wav", "d*/a.wav", "d/**/*.wav",
            "**/e/*", "**/e/**/a.wav", "*/*/?.wav", "d/?/*", "d/[ef]/*.wav", "**/*")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in NAMES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def as_bash_expands(pattern: str) -> set[str]:
    """What bash makes of `pattern`: files only."""
    script = "shopt -s globstar nullglob; IFS=; printf '%s\\0' $1"
    done = subprocess.run(["bash", "-c", script, "bash", pattern], capture_output=True, check=True,
                          env=os.environ | {"LC_ALL": "C"})
    return {name for name in os.fsdecode(done.stdout).split("\0") if os.path.isfile(name)}


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash says what is right")
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_finds_what_bash_finds(tree: Path, pattern: str) -> None:
    expected = as_bash_expands(pattern)
    assert expected
    assert {one.path for one in gather([pattern]).inputs} == expected


@pytest.mark.parametrize(("pattern", "root", "rest", "deep"), [
    ("raw/**/*.flac", "raw", "**/*.flac", None),
    ("*.wav", "", "*.wav", 0),
    ("/*/x/?.wav", "/", "*/x/?.wav", 2),
    ("../in/[ab].wav", "../in", "[ab].wav", 0),
])
def test_a_pattern_is_searched_from_its_fixed_beginning_and_no_deeper_than_it_reaches(
        pattern: str, root: str, rest: str, deep: int | None) -> None:
    assert split(pattern) == (root, rest)
    assert folders_deep(rest) == deep


def test_a_pattern_that_stays_in_one_folder_reads_no_other(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    scandir = os.scandir

    def noting(folder: str) -> object:
        read.append(folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", noting)
    gather(["*.wav"])
    assert read == ["."]
    gather(["d/*/a.wav"])
    assert read[1:] == ["d", "d/e", "d/f"]


def test_an_open_bracket_is_a_character() -> None:
    assert not is_pattern("take [1.wav")
    assert compiled("take [1*").fullmatch("take [1.wav")


def test_a_range_that_runs_backwards_is_a_mistake_of_the_user(tree: Path) -> None:
    for words, options in ((["[b-a].wav"], {}), (["."], {"include": ["[b-a]*"]}), (["."], {"exclude": ["[b-a]*"]})):
        with pytest.raises(UsageError, match=r"the pattern \[b-a\].*: b-a runs backwards"):
            gather(words, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("pattern", "name", "is_one"), [
    ("*a" * 30 + "b", "a" * 250, False), ("*a" * 30 + "b", "a" * 250 + "b", True),
    ("**/" * 20 + "x", "a/" * 120, False),
    ("[!b]*" * 20 + "b", "a" * 250 + "b", True), ("a**" * 20 + "b", "a/" * 120, False),
])
def test_no_pattern_takes_long_whatever_the_name(pattern: str, name: str, is_one: bool) -> None:
    """Regular expressions took 23 s for *a*a*a*a*b, and would take years for these."""
    since_s = time.perf_counter()
    assert compiled(pattern).fullmatch(name) is is_one
    assert time.perf_counter() - since_s < 2.0


def test_a_pattern_of_many_stars_is_followed_through_a_hundred_thousand_names_in_seconds() -> None:
    pattern = compiled("**/take*[0-9]?.w[a-z]v")
    since_s = time.perf_counter()
    found = sum(pattern.fullmatch(f"day {n % 7}/scene {n % 90}/take {n}.wav") for n in range(100_000))
    assert found == 100_000 - 10, "all but those of one digit"
    assert time.perf_counter() - since_s < 10.0


@pytest.mark.parametrize(("word", "name"), [
    ("[" * 100_000, "[" * 4000), ("[ab]*" * 20_000 + "c", "ab" * 2000), ("*?" * 20_000 + "c", "a" * 4000),
])
def test_no_pattern_takes_long_however_long_it_is(word: str, name: str) -> None:
    since_s = time.process_time()
    is_pattern(word)
    assert not compiled(word).fullmatch(name)
    assert time.process_time() - since_s < 5.0  # a second; half a minute where each part is asked at each character


def test_a_star_is_also_a_character_of_names_and_stars_in_a_row_are_tried_at_every_length() -> None:
    assert compiled("*").fullmatch("*")
    assert compiled("a***b").fullmatch("a/x/b")
    assert compiled("*?*?*").fullmatch("ab")
    assert not compiled("*?*?*").fullmatch("a")
    assert not compiled("**/b").fullmatch("ab")
    assert compiled("**/**/b").fullmatch("b")
    assert compiled("**/a/**/b").fullmatch("x/a/y/a/b")
