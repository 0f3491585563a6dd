"""The commands, put together. Help is plain text: rich would cost more time to load than all the rest of `--help`."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

import typer
import typer.main

from torchfx_cli.cli import show
from torchfx_cli.cli.bench import bench
from torchfx_cli.cli.devices import devices
from torchfx_cli.cli.export import export
from torchfx_cli.cli.filters import filters
from torchfx_cli.cli.import_ import import_
from torchfx_cli.cli.info import info
from torchfx_cli.cli.plot import plot
from torchfx_cli.cli.presets import presets
from torchfx_cli.cli.process import process
from torchfx_cli.cli.warm import warm
from torchfx_cli.cli.watch import watch
from torchfx_cli.cli.words import WordCommand, WordGroup

HELP_NAMES = {"help_option_names": ["-h", "--help"]}

# What the option parser raises for a mistyped command line. Older typers take it from click, newer ones bring their
# own, so it is reached through the one class of it that typer gives away: BadParameter -> UsageError -> ClickException.
MistypedError: Any = typer.BadParameter.__mro__[2]


@cache
def app() -> Any:
    """The whole command line as one command object; `.main(arguments, standalone_mode=False)` runs it."""
    program = typer.Typer(
        cls=WordGroup, rich_markup_mode=None, pretty_exceptions_enable=False, context_settings=HELP_NAMES)
    program.callback(invoke_without_command=True)(_program)
    for command in (process, watch, presets, filters, import_, export, plot, devices, info, bench, warm):
        program.command(command.__name__.strip("_"), cls=WordCommand)(command)
    return typer.main.get_command(program)


def usage_of(error: Any) -> str:
    """The parser's complaint in one line, and where to read on."""
    message = " ".join(error.format_message().split()).rstrip(".")
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
    """Filter chains written in YAML, applied to audio files of any length.

    \b
      torchfx process in.wav -c podcast-voice     writes processed/in.wav
      torchfx COMMAND --help                      more about a command
    """
    if context.invoked_subcommand is None:
        for line in context.get_help().split("\n"):
            show.tell(line)
        raise typer.Exit(2)
