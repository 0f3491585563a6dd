"""Worker processes that are new interpreters, by the names that a context of `multiprocessing` has for its own.

The spawned ones of that will not do: they import the main module once more, which may be anybody's, and are refused to
a process that is marked as daemonic, as the workers of Dask are.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from multiprocessing import Pipe, util
from typing import Any

from torchfx_cli.records import dataclass

# Of glibc: Dask sets it for its workers, and then each block gives its memory back to the system, and is filtered
# in fresh pages. That doubles the time of a long file.
TRIMMING = "MALLOC_TRIM_THRESHOLD_"
# The path comes first: what follows may need it to be understood.
BEGIN = """
import pickle, sys
from multiprocessing.connection import Connection
sys.path[:] = pickle.load(sys.stdin.buffer)
target, args = pickle.load(sys.stdin.buffer)
target(Connection(int(sys.argv[1])), *args)
"""


@dataclass(frozen=True)
class Interpreters:
    """Makes such processes; each keeps the descriptors `kept` open while it lives."""

    kept: Sequence[int] = ()
    Pipe = staticmethod(Pipe)

    def get_start_method(self) -> str:
        return "spawn"

    def Process(self, target: Callable[..., object], args: Sequence[Any], **names: object) -> Interpreter:
        """To call `target` with `args`, the first of which is an end of a pipe."""
        return Interpreter(target, args[0], args[1:], self.kept)


class Interpreter:
    """One of them; nothing of this process is in it but its environment."""

    def __init__(self, target: Callable[..., object], pipe: Any, args: Sequence[Any], kept: Sequence[int]) -> None:
        self._begin, self._pipe, self._kept = (target, tuple(args)), pipe.fileno(), kept

    def start(self) -> None:
        flags: list[str] = util._args_from_interpreter_flags()  # type: ignore[attr-defined]
        command = [sys.executable, *flags, "-c", BEGIN, str(self._pipe)]
        environment = {name: value for name, value in os.environ.items() if name != TRIMMING}
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=(self._pipe, *self._kept),
                                       env=environment)
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._child.stdin as begin:  # one that died at once is seen later
            pickle.dump(sys.path, begin)
            pickle.dump(self._begin, begin)

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def exitcode(self) -> int | None:
        return self._child.poll()

    def terminate(self) -> None:
        self._child.terminate()

    def kill(self) -> None:
        self._child.kill()

    def join(self, timeout_s: float | None = None) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(timeout_s)
