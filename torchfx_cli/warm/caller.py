"""What a call takes from the process that asked for it, so that it behaves as if it ran there."""

from __future__ import annotations

import fcntl
import os
import resource
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Iterable, Sequence
    from typing import Any, TextIO
else:
    import _signal as signal  # `signal` itself loads enum, a third of all that a caller would load

LIMITS = range(16)  # all that Linux has, also those that Python has no names for
# The lines of numbers in a request, in their order; each is a list.
NUMBERS = ("mask", "nice", "descriptors", "limits", "processors", "ignored", "blocked")
MAX_DESCRIPTORS = 248  # of a caller; the kernel passes 253 at once
ASIDE = 400  # the descriptors of a child that are not its caller's begin here
OWN = (signal.SIGKILL, signal.SIGSTOP)  # which nobody can handle
IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


def taken(words: Sequence[str], identity: bytes) -> tuple[bytes, list[int]]:
    """A request for `words` in the name of this process: its description, and the descriptors to pass with it.

    The last descriptor, of the current folder, is for the caller to close. Raises OSError or ValueError where something
    cannot be passed.
    """
    descriptors = inherited()
    if len(descriptors) > MAX_DESCRIPTORS or any(number >= ASIDE for number in descriptors):
        raise ValueError("too many open files")
    mask = os.umask(0o077)
    os.umask(mask)
    numbers = ([mask], [os.getpriority(os.PRIO_PROCESS, 0)], descriptors, [end for limit in limits() for end in limit],
               sorted(os.sched_getaffinity(0)), ignored(), signal.pthread_sigmask(signal.SIG_BLOCK, ()), [len(words)])
    fields = [identity, *(b" ".join(b"%d" % number for number in line) for line in numbers),
              *(os.fsencode(word) for word in words),
              *(name + b"=" + value for name, value in os.environb.items())]
    return b"\0".join(fields), [*descriptors, os.open(".", os.O_PATH | os.O_CLOEXEC)]


def understood(body: bytes) -> dict[str, Any]:
    """A request, by the names of its parts; raises ValueError where it is none."""
    identity, *fields = body.split(b"\0")
    *numbers, (count,) = ([int(number) for number in line.split()] for line in fields[:len(NUMBERS) + 1])
    words = fields[len(NUMBERS) + 1:]
    entries = [entry.partition(b"=") for entry in words[count:]]
    asked = dict(zip(NUMBERS, numbers, strict=True))
    ends = iter(asked["limits"])
    return {"identity": identity, "words": words[:count], **asked, "mask": asked["mask"][0], "nice": asked["nice"][0],
            "limits": list(zip(ends, ends, strict=True)),
            "environment": {name: value for name, _, value in reversed(entries)}}  # of two, the first counts


def limits() -> list[tuple[int, int]]:
    return [resource.getrlimit(limit) for limit in LIMITS]


def may_stay() -> bool:
    """Whether a process with these limits can be there for others."""
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    _, processor_s = resource.getrlimit(resource.RLIMIT_CPU)
    return processor_s == resource.RLIM_INFINITY and (files == resource.RLIM_INFINITY or files > 2 * ASIDE)


def fits(asked: dict[str, Any]) -> bool:
    """Whether a fork of this process may become like the one that asked: only root raises limits and priorities."""
    if not os.geteuid():
        return True
    endless = resource.RLIM_INFINITY
    return os.getpriority(os.PRIO_PROCESS, 0) <= asked["nice"] and all(
        here == endless or -1 < there <= here for (_, here), (_, there) in zip(limits(), asked["limits"], strict=True))


def ignored() -> list[int]:
    """The signals that a program started from here would ignore."""
    return [int(number) for number in signal.valid_signals() if signal.getsignal(number) == signal.SIG_IGN]


def inherited() -> list[int]:
    """The descriptors that a program started from here would have."""
    return sorted(number for number in _open() if _is_inherited(number))


def _open() -> list[int]:
    return [int(name) for name in os.listdir("/proc/self/fd")]


def _is_inherited(number: int) -> bool:
    try:
        return os.get_inheritable(number)
    except OSError:  # it was that of the listing
        return False


def above(number: int) -> int:
    """The same descriptor, moved out of the way of those of callers."""
    moved = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, ASIDE)
    os.close(number)
    return moved


def close_all_but(kept: int) -> None:
    _close(number for number in _open() if number != kept)


def become(asked: dict[str, Any], passed: Sequence[int], kept: Sequence[int] = (), stays: bool = False) -> list[str]:
    """Make this process, a fork with signals blocked, like the one that asked; returns the words of its command line.

    All other descriptors but `kept` are closed, unless it `stays`. Raises OSError or ValueError where a limit is lower
    here than there.
    """
    *passed, here = passed
    os.fchdir(here)
    os.close(here)
    if not stays:
        _close(number for number in _open() if number not in kept and number not in passed)
    _place(passed, asked["descriptors"])
    os.umask(asked["mask"])
    os.environb.clear()
    os.environb.update(asked["environment"])
    time.tzset()
    os.sched_setaffinity(0, asked["processors"])
    os.setpriority(os.PRIO_PROCESS, 0, asked["nice"])
    for limit, now, value in zip(LIMITS, limits(), asked["limits"], strict=True):
        if now != value:
            resource.setrlimit(limit, value)
    sys.stdin, sys.stdout, sys.stderr = (_opened(number, stream) for number, stream in enumerate(
        (sys.__stdin__, sys.__stdout__, sys.__stderr__)))
    words = [os.fsdecode(word) for word in asked["words"]]
    sys.argv = ["torchfx", *words]
    for number in signal.valid_signals():
        if number not in OWN:
            _set(number, number in asked["ignored"])
    signal.pthread_sigmask(signal.SIG_SETMASK, asked["blocked"])
    return words


def _place(passed: Sequence[int], wanted: Sequence[int]) -> None:
    """Give each descriptor the number that it had in the process that asked."""
    first = max([ASIDE, *_open()]) + 1  # out of each other's way
    copies = [os.dup2(number, first + place, inheritable=False) for place, number in enumerate(passed)]
    _close([*passed, 0, 1, 2])
    for copy, number in zip(copies, wanted, strict=True):
        os.dup2(copy, number)
    _close(copies)


def occupy(number: int) -> None:
    """Nothing that this process opens gets a number that a caller may want; all descriptors but `number` are closed."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.closerange(0, nowhere)
    for other in range(ASIDE):
        if other != nowhere:
            os.dup2(nowhere, other, inheritable=other < 3)
    _close(other for other in _open() if other > ASIDE and other != number)


def let_go(numbers: Sequence[int]) -> None:
    """Of a caller's descriptors and folder."""
    os.chdir("/")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in {0, 1, 2, *numbers}:
        os.dup2(nowhere, number, inheritable=number < 3)
    os.close(nowhere)


def _close(numbers: Iterable[int]) -> None:
    for number in list(numbers):
        try:  # noqa: SIM105 contextlib takes long to load
            os.close(number)
        except OSError:  # it was that of a listing
            pass


def _opened(number: int, like: Any) -> TextIO | None:
    """A standard stream as the interpreter opens it: None where the descriptor is closed."""
    try:
        os.fstat(number)
    except OSError:
        return None
    stream: Any = open(number, "w" if number else "r", encoding=like.encoding, errors=like.errors, closefd=False)  # noqa: SIM115
    stream.reconfigure(line_buffering=like.line_buffering or os.isatty(number), write_through=like.write_through)
    return stream


def _set(number: int, is_ignored: bool) -> None:
    """As at the start of an interpreter, which itself ignores SIGPIPE and SIGXFSZ and has a handler for SIGINT."""
    if is_ignored or number in IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_IGN)
    elif number == signal.SIGINT:
        signal.signal(number, signal.default_int_handler)
    elif signal.getsignal(number) not in (signal.SIG_DFL, None):
        signal.signal(number, signal.SIG_DFL)
