"""Commands that take the words of the command line as they are.

Every parameter here is a string, a list of strings or a switch, checked by the command itself. Newer typers send each
through pydantic all the same, which costs 60 ms of imports at every start and refuses names that are not UTF-8.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

from torchfx_cli.cli.helping import write_commands, write_options

PLAIN = (str, bool, list, tuple, type(None))


class _TakesWords:
    """Mixed into a command: spares its parameters the conversion."""

    def get_params(self, context: Any) -> list[Any]:
        return [_spared(parameter) for parameter in super().get_params(context)]  # type: ignore[misc]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        write_options(self, ctx, formatter)


class WordCommand(_TakesWords, TyperCommand):
    pass


class WordGroup(_TakesWords, TyperGroup):
    def format_options(self, ctx: Any, formatter: Any) -> None:
        write_commands(self, ctx, formatter)
        write_options(self, ctx, formatter)


def _spared(parameter: Any) -> Any:
    if "process_value" in vars(parameter):
        return parameter
    converted = parameter.process_value

    def process_value(context: Any, value: Any) -> Any:
        missing = parameter.required and not value
        if missing or not isinstance(value, PLAIN):
            return converted(context, value)  # typer's own complaint, or a value that no person typed
        if value is None and (parameter.nargs == -1 or getattr(parameter, "multiple", False)):
            value = ()
        return parameter.callback(context, parameter, value) if parameter.callback else value

    parameter.process_value = process_value
    return parameter
