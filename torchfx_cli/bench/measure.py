"""One cell: is it there, does it fit, is it right; and only then how long it takes.

A run to warm up gives the result that is checked. Then the run is repeated, by default until the median is known: the
half width of its 95 % interval (`records.median_precision`, which needs six times) is at most `PRECISION` of it, or
until the cell's share of the budget is spent. Looking again and again makes 95 % a little optimistic. With `reps` it is
exactly so many.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from torchfx_cli.bench import memory
from torchfx_cli.bench.accuracy import LEAST_DB, Truth
from torchfx_cli.bench.backend import Backend, Prepared
from torchfx_cli.bench.loads import Load
from torchfx_cli.bench.records import Measurement, median_precision

PRECISION = 0.03
LEAST_REPS, MOST_REPS = 6, 1000  # of fewer than six nothing is known; so many are done where `SHORT_S` allows
MEMORY_SHARE = 0.8  # of what is free; estimates are rough, and others use the machine too
LEAST_SHARE = 0.5  # of what a cell may take goes to repetitions, whatever imports and the truth have cost
PROBES = (1 << 15, 1 << 18)  # samples
MOST_PROBES, PROBING_S = 5, 0.2
SHORT_S = 0.5  # what is over so soon is done, whatever the budget


@dataclass(frozen=True)
class Rule:
    """How often a cell is repeated. `share_s` is what it should take in all, `most_s` what is too much for it."""

    reps: int | None = None
    share_s: float = inf
    most_s: float = inf

    @property
    def least_runs(self) -> int:
        """With the one to warm up."""
        return 1 + (self.reps or 1)


def measure(backend: Backend, load: Load, truth: Callable[[], Truth], rule: Rule, label: str = "") -> Measurement:
    """See the module. Only an interruption is raised; all else that goes wrong is a measurement that says so."""
    try:
        if reason := backend.why_not():
            return Measurement("unavailable", reason=reason)
        if reason := _too_large(backend, load, label) or _too_long(backend, load, label, rule):
            return Measurement("skipped", reason=reason)
        return _measured(backend, load, truth, rule, label)
    except MemoryError:
        return Measurement("skipped", reason="out of memory")
    except Exception as error:
        return failed(error)


def failed(error: Exception) -> Measurement:
    """What a program that breaks leaves of its cell."""
    lines = str(error).strip().splitlines() or [""]
    if "out of memory" in lines[0].lower():
        return Measurement("skipped", reason="out of memory on the device")
    return Measurement("failed", reason=f"{type(error).__name__}: {lines[0][:200]}".rstrip(": "))


def _measured(backend: Backend, load: Load, truth: Callable[[], Truth], rule: Rule, label: str) -> Measurement:
    started = time.perf_counter()
    right = truth()
    with memory.HostPeak() as host:
        backend.forget_peak()
        prepared = backend.prepare(load, label)
        error_db = _error_db(backend, prepared, right)
        times: tuple[float, ...] = ()
        if error_db >= LEAST_DB:
            left_s = rule.share_s - (time.perf_counter() - started)
            times = repeat(lambda: backend.timed(prepared)[0], max(left_s, LEAST_SHARE * rule.share_s), rule.reps)
    if error_db < LEAST_DB:
        found = f"{error_db:.0f} dB" if error_db > -inf else "nothing like it"
        reason = f"{found} against float64 SciPy; {LEAST_DB:.0f} dB is the least"
        return Measurement("wrong", (), reason, error_db, host.megabytes, backend.peak_mb())
    return Measurement("ok", times, "", error_db, host.megabytes, backend.peak_mb())


def _error_db(backend: Backend, prepared: Prepared, right: Truth) -> float:
    """Of the run to warm up, whose result is gone afterwards."""
    _, result = backend.timed(prepared)
    return right.error_db(lambda first, end: prepared.part(result, first, end))


def repeat(timed: Callable[[], float], budget_s: float, reps: int | None = None, precision: float = PRECISION,
           now: Callable[[], float] = time.perf_counter) -> tuple[float, ...]:
    """Seconds of each repetition, one at least: `reps`, or by the rule of the module within `budget_s`."""
    times: list[float] = []
    started = now()
    while len(times) < (reps or MOST_REPS):
        times.append(timed())
        spent_s = now() - started
        over = spent_s >= budget_s and (len(times) >= LEAST_REPS or spent_s >= SHORT_S)
        if reps is None and (over or _known(times, precision)):
            break
    return tuple(times)


def _known(times: list[float], precision: float) -> bool:
    found = median_precision(times)
    return found is not None and found <= precision


def _too_large(backend: Backend, load: Load, label: str) -> str:
    """Why it does not fit into memory, "" where it does."""
    needed, free = backend.host_bytes(load, label), memory.free_bytes()
    if needed > MEMORY_SHARE * free:
        return f"needs about {needed / 1e9:.1f} GB of memory; {free / 1e9:.1f} GB are free"
    needed = backend.device_bytes(load, label)
    if needed and needed > MEMORY_SHARE * (free := backend.device_free_bytes()):
        return f"needs about {needed / 1e9:.1f} GB on {backend.name}; {free / 1e9:.1f} GB are free"
    return ""


def _too_long(backend: Backend, load: Load, label: str, rule: Rule) -> str:
    """Why it does not fit into the budget, "" where it does."""
    if rule.most_s == inf:
        return ""
    if rule.most_s <= 0.0:
        return "the budget is spent (--budget gives more)"
    needed_s = rule.least_runs * predicted_s(backend, load, label)
    if needed_s <= max(rule.most_s, SHORT_S):
        return ""
    return f"would take about {needed_s:.2g} s; its share of the budget is {rule.most_s:.2g} s (--budget gives more)"


def predicted_s(backend: Backend, load: Load, label: str) -> float:
    """Seconds of one run, from two short ones: a fixed cost and a slope; 0 for what is short itself."""
    if load.samples <= PROBES[-1]:
        return 0.0
    few, many = (_probed(backend, load.shortened(max(1, samples // load.channels)), label) for samples in PROBES)
    slope_s = max(0.0, many - few) / (PROBES[1] - PROBES[0])
    return many + slope_s * (load.samples - PROBES[1])


def _probed(backend: Backend, load: Load, label: str) -> float:
    """The least of a few: on a busy machine threads that wait for one another make single runs very slow."""
    prepared, times = backend.prepare(load, label), [math.inf]
    while len(times) <= MOST_PROBES and sum(times[1:]) < PROBING_S:
        times.append(backend.timed(prepared)[0])
    return min(times)
