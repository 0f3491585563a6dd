"""`torchfx help`: the help of the program, or of one of its commands."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from torchfx_cli.cli import show


def help_(
    context: typer.Context,
    command: Annotated[str | None, typer.Argument(metavar="COMMAND", hidden=True)] = None,
) -> None:
    """Show this help; with COMMAND, that of the command."""
    program: Any = context.parent
    if command is None:
        show.say(*program.get_help().split("\n"))
        return
    _, found, _ = program.command.resolve_command(program, [command])
    show.say(*found.get_help(typer.Context(found, info_name=command, parent=program)).split("\n"))
