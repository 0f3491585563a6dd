"""`torchfx import`: an equaliser from another program becomes a chain file."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Annotated

import typer

from torchfx_cli.cli import options, show
from torchfx_cli.errors import ChainError, UsageError


def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", hidden=True)],
    output: Annotated[str | None, typer.Option(
        "--output", "-o", metavar="FILE", help="The chain file; without it, the standard output.")] = None,
    source: Annotated[str | None, typer.Option(
        "--from", metavar="FORMAT", help="apo, autoeq, rew, camilladsp, sox, ffmpeg; without it, told from the content."
    )] = None,
    rate: Annotated[str | None, typer.Option(
        metavar="HZ", help="Sample rate of what is given by numbers for one rate.")] = None,
    skip: Annotated[bool, typer.Option(
        "--skip", help="Leave out what cannot be taken, with a warning each; without it, nothing is written.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
) -> None:
    """Turn an equaliser from another program into a chain file.

    FILE is of Equalizer APO, AutoEq, Room EQ Wizard or CamillaDSP, or holds a line of SoX or of ffmpeg -af;
    - is the standard input.

    \b
      torchfx import "ParametricEQ.txt" -o eq.yaml

    Exit code 2 where something in it cannot be taken: each is named with its line.
    """
    from torchfx_cli.exchange.formats import FORMATS, chain_text, told_from
    from torchfx_cli.exchange.reading import Reading
    from torchfx_cli.tasks.sidefile import SideFile, check_together

    to = SideFile("--output", output, lambda head: False)
    check_together([to], overwrite=overwrite)
    text = _text(file)
    name = options.one_of("--from", source, list(FORMATS)) if source else told_from(text)
    if name is None:
        raise UsageError(f"{file}: what wrote this cannot be told; say it with --from {', '.join(FORMATS)}")
    folder = os.path.relpath(os.path.dirname(file) or ".", os.path.dirname(output or "") or ".")
    reading = Reading(None if rate is None else options.sample_rate(rate), folder)
    FORMATS[name](text, reading)
    refused = [f"{file}:{line}: {why}" for line, why in sorted(reading.refused)]
    if refused and not skip:
        raise ChainError([*refused, "nothing is written; --skip leaves out what cannot be taken"])
    if not reading.entries:
        raise ChainError([*refused, f"{file}: no filter is on in it (read as {name})"])
    for problem in refused:
        show.tell(f"torchfx: warning: left out: {problem}", "yellow")
    content = chain_text(reading, os.path.basename(file), name)
    if output is None:
        return show.say(*content.rstrip("\n").split("\n"))
    with to:
        to.save(content)
    return None


def _text(file: str) -> str:
    """UTF-8, UTF-16 with its mark, or else Latin-1, which any bytes are."""
    from torchfx_cli.chain.document import MAX_FILE_BYTES, Mistake, read_bytes

    most = MAX_FILE_BYTES + 1
    try:
        if file == "-":
            content = sys.stdin.buffer.read(most)
        elif stat.S_ISFIFO(os.stat(file).st_mode):  # such as <(command)
            with Path(file).open("rb") as pipe:
                content = pipe.read(most)
        else:
            content = read_bytes(file, MAX_FILE_BYTES)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from None
    except Mistake as mistake:
        raise UsageError(f"{file}: {mistake}") from None
    if len(content) == most:
        raise UsageError(f"{file}: is too large: at most {MAX_FILE_BYTES >> 10} KiB are read")
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")
