"""Mixes of channels, held against their formulas and the tables of ITU-R BS.775."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from test_kinds import noise, plan_of, render

from torchfx_cli.__main__ import main
from torchfx_cli.chain.parse import join
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.errors import ChainError, DesignError
from torchfx_cli.samples import Signal
from torchfx_cli.stream.reader import open_source
from torchfx_cli.stream.speakers import names

ROOT = 0.5**0.5
L, R = np.eye(2)


@pytest.mark.parametrize(("effect", "wanted"), [
    ("pan:-1", [[1.0], [0.0]]), ("pan:0", [[ROOT], [ROOT]]), ("pan:1", [[0.0], [1.0]]),
    ("pan:0.5", [[np.cos(3 * np.pi / 8)], [np.sin(3 * np.pi / 8)]]), ("stereo", [[1.0], [1.0]]),
    ("balance:0.25", [0.75 * L, R]), ("balance:-1", [L, 0 * R]), ("pan:0.25", [0.75 * L, R]),
    ("width:0", [(L + R) / 2, (L + R) / 2]), ("width:1", [L, R]), ("width:2", [1.5 * L - 0.5 * R, 1.5 * R - 0.5 * L]),
    ("swap", [R, L]), ("mid_side:encode", [(L + R) / 2, (L - R) / 2]), ("mid_side:decode", [L + R, L - R]),
    ("mix:[[0.5, 0.25], [0, -1], [1, 1]]", [[0.5, 0.25], [0.0, -1.0], [1.0, 1.0]]), ("mix:[[1, 0], [0, 1]]", [L, R]),
    ("downmix", [[1, 0, ROOT, 0, ROOT, 0], [0, 1, ROOT, 0, 0, ROOT]]), ("downmix:stereo", [L, R]),
    ("downmix:normalize=true", np.array([[1, 0, ROOT, 0, ROOT, 0], [0, 1, ROOT, 0, 0, ROOT]]) / (1 + 2 * ROOT)),
    ("downmix:normalize=true", [L, R]),
    ("downmix", [[1, 0, ROOT], [0, 1, ROOT]]), ("downmix:mono", [[0.5, 0.5, ROOT, 0, ROOT / 2, ROOT / 2]]),
    ("downmix", [[1, 0, ROOT, 0, ROOT, 0, ROOT, 0], [0, 1, ROOT, 0, 0, ROOT, 0, ROOT]]),
    ("mono", [[0.25] * 4]), ("mono", [[1.0]]), ("mono:left", [[1.0]]), ("mono:right", [[0.0, 1.0]])])
def test_each_mix_is_its_matrix(effect: str, wanted: list[list[float]]) -> None:
    matrix = np.array(wanted, float)
    x = noise(2000, matrix.shape[1])
    got = render(plan_of(effect, channels=matrix.shape[1]), x, 509)
    np.testing.assert_allclose(got, x @ matrix.T, rtol=0, atol=1e-15)


def test_a_mix_that_changes_nothing_is_no_stage() -> None:
    """So that a file of 16 bits keeps its own, undithered."""
    for effect in ("width:1", "balance:0", "stereo", "downmix", "channels:[1, 2]", "mix:[[1, 0], [0, 1]]"):
        assert plan_of(effect).stages == (), effect
    assert plan_of("mono", channels=1).stages == ()


def test_mid_and_side_come_back_as_they_were() -> None:
    x = np.round(noise(2000) * 2**15) / 2**15
    np.testing.assert_array_equal(render(plan_of("mid_side:encode", "mid_side:decode"), x), x)


@pytest.mark.parametrize(("effect", "highest_db", "clipped"), [
    ("downmix", 7.6555, True), ("downmix:normalize=true", 0.0, False), ("downmix:to=mono,normalize=true", 0.0, False)])
def test_full_scale_in_all_channels_clips_unless_downmix_is_normalised(effect: str, highest_db: float, clipped: bool
                                                                       ) -> None:
    plan = plan_of(effect, channels=6)
    assert 20 * np.log10(plan.stages[0].peak_gain) == pytest.approx(highest_db, abs=1e-3)
    assert (np.abs(render(plan, np.full((100, 6), 1.0))).max() > 1.0 + 1e-12) == clipped


def test_downmix_follows_the_mask() -> None:
    (stage,) = design_chain(join([], ["downmix"]), 48_000, 4, 0x107)  # left, right, centre, back centre
    np.testing.assert_allclose(stage.weights, [[1, 0, ROOT, 0.5], [0, 1, ROOT, 0.5]])
    assert stage.remarks == ()
    (stage,) = design_chain(join([], ["downmix"]), 48_000, 6)
    assert stage.remarks == ("downmix: no layout of the 6 channels is told; they are taken for FL FR FC LFE BL BR",)


@pytest.mark.parametrize(("effect", "channels", "words"), [
    ("swap", 1, "needs a stereo signal, this one has 1 channel here"), ("width:2", 3, "has 3 channels here"),
    ("pan:0.5", 3, "needs a stereo signal"), ("stereo", 6, "6 channels become stereo by downmix"),
    ("downmix", 12, "no layout of the 12 channels is told; use mix"),
    ("mix:[[1, 2]]", 1, "its rows have 2 factors; the signal has 1 channel here")])
def test_what_does_not_suit_a_signal_is_told(effect: str, channels: int, words: str) -> None:
    with pytest.raises(DesignError, match=words):
        plan_of(effect, channels=channels)


@pytest.mark.parametrize(("effect", "words"), [
    ("mix:[[1, 2], [1]]", "its rows are not of one length"), ("mix:[[]]", "its rows are not of one length"),
    ("mix:[]", "a list of rows of numbers"), ("mix:[1, 2]", "a list of rows of numbers"), ("pan:2", "out of range"),
    ("mid_side:both", "one of encode, decode"), ("width:-1", "out of range"), ("mix:[[loud]]", "not a number")])
def test_what_makes_no_sense_is_told(effect: str, words: str) -> None:
    with pytest.raises(ChainError, match=words):
        join([], [effect])


@pytest.mark.parametrize(("effect", "name", "wanted", "warned"), [
    ("channels:[3, 4, 1, 2]", "a.caf", "FL FR BL BR", False), ("channels:[3, 4, 1, 2]", "a.wav", "", True),
    ("channels:[1, 2, 1, 2]", "a.caf", "", False), ("parallel:[channels: [4, 2, 3, 1]]", "a.caf", "FL FR BL BR", False),
    ("channels:[4, 3, 2, 1]|channels:[2, 1, 4, 3]", "a.wav", "", True), ("channels:[1, 2, 3]", "a.wav", "", False),
    ("channels:[3, 4, 1, 2]|channels:[3, 4, 1, 2]", "a.wav", "FL FR BL BR", False),
    ("mix:[[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]", "a.wav", "FL FR BL BR", False)])
def test_a_channel_that_moves_stays_for_its_speaker_and_a_mix_for_its_own(
        tmp_path: Path, capsys: Any, effect: str, name: str, wanted: str, warned: bool) -> None:
    x = np.tile([0.125, 0.25, 0.375, 0.5], (100, 1))
    soundfile.write(tmp_path / "in.wav", x, 48_000, "PCM_16", format="WAVEX")
    effects = [word for one in effect.split("|") for word in ("-e", one)]
    assert main(["process", str(tmp_path / "in.wav"), "-o", str(tmp_path / name), *effects, "--dither", "none"]) == 0
    assert ("does not say that its channels are" in capsys.readouterr().err) == warned
    with open_source(tmp_path / name) as source:
        in_order = name == "a.caf" and wanted  # in which channels are taken out of a CAF that tells their speakers
        assert " ".join(names(source.facts.channel_map)) == wanted
        made = next(source.blocks(100))[0] / 2**15
    moved = x if in_order else render(plan_of(*effect.split("|"), channels=4), x)
    np.testing.assert_allclose(made, moved[0], atol=1e-12)


def test_swap_exchanges_what_two_speakers_play() -> None:
    (stage,) = design_chain(join([], ["swap"]), 48_000, 2, 0x3)
    assert stage.speakers((2, 3), Signal(48_000, 2, 0x3)) == (2, 3)
    assert stage.output(Signal(48_000, 2, 0x3)).mask == 0x3


def test_loudness_behind_a_mix_still_knows_the_speakers() -> None:
    stages = design_chain(join([], ["balance:0.5", "loudness:-20"]), 48_000, 2, 0x3)
    assert stages[1].remarks == ()
    sides = f"mix:{np.eye(6)[[1, 0, 2, 3, 4, 5]].tolist()}"
    surround = design_chain(join([], [sides, "loudness:-20"]), 48_000, 6, 0x3F)
    assert surround[1].remarks == ()
