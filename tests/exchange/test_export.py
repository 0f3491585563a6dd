"""A chain said in another program's words and read back has the same response; what it cannot say is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rbj import FS, W
from test_import import read

from torchfx_cli.__main__ import main
from torchfx_cli.chain.parse import join, parse_chain
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.design.stages import linear, response
from torchfx_cli.effects.table import KINDS
from torchfx_cli.errors import ChainError
from torchfx_cli.exchange.export import PROGRAMS, exported
from torchfx_cli.exchange.formats import chain_text

HZ = W * FS / (2 * np.pi)
EXACT = 1e-11
LINEAR = [kind for kind, row in KINDS.items() if row.record.is_filter]
# Impulse responses: SoX takes half of symmetric taps away, CamillaDSP none, the others have no word for them.
WITH_TAPS = {"sox": "fir:lowpass=8000,taps=101,align=true", "camilladsp": "fir:lowpass=8000,taps=101"}
MANY = ["highpass:cutoff=80,order=5", "peaking:frequency=1000,gain=-3", "invert", "gain:-3",
        "graphic_eq:bands=[[1000, 3]]", "low_shelf:frequency=100,gain=3,order=1", "notch:50"]


def response_of(chain: Any) -> Any:
    return response(linear(design_chain(chain, FS)), HZ, FS)


def back(text: str) -> Any:
    reading = read(text)
    assert reading.refused == []
    return parse_chain(chain_text(reading, "eq", "test"))


@pytest.mark.parametrize("program", PROGRAMS)
def test_there_and_back_the_response_is_the_same(program: str) -> None:
    for kind in LINEAR:
        chain = parse_chain(f"chain:\n  {KINDS[kind].example}\n")
        if any(stage.tap_count for stage in design_chain(chain, FS)):
            continue
        np.testing.assert_allclose(response_of(back(exported(chain, program, FS))), response_of(chain), rtol=EXACT,
                                   atol=EXACT, err_msg=f"{program} {kind}")
    chain = join([], [*MANY, WITH_TAPS.get(program, "gain:1")])
    np.testing.assert_allclose(response_of(back(exported(chain, program, FS))), response_of(chain), rtol=EXACT,
                               atol=EXACT)


@pytest.mark.parametrize(("program", "said"), [("sox", "vol 1.0\n"), ("ffmpeg", "volume=1.0:precision=double\n"),
                                               ("camilladsp", '"gain": 1.0'), ("apo", "Preamp: 0 dB")])
def test_a_chain_of_which_all_is_bypassed_is_a_gain_of_one(program: str, said: str) -> None:
    assert said in exported(join([], ["highpass:80,bypass=true"]), program, FS)


def test_a_preamp_is_the_gain_that_was_written() -> None:
    assert "Preamp: -5.9 dB\n" in exported(join([], ["gain:-5.9", "peaking:frequency=1k,gain=3"]), "apo", FS)


@pytest.mark.parametrize(("program", "effect", "said"), [
    *((program, "compressor:-20", "compressor") for program in PROGRAMS),
    *((program, "normalize:-1", "normalize") for program in PROGRAMS),
    ("ffmpeg", "fir:lowpass=8000,taps=101", "an impulse response"), ("apo", "eq_curve:[[100, 3]]", "impulse response"),
    ("sox", "fir:lowpass=8000,taps=101", "align: true"), ("camilladsp", WITH_TAPS["sox"], "takes its delay away"),
    ("sox", "highpass:30 kHz", "not below 24 kHz"), ("sox", "highpass:80,channels=1", "channel 1: highpass 80 Hz"),
    ("sox", "highpass:80,mix=0.5", "mix 0.5 [+] dry"), ("apo", "crossover:2 kHz", "crossover 2 kHz"),
    ("apo", "mono", "mono"),
])
def test_another_sound_is_refused_with_every_stage_that_it_would_be_of(program: str, effect: str, said: str) -> None:
    with pytest.raises(ChainError, match=said) as refused:
        exported(join([], ["gain:1", effect, "trim:end=1"]), program, FS)
    assert len(refused.value.problems) == 2, "the trim is named too"


def test_impulse_responses_in_a_row_become_one_for_sox_and_others_are_refused() -> None:
    fir = WITH_TAPS["sox"]
    words = exported(join([], [fir, fir]), "sox", FS).split()
    assert (words[0], len(words)) == ("fir", 202)
    with pytest.raises(ChainError, match="cuts off the beginning"):
        exported(join([], [fir, "highpass:80", fir]), "sox", FS)


def test_the_commands_write_where_they_are_told_and_nothing_where_something_is_refused(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, chain, line = tmp_path / "eq.txt", tmp_path / "eq.yaml", tmp_path / "eq.sox"
    source.write_text("Preamp: -6 dB\nFilter 1: ON PK Fc 100 Hz Gain 3 dB Q 1\nInclude: more.txt\n")
    assert main(["import", str(source), "-o", str(chain)]) == 2
    assert f"{source}:3: Include: more.txt is not taken" in capsys.readouterr().err
    assert not chain.exists()
    assert main(["import", str(source), "-o", str(chain), "--skip"]) == 0
    assert "left out" in capsys.readouterr().err
    assert chain.read_text() == ("# From eq.txt, apo.\nchain:\n  - gain: -6\n"
                                 "  - peaking: {frequency: 100, gain: 3, q: 1}\n")
    assert main(["import", str(source), "-o", str(chain), "--skip"]) == 2, "it exists"
    assert main(["export", str(chain), "--to", "sox", "-o", str(line), "--rate", "44100"]) == 0
    capsys.readouterr()
    assert main(["import", str(line), "--rate", "44100"]) == 0
    assert "rate: 44100" in capsys.readouterr().out
    assert main(["import", str(source), "--from", "word"]) == 2
    assert main(["export", str(chain), "--to", "sox", "--rate", "fast"]) == 2
    (tmp_path / "x.txt").write_text("nothing here")
    assert main(["import", str(tmp_path / "x.txt")]) == 2
    assert "--from" in capsys.readouterr().err


def test_taps_of_camilladsp_are_named_as_seen_from_the_chain_file(tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "taps.txt").write_text("0.5\n0.25\n")
    (tmp_path / "room" / "c.yml").write_text(
        "filters: {a: {type: Conv, parameters: {type: Raw, filename: taps.txt, format: TEXT}}}\n"
        "pipeline: [{type: Filter, names: [a]}]\n")
    assert main(["import", str(tmp_path / "room" / "c.yml"), "-o", str(tmp_path / "eq.yaml")]) == 0
    assert '- fir: "room/taps.txt"' in (tmp_path / "eq.yaml").read_text()
