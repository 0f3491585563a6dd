"""The one place that repeats and times: a call, several calls in turn, a whole program, a function in a new process.

Each number is of runs after one to warm up. By default a run is repeated until the median is known: the half width of
its 95 % interval (`records.median_precision`, which needs six times) is at most `PRECISION` of it, or until the time
for it is spent. Looking again and again makes 95 % a little optimistic.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from torchfx_cli.bench.memory import MB
from torchfx_cli.bench.records import median_precision
from torchfx_cli.errors import RunError

PRECISION = 0.03
LEAST_REPS, MOST_REPS = 6, 1000  # of fewer than six nothing is known; so many are done where `SHORT_S` allows
FEWEST, MEDIUM_S = 3, 3.0  # and where this allows, three, of which one that was disturbed is not the median
SHORT_S = 0.5  # what is over so soon is done, whatever the budget
BUDGET_S = 0.3  # for one number of advice
LONGEST_RUN_S = 20.0
WATCH_S = 0.005

CHILD = """
import pickle, sys
sys.path[:] = pickle.load(sys.stdin.buffer)
function, arguments = pickle.load(sys.stdin.buffer)
answer = pickle.dumps(function(*arguments))
sys.stdout.buffer.write(answer)
"""


class Late(Exception):
    """Raised by a run that has to end because its time is over."""


K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


def seconds_of(call: Callable[[], object], now: Callable[[], float] = time.perf_counter) -> float:
    """Seconds of one call."""
    started = now()
    call()
    return now() - started


def repeat(timed: Callable[[], float], budget_s: float, reps: int | None = None, precision: float = PRECISION,
           now: Callable[[], float] = time.perf_counter) -> tuple[float, ...]:
    """Seconds that each run says it took, one run at least: `reps`, or by the rule of the module within `budget_s`.

    A run that raises `Late` is the last one; it is raised where nothing was timed, or `reps` were wanted.
    """
    times: list[float] = []
    started = now()
    while len(times) < (reps or MOST_REPS):
        try:
            times.append(timed())
        except Late:
            if reps is not None or not times:
                raise
            break
        spent_s = now() - started
        over = spent_s >= budget_s and len(times) >= _due(spent_s)
        if reps is None and (over or _is_known(times, precision)):
            break
    return tuple(times)


def _due(spent_s: float) -> int:
    """How many runs are due, whatever the budget, where they have taken so long."""
    return LEAST_REPS if spent_s < SHORT_S else FEWEST if spent_s < MEDIUM_S else 1


def _is_known(times: list[float], precision: float) -> bool:
    found = median_precision(times)
    return found is not None and found <= precision


def median_seconds(call: Callable[[], object], budget_s: float = BUDGET_S,
                   now: Callable[[], float] = time.perf_counter) -> float:
    """The median time of `call`. What takes longer than `MEDIUM_S` alone is timed once, without another run."""
    first_s = seconds_of(call, now)
    return first_s if first_s > MEDIUM_S else median(repeat(lambda: seconds_of(call, now), budget_s, now=now))


def in_turn(calls: Mapping[K, Callable[[], T]], repeats: int, before: Callable[[K], object] = lambda key: None,
            warm_up: bool = True) -> dict[K, list[T]]:
    """The results of each call, `repeats` of each, in turn, so that a machine whose speed drifts slows all alike.

    `before(key)` is called before each of them.
    """
    found: dict[K, list[T]] = {key: [] for key in calls}
    for count in range(repeats + warm_up):
        for key, call in calls.items():
            before(key)
            result = call()
            if count or not warm_up:
                found[key].append(result)
    return found


@dataclass(frozen=True)
class Run:
    """One run of a program: wall seconds, its resident memory at most in MB (0 where unknown), what it wrote."""

    seconds: float
    peak_mb: float
    output: bytes


def run_process(command: list[str], told: bytes = b"", longest_s: float = LONGEST_RUN_S) -> Run:
    """Run `command`; raises RunError with the last line of its complaint where it fails or takes too long."""
    name, started = Path(command[0]).name, time.perf_counter()
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as error:
        raise RunError(f"{command[0]}: {error.strerror}") from None
    peaks = [0.0]
    watch = threading.Thread(target=_watch_memory, args=(process.pid, peaks), daemon=True)
    watch.start()
    with process:
        try:
            output, complaint = process.communicate(told, longest_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise RunError(f"{name} took longer than {longest_s:g} s") from None
        except BaseException:
            process.kill()
            raise
    seconds = time.perf_counter() - started
    watch.join()
    if process.returncode:
        lines = complaint.decode(errors="replace").strip().splitlines() or [f"exit code {process.returncode}"]
        raise RunError(f"{name} failed: {lines[-1]}")
    return Run(seconds, max(peaks), output)


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
        peaks.append(1024.0 * int(marks[0].split()[1]) / MB)
        time.sleep(WATCH_S)


def fresh(function: Callable[..., Any], *arguments: object, longest_s: float = LONGEST_RUN_S) -> Any:
    """What `function`, a module's own, gives in a new interpreter, which shares nothing that is loaded here."""
    told = pickle.dumps(sys.path) + pickle.dumps((function, arguments))
    return pickle.loads(run_process([sys.executable, "-c", CHILD], told, longest_s).output)
