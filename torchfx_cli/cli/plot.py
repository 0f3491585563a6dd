"""`torchfx plot`: what chains do, drawn in the terminal, as a picture or in numbers."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from torchfx_cli.cli import choices, complete, options, show, signals
from torchfx_cli.errors import UsageError, printable

if TYPE_CHECKING:
    from torchfx_cli.analysis.curve import Array
    from torchfx_cli.analysis.files import FileView
    from torchfx_cli.analysis.panels import Image, Panel
    from torchfx_cli.analysis.response import ChainView
    from torchfx_cli.chain.spec import ChainSpec

NARROWEST, WIDEST = 40, 160  # characters
MAX_CHANNELS = 64


def plot(
    names: Annotated[list[str] | None, typer.Argument(
        metavar="[CHAIN|PRESET|SOUND]...", hidden=True, autocompletion=complete.preset_names)] = None,
    chain: Annotated[list[str] | None, typer.Option(
        "--chain", "-c", metavar="FILE|PRESET", autocompletion=complete.preset_names,
        help="A chain; with sounds the one that was applied, whose response is drawn beside the change.")] = None,
    effect: choices.Effect = None,
    rate: Annotated[str, typer.Option(metavar="HZ", help="Sample rate in front of the chain.")] = "48000",
    channels: Annotated[str, typer.Option(metavar="N", help="Channels in front of the chain.")] = "2",
    output: Annotated[str | None, typer.Option(
        "--output", "-o", metavar="FILE", help="A picture: .png, .svg or .pdf; without it, in the terminal.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers, one JSON record a chain.")] = False,
) -> None:
    """Show what a chain does, or how sound files differ.

    \b
      torchfx plot podcast-voice
      torchfx plot eq.yaml mastering-eq -o both.png      two chains compared
      torchfx plot -e highpass:80 --rate 44100 --json    the numbers
      torchfx plot in.wav out.wav -c eq.yaml -o diff.png

    Effects of -e stand behind each chain, as for process. Dynamics show the level behind them over the level in front,
    fades their gain over time, resample what it rejects; what depends on the sound is named. Of sounds it shows spectra
    and how they change, level over time, and in a picture spectrograms.
    """
    from torchfx_cli.analysis.picture import SUFFIXES, check, is_of
    from torchfx_cli.tasks.conflicts import Named
    from torchfx_cli.tasks.sidefile import SideFile, check_together

    fs, number = options.whole_rate(rate), options.whole("--channels", channels, MAX_CHANNELS)
    if output is not None:
        check("--output", output)
    for name in names or []:
        if name.lower().endswith(SUFFIXES) and not os.path.lexists(name):
            raise UsageError(f"{name} is no chain; if it is meant as the picture, write -o {name}")
    sounds = _sounds(names or [])
    asked = _asked([*([] if sounds else names or []), *(chain or [])], effect or [], needed=not sounds)
    file = SideFile("--output", output, lambda head: is_of("torchfx plot", head))
    read = [Named(f"{name}, which the chain is read from", name) for one in asked.values() for name in one.files]
    check_together([file], overwrite=overwrite, to_stdout=["--json"] * as_json, read=read, inputs=sounds)
    with file:
        shown = _of_sounds(sounds, asked) if sounds else _of_chains(asked, fs, number)
        if output is not None:
            file.save(_picture(shown, output))
    for record in shown.records() if as_json else []:
        show.say(json.dumps(record))
    if output is None and not as_json:
        _print_page(shown)


@dataclass(frozen=True)
class _Shown:
    """What is drawn of chains or files called `names`, what is to be said below it, and its numbers."""

    names: list[str]
    panels: list[Panel | Image]
    notes: list[str]
    records: Callable[[], list[dict[str, Any]]]


def _sounds(names: list[str]) -> list[str]:
    """`names`, if they are sound files; nothing if they are chains."""
    from torchfx_cli.stream.formats import is_audio_name

    sounds = [name for name in names if is_audio_name(name) and not name.lower().endswith((".yaml", ".yml"))]
    others = [name for name in names if name not in sounds]
    if sounds and others:
        raise UsageError(f"{options.quoted(others[0])} beside sound files: the chain that was applied is given by -c")
    return sounds


def _of_chains(asked: dict[str, ChainSpec], fs: int, channels: int) -> _Shown:
    from torchfx_cli.analysis.panels import notes_of, panels_of
    from torchfx_cli.analysis.record import record_of
    from torchfx_cli.analysis.response import view

    views = [view(chain, printable(name), fs, channels) for name, chain in asked.items()]
    notes = [f"{one.name}: {note}" if len(views) > 1 else note for one in views for note in notes_of(one)]
    return _Shown([one.name for one in views], [*panels_of(views)], notes, lambda: [record_of(one) for one in views])


def _of_sounds(names: list[str], asked: dict[str, ChainSpec]) -> _Shown:
    from torchfx_cli.analysis import files
    from torchfx_cli.analysis.panels import notes_of
    from torchfx_cli.analysis.samples import opened

    views = []
    for name in names:
        with signals.promptly(), opened(name) as source:
            views.append(files.view(source, printable(name)))
            show.tell_warnings(name, source.warnings)
    applied = _applied(asked, views[0])
    return _Shown([one.name for one in views], files.panels_of(views, _expected(applied) if applied else None),
                  [f"{applied.name}: {note}" for note in notes_of(applied)] if applied else [],
                  lambda: [files.record_of(one) for one in views])


def _applied(asked: dict[str, ChainSpec], heard: FileView) -> ChainView | None:
    """The chain in front of which the file `heard` lies."""
    from torchfx_cli.analysis.response import view

    return next((view(chain, printable(name), heard.fs, heard.channels) for name, chain in asked.items()), None)


def _expected(applied: ChainView) -> tuple[str, Array, Array] | None:
    """Its name and response: of its first channels where they differ."""
    if not applied.lines:
        return None
    return applied.name, applied.frequencies_hz, applied.lines[0].curve.magnitude_db


def _asked(names: list[str], effects: list[str], *, needed: bool) -> dict[str, ChainSpec]:
    """Each chain by the name that it is shown by; beside sounds one at most is `needed`."""
    from torchfx_cli.chain.parse import join, load_chain
    from torchfx_cli.chain.presets import find
    from torchfx_cli.cli.process_options import NO_CHAIN_HERE

    if not needed:
        if len(names) > 1:
            raise UsageError("--chain: one chain is enough beside sound files; join several in one")
        if not names and not effects:
            return {}
    if not names and not effects:
        raise UsageError(NO_CHAIN_HERE)
    behind = " + ".join(effects)
    if not names:
        return {behind: join([], effects)}
    return {" + ".join(word for word in (name, behind) if word): join([load_chain(find(name))], effects)
            for name in names}


def _picture(shown: _Shown, name: str) -> bytes:
    from torchfx_cli.analysis.drawing import MAKER, figure_of
    from torchfx_cli.analysis.picture import encoded

    return encoded(figure_of(shown.panels, shown.names, shown.notes), name, MAKER)


def _print_page(shown: _Shown) -> None:
    from torchfx_cli.analysis.canvas import Style, page
    from torchfx_cli.analysis.panels import Panel

    columns = max(NARROWEST, min(shutil.get_terminal_size().columns, WIDEST))
    style = Style(columns, _takes_braille(), show.is_terminal(sys.stdout) and not os.environ.get("NO_COLOR"))
    for line in page([panel for panel in shown.panels if isinstance(panel, Panel)], shown.names, style):
        show.copy(line)
    show.say_wrapped(*shown.notes)


def _takes_braille() -> bool:
    try:
        "\u28ff\u253c".encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True
