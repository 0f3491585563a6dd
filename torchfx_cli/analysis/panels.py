"""Chains as panels of curves, the same for a picture and for a terminal: axes, limits, names; nothing is drawn here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, log10
from typing import Literal

import numpy as np

from torchfx_cli.analysis.curve import Array, extremes
from torchfx_cli.analysis.response import ChainView, StageView, Trace
from torchfx_cli.samples import hertz

Role = Literal["magnitude", "phase", "delay", "impulse", "levels", "envelope", "spectrum", "change", "loudness"]

DEEP_DB = 60.0  # below the highest level: how far an axis goes down at most
SHALLOW_DB = 30.0  # so far it does where anything goes down there, however narrow
REJECTION_DB = 220.0  # so far where a rate changes
STOP_DB, BELOW_STOP_DB, DEEPEST_DB = 40.0, 20.0, 140.0  # a lobe so far down is a stop band's: the axis goes below it
LEAST_DB = 12.0
BROAD = 0.02  # of an axis: what is narrower does not count for its limits
AUDIBLE_DB = 60.0  # below the highest level: there phase and delay are of no use
HEARD = 3e-3  # of the peak of an impulse response: where the picture of it ends
STEPS = (1.0, 2.0, 3.0, 5.0, 6.0, 10.0, 12.0, 20.0, 30.0, 40.0, 50.0, 60.0, 90.0, 180.0)
GRID_POINTS = 500
TRACE_COLUMNS = 2000  # of an impulse response: more than dots that it is wide


@dataclass(frozen=True, eq=False)
class Series:
    """`y` over `x`, NaN where there is nothing to draw. `chain` is the number of the chain, `name` what tells it from
    others of that chain; `is_faint` where it only stands behind the others. `colour` and `dash` are numbers: where
    chains are compared a colour is a chain in all panels, and dashes tell its curves apart."""

    x: Array
    y: Array
    chain: int
    name: str = ""
    is_faint: bool = False
    colour: int = 0
    dash: int = 0


@dataclass(frozen=True, eq=False)
class Panel:
    """`x_marks`: places that deserve a line, with a word each."""

    role: Role
    title: str
    x_unit: str
    x_limits: tuple[float, float]
    y_limits: tuple[float, float]
    series: tuple[Series, ...]
    x_marks: tuple[tuple[float, str], ...] = ()

    @property
    def is_log(self) -> bool:
        return self.x_unit == "Hz"

    @property
    def is_large(self) -> bool:
        """Whether it has the whole width, above the others."""
        return self.role in ("magnitude", "spectrum")


@dataclass(frozen=True, eq=False)
class Image:
    """Levels `values` [R, T] in dBFS over time and frequency; the rows lie evenly apart from `y_limits` to `y_limits`,
    and the colours from `levels` to `levels`."""

    title: str
    x_unit: str
    x_limits: tuple[float, float]
    y_limits: tuple[float, float]
    values: Array
    levels: tuple[float, float]


def panels_of(views: Sequence[ChainView]) -> list[Panel]:
    """What there is to draw of some chains, side by side."""
    found: list[Panel] = []
    if any(stage.lines for view in views for stage in view.stages) and any(view.lines for view in views):
        found += _responses(views)
        found += _impulses(views)
    found += [*_levels(views), *_envelopes(views)]
    return [coloured(panel, is_compared=len(views) > 1) for panel in found]


def coloured(panel: Panel, *, is_compared: bool) -> Panel:
    """With the colour and the dash of each of its series; `is_compared` where the figure is of several chains."""
    seen: dict[tuple[bool, int], int] = {}
    made = []
    for one in panel.series:
        group = one.is_faint, one.chain if is_compared else 0
        number = seen[group] = seen.get(group, -1) + 1
        made.append(replace(one, colour=one.chain, dash=number) if is_compared else replace(one, colour=number))
    return replace(panel, series=tuple(made))


def notes_of(view: ChainView) -> Iterator[str]:
    """What the panels leave out, in lines."""
    own = [stage.label for stage in view.stages if not stage.is_empty and "response" not in stage.pictures]
    without = [stage.label for stage in view.stages if stage.is_empty]
    if not view.lines:
        yield "nothing comes out"
    if view.ways_left_out:
        yield f"only ways from channel 1 are shown, {view.ways_left_out} from the others are not"
    if own and len(own) + len(without) < len(view.stages):
        yield f"not in the response: {'; '.join(own)}"
    if without:
        yield f"nothing to draw without a sound: {'; '.join(without)}"
    for stage in view.stages:
        if stage.heard_s is not None:
            yield f"rings for longer than the {stage.heard_s:.1f} s that are drawn: {stage.label}"
    if view.target.fs != view.source.fs:
        lower = min(view.target.fs, view.source.fs)
        folds = "folds down" if view.target.fs < view.source.fs else "is an image"
        yield f"{hertz(view.source.fs)} to {hertz(view.target.fs)}: what is above {hertz(lower / 2.0)} {folds}"


def _responses(views: Sequence[ChainView]) -> Iterator[Panel]:
    lowest = min(view.frequencies_hz[0] for view in views)
    highest = max(view.frequencies_hz[-1] for view in views)
    limits = (float(lowest), float(highest))
    totals = [(n, view, line) for n, view in enumerate(views) for line in view.lines]
    faint = [Series(view.frequencies_hz[: _end(view, stage)], line.curve.magnitude_db[: _end(view, stage)], n,
                    stage.label, True)
             for n, view in enumerate(views) if sum(bool(stage.lines) for stage in view.stages) > 1
             for stage in view.stages for line in stage.lines]
    levels = {id(line): line.curve.magnitude_db for _, _, line in totals}
    sums = [Series(view.frequencies_hz, levels[id(line)], n, line.name) for n, view, line in totals]
    is_resampled = any(view.source.fs != view.target.fs for view in views)
    floors = {min(view.source.fs, view.target.fs) / 2.0 for view in views if view.source.fs != view.target.fs}
    marks = tuple((edge, f"half of {hertz(2.0 * edge)}") for edge in sorted(floors))
    depths = (REJECTION_DB, REJECTION_DB) if is_resampled else (SHALLOW_DB, DEEP_DB)
    yield Panel("magnitude", "magnitude in dB", "Hz", limits, _level_limits([*sums, *faint], sums, limits, depths),
                (*faint, *sums), marks)
    highest_db = {id(view): max(float(levels[id(line)].max()) for line in view.lines) for _, view, _ in totals}
    loud = {id(line): _loud(levels[id(line)], highest_db[id(view)]) for _, view, line in totals}
    yield Panel("phase", "phase in degrees", "Hz", limits, (-180.0, 180.0), tuple(
        Series(view.frequencies_hz, _unwound(loud[id(line)] * line.curve.phase_deg), n, line.name)
        for n, view, line in totals), marks)
    delays = tuple(Series(view.frequencies_hz, loud[id(line)] * 1000.0 * line.curve.group_delay_s, n, line.name)
                   for n, view, line in totals)
    yield Panel("delay", "group delay in ms", "Hz", limits, _value_limits(delays, limits, 0.1), delays, marks)


def _end(view: ChainView, stage: StageView) -> int:
    """How many frequencies are below half of a stage's own rate: above, it repeats itself."""
    highest = max(stage.source.fs, stage.target.fs) / 2.0
    return int(np.searchsorted(view.frequencies_hz, highest, side="right"))


def _loud(levels_db: Array, highest_db: float) -> Array:
    """1 where a line is loud enough for its phase and delay to be of use, NaN elsewhere."""
    made: Array = np.where(levels_db > highest_db - AUDIBLE_DB, 1.0, np.nan)
    return made


def _unwound(phase_deg: Array) -> Array:
    """With a gap where it jumps from one end to the other."""
    gap = np.abs(np.diff(phase_deg, append=phase_deg[-1])) > 180.0
    return np.where(gap, np.nan, phase_deg)


def _impulses(views: Sequence[ChainView]) -> Iterator[Panel]:
    traces = [(n, 1.0 / view.target.fs, trace) for n, view in enumerate(views) for trace in view.impulses]
    if not traces:
        return
    peak = max(float(np.abs(trace.y).max()) for _, _, trace in traces)
    heard = [trace.x[np.abs(trace.y) >= HEARD * peak] for _, _, trace in traces]
    first, last = min(float(x[0]) for x in heard if len(x)), max(float(x[-1]) for x in heard if len(x))
    room = max(0.06 * (last - first), 4.0 / views[0].source.fs)
    limits = (first - room, last + room)
    factor, unit = (1.0, "s") if last - first > 0.5 else (1000.0, "ms")
    series = []
    for n, step, trace in traces:
        x, y = _around(trace, step, limits)
        series.append(Series(factor * x, y, n, trace.name))
    low, high = (float(end([end(one.y) for one in series])) for end in (min, max))
    yield Panel("impulse", "impulse response", unit, (factor * limits[0], factor * limits[1]),
                rounded(min(low, 0.0), max(high, 0.0)), tuple(series))


def _around(trace: Trace, step: float, limits: tuple[float, float]) -> tuple[Array, Array]:
    """What is seen of it, with the silence before it and behind it, samples being `step` apart."""
    seen = slice(*np.searchsorted(trace.x, (limits[0] - step, limits[1] + step)))
    places = extremes(trace.y[seen], TRACE_COLUMNS)
    before, behind = trace.x[0] - step, trace.x[-1] + step
    ends = [min(before, limits[0]) - step, before], [behind, max(behind, limits[1]) + step]
    return (np.concatenate([ends[0], trace.x[seen][places], ends[1]]),
            np.concatenate([[0.0, 0.0], trace.y[seen][places], [0.0, 0.0]]))


def _levels(views: Sequence[ChainView]) -> Iterator[Panel]:
    series = [Series(trace.x, trace.y, n, f"{stage.label}: {trace.name}" if trace.name else stage.label)
              for n, view in enumerate(views) for stage in view.stages for trace in stage.levels]
    if series:
        x_limits = (float(series[0].x[0]), float(series[0].x[-1]))
        highest = max(0.0, *(float(one.y.max()) for one in series))
        yield Panel("levels", "level out in dBFS, over level in", "dBFS", x_limits,
                    (x_limits[0], ceil(highest / 10.0) * 10.0), tuple(series))


def _envelopes(views: Sequence[ChainView]) -> Iterator[Panel]:
    for n, view in enumerate(views):
        for stage in view.stages:
            if stage.envelope:
                series = tuple(Series(trace.x, trace.y, n, trace.name) for trace in stage.envelope)
                y_limits = rounded(0.0, max(1.0, *(float(one.y.max()) for one in series)))
                last_s = max(float(one.x[-1]) for one in series)
                owner = f"{view.name}, " if len(views) > 1 else ""
                yield Panel("envelope", f"{owner}gain: {stage.label}", "s", (0.0, last_s), y_limits, series)


def _level_limits(all_series: Sequence[Series], sums: Sequence[Series], x: tuple[float, float],
                  depths: tuple[float, float]) -> tuple[float, float]:
    """From the highest level down to the lowest that is not narrow; a notch is cut off, and does not flatten all. The
    lobes of a stop band are seen.

    depths  how far it goes down for what is narrow, and for what is not, at most.
    """
    at = np.geomspace(*x, GRID_POINTS)
    levels = np.array([np.interp(at, one.x, np.maximum(one.y, -400.0)) for one in sums])
    high = float(max(one.y.max() for one in all_series))
    if not np.isfinite(high) or high < -390.0:
        return -1.0, 1.0
    low = float(np.quantile(levels, BROAD))
    narrow = min(float(one.y.min()) for one in all_series)
    low = max(min(low, max(narrow, high - depths[0])), high - depths[1])
    lobes = [lobe for one in sums for lobe in _lobes(one.y) if high - DEEPEST_DB < lobe < high - STOP_DB]
    if lobes:
        low = min(low, max(lobes) - BELOW_STOP_DB)
    middle = (low + high) / 2.0
    if high - low < LEAST_DB:
        low, high = (-LEAST_DB / 2.0, LEAST_DB / 2.0) if abs(middle) < 1.0 else (middle - 6.0, middle + 6.0)
    return rounded(low, high)


def rounded(low: float, high: float, about: int = 5) -> tuple[float, float]:
    """To whole ticks, which what is hardly beyond one may pass."""
    step = step_of(high - low, about)
    return floor(low / step + 0.02) * step, ceil(high / step - 0.02) * step


def _lobes(levels_db: Array) -> Array:
    """The levels at which a curve turns down again."""
    inside: Array = levels_db[1:-1]
    return inside[(inside > levels_db[:-2]) & (inside > levels_db[2:])]


def _value_limits(series: Iterable[Series], x: tuple[float, float], least: float) -> tuple[float, float]:
    at = np.geomspace(*x, GRID_POINTS)
    values = np.concatenate([np.interp(at, one.x, one.y) for one in series])
    values = values[np.isfinite(values)]
    if not len(values):
        return -least, least
    low, high = float(np.quantile(values, 0.01)), float(np.quantile(values, 0.99))
    low, high = min(low, 0.0), max(high, 0.0)
    if high - low < least:
        high, low = max(high, least / 2.0), min(low, -least / 2.0)
    return rounded(low, high, 4)


def step_of(span: float, about: int) -> float:
    """A round distance of ticks, so that `span` has about so many."""
    wanted = span / about
    scale = 1.0 if 1.0 <= wanted <= 180.0 else 10.0 ** floor(log10(wanted)) if wanted > 0.0 else 1.0
    steps = STEPS if scale == 1.0 else (1.0, 2.0, 5.0, 10.0)
    return scale * min(steps, key=lambda step: abs(np.log(step * scale / wanted)))


def ticks_of(low: float, high: float, about: int) -> list[float]:
    """Round values from `low` to `high`."""
    step = step_of(high - low, about)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [n * step for n in range(first, last + 1)]


def decades_of(low: float, high: float, marks: Sequence[int] = (1, 2, 5)) -> list[float]:
    """Frequencies such as 10, 20, 50, 100 from `low` to `high`."""
    found = [mark * 10.0**power for power in range(floor(log10(low)), ceil(log10(high)) + 1) for mark in marks]
    return [frequency for frequency in found if low * 0.999 <= frequency <= high * 1.001]


def short(value: float) -> str:
    """1k in the place of 1000, and no digits that say nothing."""
    if abs(value) >= 1000.0:
        return f"{value / 1000.0:.4g}k"
    return f"{value:.4g}" if abs(value) > 1e-12 else "0"


def x_ticks_of(panel: Panel | Image, marks: Sequence[int], about: int) -> list[tuple[float, str]]:
    """Ticks of the lower axis: `marks` of each decade, or `about` so many; the last one with the unit."""
    low, high = panel.x_limits
    is_log = panel.x_unit == "Hz"
    values = decades_of(low, high, marks) if is_log else ticks_of(low, high, about)
    last = hertz(values[-1]) if is_log else f"{short(values[-1])} {panel.x_unit}"
    return [*((value, short(value)) for value in values[:-1]), (values[-1], last)]


def bold_of(panel: Panel) -> list[Series]:
    """Those that do not stand behind others."""
    return [one for one in panel.series if not one.is_faint]
