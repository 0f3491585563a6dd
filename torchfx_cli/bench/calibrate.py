"""What each backend costs on this machine, in the terms of `render.costs`, for `--device auto` to choose by.

Short files of noise go through chains that differ in sections and in taps; the costs are the non-negative least squares
fit over all of them (see `fit`), and the start is what a new process takes beyond its file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log2
from pathlib import Path
from tempfile import TemporaryDirectory

from torchfx_cli.bench.candidates import Bench, Candidate, Question
from torchfx_cli.bench.fit import nonnegative
from torchfx_cli.bench.suites import written
from torchfx_cli.render.costs import BackendCost, Work

BACKENDS = {
    "native": Candidate("native", "cpu"), "cpu": Candidate("torch", "cpu"), "cuda": Candidate("torch", "cuda"),
}
CHAINS = (
    ("gain:-3",),
    ("highpass:cutoff=80,order=4",),
    ("highpass:cutoff=80,order=12", "lowpass:cutoff=9000,order=12"),
    ("fir:lowpass=9000,taps=127",),
    ("fir:lowpass=9000,taps=4095",),
)
LENGTHS = (1 << 16, 1 << 21)  # samples of a file
MOST_ERROR = 0.5  # RMS, relative: chains that differ so much never fit one formula well


@dataclass(frozen=True)
class Calibration:
    """The costs of one backend, or the reason why there are none; `error` is what the fit is off, relative (RMS)."""

    backend: str
    cost: BackendCost | None
    error: float = 0.0
    reason: str = ""


def calibrate(told: Callable[[str], object] = lambda backend: None, lengths: tuple[int, ...] = LENGTHS,
              backends: dict[str, Candidate] = BACKENDS) -> list[Calibration]:
    """Measure every backend; `told` hears which. About 10 s on two cores. `costs.save` keeps what is found."""
    found = []
    for name, candidate in backends.items():
        told(name)
        found.append(_calibrated(name, candidate, lengths))
    return found


def costs_of(calibrations: list[Calibration]) -> dict[str, BackendCost]:
    """What there is to be saved."""
    return {one.backend: one.cost for one in calibrations if one.cost is not None}


def _calibrated(name: str, candidate: Candidate, lengths: tuple[int, ...]) -> Calibration:
    points: list[tuple[Work, float]] = []
    start_s = 0.0
    for effects in CHAINS:
        with TemporaryDirectory(prefix="torchfx-bench-") as folder:
            bench = Bench(Question(*written(effects)), Path(folder), lengths)
            measured = bench.measured(candidate, starts=not points)
            if measured.reason:
                return Calibration(name, None, reason=f"not here: {measured.reason}")
            start_s = start_s or measured.start_s
            points += [(Work.of(bench.stages, round(samples)), seconds) for samples, seconds in bench.points]
    return fitted(name, start_s, points)


def fitted(name: str, start_s: float, points: list[tuple[Work, float]]) -> Calibration:
    """The costs that explain the (work, seconds) of `points`, each without the start."""
    columns = [(work.files, work.samples, work.samples * work.sections, work.samples * log2(1 + work.taps))
               for work, _ in points]
    found, error = nonnegative(columns, [seconds for _, seconds in points])
    if error > MOST_ERROR:
        reason = f"its times fit no costs within {100.0 * error:.0f} %: the machine is busy; try again"
        return Calibration(name, None, error, reason)
    return Calibration(name, BackendCost(start_s, *found), error)


def table(calibrations: list[Calibration]) -> list[tuple[str, ...]]:
    """Rows of words, the header first."""
    header = ("backend", "start", "a file", "a sample", "a section", "a doubling of taps", "fit within")
    return [header, *(_row(one) for one in calibrations)]


def _row(one: Calibration) -> tuple[str, ...]:
    if one.cost is None:
        return one.backend, "-", "-", "-", "-", "-", one.reason
    cost = one.cost
    return (one.backend, f"{cost.start_s:.2f} s", f"{1e3 * cost.file_s:.1f} ms", f"{1e9 * cost.sample_s:.2f} ns",
            f"{1e9 * cost.section_s:.2f} ns", f"{1e9 * cost.octave_s:.2f} ns", f"{100.0 * one.error:.0f} %")
