"""`torchfx devices`: what there is to compute with, and why not more."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from torchfx_cli.cli import show

if TYPE_CHECKING:
    from torchfx_cli.render.device import DeviceInfo


def devices(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON record a device.")] = False) -> None:
    """List the devices and engines of this machine, and the library of files in use."""
    from torchfx_cli.render.device import describe_devices

    found = describe_devices()
    if as_json:
        for device in found:
            show.say(json.dumps(asdict(device)))
    else:
        from torchfx_cli import libsndfile

        rows = [(device.name, device.engine, _detail(device)) for device in found]
        rows.append(("files", "libsndfile", libsndfile.words()))
        show.table(("device", "engine", "what it is"), rows)


def _detail(device: DeviceInfo) -> str:
    return device.detail if device.usable else f"not here: {device.detail}"
