"""Pictures: what is in them, that they can be known again, and that nothing flattens or clutters them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from torchfx_cli.analysis import measure
from torchfx_cli.analysis.panels import Panel, notes_of, panels_of, short, ticks_of
from torchfx_cli.analysis.response import view
from torchfx_cli.chain.parse import join, load_chain
from torchfx_cli.chain.presets import find


def panels(*effects: str, channels: int = 1) -> dict[str, Panel]:
    return {panel.role: panel for panel in panels_of([view(join([], effects), "chain", 48_000, channels)])}


def test_a_notch_does_not_flatten_everything_and_is_seen() -> None:
    found = panels("notch: {frequency: 1 kHz, q: 30}", "peaking: {frequency: 100 Hz, gain: 6}")
    low, high = found["magnitude"].y_limits
    assert -40 <= low <= -20
    assert 6 <= high <= 12


@pytest.mark.parametrize(("effects", "low", "high"), [
    (["gain:0"], -6, 6), (["gain:-20"], -26, -14), (["highpass: {cutoff: 5 kHz, order: 12}"], -72, 0),
    (["resample:16 kHz"], -240, 0), (["peaking: {frequency: 1 kHz, gain: 3}"], -6, 9),
])
def test_axes_go_as_far_as_is_worth_a_look(effects: list[str], low: float, high: float) -> None:
    found = panels(*effects)["magnitude"].y_limits
    assert low <= found[0] < found[1] <= high


def test_stages_stand_faint_behind_the_sum_and_alone_there_is_no_such() -> None:
    assert [one.name for one in panels("highpass:80", "gain:-3")["magnitude"].series if one.is_faint] == [
        "highpass 80 Hz butterworth order 2", "gain -3 dB"]
    assert not [one for one in panels("highpass:80")["magnitude"].series if one.is_faint]


def test_a_chain_without_a_response_shows_only_what_it_has() -> None:
    assert list(panels("compressor:-20", "fade:out=1")) == ["levels", "envelope"]
    assert list(panels("normalize:-1")) == []
    assert list(panels("highpass:80", "compressor:-20")) == ["magnitude", "phase", "delay", "impulse", "levels"]


def test_the_axis_goes_below_the_lobes_of_a_stop_band() -> None:
    low, _ = panels("fir: {lowpass: 8 kHz, taps: 201, window: blackman}")["magnitude"].y_limits
    assert -110 <= low <= -90, "the highest lobe of a Blackman window is at -75 dB"
    low, _ = panels("lowpass: {cutoff: 1 kHz, order: 6, family: elliptic, attenuation: 80 dB}")["magnitude"].y_limits
    assert -110 <= low <= -95


def test_one_sample_is_drawn_one_sample_wide() -> None:
    (impulse,) = panels("gain:-6")["impulse"].series
    at = np.flatnonzero(impulse.y)
    assert len(at) == 1
    assert np.diff(impulse.x[at[0] - 1 : at[0] + 2]) == pytest.approx(1000 / 48_000)
    longer = {panel.role: panel for panel in panels_of(
        [view(join([], [effect]), effect, 48_000, 1) for effect in ("gain:0", "highpass:80")])}["impulse"]
    assert all(one.x[0] < longer.x_limits[0] and longer.x_limits[1] < one.x[-1] for one in longer.series)


def test_a_compared_chain_has_its_colour_in_every_panel() -> None:
    views = [view(join([], effects), effects[0], 48_000, 1)
             for effects in (["highpass:80", "gain:-1"], ["gain:-3", "compressor:-20", "limiter:-1", "fade:out=1"])]
    found = {panel.role: panel for panel in panels_of(views)}
    assert {(one.chain, one.colour) for panel in found.values() for one in panel.series} == {(0, 0), (1, 1)}
    assert [(one.colour, one.dash) for one in found["levels"].series] == [(1, 0), (1, 1)]
    assert found["envelope"].title.startswith("gain:-3, gain: fade")
    assert [one.colour for one in panels("compressor:-20", "limiter:-1")["levels"].series] == [0, 1]


def test_the_comb_of_an_echo_is_drawn_and_no_slower_ripple_in_its_place() -> None:
    (comb,) = panels("delay: {time: 100 ms, mix: 0.5}")["magnitude"].series
    for low in np.geomspace(200, 22_000, 50):
        near = comb.y[(comb.x > low) & (comb.x < 1.06 * low)]
        assert np.ptp(near) > 7.0, f"from {low:.0f} Hz on as elsewhere, where it goes from -18.8 dB to 1.7"


def test_phase_and_delay_stop_where_nothing_is_heard_any_more() -> None:
    delay = panels("lowpass: {cutoff: 1 kHz, order: 8}")["delay"].series[0]
    assert np.isnan(delay.y[delay.x > 8000]).all()
    assert np.isfinite(delay.y[delay.x < 2000]).all()


def test_notes_name_what_is_left_out() -> None:
    found = view(join([], ["mono", "compressor:-20", "resample:16 kHz", "normalize:-1"]), "", 48_000, 2)
    assert list(notes_of(found)) == [
        "not in the response: compressor -20 dBFS 4:1", "nothing to draw without a sound: normalize to -1 dBFS",
        "48 kHz to 16 kHz: what is above 8 kHz folds down"]


def test_a_note_tells_of_what_rings_for_longer_than_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = join([], ["delay:1"])
    assert list(notes_of(view(chain, "", 8000, 1))) == []
    monkeypatch.setattr(measure, "MAX_SAMPLES", 4000)
    (note,) = notes_of(view(chain, "", 8000, 1))
    assert note.startswith("rings for longer than the 0.5 s that are drawn: delay 1000 ms")


def test_ticks_are_round_and_short() -> None:
    assert ticks_of(-72.0, 12.0, 7) == [-72, -60, -48, -36, -24, -12, 0, 12]
    assert [short(value) for value in (0.0, -1e-15, 0.25, 12_500.0)] == ["0", "0", "0.25", "12.5k"]


def test_words_of_ticks_stand_below_and_beside_the_values_that_they_name() -> None:
    pytest.importorskip("matplotlib")
    from torchfx_cli.analysis.drawing import figure_of
    from torchfx_cli.analysis.picture import encoded

    figure = figure_of(panels_of([view(load_chain(find("three-band-eq")), "eq", 48_000, 1)]), ["eq"])
    made = encoded(figure, "x.png", "a maker", dpi=40)
    assert (made[25], b"Software\0a maker" in made) == (2, True)  # 2: colours without transparency
    axis = figure.axes[0]
    left, bottom = axis.transAxes.transform((0.0, 0.0))
    for word, value, side in (("1k", 1000.0, 0), ("20", 20.0, 0), ("-6", -6.0, 1), ("0", 0.0, 1)):
        text = next(one for one in figure.texts if one.get_text() == word)
        place = text.get_transform().transform(text.get_position())
        wanted = axis.transData.transform((value, 0.0) if side == 0 else (100.0, value))
        assert place[side] == pytest.approx(wanted[side]), word
        assert place[1 - side] == pytest.approx((bottom, left)[side] - 6.5 * 40 / 72), word  # 6.5 points away


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_a_picture_is_made_the_same_again_and_known_again(kind: str) -> None:
    pytest.importorskip("matplotlib")
    from torchfx_cli.analysis.drawing import MAKER, figure_of
    from torchfx_cli.analysis.picture import encoded, is_of

    names = {"png": ["podcast"], "svg": ["three-band-eq", "mastering-eq"], "pdf": ["trim-ends"]}[kind]
    views = [view(load_chain(find(name)), name, 48_000, 2) for name in names]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = [encoded(figure_of(panels_of(views), names, ["a note"]), f"x.{kind}", MAKER, dpi=40) for _ in range(2)]
    assert made[0] == made[1]
    assert is_of(MAKER, made[0][: 1 << 16])
    assert not is_of("torchfx bench", made[0])
    assert not is_of(MAKER, b"a text on torchfx plot")
