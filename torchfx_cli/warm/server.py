"""A warm process: has the program loaded and a fork of itself for each call, so that nothing leaks to the next.

The fork is made while the call before is done, before anything is known of its own. What a call had to load besides (a
kind of filter, a decoder) is loaded here too when it has ended. A call that asks for torch or a GPU is done in a child
that stays and does such calls one after another: CUDA does not survive a fork.
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import marshal
import os
import resource
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
from typing import NoReturn

from torchfx_cli.warm import caller, pages, turns
from torchfx_cli.warm.handover import AGAIN, HEADER_BYTES, HELLO, STATUS_BYTES, WAIT, peer

Run = Callable[[list[str]], int]  # a command line, to its end; returns its exit code

LONGEST_S = 86400.0  # that `select` is asked to wait: its own limit is some weeks
REQUEST_S = 1.0  # a caller that does not finish its request by then is let go
MAX_REQUEST_BYTES = 16 << 20  # command lines and environments end at 2 MiB
STATUS, STOP = QUESTIONS = (b"status", b"stop")
PROCESSOR_TIME = resource.RLIMIT_CPU
CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSYS,
           signal.SIGKILL)  # the last where memory is used up
OBJECTS = 200_000  # between two searches for cycles, as in the program itself
SET_PDEATHSIG = 1  # prctl(2)
HELD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD)
LARGE = {"torch", "scipy", "av", "mutagen", "matplotlib"}  # worth telling where they are kept


@dataclass
class Request:
    """Of the caller at the other end of `connection`; its descriptors are `passed`."""

    connection: socket.socket
    body: bytes
    passed: list[int]


@dataclass
class Call:
    """Done for the caller at the other end of `connection`.

    is_risky  if it crashes now, its caller is to do it anew.
    """

    connection: socket.socket
    began: bool = False
    is_risky: bool = False


@dataclass(eq=False)
class Child:
    """A process that does one call at a time, which it is given through `channel`; see `turns`.

    loaded  modules that it had to load.
    """

    pid: int
    channel: socket.socket
    call: Call | None = None
    loaded: list[str] = field(default_factory=list)


@dataclass
class Server:
    """Listens at `address` for callers of the same `identity`; see `place`."""

    address: str
    identity: bytes
    idle_s: float
    program: Run
    written: Sequence[pages.Range] = ()  # by every call
    lock: int = -1  # held while it listens
    since_s: float = field(default_factory=time.time)
    last_s: float = field(default_factory=time.monotonic)  # when it did a call
    done: int = 0
    children: dict[int, Child] = field(default_factory=dict)
    spare: Child | None = None  # for the next call
    turns: Child | None = None  # which stays
    waiting: deque[Request] = field(default_factory=deque)  # for their turn
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
        return bool(self.waiting or any(child.call for child in self.children.values()))

    def run(self) -> None:
        """Until nothing was asked for `idle_s`, or it was asked to stop; calls that run are waited for."""
        self._prepare()
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
            self._dismiss()
            with suppress(OSError):
                os.unlink(self.address)
            self.selector.unregister(self.listener)
            self.listener.close()
            if self.lock >= 0:
                fcntl.flock(self.lock, fcntl.LOCK_UN)  # another may start while the last calls are done

    def _accept(self) -> None:
        connection, _ = self.listener.accept()
        connection.settimeout(REQUEST_S)
        passed: list[int] = []
        is_taken = False
        try:
            if peer(connection)[1] == os.geteuid():
                connection.sendall(HELLO)
                body = _received(connection, passed)
                if body in QUESTIONS:
                    self._answer(connection, body)
                else:
                    is_taken = self._take(Request(connection, body, passed))
        except (OSError, ValueError, EOFError):  # a caller that is gone, or is none
            pass
        if not is_taken:
            _close(connection, passed)

    def _answer(self, connection: socket.socket, question: bytes) -> None:
        children = [child.pid for child in (self.spare, self.turns) if child]
        calls = sum(bool(child.call) for child in self.children.values())
        connection.sendall(marshal.dumps({
            "pids": [os.getpid(), *children], "since_s": self.since_s, "idle_s": self.idle_s, "done": self.done,
            "running": calls + len(self.waiting), "loaded": sorted(LARGE & set(sys.modules))}))
        if question == STOP:
            self.close()

    def _take(self, request: Request) -> bool:
        """Whether the call is taken; all that was opened for it is then closed elsewhere."""
        asked = caller.understood(request.body)
        if asked["identity"] != self.identity:
            return False
        if not self._is_current() or not caller.fits(asked):  # a caller such as this may start one that is of use
            self.close()
            return False
        if not turns.are_for(asked["words"]):
            self._begin_at_once(request)
            return True
        if asked["limits"][PROCESSOR_TIME] != caller.limits()[PROCESSOR_TIME]:
            return False  # the child that stays has used some for others
        if self.turns and self.turns.call:
            if any(map(_is_pipe, request.passed)):
                return False  # the other end may be held by the call that is to be waited for
            request.connection.sendall(WAIT)
        self.waiting.append(request)
        self._next()
        return True

    def _is_current(self) -> bool:
        """Whether neither the program nor a package has been installed since."""
        return all(_written(path) == when for path, when in self.files.items())

    def _begin_at_once(self, request: Request) -> None:
        child, self.spare = self.spare or self._child(turns.wait), None
        try:
            self._give(child, request)
        except OSError:  # somebody killed it
            self._give(self._child(turns.wait), request)

    def _next(self) -> None:
        """Give the child that stays the next call, if it has none."""
        while self.waiting and not (self.turns and self.turns.call):
            request = self.waiting.popleft()
            try:
                self.turns = self.turns or self._child(turns.stay)
                self._give(self.turns, request)
            except OSError:  # it cannot begin, or is just ending; the caller does its call itself
                _close(request.connection, request.passed)

    def _give(self, child: Child, request: Request) -> None:
        turns.give(child.channel, request.connection, request.body, request.passed)
        child.call = Call(request.connection)
        _close(None, request.passed)

    def _prepare(self) -> None:
        """A child for the next call."""
        if not (self.spare or self.closing):
            with suppress(OSError):  # then it is tried again when there is a call
                self.spare = self._child(self._wait)

    def _wait(self, program: Run, channel: socket.socket) -> NoReturn:
        pages.own(self.written)
        turns.wait(program, channel)

    def _dismiss(self) -> None:
        """The spare child ends where nothing can be given to it any more."""
        child, self.spare = self.spare, None
        if child:
            self._deaf(child)

    def _child(self, live: Callable[[Run, socket.socket], NoReturn]) -> Child:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                pid = _forked(lambda: live(self.program, theirs))
            except OSError:
                ours.close()
                raise
        ours.setblocking(False)
        child = self.children[pid] = Child(pid, ours)
        self.selector.register(ours, selectors.EVENT_READ, lambda: self._hear(child))
        return child

    def _hear(self, child: Child) -> bool:
        """Whether it said something."""
        try:
            said = child.channel.recv(turns.MAX_REPORT_BYTES)
        except OSError:
            said = b""
        kind, rest = said[:1], said[1:]
        if not said:
            self._deaf(child)  # its end is told by SIGCHLD
        elif kind == turns.BEGUN:
            self._begin(child)
        elif kind == turns.LOADED:
            child.loaded = marshal.loads(rest)
        elif kind in (turns.RISKY, turns.SAFE):
            if child.call:
                child.call.is_risky = kind == turns.RISKY
        else:
            self._tell(child, rest[0] << 8 if rest else 0)
            self._next()
        return bool(said)

    def _deaf(self, child: Child) -> None:
        if child.channel.fileno() >= 0:
            self.selector.unregister(child.channel)
            child.channel.close()

    def _begin(self, child: Child) -> None:
        """Pass its caller's signals on from now on."""
        if child.call:
            child.call.began = True
            connection = child.call.connection
            connection.setblocking(False)
            self.selector.register(connection, selectors.EVENT_READ, lambda: self._signal(child, connection))
        self._prepare()

    def _signal(self, child: Child, connection: socket.socket) -> None:
        try:
            numbers = connection.recv(16)
        except BlockingIOError:
            return
        except OSError:
            numbers = b""
        if not numbers:  # the caller was killed
            self.selector.unregister(connection)
            numbers = bytes([signal.SIGKILL])
        for number in numbers:
            with suppress(OSError):
                if number in (signal.SIGSTOP, signal.SIGCONT):
                    os.killpg(child.pid, number)
                else:
                    os.kill(child.pid, number)

    def _bury(self, heard: int) -> None:
        os.read(heard, 512)
        while self.children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            child = self.children.pop(pid, None)
            if child is None:
                continue
            while child.channel.fileno() >= 0 and self._hear(child):
                pass
            self._tell(child, status)
            if child is self.spare:
                self.spare = None
            if child is self.turns:
                self.turns = None
                self._next()
            self._load(child.loaded)

    def _tell(self, child: Child, status: int) -> None:
        """To its caller: how the call ended."""
        call, child.call = child.call, None
        if call is None:
            return
        if call.began:
            self.done += 1
            self.last_s = time.monotonic()
            if call.connection in self.selector.get_map():
                self.selector.unregister(call.connection)
            if call.is_risky and os.WIFSIGNALED(status) and os.WTERMSIG(status) in CRASHES:
                status = AGAIN
            with suppress(OSError):
                call.connection.send(status.to_bytes(STATUS_BYTES, "little"))
        call.connection.close()

    def _load(self, names: list[str]) -> None:
        """What a call had to load; the spare child has not."""
        for name in names:
            with suppress(Exception):
                import_module(name)
        if names:
            self.files = _loaded_files() | self.files  # what has changed since has changed
            settle()
            self._dismiss()
            self._prepare()


def _received(connection: socket.socket, passed: list[int]) -> bytes:
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
    return bytes(body)


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


def _loaded_files() -> dict[str, int]:
    """The files of this program that have been loaded, and the folders of installed packages; when each was written."""
    paths = [path for path in sys.path if path.endswith("-packages")]
    paths += [path for name, module in list(sys.modules.items())
              if name.startswith("torchfx_cli") and (path := getattr(module, "__file__", None))]
    return {path: _written(path) for path in paths}


def _written(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def settle() -> None:
    """What is loaded stays, and the collector of a fork does not write into it: the pages remain shared."""
    gc.set_threshold(OBJECTS)
    gc.collect()
    gc.freeze()
