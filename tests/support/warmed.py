"""A warm process whose program tells how it finds itself, and callers that go to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
COLD = 99  # the exit code of a call that is to be done where it was made
ANSWER_S = 20.0  # a busy machine is no reason to go elsewhere
CALL = """
import os, sys
sys.path[0] = {root!r}
from torchfx_cli.warm import client, handover
handover.ANSWER_S = float(os.environ.get("TEST_ANSWER_S", {answer_s}))
code = client.call(sys.argv[1:])
sys.exit({cold} if code is None else code)
"""
NATIVE = ROOT / "torchfx_cli" / "warm" / "client"  # which finds itself by this name
AS_NATIVE = 'exec -a "$0" "$@"'
SERVE = """
import sys
sys.path[0:0] = [{root!r}, {here!r}]
from torchfx_cli.warm import place, server
from told import program
import fcntl, os
identity = place.identity()
address = place.address(place.folder(make=True), identity)
lock = os.open(address + ".lock", os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
server.Server(address, identity, float(sys.argv[1]), program, lock=lock).run()
"""


class Warm:
    """`environment` is that of the process and its callers; each has a runtime folder of its own.

    native  a client in C that callers are; where it would run the program itself it runs nothing.
    """

    def __init__(self, folder: Path, native: Path | None = None) -> None:
        self.folder, self.native = folder, native
        folder.mkdir(mode=0o700)
        self.environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder)}
        self.environment.pop("TORCHFX_WARM", None)
        if native:
            stub = folder.parent / "torchfx_cli"
            stub.mkdir()
            (stub / "__init__.py").touch()
            (stub / "__main__.py").write_text(f"def main():\n    raise SystemExit({COLD})\nalone = main\n")
            self.environment["PYTHONPATH"] = str(folder.parent)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def sockets(self) -> list[Path]:
        return [path for path in self.folder.glob("torchfx-*/*") if path.is_socket()]

    def start(self, idle_s: float = 60.0) -> None:
        code = SERVE.format(root=str(ROOT), here=str(HERE))
        self.process = subprocess.Popen([sys.executable, "-c", code, str(idle_s)], env=self.environment)
        wait_for(lambda: bool(self.sockets))
        time.sleep(0.02)  # from the name to the first `listen`

    def command(self, *words: str) -> list[str]:
        if self.native:
            return ["bash", "-c", AS_NATIVE, str(NATIVE), str(self.native), sys.executable, *words]
        return [sys.executable, "-c", CALL.format(root=str(ROOT), answer_s=ANSWER_S, cold=COLD), *words]

    def call(self, *words: str, shell: str = "", **run: Any) -> subprocess.CompletedProcess[str]:
        command = self.command(*words)
        if self.native and "TEST_ANSWER_S" in run.get("env", {}):
            command = [word.replace(str(self.native), str(self.native.with_name("hasty"))) for word in command]
        if shell:
            command = ["bash", "-c", shell, "bash", *command]
        return subprocess.run(command, env=self.environment | run.pop("env", {}), capture_output=True, text=True,
                              timeout=30, **run)

    def told(self, *words: str, **run: Any) -> dict[str, Any]:
        """What the program that was called tells of itself; {} where it was not called."""
        out = self.call("tell", *words, **run).stdout
        return json.loads(out) if out else {}


def wait_for(happened: Callable[[], bool], limit_s: float = 20.0) -> None:
    end_s = time.monotonic() + limit_s
    while not happened():
        assert time.monotonic() < end_s, "it does not happen"
        time.sleep(0.005)
