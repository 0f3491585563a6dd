"""`torchfx check`, `schema` and `presets --new`: chains are held to be right or wrong, and made, without any audio."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from torchfx_cli.chain.parse import load_chain
from torchfx_cli.chain.presets import find, list_presets
from torchfx_cli.cli.app import app

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def chain(name: str, *stages: str) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text("".join(["chain:\n", *(f"  - {stage}\n" for stage in stages)]))
    return name


def test_right_chains_are_counted_and_wrong_ones_told_with_file_line_and_key(run: Any) -> None:
    right, wrong = chain("right.yaml", "highpass: 80", "gain: -3"), chain("wrong.yaml", "gain: -3", "highpas: 80")
    done = run("check", right, wrong, "podcast-voice")
    assert done.code == 2
    assert done.out.splitlines() == ["right.yaml: ok, 2 stages",
                                     "podcast-voice: ok, 4 stages"]
    assert len(done.told) == 1
    assert "wrong.yaml:3: chain[1].highpas: unknown stage 'highpas'; did you mean highpass?" in done.err
    assert run("check", right, "--quiet") == type(done)(0, "", "")


def test_a_chain_is_designed_for_each_rate_that_is_given(run: Any) -> None:
    name = chain("eq.yaml", "lowpass: 20 kHz")
    assert run("check", name).code == 0
    assert run("check", name, "--rate", "48k,96000").code == 0
    done = run("check", name, "--rate", "48 kHz,32000,16000")
    assert done.code == 2
    assert len(done.told) == 2
    assert all("eq.yaml:2: chain[0].lowpass" in line for line in done.told)


def test_a_chain_for_another_number_of_channels_is_right_until_one_is_asked_for(run: Any) -> None:
    name = chain("surround.yaml", "channels: [5, 6]")
    assert run("check", name).code == 0
    assert run("check", name, "--channels", "6,8").code == 0
    done = run("check", name, "--channels", "2,6")
    assert (done.code, len(done.told)) == (2, 1)
    assert "surround.yaml:2" in done.err


def test_the_chains_of_a_folder_are_all_checked(run: Any) -> None:
    chain("chains/b.yml", "gain: 1")
    chain("chains/deep/a.yaml", "gian: 1")
    (Path("chains") / "notes.txt").write_text("no chain")
    records = [json.loads(line) for line in run("check", "chains", "--json").out.splitlines()]
    assert [(record["chain"], record["status"], record["stages"]) for record in records] == [
        ("chains/b.yml", "ok", 1), ("chains/deep/a.yaml", "wrong", 0)]
    assert "did you mean gain?" in records[1]["errors"][0]
    Path("empty").mkdir()
    assert "no file in it ends in .yaml or .yml" in run("check", "empty").err


@pytest.mark.parametrize("options", [["--rate", "fast"], ["--rate", "48000,"], ["--channels", "0"], []])
def test_wrong_options_are_refused(run: Any, options: list[str]) -> None:
    assert run("check", *([] if not options else [chain("eq.yaml", "gain: 1")]), *options).code == 2


def test_every_preset_is_right(run: Any) -> None:
    names = [preset.name for preset in list_presets()]
    done = run("check", *names)
    assert (done.code, len(done.out.splitlines())) == (0, len(names))


def test_the_commit_hook_names_a_command_that_there_is() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    program, command, *options = hook["entry"].split()
    assert (program, hook["types"], hook["language"]) == ("torchfx", ["yaml"], "python")
    known = {word for param in app().commands[command].params for word in param.opts}
    assert set(options) <= known


def test_the_schema_may_be_written_over_itself_only(run: Any) -> None:
    assert run("schema", "-o", "chain.schema.json").code == 0
    assert Path("chain.schema.json").read_text() == run("schema").out == run("schema", "--json").out
    assert run("schema", "-o", "chain.schema.json").code == 0
    Path("mine.json").write_text("{}")
    assert run("schema", "-o", "mine.json").code == 2
    assert Path("mine.json").read_text() == "{}"


def test_a_new_preset_is_a_copy_that_can_be_used_by_its_name(run: Any, here: Path) -> None:
    done = run("presets", "--new", "my-voice", "--from", "podcast-voice")
    path = here / "config/torchfx/presets/my-voice.yaml"
    assert (done.code, done.out) == (0, f"{path}\n")
    first, *rest = path.read_text().split("\n")
    assert (path.parent / first.partition("$schema=")[2]).read_text() == run("schema").out
    shipped = find("podcast-voice").read_text()
    assert "\n".join(rest) == shipped.replace("name: podcast-voice", "name: my-voice")
    mine = load_chain(find("my-voice"))
    assert (mine.name, mine.stages) == ("my-voice", load_chain(find("podcast-voice")).stages)


def test_a_new_preset_of_nothing_is_a_right_chain(run: Any, here: Path) -> None:
    assert run("presets", "--new", "mine").code == 0
    assert run("check", "mine", "--rate", "8000,192000").out == "mine: ok, 3 stages\n"
    assert "mine" in [preset.name for preset in list_presets()]
    run("presets", "--new", "second", "--from", "mine")
    second = (here / "config/torchfx/presets/second.yaml").read_text()
    assert second.count("yaml-language-server") == 1


@pytest.mark.parametrize(("arguments", "words"), [
    (["--new", "../x"], "no folder"), (["--new", "a/b"], "no folder"), (["--new", ".x"], "letters, digits"),
    (["--new", "x.yaml"], "no .yaml"), (["--new", ""], "letters"), (["--new", "a b"], "letters"),
    (["--new", "telephone"], "a preset telephone comes with torchfx; give another name, such as my-telephone"),
    (["--new", "x", "--from", "telefone"], "did you mean tele"),
    (["--from", "telephone"], "give --new NAME"), (["telephone", "--new", "x"], "write --from telephone"),
])
def test_a_name_that_is_none_or_is_taken_is_refused(run: Any, here: Path, arguments: list[str], words: str) -> None:
    done = run("presets", *arguments)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert not (here / "config").exists()


def test_a_preset_that_is_there_is_never_replaced(run: Any, here: Path) -> None:
    run("presets", "--new", "mine")
    path = here / "config/torchfx/presets/mine.yaml"
    path.write_text("chain: [invert]\n")
    assert run("presets", "--new", "mine", "--from", "telephone").code == 2
    assert path.read_text() == "chain: [invert]\n"


@pytest.mark.parametrize(("number", "code", "words"), [
    (errno.ENOSPC, 1, "no space left on "), (errno.EROFS, 1, "is on a read-only file system"),
    (errno.EACCES, 2, "permission denied, while "),
])
@pytest.mark.parametrize("fails", ["mkdir", "fsync"])
def test_a_disk_that_takes_no_preset_is_told_and_nothing_partial_stays(
        run: Any, here: Path, monkeypatch: pytest.MonkeyPatch, fails: str, number: int, code: int, words: str) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, fails, fail)
    done = run("presets", "--new", "mine")
    assert (done.code, len(done.told)) == (code, 1)
    assert done.err.startswith("torchfx: error: --new: ")
    assert words in done.err
    assert [path for path in here.rglob("config/**/*") if path.is_file()] == []


def test_without_a_home_folder_there_is_no_place(run: Any, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", "")
    done = run("presets", "--new", "mine")
    assert done.code == 2
    assert "there is no place" in done.err
