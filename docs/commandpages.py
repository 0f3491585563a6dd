"""The commands as a page of the manual and as a man page, both from the help that the program shows.

    python docs/commandpages.py      writes docs/torchfx.1, which is installed with the package
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from torchfx_cli import __version__
from torchfx_cli.cli.app import app
from torchfx_cli.cli.helping import rows_of

MAN_PAGE = Path(__file__).with_name("torchfx.1")
EXIT_CODES = (
    ("0", "every output was written, read back and renamed into place; of diff, verify and check: all is right"),
    ("1", "the run could not go on (disk full, no such folder); diff, verify: there is a difference"),
    ("2", "a wrong option, or a mistake in a chain; nothing was opened for writing"),
    ("3", "some file failed, or misses what --require asks for; the others are done"),
    ("130, 143", "ended by Ctrl-C, by SIGTERM"),
)
VARIABLES = (
    ("TORCHFX_WARM", "seconds for which a warm process stays behind, such as 60; off: calls never use one"),
    ("TORCHFX_LIBSNDFILE", "system, or the absolute path of a libsndfile 1.2 or later: it is used instead of "
     "soundfile's own, which is slow with FLAC, MP3 and Opus"),
    ("NO_COLOR", "whatever it holds, nothing is coloured"),
    ("TMPDIR", "where long temporary files lie, such as those of reverse"),
    ("XDG_CONFIG_HOME", "where presets of your own lie, in torchfx/presets"),
)


@dataclass(frozen=True)
class Command:
    """A command as its help tells of it.

    texts   paragraphs of its help; those of lines that stay as they are are tuples.
    groups  (title, rows of (names, meaning)).
    """

    name: str
    usage: str
    texts: tuple[str | tuple[str, ...], ...]
    groups: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


def commands() -> Iterator[Command]:
    """All commands, in the order of the help."""
    program = app()
    above = typer.Context(program, info_name="torchfx", **program.context_settings)
    for name, command in program.commands.items():
        context: Any = typer.Context(command, info_name=name, parent=above)
        usage = " ".join(["torchfx", name, *command.collect_usage_pieces(context)])
        groups = tuple((title, tuple(rows)) for title, rows in rows_of(command, context))
        yield Command(name, usage, tuple(_texts(command.help or "")), groups)


def _texts(words: str) -> Iterator[str | tuple[str, ...]]:
    for paragraph in words.split("\n\n"):
        if paragraph.startswith("\b\n"):
            yield tuple(line.strip() for line in paragraph.splitlines()[1:])
        else:
            yield " ".join(paragraph.split())


def markdown() -> str:
    """The page of the manual."""
    lines = ["# Commands", "", "What `torchfx COMMAND --help` says, on one page; `man torchfx` has it too.", ""]
    for command in commands():
        summary, *texts = command.texts
        lines += [f"## {command.name}", "", str(summary), "", "```text", command.usage, "```", ""]
        for text in texts:
            lines += ["```text", *text, "```", ""] if isinstance(text, tuple) else [_plain(text), ""]
        for title, rows in command.groups:
            lines += [f"**{title}**", ""]
            for names, meaning in rows:
                lines += [f"`{names}`", f": {_plain(meaning)}", ""]
    lines += ["## Exit codes", "", *_definitions(EXIT_CODES), "## Environment", "", *_definitions(VARIABLES)]
    return "\n".join(lines)


def _definitions(rows: tuple[tuple[str, str], ...]) -> Iterator[str]:
    for names, meaning in rows:
        yield from (f"`{names}`", f": {_plain(meaning)}", "")


def _plain(text: str) -> str:
    """`text` in Markdown: options and names with special characters as code."""
    return re.sub(r"(?<![\w`])(--?[a-zA-Z][\w-]*|'[^']*[{*][^']*'|[\w.]*[*_{][\w.*{}]*)(?![\w`])", r"`\1`", text)


def man() -> str:
    """The man page, in man(7)."""
    lines = [f'.TH TORCHFX 1 "" "torchfx {__version__}" "User Commands"', ".ad l", ".SH NAME",
             r"torchfx \- filter chains written in YAML, applied to audio files of any length", ".SH SYNOPSIS",
             r".B torchfx", r".I COMMAND", r"[\fIOPTION\fR ...] [\fIFILE\fR ...]", ".SH COMMANDS"]
    for command in commands():
        lines += [f".SS {_roff(command.usage)}"]
        for text in command.texts:
            lines += [".PP", *([".nf", ".RS", *map(_roff, text), ".RE", ".fi"] if isinstance(text, tuple)
                               else [_roff(text)])]
        for title, rows in command.groups:
            lines += [".PP", rf"\fB{_roff(title)}\fR"]
            lines += _tagged(rows)
    lines += [".SH EXIT STATUS", *_tagged(EXIT_CODES), ".SH ENVIRONMENT", *_tagged(VARIABLES)]
    return "\n".join(lines) + "\n"


def _tagged(rows: tuple[tuple[str, str], ...]) -> Iterator[str]:
    for names, meaning in rows:
        yield from (".TP", rf"\fB{_roff(names)}\fR", _roff(meaning))


def _roff(text: str) -> str:
    escaped = text.replace("\\", r"\e").replace("-", r"\-").replace("±", r"\(+-").replace("'", r"\(aq")
    return escaped.replace("~", r"\(ti").replace("^", r"\(ha").replace("`", r"\(ga").replace("…", "...")


if __name__ == "__main__":
    MAN_PAGE.write_text(man(), encoding="utf-8")
