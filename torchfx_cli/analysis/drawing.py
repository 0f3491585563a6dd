"""Panels as a picture: the response large above, everything else two abreast. Only this file draws with matplotlib.

Figures are made without pyplot, which would look for a screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from torchfx_cli.analysis.panels import Panel, Series, decades_of, panels_of, short, step_of
from torchfx_cli.analysis.picture import FAINT, GUIDE, INK
from torchfx_cli.analysis.response import ChainView

MAKER = "torchfx plot"  # stands near the beginning of each picture
COLOURS = ("#1f5fbf", "#e07b00", "#5c9a00", "#b3366b", "#7a4fbf", "#009c9c", "#a0712a", "#4d4d4d")
STAGES = ("#8fb0de", "#e9b77f", "#aecb7f", "#d79ab5", "#bda7df", "#7fcdcd", "#cfb894", "#a6a6a6")
WIDTH_IN, LARGE_IN, SMALL_IN = 9.6, 3.3, 2.3
MOST_NAMED = 16
MOST_LETTERS = 46
FEW_POINTS = 100  # of which each sample is seen


def figure_of(views: Sequence[ChainView], notes: Sequence[str] = ()) -> Any:
    """A figure of matplotlib with all panels of `views`, and `notes` at the foot."""
    from matplotlib.figure import Figure

    panels = panels_of(views)
    large = [panel for panel in panels if panel.role == "magnitude"]
    small = [panel for panel in panels if panel.role != "magnitude"]
    rows = (len(small) + 1) // 2
    height_in = LARGE_IN * len(large) + SMALL_IN * rows + 0.16 * len(notes) + 0.5
    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained", facecolor="white")
    heights = [LARGE_IN] * len(large) + [SMALL_IN] * rows
    places = figure.add_gridspec(len(heights), 2, height_ratios=heights) if heights else None
    names = [view.name for view in views]
    for n, panel in enumerate([*large, *small]):
        row, column = divmod(n - len(large), 2) if n >= len(large) else (-1, 0)
        is_wide = n < len(large) or (n == len(panels) - 1 and not column)
        place = places[row + len(large), slice(None) if is_wide else column]  # type: ignore[index]
        _draw(figure.add_subplot(place), panel, names)
    figure.suptitle(" · ".join(names), fontsize=10, color=INK, x=0.01, ha="left")
    if notes:
        figure.supxlabel("\n".join(notes), fontsize=7, color="#666666", x=0.01, ha="left")
    return figure


def _draw(axis: Any, panel: Panel, names: Sequence[str]) -> None:
    for edge, word in panel.x_marks:
        axis.axvline(edge, color=GUIDE, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
        if panel.role == "magnitude":
            axis.annotate(word, (edge, 0.0), xycoords=("data", "axes fraction"), xytext=(-3, 3), ha="right",
                          va="bottom", textcoords="offset points", fontsize=7, color="#8a8a8a")
    bold = [one for one in panel.series if not one.is_faint]
    faint = [one for one in panel.series if one.is_faint]
    several = len({one.chain for one in panel.series}) > 1
    for n, one in enumerate(faint):
        colour = COLOURS[one.chain % len(COLOURS)] if several else STAGES[n % len(STAGES)]
        axis.plot(one.x, one.y, color=colour, alpha=0.35 if several else 0.9, linewidth=1.0, zorder=2,
                  label=None if several else _cut(one.name))
    for n, one in enumerate(bold):
        colour = COLOURS[(one.chain if several and len(bold) == len({o.chain for o in bold}) else n) % len(COLOURS)]
        is_coarse = panel.role == "impulse" and _points(panel, one) < FEW_POINTS
        axis.plot(one.x, one.y, color=colour, linewidth=1.2 if is_coarse else 1.8, zorder=3 + (len(bold) - n) / 100.0,
                  marker="o" if is_coarse else None, markersize=3, solid_joinstyle="round",
                  label=_cut(_label(one, names, several, bool(faint))))
    _decorate(axis, panel)
    named = [line for line in axis.get_lines() if not line.get_label().startswith("_")]
    if panel.role in ("magnitude", "levels", "envelope") and 1 < len(named) <= MOST_NAMED:
        _legend(axis, panel, named)


def _points(panel: Panel, one: Series) -> int:
    return int(np.count_nonzero((one.x >= panel.x_limits[0]) & (one.x <= panel.x_limits[1])))


def _label(one: Series, names: Sequence[str], several: bool, has_stages: bool) -> str:
    words = [names[one.chain] if several else "all together" if has_stages else "", one.name]
    return ": ".join(word for word in words if word) or "_"


def _cut(name: str) -> str:
    return name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS - 1]}…"


def _legend(axis: Any, panel: Panel, lines: Sequence[Any]) -> None:
    """Beside the large panel, in a small one where the curves leave room."""
    beside = {"loc": "upper left", "bbox_to_anchor": (1.005, 1.02)} if panel.role == "magnitude" else {"loc": "best"}
    order = sorted(lines, key=lambda line: -line.get_linewidth())
    axis.legend(handles=order, frameon=False, fontsize=7, labelcolor=INK, handlelength=1.4, borderpad=0.2, **beside)


def _decorate(axis: Any, panel: Panel) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, MultipleLocator, NullLocator

    axis.set_title(panel.title, fontsize=9, color=INK, loc="left")
    if panel.is_log:
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(FixedLocator(decades_of(*panel.x_limits, (1, 2, 5) if panel.role == "magnitude"
                                                             else (1,))))
        axis.xaxis.set_minor_locator(FixedLocator(decades_of(*panel.x_limits, range(1, 10)))
                                     if panel.role != "magnitude" else NullLocator())
        axis.xaxis.set_minor_formatter(FuncFormatter(lambda value, place: ""))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, place: short(value)))
    low, high = panel.y_limits
    room = 0.02 * (high - low)
    axis.set_xlim(*panel.x_limits)
    axis.set_ylim(low - room, high + room)
    axis.yaxis.set_major_locator(MultipleLocator(step_of(high - low, 7 if panel.role == "magnitude" else 4)))
    axis.set_xlabel(panel.x_unit, fontsize=8, color=INK, loc="right", labelpad=1)
    axis.tick_params(which="both", colors=INK, length=3, labelsize=8)
    axis.tick_params(which="minor", length=1.5)
    axis.grid(color=FAINT, linewidth=0.6)
    if low < 0.0 < high and panel.role != "levels":
        axis.axhline(0.0, color=GUIDE, linewidth=0.8, zorder=1)
    if panel.role == "levels":
        ends = np.array(panel.x_limits)
        axis.plot(ends, ends, color=GUIDE, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1, label="_as it was")
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    axis.set_axisbelow(True)
