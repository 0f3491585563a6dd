"""What other programs wrote becomes a chain of the very same response, and what cannot is named with its line."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from math import pi, sqrt, tan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from rbj import FS, W, alpha, db, row, section

from torchfx_cli.__main__ import main
from torchfx_cli.chain.parse import parse_chain
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.design.stages import linear, response
from torchfx_cli.errors import DesignError
from torchfx_cli.exchange.formats import FORMATS, chain_text, told_from
from torchfx_cli.exchange.reading import Reading
from torchfx_cli.plan.assemble import assemble
from torchfx_cli.render.native import NativeEngine
from torchfx_cli.samples import FLOAT64

EXACT = 1e-9  # both are float64; the cookbook as printed loses some digits at low frequencies
PROGRAM = 1e-4  # both programs hand 32-bit samples from filter to filter


def read(text: str, rate_hz: float | None = None) -> Reading:
    reading = Reading(rate_hz)
    name = told_from(text)
    assert name, text
    FORMATS[name](text, reading)
    return reading


def chain_of(text: str, rate_hz: float | None = None) -> Any:
    reading = read(text, rate_hz)
    assert reading.refused == []
    return parse_chain(chain_text(reading, "eq", "test"))


def response_of(text: str, rate_hz: float | None = None) -> Any:
    return response(linear(design_chain(chain_of(text, rate_hz), FS)), W * FS / (2 * np.pi), FS)


def assert_response(text: str, due: Any, rate_hz: float | None = None) -> None:
    np.testing.assert_allclose(response_of(text, rate_hz), due, rtol=EXACT, atol=EXACT, err_msg=text)


def corner(hz: float, gain_db: float, slope: float, sign: int) -> float:
    return float(hz * 10 ** (sign * abs(gain_db) / 80 / slope))


@pytest.mark.parametrize(("words", "due"), [
    ("PK Fc 1000 Hz Gain -3.5 dB Q 1.41", section("peaking", 1000, alpha(1000, q=1.41), -3.5)),
    ("PEQ Fc 63,5 Hz Gain 3 dB BW Oct 0.5", section("peaking", 63.5, alpha(63.5, octaves=0.5), 3)),
    ("Modal Fc 1,250 Hz Gain -6 dB Q 9.7 T60 target 300 ms", section("peaking", 1250, alpha(1250, q=9.7), -6)),
    ("LP Fc 9000 Hz", section("LPF", 9000, alpha(9000, q=sqrt(0.5)))),
    ("HP Fc 80 Hz", section("HPF", 80, alpha(80, q=sqrt(0.5)))),
    ("LPQ Fc 9000 Hz Q 2", section("LPF", 9000, alpha(9000, q=2))),
    ("HPQ Fc 80 Hz Q 0.5", section("HPF", 80, alpha(80, q=0.5))),
    ("BP Fc 800 Hz BW Oct 1", section("BPF", 800, alpha(800, octaves=1))),
    ("NO Fc 50 Hz", section("notch", 50, alpha(50, q=30))),
    ("NO Fc 50 Hz Q 4", section("notch", 50, alpha(50, q=4))),
    ("AP Fc 900 Hz Q 0.8", section("APF", 900, alpha(900, q=0.8))),
    ("LS Fc 300 Hz Gain 5 dB", section("lowShelf", 300, alpha(300, slope=0.9, gain_db=5), 5)),
    ("HS Fc 3000 Hz Gain -5 dB", section("highShelf", 3000, alpha(3000, slope=0.9, gain_db=-5), -5)),
    ("LSC 9.6 dB Fc 300 Hz Gain 5 dB", section("lowShelf", 300, alpha(300, slope=0.8, gain_db=5), 5)),
    ("HSC Fc 3000 Hz Gain 5 dB Q 0.6", section("highShelf", 3000, alpha(3000, q=0.6), 5)),
    ("LS 6dB Fc 300 Hz Gain 5 dB",
     section("lowShelf", f := corner(300, 5, 0.5, 1), alpha(f, slope=0.5, gain_db=5), 5)),
    ("HS 12 dB Fc 3000 Hz Gain -8 dB",
     section("highShelf", f := corner(3000, -8, 1.0, -1), alpha(f, slope=1.0, gain_db=-8), -8)),
    ("LS Fc 300 Hz Gain 6 dB Q 0.6", section("lowShelf", f := corner(
        300, 6, 1 / ((1 / 0.36 - 2) / (10**0.15 + 10**-0.15) + 1), 1), alpha(f, q=0.6), 6)),
    ("IIR Order 2 Coefficients 0.5 0.25 0.1 1 -0.5 0.2", row((0.5, 0.25, 0.1), (1, -0.5, 0.2))),
    ("IIR Order 1 Coefficients 0.5 0.25 1 -0.5", row((0.5, 0.25), (1, -0.5))),
])
def test_equalizer_apo(words: str, due: Any) -> None:
    assert_response(f"Preamp: -2 dB\nFilter 1: ON {words}\nFilter 2: OFF PK Fc 100 Hz Gain 9 dB Q 1\n", db(-2) * due)


def test_autoeq_and_room_eq_wizard_are_read_with_what_stands_around_their_filters() -> None:
    shelf, peak = section("lowShelf", 105, alpha(105, q=0.7), 5.5), section("peaking", 63.8, alpha(63.8, q=5.06), -5)
    assert_response("Preamp: -6.2 dB\nFilter 1: ON LSC Fc 105 Hz Gain 5.5 dB Q 0.70\n", db(-6.2) * shelf)
    assert_response("Filter Settings file\n\nRoom EQ V5.20\nDated: Jan 1, 2024\n\nNotes: kitchen\n\nEqualiser: "
                    "Generic\nAverage 1\nFilter  1: ON  PK       Fc   63.80 Hz  Gain  -5.0 dB  Q  5.06\n"
                    "Filter  2: ON  None\n",
                    peak)


SOX = {
    "lowpass 9k": section("LPF", 9000, alpha(9000, q=sqrt(0.5))),
    "highpass -2 80 0.9q": section("HPF", 80, alpha(80, q=0.9)),
    "lowpass 5000 2o": section("LPF", 5000, alpha(5000, octaves=2)),
    "lowpass 5000 4k": section("LPF", 5000, alpha(5000, q=1.25)),
    "highpass -1 300": row(((1 + (p := np.exp(-2 * pi * 300 / FS))) / 2, -(1 + p) / 2), (1, -p)),
    "lowpass -1 300": row((1 - p,), (1, -p)),
    "bandpass 1k 200": section("BPF", 1000, alpha(1000, q=5)),
    "bandpass -c 1k 2q": section("skirt", 1000, alpha(1000, q=2)),
    "bandpass -c 1k 1o": section("skirt", 1000, alpha(1000, octaves=1)),
    "bandreject 1k 0.2k": section("notch", 1000, alpha(1000, q=5)),
    "allpass 1k 2o": section("APF", 1000, alpha(1000, octaves=2)),
    "allpass 1k 700": section("APF", 1000, alpha(1000, q=1 / 0.7)),
    "equalizer 2k 1.5 -4": section("peaking", 2000, alpha(2000, q=1.5), -4),
    "equalizer 2k 1o 4": section("peaking", 2000, alpha(2000, octaves=1), 4),
    "bass 3": section("lowShelf", 100, alpha(100, slope=0.5, gain_db=3), 3),
    "bass +3 200 0.8s": section("lowShelf", 200, alpha(200, slope=0.8, gain_db=3), 3),
    "bass 3 200 1o": section("lowShelf", 200, alpha(200, octaves=1), 3),
    "treble -2 4k 0.9q": section("highShelf", 4000, alpha(4000, q=0.9), -2),
    "gain -3": db(-3) * np.ones(len(W)),
    "vol -0.5": -0.5 * np.ones(len(W)),
    "vol 0.25 power": 0.5 * np.ones(len(W)),
    "vol -3dB": db(-3) * np.ones(len(W)),
    "biquad 0.5 0.25 0.1 1 -0.5 0.2": row((0.5, 0.25, 0.1), (1, -0.5, 0.2)),
    "fir 0.25 0.5 0.25": 0.5 + 0.5 * np.cos(W),
}


def test_sox() -> None:
    for words, due in SOX.items():
        assert_response(words, due, FS)
    assert_response("sox in.wav out.wav " + " ".join(SOX), np.prod(list(SOX.values()), axis=0), FS)


def lowpass_one_pole(hz: float) -> Any:
    pole = np.exp(-2 * pi * hz / FS)
    return row((1 - pole,), (1, -pole))


def shelf_one_pole(hz: float, gain_db: float, high: bool) -> Any:
    """As ffmpeg has it: (1 + s sqrt g) / (1 + s / sqrt g), or turned around, by the bilinear transform."""
    s, a = 1j * np.tan(W / 2) / tan(pi * hz / FS), 10 ** (gain_db / 40)
    return (1 + a * s) / (1 + s / a) if high else (s + a) / (s + 1 / a)


FFMPEG = {
    "highpass=80": section("HPF", 80, alpha(80, q=0.707)),
    "highpass=f=80:t=q:w=0.9:r=f64": section("HPF", 80, alpha(80, q=0.9)),
    "lowpass=frequency=9k:width_type=h:width=3000": section("LPF", 9000, alpha(9000, q=3)),
    "lowpass=f=5000:t=o:w=2": section("LPF", 5000, alpha(5000, octaves=2)),
    "lowpass=f=500:p=1": lowpass_one_pole(500),
    "equalizer=f=1000:t=q:w=1:g=-3": section("peaking", 1000, alpha(1000, q=1), -3),
    "equalizer=1000:o:1.5:g=3": section("peaking", 1000, alpha(1000, octaves=1.5), 3),
    "bass=g=4": section("lowShelf", 100, alpha(100, q=0.5 * sqrt(2)), 4),
    "lowshelf=g=4:f=200:t=s:w=0.8": section("lowShelf", 200, alpha(200, slope=0.8, gain_db=4), 4),
    "treble=g=-4:f=4000:t=h:w=4000": section("highShelf", 4000, alpha(4000, q=sqrt(2)), -4),
    "highshelf=g=-4:f=4000:t=q:w=0.6": section("highShelf", 4000, alpha(4000, q=0.6), -4),
    "lowshelf=g=4:f=200:p=1": shelf_one_pole(200, 4, False),
    "treble=g=-4:f=4000:p=1": shelf_one_pole(4000, -4, True),
    "bandpass=f=1000:t=h:w=200": section("BPF", 1000, alpha(1000, q=5)),
    "bandpass=f=1000:csg=1:w=2": section("skirt", 1000, alpha(1000, q=2)),
    "bandreject=f=1000:t=k:w=0.2": section("notch", 1000, alpha(1000, q=5)),
    "allpass=f=1000": section("APF", 1000, alpha(1000, q=0.707)),
    "allpass=f=1000:o=1": (1 - (s := 1j * np.tan(W / 2) / tan(pi * 1000 / FS))) / (1 + s),
    "biquad=b0=0.5:b1=0.25:b2=0.1:a0=1:a1=-0.5:a2=0.2": row((0.5, 0.25, 0.1), (1, -0.5, 0.2)),
    "volume=-3dB": db(-3) * np.ones(len(W)),
    "volume=0.5:precision=double": 0.5 * np.ones(len(W)),
}


def test_ffmpeg() -> None:
    for words, due in FFMPEG.items():
        assert_response(words, due, FS)
    line = ",".join(FFMPEG)
    assert_response(f"ffmpeg -i in.wav -af '{line}' out.wav", np.prod(list(FFMPEG.values()), axis=0), FS)


CAMILLA = """
devices: {{samplerate: 48000, capture: {{type: File, channels: 2}}}}
filters:
  unused: {{type: Biquad, parameters: {{type: Lowpass, freq: 20, q: 1}}}}
  one:
    type: {type}
    parameters: {parameters}
pipeline:
  - type: Filter
    channels: [0, 1]
    names: [one]
"""
LOG = (np.log2(np.float32(20)), np.log2(np.float32(20000)))


def linkwitz(hz: float, q: float) -> Any:
    """The high-pass in s with the bilinear constant of the transform of 50 Hz to 20 Hz."""
    s = 1j * np.tan(W / 2) * 2 * pi * 35 / tan(pi * 35 / FS)
    return s * s + 2 * pi * hz / q * s + (2 * pi * hz) ** 2


def graphic() -> Any:
    width = (LOG[1] - LOG[0]) / np.float32(2)
    total = np.ones(len(W), complex)
    for band, gain_db in enumerate((3, -2)):
        hz = float(np.float32(2) ** (LOG[0] + (np.float32(band) + np.float32(0.5)) * width))
        total *= section("peaking", hz, alpha(hz, octaves=float(width)), gain_db)
    return total


@pytest.mark.parametrize(("kind", "parameters", "due"), [
    ("Biquad", "{type: Lowpass, freq: 900, q: 0.8}", section("LPF", 900, alpha(900, q=0.8))),
    ("Biquad", "{type: Highpass, freq: 900, q: 0.8}", section("HPF", 900, alpha(900, q=0.8))),
    ("Biquad", "{type: Peaking, freq: 900, gain: 3, bandwidth: 1}", section("peaking", 900, alpha(900, octaves=1), 3)),
    ("Biquad", "{type: Peaking, freq: 900, gain: 3, q: 1}", section("peaking", 900, alpha(900, q=1), 3)),
    ("Biquad", "{type: Lowshelf, freq: 900, gain: 3, slope: 6}",
     section("lowShelf", 900, alpha(900, slope=0.5, gain_db=3), 3)),
    ("Biquad", "{type: Highshelf, freq: 900, gain: 3, q: 0.6}", section("highShelf", 900, alpha(900, q=0.6), 3)),
    ("Biquad", "{type: HighshelfFO, freq: 900, gain: 3}", shelf_one_pole(900, 3, True)),
    ("Biquad", "{type: LowshelfFO, freq: 900, gain: 3}", shelf_one_pole(900, 3, False)),
    ("Biquad", "{type: LowpassFO, freq: 900}", 1 / (1 + 1j * np.tan(W / 2) / tan(pi * 900 / FS))),
    ("Biquad", "{type: Notch, freq: 900, q: 3}", section("notch", 900, alpha(900, q=3))),
    ("Biquad", "{type: Bandpass, freq: 900, bandwidth: 0.5}", section("BPF", 900, alpha(900, octaves=0.5))),
    ("Biquad", "{type: Allpass, freq: 900, q: 3}", section("APF", 900, alpha(900, q=3))),
    ("Biquad", "{type: AllpassFO, freq: 1000}", FFMPEG["allpass=f=1000:o=1"]),
    ("Biquad", "{type: Free, a1: -0.5, a2: 0.2, b0: 0.5, b1: 0.25, b2: 0.1}", row((0.5, 0.25, 0.1), (1, -0.5, 0.2))),
    ("Biquad", "{type: LinkwitzTransform, freq_act: 50, q_act: 1.5, freq_target: 20, q_target: 0.7}",
     linkwitz(50, 1.5) / linkwitz(20, 0.7)),
    ("Biquad", "{type: GeneralNotch, freq_p: 300, freq_z: 400, q_p: 1, normalize_at_dc: true}",
     ((k := 1j * np.tan(W / 2)) ** 2 / (z := tan(pi * 400 / FS)) ** 2 + 1)
     / (k * k / (p2 := tan(pi * 300 / FS)) ** 2 + k / p2 + 1)),
    ("BiquadCombo", "{type: LinkwitzRileyHighpass, freq: 900, order: 4}",
     section("HPF", 900, alpha(900, q=sqrt(0.5))) ** 2),
    ("BiquadCombo", "{type: ButterworthLowpass, freq: 900, order: 2}", section("LPF", 900, alpha(900, q=sqrt(0.5)))),
    ("BiquadCombo", "{type: Tilt, gain: 4}",
     section("lowShelf", 110, alpha(110, q=0.35), -2) * section("highShelf", 3500, alpha(3500, q=0.35), 2)),
    ("BiquadCombo", "{type: GraphicEqualizer, freq_min: 20, freq_max: 20000, gains: [3, -2]}", graphic()),
    ("Gain", "{gain: -3, inverted: true}", -db(-3) * np.ones(len(W))),
    ("Gain", "{gain: 0.5, scale: linear}", 0.5 * np.ones(len(W))),
    ("Conv", "{type: Values, values: [0.5, 0.25]}", row((0.5, 0.25), (1,))),
])
def test_camilladsp(kind: str, parameters: str, due: Any) -> None:
    np.testing.assert_allclose(LOG[0], 4.3219281, rtol=1e-6)
    assert_response(CAMILLA.format(type=kind, parameters=parameters), due)


def test_a_pipeline_is_taken_where_all_channels_have_the_same_filters() -> None:
    text = CAMILLA.format(type="Gain", parameters="{gain: -3}")
    steps = "  - {type: Filter, channel: 0, names: [one, one]}\n  - {type: Filter, channel: 1, names: [one, one]}\n"
    assert_response(text + steps, db(-9) * np.ones(len(W)))
    assert read(text + "  - {type: Filter, channel: 999999999, names: [one]}\n").refused[0][1].startswith(
        "pipeline: channel 999999999: those from 0 to 255")
    assert read(text + "  - {type: Filter, channel: -1, names: [one]}\n").refused


PEAK, CUT = section("peaking", 1000, alpha(1000, q=2), 6), section("HPF", 80, alpha(80, q=sqrt(0.5)))
APO = """Preamp: -6 dB
Channel: L
Filter 1: ON PK Fc 1000 Hz Gain 6 dB Q 2
Channel: {right}
Filter 2: ON HP Fc 80 Hz
Filter 3: OFF PK Fc 80 Hz Gain 3 dB Q 1
Channel: all
Filter 4: ON HP Fc 80 Hz
"""


def assert_responses(text: str, *due: Any) -> None:
    """Of each channel, to that channel alone."""
    channels, frames = len(due), 1 << 14
    stages = design_chain(chain_of(text), FS, channels)
    for at, wanted in enumerate(due):
        x = np.zeros((frames, channels))
        x[0, at] = 1.0
        engine = NativeEngine(assemble(stages, FS, channels, FLOAT64, FLOAT64))
        made = np.concatenate([engine.process(x), *engine.flush()])
        got = np.exp(-1j * W[:, None] * np.arange(frames)) @ made[:, at]
        np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-9)
        assert not np.delete(made, at, axis=1).any()


@pytest.mark.parametrize("right", ["R", "r", "2", "2 R"])
def test_the_filters_of_a_channel_stay_on_it(right: str) -> None:
    text = APO.format(right=right)
    if right == "2 R":
        with pytest.raises(DesignError, match="right is channel 2, which is named already"):
            design_chain(chain_of(text), FS, 2)
        return
    assert_responses(text, db(-6) * PEAK * CUT, db(-6) * CUT * CUT)


def test_a_pipeline_with_different_filters_on_its_channels() -> None:
    text = """
devices: {samplerate: 48000, capture: {type: File, channels: 3}}
filters:
  peak: {type: Biquad, parameters: {type: Peaking, freq: 1000, gain: 6, q: 2}}
  cut: {type: Biquad, parameters: {type: Highpass, freq: 80, q: 0.7071067811865476}}
  turn: {type: Gain, parameters: {gain: 0, inverted: true}}
pipeline:
  - {type: Filter, channels: [0, 2], names: [peak, cut]}
  - {type: Filter, channel: 1, names: [turn]}
  - {type: Filter, channels: [0, 1, 2], names: [cut]}
  - {type: Filter, names: [peak]}
"""
    assert_responses(text, PEAK**2 * CUT**2, -PEAK * CUT, PEAK**2 * CUT**2)
    assert "  - {invert: {}, channels: [2]}" in chain_text(read(text), "eq", "test").splitlines()


def test_what_comes_through_a_pipe_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "eq.txt")
    writer = threading.Thread(target=(tmp_path / "eq.txt").write_text, args=[APO.format(right="R")])
    writer.start()
    assert main(["import", str(tmp_path / "eq.txt")]) == 0
    writer.join()
    assert "  - {highpass: {cutoff: 80, q: 0.7071067811865476}, channels: [right]}" in capsys.readouterr().out
    for command in ("import", "import --from apo"):
        assert main([*command.split(), str(tmp_path)]) == 2
        assert "is a folder" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "line", "said"), [
    ("Preamp: -3 dB\nChannel: SUB\nFilter 1: ON PK Fc 100 Hz Gain 3 dB Q 1\n", 2, "known here are all, L, R and"),
    ("Preamp: -3 dB\nChannel: SUB\nFilter 1: ON PK Fc 100 Hz Gain 3 dB Q 1\n", 3, "for channel SUB alone"),
    ("Channel: 0\n", 1, "Channel: 0"), ("Channel: 1000\nPreamp: -3 dB\n", 1, "Channel: 1000"),
    ("Preamp: -3 dB\nInclude: more.txt\n", 2, "Include: more.txt"),
    ("# a comment\nFilter 1: ON PK Fc 100 Hz Gain 3 dB\n", 2, "no Q and no bandwidth"),
    ("Filter 1: ON PK Fc 105.123 Hz Gain 3 dB Q 1\n", 1, "reads 105123 Hz"),
    ("Filter 1: ON XY Fc 105 Hz Gain 3 dB Q 1\n", 1, "is not known here"),
    ("Filter 1: ON PK Fc 105 Hz Gain 3 dB Q 1 more\n", 1, "'more' is not understood"),
    ("Filter 1: ON PK Fc 105 Hz Gain 301 dB Q 1\n", 1, "out of range"),
    ("Preamp: -3 dB\nsomething else\n", 2, "is no command"),
    ("Filter 1: ON LS 0.0001 dB Fc 105 Hz Gain 5 dB\n", 1, "beyond any filter"),
    ("bass 1e9 100 0.5s", 1, "beyond any filter"),
    ("highpass 80\nreverb 50\nlowpass 12k", 2, "reverb 50: is not taken"),
    ("highpass 80 gain -l 3", 1, "-l is not taken"),
    ("lowpass 5000 2o", 1, "--rate"), ("lowpass -1 500", 1, "--rate"),
    ("fir 0.1 0.2 0.3", 1, "symmetric"), ("fir taps.txt", 1, "file"), ("equalizer 1k 1q", 1, "2 arguments"),
    ("highpass=f=80,\nacompressor=threshold=0.1", 2, "acompressor"),
    ("highpass=f=80:mix=0.5", 1, "mix is not taken"), ("highpass=f=80:c=FL", 1, "channels is not taken"),
    ("highpass=f=80[b]", 1, "branches"),
    ("volume='if(gt(t,1),1,0)'", 1, "no number"), ("equalizer=f=1000:w=1:g=3:x=1", 1, "x is not taken"),
    (CAMILLA.format(type="Delay", parameters="{delay: 1}"), 6, "filter one (Delay): is not taken"),
    (CAMILLA.format(type="Conv", parameters="{type: Raw, filename: a.raw, format: S16LE}"), 6, "a.raw"),
    (CAMILLA.format(type="Biquad", parameters="{type: Peaking, freq: 10, gain: 1}"), 6, "q is missing"),
    ("filters: {}\n", 1, "no pipeline"),
    ("filters: {}\npipeline:\n  - {type: Mixer, name: to_stereo}\n", 3, "Mixer to_stereo"),
    ("filters: {}\npipeline:\n  - {type: Filter, names: [ghost]}\n", 3, "ghost"),
])
def test_what_cannot_be_taken_is_named_with_its_line(text: str, line: int, said: str) -> None:
    refused = read(text).refused
    assert any(at == line and said in why for at, why in refused), refused


IMPULSE = 4096


def of_program(folder: Path, *command: str) -> Any:
    """The response at `W` of a program's output for an impulse of 1/8."""
    samples = np.zeros(2 * IMPULSE)
    samples[IMPULSE // 2] = 0.125
    soundfile.write(folder / "in.wav", samples, FS, "FLOAT")
    subprocess.run([str(folder / word) if word in ("in.wav", "out.wav") else word for word in command], check=True)
    out = soundfile.read(folder / "out.wav")[0]
    frames = np.arange(len(out)) - IMPULSE // 2
    return np.exp(-1j * np.outer(W, frames)) @ out / 0.125


# Low frequencies ring longer than these recordings.
@pytest.mark.skipif(not shutil.which("sox"), reason="sox is not installed")
@pytest.mark.parametrize("words", [" ".join(part) for part in (list(SOX)[i::6] for i in range(6))])
def test_sox_itself_has_that_response(words: str, tmp_path: Path) -> None:
    got = of_program(tmp_path, "sox", "-D", "in.wav", "-e", "float", "-b", "32", "out.wav", *words.split())
    np.testing.assert_allclose(got, response_of(words, FS), rtol=0.0, atol=PROGRAM)


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")
@pytest.mark.parametrize("words", [",".join(part) for part in (list(FFMPEG)[i::4] for i in range(4))])
def test_ffmpeg_itself_has_that_response(words: str, tmp_path: Path) -> None:
    got = of_program(tmp_path, "ffmpeg", "-v", "error", "-i", "in.wav", "-af", words, "-c:a", "pcm_f32le", "out.wav")
    np.testing.assert_allclose(got, response_of(words, FS), rtol=0.0, atol=PROGRAM)


def test_a_graphic_eq_of_equalizer_apo_is_met_within_the_tolerance_of_the_stage() -> None:
    points = [(20, -6.5), (100, 2), (1000, 0.5), (12_000, -3)]
    got = response_of("GraphicEQ: " + "; ".join(f"{hz} {gain_db}" for hz, gain_db in points))
    due = np.interp(np.log(W * FS / (2 * np.pi)), np.log([hz for hz, _ in points]), [gain_db for _, gain_db in points])
    np.testing.assert_allclose(20 * np.log10(np.abs(got)), due, rtol=0.0, atol=0.26)


def test_levels_of_the_whole_file_are_taken_from_sox() -> None:
    stages = chain_of("norm -1 gain -n -3 norm").stages
    assert [(stage.kind, stage.peak_db) for stage in stages] == [("normalize", peak) for peak in (-1, -3, 0)]


def test_the_format_is_told_from_the_content() -> None:
    told = {"apo": "\n# x\nGraphicEQ: 20 -1; 30 2", "rew": "Filter Settings file\n", "sox": "sox a.wav b.wav bass 3",
            "ffmpeg": "equalizer=f=1000:g=3", "camilladsp": "pipeline: []"}
    assert {name: told_from(text) for name, text in told.items()} == {name: name for name in told}
    assert told_from("hello there") is None


def test_a_file_that_is_not_there_is_told_in_plain_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(tmp_path / "gone.txt")]) == 2
    assert capsys.readouterr().err == f"torchfx: error: {tmp_path}/gone.txt: No such file or directory\n"
