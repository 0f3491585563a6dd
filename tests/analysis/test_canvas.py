"""Curves in a terminal, character by character."""

from __future__ import annotations

import numpy as np
import pytest

from torchfx_cli.analysis.canvas import Canvas, Style, drawn, page
from torchfx_cli.analysis.panels import Panel, Series, panels_of
from torchfx_cli.analysis.response import view
from torchfx_cli.chain.parse import join, parse_chain
from torchfx_cli.effects.table import KINDS

BRAILLE, ASCII = Style(), Style(is_utf8=False)
RAMP = Panel("envelope", "gain", "s", (0.0, 1.0), (0.0, 1.0),
             (Series(np.array([0.0, 1.0]), np.array([0.0, 1.0]), 0),))


@pytest.mark.parametrize(("style", "wanted"), [
    (BRAILLE, ["  ⢀⠤⠊", "⡠⠔⠁  "]), (ASCII, ["   .'", ".''  "]),
])
def test_a_line_from_corner_to_corner(style: Style, wanted: list[str]) -> None:
    canvas = Canvas(5, 2, style)
    canvas.curve(np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    assert canvas.lines() == wanted


def test_a_notch_that_is_narrower_than_a_column_is_seen() -> None:
    canvas = Canvas(4, 2, ASCII)
    canvas.curve(np.array([0.0, 0.55, 0.551, 0.552, 1.0]), np.array([1.0, 1.0, -9.0, 1.0, 1.0]))
    assert canvas.lines() == ["'':'", "  : "]


def test_where_there_is_nothing_there_is_a_gap() -> None:
    canvas = Canvas(6, 1, ASCII)
    canvas.curve(np.array([0.0, 0.3, 0.31, 0.69, 0.7, 1.0]), np.array([1.0, 1.0, np.nan, np.nan, 0.0, 0.0]))
    assert canvas.lines() == ["''  .."]


def test_a_panel_has_ticks_in_the_middle_of_rows_and_its_unit() -> None:
    assert [line.rstrip() for line in drawn(RAMP, 28, 5, ASCII)] == [
        "       gain",
        "     1+                  ..",
        "      |             ..'''",
        "   0.5+        ..'''",
        "      |   ..'''",
        "     0+''' .   .   .   .",
        "      ++---------+--------+",
        "       0        0.5     1 s",
    ]


def test_several_curves_have_letters_and_colours_and_one_has_none() -> None:
    views = [view(join([], [effect]), effect, 48_000, 1) for effect in ("gain:-6", "highpass:1 kHz")]
    plain = page(panels_of(views), ["one", "two"], BRAILLE)
    assert [line.strip() for line in plain if line.endswith(("one", "two"))] == ["a  one", "b  two"]
    assert not [line for line in plain if "\x1b" in line]
    coloured = page(panels_of(views), ["one", "two"], Style(has_colours=True))
    assert any("\x1b[36ma\x1b[0m  one" in line for line in coloured)
    assert any("\x1b[33mb\x1b[0m  two" in line for line in coloured)
    assert not [line for line in page(panels_of(views[:1]), ["one"], BRAILLE) if line.strip().startswith("a ")]


def test_a_curve_alone_is_named_where_it_is_not_from_each_channel_to_itself() -> None:
    lines = page(panels_of([view(join([], ["swap"]), "chain", 48_000, 2)]), ["chain"], BRAILLE)
    assert "2 to 1, 1 to 2" in [line.strip() for line in lines]


@pytest.mark.usefixtures("files_of_examples")
def test_the_page_of_every_sort_of_kind_fits_its_width() -> None:
    for kind in ("crossover", "multiband", "fade", "resample", "convolve"):
        found = panels_of([view(parse_chain(f"chain:\n  {KINDS[kind].example}\n"), kind, 48_000, 2)])
        for style in (Style(40), Style(80), Style(140, is_utf8=False)):
            lines = page(found, [kind], style)
            assert style.width - 10 < max(map(len, lines)) <= style.width, kind
            assert style.is_utf8 or "".join(lines).isascii()
