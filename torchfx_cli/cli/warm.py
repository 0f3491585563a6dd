"""`torchfx warm`: the processes that stay behind and do later calls at once; what such a process runs."""

from __future__ import annotations

import os
import resource
import sys
import time
from typing import Annotated, Any

import typer

from torchfx_cli.cli import show
from torchfx_cli.errors import UsageError
from torchfx_cli.warm import handover, place

IDLE_S = 600
START_S = 10.0
ASKED_S = 2.0  # a busy process is told from none
ACTIONS = ("start", "status", "stop")


def warm(
    action: Annotated[str, typer.Argument(metavar="ACTION", help="start, status or stop.")] = "status",
    idle: Annotated[
        str, typer.Option(metavar="SECONDS", help="With start: end after so long without a call.")] = str(IDLE_S),
) -> None:
    """Keep a process ready, so that later calls start at once.

    For shell loops: each call then takes a few hundredths of a second. Calls are found by their user, environment and
    version; output, messages, signals and exit codes are as ever. TORCHFX_WARM=SECONDS starts such a process with the
    first call, TORCHFX_WARM=off keeps a call away from it.

    \b
      torchfx warm start               for 10 minutes after the last call
      torchfx warm stop
    """
    if action not in ACTIONS:
        raise UsageError(f"torchfx warm {action}: expected one of {', '.join(ACTIONS)}")
    inside = place.folder(make=action == "start")
    if not place.identity():
        raise UsageError("warm processes need Linux with /proc")
    if action == "start":
        _start(inside, idle)
    else:
        _ask_all(inside, action)


def _start(inside: str, idle: str) -> None:
    if place.seconds(idle) is None:
        raise UsageError(f"--idle: expected seconds, got {idle!r}")
    if not inside:
        raise UsageError("there is no folder for the socket that only you can enter (XDG_RUNTIME_DIR, or /tmp)")
    address = place.address(inside, place.identity())
    said = _asked(address, "status")
    if said is None:
        handover.start(address, idle)
    deadline_s = time.monotonic() + START_S
    while said is None and time.monotonic() < deadline_s:
        time.sleep(0.02)
        said = _asked(address, "status")
    if said is None:
        raise UsageError(f"the warm process did not start within {START_S:g} s")
    _tell(said)


def _ask_all(inside: str, action: str) -> None:
    names = sorted(os.listdir(inside)) if inside else []
    found = [said for name in names if "." not in name and (said := _asked(f"{inside}/{name}", action)) is not None]
    for said in found:
        if action == "stop":
            running = f", after {show.count(said['running'], 'call')} that it is doing" if said["running"] else ""
            show.say(f"stopped: process {said['pids'][0]}{running}")
        else:
            _tell(said)
    if not found:
        show.say("no warm process is running")


def _asked(address: str, question: str) -> dict[str, Any] | None:
    connection = handover.connected(address, ASKED_S)
    if connection is None:
        return None
    try:
        return handover.asked(connection, question)
    finally:
        connection.close()


def _tell(said: dict[str, Any]) -> None:
    kept = ", ".join(["the program", *said["loaded"]])
    memory = sum(_resident_mib(pid) for pid in said["pids"])
    show.say(f"process {said['pids'][0]}: keeps {kept} in {memory:.0f} MiB; {show.count(said['done'], 'call')} done, "
             f"{said['running']} running; ends after {said['idle_s']:g} s without one")


def _resident_mib(pid: int) -> float:
    """Its share of memory: pages that several processes have in common are split between them."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            return sum(int(line.split()[1]) for line in file if line.startswith("Pss:")) / 1024
    except (OSError, ValueError, IndexError):
        return 0.0


def _to_the_end(words: list[str]) -> int:
    from torchfx_cli.cli import program

    code = program.run(words)
    program.end()
    return code


def serve() -> None:
    """Be a warm process. `argv`: the address, the seconds of idleness, the descriptor of the lock, held to the end."""
    from torchfx_cli.warm import server

    address, idle = sys.argv[1:3]
    identity = place.identity()
    os.chdir("/")
    os.umask(0o077)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    place.set_defaults()

    from torchfx_cli.cli import app, batch, process  # noqa: F401
    from torchfx_cli.kernel.load import load

    app.app()
    load()
    server.settle()
    server.Server(address, identity, place.seconds(idle) or float(IDLE_S), _to_the_end).run()
