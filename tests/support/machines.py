"""A Dask scheduler and its workers, started as people start them: by the `dask` command, over TCP."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

START_S = 60.0


class Machines:
    """Their logs and scratch folders are in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []

    def start_scheduler(self) -> None:
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", str(self.port))
        _wait_for(lambda: _answers(self.port))

    def start_worker(self, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        scratch = str(self.folder / f"scratch-{len(self.workers)}")
        worker = self._start("worker", self.address, "--nthreads", "1", "--nworkers", "1", "--local-directory",
                             scratch, *options, **environment)
        self.workers.append(worker)
        return worker

    def signal_worker(self, place: int, number: int) -> None:
        """For what works; its nanny, which lives on, starts another where that ends."""
        import psutil

        for child in psutil.Process(self.workers[place].pid).children():
            if "spawn_main" in " ".join(child.cmdline()):
                child.send_signal(number)

    def kill_scheduler(self) -> None:
        assert self.scheduler is not None
        self.scheduler.kill()
        self.scheduler.wait()

    def stop(self) -> None:
        for process in [*self.workers, *([self.scheduler] if self.scheduler else [])]:
            process.terminate()
        for process in [*self.workers, *([self.scheduler] if self.scheduler else [])]:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        with open(self.folder / f"{arguments[0]}.log", "ab") as log:
            return subprocess.Popen([sys.executable, "-m", "dask", *arguments, "--no-dashboard"], stdout=log,
                                    stderr=log, cwd=self.folder, env={**os.environ, **environment})


@contextmanager
def machines(folder: Path, workers: int) -> Iterator[Machines]:
    """A scheduler and so many workers, which need not be there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Machines(folder)
    try:
        made.start_scheduler()
        for _ in range(workers):
            made.start_worker()
        yield made
    finally:
        made.stop()


def _answers(port: int) -> bool:
    with closing(socket.socket()) as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


def _wait_for(condition: object) -> None:
    deadline_s = time.monotonic() + START_S
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline_s, "it does not start"
        time.sleep(0.1)
