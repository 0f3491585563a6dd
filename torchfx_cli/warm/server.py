"""A warm process: loads the program once, then forks for each call, so that nothing leaks from one call to the next.

What a call had to load besides (a kind of filter, torch) is loaded here too when it has ended. A call that asks for
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
import sys
import time
from array import array
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from torchfx_cli.warm import caller, place
from torchfx_cli.warm.handover import GO, HEADER_BYTES, STATUS_BYTES, YES, peer

REQUEST_S = 1.0  # a caller that does not finish its request by then is let go
MAX_REQUEST_BYTES = 16 << 20  # command lines and environments end at 2 MiB
MAX_REPORT_BYTES = 60_000  # fits into a pipe at once
ASIDE = 400  # descriptors from here on are not those that callers use
BEGUN = b"b"
SET_PDEATHSIG = 1  # prctl(2)
HELD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD)


@dataclass(eq=False)
class Call:
    """`pid` does it, on behalf of `connection`; it says on `report` that it has begun, and at last what it loaded."""

    pid: int
    connection: socket.socket
    report: int
    began: bool = False


@dataclass
class Server:
    address: str
    identity: str
    idle_s: float
    since_s: float = field(default_factory=time.time)
    done: int = 0
    calls: dict[int, Call] = field(default_factory=dict)
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

    def run(self) -> None:
        """Until nothing was asked for `idle_s`, or it was asked to stop; calls that run are waited for."""
        while self.calls or not self.closing:
            events = self.selector.select(None if self.calls else self.idle_s)
            if not events and not self.calls:
                self.close()
            for key, _ in events:
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
        try:
            if peer(connection)[1] == os.geteuid():
                asked = _request(connection, passed)
                self._answer(connection, asked, passed)
        except (OSError, ValueError, EOFError, TypeError, KeyError):  # a caller that is gone, or is none
            pass
        finally:
            for number in passed:
                os.close(number)
            if all(call.connection is not connection for call in self.calls.values()):
                connection.close()

    def _answer(self, connection: socket.socket, asked: dict[str, Any], passed: Sequence[int]) -> None:
        if "ask" in asked:
            connection.sendall(marshal.dumps(self._status()))
            if asked["ask"] == "stop":
                self.close()
        elif asked["identity"] == self.identity:
            if _loaded_files() == self.files:
                self._fork(connection, asked, passed)
            else:  # another version of the program has been installed
                self.close()

    def _status(self) -> dict[str, Any]:
        return {"pid": os.getpid(), "since_s": self.since_s, "idle_s": self.idle_s, "done": self.done,
                "running": len(self.calls), "loaded": sorted({"torch", "av", "mutagen", "matplotlib"} & set(sys.modules))}

    def _fork(self, connection: socket.socket, asked: dict[str, Any], passed: Sequence[int]) -> None:
        heard, report = os.pipe()
        known = set(sys.modules)
        signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
        pid = os.fork()
        if not pid:
            _do(connection, asked, passed, report, known)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
        os.close(report)
        call = self.calls[pid] = Call(pid, connection, heard)
        self.selector.register(heard, selectors.EVENT_READ, lambda: self._begin(call))

    def _begin(self, call: Call) -> None:
        """Pass on its caller's signals from now on."""
        self.selector.unregister(call.report)
        call.began = os.read(call.report, 1) == BEGUN
        if call.began:
            call.connection.setblocking(False)
            self.selector.register(call.connection, selectors.EVENT_READ, lambda: self._signal(call))

    def _signal(self, call: Call) -> None:
        try:
            numbers = call.connection.recv(16)
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
        while self.calls:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            call = self.calls.pop(pid, None)
            if call is not None:
                self._end(call, status)

    def _end(self, call: Call, status: int) -> None:
        """Tell the caller; then load what the call had to load."""
        if call.report in self.selector.get_map():
            self._begin(call)
        if call.began:
            self.done += 1
            self.selector.unregister(call.connection)
            with suppress(OSError):
                call.connection.send(status.to_bytes(STATUS_BYTES, "little"))
        call.connection.close()
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
            self.files = self.files | _loaded_files()
            _settle()


def _request(connection: socket.socket, passed: list[int]) -> dict[str, Any]:
    """What is asked for; its descriptors are appended to `passed`."""
    room = socket.CMSG_SPACE((caller.MAX_DESCRIPTORS + 1) * 4)
    header, messages, _, _ = connection.recvmsg(HEADER_BYTES, room, socket.MSG_CMSG_CLOEXEC)
    for level, kind, data in messages:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            passed += array("i", data[: len(data) // 4 * 4])
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


def _do(connection: socket.socket, asked: dict[str, Any], passed: Sequence[int], report: int, known: set[str]) -> None:
    """In the child: the call, from its first step to its end."""
    code = 1
    try:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        connection.setblocking(True)
        ctypes.CDLL(None).prctl(SET_PDEATHSIG, signal.SIGKILL)
        aside, report = (os.dup2(number, ASIDE + place, inheritable=False)
                         for place, number in enumerate((connection.detach(), report)))
        words = caller.become(asked, passed, (aside, report))
        os.write(aside, YES)
        if os.read(aside, 1) == GO:
            os.write(report, BEGUN)
            code = _run(words)
            _tell_loaded(report, known)
    except BaseException:  # nobody is there to hear of it; a call that has not begun is done by its caller
        pass
    finally:
        os._exit(code)


def _run(words: list[str]) -> int:
    import atexit

    from torchfx_cli.cli.program import run

    code = run(words)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            if stream is not None:
                stream.flush()
    atexit._run_exitfuncs()
    return code


def _tell_loaded(report: int, known: set[str]) -> None:
    """Names of modules that are new here, without those that their packages load."""
    new = {name for name, module in sys.modules.items() if name not in known and getattr(module, "__spec__", None)}
    names = sorted(name for name in new if name.rpartition(".")[0] not in new and name != "__mp_main__")
    told = marshal.dumps(names)
    if len(told) < MAX_REPORT_BYTES:
        os.write(report, told)


def _loaded_files() -> frozenset[tuple[str, int]]:
    """The files of this program that have been loaded, and when each was written."""
    found = set()
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if name.startswith("torchfx_cli") and path:
            with suppress(OSError):
                found.add((path, os.stat(path).st_mtime_ns))
    return frozenset(found)


def _settle() -> None:
    """What is there stays, and the collector of a fork does not write into it: its pages remain shared."""
    gc.collect()
    gc.freeze()


def main() -> None:
    """`argv`: the address, the seconds of idleness, and the descriptor of the lock, which is held as long as this runs."""
    address, idle = sys.argv[1:3]
    os.chdir("/")
    os.umask(0o077)
    identity = place.identity()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in cli/program
    from torchfx_cli.cli import app, batch, process  # noqa: F401
    from torchfx_cli.kernel.load import load

    app.app()
    load()
    _settle()
    Server(address, identity, float(idle)).run()
