"""The program of a warm process under test: it tells how it finds itself, waits, or ends in some way."""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

if os.environ.get("TEST_LOADS"):  # another file of the program
    name = "torchfx_cli_changed"
    spec = importlib.util.spec_from_file_location(name, os.environ["TEST_LOADS"])
    assert spec is not None
    sys.modules[name] = importlib.util.module_from_spec(spec)

WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD)


def program(words: list[str]) -> int:
    action, *more = words
    if action == "tell":
        print(json.dumps(_state(words)))
    elif action == "wait":  # until a signal comes, which becomes the exit code
        signal.signal(signal.SIGTERM, lambda number, frame: os._exit(100 + number))
        signal.signal(signal.SIGINT, lambda number, frame: os._exit(100 + number))
        Path(more[0]).write_text(str(os.getpid()))
        time.sleep(30)
    elif action == "count":  # who counts to 3 in a file, and for how long
        with open(more[0], "a") as file:
            for step in range(3):
                file.write(f"{os.getpid()} {step}\n")
                file.flush()
                time.sleep(0.02)
    elif action == "kill":
        os.kill(os.getpid(), int(more[0]))
    elif action == "crash":  # "at risk": where the caller is to do the call anew
        from torchfx_cli.warm import turns

        turns.tell_risk(more[1] == "at risk")
        os.kill(os.getpid(), int(more[0]))
    elif action == "exit":
        return int(more[0])
    elif action == "copy":
        sys.stdout.write(sys.stdin.read())
    sys.stdout.flush()
    return 0


def _state(words: list[str]) -> dict[str, object]:
    mask = os.umask(0)
    os.umask(mask)
    return {
        "words": words,
        "argv": sys.argv[1:],
        "folder": os.readlink("/proc/self/cwd"),
        "mask": mask,
        "environment": {name: value for name, value in os.environ.items() if name.startswith(("TEST_", "TZ", "HOME"))},
        "hour": time.localtime(0).tm_hour,
        "limits": [resource.getrlimit(limit) for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE,
                                                           resource.RLIMIT_CORE, resource.RLIMIT_AS)],
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "scheduler": [os.sched_getscheduler(0), os.sched_getparam(0).sched_priority],
        "ionice": _ionice(),
        "processors": sorted(os.sched_getaffinity(0)),
        "handlers": [str(signal.getsignal(number)) for number in WATCHED],
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "streams": [None if stream is None else [stream.encoding, stream.errors, stream.line_buffering, stream.isatty()]
                    for stream in (sys.stdin, sys.stdout, sys.stderr)],
        "descriptors": {number: target for number, target in _descriptors() if number > 2},
        "pid": os.getpid(),
    }


def _ionice() -> str:
    if not os.environ.get("TEST_DISKS") or not shutil.which("ionice"):
        return ""
    return subprocess.run(["ionice", "-p", str(os.getpid())], capture_output=True, text=True).stdout


def _descriptors() -> list[tuple[int, str]]:
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.get_inheritable(int(name)):
                found.append((int(name), os.readlink(f"/proc/self/fd/{name}")))
        except OSError:
            pass
    return found


if __name__ == "__main__":
    sys.exit(program(sys.argv[1:]))
