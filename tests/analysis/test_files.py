"""Plots of sound files: their panels hold the numbers that were put into the files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.signal
import soundfile

from torchfx_cli.__main__ import main
from torchfx_cli.analysis.files import SILENT_DB, FileView, panels_of, view
from torchfx_cli.analysis.panels import Image, Panel
from torchfx_cli.stream.reader import open_source

FS = 16_000
Array = npt.NDArray[np.float64]


def noise(seconds: float, seed: int = 1) -> Array:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (round(seconds * FS), 2))


def seen(path: Path, samples: Array, fs: int = FS) -> FileView:
    soundfile.write(path, samples, fs, subtype="FLOAT")
    with open_source(path) as source:
        return view(source, path.name)


def test_the_change_of_a_filtered_file_is_the_response_of_the_filter(tmp_path: Path) -> None:
    samples = noise(20)
    sos = scipy.signal.butter(2, 1000, "lowpass", fs=FS, output="sos")
    views = [seen(tmp_path / "a.wav", samples),
             seen(tmp_path / "b.wav", scipy.signal.sosfilt(sos, samples, axis=0))]
    panels = {panel.role: panel for panel in panels_of(views) if isinstance(panel, Panel)}
    (change,) = panels["change"].series
    _, response = scipy.signal.sosfreqz(sos, change.x, fs=FS)
    inside = (change.x > 100) & (change.x < 5000)
    assert change.y[inside] == pytest.approx(20 * np.log10(np.abs(response[inside])), abs=0.5)
    assert (change.chain, change.colour) == (1, 1), "it has the colour of the file that differs"
    assert len(panels["spectrum"].series) == len(panels["loudness"].series) == 2


def test_the_level_over_time_and_the_band_of_a_sine_are_told(tmp_path: Path) -> None:
    sine = np.sin(2 * np.pi * 1000 * np.arange(4 * FS) / FS)[:, None] * np.repeat([0.5, 0.05], 2 * FS)[:, None]
    found = seen(tmp_path / "a.wav", sine)
    assert found.hz[found.level_db.argmax()] == pytest.approx(1000.0)
    assert found.level_db.max() == pytest.approx(10 * np.log10((0.125 + 0.00125) / 2), abs=0.7), "few windows"
    panels = panels_of([found])
    (level,) = next(panel for panel in panels if isinstance(panel, Panel) and panel.role == "loudness").series
    assert np.interp([1.0, 3.0], level.x, level.y) == pytest.approx([-9.03, -29.03], abs=0.02)
    (image,) = [panel for panel in panels if isinstance(panel, Image)]
    rows = np.geomspace(*image.y_limits, len(image.values))
    assert rows[image.values[:, 20].argmax()] == pytest.approx(1000.0, rel=0.03)


def test_spectrograms_of_two_files_have_one_scale(tmp_path: Path) -> None:
    views = [seen(tmp_path / "a.wav", noise(0.5)), seen(tmp_path / "b.wav", 0.01 * noise(0.5))]
    loud, soft = (panel for panel in panels_of(views) if isinstance(panel, Image))
    assert loud.levels == soft.levels
    assert loud.levels[0] < soft.values.max() < loud.values.max() - 39.0 < loud.levels[1]
def test_a_file_without_frames_is_shown_as_silence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [str(tmp_path / "a.wav"), str(tmp_path / "b.wav")]
    view = seen(tmp_path / "a.wav", np.zeros((0, 2)))
    seen(tmp_path / "b.wav", noise(0.1))
    panels = [panel for panel in panels_of([view]) if isinstance(panel, Panel)]
    assert [(len(panel.series[0].x) > 0, float(panel.series[0].y.max())) for panel in panels] == [(True, SILENT_DB)] * 2
    for shown in (names[:1], names, names[::-1]):
        assert main(["plot", *shown]) == 0
        assert "level over time" in capsys.readouterr().out


@pytest.mark.parametrize("frames", [0, 1, 100])
def test_short_and_silent_files_have_panels(tmp_path: Path, frames: int) -> None:
    views = [seen(tmp_path / "a.wav", np.zeros((frames, 1))), seen(tmp_path / "b.wav", noise(0.1)[:frames, :1])]
    assert len(panels_of(views)) == 5


def test_files_of_other_rates_are_compared_where_both_have_bands(tmp_path: Path) -> None:
    views = [seen(tmp_path / "a.wav", noise(1)), seen(tmp_path / "b.wav", noise(1), 8000)]
    panels = [panel for panel in panels_of(views) if isinstance(panel, Panel)]
    (change,) = panels[1].series
    assert change.x[-1] < 4000
    assert panels[0].x_limits[1] > 7000


def torchfx(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["plot", *arguments])
    return code, *capsys.readouterr()


def test_the_command_draws_files_prints_numbers_and_never_writes_over_them(
        tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    soundfile.write("a.wav", noise(0.5), FS)
    soundfile.write("b.wav", 0.5 * noise(0.5), FS)
    code, out, _ = torchfx(capsys, "a.wav", "b.wav", "-e", "gain:-6")
    assert code == 0
    titles = "long-term spectrum", "change from the first in dB", "level over time"
    assert [title for title in titles if title not in out] == []
    assert "not in the response" not in out
    _, out, _ = torchfx(capsys, "a.wav", "b.wav", "-e", "gain:-6", "-e", "normalize:-1", "-e", "compressor:-20")
    ours = "gain:-6 + normalize:-1 + compressor:-20: "
    assert out.splitlines()[-2:] == [f"{ours}not in the response: compressor -20 dBFS 4:1",
                                     f"{ours}nothing to draw without a sound: normalize to -1 dBFS"]
    code, out, _ = torchfx(capsys, "a.wav", "b.wav", "--json")
    records: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
    change = np.subtract(records[1]["level_dbfs"], records[0]["level_dbfs"])
    assert change == pytest.approx(-6.02, abs=0.01)
    assert torchfx(capsys, "a.wav", "b.wav", "-o", "diff.png")[0] == 0
    assert Path("diff.png").read_bytes().startswith(b"\x89PNG")
    before = Path("b.wav").read_bytes()
    assert torchfx(capsys, "a.wav", "podcast-voice")[0] == 2
    assert torchfx(capsys, "a.wav", "-c", "podcast-voice", "-c", "telephone")[0] == 2
    code, _, told = torchfx(capsys, "a.wav", "none.wav")
    assert (code, "none.wav: does not exist" in told) == (3, True)
    assert Path("b.wav").read_bytes() == before
    soundfile.write("nan.wav", np.full(100, np.nan), FS, subtype="FLOAT")
    code, _, told = torchfx(capsys, "nan.wav")
    assert (code, told.count("nan.wav")) == (3, 1), "what is found in reading names the file once"


def test_a_chain_given_by_its_option_is_plotted_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert torchfx(capsys, "-c", "podcast-voice") == torchfx(capsys, "podcast-voice")


def test_the_legend_of_changes_names_each_once_and_the_chain_whose_response_is_due(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from torchfx_cli.analysis.drawing import figure_of

    views = [seen(tmp_path / f"{name}.wav", noise(0.5) * gain) for name, gain in (("a", 1.0), ("b", 0.5), ("c", 0.25))]
    due = "telephone", views[0].hz, np.zeros(len(views[0].hz))
    figure = figure_of(panels_of(views, due), [one.name for one in views], [])
    legends = [[text.get_text() for text in axis.get_legend().get_texts()] for axis in figure.axes if axis.get_legend()]
    assert legends == [["a.wav", "b.wav", "c.wav"], ["b.wav", "c.wav", "telephone"]]
