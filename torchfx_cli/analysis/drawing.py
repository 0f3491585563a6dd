"""Panels as a picture: the response large above, everything else two abreast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from torchfx_cli.analysis.panels import Image, Panel, Series, bold_of, decades_of, short, ticks_of, x_ticks_of
from torchfx_cli.analysis.picture import FAINT, GUIDE, INK, blank
from torchfx_cli.samples import hertz

MAKER = "torchfx plot"  # stands near the beginning of each picture
COLOURS = ("#1f5fbf", "#e07b00", "#5c9a00", "#b3366b", "#7a4fbf", "#009c9c", "#a0712a", "#4d4d4d")
STAGES = ("#8fb0de", "#e9b77f", "#aecb7f", "#d79ab5", "#bda7df", "#7fcdcd", "#cfb894", "#a6a6a6")
WIDTH_IN, LARGE_IN, SMALL_IN = 9.6, 3.4, 2.3
LEFT_IN, RIGHT_IN, ABOVE_IN, BELOW_IN = 0.55, 0.25, 0.3, 0.35  # around the axes of a panel
LEGEND_IN, HEAD_IN, NOTE_IN = 2.3, 0.3, 0.15
MOST_NAMED = 16
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)))
BESIDE_LETTERS, INSIDE_LETTERS, TITLE_LETTERS, WIDEST_LETTERS = 32, 46, 60, 150
SCALE_IN, SCALE_ROOM_IN = 0.08, 0.55  # the scale of colours, and all that it takes beside an image
TICK_LENGTH, TICK_PAD = 3.0, 3.5  # points: the second from a mark to its word
FEW_POINTS = 100  # of which each sample is seen


def figure_of(panels: Sequence[Panel | Image], names: Sequence[str], notes: Sequence[str] = ()) -> Any:
    """A figure of matplotlib with all `panels`, of chains or files called `names`, and `notes` at the foot.

    Places are in inches and not left to a layout engine, which would draw everything twice to know them.
    """
    rows = _rows(panels)
    foot_in = 0.25 + NOTE_IN * len(notes)
    heights_in = [LARGE_IN if _is_tall(row) else SMALL_IN for row in rows]
    height_in = sum(heights_in) + foot_in + HEAD_IN
    figure = blank(WIDTH_IN, height_in)
    top_in = height_in - HEAD_IN
    for row, row_in in zip(rows, heights_in, strict=True):
        tall_in = row_in - BELOW_IN - ABOVE_IN
        wide_in = WIDTH_IN - LEFT_IN - (LEGEND_IN if _has_legend_beside(row) else RIGHT_IN)
        each_in = (wide_in - (LEFT_IN + RIGHT_IN) * (len(row) - 1)) / len(row)
        for n, panel in enumerate(row):
            left_in, bottom_in = LEFT_IN + n * (each_in + LEFT_IN + RIGHT_IN), top_in - row_in + BELOW_IN
            place_in = left_in, bottom_in, tall_in if _is_square(row) else each_in, tall_in
            if isinstance(panel, Image):
                _paint(figure, panel, (left_in, bottom_in, each_in - SCALE_ROOM_IN, tall_in))
            else:
                _draw(_axis(figure, place_in), panel, names, is_beside=_has_legend_beside(row))
        top_in -= row_in
    figure.text(0.1 / WIDTH_IN, 1.0 - 0.1 / height_in, _cut(" · ".join(names), WIDEST_LETTERS), fontsize=10, color=INK,
                va="top")
    for n, note in enumerate(reversed(notes)):
        figure.text(0.1 / WIDTH_IN, (0.1 + NOTE_IN * n) / height_in, _cut(note, WIDEST_LETTERS), fontsize=7,
                    color="#666666")
    return figure


def _rows(panels: Sequence[Panel | Image]) -> list[list[Panel | Image]]:
    large = [panel for panel in panels if isinstance(panel, Panel) and panel.is_large]
    small = [panel for panel in panels if panel not in large]
    rows: list[list[Panel | Image]] = [[panel] for panel in large]
    return rows + [small[n : n + 2] for n in range(0, len(small), 2)]


def _is_square(row: Sequence[Panel | Image]) -> bool:
    """Levels over levels: a decibel is as long on both axes, where nothing else is in the row."""
    return len(row) == 1 and isinstance(row[0], Panel) and row[0].role == "levels"


def _is_tall(row: Sequence[Panel | Image]) -> bool:
    return isinstance(row[0], Panel) and (row[0].is_large or _is_square(row))


def _has_legend_beside(row: Sequence[Panel | Image]) -> bool:
    return isinstance(row[0], Panel) and _is_tall(row) and _has_legend(row[0])


def _has_legend(panel: Panel) -> bool:
    """Where curves have to be told apart, or one has a name of its own. Phase and so on go by that of the response."""
    if panel.role in ("phase", "delay", "impulse", "loudness"):
        return False
    bold = bold_of(panel)
    named = len(panel.series) if len({one.chain for one in panel.series}) == 1 else len(bold)
    has_name = panel.role == "magnitude" and any(one.name for one in bold)
    return (named > 1 or has_name) and named <= MOST_NAMED


def _axis(figure: Any, place_in: tuple[float, float, float, float]) -> Any:
    """An axis from the left, from below, and so wide and high."""
    left, bottom, wide, tall = place_in
    width_in, height_in = figure.get_size_inches()
    return figure.add_axes((left / width_in, bottom / height_in, wide / width_in, tall / height_in))


def _draw(axis: Any, panel: Panel, names: Sequence[str], *, is_beside: bool) -> None:
    for edge, word in panel.x_marks:
        axis.axvline(edge, color=GUIDE, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
        if panel.is_large:
            axis.annotate(word, (edge, 0.0), xycoords=("data", "axes fraction"), xytext=(-3, 3), ha="right",
                          va="bottom", textcoords="offset points", fontsize=7, color="#8a8a8a")
    bold = bold_of(panel)
    faint = [one for one in panel.series if one.is_faint]
    is_compared, letters = len(names) > 1, BESIDE_LETTERS if is_beside else INSIDE_LETTERS
    for one in faint:
        if panel.role == "change":  # held against it, not a part of it
            look: dict[str, Any] = {"color": INK, "linestyle": DASHES[1], "label": _cut(one.name, letters), "zorder": 5}
        elif is_compared:
            look = {"color": COLOURS[one.colour % len(COLOURS)], "alpha": 0.35, "zorder": 2}
        else:
            look = {"color": STAGES[one.colour % len(STAGES)], "alpha": 0.9, "zorder": 2,
                    "label": _cut(one.name, letters)}
        axis.plot(one.x, one.y, linewidth=1.0, **look)
    for n, one in enumerate(bold):
        is_coarse = panel.role == "impulse" and _points(panel, one) < FEW_POINTS
        axis.plot(one.x, one.y, color=COLOURS[one.colour % len(COLOURS)], linewidth=1.2 if is_coarse else 1.8,
                  linestyle=DASHES[one.dash % len(DASHES)], zorder=3 + (len(bold) - n) / 100.0,
                  marker="o" if is_coarse else None, markersize=3, solid_joinstyle="round",
                  label=_cut(_label(one, names, is_compared, bool(faint) and panel.is_large), letters))
    _decorate(axis, panel)
    if _has_legend(panel):
        _legend(axis, [line for line in axis.get_lines() if not line.get_label().startswith("_")], is_beside=is_beside)


def _paint(figure: Any, image: Image, place_in: tuple[float, float, float, float]) -> None:
    """The axis is one of logarithms, on which rows of equal height are right. The scale of colours stands beside."""
    axis = _axis(figure, place_in)
    low, high = (float(np.log10(hz)) for hz in image.y_limits)
    floor_db, top_db = image.levels
    shown = axis.imshow(np.maximum(image.values, floor_db), origin="lower", aspect="auto", cmap="magma",
                        extent=(*image.x_limits, low, high), interpolation="nearest", vmin=floor_db, vmax=top_db)
    left, bottom, wide, tall = place_in
    scale = figure.colorbar(shown, cax=_axis(figure, (left + wide + 0.08, bottom, SCALE_IN, tall)))
    levels = ticks_of(floor_db, top_db, 3)
    scale.set_ticks(levels, labels=[*map(short, levels[:-1]), f"{short(levels[-1])} dB"])
    scale.ax.tick_params(colors=INK, length=2, labelsize=7)
    scale.outline.set_visible(False)
    ticks = decades_of(*image.y_limits, marks=(1,))
    _scales(axis, x_ticks_of(image, (), 8), [(float(np.log10(tick)), hertz(tick)) for tick in ticks])
    axis.text(0.0, 1.03, _cut(image.title, TITLE_LETTERS), transform=axis.transAxes, fontsize=9, color=INK)


def _points(panel: Panel, one: Series) -> int:
    return int(np.count_nonzero((one.x >= panel.x_limits[0]) & (one.x <= panel.x_limits[1])))


def _label(one: Series, names: Sequence[str], is_compared: bool, has_stages: bool) -> str:
    owner = names[one.chain] if is_compared else "all together" if has_stages else ""
    words = ["" if one.name.startswith(owner) else owner, one.name]
    return ": ".join(word for word in words if word) or "_"


def _cut(name: str, letters: int) -> str:
    """Without its middle where it is longer: a path tells most at its ends, a stage has its tone behind."""
    before, behind = letters // 2, letters - letters // 2 - 1
    return name if len(name) <= letters else f"{name[:before]}…{name[-behind:]}"


def _legend(axis: Any, lines: Sequence[Any], *, is_beside: bool) -> None:
    """Beside a panel of a row of its own, else where the curves leave room."""
    beside = {"loc": "upper left", "bbox_to_anchor": (1.005, 1.02)} if is_beside else {"loc": "best"}
    order = sorted(lines, key=lambda line: -line.get_linewidth())
    axis.legend(handles=order, frameon=False, fontsize=7, labelcolor=INK, handlelength=1.4, borderpad=0.2, **beside)


def _decorate(axis: Any, panel: Panel) -> None:
    if panel.is_log:
        axis.set_xscale("log")
    low, high = panel.y_limits
    room = 0.02 * (high - low)
    axis.set_xlim(*panel.x_limits)
    axis.set_ylim(low - room, high + room)
    y_ticks = ticks_of(low, high, 7 if panel.is_large else 4)
    _scales(axis, x_ticks_of(panel, (1, 2, 5) if panel.is_large else (1,), 8),
            [(value, short(value)) for value in y_ticks], has_grid=True)
    axis.text(0.0, 1.03, _cut(panel.title, TITLE_LETTERS), transform=axis.transAxes, fontsize=9, color=INK)
    if low < 0.0 < high and panel.role != "levels":
        axis.axhline(0.0, color=GUIDE, linewidth=0.8, zorder=1)
    if panel.role == "levels":
        ends = np.array(panel.x_limits)
        axis.plot(ends, ends, color=GUIDE, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1, label="_as it was")
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def _scales(axis: Any, x_ticks: Sequence[tuple[float, str]], y_ticks: Sequence[tuple[float, str]], *,
            has_grid: bool = False) -> None:
    """The ticks of both axes with their words: all marks of an axis are one line, and so are those of the grid.

    matplotlib's own ticks, of five objects each, would take as long as all of the rest. These belong to the figure,
    and lie below the axes, whose legend looks for room among its own.
    """
    from matplotlib.lines import Line2D
    from matplotlib.markers import TICKDOWN, TICKLEFT

    figure, pad = axis.figure, TICK_LENGTH + TICK_PAD
    axis.patch.set_visible(False)
    sides: tuple[Any, ...] = (
        (axis.xaxis, x_ticks, axis.get_xaxis_transform(), axis.get_xaxis_text1_transform(pad), TICKDOWN),
        (axis.yaxis, y_ticks, axis.get_yaxis_transform(), axis.get_yaxis_text1_transform(pad), TICKLEFT))
    for own, ticks, across, (place, above, beside), mark in sides:
        own.set_visible(False)
        turn = 1 if own is axis.xaxis else -1
        at = np.array([value for value, _ in ticks])
        if has_grid:
            lines = np.repeat(at, 3), np.tile((0.0, 1.0, np.nan), len(at))
            figure.add_artist(Line2D(*lines[::turn], transform=across, color=FAINT, linewidth=0.6, zorder=-2))
        figure.add_artist(Line2D(*(at, np.zeros(len(at)))[::turn], transform=across, color=INK, linestyle="none",
                                 marker=mark, markersize=TICK_LENGTH, markeredgewidth=0.8, zorder=-1))
        for value, word in ticks:
            figure.text(*(value, 0.0)[::turn], word, transform=place, va=above, ha=beside, fontsize=8, color=INK)
