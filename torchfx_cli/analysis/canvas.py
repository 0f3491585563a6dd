"""Panels in a terminal: curves of dots, in characters of braille, two dots wide and four high; or in ASCII.

A dot is set in each column from the lowest to the highest value that the curve has there, so a notch that is narrower
than a column is seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from math import floor

import numpy as np

from torchfx_cli.analysis.curve import Array
from torchfx_cli.analysis.panels import Panel, Series, bold_of, short, ticks_of, x_ticks_of

BRAILLE = 0x2800
# The bit of each dot of a braille character: [row, column].
DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
ASCII = " '.:"  # nothing, the upper half, the lower half, both
COLOURS = ("36", "33", "35", "32", "34", "31")  # of chains, as a terminal numbers them
FAINT = "2"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
MARGIN = 7  # characters on the left, for values
FINE = 8  # values looked at in a column of dots
LARGE_ROWS, SMALL_ROWS = 14, 7
LEAST_COLUMNS, MOST_COLUMNS, GAP = 38, 100, 2
APART = 0.1  # of the height: letters of curves that are nearer say nothing
STEPPED = 3  # of a faint curve every third column is drawn


@dataclass(frozen=True)
class Style:
    """How much the terminal understands."""

    width: int = 80
    is_utf8: bool = True
    has_colours: bool = False

    def painted(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.has_colours and code and text.strip() else text


class Canvas:
    """Cells of `columns` x `rows` characters, on which dots are set; what comes last is seen."""

    def __init__(self, columns: int, rows: int, style: Style) -> None:
        self._style = style
        self._dot = DOTS if style.is_utf8 else np.array([[1], [2]])
        self._cells = np.zeros((rows, columns), np.intp)
        self._codes = np.full((rows, columns), "", dtype="<U4")
        self._letters: dict[tuple[int, int], str] = {}

    @property
    def shape(self) -> tuple[int, int]:
        """Dots down and across."""
        rows, columns = self._cells.shape
        down, across = self._dot.shape
        return rows * down, columns * across

    def curve(self, x: Array, y: Array, code: str = "", every: int = 1) -> None:
        """A curve; `x` from 0 to 1 rising, `y` from 0 (below) to 1, NaN for a gap. `every`: of so many columns one."""
        down, across = self.shape
        fine = np.unique(np.concatenate([np.linspace(0.0, 1.0, across * FINE + 1), x[(x >= 0.0) & (x <= 1.0)]]))
        values = np.clip(np.interp(fine, x, y, left=np.nan, right=np.nan), -1.0, 2.0)
        rows = (1.0 - values) * down - 0.5
        rows = np.where((values >= 0.0) & (values <= 1.0), np.clip(rows, 0.0, down - 1.0), rows)
        columns = np.minimum((fine * across).astype(int), across - 1)
        last: tuple[int, int] | None = None
        for column in range(0, across, every):
            inside = rows[columns == column]
            span = _span(inside[np.isfinite(inside)])
            if span is not None:
                low, high = span
                if last is not None and every == 1:  # no gap to the column before
                    low, high = min(low, last[1] + 1), max(high, last[0] - 1)
                for row in range(max(low, 0), min(high, down - 1) + 1):
                    self._set(row, column, code)
            last = span

    def _set(self, row: int, column: int, code: str) -> None:
        down, across = self._dot.shape
        cell = row // down, column // across
        if self._codes[cell] == FAINT != code:
            self._cells[cell] = 0  # or the dots of both would look like a thick line
        self._cells[cell] |= self._dot[row % down, column % across]
        self._codes[cell] = code

    def letter(self, x: float, y: float, letter: str, code: str) -> None:
        """A letter where a curve goes through."""
        rows, columns = self._cells.shape
        if 0.0 <= y <= 1.0:
            cell = min(int((1.0 - y) * rows), rows - 1), min(int(x * columns), columns - 1)
            self._letters[cell] = self._style.painted(letter, code)

    def lines(self) -> list[str]:
        """The rows, as they are printed."""
        return ["".join(self._shown(row, column) for column in range(self._cells.shape[1]))
                for row in range(self._cells.shape[0])]

    def _shown(self, row: int, column: int) -> str:
        if (row, column) in self._letters:
            return self._letters[row, column]
        bits = int(self._cells[row, column])
        character = chr(BRAILLE + bits) if self._style.is_utf8 and bits else ASCII[bits] if bits else " "
        return self._style.painted(character, str(self._codes[row, column]))


def _span(rows: Array) -> tuple[int, int] | None:
    """The first and the last row that a curve goes through; one where it hardly moves, so that it stays thin."""
    if not len(rows):
        return None
    low, high = float(rows.min()), float(rows.max())
    if high - low <= 1.0:
        low = high = (low + high) / 2.0
    return floor(low + 0.5), floor(high + 0.5)


def drawn(panel: Panel, columns: int, about: int, style: Style) -> list[str]:
    """A panel `columns` wide: a title, `about` so many rows of curves, and two lines for the axis.

    Ticks lie in the middle of a row, equally many rows apart.
    """
    inner = columns - MARGIN - 1
    ticks = ticks_of(*panel.y_limits, max(2, about // 2))
    apart = max(1, round((about - 1) / (len(ticks) - 1)))
    rows = apart * (len(ticks) - 1) + 1
    half = (ticks[-1] - ticks[0]) / (rows - 1) / 2.0
    limits = ticks[0] - half, ticks[-1] + half
    canvas = Canvas(inner, rows, style)
    for code, every, at, values in _curves(panel, style):
        canvas.curve(_across(panel, at), _up(values, limits), code, every)
    bold = bold_of(panel)
    for n in range(len(bold) if len(bold) > 1 else 0):
        x, y, away = _spot(panel, limits, n)
        if away > APART or panel.role != "impulse":
            canvas.letter(x, y, LETTERS[n % 26], _code(bold[n]))
    labels = {(len(ticks) - 1 - n) * apart: short(value) for n, value in enumerate(ticks)}
    title = (" " * MARGIN + panel.title)[:columns].ljust(columns)
    return [title, *_with_axes(canvas.lines(), labels, panel, inner, style)]


def _curves(panel: Panel, style: Style) -> Iterator[tuple[str, int, Array, Array]]:
    """Code, every so many columns, x and y: what lies behind others first."""
    ends = np.array(panel.x_limits)
    yield FAINT, 4, ends, ends if panel.role == "levels" else np.zeros(2)
    for edge, _ in panel.x_marks:
        yield FAINT, 1, np.array([edge, edge * (1.0 + 1e-9)]), np.array([-1e9, 1e9])
    one_chain = len({one.chain for one in panel.series}) == 1
    for one in panel.series:
        if one.is_faint and (one_chain or style.has_colours):
            yield FAINT, STEPPED, one.x, one.y
    for one in bold_of(panel):
        yield _code(one), 1, one.x, one.y


def legend(panel: Panel, names: Sequence[str], style: Style) -> list[str]:
    """A line for each curve that has a letter, of chains called `names`; or the name of the only one."""
    bold = bold_of(panel)
    if len(bold) < 2:
        named = bold[0].name if bold and panel.is_large else ""
        return [f"{' ' * MARGIN}{named[: style.width - MARGIN]}"] if named else []
    lines = []
    for n, one in enumerate(bold):
        name = ": ".join(word for word in (names[one.chain] * (len(names) > 1), one.name) if word)
        letter = style.painted(LETTERS[n % 26], _code(one))
        lines.append(f"{' ' * MARGIN}{letter}  {name[: style.width - MARGIN - 3]}")
    return lines


def page(panels: Sequence[Panel], names: Sequence[str], style: Style) -> list[str]:
    """All panels: the first of responses over the whole width, the others two abreast where there is room."""
    lines: list[str] = []
    waiting: list[Panel] = []
    for panel in panels:
        if panel.is_large:
            lines += [*drawn(panel, style.width, LARGE_ROWS, style), *legend(panel, names, style), ""]
        else:
            waiting.append(panel)
    abreast = 2 if style.width >= 2 * LEAST_COLUMNS + GAP else 1
    each = min((style.width - GAP * (abreast - 1)) // abreast, MOST_COLUMNS)
    while waiting:
        row, waiting = waiting[:abreast], waiting[abreast:]
        columns = each if len(row) == abreast else style.width
        rows = LARGE_ROWS if len(row) == 1 and row[0].role == "levels" else SMALL_ROWS
        parts = [drawn(panel, columns, rows, style) for panel in row]
        lines += [(" " * GAP).join(pieces) for pieces in zip_longest(*parts, fillvalue=" " * each)]
        for panel in row:
            lines += legend(panel, names, style) if panel.role in ("levels", "envelope") else []
        lines += [""]
    return [line.rstrip() for line in lines[:-1]]


def _code(one: Series) -> str:
    return COLOURS[one.colour % len(COLOURS)]


def _across(panel: Panel, x: Array) -> Array:
    """`x` from 0 to 1 across the panel."""
    low, high = panel.x_limits
    placed: Array = np.log(x / low) / np.log(high / low) if panel.is_log else (x - low) / (high - low)
    return placed


def _up(y: Array, limits: tuple[float, float]) -> Array:
    """`y` from 0 to 1 up the panel."""
    made: Array = (y - limits[0]) / (limits[1] - limits[0])
    return made


def _spot(panel: Panel, limits: tuple[float, float], number: int) -> tuple[float, float, float]:
    """Where a curve is farthest from the others, and how far."""
    at = np.linspace(0.06, 0.94, 40)
    values = np.array([np.interp(at, _across(panel, one.x), _up(one.y, limits)) for one in bold_of(panel)])
    mine = values[number]
    with np.errstate(invalid="ignore"):
        away = np.min(np.abs(np.delete(values, number, axis=0) - mine), axis=0)
    away = np.where(np.isfinite(away) & (mine > 0.0) & (mine < 1.0), np.minimum(away, 0.3), -1.0)
    best = int(np.argmax(away))
    return float(at[best]), float(mine[best]), float(away[best])


def _with_axes(rows: Sequence[str], labels: Mapping[int, str], panel: Panel, inner: int, style: Style) -> list[str]:
    bar, tick, corner, line, mark = "│┤└─┬" if style.is_utf8 else "|++-+"
    made = [f"{labels.get(n, ''):>{MARGIN - 1}}{tick if n in labels else bar}{row}" for n, row in enumerate(rows)]
    axis, words = [line] * inner, [" "] * (inner + MARGIN)
    ticks = x_ticks_of(panel, (1, 2, 5) if inner >= 60 else (1,), max(2, inner // 9))
    for value, word in [*ticks[-1:], *ticks[:-1]]:  # the last one, with the unit, finds room before all others
        column = min(int(float(_across(panel, np.array([value]))[0]) * inner), inner - 1)
        first = min(max(MARGIN + column - len(word) // 2, 0), len(words) - len(word))
        if not "".join(words[max(first - 1, 0) : first + len(word) + 1]).strip():
            axis[column] = mark
            words[first : first + len(word)] = word
    return [*made, " " * (MARGIN - 1) + corner + "".join(axis), "".join(words) + " "]
