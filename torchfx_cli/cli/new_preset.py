"""`torchfx presets --new`: a chain of the user's own, in the folder where `-c NAME` finds it."""

from __future__ import annotations

import re
from pathlib import Path

from torchfx_cli.cli import options
from torchfx_cli.errors import UsageError

SCHEMA_LINE = "# yaml-language-server: $schema=../chain.schema.json\n"
BLANK = """\
# What it is for, and for which recordings.
name: {name}
description: A line for `torchfx presets`
chain:
  - highpass: {{cutoff: 80 Hz, order: 4}}
  - peaking: {{frequency: 3 kHz, gain: 2 dB, q: 1}}
  - gain: -2 dB
"""
NAME_KEY = re.compile(r"^name:.*$", re.MULTILINE)


def make(name: str, source: str | None) -> Path:
    """Write the preset `name`, a copy of the preset `source` or a small example; returns its file.

    The JSON Schema of chains is put beside the folder, for the editor that opens it. Raises UsageError.
    """
    from torchfx_cli.chain.presets import config_folder, list_presets
    from torchfx_cli.chain.values import nearest

    found = {preset.name: preset for preset in list_presets()}
    _check_name(name)
    if name in found:
        shipped = f"a preset {name} comes with torchfx; give another name, such as my-{name}"
        raise UsageError("--new: " + (shipped if found[name].source == "shipped" else
                                      f"{found[name].path} exists; give another name, or edit that file"))
    if source is not None and source not in found:
        near = nearest(source, found) or "; `torchfx presets` lists them"
        raise UsageError(f"--from: there is no preset {options.quoted(source)}{near}")
    folder = config_folder()
    if folder is None:
        raise UsageError("--new: neither XDG_CONFIG_HOME nor a home folder is set, so there is no place for it")
    text = BLANK.format(name=name) if source is None else _renamed(found[source].path, name)
    path = folder / "presets" / f"{name}.yaml"
    _write(folder, path, SCHEMA_LINE + text.removeprefix(SCHEMA_LINE))
    return path


def _check_name(name: str) -> None:
    """A name that is a file's, and can be typed after -c."""
    if not re.fullmatch(r"[^\W_][\w.+-]*", name) or name.lower().endswith((".yaml", ".yml")):
        raise UsageError(f"--new: found {options.quoted(name)}; allowed are letters, digits and . _ + - "
                         "(no folder, no .yaml), such as my-voice")


def _renamed(path: Path, name: str) -> str:
    text = path.read_text(encoding="utf-8")
    return NAME_KEY.sub(f"name: {name}", text, count=1)


def _write(folder: Path, path: Path, text: str) -> None:
    """Neither file is ever half written, and an existing preset is never replaced."""
    from torchfx_cli.chain.schema import schema_text
    from torchfx_cli.errors import TorchfxError
    from torchfx_cli.stream.atomicfile import AtomicFile
    from torchfx_cli.stream.faults import explain
    from torchfx_cli.tasks.sidefile import told_before

    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise explain(error, path.parent, "making the folder", -1, -1, None) from None
        for place, content, overwrite in ((folder / "chain.schema.json", schema_text(), True), (path, text, False)):
            part = AtomicFile(place, overwrite=overwrite)
            try:
                with part.told("writing"), open(part.fd, "w", encoding="utf-8", closefd=False) as file:
                    file.write(content)
                part.sync()
                part.give_name()
            finally:
                part.discard()
    except TorchfxError as error:
        raise told_before("--new", error) from None
