"""A warm process: has the program loaded and forks for each call, so that nothing leaks from one call to the next.

What a call had to load besides (a kind of filter, a decoder) is loaded here too when it has ended. A call that asks for
torch or a GPU is done in a child that stays and does such calls one after another: CUDA does not survive a fork.
"""

from __future__ import annotations

import ctypes
import gc
import marshal
import os
import selectors
import signal
import socket
import stat
import sys
import time
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, NoReturn

from torchfx_cli.warm import caller, turns
from torchfx_cli.warm.handover import HEADER_BYTES, HELLO, STATUS_BYTES, WAIT, begins, peer

Run = Callable[[list[str]], int]  # a command line, to its end; returns its exit code

LONGEST_S = 86400.0  # that `select` is asked to wait: its own limit is some weeks
REQUEST_S = 1.0  # a caller that does not finish its request by then is let go
MAX_REQUEST_BYTES = 16 << 20  # command lines and environments end at 2 MiB
MAX_REPORT_BYTES = 60_000  # fits into a pipe at once
BEGUN = b"b"
SET_PDEATHSIG = 1  # prctl(2)
HELD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD)
LARGE = {"torch", "scipy", "av", "mutagen", "matplotlib"}  # worth telling where they are kept


@dataclass(eq=False)
class Call:
    """Done by the process `pid` for the one at the other end of `connection`.

    report  where that process says that it has begun, and at last what it had to load; -1 where it says so elsewhere.
    """

    pid: int
    connection: socket.socket
    report: int = -1
    began: bool = False


@dataclass(eq=False)
class Turns:
    """The child that does calls one after another: at most one at a time, the others wait."""

    pid: int
    channel: socket.socket
    call: Call | None = None


@dataclass
class Server:
    """Listens at `address` for callers of the same `identity`; see `place`."""

    address: str
    identity: str
    idle_s: float
    program: Run
    since_s: float = field(default_factory=time.time)
    last_s: float = field(default_factory=time.monotonic)  # when it did a call
    done: int = 0
    calls: dict[int, Call] = field(default_factory=dict)
    turns: Turns | None = None
    waiting: deque[tuple[socket.socket, dict[str, Any], list[int]]] = field(default_factory=deque)
    closing: bool = False

    def __post_init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.files = _loaded_files()
        with suppress(FileNotFoundError):
            os.unlink(self.address)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.address)
        os.chmod(self.address, 0o600)
        self.listener.listen(64)
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        heard, told = os.pipe()
        for end in (heard, told):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(told, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, frame: self.close())
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.selector.register(heard, selectors.EVENT_READ, lambda: self._bury(heard))

    @property
    def is_busy(self) -> bool:
        return bool(self.calls or self.waiting)

    def run(self) -> None:
        """Until nothing was asked for `idle_s`, or it was asked to stop; calls that run are waited for."""
        while self.is_busy or not self.closing:
            left_s = self.last_s + self.idle_s - time.monotonic()
            if left_s <= 0 and not self.is_busy:
                self.close()
                continue
            for key, _ in self.selector.select(None if self.is_busy else min(left_s, LONGEST_S)):
                if self.selector.get_map().get(key.fd) is key:  # what came before may have ended it
                    key.data()

    def close(self) -> None:
        """Take no more calls."""
        if not self.closing:
            self.closing = True
            with suppress(OSError):
                os.unlink(self.address)
            self.selector.unregister(self.listener)
            self.listener.close()

    def _accept(self) -> None:
        connection, _ = self.listener.accept()
        connection.settimeout(REQUEST_S)
        passed: list[int] = []
        is_taken = False
        try:
            if peer(connection)[1] == os.geteuid():
                connection.sendall(HELLO)
                asked = _request(connection, passed)
                is_taken = self._answer(connection, asked, passed)
        except (OSError, ValueError, EOFError, TypeError, KeyError):  # a caller that is gone, or is none
            pass
        if not is_taken:
            _close(connection, passed)

    def _answer(self, connection: socket.socket, asked: dict[str, Any], passed: list[int]) -> bool:
        """Whether the call is taken; all that was opened for it is then closed elsewhere."""
        if asked.get("ask") != "stop" and not self.files <= _loaded_files():
            self.close()  # another version of the program has been installed
            return False
        if "ask" in asked:
            connection.sendall(marshal.dumps(self._status()))
            if asked["ask"] == "stop":
                self.close()
            return False
        if asked["identity"] != self.identity:
            return False
        if not caller.fits(asked):
            self.close()  # a caller such as this may start one that is of use to more
            return False
        if turns.are_for(asked["words"]):
            if asked["limits"][caller.PROCESSOR_TIME] != caller.limits()[caller.PROCESSOR_TIME]:
                return False  # the child that stays has used some for others
            if self.turns and self.turns.call:
                if any(map(_is_pipe, passed)):
                    return False  # the other end may be held by the call that is to be waited for
                connection.sendall(WAIT)
            self.waiting.append((connection, asked, passed))
            self._next()
        else:
            self._fork(connection, asked, passed)
        return True

    def _status(self) -> dict[str, Any]:
        return {"pids": [os.getpid(), *([self.turns.pid] if self.turns else [])], "since_s": self.since_s,
                "idle_s": self.idle_s, "done": self.done, "running": len(self.calls) + len(self.waiting),
                "loaded": sorted(LARGE & set(sys.modules))}

    def _fork(self, connection: socket.socket, asked: dict[str, Any], passed: list[int]) -> None:
        heard, report = os.pipe()
        known = set(sys.modules)
        try:
            pid = _forked(lambda: _do(self.program, connection, asked, passed, report, known))
        except OSError:
            os.close(heard)
            raise
        finally:
            os.close(report)
        _close(None, passed)
        call = self.calls[pid] = Call(pid, connection, heard)
        self.selector.register(heard, selectors.EVENT_READ, lambda: self._hear(call))

    def _hear(self, call: Call) -> None:
        self.selector.unregister(call.report)
        if os.read(call.report, 1) == BEGUN:
            self._begin(call)

    def _begin(self, call: Call) -> None:
        """Pass its caller's signals on from now on."""
        call.began = True
        call.connection.setblocking(False)
        self.selector.register(call.connection, selectors.EVENT_READ, lambda: self._signal(call))

    def _signal(self, call: Call) -> None:
        try:
            numbers = call.connection.recv(16)
        except BlockingIOError:
            return
        except OSError:
            numbers = b""
        if not numbers:  # the caller was killed
            self.selector.unregister(call.connection)
            call.began = False
            numbers = bytes([signal.SIGKILL])
        for number in numbers:
            with suppress(OSError):
                if number in (signal.SIGSTOP, signal.SIGCONT):
                    os.killpg(call.pid, number)
                else:
                    os.kill(call.pid, number)

    def _bury(self, heard: int) -> None:
        os.read(heard, 512)
        while self.calls or self.turns:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            if self.turns and self.turns.pid == pid:
                self._bury_turns(self.turns, status)
            elif pid in self.calls:
                call = self.calls[pid]
                if call.report in self.selector.get_map():
                    self._hear(call)
                self._tell(call, status)
                self._load(call)

    def _tell(self, call: Call, status: int) -> None:
        """To its caller: how it ended."""
        del self.calls[call.pid]
        if call.began:
            self.done += 1
            self.last_s = time.monotonic()
            self.selector.unregister(call.connection)
            with suppress(OSError):
                call.connection.send(status.to_bytes(STATUS_BYTES, "little"))
        call.connection.close()

    def _load(self, call: Call) -> None:
        """What the call had to load."""
        os.set_blocking(call.report, False)
        try:
            names = marshal.loads(os.read(call.report, MAX_REPORT_BYTES))
        except (OSError, ValueError, EOFError, TypeError):
            names = []
        os.close(call.report)
        for name in names:
            with suppress(Exception):
                import_module(name)
        if names:
            self.files |= _loaded_files()
            settle()

    def _next(self) -> None:
        """Give the child that stays the next call, if it has none."""
        while self.waiting and not (self.turns and self.turns.call):
            connection, asked, passed = self.waiting.popleft()
            try:
                child = self.turns = self.turns or self._child()
                turns.give(child.channel, connection, marshal.dumps(asked), passed)
                child.call = self.calls[child.pid] = Call(child.pid, connection)
            except OSError:  # it cannot begin, or is just ending; the caller does its call itself
                connection.close()
            _close(None, passed)

    def _child(self) -> Turns:
        ours, theirs = socket.socketpair()
        with theirs:
            pid = _forked(lambda: turns.stay(self.program, theirs))
        child = Turns(pid, ours)
        self.selector.register(ours, selectors.EVENT_READ, lambda: self._hear_turns(child))
        return child

    def _hear_turns(self, child: Turns) -> None:
        try:
            said = child.channel.recv(1)
        except OSError:
            said = b""
        call = child.call
        if not said or call is None:
            self.selector.unregister(child.channel)  # its end is told by SIGCHLD
        elif said == turns.BEGUN:
            self._begin(call)
        else:
            code = child.channel.recv(1)[0] if said == turns.ENDED else 0
            child.call = None
            self._tell(call, code << 8)
            self._next()

    def _bury_turns(self, child: Turns, status: int) -> None:
        if child.channel in self.selector.get_map():
            self.selector.unregister(child.channel)
        child.channel.close()
        self.turns = None
        if child.call:
            self._tell(child.call, status)
        self._next()


def _request(connection: socket.socket, passed: list[int]) -> dict[str, Any]:
    """What is asked for; its descriptors are appended to `passed`."""
    room = socket.CMSG_SPACE((caller.MAX_DESCRIPTORS + 1) * array("i").itemsize)
    header, messages, _, _ = connection.recvmsg(HEADER_BYTES, room, socket.MSG_CMSG_CLOEXEC)
    for level, kind, data in messages:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            passed += array("i", data)
    left = int.from_bytes(header, "little")
    if not 0 < left <= MAX_REQUEST_BYTES:
        raise ValueError("no request")
    body = bytearray()
    while left > len(body):
        part = connection.recv(left - len(body))
        if not part:
            raise EOFError
        body += part
    asked = marshal.loads(body)
    if not isinstance(asked, dict):
        raise ValueError("no request")
    return asked


def _is_pipe(number: int) -> bool:
    return stat.S_ISFIFO(os.fstat(number).st_mode)


def _close(connection: socket.socket | None, passed: Sequence[int]) -> None:
    for number in passed:
        os.close(number)
    if connection:
        connection.close()


def _forked(do: Callable[[], NoReturn]) -> int:
    """A child that does that and ends with this process; it begins with signals held."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    pid = -1
    try:
        pid = os.fork()
        if not pid:
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            ctypes.CDLL(None).prctl(SET_PDEATHSIG, signal.SIGKILL)
            do()
    finally:
        if not pid:
            os._exit(1)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
    return pid


def _do(program: Run, connection: socket.socket, asked: dict[str, Any], passed: Sequence[int], report: int,
        known: set[str]) -> NoReturn:
    """In a child: the call, from its first step to its end."""
    connection.setblocking(True)
    aside, report = caller.aside([connection.fileno(), report])
    words = caller.become(asked, passed, (aside, report))
    code = 1
    if begins(aside):
        os.write(report, BEGUN)
        code = program(words)
        _tell_loaded(report, known)
    os._exit(code)


def _tell_loaded(report: int, known: set[str]) -> None:
    """Names of modules that are new here, without those that their packages load."""
    loaded = {name for name, module in list(sys.modules.items()) if getattr(module, "__spec__", None)}
    new = loaded - known
    told = marshal.dumps(sorted(name for name in new if name.rpartition(".")[0] not in new))
    if len(told) < MAX_REPORT_BYTES:
        os.write(report, told)


def _loaded_files() -> frozenset[tuple[str, int]]:
    """The files of this program that have been loaded, and the folders of installed packages; when each was written."""
    paths = [path for path in sys.path if path.endswith("-packages")]
    paths += [path for name, module in list(sys.modules.items())
              if name.startswith("torchfx_cli") and (path := getattr(module, "__file__", None))]
    found = set()
    for path in paths:
        with suppress(OSError):
            found.add((path, os.stat(path).st_mtime_ns))
    return frozenset(found)


def settle() -> None:
    """What is loaded stays, and the collector of a fork does not write into it: the pages remain shared."""
    gc.collect()
    gc.freeze()
