"""What a call takes from the process that asked for it, so that it behaves as if it ran there."""

from __future__ import annotations

import marshal
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any, TextIO

LIMITS = tuple(getattr(resource, name) for name in sorted(dir(resource)) if name.startswith("RLIMIT_"))
MAX_DESCRIPTORS = 250  # the kernel passes 253 at once
UNSETTABLE = (signal.SIGKILL, signal.SIGSTOP)


def taken(words: Sequence[str], identity: str) -> tuple[bytes, list[int]]:
    """A request for `words` in the name of this process: its description, and the descriptors to pass with it.

    The last descriptor, of the current folder, is the caller's to close. Raises OSError or ValueError where something
    cannot be passed.
    """
    here = os.open(".", os.O_PATH | os.O_CLOEXEC)
    descriptors = inherited()
    if len(descriptors) >= MAX_DESCRIPTORS:
        raise ValueError("too many open files")
    mask = os.umask(0o077)
    os.umask(mask)
    described = {
        "identity": identity,
        "words": [os.fsencode(word) for word in words],
        "environment": dict(os.environb),
        "descriptors": descriptors,
        "mask": mask,
        "limits": [resource.getrlimit(limit) for limit in LIMITS],
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "processors": sorted(os.sched_getaffinity(0)),
        "ignored": [int(number) for number in signal.valid_signals() if signal.getsignal(number) is signal.SIG_IGN],
        "blocked": [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())],
    }
    return marshal.dumps(described), [*descriptors, here]


def inherited() -> list[int]:
    """The descriptors that a program started from here would have."""
    return sorted(number for number in map(int, os.listdir("/proc/self/fd")) if _is_inherited(number))


def _is_inherited(number: int) -> bool:
    try:
        return os.get_inheritable(number)
    except OSError:  # it was that of the listing
        return False


def become(asked: dict[str, Any], passed: Sequence[int], kept: Sequence[int]) -> list[str]:
    """Make this process, a fork with signals blocked, like the one that asked; returns the words of its command line.

    All descriptors but `kept` and those `passed` are closed. Raises OSError or ValueError where a limit is higher here.
    """
    *passed, here = passed
    os.fchdir(here)
    _place(passed, asked["descriptors"], kept)
    os.umask(asked["mask"])
    os.environb.clear()
    os.environb.update(asked["environment"])
    time.tzset()
    os.sched_setaffinity(0, asked["processors"])
    os.setpriority(os.PRIO_PROCESS, 0, asked["nice"])
    for limit, value in zip(LIMITS, asked["limits"], strict=True):
        if resource.getrlimit(limit) != value:
            resource.setrlimit(limit, value)
    sys.stdin, sys.stdout, sys.stderr = (_opened(number, stream) for number, stream in enumerate(
        (sys.__stdin__, sys.__stdout__, sys.__stderr__)))  # type: ignore[assignment]
    words = [os.fsdecode(word) for word in asked["words"]]
    sys.argv = ["torchfx", *words]
    for number in signal.valid_signals() - set(UNSETTABLE):
        _set(number, number in asked["ignored"])
    signal.pthread_sigmask(signal.SIG_SETMASK, asked["blocked"])
    return words


def _place(passed: Sequence[int], wanted: Sequence[int], kept: Sequence[int]) -> None:
    """Give each descriptor the number that it had in the process that asked; close all others but `kept`."""
    above = max([*passed, *wanted, *kept]) + 1
    copies = []
    for number in passed:  # first out of each other's way
        copies.append(os.dup2(number, above + len(copies), inheritable=False))
    if not set(kept).isdisjoint(wanted):
        raise ValueError("a descriptor's number is taken")
    for number in map(int, os.listdir("/proc/self/fd")):
        if number not in kept and number not in copies:
            _close(number)
    for copy, number in zip(copies, wanted, strict=True):
        os.dup2(copy, number)
        os.close(copy)


def _close(number: int) -> None:
    try:
        os.close(number)
    except OSError:  # it was that of the listing
        pass


def _opened(number: int, like: Any) -> TextIO | None:
    """A standard stream as the interpreter opens it: None where the descriptor is closed."""
    try:
        os.fstat(number)
    except OSError:
        return None
    mode = "r" if number == 0 else "w"
    return open(number, mode, buffering=1 if os.isatty(number) or number == 2 else -1, encoding=like.encoding,  # noqa: SIM115
                errors=like.errors, closefd=False)


def _set(number: int, is_ignored: bool) -> None:
    """As at the start of an interpreter, which itself ignores SIGPIPE and SIGXFSZ and has a handler for SIGINT."""
    if is_ignored:
        signal.signal(number, signal.SIG_IGN)
    elif number == signal.SIGINT:
        signal.signal(number, signal.default_int_handler)
    elif signal.getsignal(number) not in (signal.SIG_DFL, None):
        signal.signal(number, signal.SIG_DFL)
