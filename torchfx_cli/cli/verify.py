"""`torchfx verify`: on this file, do all ways to compute this chain agree?"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from torchfx_cli.cli import complete, options, show, signals
from torchfx_cli.errors import FileError, UsageError

if TYPE_CHECKING:
    from torchfx_cli.analysis.agreement import Way
    from torchfx_cli.render.engine import Block
    from torchfx_cli.stream.reader import Source

DISAGREE = 1
MAX_S = 600.0  # all of it is held in memory, more than once


def verify(
    chain: Annotated[str, typer.Argument(metavar="CHAIN", hidden=True, autocompletion=complete.preset_names)],
    file: Annotated[str, typer.Argument(metavar="FILE", hidden=True)],
    seconds: Annotated[str, typer.Option(
        "--seconds", metavar="SECONDS", help=f"How much of the file, from its start, at most {MAX_S:g}.")] = "10",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON record a way.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only what does not agree.")] = False,
) -> None:
    """Compute a file by every engine, device and block size here, and compare.

    \b
      torchfx verify eq.yaml in.wav

    However an engine on the CPU is given the file, every bit has to be the same. Between engines, and on a GPU, the
    largest error may be rounding, -180 dB of the loudest sample.

    Exit codes: 0 all that is here agrees, 1 something does not, 2 a wrong option or chain, 3 the file cannot be read.
    """
    limit_s = options.wait_seconds("--seconds", seconds)
    if limit_s > MAX_S:
        raise UsageError(f"--seconds: found {options.quoted(seconds)}; allowed are at most {MAX_S:g}")
    from torchfx_cli.analysis.agreement import ways
    from torchfx_cli.analysis.samples import named
    from torchfx_cli.cli.process_options import chain_of
    from torchfx_cli.samples import Signal
    from torchfx_cli.stream.reader import open_source
    from torchfx_cli.stream.speakers import mask_of

    spec = chain_of([chain], [])
    code = 0
    with signals.promptly(), named(file):
        with open_source(file) as source:
            facts = source.facts
            samples = _beginning(source, round(limit_s * facts.fs))
            show.tell_warnings(file, () if quiet else source.warnings)
        signal = Signal(facts.fs, facts.channels, mask_of(facts.channel_map))
        for way in ways(spec, samples, facts.sample_format, signal):
            code = max(code, 0 if way.agrees else DISAGREE)
            if as_json:
                show.say(_as_json(way))
            elif not (quiet and way.agrees):
                show.say(_line(way), colour="" if way.agrees else "red")
    raise typer.Exit(code)


def _beginning(source: Source, frames: int) -> Block:
    import numpy as np

    blocks, count = [], 0
    for block in source.blocks(1 << 16):
        blocks.append(block[: frames - count])
        count += len(blocks[-1])
        if count >= frames:
            break
    if not count:
        raise FileError("there is no sound in it")
    return np.concatenate(blocks)


def _line(way: Way) -> str:
    if way.skipped:
        return f"{way.engine:14} not here: {way.skipped}"
    name = f"{way.engine:14} {way.blocks:14}"
    if way.error_db == -math.inf:
        return f"{name} the same to the last bit as {way.against}"
    if way.error_db == math.inf:
        return f"{name} not as long as {way.against}"
    return f"{name} {way.error_db:.0f} dB from {way.against}{'' if way.agrees else ', which is no rounding'}"


def _as_json(way: Way) -> str:
    """-inf and inf, for which JSON has no number, are null; `same` and `agrees` tell them apart."""
    record = {name: None if isinstance(value, float) and not math.isfinite(value) else value
              for name, value in asdict(way).items()}
    return json.dumps(record | {"same": not way.skipped and way.error_db == -math.inf, "agrees": way.agrees})
