"""One suite of `torchfx bench` from the library: measure, print, and write CSV, JSON and a plot beside one another.

Used by fir_suite.py, iir_suite.py and api_suite.py; the command does the same with --suite.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from torchfx_cli.bench import environment, matrix, plot, stored, suites, tables
from torchfx_cli.bench.backends import NAMES, backend_of
from torchfx_cli.bench.records import Results


def main(name: str) -> None:
    parser = argparse.ArgumentParser(description=f"The suite {name}, all sizes and backends.")
    parser.add_argument("--backends", default=",".join(NAMES))
    parser.add_argument("--reps", type=int, help="exactly so many; without it, until the median is known to 3 %%")
    parser.add_argument("--budget", type=float, default=math.inf, help="seconds for all; what does not fit is skipped")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the files")
    args = parser.parse_args()
    suite, rows = suites.suite_of(name), []
    cells = matrix.cells_of([suite], args.backends.split(","))
    for cell, measurement in matrix.run(cells, {name: suite}, args.reps, args.budget):
        rows.append((cell, measurement))
        took = tables.duration(measurement.seconds or 0.0)
        told = tables.reason_of(measurement) or f"{took}, {tables.decibels(measurement.error_db)}"
        print(f"{len(rows)}/{len(cells)}  {cell.duration_s:g} s x {cell.channels}  {cell.name}: {told}", flush=True)
    gpu = "cuda" if "cuda" in args.backends and not backend_of("cuda").why_not() else ""
    results = Results(tuple(rows), environment.describe(gpu), chains=((name, suite.fingerprint),))
    (args.out / f"{name}.json").write_text(stored.to_json(results))
    (args.out / f"{name}.csv").write_text(stored.to_csv(results))
    (args.out / f"{name}.png").write_bytes(plot.drawn(results, ".png"))
