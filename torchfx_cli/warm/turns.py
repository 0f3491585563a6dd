"""Calls that are done one after another in a child that stays, and keeps torch, its device and designed chains."""

from __future__ import annotations

import marshal
import os
import signal
import socket
from collections.abc import Callable, Sequence
from typing import NoReturn

from torchfx_cli.warm import caller
from torchfx_cli.warm.handover import begins

BEGUN, ENDED, REFUSED = b"b", b"e", b"r"
SIGNALLED = 128  # exit codes from here on: the state of a call that a signal has ended is not kept
HELD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


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


def stay(program: Callable[[list[str]], int], channel: socket.socket) -> NoReturn:
    """In the child: do the calls that are given. It ends with one that a signal has ended, or that lowered limits."""
    (number,) = caller.aside([channel.fileno()])
    channel = socket.socket(fileno=number)
    caller.occupy(number)
    limits = caller.limits()
    while True:
        said, given, _, _ = socket.recv_fds(channel, 1, caller.MAX_DESCRIPTORS + 3)
        if not said:
            os._exit(0)
        for number in given:
            os.set_inheritable(number, False)
        request, connection, *passed = given
        with open(request, "rb") as file:
            file.seek(0)
            asked = marshal.load(file)
        os.set_blocking(connection, True)
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
