"""The form of help: options in titled groups, summaries of commands whole, both as wide as the terminal.

A group is an option's `rich_help_panel`, which typer carries and plain help otherwise leaves aside. Rich itself stays
unloaded: it would cost more time than all the rest of `--help`.
"""

from __future__ import annotations

from typing import Any

from torchfx_cli.cli.front import COLUMN

# The groups, in the order of their showing.
CHAIN = "What to apply"
PLACE = "Where to write"
FORM = "Format and tags of outputs"
BATCH = "Batches"
DIRTY = "Dirty data"
MEASURING = "What to measure"
RUNS = "Other runs"
RESULTS = "Files of results"
COMPUTING = "Computing"
TELLING = "Messages"
ARGUMENTS, OTHERS = "Arguments", "Options"
GROUPS = ARGUMENTS, OTHERS, CHAIN, PLACE, FORM, BATCH, DIRTY, MEASURING, RUNS, RESULTS, COMPUTING, TELLING

WIDTHS = {"max_content_width": 10_000}  # as wide as the terminal is; the parser's own limit is 80


def option(group: str, *names: str, **rest: Any) -> Any:
    """typer's Option, shown in `group`."""
    import typer

    return typer.Option(*names, rich_help_panel=group, **rest)


def write_options(command: Any, context: Any, formatter: Any) -> None:
    for title, records in rows_of(command, context):
        _write_table(formatter, title, records)


def rows_of(command: Any, context: Any) -> list[tuple[str, list[tuple[str, str]]]]:
    """The arguments and options of `command` in groups; --help, which has none, stands among the messages."""
    parameters = command.get_params(context)
    other = TELLING if any(map(_group_of, parameters)) else OTHERS
    rows: dict[str, list[tuple[str, str]]] = {title: [] for title in GROUPS}
    for parameter in parameters:
        record = parameter.get_help_record(context)
        if record is not None:
            argument = parameter.param_type_name == "argument"
            rows[ARGUMENTS if argument else _group_of(parameter) or other].append(record)
    return [(title, records) for title, records in rows.items() if records]


def write_commands(group: Any, context: Any, formatter: Any) -> None:
    """The commands of `group`, each with the first sentence of its help, uncut."""
    commands = {name: group.get_command(context, name) for name in group.list_commands(context)}
    rows = [(name, (command.help or "").partition("\n\n")[0]) for name, command in commands.items()
            if not command.hidden]
    with formatter.section("Commands"):
        formatter.write_dl(rows)


def _group_of(parameter: Any) -> str | None:
    return getattr(parameter, "rich_help_panel", None)


def _write_table(formatter: Any, title: str, rows: list[tuple[str, str]]) -> None:
    first, *others = rows
    with formatter.section(title):
        formatter.write_dl([(first[0].ljust(COLUMN), first[1]), *others], col_max=COLUMN)
