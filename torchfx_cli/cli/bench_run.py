"""The matrix: which cells are to be measured, anew or on from an earlier file; then measured, shown and written.

What there is is written also when the run is interrupted.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

from torchfx_cli.bench import compare, matrix, plot, stored, suites, tables
from torchfx_cli.bench.backends import backend_of
from torchfx_cli.bench.columns import PLACE, Row, duration, headers, rows_of, words
from torchfx_cli.bench.environment import Waiting, describe
from torchfx_cli.bench.other_tools import TOOLS
from torchfx_cli.bench.records import Cell, Environment, Measurement, Results
from torchfx_cli.bench.suites import SUITES, Suite
from torchfx_cli.cli import show
from torchfx_cli.cli.bench_options import BenchOptions, tables_beside
from torchfx_cli.cli.bench_screen import Screen, show_columns, show_rows
from torchfx_cli.errors import Interrupted, UsageError, printable
from torchfx_cli.tasks.sidefile import SideFile, save_all

SAVE_EVERY_S = 60.0  # so that not even a lost machine costs more
MACHINE = ("cpu", "cores", "gpu", "kernel", "torch", "scipy", "numpy")
# What must be the same for two halves of one run. The clock and the system's patch level may move.
SAME = ("cpu", "cores", "threads", "gpu", "kernel", "torchfx", "torch", "numpy", "scipy")
UNFINISHED = ("skipped", "failed")
NOTHING = Results(())


@dataclass(frozen=True)
class Plan:
    """`cells` are to be measured with `suites`; `kept` was measured before, `old` is to be compared with."""

    suites: dict[str, Suite]
    cells: tuple[Cell, ...]
    environment: Environment
    kept: Results = NOTHING
    old: Results | None = None

    def results(self, rows: Iterable[tuple[Cell, Measurement]]) -> Results:
        """What is known when `rows` have been measured: by suites, cells of a group beside one another, each once."""
        found = dict(self.kept.rows) | dict(rows)
        known = {suite: place for place, suite in enumerate([*self.suites, *(cell.suite for cell in found)][::-1])}
        groups = {group: place for place, group in enumerate(dict.fromkeys(cell.group for cell in found))}
        ordered = sorted(found.items(), key=lambda row: (-known[row[0].suite], groups[row[0].group]))
        chains = dict(self.kept.chains) | {name: suite.fingerprint for name, suite in self.suites.items()}
        missing = tuple(cell for cell in (*self.cells, *self.kept.missing) if cell not in found)
        return Results(tuple(ordered), self.environment, tuple(dict.fromkeys(missing)), tuple(chains.items()))


def plan(asked: BenchOptions) -> Plan:
    """Raises UsageError where the options, or an earlier file, do not fit."""
    named = {suite.name: suite for suite in _asked_suites(asked)}
    if asked.resume is not None:
        return _resumed(asked, named)
    old = None if asked.compare is None else stored.load(asked.compare, "--compare")
    if old is None or asked.names_sizes:
        cells = _asked_cells(asked, named)
    else:
        cells = tuple(cell for cell, _ in old.rows)
    known = _suites_of(cells, named, old, f"--compare {asked.compare}")
    return Plan(known, _whole(cells, known), _environment(cells), old=old)


def _asked_suites(asked: BenchOptions) -> tuple[Suite, ...]:
    found = asked.suites()
    if not asked.versus:
        return found
    return *found, *(suites.beside(suite, TOOLS) for suite in found if suite.kind == "memory" and not suite.source)


def _asked_cells(asked: BenchOptions, named: dict[str, Suite]) -> tuple[Cell, ...]:
    names = asked.backend_names()
    for suite in named.values():
        if suite.kind == "process" and not matrix.names_for(suite, names):
            raise UsageError(f"--suite {suite.name}: its backends are {' and '.join(suite.backends)}")
    return matrix.cells_of(named.values(), names)


def _resumed(asked: BenchOptions, named: dict[str, Suite]) -> Plan:
    option = f"--resume {asked.resume}"
    asked.refuse("--resume", "--compare")
    kept = stored.load(str(asked.resume), "--resume")
    again = [cell for cell, measurement in kept.rows if measurement.status in UNFINISHED]
    done = {cell for cell, _ in kept.rows} - set(again)
    more = _asked_cells(asked, named) if asked.names_sizes else ()
    cells = tuple(dict.fromkeys(cell for cell in (*kept.missing, *again, *more) if cell not in done))
    known = _suites_of(cells, named, kept, option)
    here = _environment((*cells, *done))
    _require_same(kept.environment, here, option)
    return Plan(known, _whole(cells, known), here, kept)


def _suites_of(cells: Iterable[Cell], named: dict[str, Suite], earlier: Results | None, option: str
               ) -> dict[str, Suite]:
    """The suites of `cells` by name. Raises UsageError where one is unknown, or not what it was in `earlier`."""
    found = {name: _suite(name, named, option) for name in dict.fromkeys(cell.suite for cell in cells)}
    for name, digest in earlier.chains if earlier else ():
        if name in found and found[name].fingerprint != digest:
            raise UsageError(f"{printable(option)}: {printable(name)!r} has other filters or another input there; "
                             "measure it anew, with --json")
    return found


def _suite(name: str, named: dict[str, Suite], option: str) -> Suite:
    if name in named:
        return named[name]
    base, _, kind = name.partition(", ")
    if kind:
        return suites.beside(_suite(base, named, option), TOOLS)
    if name in SUITES:
        return suites.suite_of(name)
    raise UsageError(f"{printable(option)}: holds cells of {printable(name)!r}; give that chain again, with --chain or "
                     "--effect (and --input)")


def _whole(cells: Iterable[Cell], known: dict[str, Suite]) -> tuple[Cell, ...]:
    """Without the parts of `process`, which come with the whole."""
    return tuple(cell for cell in cells if known[cell.suite].kind != "process" or cell.label == suites.END_TO_END)


def _environment(cells: Iterable[Cell]) -> Environment:
    gpus = dict.fromkeys(cell.backend for cell in cells if cell.backend.startswith("cuda"))
    return describe(next((name for name in gpus if not backend_of(name).why_not()), ""))


def _require_same(then: Environment, now: Environment, option: str) -> None:
    for name in SAME:
        before, here = getattr(then, name), getattr(now, name)
        if before != here:
            raise UsageError(f"{printable(option)}: was measured with {name} {printable(str(before))}, here it is "
                             f"{printable(str(here))}; two machines are no run (--compare sets them side by side)")


def run(asked: BenchOptions) -> int:
    """Measure; 3 where a result was wrong or a backend failed."""
    reps, budget_s = asked.repetitions(), asked.budget_s()
    asked.backend_names()  # for its mistakes, also where a file says the cells
    csv, json, markdown, picture = files = asked.matrix_files()
    with ExitStack() as opened:
        for file in files:
            opened.enter_context(file)
        todo = plan(asked)
        rows: list[tuple[Cell, Measurement]] = []
        stopped, waiting = None, Waiting()
        try:
            _measure(todo, rows, reps, budget_s, asked, json)
        except Interrupted as interrupted:
            stopped = interrupted
        results = todo.results(rows)
        results = replace(results, environment=replace(results.environment, waited=waiting.words()))
        save_all(((json, stored.to_json(results)), (csv, stored.to_csv(results)),
                  (markdown, tables.markdown(results)), *_drawn(results, picture)))
    with tables_beside(files):
        _tell(results, todo, asked)
    if stopped is not None:
        raise stopped
    return 3 if any(measurement.status in ("wrong", "failed") for _, measurement in rows) else 0


def _measure(todo: Plan, rows: list[tuple[Cell, Measurement]], reps: int | None, budget_s: float, asked: BenchOptions,
             json: SideFile) -> None:
    """Append to `rows` as they come; `json` is kept up to date."""
    saved_s = time.monotonic()
    with Screen(todo.cells, budget_s, quiet=asked.quiet) as screen:
        for row in matrix.run(todo.cells, todo.suites, reps, budget_s, screen.begin):
            rows.append(row)
            screen.done(*row)
            if json.is_replaceable and time.monotonic() - saved_s > SAVE_EVERY_S:
                with replace(json) as file:
                    file.save(stored.to_json(todo.results(rows)))
                saved_s = time.monotonic()


def _drawn(results: Results, picture: SideFile) -> Iterator[tuple[SideFile, bytes]]:
    if picture.name is None:
        return
    try:
        yield picture, plot.drawn(results, picture.name)
    except UsageError as error:
        show.tell(f"torchfx: warning: {error}", "yellow")


def _tell(results: Results, todo: Plan, asked: BenchOptions) -> None:
    if asked.quiet:
        for note in tables.notes(results, ("wrong", "failed")):
            show.tell(note, "red")
        return
    rows, best = rows_of(results), tables.fastest(results)
    show_rows(rows, best)
    for suite in todo.suites.values():
        for label in suite.left_out(suite.channels[0]):
            show.tell(f"{suite.name}: measured without {label}, which {suites.HEARS_FIRST}", "yellow")
    for note in (*tables.legend(rows, best, suites.TOLD), *tables.notes(results)):
        show.say(note)
    known = dict(tables.environment_words(results.environment))
    show.say("measured on " + ", ".join(f"{name} {known[name]}" for name in MACHINE if name in known))
    if results.environment.waited:
        show.tell(f"the machine was busy: the program waited {results.environment.waited}; its times are too long, "
                  "and uneven", "yellow")
    if results.missing:
        go_on = f"; go on with --resume {asked.kept_in}" if asked.kept_in is not None else ""
        show.tell(f"{show.count(len(results.missing), 'cell')} not measured{go_on}", "yellow")
    if todo.old is not None:
        _tell_changes(todo.old, results)


def _tell_changes(old: Results, new: Results) -> None:
    for line in compare.differences(old, new):
        show.tell(f"not the same machine or programs: {line}", "yellow")
    rows = [[*words(Row(change.cell, Measurement("ok")), PLACE), _time(change.old_s), _time(change.new_s), change.words]
            for change in compare.compare(old, new) if change.old_s or change.new_s]
    show.say("")
    show_columns([*headers(PLACE), "before", "now", "change"], rows, left=len(PLACE))


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else duration(seconds)
