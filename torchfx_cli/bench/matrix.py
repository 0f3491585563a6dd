"""All cells of a run, group by group, within a budget; each is handed on as soon as it is measured.

A group's cells do the same work, so that their sound and the right result are made once. Half of the budget is for all
cells alike, half by their samples; what a cell leaves is divided among those that follow. Small groups come first,
of all suites alike, so that a budget that is too small leaves out the largest ones, and not a suite.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from itertools import groupby
from math import inf

from torchfx_cli.bench import end_to_end
from torchfx_cli.bench.accuracy import truth_of
from torchfx_cli.bench.backends import Backend, backend_of, is_torch
from torchfx_cli.bench.loads import load_of
from torchfx_cli.bench.measure import Rule, measure
from torchfx_cli.bench.records import Cell, Measurement
from torchfx_cli.bench.suites import Suite

BUDGET_S = 90.0  # where nobody says otherwise; with start-up, sound and truth the whole stays below two minutes
STRETCH = 2.0  # a cell that needs more than so many shares is skipped


def cells_of(suites: Iterable[Suite], backends: Iterable[str]) -> tuple[Cell, ...]:
    """The matrix, small groups first; only torch backends have the variants of a suite."""
    names, found = tuple(backends), []
    for suite in suites:
        suited = suite.backends if suite.kind == "files" else names_for(suite, names)
        for duration_s, channels in sorted(((d, c) for d in suite.durations_s for c in suite.channels),
                                           key=lambda size: (size[0] * size[1], size)):
            for name in suited:
                labels = suite.variants if suite.kind != "memory" or is_torch(name) else ("",)
                found += [Cell(suite.name, name, duration_s, channels, suite.fs, label) for label in labels]
    return tuple(sorted(dict.fromkeys(found), key=lambda cell: cell.samples))  # stable, so a group stays together


def names_for(suite: Suite, names: Iterable[str]) -> tuple[str, ...]:
    """Those of the backends `names` that can do `suite`."""
    return tuple(name for name in names if not suite.backends or name in suite.backends)


def run(cells: Sequence[Cell], suites: Mapping[str, Suite], reps: int | None = None, budget_s: float = BUDGET_S,
        told: Callable[[Cell], object] = lambda cell: None, backends: Mapping[str, Backend] | None = None,
        now: Callable[[], float] = time.perf_counter) -> Iterator[tuple[Cell, Measurement]]:
    """Measure `cells` of `suites` (by name); `told` hears each before it begins."""
    names = {cell.backend for cell in cells if suites[cell.suite].kind != "files"}
    there = {name: backend_of(name) for name in names} | dict(backends or {})
    absent = {name: reason for name, backend in there.items() if (reason := backend.why_not())}
    for name in names - absent.keys():
        there[name].load()
    purse = Purse([cell for cell in cells if cell.backend not in absent], budget_s, reps, now)
    taken_s: dict[tuple[str, str, str], float] = {}  # of a sample
    for group, members in groupby(cells, key=lambda cell: cell.group):
        suite, together = suites[group[0]], tuple(members)
        if suite.kind == "files":
            told(together[0])
            yield from end_to_end.rows(together, suite, purse.rule(*together))
            continue
        load = load_of(suite, group[1], group[2])
        truth = lru_cache(maxsize=1)(partial(truth_of, load))
        for cell in together:
            told(cell)
            if cell.backend in absent:
                yield cell, Measurement("unavailable", reason=absent[cell.backend])
            elif suite.kind == "process":
                yield from end_to_end.rows((cell,), suite, purse.rule(cell))
            else:
                kind = cell.suite, cell.backend, cell.label
                rule = replace(purse.rule(cell), sample_s=taken_s.get(kind, inf))
                found = measure(there[cell.backend], load, truth, rule, cell.label)
                if found.seconds is not None:
                    taken_s[kind] = found.seconds / cell.samples
                yield cell, found


class Purse:
    """What is left of the budget, and whose it is."""

    def __init__(self, cells: Sequence[Cell], budget_s: float, reps: int | None, now: Callable[[], float]) -> None:
        self._now, self._reps, self._end_s = now, reps, now() + budget_s
        self._cells, self._samples = len(cells), sum(cell.samples for cell in cells)

    def rule(self, *cells: Cell) -> Rule:
        """The share of the next cells."""
        left_s, samples = self._end_s - self._now(), sum(cell.samples for cell in cells)
        part = 0.5 * len(cells) / self._cells + 0.5 * samples / self._samples
        self._cells, self._samples = self._cells - len(cells), self._samples - samples
        if left_s == inf:
            return Rule(self._reps)
        share_s = max(0.0, left_s * part)
        return Rule(self._reps, share_s, min(STRETCH * share_s, left_s))
