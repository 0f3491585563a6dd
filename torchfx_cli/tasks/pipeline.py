"""Reading, computing and writing at the same time: one thread ahead of the engine, one behind it.

All three spend their time in C with the interpreter lock released. Channels are short, so memory does not
grow with the file. An error on either side ends the other two and is raised in the caller's thread.

A signal's exception may come at any moment of the main thread. Inside `queue.Queue`, `threading.Event`, `Thread.start`
or `Thread.join`, which are Python, it would leave a lock locked for ever; so only what is written in C is used here,
and plain attributes say how things stand.
"""

from __future__ import annotations

import _thread
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")

DEPTH = 3  # items in a channel: one being read or written, one waiting, one spare for jitter
POLL_S = 0.1  # how soon a thread looks up by itself: a signal may have taken what should have woken it

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
    if not overlap:
        for block in steps(iter(blocks)):
            consume(block)
        return
    ahead, behind = _Channel[T](), _Channel[T]()
    reader, writer = _Side(partial(_read, blocks, ahead)), _Side(partial(_write, behind, consume))
    try:
        reader.start()
        writer.start()
        for block in steps(ahead.items()):
            if not behind.put(block):
                break
        behind.put(_END)
        writer.wait()
    finally:
        ahead.close()
        behind.close()
        cancel_read()
        if not writer.is_over:
            cancel_write()
        reader.end()
        writer.end()
    if behind.failure:
        raise behind.failure


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
    except BaseException as error:
        behind.failure = error
        behind.close()


class _Channel(Generic[T]):
    """A few items on their way from one thread to another. Either may close it: then neither waits any more."""

    def __init__(self) -> None:
        self.closed = False
        self.failure: BaseException | None = None
        self._items: SimpleQueue[Any] = SimpleQueue()
        self._room: SimpleQueue[None] = SimpleQueue()
        for _ in range(DEPTH):
            self._room.put(None)

    def close(self) -> None:
        self.closed = True
        self._room.put(None)  # whoever waits need not wait longer
        self._items.put(_END)

    def put(self, item: object) -> bool:
        """Wait for room; False where the channel was closed."""
        while not self.closed:
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


class _Side:
    """`work`, which raises nothing, in a thread of its own."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._claims: list[str] = []  # whoever is the first says whether it is done at all
        self.is_over = False
        self._bell = _thread.allocate_lock()
        self._bell.acquire()

    def start(self) -> None:
        _thread.start_new_thread(self._run, ())

    def _run(self) -> None:
        self._claims.append("work")
        if self._claims[0] == "work":
            self._work()
            self.is_over = True
            self._bell.release()

    def wait(self) -> None:
        """Until it is over."""
        while not self.is_over:
            self._bell.acquire(timeout=POLL_S)

    def end(self) -> None:
        """The same; where it has not begun, it never will."""
        self._claims.append("end")
        if self._claims[0] == "work":
            self.wait()
