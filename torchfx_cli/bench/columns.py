"""The one table of what is told of a cell: on the screen, as Markdown, in the CSV, the JSON and the comparison.

A column has a value and words for people. The orders below say which columns stand where.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from torchfx_cli.bench.records import Cell, Measurement, Results

BASELINE = "scipy"
FEWEST = 3  # runs, of which a spread is told
ABOUT = "~"  # before a ratio to what SciPy took for another length


@dataclass(frozen=True)
class Row:
    """A cell, what came of it, and how it stands to others, as far as is known.

    speedup      how many times faster it is than SciPy's `lfilter` on the same work.
    scipy_at_s   the length that SciPy was measured at, where that is another one: its time grows with the samples.
    gpu_gain     of a GPU, how many times faster it is than the fastest backend of the CPU on the same work.
    """

    cell: Cell
    measurement: Measurement
    speedup: float | None = None
    scipy_at_s: float | None = None
    gpu_gain: float | None = None

    @property
    def seconds(self) -> float | None:
        return self.measurement.seconds


def rows_of(results: Results) -> list[Row]:
    timed = [(cell, seconds) for cell, measurement in results.rows if (seconds := measurement.seconds)]
    scipy = {cell: seconds for cell, seconds in timed if cell.backend == BASELINE and not cell.label}
    cpu: dict[tuple[object, ...], float] = {}
    for cell, seconds in timed:
        if not cell.is_gpu and not cell.label:
            cpu[cell.group] = min(seconds, cpu.get(cell.group, seconds))
    return [_row(cell, measurement, scipy, cpu.get(cell.group)) for cell, measurement in results.rows]


def _row(cell: Cell, measurement: Measurement, scipy: Mapping[Cell, float], cpu_s: float | None) -> Row:
    seconds = measurement.seconds
    if seconds is None:
        return Row(cell, measurement)
    gain = cpu_s / seconds if cell.is_gpu and not cell.label and cpu_s else None
    same = replace(cell, backend=BASELINE, label="")
    if not (near := [one for one in scipy if replace(one, duration_s=cell.duration_s) == same]):
        return Row(cell, measurement, gpu_gain=gain)
    base = min(near, key=lambda one: abs(one.duration_s - cell.duration_s))
    at_s = None if base.duration_s == cell.duration_s else base.duration_s
    return Row(cell, measurement, scipy[base] * cell.samples / base.samples / seconds, at_s, gain)


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


def _certainty(row: Row) -> str | None:
    """The spread; of fewer runs than have one, their number."""
    runs = len(row.measurement.times_s)
    if row.seconds is None:
        return None
    return show_runs(runs) if runs < FEWEST else percent(row.measurement.spread or 0.0)


def show_runs(runs: int) -> str:
    return f"{runs} run{'s' * (runs != 1)}"


def _times_scipy(row: Row) -> str | None:
    """The ratio, marked where SciPy's time follows from another length."""
    if row.speedup is None:
        return None
    return f"{ABOUT if row.scipy_at_s else ''}{count(row.speedup)}"


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
    "certainty": Column(_certainty, "spread"),
    "precision": Column(lambda row: row.measurement.precision),
    "repetitions": Column(lambda row: len(row.measurement.times_s)),
    "samples_per_s": Column(_rate(lambda cell: cell.samples), "samples/s", count),
    "realtime": Column(_rate(lambda cell: cell.duration_s), "x real time", count),
    "speedup": Column(lambda row: row.speedup, "x SciPy", count),
    "times_scipy": Column(_times_scipy, "x SciPy"),
    "scipy_at_s": Column(lambda row: row.scipy_at_s),
    "gpu_gain": Column(lambda row: row.gpu_gain, "x CPU", count),
    "snr_db": Column(lambda row: row.measurement.snr_db, "SNR", decibels),
    "memory": Column(_memory, "memory"),
    "host_mb": Column(lambda row: row.measurement.host_mb),
    "device_mb": Column(lambda row: row.measurement.device_mb),
    "reason": Column(lambda row: row.measurement.reason),
}

PLACE = ("suite", "audio", "name")  # how a row of every table begins
SCREEN = (*PLACE, "median_s", "min_s", "certainty", "realtime", "samples_per_s", "times_scipy", "gpu_gain", "snr_db",
          "memory")
NARROW = (*PLACE, "median_s", "certainty", "realtime", "times_scipy", "gpu_gain", "snr_db")  # where there is no room
CSV = ("time", "channels", "suite", "backend", "label", "fs", "status", "median_s", "min_s", "spread", "precision",
       "repetitions", "samples_per_s", "realtime", "speedup", "scipy_at_s", "gpu_gain", "snr_db", "host_mb",
       "device_mb", "reason")
FIGURES = ("median_s", "min_s", "spread", "precision")  # in the JSON, beside the times that they follow from


def shown(names: Iterable[str], rows: Sequence[Row]) -> tuple[str, ...]:
    """Those of `names` that say something of `rows`: no ratio of a GPU where none was measured."""
    return tuple(name for name in names if name != "gpu_gain" or any(row.gpu_gain for row in rows))


def headers(names: Iterable[str]) -> list[str]:
    return [COLUMNS[name].header for name in names]


def words(row: Row, names: Sequence[str]) -> list[str]:
    """A row for people; where there is no speed, the status stands in its place."""
    if row.seconds is None and "median_s" in names:
        told = {name: COLUMNS[name].told(row) for name in names}
        return list((told | {"median_s": row.measurement.status}).values())
    return [COLUMNS[name].told(row) for name in names]
