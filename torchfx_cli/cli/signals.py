"""Ctrl-C, a polite kill and a closed terminal end the run as an error does, so everything half done is tidied away."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from contextlib import contextmanager
from functools import partial

from torchfx_cli.errors import Interrupted
from torchfx_cli.tasks.interruption import deliver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import Any

AGAIN_S = 0.01  # enough to be out of the callback
PATIENCE_S = 1.0  # to end as errors do, which takes milliseconds
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def raised() -> Iterator[None]:
    """Within, the first of the `STOPPING` signals raises Interrupted in the main thread; the second ends at once.

    See `interruption` for when that is.

    A signal that the caller ignores (nohup, a background job of a script) stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (*STOPPING, signal.SIGALRM)}
    hook = sys.unraisablehook
    for number in STOPPING:
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, _first)
    sys.unraisablehook = partial(_raise_again, hook)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _first(number: int, frame: FrameType | None) -> None:
    for other in STOPPING:
        if signal.getsignal(other) is _first:
            signal.signal(other, _second)
    deliver(number, frame)


def _raise_again(otherwise: Callable[[Any], object], lost: Any) -> None:
    """A signal that comes while a destructor or a callback of the interpreter runs is lost there: raise it again."""
    error = lost.exc_value
    if not isinstance(error, Interrupted):
        otherwise(lost)
        return
    signal.signal(signal.SIGALRM, lambda number, frame: _raise(Interrupted(error.exit_code - 128)))
    signal.setitimer(signal.ITIMER_REAL, AGAIN_S)


def _raise(error: Interrupted) -> None:
    raise error


def _second(number: int, frame: FrameType | None) -> None:
    try:
        if os.isatty(2):
            os.write(2, b"\x1b[?25h")  # a bar that was being drawn has hidden the cursor
    finally:
        os._exit(128 + number)


@contextmanager
def promptly() -> Iterator[None]:
    """Within, where nothing is written, a signal ends the process after `PATIENCE_S` also in the middle of a long call.

    Python hears of a signal only between two of its own steps, but a decoder may look for the beginning of a file, or
    a transform work, for minutes. A thread hears of it at once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ear, mouth = os.pipe()
    os.set_blocking(mouth, False)
    before = signal.set_wakeup_fd(mouth, warn_on_full_buffer=False)
    threading.Thread(target=_wait_to_end, args=(ear,), daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(mouth)  # the thread hears the end, and ends


def _wait_to_end(ear: int) -> None:
    number = 0
    with open(ear, "rb", buffering=0) as heard:
        while not number or select.select([heard], [], [], PATIENCE_S)[0]:
            byte = heard.read(1)
            if not byte:
                return
            number = number or byte[0] * (byte[0] in STOPPING)
    os.write(2, b"torchfx: interrupted\n")
    _second(number, None)
