"""The commands, put together. Help is plain text: rich would cost more time to load than all the rest of `--help`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer
import typer.main

from torchfx_cli.cli import front, helping, show
from torchfx_cli.cli.foreign import hint
from torchfx_cli.cli.words import WordCommand, WordGroup

CONTEXT = {"help_option_names": ["-h", "--help"], **helping.WIDTHS}

# What the option parser raises for a mistyped command line. Older typers take it from click, newer ones bring their
# own, so it is reached through the one class of it that typer gives away: BadParameter -> UsageError -> ClickException.
MistypedError: Any = typer.BadParameter.__mro__[2]


class Commands(Mapping[str, Any]):
    """Name -> command object, made when it is asked for."""

    def __init__(self, functions: Iterable[str]) -> None:
        self._functions = {front.name_of(function): function for function in functions}
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            function = self._functions[name]
            alone = typer.Typer(add_completion=False, rich_markup_mode=None)
            alone.command(name, cls=WordCommand)(getattr(import_module(f"torchfx_cli.cli.{function}"), function))
            self._made[name] = typer.main.get_command(alone)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions)

    def __len__(self) -> int:
        return len(self._functions)


@cache
def app() -> Any:
    """The whole command line as one command object; `.main(arguments, standalone_mode=False)` runs it."""
    program = typer.Typer(
        cls=WordGroup, rich_markup_mode=None, pretty_exceptions_enable=False, context_settings=CONTEXT)
    text = "\n".join((f"{front.SENTENCE}\n\n\b", *front.EXAMPLES))
    program.callback(invoke_without_command=True, help=text)(_program)
    group: Any = typer.main.get_command(program)
    group.commands = Commands(front.COMMANDS)
    return group


def usage_of(error: Any) -> str:
    """The parser's complaint in one line, and where to read on."""
    message = " ".join(error.format_message().split()).rstrip(".")
    known = {name for parameter in error.ctx.command.params for name in parameter.opts} if error.ctx else set()
    if message.startswith("Got unexpected extra argument") and "--output" in known:
        message += "; an output is given by -o"
    if type(error).__name__ == "NoSuchOption":
        here = hint(error.option_name, known)
        message = f"No such option: {error.option_name}; {here}" if here else message
    return message if error.ctx is None else f"{message} (see {error.ctx.command_path} --help)"


def _version(wanted: bool) -> None:
    if wanted:
        from torchfx_cli import __version__

        show.say(f"torchfx {__version__}")
        raise typer.Exit


def _program(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        show.say(*context.get_help().split("\n"))
        raise typer.Exit(2)
