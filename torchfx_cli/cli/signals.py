"""Ctrl-C, a polite kill and a closed terminal end the run as an error does, so everything half done is tidied away."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from torchfx_cli.errors import Interrupted

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def raised() -> Iterator[None]:
    """Within, the first of the `STOPPING` signals raises Interrupted in the main thread; the second ends at once.

    A signal that the caller ignores (nohup, a background job of a script) stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in STOPPING}
    heard = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in heard:
        signal.signal(number, _first)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])


def _first(number: int, frame: FrameType | None) -> None:
    for other in STOPPING:
        if signal.getsignal(other) is _first:
            signal.signal(other, _second)
    raise Interrupted(number)


def _second(number: int, frame: FrameType | None) -> None:
    try:
        if os.isatty(2):
            os.write(2, b"\x1b[?25h")  # a bar that was being drawn has hidden the cursor
    finally:
        os._exit(128 + number)
