"""The standard streams as audio: what they are called, who may use them, and who must keep off."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from torchfx_cli.errors import UsageError
from torchfx_cli.stream.place import DASH, STDERR, STDIN, STDOUT, is_closed

STDIO = Path(DASH)  # as the input or the output of a job
_audio = STDOUT


def audio_descriptor() -> int:
    """Where audio for the standard output goes."""
    return _audio


@contextlib.contextmanager
def stdout_for_audio() -> Iterator[None]:
    """Within, the standard output is for audio alone: what else is written there goes to the standard error."""
    global _audio
    kept = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)
    _audio = kept
    try:
        yield
    finally:
        _audio = STDOUT
        os.dup2(kept, STDOUT)
        os.close(kept)


def check_stdin() -> None:
    """Raise UsageError where there is no audio to read: from a keyboard, or a stream that is closed."""
    if is_closed(STDIN):
        raise UsageError("- reads audio from the standard input, which is closed")
    if os.isatty(STDIN):
        raise UsageError("- reads audio from a pipe or a file, but the standard input is a terminal: "
                         "cat in.wav | torchfx process - ...")


def check_stdout() -> None:
    """Raise UsageError where audio would be lost: on a screen, or in a stream that is closed."""
    if is_closed(STDOUT):
        raise UsageError("-o - writes audio to the standard output, which is closed; "
                         "torchfx process ... -o - > out.wav, or give a file with --output")
    if os.isatty(STDOUT):
        raise UsageError("-o - writes audio into a pipe or a file, but the standard output is a terminal: "
                         "torchfx process ... -o - > out.wav")
