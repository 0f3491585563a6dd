"""The plot shows what was measured: its lines are read back from the figure, its crossings from a formula."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest
from bench_fakes import linear, of

from torchfx_cli.bench import plot
from torchfx_cli.bench.records import Cell, Measurement, Results
from torchfx_cli.bench.series import Series, crossovers, panels
from torchfx_cli.errors import UsageError

COSTS = {"cuda": (2e-2, 2e-11), "native": (1e-5, 3e-9), "scipy": (1e-5, 1e-7)}
DURATIONS = (5.0, 60.0, 600.0)


def made() -> Results:
    return linear(COSTS, DURATIONS, (1, 8))


def test_a_png_and_an_svg_are_drawn_and_known_again() -> None:
    pytest.importorskip("matplotlib")
    drawn = {}
    for name in ("bench.png", "bench.svg"):
        drawn[name] = plot.drawn(made(), name)
    assert drawn["bench.png"].startswith(b"\x89PNG\r\n\x1a\n")
    assert ElementTree.fromstring(drawn["bench.svg"]).tag.endswith("svg")
    assert all(plot.is_own(picture[:4096]) for picture in drawn.values())


def test_the_figure_holds_every_measured_point_and_names_every_backend() -> None:
    pytest.importorskip("matplotlib")
    figure = plot._figure(panels(made()), "a machine")
    first = figure.axes[0]
    drawn = {tuple(zip(line.get_xdata(), line.get_ydata(), strict=True)) for line in first.lines}
    for fixed_s, sample_s in COSTS.values():
        assert tuple((d, fixed_s + sample_s * d * 44_100) for d in DURATIONS) in drawn
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert named == ["cuda", "native", "scipy", "times real time"]
    assert [axis.get_title("left") for axis in figure.axes] == ["iir · 1 channel", "iir · 8 channels"]
    assert first.get_xscale() == first.get_yscale() == "log"


def test_the_crossing_is_marked_with_the_length_from_which_another_wins() -> None:
    pytest.importorskip("matplotlib")
    figure = plot._figure(panels(made()), "")
    words = [text.get_text() for text in figure.axes[0].texts]
    assert any(word.startswith("cuda from\n") for word in words), words


def line(backend: str, *points: tuple[float, float]) -> Series:
    return Series(backend, tuple((duration_s, Measurement("ok", (seconds,))) for duration_s, seconds in points))


@pytest.mark.parametrize(("lines", "found"), [
    ([line("native", (1, 1e-2), (100, 1.0)), line("cuda", (1, 0.1), (100, 0.1))], [(10.0, 0.1, "cuda")]),
    ([line("native", (1, 1.0), (100, 100.0)), line("scipy", (1, 2.0), (100, 200.0))], []),
    # One that was not measured everywhere crosses only where it was.
    ([line("native", (1, 1.0), (10, 10.0), (100, 100.0)), line("cuda", (10, 20.0), (100, 20.0))],
     [(20.0, 20.0, "cuda")]),
])
def test_lines_cross_where_two_power_laws_do(lines: list[Series], found: list[tuple[float, float, str]]) -> None:
    assert [(one.duration_s, one.seconds, one.faster) for one in crossovers(lines)] == [
        (pytest.approx(duration_s), pytest.approx(seconds), faster) for duration_s, seconds, faster in found]


def test_a_wrong_result_is_not_drawn() -> None:
    made_wrong = of(*made().rows, (Cell("iir", "cpu", 5.0, 1), Measurement("wrong", (1e-9,), "SNR 3 dB")))
    assert {line.backend for line in panels(made_wrong)["iir", 1]} == set(COSTS)


def test_parts_of_a_run_are_lines_of_their_own_and_not_compared() -> None:
    rows = [(Cell("io", "native", duration, 1, label=label), Measurement("ok", (seconds,)))
            for label, times in (("read", (1.0, 3.0)), ("write", (2.0, 2.0)))
            for duration, seconds in zip((1.0, 10.0), times, strict=True)]
    lines = panels(of(*rows))["io", 1]
    assert [line.name for line in lines] == ["native read", "native write"]
    assert crossovers(lines) == []


def test_panels_of_different_lengths_hold_all_of_their_points() -> None:
    pytest.importorskip("matplotlib")
    long, short = linear(COSTS, (60.0, 600.0), (1,)), linear(COSTS, (0.5, 5.0), (8,))
    figure = plot._figure(panels(of(*long.rows, *short.rows)), "")
    for axis, durations_s in zip(figure.axes, ((60.0, 600.0), (0.5, 5.0)), strict=True):
        low, high = axis.get_xlim()
        assert low < durations_s[0]
        assert durations_s[-1] < high
        assert list(axis.get_xticks()) == list(durations_s)
        lowest, highest = axis.get_ylim()
        for line in axis.lines[: len(COSTS)]:
            assert all(lowest < seconds < highest for seconds in line.get_ydata())


def test_one_single_cell_is_a_point_inside_its_panel() -> None:
    pytest.importorskip("matplotlib")
    (axis,) = (axis for axis in plot._figure(panels(linear({"native": (0.0, 3e-9)}, (60.0,))), "").axes
               if axis.get_visible())
    (low_x, high_x), (low_y, high_y) = axis.get_xlim(), axis.get_ylim()
    assert low_x < 60.0 < high_x
    assert low_y < 60.0 * 44_100 * 3e-9 < high_y


@pytest.mark.parametrize(("name", "words"), [
    ("bench.jpg", "has to end in .png or .svg"),
    ("bench", "has to end in .png or .svg"),
])
def test_a_kind_of_picture_that_cannot_be_drawn_is_a_usage_error(name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        plot.check(name)


def test_nothing_to_draw_is_said() -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(UsageError, match="nothing was measured"):
        plot.drawn(of(), "empty.png")


def test_a_missing_matplotlib_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchfx_cli.analysis.picture.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pip install matplotlib") as told:
        plot.check("bench.png")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("seconds", "word"), [(5.0, "5 s"), (60.0, "1 min"), (144.0, "2.4 min"), (3600.0, "60 min"),
                                               (7200.0, "2 h"), (0.25, "0.25 s")])
def test_lengths_are_told_in_words(seconds: float, word: str) -> None:
    assert plot._duration(seconds) == word
