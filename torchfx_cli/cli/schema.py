"""`torchfx schema`: the JSON Schema of chain files, for editors."""

from __future__ import annotations

from typing import Annotated

import typer

from torchfx_cli.cli import show


def schema(
    output: Annotated[str | None, typer.Option(
        "--output", "-o", metavar="FILE", help="Where to; without it, the standard output.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, as it does anyway.")] = False,
) -> None:
    """Print the JSON Schema of chain files, for editors.

    \b
      torchfx schema -o chain.schema.json

    An editor with a YAML language server completes and checks a chain whose first line is then
    # yaml-language-server: $schema=chain.schema.json
    """
    from torchfx_cli.chain.schema import schema_text
    from torchfx_cli.tasks.sidefile import SideFile, check_together

    if output is None:
        return show.say(*schema_text().rstrip("\n").split("\n"))
    to = SideFile("--output", output, lambda head: b'"title": "torchfx chain"' in head)
    check_together([to], overwrite=overwrite)
    with to:
        to.save(schema_text())
    return None
