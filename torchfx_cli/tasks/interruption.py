"""When a signal ends the run: at once where nothing stands in the way, between two blocks where threads work together.

An exception that comes at any moment would leave a lock of `queue` or `threading` locked for ever. So `deliver`, the
signal handler, raises Interrupted only outside of `held`; within, it leaves a note that whoever holds looks at.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from queue import Empty, SimpleQueue

from torchfx_cli.errors import Interrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import Any, TypeVar

    T = TypeVar("T")

POLL_S = 0.1  # how soon one that waits sees that a signal has come


class _State:
    held = False
    noted: int | None = None


_state = _State()


def deliver(number: int, frame: FrameType | None) -> None:
    """A handler for signals that are to end the run: raises Interrupted, now or soon."""
    if not _state.held:
        raise Interrupted(number)
    _state.noted = number


@contextmanager
def held() -> Iterator[Callable[[], None]]:
    """Signals wait; what is given raises Interrupted if one has come, and so does the end.

    In other threads than the main one, which alone hears of signals, nothing of this happens.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    _state.held = True
    try:
        yield check
    finally:
        _state.held = False
        check()


def waited(call: Callable[[], T]) -> T:
    """What `call` gives, or raises, in a thread of its own; a signal need not wait for its end."""
    ended: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

    def run() -> None:
        try:
            ended.put((call(), None))
        except BaseException as error:
            ended.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    while True:
        with held():
            try:
                value, error = ended.get(timeout=POLL_S)
                break
            except Empty:
                continue
    if error is not None:
        raise error
    return value


def check() -> None:
    """Raise Interrupted if a signal has come that was held."""
    number, _state.noted = _state.noted, None
    if number is not None:
        raise Interrupted(number)
