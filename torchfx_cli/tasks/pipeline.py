"""Reading, computing and writing at the same time: one thread ahead of the engine, one behind it.

All three spend their time in C with the interpreter lock released. Queues are short, so memory does not
grow with the file. An error on either side ends the other two and is raised in the caller's thread.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from queue import Empty, Full, Queue
from types import TracebackType
from typing import Any, Generic, TypeVar

T = TypeVar("T")

DEPTH = 3  # blocks in a queue: one being read or written, one waiting, one spare for jitter
POLL_S = 0.1  # how soon a thread notices that the other side has given up

_END = object()


def _nothing() -> None:
    """Files need no cancelling: reads and writes of theirs always end."""


def read_ahead(items: Iterable[T], cancel: Callable[[], None] = _nothing) -> Iterator[T]:
    """`items`, produced in a thread of its own up to DEPTH ahead; its errors are raised here.

    cancel  lets a read that waits in that thread end, when nobody wants more.
    """
    queue: Queue[Any] = Queue(DEPTH)
    stop = threading.Event()
    failure: list[BaseException] = []

    def produce() -> None:
        try:
            for item in items:
                if not _put(queue, item, stop):
                    return
        except BaseException as error:
            failure.append(error)
        _put(queue, _END, stop)

    thread = threading.Thread(target=produce, name="read-ahead", daemon=True)
    _start(thread)
    try:
        while (item := queue.get()) is not _END:
            yield item
    finally:
        stop.set()
        cancel()
        thread.join()
    if failure:
        raise failure[0]


class WriteBehind(Generic[T]):
    """Hands items to `consume` in a thread of its own; leaving the block waits for the last one.

    An error of `consume` is raised by the next `put`, or on leaving. `cancel` lets one that waits end after an error.
    """

    def __init__(self, consume: Callable[[T], object], cancel: Callable[[], None] = _nothing) -> None:
        self._consume, self._cancel = consume, cancel
        self._queue: Queue[Any] = Queue(DEPTH)
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="write-behind", daemon=True)

    def put(self, item: T) -> None:
        if not _put(self._queue, item, self._stop):
            self._raise()

    def __enter__(self) -> WriteBehind[T]:
        _start(self._thread)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._stop.set()
            self._cancel()
        _put(self._queue, _END, self._stop)
        self._thread.join()
        if kind is None:
            self._raise()

    def _run(self) -> None:
        try:
            while (item := _get(self._queue, self._stop)) is not _END:
                self._consume(item)
        except BaseException as error:
            self._failure = error
            self._stop.set()

    def _raise(self) -> None:
        if self._failure is not None:
            raise self._failure


def _put(queue: Queue[Any], item: object, stop: threading.Event) -> bool:
    """Wait for room; False where the other side has given up."""
    while not stop.is_set():
        try:
            queue.put(item, timeout=POLL_S)
            return True
        except Full:
            continue
    return False


def _get(queue: Queue[Any], stop: threading.Event) -> Any:
    while not stop.is_set():
        try:
            return queue.get(timeout=POLL_S)
        except Empty:
            continue
    return _END


def _start(thread: threading.Thread) -> None:
    """Start `thread` while no signal can come: an exception in the middle of this would leave it half started.

    The thread inherits the mask, so signals go to the main thread, whose business they are.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def run(blocks: Iterable[T], steps: Callable[[Iterator[T]], Iterator[T]], consume: Callable[[T], object],
        cancel_read: Callable[[], None] = _nothing, cancel_write: Callable[[], None] = _nothing, *,
        overlap: bool = True) -> None:
    """Read `blocks`, pass them through `steps` in this thread, hand what comes out to `consume`.

    overlap  read and consume in threads of their own; without it all is done here, which is less work for few blocks.
    `cancel_read` and `cancel_write` are called when it ends, or ends early: pipes may wait for ever.
    """
    if not overlap:
        for block in steps(iter(blocks)):
            consume(block)
        return
    with (closing(read_ahead(blocks, cancel_read)) as ahead,  # type: ignore[type-var]
          WriteBehind(consume, cancel_write) as behind):
        for block in steps(ahead):
            behind.put(block)
