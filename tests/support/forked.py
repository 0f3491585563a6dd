"""The command line in a child of bounded memory and time; how much of both it took.

All children are forked from one small process, which has loaded the program and runs nothing: a child begins with the
peak of the memory of the process that it was forked from, and a test run's may be large.
"""

from __future__ import annotations

import atexit
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ADDRESSES_BYTES = 8 << 30  # more than any bomb is allowed to reach, less than what freezes a machine


@dataclass(frozen=True)
class Bounded:
    """What became of it and its children. `cpu_s` is the time that they computed: a busy machine does not change it.

    code  that of a kill, where it was late.
    told  on stdout and stderr.
    """

    code: int
    told: str
    peak_mib: int
    cpu_s: float


def torchfx(*words: str, cwd: Path, limit_s: float = 60.0) -> Bounded:
    """One command line, killed after `limit_s`."""
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    with tempfile.NamedTemporaryFile() as told:
        server.stdin.write(json.dumps([words, os.fspath(cwd), told.name, limit_s]).encode() + b"\n")
        server.stdin.flush()
        code, peak_mib, cpu_s = json.loads(server.stdout.readline())
        return Bounded(code, told.read().decode(errors="replace"), peak_mib, cpu_s)


@cache
def _server() -> subprocess.Popen[bytes]:
    server = subprocess.Popen([sys.executable, str(Path(__file__))], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              env={**os.environ, "PYTHONPATH": str(ROOT)})
    atexit.register(server.kill)
    return server


def _serve() -> None:
    from torchfx_cli.__main__ import main
    from torchfx_cli.cli import app, batch, process  # noqa: F401

    for line in sys.stdin:
        words, cwd, told, limit_s = json.loads(line)
        child = os.fork()
        if not child:
            _run(main, words, cwd, (os.devnull, told, told), limit_s)
        _, status, used = os.wait4(child, 0)
        code = os.waitstatus_to_exitcode(status)
        print(json.dumps([code, used.ru_maxrss >> 10, used.ru_utime + used.ru_stime]), flush=True)


def _run(main: Any, words: list[str], cwd: str, streams: Sequence[str], limit_s: float) -> None:
    """In the child."""
    os.chdir(cwd)
    for stream, name in enumerate(streams):
        os.dup2(os.open(name, os.O_RDWR | os.O_APPEND), stream)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES_BYTES, ADDRESSES_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.setitimer(signal.ITIMER_REAL, limit_s)  # whose signal ends it
    code = 1
    try:
        code = main(words)
        sys.stdout.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    _serve()
