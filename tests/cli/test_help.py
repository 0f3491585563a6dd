"""Help: groups of options, width, `torchfx help`, and no command at all."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest

from torchfx_cli.cli import front, helping
from torchfx_cli.cli.app import app

COMMANDS = tuple(app().commands)


def _groups(out: str) -> dict[str, set[str]]:
    """The long options below each title."""
    parts = re.split(r"^(\S.*):$", out, flags=re.MULTILINE)[1:]
    return {title: set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", text, re.MULTILINE))
            for title, text in zip(parts[::2], parts[1::2], strict=True)}


def test_every_option_of_process_stands_in_one_titled_group(run: Any) -> None:
    groups = _groups(run("process", "--help").out)
    assert list(groups) == [helping.CHAIN, helping.PLACE, helping.FORM, helping.BATCH, helping.DIRTY,
                            helping.COMPUTING, helping.TELLING]
    shown = [name for names in groups.values() for name in names]
    options = [parameter for parameter in app().commands["process"].params if parameter.param_type_name == "option"]
    assert sorted(shown) == sorted({*(next(name for name in option.opts if name.startswith("--"))
                                      for option in options), "--help"})
    assert "--resume" in groups[helping.BATCH]
    assert "--on-nan" in groups[helping.DIRTY]
    assert "--help" in groups[helping.TELLING]


def test_the_examples_of_process_stand_on_the_first_screen(run: Any) -> None:
    first = run("process", "--help").out.splitlines()[:23]
    assert sum(line.startswith("    torchfx process ") for line in first) >= 7


@pytest.mark.parametrize("command", ["", *COMMANDS])
@pytest.mark.parametrize("width", [80, 140])
def test_help_is_as_wide_as_the_terminal_and_cuts_nothing(
        run: Any, monkeypatch: pytest.MonkeyPatch, command: str, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = run(*command.split(), "--help").out.splitlines()
    assert max(map(len, lines)) <= width
    assert not any(line.endswith("...") and not line.startswith("Usage") for line in lines)
    if command == "process":
        assert max(map(len, lines)) > width - 25


def test_all_options_line_up(run: Any) -> None:
    for command in ("process", "bench", "watch"):
        texts = re.findall(r"^(  (?:-\w, )?--\S+.{0,20}?  +)\S", run(command, "--help").out, re.MULTILINE)
        assert {len(text) for text in texts} == {helping.COLUMN + 4}, command


@pytest.mark.parametrize("width", ["", "0", "wide", "30", "51", *map(str, range(60, 160, 7)), "80", "140"])
def test_help_of_the_program_is_what_typer_writes(run: Any, monkeypatch: pytest.MonkeyPatch, width: str) -> None:
    """`--help` alone is not answered by typer; with a word behind it, it is."""
    monkeypatch.setenv("COLUMNS", width)
    by_typer = run("--help", "any")
    assert run("--help").out == run("-h").out == run("help").out == by_typer.out
    assert by_typer.out == "\n".join(front.help_lines()) + "\n"


def test_help_of_the_program_loads_no_typer() -> None:
    script = ("import sys; from torchfx_cli.__main__ import main; main(['--help']); "
              "print({'typer', 'shutil', 'textwrap', 'typing'} & sys.modules.keys())")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_no_command_is_answered_with_help_on_stdout_and_code_2(run: Any) -> None:
    done = run()
    assert (done.code, done.err) == (2, "")
    assert done.out == run("--help").out == run("help").out
    assert all(f"\n  {name}  " in done.out for name in COMMANDS)


def test_help_takes_the_name_of_a_command(run: Any) -> None:
    for command in COMMANDS:
        assert run("help", command).out == run(command, "--help").out
    done = run("help", "proces")
    assert done.code == 2
    assert "'process'" in done.err
    assert len(done.told) == 1
