"""Runs a command line, and is the only place where errors are caught.

An error meant for the user becomes one line a problem on stderr and the exit code of its class (see `errors`). Where
it came from is shown with TORCHFX_DEBUG=1 only, or with --verbose where it is a mistake in the program. Nothing
heavy is imported before the signals are in hand.
"""

from __future__ import annotations

import atexit
import os
import sys

from torchfx_cli import __version__
from torchfx_cli.cli import show
from torchfx_cli.cli.plain import arguments_of
from torchfx_cli.errors import Interrupted, TorchfxError, UsageError
from torchfx_cli.warm import client, place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (default: the process's own) in this process and return its exit code."""
    place.set_defaults()
    show.prepare()
    try:
        client.check()
        words = sys.argv[1:] if arguments is None else list(arguments)
        code = _answer(words) if words in (["--version"], ["--help"], ["-h"], ["help"]) else _run(words)
    except BaseException as error:
        code = _explain(error)
    return show.finish(code)


def end() -> None:
    """What an interpreter does at its end for other code: streams are flushed, functions called that asked for it."""
    flush()
    atexit._run_exitfuncs()


def flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):  # nobody reads it
            pass


def _answer(words: list[str]) -> int:
    """What is said without a parser of options."""
    if words == ["--version"]:
        show.say(f"torchfx {__version__}")
    else:
        from torchfx_cli.cli import front

        show.say(*front.help_lines())
    return 0


def _run(words: list[str]) -> int:
    from torchfx_cli.cli import signals

    with signals.raised():
        plain = arguments_of(words)
        if plain is not None:
            from torchfx_cli.cli.process import process

            return process(**plain)
        from torchfx_cli.cli.app import MistypedError, app, usage_of

        try:
            result = app().main(words, prog_name="torchfx", standalone_mode=False)
        except MistypedError as error:
            raise UsageError(usage_of(error)) from error
        return result if isinstance(result, int) else 0


def _explain(error: BaseException) -> int:
    """Say on stderr what ended the run; returns the exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, KeyboardInterrupt):
        error = Interrupted(2)
    if show.wants_trace(foreseen=isinstance(error, TorchfxError | Interrupted)):
        import traceback

        for line in "".join(traceback.format_exception(error)).rstrip().split("\n"):
            show.tell(line)
    if isinstance(error, TorchfxError | Interrupted):
        kind = "" if isinstance(error, Interrupted) else "error: "
        for line in str(error).split("\n"):
            show.tell(f"torchfx: {kind}{line}", "red")
        return error.exit_code
    show.tell(f"torchfx: error: {_unexpected(error)}", "red")
    return 1


def _unexpected(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "not enough memory; a smaller --chunk needs less"
    if isinstance(error, OSError) and error.strerror:
        return f"{os.fsdecode(error.filename)}: {error.strerror}" if error.filename else error.strerror
    return f"{type(error).__name__}: {error} (a mistake in torchfx; TORCHFX_DEBUG=1 shows where)"
