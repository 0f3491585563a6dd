"""The matrix from the plan to the files: measure, show, write what there is, also when interrupted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

from torchfx_cli.bench import compare, matrix, plot, stored, tables
from torchfx_cli.bench.records import Cell, Measurement, Results
from torchfx_cli.cli import bench_files, show
from torchfx_cli.cli.bench_asked import Asked
from torchfx_cli.cli.bench_plan import Plan, plan
from torchfx_cli.cli.bench_screen import Screen, show_columns, show_lines
from torchfx_cli.errors import Interrupted, UsageError
from torchfx_cli.tasks.sidefile import SideFile, save_all

SAVE_EVERY_S = 60.0  # so that not even a lost machine costs more
MACHINE = ("cpu", "cores", "gpu", "kernel", "torch", "scipy", "numpy")


def run(asked: Asked) -> int:
    """Measure; 3 where a result was wrong or a backend failed."""
    reps, budget_s = asked.repetitions(), asked.budget_s()
    asked.backend_names()  # for its mistakes, also where a file says the cells
    csv, json, markdown, picture = files = bench_files.of_matrix(asked)
    with ExitStack() as opened:
        for file in files:
            opened.enter_context(file)
        todo = plan(asked)
        rows: list[tuple[Cell, Measurement]] = []
        stopped = None
        try:
            _measure(todo, rows, reps, budget_s, asked, json)
        except Interrupted as interrupted:
            stopped = interrupted
        results = todo.results(rows)
        save_all(((json, stored.to_json(results)), (csv, stored.to_csv(results)),
                  (markdown, tables.markdown(results)), *_drawn(results, picture)))
    with bench_files.tables_beside(files):
        _tell(results, todo, asked)
    if stopped is not None:
        raise stopped
    return 3 if any(measurement.status in ("wrong", "failed") for _, measurement in rows) else 0


def _measure(todo: Plan, rows: list[tuple[Cell, Measurement]], reps: int | None, budget_s: float, asked: Asked,
             json: SideFile) -> None:
    """Append to `rows` as they come; `json` is kept up to date."""
    saved_s = time.monotonic()
    with Screen(todo.cells, budget_s, quiet=asked.quiet) as screen:
        for row in matrix.run(todo.cells, todo.suites, reps, budget_s, screen.begin):
            rows.append(row)
            screen.add(todo.results(rows))
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


def _tell(results: Results, todo: Plan, asked: Asked) -> None:
    if asked.quiet:
        for note in tables.notes(results, ("wrong", "failed")):
            show.tell(note, "red")
        return
    show_lines(tables.HEADER, tables.lines(results))
    for note in tables.notes(results):
        show.say(note)
    known = dict(tables.environment_words(results.environment))
    show.say("measured on " + ", ".join(f"{name} {known[name]}" for name in MACHINE if name in known))
    if results.missing:
        go_on = f"; go on with --resume {asked.kept_in}" if asked.kept_in is not None else ""
        show.tell(f"{show.count(len(results.missing), 'cell')} not measured{go_on}", "yellow")
    if todo.old is not None:
        _tell_changes(todo.old, results)


def _tell_changes(old: Results, new: Results) -> None:
    for line in compare.differences(old, new):
        show.tell(f"not the same machine or programs: {line}", "yellow")
    rows = [(change.cell.suite, f"{change.cell.duration_s:g} s x {change.cell.channels}", change.cell.name,
             _time(change.old_s), _time(change.new_s), change.words) for change in compare.compare(old, new)
            if change.old_s or change.new_s]
    show.say("")
    show_columns(("suite", "audio", "backend", "before", "now", "change"), rows, left=3)


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else tables.duration(seconds)
