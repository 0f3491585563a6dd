"""What a person sees of the matrix: while it runs how far and how long still; afterwards the table.

Where nobody sees a bar, a line a cell tells how far it is; a table that goes to no terminal has plain columns.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Collection, Sequence
from io import StringIO
from types import TracebackType
from typing import Any

from torchfx_cli.bench.columns import NARROW, PLACE, SCREEN, Row, duration, headers, shown, words
from torchfx_cli.bench.records import Cell, Measurement
from torchfx_cli.bench.tables import BEST, reason_of
from torchfx_cli.cli import show
from torchfx_cli.errors import printable

WIDE = 132  # columns from which on everything is shown


class Screen:
    """The bar of a run over `cells`, drawn before each; a line after each where the messages go to no terminal."""

    def __init__(self, cells: Sequence[Cell], budget_s: float, *, quiet: bool = False) -> None:
        self._cells, self._end_s = cells, time.monotonic() + budget_s
        self._since_s = time.monotonic()
        self._bar: Any = None
        self._tells = not quiet and not show.is_terminal(sys.stderr)
        if cells and not quiet and show.is_terminal(sys.stderr):
            from torchfx_cli.cli.bar import Bar

            self._bar = Bar(1.0)

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()

    def begin(self, cell: Cell) -> None:
        """`cell` is measured next."""
        if self._bar is not None:
            begun = self._cells.index(cell)
            part = self._part(begun)
            note = f"{begun + 1}/{len(self._cells)}  {part:.0%}{self._left(part)}"
            self._bar.update(printable(_name(cell)), part, note, now=True)

    def done(self, cell: Cell, measurement: Measurement) -> None:
        """`cell` was measured."""
        if self._tells:
            place = self._cells.index(cell) + 1 if cell in self._cells else "-"
            result = duration(measurement.seconds) if measurement.seconds else reason_of(measurement)
            show.tell(f"{place}/{len(self._cells)}  {_name(cell)}: {result}")

    def _part(self, begun: int) -> float:
        """How much is done: half of it by cells, half by samples, as the budget is shared."""
        samples = [cell.samples for cell in self._cells]
        return 0.5 * begun / len(samples) + 0.5 * sum(samples[:begun]) / sum(samples)

    def _left(self, part: float) -> str:
        """How long it will still take, within the budget."""
        now_s = time.monotonic()
        left_s = self._end_s - now_s
        if part:
            left_s = min(left_s, (now_s - self._since_s) * (1.0 - part) / part)
        return f"  {show.coarse_clock(max(0.0, left_s))} left" if left_s < float("inf") else ""


def _name(cell: Cell) -> str:
    return f"{cell.suite} {cell.duration_s:g} s x {cell.channels} {cell.name}"


def show_rows(rows: Sequence[Row], best: Collection[Cell]) -> None:
    """The table on stdout; on a terminal with rules between groups, and those of `best` in bold."""
    if not show.is_terminal(sys.stdout):
        names = shown(SCREEN, rows)
        show_columns(headers(names), [_words(row, names, best) for row in rows], left=len(PLACE))
        return
    from rich.console import Console

    width = shutil.get_terminal_size().columns
    out = StringIO()
    console = Console(file=out, width=width, markup=False, highlight=False, force_terminal=True)
    console.print(_table(rows, best, width))
    show.copy(out.getvalue().rstrip("\n"))


def _table(rows: Sequence[Row], best: Collection[Cell], width: int) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    chosen = shown(SCREEN if width >= WIDE else NARROW, rows)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name, header in zip(chosen, headers(chosen), strict=True):
        table.add_column(header, justify="left" if name in PLACE else "right", no_wrap=name in PLACE)
    group = None
    for row in rows:
        if group not in (None, row.cell.group):
            table.add_section()
        group = row.cell.group
        table.add_row(*map(printable, _words(row, chosen, best)), style="bold" if row.cell in best else None)
    return table


def _words(row: Row, names: Sequence[str], best: Collection[Cell]) -> list[str]:
    found = words(row, names)
    found[names.index("name")] += f" {BEST}" if row.cell in best else ""
    return found


def show_columns(header: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> None:
    """Plain columns on stdout, the first `left` and the last begin together, the others end together."""
    everything = [header, *([printable(word) for word in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*everything, strict=True)]
    begun = {*range(left), len(header) - 1}
    for row in everything:
        words = (word.ljust(width) if place in begun else word.rjust(width)
                 for place, (word, width) in enumerate(zip(row, widths, strict=True)))
        show.say("  ".join(words).rstrip())
