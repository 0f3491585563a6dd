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
MOST_LETTERS, WIDEST_LETTERS = 40, 150
DEEP_DB = 90.0  # of a spectrogram, below its highest level
FEW_POINTS = 100  # of which each sample is seen


def figure_of(panels: Sequence[Panel | Image], names: Sequence[str], notes: Sequence[str] = ()) -> Any:
    """A figure of matplotlib with all `panels`, of chains or files called `names`, and `notes` at the foot.

    Places are in inches and not left to a layout engine, which would draw everything twice to know them.
    """
    large = [panel for panel in panels if isinstance(panel, Panel) and panel.is_large]
    small = [panel for panel in panels if panel not in large]
    rows: list[list[Panel | Image]] = [[panel] for panel in large]
    rows += [small[n : n + 2] for n in range(0, len(small), 2)]
    foot_in = 0.25 + NOTE_IN * len(notes)
    heights_in = [LARGE_IN if row[0] in large else SMALL_IN for row in rows]
    height_in = sum(heights_in) + foot_in + HEAD_IN
    figure = blank(WIDTH_IN, height_in)
    top_in = height_in - HEAD_IN
    for row, row_in in zip(rows, heights_in, strict=True):
        wide_in = WIDTH_IN - LEFT_IN - (LEGEND_IN if row[0] in large and _has_legend(large[0]) else RIGHT_IN)
        each_in = (wide_in - (LEFT_IN + RIGHT_IN) * (len(row) - 1)) / len(row)
        for n, panel in enumerate(row):
            left_in = LEFT_IN + n * (each_in + LEFT_IN + RIGHT_IN)
            bottom_in, tall_in = top_in - row_in + BELOW_IN, row_in - BELOW_IN - ABOVE_IN
            axis = figure.add_axes((left_in / WIDTH_IN, bottom_in / height_in, each_in / WIDTH_IN, tall_in / height_in))
            if isinstance(panel, Image):
                _paint(axis, panel)
            else:
                _draw(axis, panel, names)
        top_in -= row_in
    figure.text(0.1 / WIDTH_IN, 1.0 - 0.1 / height_in, _cut(" · ".join(names), WIDEST_LETTERS), fontsize=10, color=INK,
                va="top")
    for n, note in enumerate(reversed(notes)):
        figure.text(0.1 / WIDTH_IN, (0.1 + NOTE_IN * n) / height_in, _cut(note, WIDEST_LETTERS), fontsize=7,
                    color="#666666")
    return figure


def _has_legend(panel: Panel) -> bool:
    named = len(panel.series) if len({one.chain for one in panel.series}) == 1 else len(bold_of(panel))
    return 1 < named <= MOST_NAMED


def _draw(axis: Any, panel: Panel, names: Sequence[str]) -> None:
    for edge, word in panel.x_marks:
        axis.axvline(edge, color=GUIDE, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
        if panel.is_large:
            axis.annotate(word, (edge, 0.0), xycoords=("data", "axes fraction"), xytext=(-3, 3), ha="right",
                          va="bottom", textcoords="offset points", fontsize=7, color="#8a8a8a")
    bold = bold_of(panel)
    faint = [one for one in panel.series if one.is_faint]
    several = len({one.chain for one in panel.series}) > 1
    for n, one in enumerate(faint):
        colour = COLOURS[one.chain % len(COLOURS)] if several else STAGES[n % len(STAGES)]
        axis.plot(one.x, one.y, color=colour, alpha=0.35 if several else 0.9, linewidth=1.0, zorder=2,
                  label=None if several and panel.role != "change" else _cut(one.name))
    for n, one in enumerate(bold):
        colour = COLOURS[(one.chain if several and len(bold) == len({o.chain for o in bold}) else n) % len(COLOURS)]
        is_coarse = panel.role == "impulse" and _points(panel, one) < FEW_POINTS
        axis.plot(one.x, one.y, color=colour, linewidth=1.2 if is_coarse else 1.8, zorder=3 + (len(bold) - n) / 100.0,
                  marker="o" if is_coarse else None, markersize=3, solid_joinstyle="round",
                  label=_cut(_label(one, names, several, bool(faint) and panel.is_large)))
    _decorate(axis, panel)
    named = [line for line in axis.get_lines() if not line.get_label().startswith("_")]
    if panel.role not in ("phase", "delay", "impulse") and _has_legend(panel):
        _legend(axis, panel, named)


def _paint(axis: Any, image: Image) -> None:
    """The axis is one of logarithms, on which rows of equal height are right."""
    low, high = (float(np.log10(hz)) for hz in image.y_limits)
    top = float(image.values.max(initial=-DEEP_DB))
    axis.imshow(np.maximum(image.values, top - DEEP_DB), origin="lower", aspect="auto", cmap="magma",
                extent=(*image.x_limits, low, high), interpolation="nearest", vmin=top - DEEP_DB, vmax=top)
    ticks = decades_of(*image.y_limits, marks=(1,))
    axis.set_yticks(np.log10(ticks), [hertz(tick) for tick in ticks], fontsize=8)
    x_ticks = x_ticks_of(image, (), 8)
    axis.set_xticks([value for value, _ in x_ticks], [word for _, word in x_ticks], fontsize=8)
    axis.tick_params(colors=INK, length=3)
    axis.text(0.0, 1.03, image.title, transform=axis.transAxes, fontsize=9, color=INK)


def _points(panel: Panel, one: Series) -> int:
    return int(np.count_nonzero((one.x >= panel.x_limits[0]) & (one.x <= panel.x_limits[1])))


def _label(one: Series, names: Sequence[str], several: bool, has_stages: bool) -> str:
    owner = names[one.chain] if several else "all together" if has_stages else ""
    words = ["" if one.name.startswith(owner) else owner, one.name]
    return ": ".join(word for word in words if word) or "_"


def _cut(name: str, letters: int = MOST_LETTERS) -> str:
    return name if len(name) <= letters else f"{name[: letters - 1]}…"


def _legend(axis: Any, panel: Panel, lines: Sequence[Any]) -> None:
    """Beside the large panel, in a small one where the curves leave room."""
    beside = {"loc": "upper left", "bbox_to_anchor": (1.005, 1.02)} if panel.is_large else {"loc": "best"}
    order = sorted(lines, key=lambda line: -line.get_linewidth())
    axis.legend(handles=order, frameon=False, fontsize=7, labelcolor=INK, handlelength=1.4, borderpad=0.2, **beside)


def _decorate(axis: Any, panel: Panel) -> None:
    if panel.is_log:
        axis.set_xscale("log")
        axis.minorticks_off()
    low, high = panel.y_limits
    room = 0.02 * (high - low)
    axis.set_xlim(*panel.x_limits)
    axis.set_ylim(low - room, high + room)
    x_ticks = x_ticks_of(panel, (1, 2, 5) if panel.is_large else (1,), 8)
    y_ticks = ticks_of(low, high, 7 if panel.is_large else 4)
    axis.set_xticks([value for value, _ in x_ticks], [word for _, word in x_ticks], fontsize=8)
    axis.set_yticks(y_ticks, [short(value) for value in y_ticks], fontsize=8)
    axis.text(0.0, 1.03, panel.title, transform=axis.transAxes, fontsize=9, color=INK)
    axis.tick_params(colors=INK, length=3)
    axis.grid(color=FAINT, linewidth=0.6)
    if low < 0.0 < high and panel.role != "levels":
        axis.axhline(0.0, color=GUIDE, linewidth=0.8, zorder=1)
    if panel.role == "levels":
        ends = np.array(panel.x_limits)
        axis.plot(ends, ends, color=GUIDE, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1, label="_as it was")
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    axis.set_axisbelow(True)
