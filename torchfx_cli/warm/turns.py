"""A child of the warm process that is given calls: one that is forked ahead of its only call, or one that stays.

The latter does its calls one after another, and keeps torch, its device and designed chains.
"""

from __future__ import annotations

import ctypes
import marshal
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, NoReturn

from torchfx_cli.warm import caller
from torchfx_cli.warm.handover import begins, peer

BEGUN, ENDED, REFUSED, LOADED, RISKY, SAFE = b"b", b"e", b"r", b"l", b"x", b"s"
IOPRIO = {"x86_64": (251, 252), "aarch64": (30, 31), "riscv64": (30, 31)}  # ioprio_set(2), ioprio_get(2)
IOPRIO_WHO_PROCESS = 1
MAX_REPORT_BYTES = 60_000  # fits into a socket at once
SIGNALLED = 128  # exit codes from here on: the state of a call that a signal has ended is not kept
HELD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


_channel: socket.socket | None = None  # of a child for one call, which the warm process watches


def is_watched() -> bool:
    return _channel is not None


def tell_risk(is_risky: bool) -> None:
    """To the warm process: whether this call is to be done anew, by its caller, if it crashes from now on."""
    if _channel:
        _channel.send(RISKY if is_risky else SAFE)


def are_for(words: Sequence[bytes]) -> bool:
    """Whether a command line asks for torch or a GPU."""
    values = [word.rpartition(b"=")[2] for word in words]
    return any(value == b"torch" or value.startswith(b"cuda") for value in values)


def give(channel: socket.socket, connection: socket.socket, body: bytes, passed: Sequence[int]) -> None:
    """To the child at the other end of `channel`."""
    request = os.memfd_create("request", os.MFD_CLOEXEC)
    try:
        os.write(request, body)
        socket.send_fds(channel, [BEGUN], [request, connection.fileno(), *passed])
    finally:
        os.close(request)


def wait(program: Callable[[list[str]], int], channel: socket.socket) -> NoReturn:
    """In a child: do the one call that is given, from its first step to its end; tell what it had to load."""
    global _channel
    channel = _channel = socket.socket(fileno=caller.above(channel.detach()))
    caller.close_all_but(channel.fileno())
    known = len(sys.modules)
    asked, connection, passed = _given(channel)
    words = caller.become(asked, passed, (connection, channel.fileno()))
    code = 1
    if begins(connection):
        channel.send(BEGUN)
        code = program(words)
        if len(sys.modules) > known:
            channel.send(_loaded(known))
    os._exit(code)


def stay(program: Callable[[list[str]], int], channel: socket.socket) -> NoReturn:
    """In a child: do the calls that are given. It ends with one that a signal has ended, or that lowered limits."""
    channel = socket.socket(fileno=caller.above(channel.detach()))
    caller.occupy(channel.fileno())
    limits = caller.limits()
    while True:
        asked, connection, passed = _given(channel)
        words = caller.become(asked, passed, stays=True)
        end = REFUSED
        if begins(connection):
            channel.send(BEGUN)
            code = program(words)
            if code >= SIGNALLED or caller.limits() != limits:
                os._exit(code)
            end = ENDED + bytes([code])
        signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
        caller.let_go(asked["descriptors"])
        os.close(connection)
        channel.send(end)


def _given(channel: socket.socket) -> tuple[dict[str, Any], int, list[int]]:
    """The next call: what is asked, the connection to its caller, its descriptors. Without one, this process ends."""
    said, given, _, _ = socket.recv_fds(channel, 1, caller.MAX_DESCRIPTORS + 3, socket.MSG_CMSG_CLOEXEC)
    if not said:
        os._exit(0)
    request, connection, *passed = given
    with open(request, "rb") as file:
        file.seek(0)
        asked = caller.understood(file.read())
    connection = caller.above(connection)
    os.set_blocking(connection, True)
    with socket.socket(fileno=os.dup(connection)) as known:
        _take_turn_of(peer(known)[0])
    return asked, connection, passed


def _take_turn_of(pid: int) -> None:
    """Be scheduled as that process is, for processors and for disks (chrt, ionice). Raises OSError where it may not."""
    try:
        policy = os.sched_getscheduler(pid), os.sched_getparam(pid).sched_priority
    except ProcessLookupError:
        return  # it is gone, and its call does not begin
    if policy != (os.sched_getscheduler(0), os.sched_getparam(0).sched_priority):
        os.sched_setscheduler(0, policy[0], os.sched_param(policy[1]))
    if os.uname().machine in IOPRIO:
        put, get = IOPRIO[os.uname().machine]
        syscall = ctypes.CDLL(None).syscall
        wanted = syscall(get, IOPRIO_WHO_PROCESS, pid)
        if 0 <= wanted != syscall(get, IOPRIO_WHO_PROCESS, 0) and syscall(put, IOPRIO_WHO_PROCESS, 0, wanted):
            raise PermissionError


def _loaded(known: int) -> bytes:
    """Names of the modules behind the first `known`, without those that their packages load."""
    new = list(islice(reversed(sys.modules), len(sys.modules) - known))
    names = {name for name in new if getattr(sys.modules[name], "__spec__", None)}
    told = marshal.dumps(sorted(name for name in names if name.rpartition(".")[0] not in names))
    return LOADED + (told if len(told) < MAX_REPORT_BYTES else marshal.dumps([]))
