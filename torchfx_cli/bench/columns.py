"""The one table of what is told of a cell: on the screen, as Markdown, in the CSV, the JSON and the comparison.

A column has a value and words for people. The orders below say which columns stand where.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from torchfx_cli.bench.records import Cell, Measurement, Results

BASELINE = "scipy"


@dataclass(frozen=True)
class Row:
    """A cell, what came of it, and how many times faster it is than SciPy's `lfilter` on the same work, if known."""

    cell: Cell
    measurement: Measurement
    speedup: float | None = None

    @property
    def seconds(self) -> float | None:
        return self.measurement.seconds


def rows_of(results: Results) -> list[Row]:
    base = {cell.group: seconds for cell, measurement in results.rows
            if cell.backend == BASELINE and not cell.label and (seconds := measurement.seconds)}
    return [Row(cell, measurement, base[cell.group] / seconds
                if (seconds := measurement.seconds) and cell.group in base else None)
            for cell, measurement in results.rows]


def duration(seconds: float) -> str:
    """`12.3 µs`, `4.56 ms`, `1.23 s`, to three digits."""
    for unit, scale in (("µs", 1e6), ("ms", 1e3)):
        if seconds * scale < 999.5:
            return f"{_digits(seconds * scale)} {unit}"
    return f"{_digits(seconds)} s"


def count(number: float) -> str:
    """`0.52`, `8.4`, `774`, `12.3 k`, `1.2 M`, `3.1 G`, to three digits."""
    for unit, scale in ((" G", 1e9), (" M", 1e6), (" k", 1e4)):
        if number >= scale:
            return f"{_digits(number / (1e3 if unit == ' k' else scale))}{unit}"
    return _digits(number)


def _digits(number: float) -> str:
    return f"{number:.0f}" if number >= 99.5 else f"{number:.3g}"


def percent(share: float) -> str:
    return f"{100.0 * share:.1f} %"


def decibels(snr_db: float) -> str:
    if snr_db == -inf:
        return "-"
    return "exact" if snr_db == inf else f"{snr_db:.0f} dB"


def _rate(of: Callable[[Cell], float]) -> Callable[[Row], float | None]:
    """So much of a cell a second."""
    return lambda row: of(row.cell) / row.seconds if row.seconds else None


def _memory(row: Row) -> str | None:
    """Host, and the device's behind a plus."""
    host, device = row.measurement.host_mb, row.measurement.device_mb
    words = [f"{host:.0f} MB"] if host is not None else []
    words += [f"{device:.0f} MB on device"] if device is not None else []
    return " + ".join(words) if row.seconds and words else None


@dataclass(frozen=True)
class Column:
    """`value` of a row, None where it is unknown; `words` for people; `header` above them."""

    value: Callable[[Row], Any]
    header: str = ""
    words: Callable[[Any], str] = str

    def told(self, row: Row) -> str:
        value = self.value(row)
        return "-" if value is None else self.words(value)


COLUMNS = {
    "time": Column(lambda row: row.cell.duration_s),
    "channels": Column(lambda row: row.cell.channels),
    "suite": Column(lambda row: row.cell.suite, "suite"),
    "audio": Column(lambda row: f"{row.cell.duration_s:g} s x {row.cell.channels}", "audio"),
    "name": Column(lambda row: row.cell.name, "backend"),
    "backend": Column(lambda row: row.cell.backend),
    "label": Column(lambda row: row.cell.label),
    "fs": Column(lambda row: row.cell.fs),
    "status": Column(lambda row: row.measurement.status),
    "median_s": Column(lambda row: row.seconds, "median", duration),
    "min_s": Column(lambda row: row.measurement.least_s, "min", duration),
    "spread": Column(lambda row: row.measurement.spread, "spread", percent),
    "precision": Column(lambda row: row.measurement.precision),
    "repetitions": Column(lambda row: len(row.measurement.times_s)),
    "samples_per_s": Column(_rate(lambda cell: cell.samples), "samples/s", count),
    "realtime": Column(_rate(lambda cell: cell.duration_s), "x real time", count),
    "speedup": Column(lambda row: row.speedup, "x SciPy", count),
    "snr_db": Column(lambda row: row.measurement.snr_db, "SNR", decibels),
    "memory": Column(_memory, "memory"),
    "host_mb": Column(lambda row: row.measurement.host_mb),
    "device_mb": Column(lambda row: row.measurement.device_mb),
    "reason": Column(lambda row: row.measurement.reason),
}

PLACE = ("suite", "audio", "name")  # how a row of every table begins
SCREEN = (*PLACE, "median_s", "min_s", "spread", "realtime", "samples_per_s", "speedup", "snr_db", "memory")
NARROW = (*PLACE, "median_s", "spread", "realtime", "speedup", "snr_db")  # where there is no room
CSV = ("time", "channels", "suite", "backend", "label", "fs", "status", "median_s", "min_s", "spread", "precision",
       "repetitions", "samples_per_s", "realtime", "speedup", "snr_db", "host_mb", "device_mb", "reason")
FIGURES = ("median_s", "min_s", "spread", "precision")  # in the JSON, beside the times that they follow from


def headers(names: Iterable[str]) -> list[str]:
    return [COLUMNS[name].header for name in names]


def words(row: Row, names: Sequence[str]) -> list[str]:
    """A row for people; where there is no speed, the status stands in its place."""
    if row.seconds is None and "median_s" in names:
        told = {name: COLUMNS[name].told(row) for name in names}
        return list((told | {"median_s": row.measurement.status}).values())
    return [COLUMNS[name].told(row) for name in names]
