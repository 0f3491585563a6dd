"""The caller's side: hands a call to a warm process and stands in for it until it ends; starts such a process."""

from __future__ import annotations

import fcntl
import marshal
import os
import resource
import sys
from _socket import AF_UNIX, SCM_RIGHTS, SO_PEERCRED, SOCK_CLOEXEC, SOCK_STREAM, SOL_SOCKET, socket

from torchfx_cli.warm import caller

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Sequence
    from types import FrameType
    from typing import Any
else:
    import _signal as signal

ANSWER_S = 0.05  # what does not answer by then is not waited for
TURN_S = 10.0  # longer than to load torch; the call before may even wait for this one, through a named pipe
HEADER_BYTES, STATUS_BYTES, INT_BYTES = 8, 4, 4
MAX_STATUS_BYTES = 1 << 16
AGAIN = (1 << 8 * STATUS_BYTES) - 1  # instead of a status: the call crashed, and is to be done by its caller
HELLO, YES, WAIT, GO = b"h", b"y", b"w", b"\0"
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PASSED_ON = (*ENDING, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT)
PROGRAM = "import sys; sys.path[0] = sys.argv.pop(1); from torchfx_cli.cli.warm import serve; serve()"


def connected(address: str, answer_s: float | None = None) -> socket | None:
    """To the process of this user that listens there, if any does and answers.

    It is greeted before anything is passed: a pipe would stay open in the queue of a process that is stopped.
    """
    connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC)
    try:
        connection.settimeout(answer_s or ANSWER_S)
        connection.connect(address)
        if peer(connection)[1] == os.geteuid() and connection.recv(1) == HELLO:
            return connection
    except (OSError, ValueError):
        pass
    connection.close()
    return None


def peer(connection: socket) -> tuple[int, int]:
    """The process and the user at the other end."""
    found = connection.getsockopt(SOL_SOCKET, SO_PEERCRED, 3 * INT_BYTES)
    pid, user = (int.from_bytes(found[at:at + INT_BYTES], sys.byteorder) for at in (0, INT_BYTES))
    return pid, user


def done(connection: socket, words: Sequence[str], identity: bytes) -> int | None:
    """The exit code of `words`; None where the other end does not take the call, or it is to be done anew.

    What a signal has ended there, it ends here.
    """
    try:
        body, passed = caller.taken(words, identity)
    except (OSError, ValueError):
        return None
    numbers = b"".join(number.to_bytes(INT_BYTES, sys.byteorder) for number in passed)
    handlers = {number: signal.getsignal(number) for number in (*PASSED_ON, signal.SIGTSTP)}
    _end_at_signals()
    try:
        connection.sendmsg([len(body).to_bytes(HEADER_BYTES, "little")], [(SOL_SOCKET, SCM_RIGHTS, numbers)])
        connection.sendall(body)
        answer = connection.recv(1)
        if answer == WAIT:
            connection.settimeout(TURN_S)
            answer = connection.recv(1)
    except OSError:
        answer = b""
    finally:
        os.close(passed[-1])
    status = AGAIN
    if answer == YES:
        _pass_signals(connection)
        connection.settimeout(None)
        status = int.from_bytes(_received(connection), "little")
    if status != AGAIN:
        return _ended(status)
    for number, handler in handlers.items():
        signal.signal(number, handler)
    return None


def asked(connection: socket, question: str) -> dict[str, Any] | None:
    """What a warm process tells of itself; None where it does not answer."""
    body = question.encode()
    try:
        connection.sendall(len(body).to_bytes(HEADER_BYTES, "little") + body)
        said = marshal.loads(connection.recv(MAX_STATUS_BYTES))
    except (OSError, ValueError, EOFError, TypeError):
        return None
    return said if isinstance(said, dict) else None


def begins(connection: int) -> bool:
    """The other side: tell the caller that its call can be done here; whether it says that it shall be."""
    try:
        os.write(connection, YES)
        return os.read(connection, 1) == GO
    except OSError:  # it is gone
        return False


def _end_at_signals() -> None:
    """From now on, while nothing has been done."""

    def end(number: int, frame: FrameType | None) -> None:
        try:
            os.write(2, b"torchfx: interrupted\n")
        finally:
            os._exit(128 + number)

    for number in ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, end)


def _pass_signals(connection: socket) -> None:
    """From now on; and let the call begin."""

    def send(number: int, frame: FrameType | None = None) -> None:
        try:  # noqa: SIM105
            connection.send(bytes([number]))
        except OSError:  # the call has ended
            pass

    def stop(number: int, frame: FrameType | None) -> None:
        send(signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)

    for number, handler in [*((number, send) for number in PASSED_ON), (signal.SIGTSTP, stop)]:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)
    send(GO[0])


def _received(connection: socket) -> bytes:
    try:
        status = connection.recv(STATUS_BYTES)
    except OSError:
        status = b""
    return status if len(status) == STATUS_BYTES else int(signal.SIGKILL).to_bytes(STATUS_BYTES, "little")


def _ended(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def start(address: str, idle: str) -> bool:
    """Leave a process behind that will listen there until it had nothing to do for `idle` seconds; whether it begins.

    Nothing is started while another is starting or listening: each holds the lock beside its socket. Nor where limits
    of this process would end it, or make it of no use.
    """
    if not caller.may_stay():
        return False
    try:
        lock = os.open(f"{address}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _spawn([address, idle, str(lock)], lock)
        return True
    except OSError:
        return False
    finally:
        os.close(lock)


def _spawn(arguments: Sequence[str], lock: int) -> None:
    """A new interpreter, away from this terminal and with none of its descriptors but the lock."""
    program = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    streams = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
    others = [number for number in caller.inherited() if number > 2]
    os.set_inheritable(lock, True)
    os.posix_spawn(
        sys.executable, [sys.executable, "-c", PROGRAM, program, *arguments], os.environ, setsid=True,
        file_actions=[*streams, *((os.POSIX_SPAWN_CLOSE, number) for number in others)],
        setsigmask=(), setsigdef=caller.ignored())
