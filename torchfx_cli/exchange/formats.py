"""The table of formats that are read, a line each, and what tells one from another."""

from __future__ import annotations

import re
from collections.abc import Callable

from torchfx_cli.errors import printable
from torchfx_cli.exchange.apo import read_apo, read_rew
from torchfx_cli.exchange.camilladsp import read_camilladsp
from torchfx_cli.exchange.ffmpeg import read_ffmpeg
from torchfx_cli.exchange.reading import Reading
from torchfx_cli.exchange.sox import EFFECTS, PROGRAMS, read_sox

FORMATS: dict[str, Callable[[str, Reading], None]] = {
    "apo": read_apo, "autoeq": read_apo, "rew": read_rew, "camilladsp": read_camilladsp, "sox": read_sox,
    "ffmpeg": read_ffmpeg,
}


def told_from(text: str) -> str | None:
    """The format of `text`, or None where nothing tells."""
    if re.search(r"(?m)^\s*Filter Settings file|^\s*Room EQ V", text):
        return "rew"
    if re.search(r"(?m)^(filters|pipeline|devices)\s*:", text):
        return "camilladsp"
    if re.search(r"(?mi)^\s*(Filter\s*[0-9]*|Preamp|GraphicEQ|Channel|Device|Include|Copy|Stage)\s*:", text):
        return "apo"
    if re.search(r"(^|\s)ffmpeg\s|(^|\s)-(af|filter:a)\s|^\s*\"?[a-z]+(@\w+)?[=,]", text):
        return "ffmpeg"
    first = next(iter(re.sub(r"(?m)#.*$", "", text).split()), "")
    return "sox" if first in EFFECTS or first in PROGRAMS else None


def chain_text(reading: Reading, name: str, source: str) -> str:
    """The chain file."""
    entries = [f"  - {entry}" for entry in reading.entries]
    return "\n".join([f"# From {printable(name)}, {source}.", "chain:", *entries, ""])
