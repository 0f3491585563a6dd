"""Rows of whole programs: `torchfx process` with its parts (the suite io), and others over the same file (--versus).

Their times hold start-up, reading and writing, so they stand in groups of their own.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence

from torchfx_cli.bench import io_suite, versus
from torchfx_cli.bench.measure import Rule, failed
from torchfx_cli.bench.records import Cell, Measurement
from torchfx_cli.bench.suites import Suite
from torchfx_cli.render import costs

REPEATS = 3  # whole processes
PARTS = 3.0  # each repetition is the whole, its parts, and a start
FILES = 3  # the sound, the output and the one before it is renamed
Row = tuple[Cell, Measurement]


def process_rows(cell: Cell, suite: Suite, rule: Rule) -> list[Row]:
    """`cell`, from a cold start to the renamed file, and its parts as cells with other labels."""
    if reason := _no_room(cell) or _no_time(cell, suite, rule):
        return [(cell, Measurement("skipped", reason=reason))]
    device = "cpu" if cell.backend == "native" else cell.backend
    task = io_suite.Task(suite.chain, device, cell.fs, cell.channels, cell.duration_s)
    return io_suite.rows(task, rule.reps or REPEATS)


def rival_rows(cells: Sequence[Cell], suite: Suite, rule: Rule) -> list[Row]:
    """All of one group, in turn."""
    cell = cells[0]
    if reason := _no_room(cell) or _no_time(cell, suite, rule):
        return [(one, Measurement("skipped", reason=reason)) for one in cells]
    try:
        found = versus.rows(suite.name, suite.chain, cell.duration_s, cell.channels, cell.fs, rule.reps or REPEATS)
    except Exception as error:
        return [(one, failed(error)) for one in cells]
    return [row for row in found if row[0] in cells]


def _no_room(cell: Cell) -> str:
    """Why the files do not fit on the disk, "" where they do; 4 bytes a sample."""
    folder = tempfile.gettempdir()
    needed, free = FILES * 4 * cell.samples, shutil.disk_usage(folder).free
    if needed < free:
        return ""
    return f"needs about {needed / 1e9:.1f} GB in {folder}; {free / 1e9:.1f} GB are free"


def _no_time(cell: Cell, suite: Suite, rule: Rule) -> str:
    """Why it does not fit into the budget, "" where it does; by what `process` usually takes."""
    usual = costs.load()["native"]
    needed_s = (rule.reps or REPEATS) * PARTS * costs.predict(usual, costs.Work.of(suite.stages, cell.samples))
    if needed_s <= rule.most_s:
        return ""
    return f"would take about {needed_s:.2g} s; its share of the budget is {rule.most_s:.2g} s (--budget gives more)"
