"""Reading ahead and writing behind: order kept, errors from either side raised here, no thread left."""

from __future__ import annotations

import faulthandler
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from torchfx_cli.errors import Interrupted
from torchfx_cli.tasks import interruption, pipeline


def same(items: Iterator[int]) -> Iterator[int]:
    yield from items


def inside() -> int:
    """Threads but this one that are at work in the pipeline."""
    count = 0
    for thread, frame in sys._current_frames().items():
        while frame is not None and thread != threading.get_ident() and frame.f_code.co_filename != pipeline.__file__:
            frame = frame.f_back
        count += frame is not None and thread != threading.get_ident()
    return count


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    time.sleep(0.001)  # one that is over may still be leaving
    assert not inside()


@pytest.mark.parametrize("overlap", [True, False])
@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_every_item_arrives_once_and_in_order(count: int, overlap: bool) -> None:
    seen: list[int] = []
    pipeline.run(range(count), same, seen.append, overlap=overlap)
    assert seen == list(range(count))


def test_without_overlap_all_is_done_in_the_thread_of_the_caller() -> None:
    threads = set()

    def items() -> Iterator[int]:
        threads.add(threading.current_thread())
        yield 1

    pipeline.run(items(), same, lambda item: threads.add(threading.current_thread()), overlap=False)
    assert threads == {threading.current_thread()}


@pytest.mark.parametrize("bad", [0, 1, 50])
def test_an_error_of_the_reader_is_raised_after_what_came_before_it(bad: int) -> None:
    def items() -> Iterator[int]:
        yield from range(bad)
        raise OSError("read")

    seen: list[int] = []
    with pytest.raises(OSError, match="read"):
        pipeline.run(items(), same, seen.append)
    assert seen == list(range(len(seen)))


@pytest.mark.parametrize("bad", [0, 1, 50])
def test_an_error_of_the_writer_stops_the_reader(bad: int) -> None:
    asked: list[int] = []

    def items() -> Iterator[int]:
        for i in range(100_000):
            asked.append(i)
            yield i

    def write(item: int) -> None:
        if item == bad:
            raise OSError("write")

    with pytest.raises(OSError, match="write"):
        pipeline.run(items(), same, write)
    assert len(asked) < bad + 100, "the reader went on after the writer had failed"


def test_an_error_of_a_step_stops_both_sides() -> None:
    def steps(items: Iterator[int]) -> Iterator[int]:
        for item in items:
            if item == 5:
                raise ValueError("step")
            yield item

    seen: list[int] = []
    with pytest.raises(ValueError, match="step"):
        pipeline.run(range(100_000), steps, seen.append)
    assert seen == list(range(len(seen)))
    assert len(seen) <= 5


def test_memory_does_not_grow_with_a_slow_writer() -> None:
    ahead: list[int] = []
    written: list[int] = []
    gate = threading.Event()

    def items() -> Iterator[int]:
        for i in range(100):
            ahead.append(i - len(written))
            yield i

    def write(item: int) -> None:
        gate.wait(0.002)
        written.append(item)

    pipeline.run(items(), same, write)
    assert max(ahead) <= 2 * pipeline.DEPTH + 4


def test_a_thread_at_work_would_be_seen() -> None:
    gate = threading.Event()
    alone = threading.Thread(target=pipeline.run, args=([1], same, lambda item: gate.wait(5)))
    alone.start()
    time.sleep(0.05)
    assert inside() >= 1
    gate.set()
    alone.join()


def test_a_signal_at_any_moment_ends_it_at_once() -> None:
    rng = random.Random(1)
    before, stopped = signal.signal(signal.SIGALRM, interruption.deliver), 0
    faulthandler.dump_traceback_later(60, exit=True)
    try:
        for _ in range(700):
            busy: list[int] = []
            asked_s = time.monotonic()
            try:
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-5, 2e-3))
                pipeline.run(range(400), same, busy.append)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except Interrupted:
                stopped += 1
            assert time.monotonic() - asked_s < 5.0
            done = len(busy)
            assert busy == list(range(done))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        faulthandler.cancel_dump_traceback_later()
    assert stopped > 300
