"""Other programs get the same filters, with all their digits, or say that they have no words for them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from bench_fakes import chain

from torchfx_cli.bench.other_tools import TOOLS, Work
from torchfx_cli.bench.suites import written
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.design.stages import Sections
from torchfx_cli.exchange.words import CannotSayError, FfmpegWords, SoxWords

FS = 44_100
EVERYTHING = ("gain:-3", "peaking:frequency=1000,gain=3", "low_shelf:frequency=200,gain=-3")


def work(folder: Path, *effects: str, subtype: str = "FLOAT") -> Work:
    stages = design_chain(chain(*effects), FS)
    return Work(*written(effects), stages, folder / "in.wav", folder / "out.wav", subtype)


def test_sections_cross_to_sox_and_ffmpeg_with_all_their_digits(tmp_path: Path) -> None:
    (stage,) = design_chain(chain("highpass:80"), FS)
    assert isinstance(stage, Sections)
    assert [float(word) for word in stage.build(SoxWords())[1:]] == stage.sos[0].tolist()
    (words,) = stage.build(FfmpegWords())
    options = dict(pair.split("=") for pair in words.removeprefix("biquad=").split(":"))
    assert [float(options[name]) for name in ("b0", "b1", "b2", "a0", "a1", "a2")] == stage.sos[0].tolist()
    assert options["r"] == "f64"


def test_taps_cross_as_one_impulse_response_whose_delay_sox_takes_out(tmp_path: Path) -> None:
    asked = work(tmp_path, "fir:lowpass=8000,taps=101", "fir:lowpass=9000,taps=102")
    command = TOOLS["sox"].command(asked)
    taps = np.loadtxt(command[command.index("fir") + 1])
    np.testing.assert_array_equal(taps, np.convolve(*(stage.taps for stage in asked.stages)))  # type: ignore[attr-defined]
    assert TOOLS["sox"].delay_frames(asked.stages) == (101 + 102 - 2) // 2
    assert TOOLS["torchfx process"].delay_frames(asked.stages) == 0, "it keeps what --align does not take out"
    TOOLS["scipy script"].command(asked)
    assert json.loads((tmp_path / "chain.json").read_text()) == [["taps", taps.tolist()]]


def test_pedalboard_is_told_its_own_filters(tmp_path: Path) -> None:
    command = TOOLS["pedalboard"].command(work(tmp_path, *EVERYTHING, subtype="PCM_16"))
    assert json.loads(command[-2]) == [["Gain", [-3.0]],
                                       ["PeakFilter", [1000.0, 3.0, 1.0]],
                                       ["LowShelfFilter", [200.0, -3.0, pytest.approx(0.5**0.5)]]]
    assert command[-1] == "16"


def test_we_get_the_chain_as_it_was_written(tmp_path: Path) -> None:
    command = TOOLS["torchfx process"].command(work(tmp_path, "mono", "gain:-3"))
    assert command[-6:] == ["--dither", "none", "-e", "mono", "-e", "gain:-3"]


@pytest.mark.parametrize(("name", "effect", "said"), [
    ("sox", "trim:end=1", "trim"), ("ffmpeg", "fir:lowpass=8000,taps=101", "an impulse response"),
    ("ffmpeg", "trim:end=1", "trim"),
    ("scipy script", "compressor:-20", "compressor"), ("pedalboard", "notch:50", "notch"),
    ("pedalboard", "highpass:80", "highpass"), ("pedalboard", "low_shelf:frequency=200,gain=3,order=1", "low_shelf"),
])
def test_a_chain_that_a_program_has_no_words_for_is_refused(name: str, effect: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(CannotSayError, match=said):
        TOOLS[name].command(work(tmp_path, effect))
