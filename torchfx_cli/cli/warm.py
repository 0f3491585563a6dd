"""`torchfx warm`: the processes that stay behind and do later calls at once; what such a process runs."""

from __future__ import annotations

import os
import resource
import shlex
import sys
import tempfile
import time
from functools import partial
from typing import Annotated, Any

import typer

from torchfx_cli.cli import show
from torchfx_cli.errors import UsageError
from torchfx_cli.warm import handover, place

IDLE_S = 600
START_S, START_STEP_S = 10.0, 0.02
ASKED_S = 2.0  # a busy process is told from none
REHEARSALS = 10  # the interpreter specialises code that ran eight times
REHEARSED_FRAMES = 1 << 16
REHEARSED = ("-e", "highpass:80", "-e", "peaking:frequency=1000,gain=2")
ACTIONS = ("start", "status", "stop", "hook")


def warm(
    action: Annotated[str, typer.Argument(metavar="ACTION", help="start, status, stop or hook.")] = "status",
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
      eval "$(torchfx warm hook)"      in a shell or script: calls without Python
    """
    if action not in ACTIONS:
        raise UsageError(f"torchfx warm {action}: expected one of {', '.join(ACTIONS)}")
    if action == "hook":
        _hook()
        return
    inside = place.folder(make=action == "start")
    if not place.identity():
        raise UsageError("warm processes need Linux with /proc")
    if action == "start":
        _start(inside, idle)
    else:
        _ask_all(inside, action)


def _hook() -> None:
    """A function for shells, by the name of the program, that calls the client in C instead of an interpreter."""
    if not os.access(place.CLIENT, os.X_OK):
        show.tell(f"torchfx: warning: {place.CLIENT} was not built, for want of a C compiler: calls go on as before",
                  "yellow")
        return
    show.say(f"torchfx() {{ {shlex.join([place.CLIENT, sys.executable])} \"$@\"; }}")


def _start(inside: str, idle: str) -> None:
    if place.seconds(idle) is None:
        raise UsageError(f"--idle: expected seconds, got {idle!r}")
    if not inside:
        raise UsageError("there is no folder for the socket that only you can enter (XDG_RUNTIME_DIR, or /tmp)")
    address = place.address(inside, place.identity())
    said, is_started = _asked(address, "status"), False
    deadline_s = time.monotonic() + START_S
    while said is None and time.monotonic() < deadline_s:
        is_started = is_started or handover.start(address, idle)  # not while another is just ending
        time.sleep(START_STEP_S)
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
    from torchfx_cli.stream.atomicfile import remove_unfinished
    from torchfx_cli.tasks import watched
    from torchfx_cli.warm import turns

    if turns.is_watched() and "-" not in words:  # what was read from a pipe cannot be read again
        watched.tell_risk = turns.tell_risk

    code = program.run(words)
    if turns.is_watched():
        program.end()
    else:  # this process goes on, and functions that are called at its end are called once
        program.flush()
        remove_unfinished()
    return code


def _rehearse() -> list[tuple[int, int]]:
    """Do a small file a few times: what a first run loads, sets up and specialises is then there for all.

    Returns which memory a call of a fork of this process writes to.
    """
    import hashlib  # noqa: F401
    import json  # noqa: F401

    import numpy as np

    from torchfx_cli.cli.app import app
    from torchfx_cli.libsndfile import soundfile
    from torchfx_cli.tasks import watched
    from torchfx_cli.warm import pages, server

    list(app().commands.values())  # each is made when it is asked for
    pages.keep_freed()
    watched.tell_risk = _nobody  # so in this process, not in a worker
    with tempfile.TemporaryDirectory(prefix="torchfx-") as folder:
        source = os.path.join(folder, "in.wav")
        soundfile.write(source, np.full((REHEARSED_FRAMES, 2), 0.5), 44_100, "PCM_16")
        line = ["process", source, "-o", os.path.join(folder, "out.wav"), "--overwrite", *REHEARSED]
        for _ in range(REHEARSALS):
            _to_the_end(line)
        server.settle()
        written = pages.written(partial(_to_the_end, line))
    watched.tell_risk = None
    return written


def _nobody(is_risky: bool) -> None:
    """Hears that a crash would end this process."""


def serve() -> None:
    """Be a warm process. `argv`: the address, the seconds of idleness, the descriptor of the lock."""
    from torchfx_cli.warm import server

    address, idle, lock = sys.argv[1:4]
    identity = place.identity()
    os.chdir("/")
    os.umask(0o077)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    place.set_defaults()

    written = _rehearse()
    server.Server(address, identity, place.seconds(idle) or float(IDLE_S), _to_the_end, written, int(lock)).run()
