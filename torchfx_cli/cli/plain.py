"""Command lines that need no parser: `process` with names and options of the tables below, each whole and spelt out.

Loading typer and describing all the options to it takes as long as to load NumPy. So a line as shell loops have it is
read here; `None` for any other, which typer then reads, or complains of. That both read a line alike is tested.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SWITCHES = ("--mono", "--album", "--resume", "--fail-fast", "--keep-mtime", "--no-tags", "--overwrite",
            "--skip-existing", "--strict", "--dry-run", "--quiet", "--verbose")
VALUES = ("--rate", "--normalize", "--loudness", "--output", "--name", "--jobs", "--shard", "--timeout", "--report",
          "--failed", "--device", "--engine", "--chunk", "--format", "--subtype", "--bitrate", "--quality", "--dither",
          "--tail", "--start", "--on-nan", "--on-truncated", "--on-clip")
LISTS = ("--chain", "--effect", "--include", "--exclude")
SHORT = {"-c": "--chain", "-e": "--effect", "-o": "--output", "-j": "--jobs", "-q": "--quiet", "-v": "--verbose"}
COMPLETING = "_TORCHFX_COMPLETE"  # in the environment when the shell asks what may follow


def arguments_of(words: list[str]) -> dict[str, Any] | None:
    """What `process` is to be called with; None: that is for typer to say."""
    if words[:1] != ["process"] or COMPLETING in os.environ:
        return None
    given: dict[str, Any] = {}
    rest = iter(words[1:])
    for word in rest:
        option = SHORT.get(word, word)
        name = option[2:].replace("-", "_")
        if option in SWITCHES:
            given[name] = True
        elif option in VALUES or option in LISTS:
            value = next(rest, None)
            if value is None or (value.startswith("-") and value != "-"):
                return None
            given[name] = [*given.get(name, ()), value] if option in LISTS else value
        elif word.startswith("-") and word != "-":
            return None
        else:
            given.setdefault("inputs", []).append(word)
    return given
