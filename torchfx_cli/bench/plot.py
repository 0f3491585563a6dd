"""Time against duration as a picture: a panel for each suite and channel count, a line for each backend, log-log.

On these axes a cost per sample is a line of slope one and a fixed cost a flat one, so that where a GPU begins to pay is
where two lines cross; the crossing is marked. Grey diagonals say how many times faster than real time a point is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from torchfx_cli.analysis import picture
from torchfx_cli.analysis.picture import FAINT, GUIDE, INK
from torchfx_cli.bench.records import Results
from torchfx_cli.bench.series import Crossover, Series, crossovers, panels
from torchfx_cli.errors import UsageError, printable

SUFFIXES = (".png", ".svg")
MAKER = "torchfx bench"  # stands near the beginning of each picture
COLOURS = {"cuda": "#5c9a00", "native": "#1f5fbf", "cpu": "#e07b00", "scipy": "#8a8a8a", "scipy-sos": "#4d4d4d"}
OTHER_COLOURS = ("#b3366b", "#7a4fbf", "#009c9c", "#a0712a", "#d1495b")
MARKERS = {"cuda": "D", "native": "o", "cpu": "s", "scipy": "^", "scipy-sos": "v"}
REALTIMES = (1, 10, 100, 1_000, 10_000, 100_000)
PANEL_IN = (3.3, 3.2)  # inches
MOST_COLUMNS = 5
LEAST_GAP = 0.14  # of a panel's width, between the names of two durations


def check(name: str) -> None:
    """Raise UsageError where `drawn` could not draw a picture of that name: matplotlib, the suffix."""
    picture.check("--plot", name, SUFFIXES)


def drawn(results: Results, name: str) -> bytes:
    """`results` as a picture of the kind that `name` ends in, .png or .svg. Raises UsageError, see `check`."""
    check(name)
    places = panels(results)
    if not places:
        raise UsageError(f"--plot {printable(name)}: nothing was measured, so there is nothing to draw")
    headline = " · ".join(word for word in (results.environment.cpu, results.environment.gpu) if word)
    return picture.encoded(_figure(places, headline), name, MAKER, dpi=200)


def is_own(head: bytes) -> bool:
    """Whether a file that begins like this was made by `drawn`."""
    return picture.is_of(MAKER, head)


def _figure(places: dict[tuple[str, int], list[Series]], headline: str) -> Any:
    """A row of panels for each suite. Figures are made without pyplot, which would look for a screen."""
    from matplotlib.figure import Figure

    suites = list(dict.fromkeys(suite for suite, _ in places))
    counts_of = {suite: [count for one, count in places if one == suite] for suite in suites}
    columns = min(MOST_COLUMNS, max(map(len, counts_of.values())))
    rows = [(suite, counts[start : start + columns]) for suite, counts in counts_of.items()
            for start in range(0, len(counts), columns)]
    figure = Figure(figsize=(PANEL_IN[0] * max(columns, 2) + 0.6, PANEL_IN[1] * len(rows) + 1.3),
                    layout="constrained", facecolor="white")
    axes = figure.subplots(len(rows), columns, squeeze=False, sharey="row")  # each has lengths of its own
    names = list(dict.fromkeys(line.name for lines in places.values() for line in lines))
    for row, (suite, counts) in enumerate(rows):
        for column, axis in enumerate(axes[row]):
            if column < len(counts):
                _panel(axis, places[suite, counts[column]], names)
                title = f"{suite} · {counts[column]} channel{'s' * (counts[column] > 1)}"
                axis.set_title(title, fontsize=10, color=INK, loc="left")
            else:
                axis.set_visible(False)
        axes[row][0].set_ylim(*_decades(line for count in counts for line in places[suite, count]))
        axes[row][0].set_ylabel("time to compute", color=INK, fontsize=9)
        axes[row][0].set_xlabel("length of the audio", color=INK, fontsize=9, loc="left")
        for axis in axes[row][: len(counts)]:
            _realtime_guides(axis, labelled=axis is axes[row][len(counts) - 1])
    _legend(figure, names, headline)
    return figure


def _panel(axis: Any, lines: Sequence[Series], names: list[str]) -> None:
    axis.set_xscale("log")
    axis.set_yscale("log")
    for line in lines:
        colour, marker = _colour(line.name, names), MARKERS.get(line.backend, "o")
        axis.plot(line.durations_s, line.medians_s, color=colour, marker=marker, markersize=4.5, linewidth=1.8,
                  solid_capstyle="round", zorder=3)
        lows_s, highs_s = zip(*((min(one.times_s), max(one.times_s)) for _, one in line.points), strict=True)
        axis.fill_between(line.durations_s, lows_s, highs_s, color=colour, alpha=0.15, linewidth=0)
    _decorate(axis, lines)
    for crossing in crossovers(lines):
        _mark(axis, crossing)


def _mark(axis: Any, crossing: Crossover) -> None:
    """A ring and a word, below and to the right: above and to the left lie the lines of both."""
    from matplotlib.patheffects import withStroke

    axis.plot(crossing.duration_s, crossing.seconds, marker="o", markersize=11, markerfacecolor="none",
              markeredgecolor=INK, markeredgewidth=1.2, zorder=4)
    axis.annotate(f"{crossing.faster} from\n{_duration(crossing.duration_s)} on",
                  (crossing.duration_s, crossing.seconds), xytext=(4, -8), textcoords="offset points", va="top",
                  fontsize=8, color=INK, zorder=5, path_effects=[withStroke(linewidth=3, foreground="white")])


def _decorate(axis: Any, lines: Sequence[Series]) -> None:
    from matplotlib.ticker import EngFormatter

    durations = sorted({duration for line in lines for duration in line.durations_s})
    axis.set_xlim(durations[0] / 1.3, durations[-1] * 1.3)
    shown = _apart(durations)
    axis.set_xticks(shown, [_duration(duration) for duration in shown], fontsize=8)
    axis.set_xticks([], minor=True)
    axis.set_yticks([], minor=True)
    axis.yaxis.set_major_formatter(EngFormatter("s"))
    axis.tick_params(colors=INK, length=3, labelsize=8)
    axis.grid(axis="y", color=FAINT, linewidth=0.6)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    axis.set_axisbelow(True)


def _decades(lines: Iterable[Series]) -> tuple[float, float]:
    """Whole powers of ten around all times of `lines`."""
    times = [time for line in lines for _, measurement in line.points for time in measurement.times_s]
    low, high = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))
    return 10.0**low, 10.0 ** max(high, low + 1)


def _apart(durations: Sequence[float]) -> list[float]:
    """Those of `durations`, from the longest down, whose names do not run into one another."""
    room = max(1.25, (durations[-1] / durations[0]) ** LEAST_GAP)
    shown = [durations[-1]]
    for duration in reversed(durations):
        if shown[-1] / duration >= room:
            shown.append(duration)
    return shown[::-1]


def _realtime_guides(axis: Any, labelled: bool) -> None:
    """Diagonals of equal speed over the whole panel, their names on its right edge."""
    low_x, high_x = axis.get_xlim()
    low_y, high_y = axis.get_ylim()
    for factor in REALTIMES:
        axis.plot([low_x, high_x], [low_x / factor, high_x / factor], color=GUIDE, linewidth=0.8, linestyle=(0, (4, 3)),
                  zorder=1)
        if labelled and low_y < high_x / factor < high_y:
            axis.annotate(f"{factor:,}×".replace(",", "\u202f"), (high_x, high_x / factor), xytext=(3, 0),
                          textcoords="offset points", ha="left", va="center", fontsize=7, color="#8a8a8a",
                          annotation_clip=False)
    axis.set_xlim(low_x, high_x)
    axis.set_ylim(low_y, high_y)


def _legend(figure: Any, names: list[str], headline: str) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=_colour(name, names), marker=MARKERS.get(name, "o"), linewidth=1.8, markersize=5,
                      label=name) for name in names]
    handles.append(Line2D([], [], color=GUIDE, linewidth=0.8, linestyle=(0, (4, 3)), label="times real time"))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 8), frameon=False, fontsize=9)
    figure.suptitle(headline, fontsize=9, color="#666666", x=0.01, ha="left")


def _colour(name: str, names: list[str]) -> str:
    others = [other for other in names if other not in COLOURS]
    return COLOURS[name] if name in COLOURS else OTHER_COLOURS[others.index(name) % len(OTHER_COLOURS)]


def _duration(seconds: float) -> str:
    """`5 s`, `1 min`, `2.4 min`, `2 h`, to two digits."""
    if seconds < 59.5:
        return f"{seconds:.2g} s"
    return f"{seconds / 60.0:.2g} min" if seconds < 99.5 * 60.0 else f"{seconds / 3600.0:.2g} h"
