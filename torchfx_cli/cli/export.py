"""`torchfx export`: a chain in the words of another program."""

from __future__ import annotations

from typing import Annotated

import typer

from torchfx_cli.cli import complete, options, show


def export(
    chain: Annotated[str, typer.Argument(metavar="FILE|PRESET", hidden=True, autocompletion=complete.preset_names)],
    to: Annotated[str, typer.Option("--to", metavar="PROGRAM", help="sox, ffmpeg, camilladsp or apo.")],
    rate: Annotated[str, typer.Option(metavar="HZ", help="Sample rate that the numbers are for.")] = "48000",
    output: Annotated[str | None, typer.Option(
        "--output", "-o", metavar="FILE", help="Where to write it; without it, the standard output.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
) -> None:
    """Say a chain in the words of another program.

    \b
      torchfx export eq.yaml --to sox           effects for a line of SoX
      ffmpeg -i in.wav -af "$(torchfx export eq.yaml --to ffmpeg)" out.wav

    Exit code 2 where it would not be the same sound there: each stage is named.
    """
    from torchfx_cli.chain.parse import load_chain
    from torchfx_cli.chain.presets import find
    from torchfx_cli.exchange.export import PROGRAMS, exported
    from torchfx_cli.tasks.sidefile import SideFile, check_together

    program = options.one_of("--to", to, list(PROGRAMS))
    file = SideFile("--output", output, lambda head: False)
    check_together([file], overwrite=overwrite)
    content = exported(load_chain(find(chain)), program, options.sample_rate(rate))
    if output is None:
        return show.say(*content.rstrip("\n").split("\n"))
    with file:
        file.save(content)
    return None
