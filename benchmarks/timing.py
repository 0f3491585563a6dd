"""Times whole processes in turn, so that a machine whose speed drifts slows all of them alike."""

from __future__ import annotations

import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

WATCH_S = 0.005


@dataclass
class Runs:
    """Wall seconds and peak resident megabytes of each run of one command."""

    wall_s: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)

    @property
    def median_s(self) -> float:
        return statistics.median(self.wall_s)

    def ratio_to(self, other: Runs) -> float:
        """Median of the pairwise ratios: each run against the run of `other` beside it."""
        return statistics.median(a / b for a, b in zip(self.wall_s, other.wall_s, strict=True))


def run_once(command: list[str]) -> tuple[float, float]:
    """(wall seconds, peak megabytes) of one run; a failing command is an error here."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peaks = [0.0]
    watch = threading.Thread(target=_watch_memory, args=(process.pid, peaks), daemon=True)
    watch.start()
    _, message = process.communicate()
    wall = time.perf_counter() - started
    watch.join()
    if process.returncode:
        sys.exit(f"{' '.join(command)}\nfailed with {process.returncode}: {message.decode(errors='replace')}")
    return wall, max(peaks)


def _watch_memory(pid: int, peaks: list[float]) -> None:
    """Note the high-water mark of the resident memory while the process lives.

    Not ru_maxrss: that one begins with the memory of the process that started this one.
    """
    while True:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return
        marks = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        if not marks:  # it has ended, or this is not Linux
            return
        peaks.append(int(marks[0].split()[1]) / 1024)
        time.sleep(WATCH_S)


def in_turn(
    commands: dict[str, list[str]], repeats: int, before: Callable[[str], None] = lambda name: None
) -> dict[str, Runs]:
    """Run each command once to warm up, then all of them in turn `repeats` times; `before(name)` is not timed."""
    runs = {name: Runs() for name in commands}
    for count in range(repeats + 1):
        for name, command in commands.items():
            before(name)
            wall, peak = run_once(command)
            if count:
                runs[name].wall_s.append(wall)
                runs[name].peak_mb.append(peak)
    return runs
