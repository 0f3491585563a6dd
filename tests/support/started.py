"""The command line as a process that can be signalled, traced and starved, without the start of an interpreter.

All are forked from one process that has loaded the program and runs nothing, in two steps, so that they become children
of the tests and not of it: the process between them ends, and the nearest subreaper inherits (prctl(2)).
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER


class Started:
    """As of `subprocess.Popen`, with `strace` (its options) and `limits` (by their numbers) from the first call on."""

    def __init__(self, words: Sequence[str | os.PathLike[str]], strace: Sequence[str] = (),
                 limits: Mapping[int, int] | None = None, path: str = "") -> None:
        self.returncode: int | None = None
        self._told = tempfile.NamedTemporaryFile()  # noqa: SIM115
        with _inherits():
            self.pid = _ask(_server(path), [[*map(os.fspath, words)], self._told.name])
        self._fd = os.pidfd_open(self.pid)
        os.waitpid(self.pid, os.WUNTRACED)  # it stops itself
        for kind, limit in (limits or {}).items():
            resource.prlimit(self.pid, kind, (limit, limit))
        self._tracer = self._traced(strace) if strace else None
        self.send_signal(signal.SIGCONT)

    def _traced(self, options: Sequence[str]) -> subprocess.Popen[bytes]:
        tracer = subprocess.Popen(["strace", "-f", "-qq", *options, "-p", str(self.pid)])
        while "TracerPid:\t0\n" in Path(f"/proc/{self.pid}/status").read_text():
            assert tracer.poll() is None, "strace has not begun"
            time.sleep(0.001)
        return tracer

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._fd], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._fd], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("torchfx", timeout or 0.0)
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            os.close(self._fd)
            if self._tracer is not None:
                self._tracer.wait()
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        self.wait(timeout)
        with self._told as told:
            return "", told.read().decode()

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


@contextmanager
def _inherits() -> Iterator[None]:
    """Processes whose parents end are children of this one meanwhile."""
    prctl = ctypes.CDLL(None).prctl
    assert prctl(SUBREAPER, 1, 0, 0, 0) == 0
    try:
        yield
    finally:
        prctl(SUBREAPER, 0, 0, 0, 0)


@cache
def _server(path: str) -> subprocess.Popen[bytes]:
    """`path` comes before the program's in PYTHONPATH."""
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__))], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": f"{path}{os.pathsep if path else ''}{ROOT}", "TORCHFX_WARM": "off"},
    )  # fmt: skip
    atexit.register(server.kill)
    return server


def _ask(server: subprocess.Popen[bytes], request: list[object]) -> int:
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(request).encode() + b"\n")
    server.stdin.flush()
    return int(server.stdout.readline())


def _serve() -> None:
    from torchfx_cli.__main__ import main
    from torchfx_cli.cli import app, batch, process  # noqa: F401

    for line in sys.stdin:
        words, told = json.loads(line)
        reads, writes = os.pipe()
        between = os.fork()
        if between:
            os.close(writes)
            os.waitpid(between, 0)
            with open(reads) as pid:
                print(pid.read(), flush=True)
            continue
        child = os.fork()
        if child:
            os.write(writes, str(child).encode())
            os._exit(0)
        os.close(reads)
        os.close(writes)
        os.setsid()
        for stream, name in enumerate((os.devnull, os.devnull, told)):
            os.dup2(os.open(name, os.O_RDWR | os.O_APPEND), stream)
        os.kill(os.getpid(), signal.SIGSTOP)
        code = 1
        try:
            code = main(words)
        finally:
            os._exit(code)


if __name__ == "__main__":
    _serve()
