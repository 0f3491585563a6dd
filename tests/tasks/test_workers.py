"""A worker at its beginning: the run may want it to stop before it has become one."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STOPPED_EARLY = """
import multiprocessing.util, os, signal, sys, time
from torchfx_cli.chain.parse import join
from torchfx_cli.cli import signals
from torchfx_cli.tasks.pool import WorkerPool
from torchfx_cli.tasks.job import Settings
from torchfx_cli.tasks.onefile import RunObserver

multiprocessing.util.register_after_fork(signals, lambda it: time.sleep(0.3))  # no worker yet, but a process
with signals.raised():
    pool = WorkerPool(1, Settings(join([], ["gain:0"])), RunObserver())
    worker = pool._hire()
    time.sleep(0.1)
    os.kill(worker.process.pid, getattr(signal, sys.argv[1]))
    worker.process.join(5)
    print(worker.process.exitcode)
"""

CTRL_C_EARLY = """
import os, signal, time
from torchfx_cli.chain.parse import join
from torchfx_cli.cli import signals
from torchfx_cli.tasks.pool import WorkerPool
from torchfx_cli.tasks.job import Settings
from torchfx_cli.tasks.onefile import RunObserver

if __name__ == "__main__":
    with signals.raised():
        for delay_s in (0.0, 0.03, 0.1):
            worker = WorkerPool(1, Settings(join([], ["gain:0"]), fresh=True), RunObserver())._hire()
            time.sleep(delay_s)
            os.kill(worker.process.pid, signal.SIGINT)
            worker.pipe.close()
            worker.process.join(20)
            print(worker.process.exitcode)
"""


def test_ctrl_c_while_a_new_interpreter_starts_is_left_to_the_run() -> None:
    done = subprocess.run([sys.executable, "-c", CTRL_C_EARLY], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("0\n0\n0\n", "")


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 128 + signal.SIGTERM), ("SIGKILL", -signal.SIGKILL)])
def test_a_worker_that_is_to_stop_before_it_has_begun_ends_without_a_word(name: str, code: int) -> None:
    done = subprocess.run([sys.executable, "-c", STOPPED_EARLY, name], cwd=ROOT, capture_output=True, text=True,
                          timeout=60)
    assert (done.stdout, done.stderr) == (f"{code}\n", "")
