"""What reaches the screen: data on stdout, all else on stderr, and nothing that a terminal would obey.

`say` and `tell` escape each line as it leaves and put our own colours around it afterwards, so no caller has to think
of what a file, a name or a tag may hold. Nothing else in cli/ writes to these streams but what draws a bar.

A lost stream never stops the work. A closed pipe is quiet; a stdout that cannot be written (a full disk) is told at the
end and makes the exit code 1.
"""

from __future__ import annotations

import errno
import os
import sys
from math import log10

from torchfx_cli.errors import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

COLOURS = {"bold": "1", "red": "31", "yellow": "33"}
NARROWEST = 16  # characters left for a wrapped column, however narrow the terminal is

_lost: list[OSError | ValueError] = []
_verbose = False


def prepare() -> None:
    """Make the streams safe: no character that cannot be encoded, no file that lands on a closed descriptor 0-2."""
    global _verbose
    _verbose = False
    _lost.clear()
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, so this very one
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def finish(code: int) -> int:
    """`code`, or 1 where that was 0 and data meant for stdout were lost."""
    for error in _lost:
        tell(f"torchfx: error: cannot write to the standard output: {getattr(error, 'strerror', None) or error}", "red")
    return code or int(bool(_lost))


def be_verbose() -> None:
    """Show the tracebacks of unforeseen errors from now on."""
    global _verbose
    _verbose = True


def wants_trace(foreseen: bool) -> bool:
    """Whether to show where an error came from; one meant for users says all in its message, --verbose or not."""
    return os.environ.get("TORCHFX_DEBUG", "") not in ("", "0") or (_verbose and not foreseen)


def say(*lines: str, colour: str = "") -> None:
    """Lines of data, to stdout; a line's end inside one is escaped like all that could drive a terminal."""
    if sys.stdout is None and not _lost:
        _lost.append(OSError(errno.EBADF, "it is closed"))
    for line in lines:
        _write(sys.stdout, _painted(printable(line), colour, sys.stdout))


def say_wrapped(*lines: str, hang: int = 0) -> None:
    """The same; on a terminal what is too long goes on in the next line, as far in as it began, or `hang` columns."""
    import shutil
    import textwrap

    room = max(NARROWEST, shutil.get_terminal_size().columns - 1) if is_terminal(sys.stdout) else None
    for line in lines:
        indent = " " * max(hang, len(line) - len(line.lstrip()))
        say(*([line] if room is None or len(line) <= room else
              textwrap.wrap(printable(line), room, subsequent_indent=indent)))


def tell(line: str, colour: str = "") -> None:
    """The same with a message, to stderr."""
    _write(sys.stderr, _painted(printable(line), colour, sys.stderr))


def tell_warnings(name: str, warnings: Sequence[str]) -> None:
    """Messages about the file `name`, which could be read nevertheless."""
    for warning in warnings:
        tell(f"{name}: warning: {warning}", "yellow")


def tell_failure(name: str, message: str) -> None:
    """A message about the file `name`, which is not said twice where the message begins with it."""
    tell(message if message.startswith(name) else f"{name}: {message}", "red")


def tell_for_now(line: str) -> None:
    """A message that the next one takes the place of, where somebody looks; "" takes it away."""
    if sys.stderr is not None and is_terminal(sys.stderr):
        sys.stderr.write(f"\r\x1b[2K{printable(line)}")
        sys.stderr.flush()


def copy(text: str) -> None:
    """`text` as it is, to stdout: what is no longer a line for people, or was drawn with cells made `printable`."""
    _write(sys.stdout, text)


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:
        return
    try:
        stream.write(text + "\n")
        stream.flush()
    except (OSError, ValueError) as error:
        if stream is sys.stdout and not isinstance(error, BrokenPipeError):
            _lost.append(error)
        _silence(stream)


def _silence(stream: TextIO) -> None:
    """Let what is still buffered, and all that follows, go nowhere."""
    try:
        number = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
    except (OSError, ValueError):
        return
    os.dup2(nowhere, number)
    os.close(nowhere)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person looks at `stream`, through something that understands more than plain lines."""
    try:
        looked_at = stream is not None and stream.isatty()
    except ValueError:
        return False
    return looked_at and os.environ.get("TERM", "dumb") != "dumb"


def _painted(text: str, colour: str, stream: TextIO | None) -> str:
    if not colour or os.environ.get("NO_COLOR") or not is_terminal(stream):
        return text
    return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], indent: str = "") -> None:
    """Aligned columns to stdout. On a terminal the last one is wrapped, in a pipe a row is a line."""
    import shutil
    import textwrap

    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    room = None
    if is_terminal(sys.stdout):
        room = max(NARROWEST, shutil.get_terminal_size().columns - len(indent) - sum(w + 2 for w in widths[:-1]) - 1)
        say(indent + _row(header, widths), colour="bold")
    for *cells, last in rows:
        lines = [last] if room is None else textwrap.wrap(last, room) or [""]
        say((indent + _row([*cells, lines[0]], widths)).rstrip())
        for line in lines[1:]:
            say(indent + _row([""] * len(cells) + [line], widths))


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def clock(seconds: float) -> str:
    """A duration for people: `0.31 s`, `4:00`, `1:02:03`."""
    return f"{seconds:.2f} s" if seconds < 60 else coarse_clock(seconds)


def coarse_clock(seconds: float) -> str:
    """The same in whole seconds: `0:07`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def moment(seconds: float) -> str:
    """A time in a file: `0:01.250`."""
    minutes, rest = divmod(round(1000.0 * seconds), 60_000)
    hours, minutes = divmod(minutes, 60)
    second = f"{rest / 1000.0:06.3f}"
    return f"{hours}:{minutes:02}:{second}" if hours else f"{minutes}:{second}"


def level(peak: float) -> str:
    """A linear peak (1 = full scale) in dBFS."""
    if peak <= 0:
        return "silence"
    decibels = round(20 * log10(peak), 1)
    return f"{decibels:+.1f} dBFS" if decibels else "0.0 dBFS"


def speed(audio_s: float, elapsed_s: float) -> str:
    """`774x` as fast as the sound plays, `0.4x` where it is slow, "" where nobody can say."""
    if audio_s <= 0 or elapsed_s <= 0:
        return ""
    times = audio_s / elapsed_s
    return f"{times:.0f}x" if times >= 10 else f"{times:.1f}x"


def count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
