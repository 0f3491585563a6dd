"""A line of `process` that is read without typer is read as typer reads it."""

from __future__ import annotations

import inspect
import random
from typing import Any

import pytest

from torchfx_cli.cli import plain
from torchfx_cli.cli.app import app
from torchfx_cli.cli.process import process

COMMAND = app().commands["process"]
WORDS = ("in.wav", "other name.wav", "-", "", "\udcff.wav", "a=b", "8")


def by_typer(words: list[str]) -> dict[str, Any]:
    context = COMMAND.make_context("process", list(words))
    return {name: list(value) if isinstance(value, tuple) else value for name, value in context.params.items()}


def by_table(words: list[str]) -> dict[str, Any]:
    given = plain.arguments_of(["process", *words])
    assert given is not None, words
    defaults = {p.name: p.default for p in inspect.signature(process).parameters.values()}
    return {name: [] if value is None and name in MANY else value for name, value in (defaults | given).items()}


MANY = {p.name for p in COMMAND.params if p.nargs == -1 or getattr(p, "multiple", False)}


def test_every_option_of_the_tables_is_one_of_the_command_and_takes_as_many_words() -> None:
    options = {flag: p for p in COMMAND.params for flag in p.opts}
    found = {flag: ("list" if p.multiple else "switch" if p.is_flag else "value", p.name)
             for flag, p in options.items() if flag.startswith("-")}
    for kind, flags in (("switch", plain.SWITCHES), ("value", plain.VALUES), ("list", plain.LISTS)):
        for flag in flags:
            assert found[flag] == (kind, flag[2:].replace("-", "_")), flag
    assert all(found[short] == found[long] for short, long in plain.SHORT.items())


def test_lines_at_random_are_read_as_typer_reads_them() -> None:
    chance = random.Random(17)
    flags = [*plain.SWITCHES, *plain.VALUES, *plain.LISTS, *plain.SHORT]
    for _ in range(100):
        words: list[str] = []
        for _ in range(chance.randrange(8)):
            flag = chance.choice(flags)
            words += [flag] if plain.SHORT.get(flag, flag) in plain.SWITCHES else [flag, chance.choice(WORDS)]
            words += chance.choices(WORDS, k=chance.randrange(2))
        assert by_table(words) == by_typer(words), words


@pytest.mark.parametrize("line", [
    "", "filters", "process --help", "process in.wav -h", "process in.wav --chain=eq.yaml", "process in.wav -ceq.yaml",
    "process -qv in.wav", "process in.wav -o", "process in.wav -o -q", "process -- -c", "process in.wav --nosuch",
])  # fmt: skip
def test_any_other_line_is_left_to_typer(line: str) -> None:
    assert plain.arguments_of(line.split()) is None


def test_a_question_of_the_shell_is_left_to_typer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(plain.COMPLETING, "complete_bash")
    assert plain.arguments_of(["process", "in.wav"]) is None
