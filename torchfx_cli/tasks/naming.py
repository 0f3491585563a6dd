"""The name of each output."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from torchfx_cli.errors import UsageError, printable
from torchfx_cli.stream.formats import FOREIGN, READ_ONLY, is_audio_name, not_written
from torchfx_cli.tasks.folders import DEFAULT_FOLDER

if TYPE_CHECKING:
    from torchfx_cli.tasks.inputs import Input

MAX_NAME_BYTES = 255
WIDTH = re.compile(r"0?[1-9]")  # of {number}; one of a thousand digits would make a name of a thousand bytes
FIELDS = {
    "stem": "the name without its extension",
    "ext": "the extension of the output, with its dot",
    "name": "the name of the input",
    "chain": "the name of the chain",
    "parent": "the folder in which it was found, below the one that was given",
    "number": "1 for the first input, 2 for the next; {number:04} pads it",
}


def check_template(template: str) -> None:
    """Raise UsageError for a template with other fields, or that gives every output the same name."""
    used = _fields(template)
    if not used & {"stem", "name", "number", "parent"}:
        raise UsageError(f"--name: {printable(template)} gives every output the same name; use {{stem}}, {{name}} or "
                         "{number}")


def output_path(found: Input, *, output: str | None, inputs: int, template: str | None = None,
                extension: str | None = None, chain: str = "", number: int = 1) -> str:
    """Where the output of `found` goes, one of so many `inputs`; raises UsageError.

    output     a file, a folder, or None for `processed` beside the input, or in the folder that it was found in.
    extension  of the output where it is not that of the input, with its dot. What is read and not written gets one.
    """
    relative = found.relative
    if extension is None:
        extension = written_instead(relative)
    if extension is not None:
        relative = os.path.splitext(relative)[0] + extension
    if template is not None:
        relative = _templated(template, found, relative, chain, number)
        if extension is None and is_audio_name(found.relative) and not is_audio_name(relative):
            raise UsageError(f"--name: {printable(relative)} has no extension of audio; end the template with {{ext}}")
    if output is None:
        top = os.path.dirname(found.path) if found.root is None else found.root
        return _inside(os.path.join(top, DEFAULT_FOLDER), relative, found)
    if is_folder(output, named=inputs == 1 and found.is_named):
        return _inside(output, relative, found)
    if inputs > 1:
        raise UsageError(f"{printable(output)} is one file, but there are {inputs} inputs; give a folder")
    if not found.is_named:
        raise UsageError(f"{printable(output)} is one file, but a folder or a pattern was given; give a folder")
    return output


def written_instead(path: str | Path) -> str | None:
    """The extension of an output of `path`, whose own format cannot be written; None where it can."""
    extension = os.path.splitext(path)[1].lower()
    return FOREIGN.get(extension) or READ_ONLY.get(extension)


def told_instead(pairs: Iterable[tuple[Path, Path]]) -> str:
    """A line that says which inputs of `pairs` (input, output) get another format than their own, "" for none."""
    kinds = Counter((source.suffix[1:].lower(), output.suffix[1:].lower()) for source, output in pairs
                    if written_instead(source) == output.suffix)
    found = ", ".join(f"{count} {source} as {output}" for (source, output), count in kinds.items())
    return f"cannot be written in their own format: {found}; --format names another" if found else ""


def _inside(folder: str, relative: str, found: Input) -> str:
    """`relative` below `folder`. However it came about, it must not leave that: `..` would, also behind a link."""
    if os.path.isabs(relative) or ".." in relative.split("/"):
        raise UsageError(f"{printable(found.path)}: its output {printable(relative)} would leave the output folder")
    return os.path.join(folder, relative)


def is_folder(output: str, *, named: bool = False) -> bool:
    """Whether `output` means a folder: it is one, ends like one, or has no extension of audio.

    named  it is for a single file that was named; then an extension of no kind is a mistake more often than a folder.
    """
    if not output:
        raise UsageError("--output is an empty word; is a variable of the shell not set?")
    if output.endswith("/") or os.path.isdir(output):
        return True
    if is_audio_name(output):
        return False
    if named and os.path.splitext(output)[1]:
        shown = printable(output)
        reason = not_written(os.path.splitext(output)[1]) or f"no audio format has the extension of {shown}"
        raise UsageError(f"{reason}; for a folder write {shown}/")
    return True


def _templated(template: str, found: Input, relative: str, chain: str, number: int) -> str:
    """The place of the output below its folder; where `{parent}` is not in the template, that of the input counts."""
    folder, name = os.path.split(relative)
    stem, ext = os.path.splitext(name)
    places_itself = "parent" in _fields(template)
    if not folder:
        template = template.replace("{parent}/", "")  # else what lies at the top would begin with a slash
    values = {"stem": stem, "ext": ext, "name": os.path.basename(found.relative), "chain": chain, "parent": folder,
              "number": number}
    filled = template.format_map(values)
    _check_name(filled, template, found.path)
    return filled if places_itself else os.path.join(folder, filled)


def _check_name(filled: str, template: str, source: str) -> None:
    parts = filled.split("/")
    if filled.startswith("/") or ".." in parts:
        raise UsageError(f"--name: {printable(filled)} leaves the output folder")
    if parts[-1] in ("", ".") or "\0" in filled:
        raise UsageError(f"--name: {printable(template)} gives no name for {printable(source)}")
    for part in parts:
        if len(os.fsencode(part)) > MAX_NAME_BYTES:
            raise UsageError(f"--name: {printable(part[:40])}... is longer than {MAX_NAME_BYTES} bytes")


@lru_cache(maxsize=16)
def _fields(template: str) -> frozenset[str]:
    """The fields that are used; raises UsageError for others, and for what is no template."""
    try:
        import string

        parts = [part for part in string.Formatter().parse(template) if part[1] is not None]
    except ValueError:
        parts = [("", None, None, None)]
    if all(_is_allowed(name or "", width or "", conversion) for _, name, width, conversion in parts):
        return frozenset(name for _, name, _, _ in parts if name)
    allowed = ", ".join("{" + name + "}" for name in FIELDS)
    raise UsageError(f"--name: found '{printable(template)}'; allowed are {allowed}, and {{number:04}}")


def _is_allowed(name: str, width: str, conversion: str | None) -> bool:
    is_width = not width or (name == "number" and WIDTH.fullmatch(width) is not None)
    return name in FIELDS and is_width and not conversion
