"""Results made by hand: cells with known times, on a machine with a known name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torchfx_cli.bench.records import Cell, Environment, Measurement, Results

MACHINE = Environment(cpu="a CPU", cores=4, kernel="avx2", torch="2.13.0")


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
