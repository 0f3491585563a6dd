"""Reading, computing and writing at the same time: one thread ahead of the engine, one behind it.

All three spend their time in C with the interpreter lock released. Channels are short, so memory does not
grow with the file. An error on either side ends the other two and is raised in the caller's thread; a signal is looked
at between two blocks, see `interruption`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from torchfx_cli.tasks import interruption

T = TypeVar("T")

DEPTH = 3  # items in a channel: one being read or written, one waiting, one spare for jitter
POLL_S = 0.1  # how soon one that waits sees that the other side has gone, or that a signal has come

_END = object()


def _nothing() -> None:
    """Files need no cancelling: reads and writes of theirs always end."""


def run(blocks: Iterable[T], steps: Callable[[Iterator[T]], Iterator[T]], consume: Callable[[T], object],
        cancel_read: Callable[[], None] = _nothing, cancel_write: Callable[[], None] = _nothing, *,
        overlap: bool = True) -> None:
    """Read `blocks`, pass them through `steps` in this thread, hand what comes out to `consume`.

    overlap  read and consume in threads of their own; without it all is done here, which is less work for few blocks.
    `cancel_read` lets a read that waits end when it is over, `cancel_write` a write when it is over early: pipes may
    wait for ever.
    """
    with interruption.held() as check:
        if overlap:
            _overlapped(blocks, steps, consume, cancel_read, cancel_write, check)
            return
        for block in steps(iter(blocks)):
            consume(block)
            check()


def _overlapped(blocks: Iterable[T], steps: Callable[[Iterator[T]], Iterator[T]], consume: Callable[[T], object],
                cancel_read: Callable[[], None], cancel_write: Callable[[], None], check: Callable[[], None]) -> None:
    ahead, behind = _Channel[T](check), _Channel[T](check)
    reader, writer = _Side(partial(_read, blocks, ahead)), _Side(partial(_write, behind, consume))
    reader.start()
    writer.start()
    try:
        for block in steps(ahead.items()):
            if not behind.put(block):
                break
        behind.put(_END)
        while writer.is_alive():
            writer.join(POLL_S)
            check()
    finally:
        ahead.close()
        behind.close()
        cancel_read()
        if writer.is_alive():
            cancel_write()
        reader.join()
        writer.join()
    if writer.failure:
        raise writer.failure


def _read(blocks: Iterable[T], ahead: _Channel[T]) -> None:
    try:
        for block in blocks:
            if not ahead.put(block):
                return
    except BaseException as error:
        ahead.failure = error
    ahead.put(_END)


def _write(behind: _Channel[T], consume: Callable[[T], object]) -> None:
    try:
        for block in behind.items():
            consume(block)
    finally:
        behind.close()


class _Channel(Generic[T]):
    """A few items on their way from one thread to another. Either may close it: then neither waits any more."""

    def __init__(self, check: Callable[[], None]) -> None:
        self.closed = False
        self.failure: BaseException | None = None  # of the sender
        self._items: SimpleQueue[Any] = SimpleQueue()
        self._room: SimpleQueue[None] = SimpleQueue()  # a bounded Queue takes three times as long
        for _ in range(DEPTH):
            self._room.put(None)
        self._check, self._owner = check, threading.current_thread()

    def close(self) -> None:
        """Whoever waits need not wait longer."""
        self.closed = True
        self._room.put(None)
        self._items.put(_END)

    def put(self, item: object) -> bool:
        """Wait for room; False where the channel was closed."""
        while not self.closed:
            self._look()
            try:
                self._room.get(timeout=POLL_S)
            except Empty:
                continue
            self._items.put(item)
            return True
        return False

    def items(self) -> Iterator[T]:
        """What comes, until the end or until it is closed; then the sender's failure is raised."""
        while not self.closed:
            self._look()
            try:
                item = self._items.get(timeout=POLL_S)
            except Empty:
                continue
            if item is _END:
                break
            self._room.put(None)
            yield item
        if self.failure:
            raise self.failure

    def _look(self) -> None:
        """Signals are a matter of the thread that began all this."""
        if threading.current_thread() is self._owner:
            self._check()


class _Side(threading.Thread):
    """`work` in a thread of its own; `failure` is what it raised."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self.failure = error
