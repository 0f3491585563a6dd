"""The command line in a child of bounded memory and time; how much of both it took.

Between the two stands a small process that is the parent of all that is measured: a child begins with the peak of the
memory of the process that it was forked from, and a test run's may be large.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

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
    with tempfile.TemporaryFile() as answer:
        command = [sys.executable, "-S", str(Path(__file__)), str(answer.fileno()), str(limit_s),
                   sys.executable, "-m", "torchfx_cli", *words]
        told = subprocess.run(command, cwd=cwd, pass_fds=[answer.fileno()], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True).stdout
        answer.seek(0)
        code, peak_mib, cpu_s = json.load(answer)
    return Bounded(code, told.decode(errors="replace"), peak_mib, cpu_s)


def _measure(answer: int, limit_s: float, command: list[str]) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES_BYTES, ADDRESSES_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with subprocess.Popen(command, start_new_session=True) as child:
        try:
            child.wait(limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, 9)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    os.write(answer, json.dumps([child.returncode, used.ru_maxrss >> 10, used.ru_utime + used.ru_stime]).encode())


if __name__ == "__main__":
    _measure(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:])
