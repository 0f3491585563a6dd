"""`torchfx presets`: the ready chains, shipped and the user's own."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from torchfx_cli.cli import complete, options, show
from torchfx_cli.errors import UsageError

if TYPE_CHECKING:
    from torchfx_cli.chain.presets import Preset


def presets(
    name: Annotated[str | None, typer.Argument(
        metavar="NAME", hidden=True, autocompletion=complete.preset_names)] = None,
    new: Annotated[str | None, typer.Option(
        "--new", metavar="NAME", help="Make a preset of your own, to be edited, and print where it is.")] = None,
    source: Annotated[str | None, typer.Option(
        "--from", metavar="PRESET", autocompletion=complete.preset_names,
        help="With --new: begin with a copy of this preset.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the ready chains; with NAME, print its file.

    \b
      torchfx presets podcast-voice
      torchfx presets --new my-voice --from podcast-voice
    """
    from torchfx_cli.chain.presets import list_presets
    from torchfx_cli.chain.values import nearest

    if new is None and source is not None:
        raise UsageError("--from: which preset to make of it is not said; give --new NAME")
    if new is not None:
        if name is not None:
            raise UsageError(f"--new: prints nothing of {options.quoted(name)}; to copy it, write --from {name}")
        from torchfx_cli.cli.new_preset import make

        path = make(new, source)
        return show.say(json.dumps({"name": new, "path": str(path)}) if as_json else str(path))
    found = {preset.name: preset for preset in list_presets()}
    if name is None:
        _list(list(found.values()), as_json=as_json)
    elif name in found:
        _print(found[name], as_json=as_json)
    else:
        near = nearest(name, found) or "; `torchfx presets` lists them"
        raise UsageError(f"there is no preset {options.quoted(name)}{near}")
    return None


def _list(found: list[Preset], *, as_json: bool) -> None:
    if as_json:
        for preset in found:
            show.say(json.dumps(_record(preset)))
    else:
        show.table(("preset", "what it does"), [(preset.name, preset.description) for preset in found])


def _print(preset: Preset, *, as_json: bool) -> None:
    """The file as it is; on a terminal with control characters escaped."""
    text = preset.path.read_text(encoding="utf-8", errors="backslashreplace").rstrip("\n")
    if as_json:
        show.say(json.dumps({**_record(preset), "text": text}))
    elif show.is_terminal(sys.stdout):
        show.say(*text.split("\n"))
    else:
        show.copy(text)


def _record(preset: Preset) -> dict[str, Any]:
    return {"name": preset.name, "description": preset.description, "path": str(preset.path), "source": preset.source}
