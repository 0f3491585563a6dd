"""One cell: is it there, does it fit, is it right; and only then how long it takes (see `timings`).

A run to warm up gives the result that is checked. Then it is repeated within the cell's share of the budget, or exactly
`reps` times. Where the share is enough for one run only, that one is the time. Predictions err, above all on a busy
machine, so a run looks at the clock now and then and ends where it takes more than the budget allows.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from torchfx_cli.bench import memory
from torchfx_cli.bench.accuracy import LEAST_DB, Truth
from torchfx_cli.bench.backends import Backend, Between, Prepared
from torchfx_cli.bench.loads import Load
from torchfx_cli.bench.records import Measurement
from torchfx_cli.bench.timings import SHORT_S, Late, repeat

MEMORY_SHARE = 0.8  # of what is free; estimates are rough, and others use the machine too
LEAST_SHARE = 0.5  # of what a cell may take goes to repetitions, whatever imports and the truth have cost
PROBES = (1 << 15, 1 << 18)  # samples
PROBING_S = 0.2
ITS_SHARE = "its share of the budget (--budget gives more)"


@dataclass(frozen=True)
class Rule:
    """How often a cell is repeated. `share_s` is what it should take in all, `most_s` what is too much for it.

    sample_s  what a sample took the same backend in a smaller cell; it is not more in a larger one.
    """

    reps: int | None = None
    share_s: float = inf
    most_s: float = inf
    sample_s: float = inf

    @property
    def least_runs(self) -> int:
        """With the one to warm up, which is the time itself where there is no room for more."""
        return 1 + (self.reps or 0)


def measure(backend: Backend, load: Load, truth: Callable[[], Truth], rule: Rule, label: str = "") -> Measurement:
    """See the module. Only an interruption is raised; all else that goes wrong is a measurement that says so."""
    try:
        if reason := backend.why_not() or backend.lacks(load):
            return Measurement("unavailable", reason=reason)
        if reason := _too_large(backend, load, label) or _too_long(backend, load, label, rule):
            return Measurement("skipped", reason=reason)
        return _measured(backend, load, truth, rule, label)
    except MemoryError:
        return Measurement("skipped", reason="out of memory")
    except Late:
        return Measurement("skipped", reason=f"was ended after {rule.most_s:.2g} s, {ITS_SHARE}")
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
        between = _until(time.perf_counter() + max(rule.most_s, SHORT_S))
        first_s, snr_db = _first_run(backend, prepared, right, between)
        times: tuple[float, ...] = ()
        if snr_db >= LEAST_DB:
            left_s = max(rule.share_s - (time.perf_counter() - started), LEAST_SHARE * rule.share_s)
            if rule.reps is None and first_s > max(left_s, SHORT_S):
                times = (first_s,)
            else:
                times = _repeated(lambda: backend.timed(prepared, between)[0], left_s, rule, first_s)
    if snr_db < LEAST_DB:
        found = f"{snr_db:.0f} dB" if snr_db > -inf else "nothing like it"
        reason = f"{found} against float64 SciPy; {LEAST_DB:.0f} dB is the least"
        return Measurement("wrong", (), reason, snr_db, host.megabytes, backend.peak_mb())
    return Measurement("ok", times, "", snr_db, host.megabytes, backend.peak_mb())


def _until(end_s: float) -> Callable[[], None]:
    """Raises `Late` when it is called after `end_s`."""
    def between() -> None:
        if time.perf_counter() > end_s:
            raise Late

    return between


def _first_run(backend: Backend, prepared: Prepared, right: Truth, between: Between) -> tuple[float, float]:
    """Seconds and SNR of the run to warm up, whose result is gone afterwards."""
    seconds, result = backend.timed(prepared, between)
    return seconds, right.snr_db(lambda first, end: prepared.part(result, first, end))


def _repeated(timed: Callable[[], float], left_s: float, rule: Rule, first_s: float) -> tuple[float, ...]:
    """The repetitions; where not one of them ends in time, the run to warm up."""
    try:
        return repeat(timed, left_s, rule.reps)
    except Late:
        if rule.reps is not None:
            raise
        return (first_s,)


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
    if rule.most_s == inf or rule.most_s <= 0.0:
        return over_budget(0.0, rule)
    if rule.least_runs * rule.sample_s * load.samples <= rule.most_s:
        return ""
    needed_s = rule.least_runs * predicted_s(backend, load, label)
    return over_budget(needed_s, rule) if needed_s > SHORT_S else ""


def over_budget(needed_s: float, rule: Rule) -> str:
    """Why what takes `needed_s` does not fit into the budget, "" where it does."""
    if rule.most_s <= 0.0:
        return "the budget is spent (--budget gives more)"
    if needed_s <= rule.most_s:
        return ""
    return f"would take about {needed_s:.2g} s; {rule.most_s:.2g} s are {ITS_SHARE}"


def predicted_s(backend: Backend, load: Load, label: str) -> float:
    """Seconds of one run, from two short ones: a fixed cost and a slope; 0 for what is short itself."""
    if load.samples <= PROBES[-1]:
        return 0.0
    prepared = [backend.prepare(load.shortened(max(1, samples // load.channels)), label) for samples in PROBES]
    # The least of six: on a busy machine threads that wait for one another make single runs very slow.
    few, many = (min(repeat(lambda one=one: backend.timed(one)[0], PROBING_S, precision=inf))  # type: ignore[misc]
                 for one in prepared)
    slope_s = max(0.0, many - few) / (PROBES[1] - PROBES[0])
    return many + slope_s * (load.samples - PROBES[1])
