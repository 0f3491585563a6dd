"""Chain files and inline effects: what is read, and what every mistake is called."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import scipy.signal

from torchfx_cli.chain.parse import join, load_chain, parse_chain, parse_effect
from torchfx_cli.chain.schema import describe_kinds, json_schema
from torchfx_cli.chain.spec import ChainSpec, design_chain
from torchfx_cli.design.stages import Taps
from torchfx_cli.effects.analog import AnalogSpec
from torchfx_cli.effects.bandpass_bandstop import BandSpec
from torchfx_cli.effects.fir import FirSpec
from torchfx_cli.effects.gain import GainSpec
from torchfx_cli.effects.highpass_lowpass import CutSpec
from torchfx_cli.effects.kind import MAX_HZ, StageSpec
from torchfx_cli.effects.normalize import NormalizeSpec
from torchfx_cli.effects.peaking import PeakingSpec
from torchfx_cli.effects.sos import SosSpec
from torchfx_cli.effects.table import KINDS
from torchfx_cli.errors import ChainError

PODCAST = """\
name: podcast-voice
description: Clean up one spoken voice
chain:
  - highpass: {cutoff: 80, order: 4}     # Butterworth unless family says otherwise
  - notch: {frequency: 50 Hz, q: 30}
  - peaking:
      frequency: 3.2 kHz
      gain: 2.5 dB
      q: 0.9
  - fir: {lowpass: 12 kHz, taps: 511, window: hamming}
  - gain: -1 dB
  - invert
"""


def one(entry: str) -> Any:
    """The only stage of a chain whose list is `entry`."""
    (stage,) = parse_chain(f"chain:\n  {entry}\n").stages
    return stage


def problems(text: str, **where: Any) -> tuple[str, ...]:
    with pytest.raises(ChainError) as caught:
        parse_chain(text, **where)
    return caught.value.problems


def problem(entry: str) -> str:
    """The one complaint about a chain whose list is `entry`, without its file and line."""
    (line,) = problems(f"chain:\n  {entry}\n")
    return re.sub(r"^chain\.yaml:\d: chain\[0\]\.", "", line)


def test_a_chain_is_read_with_its_units_and_its_lines() -> None:
    chain = parse_chain(PODCAST, file="eq.yaml")
    assert (chain.name, chain.description) == ("podcast-voice", "Clean up one spoken voice")
    assert [stage.kind for stage in chain.stages] == ["highpass", "notch", "peaking", "fir", "gain", "invert"]
    highpass, notch, peaking, fir, gain, _ = chain.stages
    assert isinstance(highpass, CutSpec)
    assert (highpass.cutoff_hz, highpass.order, highpass.family) == (80.0, 4, "butterworth")
    assert isinstance(peaking, PeakingSpec)
    assert (peaking.frequency_hz, peaking.gain_db, peaking.q) == (3200.0, 2.5, 0.9)
    assert isinstance(fir, FirSpec)
    assert (fir.lowpass_hz, fir.taps, fir.window) == (12000.0, 511, "hamming")
    assert isinstance(gain, GainSpec)
    assert gain.gain_db == -1.0
    assert [str(stage.origin) for stage in (highpass, notch, peaking, gain)] == [
        "eq.yaml:4: chain[0].highpass", "eq.yaml:5: chain[1].notch", "eq.yaml:6: chain[2].peaking",
        "eq.yaml:11: chain[4].gain"]


@pytest.mark.parametrize(("text", "hertz"), [
    ("80", 80.0), ('"80"', 80.0), ("'80 Hz'", 80.0), ("80Hz", 80.0), ("80 hz", 80.0), ("+80", 80.0), ("80.", 80.0),
    (".5", 0.5), ("3.2 kHz", 3200.0), ("3.2k", 3200.0), ("3.2KHZ", 3200.0), ("8.2 kHz", 8200.0), ("1e3", 1000.0),
    ("1.0e3", 1000.0), ("1E+3", 1000.0), ("1e-1 kHz", 100.0), ("0.5", 0.5),
])
def test_a_frequency_may_be_written_in_many_ways(text: str, hertz: float) -> None:
    assert one(f"- lowpass: {{cutoff: {text}}}").cutoff_hz == hertz


@pytest.mark.parametrize("kilohertz", [f"{tenths // 10}.{tenths % 10}" for tenths in range(1, 240)])
def test_kilohertz_are_exactly_a_thousand_hertz(kilohertz: str) -> None:
    whole, tenth = kilohertz.split(".")
    assert one(f"- lowpass: {kilohertz} kHz").cutoff_hz == int(whole) * 1000 + int(tenth) * 100


@pytest.mark.parametrize(("entry", "field", "value"), [
    ("- gain: -3 dB", "gain_db", -3.0),
    ("- gain: -3", "gain_db", -3.0),
    ("- gain: {gain: 1e0 dB}", "gain_db", 1.0),
    ("- normalize", "peak_db", -1.0),
    ("- normalize: -3 dBFS", "peak_db", -3.0),
    ("- highpass: 80 Hz", "cutoff_hz", 80.0),
    ("- dc_block", "cutoff_hz", 5.0),
    ("- dc_block: {}", "cutoff_hz", 5.0),
    ("- highpass: {cutoff: 80, order: 4.0}", "order", 4),
    ("- analog: {poles: 50.05 Hz}", "poles_hz", (50.05,)),
    ("- analog: {poles: [50.05, 2.1 kHz], zeros: [0]}", "poles_hz", (50.05, 2100.0)),
    ("- fir: {taps: [0.25, 5e-1, 0.25]}", "taps", (0.25, 0.5, 0.25)),
    ("- fir: {bandpass: [300, 3.4 kHz], taps: 254}", "bandpass_hz", (300.0, 3400.0)),
    ("- fir: {lowpass: 1k, taps: 1e3, align: true}", "taps", 1000),
    ("- fir: {lowpass: 1k, taps: 1e3, align: true}", "align", True),
    ("- sos: {sections: [[1, 0, 0, 1, 0, 0.25]], rate: 48k}", "sections", ((1.0, 0.0, 0.0, 1.0, 0.0, 0.25),)),
    ("- bandpass: {frequency: 1k, q: 2}", "q", 2.0),
])
def test_a_stage_may_be_written_as(entry: str, field: str, value: object) -> None:
    assert getattr(one(entry), field) == value


@pytest.mark.parametrize(("text", "hint"), [
    ("1,5", "write the decimal point: 1.5"),
    ("1,5 kHz", "write the decimal point: 1.5 kHz"),
    ("1_000", "write 1000"),
    ("0x3E8", "write 1000"),
    ("0o17", "write 15"),
    ("010", "write 10"),
    ("010 Hz", "write 10"),
    ("1:30", "a colon makes no number"),
    ("no", "no is a word, not a number"),
    ("on", "on is a word, not a number"),
    ("true", "true is a word, not a number"),
    ("2024-02-29", "a date is no number"),
    ("abc", "not a number"),
    ("'abc'", "not a number"),
    ("80 Hz 90", "not a number"),
    ("٣", "not a number"),
    ("[80]", "found a list of 1"),
    ("{a: 80}", "found a map of keys"),
    ("3 dB", "dB is not a unit here; expected a number in Hz"),
    ("3 s", "s is not a unit here; expected a number in Hz"),
    ("80%", "% is not a unit here; expected a number in Hz"),
])
def test_what_is_not_plainly_a_number_is_refused_with_what_to_write(text: str, hint: str) -> None:
    complaint = problem(f"- highpass:\n      cutoff: {text}")
    assert complaint.startswith("highpass.cutoff: found "), complaint
    assert hint in complaint
    assert "allowed: a number above 0 up to 1e9 Hz, like 80, 80 Hz or 3.2 kHz" in complaint


@pytest.mark.parametrize(("entry", "range_said"), [
    ("- highpass: 0", "above 0 up to 1e9 Hz"),
    ("- highpass: -80", "above 0 up to 1e9 Hz"),
    ("- highpass: .nan", "above 0 up to 1e9 Hz"),
    ("- highpass: NaN", "above 0 up to 1e9 Hz"),
    ("- highpass: -.inf", "above 0 up to 1e9 Hz"),
    ("- highpass: 1e400", "above 0 up to 1e9 Hz"),
    ("- highpass: 1e999999999", "above 0 up to 1e9 Hz"),
    ("- highpass: 12345678901234567890123", "above 0 up to 1e9 Hz"),
    ("- highpass: " + "9" * 5000, "above 0 up to 1e9 Hz"),
    ("- highpass: 1e-400", "above 0 up to 1e9 Hz"),
    ("- gain: 301 dB", "from -300 to 300 dB"),
    ("- gain: .inf", "from -300 to 300 dB"),
    ("- highpass: {cutoff: 80, order: 0}", "a whole number from 1 to 40"),
    ("- highpass: {cutoff: 80, order: -1}", "a whole number from 1 to 40"),
    ("- highpass: {cutoff: 80, order: 2.5}", "a whole number from 1 to 40"),
    ("- highpass: {cutoff: 80, order: 1000}", "a whole number from 1 to 40"),
    ("- highpass: {cutoff: 80, q: 0}", "from 0.001 to 10000"),
    ("- highpass: {cutoff: 80, family: chebyshev1, ripple: 0}", "from 0.0001 to 20 dB"),
    ("- fir: {lowpass: 80, taps: 1e9}", "a whole number from 1 to 1048576"),
    ("- fir: {lowpass: 80, taps: 0}", "a whole number from 1 to 1048576"),
])
def test_out_of_range_states_the_range(entry: str, range_said: str) -> None:
    complaint = problem(entry)
    assert "out of range" in complaint or "not whole" in complaint, complaint
    assert range_said in complaint


def test_the_ends_of_a_range_are_included() -> None:
    assert one("- gain: 300").gain_db == 300
    assert one("- gain: -300").gain_db == -300
    assert one(f"- lowpass: {MAX_HZ}").cutoff_hz == MAX_HZ


@pytest.mark.parametrize(("entry", "complaint"), [
    ("- lowpas: 80", "lowpas: unknown stage 'lowpas'; did you mean lowpass?"),
    ("- low-shelf: {frequency: 80, gain: 1}", "low-shelf: unknown stage 'low-shelf'; did you mean low_shelf?"),
    ("- volume: 3", "volume: unknown stage 'volume'; here it is gain"),
    ("- denoise", "denoise: unknown stage 'denoise'; that is not among the things that torchfx does"),
    ("- podcast-voice", "podcast-voice: unknown stage 'podcast-voice'; it is a preset: `-c podcast-voice`, or"),
    ("- Gain: 3", "Gain: unknown stage 'Gain'; did you mean gain?"),
    ("- presets: x", "presets: unknown stage 'presets'; did you mean preset?"),
    ("- highpass 80", "unknown stage 'highpass 80'; write highpass:80 (`torchfx filters highpass` lists the keys)"),
    ("- highpass=f=80", "unknown stage 'highpass=f=80'; write highpass:key=value,... ("),
    ("- peaking 1k", "unknown stage 'peaking 1k'; write peaking:key=value,... ("),
    ("- equalizer 1k 1q 3", "unknown stage 'equalizer 1k 1q 3'; here it is peaking, and `torchfx import` takes whole"),
    ("- qqq", "qqq: unknown stage 'qqq' (`torchfx filters` lists all)"),
    ("- notch: {freq: 80, frequency: 90}",
     "notch: unknown key 'freq'; did you mean frequency? (keys: frequency, q, bandwidth, zero_phase)"),
    ("- invert: {by: 3}", "invert: unknown key 'by' (it takes no keys)"),
    ("- highpass: {order: 2}", "highpass.cutoff: missing; allowed: a number above 0"),
    ("- highpass", "highpass.cutoff: missing; allowed: a number above 0"),
    ("- highpass: ", "highpass: nothing is written after the colon; write - highpass: {cutoff: 80 Hz, order: 4}"),
    ("- highpass: {cutoff: }", "highpass.cutoff: nothing is written here; allowed: a number above 0"),
    ("- highpass: {cutoff: null}", "highpass.cutoff: nothing is written here"),
    ("- highpass: {cutoff: ~}", "highpass.cutoff: nothing is written here"),
    ("- highpass: {cutoff: 80, cutoff: 90}", "highpass.cutoff: given twice"),
    ("- highpass: [80]", "highpass: found a list of 1; expected keys"),
    ("- {invert: true, channels: left}", "invert: found 'true'; it takes no value: write - invert"),
    ("- {highpass: 80, lowpass: 1000}", "found 'lowpass' beside 'highpass'; one stage an entry, like `- highpass: "
     "{cutoff: 80, order: 4}` (keys of a stage stand deeper than its name; beside it may stand bypass, channels, mix,"),
    ("- {highpass: 80, mixx: 0.5}", "found 'mixx' beside 'highpass'; did you mean mix?; one stage an entry"),
    ("- peaking: 3", "peaking: found '3'; expected keys: write - peaking: {frequency: 3.2 kHz"),
    ("- highpass: {cutoff: 80, family: butterwort}", "highpass.family: found 'butterwort'; allowed: one of"),
    ("- highpass: {cutoff: 80, family: butterwort}", "did you mean butterworth?"),
    ("- highpass: {cutoff: 80, family: [bessel]}", "highpass.family: found a list of 1"),
    ("- fir: {lowpass: 80, taps: 5, align: yes}", "fir.align: found 'yes'; allowed: true or false"),
    ("- analog: {poles: [1, 2, x]}", "analog.poles[2]: found 'x' (not a number)"),
    ("- sos: {sections: [[1, 0, 0, 1, 0]]}", "sos.sections[0]: found a list of 5; allowed: a list of rows [b0"),
    ("- sos: {sections: [[1, 0, .inf, 1, 0, 0]]}", "sos.sections[0][2]: found '.inf' (out of range)"),
    ("- sos: {sections: []}", "sos.sections: found a list of 0"),
    ("- fir: {taps: []}", "fir.taps: found a list of 0"),
    ("- fir: {taps: [1, .nan]}", "fir.taps[1]: found '.nan' (out of range)"),
    ("- fir: {bandpass: [100], taps: 5}", "fir.bandpass: found a list of 1; allowed: two frequencies"),
    ("- fir: {bandpass: [200, 100], taps: 5}", "the first, 200 Hz, is not below the second, 100 Hz"),
])
def test_a_mistake_in_a_stage_names_its_key_and_what_is_allowed(entry: str, complaint: str) -> None:
    assert complaint in problem(entry)


@pytest.mark.parametrize(("entry", "complaint"), [
    ("- highpass: {cutoff: 80, q: 1, order: 2}", "highpass.order: contradicts q"),
    ("- highpass: {cutoff: 80, q: 1, family: bessel}", "highpass.family: contradicts q"),
    ("- highpass: {cutoff: 80, ripple: 1}", "highpass.ripple: has no meaning for family butterworth"),
    ("- highpass: {cutoff: 80, order: 3, family: linkwitz_riley}", "highpass.order: found 3; linkwitz_riley needs"),
    ("- highpass: {cutoff: 80, family: elliptic, ripple: 9, attenuation: 5}",
     "highpass.attenuation: found 5 dB; must be above the ripple, 9 dB"),
    ("- bandpass: {low: 300}", "bandpass: high missing: write low and high, or frequency and q"),
    ("- bandpass: {frequency: 300}", "bandpass: q missing: write low and high, or frequency and q"),
    ("- bandpass", "bandpass: high and low missing"),
    ("- bandpass: {low: 300, high: 400, q: 2}", "bandpass: high and low contradicts q"),
    ("- bandpass: {low: 400, high: 300}", "bandpass.low: found 400 Hz; must be below high, 300 Hz"),
    ("- bandstop: {frequency: 400, q: 3, order: 2}", "bandstop.order: contradicts q"),
    ("- bandstop: {low: 3, high: 4, family: linkwitz_riley}", "bandstop.family: found 'linkwitz_riley'; allowed"),
    ("- low_shelf: {frequency: 80, gain: 3, order: 1, q: 1}", "low_shelf.q: has no meaning for order 1"),
    ("- allpass: {frequency: 80, order: 3}", "allpass.order: found '3' (out of range)"),
    ("- analog: {poles: []}", "analog.poles: found an empty list"),
    ("- analog: {poles: [1], zeros: [2, 3]}", "analog.zeros: found 2; no more than the 1 poles"),
    ("- analog: {poles: [1], zeros: [0], unity: 0}", "analog.unity: found 0 Hz; with a zero at 0 Hz"),
    ("- sos: {sections: [[1, 0, 0, 0, 0, 0]]}", "sos: a0, the fourth number, is 0"),
    ("- sos: {sections: [[1, 0, 0, 1, 0, 0], [1, 0, 0, 1, 0, 1]]}", "not stable: pole radius 1; must be below 1"),
    ("- sos: {sections: [[1, 0, 0, 1, -2.5, 1]]}", "not stable: pole radius 2; must be below 1"),
    ("- sos: {sections: [[1, 0, 0, 2, 0, -4.5]]}", "not stable: pole radius 1.5; must be below 1"),
    ("- sos: {sections: [[1, 0, 0, 1e-300, 1e300, 1e300]]}", "not stable: pole radius nan"),
    ("- fir", "fir: nothing says what to filter; write exactly one of lowpass"),
    ("- fir: {lowpass: 80, highpass: 90, taps: 5}", "fir: lowpass and highpass contradict each other"),
    ("- fir: {lowpass: 80, taps: [1, 2]}", "fir: lowpass and taps, as a list contradict each other"),
    ("- fir: {lowpass: 80}", "fir.taps: missing; write a whole number"),
    ("- fir: {highpass: 80, taps: 100}", "fir.taps: found 100; an even number of taps cannot pass half"),
    ("- fir: {bandstop: [80, 90], taps: 100}", "write 101"),
    ("- fir: {lowpass: 80, taps: 5, beta: 3}", "fir.beta: has no meaning for window hamming, only for kaiser"),
    ("- fir: {taps: [1, 2], window: hann}", "fir.window: has no meaning for taps that are given"),
])
def test_keys_that_contradict_each_other_are_refused(entry: str, complaint: str) -> None:
    assert complaint in problem(entry).replace("sos.sections[0]", "sos")


@pytest.mark.parametrize("entry", [
    "- highpass: {cutoff: 80, q: 1}",
    "- highpass: {cutoff: 80, order: 4, family: linkwitz_riley}",
    "- lowpass: {cutoff: 80, family: elliptic, ripple: 1, attenuation: 40}",
    "- low_shelf: {frequency: 80, gain: 3, order: 2, q: 1}",
    "- fir: {lowpass: 80, taps: 100, window: kaiser, beta: 3}",
    "- fir: {bandpass: [80, 90], taps: 100}",
    "- sos: {sections: [[1, 0, 0, 2, -3.6, 1.62]]}",
])
def test_keys_that_agree_pass(entry: str) -> None:
    assert one(entry).kind == entry[2:].partition(":")[0]


def test_all_mistakes_of_a_file_come_at_once_with_their_lines() -> None:
    text = """\
nmae: x
chain:
  - lowpas: 3
  - highpass:
      cutoff: 30 dB
      order: 0
      oder: 3
  - gain: 1 dB
  - notch:
      frequency: 50
      frequency: 60
tail: 3
"""
    assert [re.sub(r"[;(].*", "", line).strip() for line in problems(text, file="eq.yaml")] == [
        "eq.yaml:1: unknown key 'nmae'",
        "eq.yaml:12: unknown key 'tail'",
        "eq.yaml:3: chain[0].lowpas: unknown stage 'lowpas'",
        "eq.yaml:7: chain[1].highpass: unknown key 'oder'",
        "eq.yaml:5: chain[1].highpass.cutoff: found '30 dB'",
        "eq.yaml:6: chain[1].highpass.order: found '0'",
        "eq.yaml:11: chain[3].notch.frequency: given twice",
    ]


def test_more_than_a_hundred_mistakes_are_cut_off() -> None:
    lines = problems("chain:\n" + "  - lowpas: 3\n" * 5000)
    assert len(lines) == 101
    assert lines[-1] == "these are the first 100 mistakes; there may be more"


def test_two_kinds_in_one_entry_are_told_apart_from_badly_indented_keys() -> None:
    assert problem("- {highpass: 80, lowpass: 90}").startswith("found") is False
    (line,) = problems("chain:\n  - highpass:\n    cutoff: 80\n")
    assert "chain.yaml:3: chain[0]: found 'cutoff' beside 'highpass'; one stage an entry" in line


# ---- presets and sub-chains ----


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def test_a_preset_is_put_in_its_place(tmp_path: Path) -> None:
    write(tmp_path, main="chain: [gain: 1, preset: ./sub/inner.yaml, gain: 4]")
    write(tmp_path / "sub", inner="chain: [gain: 2, preset: ../last.yaml]")
    write(tmp_path, last="chain: [gain: 3]")
    chain = load_chain(tmp_path / "main.yaml")
    assert [stage.gain_db for stage in chain.stages if isinstance(stage, GainSpec)] == [1, 2, 3, 4]
    assert chain.name == "main"
    assert chain.stages[2].origin.path == "chain[0].gain"
    assert chain.stages[2].origin.file.endswith("last.yaml")


def test_a_shipped_preset_may_stand_in_a_chain() -> None:
    stages = parse_chain("chain: [preset: hum-removal-50hz, gain: 1]").stages
    assert [stage.kind for stage in stages] == ["notch"] * 8 + ["gain"]


def test_a_mistake_in_an_included_file_is_told_once_under_its_own_name(tmp_path: Path) -> None:
    write(tmp_path, main="chain: [preset: sub.yaml, preset: sub.yaml]", sub="chain:\n  - gain: x\n")
    with pytest.raises(ChainError) as caught:
        load_chain(tmp_path / "main.yaml")
    (line,) = caught.value.problems
    assert line.startswith(f"{tmp_path}/sub.yaml:2: chain[0].gain.gain: found 'x'")


def test_a_loop_of_chains_is_named(tmp_path: Path) -> None:
    write(tmp_path, a="chain: [preset: b.yaml]", b="chain:\n- gain: 1\n- preset: ./c.yaml\n",
          c="chain: [preset: b.yaml]")
    with pytest.raises(ChainError) as caught:
        load_chain(tmp_path / "a.yaml")
    (line,) = caught.value.problems
    assert line == f"{tmp_path}/c.yaml:1: chain[0].preset: 'b.yaml': chains in a loop: b.yaml -> c.yaml -> b.yaml"


def test_a_chain_that_includes_itself_through_a_link_is_a_loop(tmp_path: Path) -> None:
    write(tmp_path, a="chain: [preset: link.yaml]")
    (tmp_path / "link.yaml").symlink_to("a.yaml")
    with pytest.raises(ChainError, match=r"chains in a loop: a\.yaml -> a\.yaml"):
        load_chain(tmp_path / "a.yaml")


def test_chains_may_not_grow_without_end_by_including(tmp_path: Path) -> None:
    write(tmp_path, c0="chain: [gain: 1]")
    for level in range(1, 15):  # 10^14 stages
        write(tmp_path, **{f"c{level}": "chain:\n" + f"  - preset: c{level - 1}.yaml\n" * 10})
    with pytest.raises(ChainError, match="more than 10000 stages are not allowed"):
        load_chain(tmp_path / "c14.yaml")
    for level in range(1, 20):
        write(tmp_path, **{f"c{level}": f"chain: [preset: c{level - 1}.yaml]"})
    assert len(load_chain(tmp_path / "c15.yaml").stages) == 1
    with pytest.raises(ChainError, match="more than 16 files inside one another"):
        load_chain(tmp_path / "c16.yaml")


def test_a_preset_that_is_not_there_names_the_nearest(tmp_path: Path) -> None:
    assert problem("- preset: telefone").startswith(
        "preset: 'telefone': no preset and no file has this name; did you mean telephone?")
    assert problem("- preset: ../../no/such.yaml") == "preset: '../../no/such.yaml': no such file"
    assert problem("- preset: {a: b}").startswith("preset: found a map of keys; allowed: the name of a preset")
    assert problem("- preset").startswith("preset: found nothing; allowed: the name of a preset")
    assert problem('- preset: "a\\0/b"') == "preset: 'a\\x00/b': no file can have this name"


def test_taps_are_looked_for_beside_the_chain_file(tmp_path: Path) -> None:
    write(tmp_path, main="chain: [fir: {file: ir/room.txt, align: true}]")
    with pytest.raises(ChainError, match=r"main\.yaml:1: chain\[0\]\.fir\.file: 'ir/room\.txt': no such file"):
        load_chain(tmp_path / "main.yaml")
    (tmp_path / "ir").mkdir()
    (tmp_path / "ir/room.txt").write_text("1\n0.5\n")
    (stage,) = load_chain(tmp_path / "main.yaml").stages
    assert isinstance(stage, FirSpec)
    assert (stage.file, stage.content) == (str(tmp_path / "ir/room.txt"), b"1\n0.5\n")
    assert problem(f"- fir: {{file: {tmp_path}}}").endswith("a file whose name ends in .txt, .csv, .npy, .wav")
    (tmp_path / "folder.npy").mkdir()
    assert problem(f"- fir: {{file: {tmp_path}/folder.npy}}").endswith("is a folder, not a file")


def test_taps_are_those_that_the_file_held_when_the_chain_was_read(tmp_path: Path) -> None:
    write(tmp_path, main="chain: [fir: {file: ir.txt}, fir: {file: ./ir.txt}]")
    (tmp_path / "ir.txt").write_text("0.25\n")
    chain = load_chain(tmp_path / "main.yaml")
    (tmp_path / "ir.txt").write_text("99\n")
    for held in (chain, pickle.loads(pickle.dumps(chain))):
        stages = design_chain(held, 48000)
        assert [stage.taps.tolist() for stage in stages if isinstance(stage, Taps)] == [[0.25], [0.25]]
        assert len({id(stage.content) for stage in held.stages if isinstance(stage, FirSpec)}) == 1
    assert load_chain(tmp_path / "main.yaml").digest != chain.digest


def test_a_taps_file_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.npy").open("wb") as file:
        file.truncate(FirSpec.max_file_bytes + 1)
    assert problem(f"- fir: {{file: {tmp_path}/a.npy}}").endswith("is too large: at most 32 768 KiB are read")


def test_the_digest_covers_everything_that_shapes_the_stages(tmp_path: Path) -> None:
    write(tmp_path, main="chain: [preset: sub.yaml, fir: {file: ir.txt}]", sub="chain: [gain: 1]")
    (tmp_path / "ir.txt").write_text("1\n")
    digests = [load_chain(tmp_path / "main.yaml").digest]
    assert load_chain(tmp_path / "main.yaml").digest == digests[0]
    for name, text in (("ir.txt", "2\n"), ("sub.yaml", "chain: [gain: 2]"), ("main.yaml", "chain: [preset: sub.yaml]")):
        (tmp_path / name).write_text(text)
        digests.append(load_chain(tmp_path / "main.yaml").digest)
    assert len(set(digests)) == 4
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests)


def test_the_digest_leaves_out_comments_names_spellings_and_places(tmp_path: Path) -> None:
    write(tmp_path, main="chain: [preset: sub.yaml, fir: {file: ir.txt}]", sub="chain: [gain: 1, highpass: 1000]")
    (tmp_path / "ir.txt").write_text("1\n")
    digest = load_chain(tmp_path / "main.yaml").digest
    write(tmp_path, sub="# louder\nname: other\ndescription: x\nchain:\n- gain: 1.0 dB\n\n- highpass: {cutoff: 1 kHz}")
    assert load_chain(tmp_path / "main.yaml").digest == digest
    (tmp_path / "moved").mkdir()
    for name in ("main.yaml", "sub.yaml", "ir.txt"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    assert load_chain(tmp_path / "moved" / "main.yaml").digest == digest
    effects = ["gain:1", "highpass:1kHz", f"fir:file={tmp_path}/moved/ir.txt"]
    assert join([], effects).digest == digest
    assert join([], [effects[1], effects[0], effects[2]]).digest != digest


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("files_of_examples")
def test_each_kind_of_stage_is_told_apart_by_all_that_it_says(kind: str) -> None:
    """A value of a type that `repr` shortens, such as an array, would not count as a whole."""
    plain = (int, float, str, bytes, tuple, type(None))
    for spec in parse_chain(f"chain:\n{KINDS[kind].example}").stages:
        assert all(isinstance(getattr(spec, field.name), plain) for field in fields(spec) if field.compare)


# ---- inline effects ----


@pytest.mark.parametrize(("effect", "entry"), [
    ("highpass:cutoff=80,order=4", "- highpass: {cutoff: 80, order: 4}"),
    ("highpass:80,order=4", "- highpass: {cutoff: 80, order: 4}"),
    ("highpass: 80 Hz", "- highpass: 80 Hz"),
    ("gain:-3", "- gain: -3"),
    ("gain:gain = -3 dB", "- gain: -3 dB"),
    ("invert", "- invert"),
    ("fir:lowpass=12 kHz,taps=511", "- fir: {lowpass: 12 kHz, taps: 511}"),
    ("fir:bandpass=[300, 3.4k],taps=255", "- fir: {bandpass: [300, 3400], taps: 255}"),
    ("fir:taps=[1,2,3]", "- fir: {taps: [1, 2, 3]}"),
    ("sos:sections=[[1,0,0,1,0,0],[1,0,0,1,0,.5]]", "- sos: {sections: [[1,0,0,1,0,0],[1,0,0,1,0,.5]]}"),
])
def test_an_effect_is_the_stage_that_a_file_would_say(effect: str, entry: str) -> None:
    assert parse_effect(effect) == (one(entry),)


def test_a_preset_as_an_effect_gives_all_of_its_stages() -> None:
    assert parse_effect("preset:hum-removal-60hz") == parse_chain("chain: [preset: hum-removal-60hz]").stages


def test_a_name_with_a_comma_may_be_quoted_in_an_effect(tmp_path: Path) -> None:
    (tmp_path / "a, b.txt").write_text("1")
    (stage,) = parse_effect(f'fir:file="{tmp_path}/a, b.txt",align=true')
    assert isinstance(stage, FirSpec)
    assert (stage.file, stage.align) == (f"{tmp_path}/a, b.txt", True)


@pytest.mark.parametrize(("effect", "complaint"), [
    ("", "-e '': nothing is written here; write kind or kind:key=value"),
    (":", "-e ':': nothing is written here"),
    ("gain:", "-e 'gain:': nothing follows the colon"),
    ("gain:-3,4", "-e 'gain:-3,4': found '4'; write key=value"),
    ("highpass:cutof=80", "-e 'highpass:cutof=80': highpass: unknown key 'cutof'; did you mean cutoff?"),
    ("highpass:cutoff=30 dB", "-e 'highpass:cutoff=30 dB': highpass.cutoff: found '30 dB' (dB is not a unit here"),
    ("highpass:cutoff=", "highpass.cutoff: nothing is written here"),
    ("lowpas:80", "-e 'lowpas:80': lowpas: unknown stage 'lowpas'; did you mean lowpass?"),
    ("fir:taps=[1,2", "-e 'fir:taps=[1,2': '[1' is not YAML: expected ',' or ']'"),
    ("preset:nix", "-e 'preset:nix': preset: 'nix': no preset and no file has this name"),
    ("gain:\x1b[31m", "\\x1b[31m"),
    ("gain:\udcff", "\\xff"),
])
def test_a_mistake_in_an_effect_names_the_effect(effect: str, complaint: str) -> None:
    with pytest.raises(ChainError) as caught:
        parse_effect(effect)
    (line,) = caught.value.problems
    assert complaint in line
    assert line.isprintable()


def test_chains_and_effects_are_joined_in_order() -> None:
    first, second = parse_chain("name: a\nchain: [gain: 1]"), parse_chain("name: b\nchain: [gain: 2]")
    chain = join([first, second], ["gain:3", "gain:4"])
    assert [stage.gain_db for stage in chain.stages if isinstance(stage, GainSpec)] == [1, 2, 3, 4]
    assert chain.name == "a + b + gain:3 + gain:4"
    digests = {join(*how).digest for how in [([first], []), ([first, second], []), ([second, first], []),
                                             ([first], ["gain:3"]), ([first], ["gain:4"]), ([], ["gain:3"])]}
    assert len(digests) == 6
    assert join([first]) == first


def test_mistakes_of_several_effects_come_at_once() -> None:
    with pytest.raises(ChainError) as caught:
        join([], ["gain:x", "lowpas:3", "gain:1"])
    assert [line.partition(": ")[0] for line in caught.value.problems] == ["-e 'gain:x'", "-e 'lowpas:3'"]


# ---- the table of kinds, for others ----


@pytest.mark.usefixtures("files_of_examples")
def test_every_kind_has_an_example_that_can_be_read() -> None:
    for name, entry in ((name, kind.example) for name, kind in KINDS.items()):
        assert name == "repeat" or one(entry).kind == name  # which is written out


def test_the_description_of_kinds_is_plain_json_and_complete() -> None:
    kinds = describe_kinds()
    assert json.loads(json.dumps(kinds)) == json.loads(json.dumps(kinds, allow_nan=False))
    assert [kind["kind"] for kind in kinds] == list(KINDS)
    assert all(kind["doc"].endswith(".") for kind in kinds)
    order = next(param for param in kinds[0]["params"] if param["key"] == "order")
    assert (order["default"], order["low"], order["high"], order["required"]) == (2, 1, 40, False)


@cache
def validator() -> Any:
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(json_schema())
    return Draft202012Validator(json_schema())


def fits_schema(text: str) -> bool:
    import yaml

    return bool(validator().is_valid(json.loads(json.dumps(yaml.safe_load(text)))))  # whose keys are all text


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "presets").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_schema_accepts_every_preset(path: Path) -> None:
    assert fits_schema(path.read_text())


@pytest.mark.usefixtures("files_of_examples")
def test_the_schema_accepts_what_the_parser_accepts() -> None:
    more = ["- eq_curve: {100: 3 dB, 1 kHz: -3}", "- graphic_eq: {bands: {63: 2}}",
            "- {highpass: 80, channels: [1, left], mix: 30 %, repeat: 2, bypass: true}", "- {swap: , channels: 2}",
            "- {preset: rumble-filter, mix: 0.5}", "- {mix: [[1]], channels: 1}", "- {channels: [1], mix: 0.3}",
            "- repeat: {times: 2, stages: {gain: 1, mix: 0.5}}", "- parallel: [swap, {gain: 1, repeat: 2}]",
            "- highpass:80", "- highpass:1 kHz,order=4,channels=left", "- gain:-3 dB", "- 'fade:{in: 20 ms}'",
            "- preset:rumble-filter", "- declick:8", "- hum:50 Hz", "- parallel:[gain:-3, [highpass:80, gain:1]]",
            "- repeat: {times: 2, stages: [highpass:80]}", "- highpass: {cutoff: 80hz, order: '4', zero_phase: 'true'}",
            "- compressor: {threshold: -20 dBFS, ratio: '4:1'}", "- gain: '\u22123\u00a0dB'",
            "- fir: {lowpass: 12k, taps: '511'}"]
    for text in [PODCAST, *(f"chain:\n  {entry}\n" for entry in (*more, *(kind.example for kind in KINDS.values())))]:
        parse_chain(text)
        assert fits_schema(text), text


@pytest.mark.parametrize("entry", [
    "- lowpas: 3", "- highpass: {cutof: 3}", "- highpass: {}", "- highpass", "- gain: 3 Hz", "- highpass: 0",
    "- gain: 1000", "- highpass: {cutoff: 3, order: 0}", "- highpass: {cutoff: 3, family: x}", "- gain: [3]",
    "- fir: {bandpass: [3], taps: 5}", "- sos: {sections: [[1, 2]]}", "- {gain: 3, invert: {}}", "- {}", "- peaking: 3",
    "- eq_curve: {points: [[1]]}", "- eq_curve: {points: {}}", "- eq_curve: {points: {x: 3}}", "- eq_curve: [[1, 300]]",
    "- mix: 0.3", "- {mix: [[1]], highpass: 80}", "- {gain: 1, mix: 2}", "- {gain: 1, mix: x %}", "- bypass: true",
    "- {gain: 1, channels: []}", "- {gain: 1, channels: middle}", "- {gain: 1, repeat: 0}", "- {gain: 1, bypass: 1}",
    "- repeat: {times: 2}", "- repeat: {times: 2, stages: []}", "- {highpass: , mix: 0.5}", "- {gain: 1, chanels: 1}",
    "- highpass: -80 Hz", "- highpass: 0 Hz", "- highpass: '080'", "- highpass: {cutoff: 80, order: '4.5'}",
    "- limiter: 3 dB", "- 'highpass:'", "- 'highpass 80'",
    "- {gain: 1, mix: 130 %}", "- {gain: 1, channels: [1, 1]}", "- fade", "- fade: {}", "- pad: {}", "- swap: null",
    "- highpass:x", "- highpas:80", "- gain:3 Hz", "- highpass:cutof=80", "- convolve: hall.txt", "- peaking:3",
    f"- parallel: {['invert'] * 65}", "- repeat: {times: 2, stages: [highpas:80]}", "- parallel: [{gain: -3 Hz}]",
])
def test_the_schema_refuses_what_the_parser_refuses(entry: str) -> None:
    text = f"chain:\n  {entry}\n"
    assert problems(text)
    assert not fits_schema(text)


def test_reading_chains_loads_neither_torch_nor_scipy() -> None:
    script = ("import sys, torchfx_cli.chain.parse as p; p.parse_effect('preset:podcast-voice');"
              "print(sorted({'torch', 'scipy', 'rich', 'typer', 'soundfile'} & set(sys.modules)))")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                          cwd=Path(__file__).parents[2], check=True)
    assert done.stdout.strip() == "[]"


def test_records_are_equal_wherever_they_were_written() -> None:
    specs: list[StageSpec] = [one("- gain: 3"), *parse_effect("gain:3")]
    assert specs[0] == specs[1]
    assert {AnalogSpec, BandSpec, NormalizeSpec, SosSpec} <= {kind.record for kind in KINDS.values()}
    assert isinstance(parse_chain(PODCAST), ChainSpec)


@pytest.mark.parametrize(("written", "value"), [("\u22123", -3.0), ("\u22123\u00a0dB", -3.0), ("2.5\u202fdB", 2.5)])
def test_a_typographers_minus_and_spaces_are_read(written: str, value: float) -> None:
    (stage,) = parse_chain(f"chain: [gain: {written}]\n").stages
    assert stage.gain_db == value  # type: ignore[attr-defined]


@pytest.mark.parametrize(("written", "words"), [
    ("12,000", "write 12000, or 12.000 if the comma is a decimal one"), ("1,234,567 Hz", "write 1234567 Hz, or"),
    ("0,500", "write the decimal point: 0.500"), ("12,5", "write the decimal point: 12.5")])
def test_a_comma_in_a_number_is_told_with_what_may_be_meant(written: str, words: str) -> None:
    with pytest.raises(ChainError, match=words):
        parse_chain(f"chain: [{{lowpass: '{written}'}}]\n")


def test_b_and_a_are_not_taken_for_sections() -> None:
    b, a = scipy.signal.butter(5, 0.2)
    with pytest.raises(ChainError, match=r"sections: two rows, of which the second begins with 1, are b and a"):
        parse_chain(f"chain: [sos: {{sections: {[b.tolist(), a.tolist()]}}}]\n")
    sections = scipy.signal.butter(4, 0.2, output="sos")
    assert parse_chain(f"chain: [sos: {{sections: {sections.tolist()}}}]\n").stages
