"""Chains, suites and results made by hand, and backends that take a time of their own choosing on their own clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from torchfx_cli.bench.accuracy import reference
from torchfx_cli.bench.backends import Backend, Between, Prepared, nothing
from torchfx_cli.bench.loads import Load
from torchfx_cli.bench.records import Cell, Environment, Measurement, Results
from torchfx_cli.bench.suites import Suite, written
from torchfx_cli.chain.spec import ChainSpec

MACHINE = Environment(cpu="a CPU", cores=4, kernel="avx2", torch="2.13.0")


def chain(*effects: str) -> ChainSpec:
    return written(effects)[0]


def suite(*effects: str, duration_s: float = 1.0, channels: int = 1) -> Suite:
    return Suite("mine", *written(effects), (duration_s,), (channels,))


class Clock:
    """Seconds that pass where `pass_` is called."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def pass_(self, seconds: float) -> None:
        self.now_s += seconds


class Fake(Backend):
    """SciPy's result, `spoil`ed, in `seconds(load)` on the clock; `error` is raised instead."""

    def __init__(self, name: str = "native", seconds: Callable[[Load], float] = lambda load: 1e-3,
                 clock: Clock | None = None, spoil: Callable[[Any], Any] = lambda result: result,
                 error: BaseException | None = None, absent: str = "") -> None:
        super().__init__(name)
        self._seconds, self._clock, self._spoil = seconds, clock or Clock(), spoil
        self._error, self._absent = error, absent
        self.runs: list[int] = []  # frames of each

    def why_not(self) -> str:
        return self._absent

    def prepare(self, load: Load, label: str = "") -> Prepared:
        result = self._spoil(reference(load.stages, load.fs, load.sound))

        def run(between: Between) -> Any:
            if self._error is not None:
                raise self._error
            self.runs.append(load.frames)
            self._clock.pass_(self._seconds(load))
            between()
            return result

        return Prepared(run, lambda found, first, end: np.asarray(found[:, first:end]))

    def timed(self, prepared: Prepared, between: Between = nothing) -> tuple[float, Any]:
        started = self._clock()
        result = prepared.run(between)
        return self._clock() - started, result


def results(times: Mapping[tuple[str, str, float, int], tuple[float, ...]], **environment: Any) -> Results:
    """From (suite, backend, duration_s, channels) -> times_s."""
    rows = tuple((Cell(*key), Measurement("ok", value)) for key, value in times.items())
    return Results(rows, replace(MACHINE, **environment))


def linear(costs: Mapping[str, tuple[float, float]], durations_s: tuple[float, ...], channels: tuple[int, ...] = (1,),
           suite: str = "iir") -> Results:
    """Every backend at fixed + per sample * samples exactly, five times each."""
    return results({(suite, name, duration_s, count): (fixed_s + sample_s * duration_s * 44_100 * count,) * 5
                    for name, (fixed_s, sample_s) in costs.items() for duration_s in durations_s for count in channels})


def of(*rows: tuple[Cell, Measurement]) -> Results:
    return Results(rows, MACHINE)
