"""`torchfx plot`: what chains do, drawn in the terminal, as a picture or in numbers."""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from torchfx_cli.cli import choices, complete, options, show
from torchfx_cli.errors import UsageError, printable

if TYPE_CHECKING:
    from torchfx_cli.analysis.response import ChainView
    from torchfx_cli.chain.spec import ChainSpec

NARROWEST, WIDEST = 40, 160  # characters
MAX_CHANNELS = 64


def plot(
    chains: Annotated[list[str] | None, typer.Argument(
        metavar="[FILE|PRESET]...", hidden=True, autocompletion=complete.preset_names)] = None,
    effect: choices.Effect = None,
    rate: Annotated[str, typer.Option(metavar="HZ", help="Sample rate in front of the chain.")] = "48000",
    channels: Annotated[str, typer.Option(metavar="N", help="Channels in front of the chain.")] = "2",
    output: Annotated[str | None, typer.Option(
        "--output", "-o", metavar="FILE", help="A picture: .png, .svg or .pdf; without it, in the terminal.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers, one JSON record a chain.")] = False,
) -> None:
    """Show what a chain does: response, phase, delay, static curves.

    \b
      torchfx plot podcast-voice
      torchfx plot eq.yaml mastering-eq -o both.png      two chains compared
      torchfx plot -e highpass:80 --rate 44100 --json    the numbers

    Effects of -e stand behind each chain, as for process. Dynamics show the level behind them over the level in front,
    fades their gain over time, resample what it rejects; what depends on the sound is named.
    """
    from torchfx_cli.analysis.picture import check, is_of
    from torchfx_cli.tasks.conflicts import Named
    from torchfx_cli.tasks.sidefile import SideFile, check_together

    fs, number = options.whole_rate(rate), options.whole("--channels", channels, MAX_CHANNELS)
    if output is not None:
        check("--output", output)
    asked = _asked(chains or [], effect or [])
    file = SideFile("--output", output, lambda head: is_of("torchfx plot", head))
    read = [Named(f"{name}, which the chain is read from", name) for chain in asked.values() for name in chain.files]
    check_together([file], overwrite=overwrite, to_stdout=["--json"] * as_json, read=read)
    with file:
        views = _views(asked, fs, number)
        if output is not None:
            file.save(_picture(views, output))
    for record in views if as_json else []:
        _print_numbers(record)
    if output is None and not as_json:
        _print_page(views)


def _asked(names: list[str], effects: list[str]) -> dict[str, ChainSpec]:
    """Each chain by the name that it is shown by."""
    from torchfx_cli.chain.parse import join, load_chain
    from torchfx_cli.chain.presets import find

    if not names and not effects:
        raise UsageError("nothing to plot: give a chain file, a preset, or an effect (-e highpass:80); "
                         "`torchfx presets` lists presets")
    behind = " + ".join(effects)
    if not names:
        return {behind: join([], effects)}
    return {" + ".join(word for word in (name, behind) if word): join([load_chain(find(name))], effects)
            for name in names}


def _views(asked: dict[str, ChainSpec], fs: int, channels: int) -> list[ChainView]:
    from torchfx_cli.analysis.response import view

    return [view(chain, printable(name), fs, channels) for name, chain in asked.items()]


def _notes(views: list[ChainView]) -> list[str]:
    from torchfx_cli.analysis.panels import notes_of

    return [f"{view.name}: {note}" if len(views) > 1 else note for view in views for note in notes_of(view)]


def _picture(views: list[ChainView], name: str) -> bytes:
    from torchfx_cli.analysis.drawing import MAKER, figure_of
    from torchfx_cli.analysis.picture import encoded

    return encoded(figure_of(views, _notes(views)), name, MAKER)


def _print_numbers(view: ChainView) -> None:
    from torchfx_cli.analysis.record import record_of

    show.say(json.dumps(record_of(view)))


def _print_page(views: list[ChainView]) -> None:
    from torchfx_cli.analysis.canvas import Style, page
    from torchfx_cli.analysis.panels import panels_of

    columns = max(NARROWEST, min(shutil.get_terminal_size().columns, WIDEST))
    style = Style(columns, _takes_braille(), show.is_terminal(sys.stdout) and not os.environ.get("NO_COLOR"))
    for line in page(panels_of(views), [view.name for view in views], style):
        show.copy(line)
    for note in _notes(views):
        show.say(note)


def _takes_braille() -> bool:
    try:
        "\u28ff\u253c".encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True
