"""`torchfx check`: are chain files right? No audio is needed, so it serves commit hooks and continuous integration."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from torchfx_cli.cli import choices, complete, options, show
from torchfx_cli.errors import ChainError, DesignError, UsageError, printable

if TYPE_CHECKING:
    from torchfx_cli.chain.spec import ChainSpec

USUAL_RATE_HZ = 48_000
USUAL_CHANNELS = (2, 1, 6, 8, 4)  # a chain that is right for one of these is right for some file


def check(
    chains: Annotated[list[str], typer.Argument(
        metavar="CHAIN|FOLDER...", hidden=True, autocompletion=complete.preset_names)],
    rate: Annotated[str | None, typer.Option(
        metavar="HZ,HZ", help=f"Sample rates that each chain has to suit; without it, {USUAL_RATE_HZ}.")] = None,
    channels: Annotated[str | None, typer.Option(
        metavar="N,N", help="Numbers of channels that each has to suit; without it, any.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON record a chain.")] = False,
    quiet: choices.Quiet = False,
) -> None:
    """Tell whether chain files are right, without any audio.

    \b
      torchfx check eq.yaml podcast-voice
      torchfx check chains/ --rate 44100,48000 --channels 1,2

    CHAIN is a file or a preset; of a FOLDER all .yaml and .yml files in it are taken.

    Exit code 2 where a chain is wrong, or does not suit a rate or a number of channels.
    """
    rates = [USUAL_RATE_HZ] if rate is None else options.listed("--rate", rate, options.sample_rate)
    counts = None if channels is None else options.listed(
        "--channels", channels, lambda word: options.whole("--channels", word, options.MAX_CHANNELS))
    code = 0
    for name in [name for given in chains for name in _files_of(given)]:
        stages, problems = _checked(name, rates, counts)
        for problem in problems:
            show.tell(f"torchfx: error: {problem}", "red")
        if as_json:
            show.say(json.dumps({"chain": name, "status": "wrong" if problems else "ok", "stages": stages,
                                 "errors": [printable(problem) for problem in problems]}))
        elif not problems and not quiet:
            show.say(f"{name}: ok, {show.count(stages, 'stage')}")
        code = max(code, UsageError.exit_code if problems else 0)
    raise typer.Exit(code)


def _files_of(name: str) -> list[str]:
    """`name`, or the chain files of the folder that it names."""
    from torchfx_cli.chain.presets import SUFFIXES, is_preset

    if not Path(name).is_dir() or is_preset(name):
        return [name]
    found = sorted(str(path) for path in Path(name).rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise UsageError(f"{options.quoted(name)}: no file in it ends in {' or '.join(SUFFIXES)}")
    return found


def _checked(name: str, rates: Sequence[float], counts: Sequence[int] | None) -> tuple[int, list[str]]:
    """How many stages the chain `name` has, and what is wrong with it, a line each."""
    from torchfx_cli.chain.parse import load_chain
    from torchfx_cli.chain.presets import find

    try:
        chain = load_chain(find(name))
    except ChainError as error:
        return 0, str(error).split("\n")
    return len(chain.stages), list(dict.fromkeys(
        problem for rate in rates for problem in _unsuited(chain, rate, counts)))


def _unsuited(chain: ChainSpec, rate: float, counts: Sequence[int] | None) -> list[str]:
    """Why `chain` cannot be applied at `rate`: to each of `counts` channels, or where none are given to any number."""
    found: list[str] = []
    for count in counts or USUAL_CHANNELS:
        problem = _problem(chain, rate, count)
        if not problem and counts is None:
            return []
        if problem:
            found.append(problem)
    return found[:1] if counts is None else found


def _problem(chain: ChainSpec, rate: float, channels: int) -> str:
    from torchfx_cli.chain.spec import design_chain
    from torchfx_cli.plan.assemble import assemble
    from torchfx_cli.samples import FLOAT64

    try:
        assemble(design_chain(chain, rate, channels), int(rate), channels, FLOAT64, FLOAT64)
    except DesignError as error:
        return str(error)
    return ""
