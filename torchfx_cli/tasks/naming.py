"""The name of each output."""

from __future__ import annotations

import os
import string
from collections.abc import Mapping
from typing import TYPE_CHECKING

from torchfx_cli.errors import UsageError, printable
from torchfx_cli.stream.formats import is_audio_name

if TYPE_CHECKING:
    from torchfx_cli.tasks.inputs import Input

DEFAULT_FOLDER = "processed"
MAX_NAME_BYTES = 255
FIELDS = {
    "stem": "the name without its extension",
    "ext": "the extension of the output, with its dot",
    "name": "the name of the input",
    "chain": "the name of the chain",
    "parent": "the folder in which it was found, below the one that was given",
    "number": "1 for the first input, 2 for the next; {number:04} pads it",
}


def check_template(template: str) -> None:
    """Raise UsageError for a template that names no output, or different things under one name."""
    _filled(template, dict.fromkeys(FIELDS, "x") | {"number": 1})
    used = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    if not used & {"stem", "name", "number"}:
        raise UsageError(f"--name: {printable(template)} gives every output the same name; use {{stem}}, {{name}} or "
                         "{number}")


def output_path(found: Input, *, output: str | None, inputs: int, template: str | None = None,
                extension: str | None = None, chain: str = "", number: int = 1) -> str:
    """Where the output of `found` goes, one of so many `inputs`; raises UsageError.

    output     a file, a folder, or None for `processed` beside the input, or in the folder that it was found in.
    extension  of the output where it is not that of the input, with its dot.
    """
    folder, name = os.path.split(found.relative)
    if extension is not None:
        name = os.path.splitext(name)[0] + extension
    if template is not None:
        folder, name = _templated(template, found, name, folder, chain, number)
    relative = os.path.join(folder, name)
    if output is None:
        top = os.path.dirname(found.path) if found.root is None else found.root
        return os.path.join(top, DEFAULT_FOLDER, relative)
    if is_folder(output, named=inputs == 1 and found.root is None):
        return os.path.join(output, relative)
    if inputs > 1 or found.root is not None:
        raise UsageError(f"{printable(output)} is one file, but there are {inputs} inputs; give a folder")
    return output


def is_folder(output: str, *, named: bool = False) -> bool:
    """Whether `output` means a folder: it is one, ends like one, or has no extension of audio.

    named  it is for a single file that was named; then an extension of no kind is a mistake more often than a folder.
    """
    if os.path.isdir(output) or output.endswith(os.sep):
        return True
    if is_audio_name(output):
        return False
    if named and os.path.splitext(output)[1]:
        shown = printable(output)
        raise UsageError(f"no audio format has the extension of {shown}; for a folder write {shown}/")
    return True


def _templated(template: str, found: Input, name: str, folder: str, chain: str, number: int) -> tuple[str, str]:
    stem, ext = os.path.splitext(name)
    values = {"stem": stem, "ext": ext, "name": os.path.basename(found.relative), "chain": chain, "parent": folder,
              "number": number}
    filled = _filled(template, values)
    own_folder, own_name = os.path.split(filled)
    if os.path.isabs(filled) or ".." in filled.split("/"):
        raise UsageError(f"--name: {printable(filled)} leaves the output folder")
    if own_name in ("", ".") or "\0" in filled:
        raise UsageError(f"--name: {printable(template)} gives no name for {printable(found.path)}")
    if len(os.fsencode(own_name)) > MAX_NAME_BYTES:
        raise UsageError(f"--name: {printable(own_name[:40])}... is longer than {MAX_NAME_BYTES} bytes")
    return (own_folder if "{parent}" in template else os.path.join(folder, own_folder)), own_name


def _filled(template: str, values: Mapping[str, object]) -> str:
    try:
        for _, name, _, conversion in string.Formatter().parse(template):
            if name is not None and (name not in FIELDS or conversion):
                raise KeyError(name)
        return template.format_map(values)
    except (KeyError, ValueError, IndexError):
        allowed = ", ".join("{" + name + "}" for name in FIELDS)
        raise UsageError(f"--name: found '{printable(template)}'; allowed are {allowed}") from None
