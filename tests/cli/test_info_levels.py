"""`torchfx info --stats --require`: levels of known signals, what is missed, and the gain that mends it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from torchfx_cli.cli.app import app
from torchfx_cli.errors import UsageError
from torchfx_cli.tasks.requirements import parse_requirements, verdict

FS = 48_000


def tone(path: Path, level_db: float, seconds: float = 1.0, channels: int = 2) -> Path:
    """1 kHz at a peak level; in stereo that is its loudness, too (EBU Tech 3341, case 1)."""
    path.parent.mkdir(exist_ok=True)
    x = 10 ** (level_db / 20) * np.sin(2 * np.pi * 1000 * np.arange(round(seconds * FS)) / FS)
    soundfile.write(path, np.repeat(x[:, None], channels, axis=1), FS, "PCM_24")
    return path


def records(done: Any) -> dict[str, Any]:
    return {Path(record["input"]).name: record for record in map(json.loads, done.out.splitlines())}


def test_stats_are_the_levels_of_a_tone_and_of_its_quietest_half_second(run: Any, tmp_path: Path) -> None:
    n = np.arange(3 * FS)
    x = np.sin(2 * np.pi * 1000 * n / FS) * np.where((n >= FS) & (n < 1.6 * FS), 0.001, 0.5)
    lufs = -6.02 - 3.01 + 10 * np.log10(21 / 24)  # of 24 blocks 18 are loud, 6 partly: 3/4, 2/4, 1/4, twice
    soundfile.write(tmp_path / "a.wav", x, FS, "FLOAT")
    (record,) = records(run("info", "--stats", "--json", tmp_path / "a.wav")).values()
    rms = 10 * np.log10(np.mean(x**2))
    short_term = -6.02 - 3.01 + 10 * np.log10(2.4 / 3)
    assert record["stats"].pop("bits") is None
    assert record["stats"].pop("bandwidth") < 24_000
    assert record["stats"] == pytest.approx(
        {"loudness": lufs, "loudness_range": 0.0, "max_momentary": -9.03, "max_short_term": short_term,
         "true_peak": -6.02, "peak": -6.02, "rms": rms, "crest": -6.02 - rms, "noise_floor": -63.01,
         "dc_offset": 0.0,
         "clipped_runs": 0, "non_finite": 0, "silence_start": 1 / 48, "silence_end": 0},
        abs=0.02)
    lines = run("info", "--stats", tmp_path / "a.wav").out.splitlines()
    assert "  noise floor -63.01 dBFS" in lines
    assert "  true peak -6.02 dBTP" in lines
    assert "  loudness range 0.00 LU" in lines
    assert "  bits no integers" in lines
    assert "peak" not in record, "that of --check is linear"


def test_a_folder_is_held_to_what_is_required_and_each_file_gets_its_gain(run: Any, tmp_path: Path) -> None:
    for name, level_db in (("good.wav", -23.2), ("soft.flac", -40.0), ("sub/loud.wav", -10.0)):
        tone(tmp_path / name, level_db)
    done = run("info", "--json", "--require", "loudness=-23±0.5,true_peak<=-1", tmp_path)
    assert done.code == 3
    assert done.told == ["2 of 3 files do not meet what is required"]
    assert run("info", "--json", "--require", "channels=2", tmp_path).told == ["all 3 files meet what is required"]
    gains = {name: record["gain_db"] for name, record in records(done).items()}
    assert gains == {"good.wav": None, "soft.flac": pytest.approx(17.0, abs=0.02),
                     "loud.wav": pytest.approx(-13.0, abs=0.02)}
    assert run("info", "--require", "loudness=-23+-0.5", tmp_path / "good.wav").code == 0
    out = run("info", "--stats", "--require", "loudness=-23±0.5", tmp_path / "sub").out
    assert out.splitlines()[-2:] == ["  misses loudness=-23±0.5: -9.99 LUFS", "  needs a gain of -13.01 dB"]


def test_no_gain_mends_a_loudness_range_and_a_sound_without_one_has_none_too_large(run: Any, tmp_path: Path) -> None:
    for name, levels_db in (("wide.wav", (-20, -40)), ("narrow.wav", (-20, -22))):
        x = np.repeat(10 ** (np.array(levels_db) / 20), 6 * 8000) * np.sin(np.pi / 4 * np.arange(12 * 8000))
        soundfile.write(tmp_path / name, x, 8000)
    tone(tmp_path / "short.wav", -23.0)
    done = run("info", "--json", "--require", "loudness range<=15 LU", tmp_path)
    told = {name: (one["misses"], one["gain_db"], one["advice"]) for name, one in records(done).items()}
    value = records(done)["wide.wav"]["stats"]["loudness_range"]
    assert told == {"wide.wav": ([f"loudness range<=15 LU: {value:.2f} LU"], None, ""), "narrow.wav": ([], None, ""),
                    "short.wav": ([], None, "")}
    assert value == pytest.approx(20.0, abs=1.0)
    assert records(done)["short.wav"]["stats"]["loudness_range"] is None
    (record,) = records(run("info", "--json", "--require", "max_momentary<=-25", tmp_path / "short.wav")).values()
    assert record["gain_db"] == pytest.approx(-2.0, abs=0.02)
    out = run("info", "--require", "max_short_term=-23", tmp_path / "short.wav").out
    assert "  misses max_short_term=-23: silence, or shorter than 3 s" in out.splitlines()


@pytest.mark.parametrize("level_db", [-40.0, -10.0])
def test_the_gain_that_is_told_is_the_gain_that_helps(run: Any, tmp_path: Path, level_db: float) -> None:
    path, wanted = tone(tmp_path / "a.wav", level_db), "loudness>=-22.4,true_peak<=-20.3,peak<-20.1"
    gain_db = records(run("info", "--json", "--require", wanted, path))["a.wav"]["gain_db"]
    assert run("process", path, "-e", f"gain:{gain_db}", "-o", tmp_path / "b.wav").code == 0
    assert run("info", "--require", wanted, tmp_path / "b.wav").code == 0


def test_what_has_no_level_misses_it_and_no_gain_helps(run: Any, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros(FS), FS)
    soundfile.write(tmp_path / "slow.wav", np.full(2000, 0.1), 2000)
    tone(tmp_path / "short.wav", -20.0, 0.3)
    done = run("info", "--json", "--stats", "--require", "loudness=-23", tmp_path)
    told = {name: (one["misses"], one["gain_db"], one["advice"]) for name, one in records(done).items()}
    assert told == {
        "silent.wav": (["loudness=-23: silence, or shorter than 400 ms"], None, "no gain brings it there"),
        "short.wav": (["loudness=-23: silence, or shorter than 400 ms"], None, "no gain brings it there"),
        "slow.wav": (["loudness=-23: cannot be measured"], None, "")}
    assert records(done)["silent.wav"]["stats"]["peak"] is None
    assert run("info", "--require", "noise_floor<=-60,peak<=-3", tmp_path / "silent.wav").code == 0
    assert run("info", "--check", "--require", "rate=2 kHz,channels=1,duration<=1", tmp_path / "slow.wav").code == 0


def test_a_bad_file_and_an_empty_folder_have_their_codes(run: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no sound at all")
    tone(tmp_path / "good.wav", -23.0)
    done = run("info", "--require", "loudness=-23", tmp_path)
    assert (done.code, done.told[-1]) == (3, "1 of 2 files does not meet what is required")
    assert run("info", "--require", "loudness=-23", tmp_path / "good.wav", tmp_path / "gone.wav").code == 3
    (tmp_path / "old.shn").write_bytes(b"a sound that nobody here can read")
    tone(tmp_path / "processed" / "made.wav", -40.0)
    done = run("info", "--require", "loudness=-23", tmp_path)
    assert done.told[-1] == "3 of 4 files do not meet what is required"
    assert "old.shn: shn: cannot be decoded here" in done.err
    assert "  needs a gain of +16.99 dB" in done.out.splitlines(), "outputs are looked at, too"
    (tmp_path / "empty").mkdir()
    assert run("info", tmp_path / "empty").code == 1


@pytest.mark.parametrize(("values", "gain_db", "advice"), [
    ({"loudness": -30.0, "true_peak": -9.0}, 7.0, "needs a gain of +7.00 dB"),
    ({"loudness": -30.0, "true_peak": -7.7}, 6.7, "needs a gain of +6.70 dB"),  # the tolerance is used
    ({"loudness": -30.0, "true_peak": -6.0}, None, "no gain alone is enough: loudness=-23±0.5 needs +6.50 dB or more, "
                                                   "true_peak<=-1 allows +5.00 dB or less"),
    ({"loudness": -22.5, "true_peak": -0.4}, -0.6, "needs a gain of -0.60 dB"),
    ({"loudness": -22.496, "true_peak": -0.996}, None, ""),  # shown as -22.50 and -1.00
    ({"loudness": -22.494, "true_peak": -3.0}, -0.51, "needs a gain of -0.51 dB")])
def test_one_gain_has_to_suit_all_levels(values: dict[str, float | None], gain_db: float | None, advice: str) -> None:
    found = verdict(parse_requirements("loudness=-23±0.5,true_peak<=-1"), values)
    assert found.gain_db == (None if gain_db is None else pytest.approx(gain_db))
    assert found.advice == advice


@pytest.mark.parametrize(("text", "misses"), [
    ("peak<-1", ()), ("peak<=-1,rms<-20", ()), ("rms<=-20,peak>=-3", ("peak>=-3: silence",)),
    ("rms<-20,peak>-3,true_peak<=-1", ("peak>-3: silence",))])
def test_silence_is_below_every_level_and_no_gain_raises_it(text: str, misses: tuple[str, ...]) -> None:
    found = verdict(parse_requirements(text), dict.fromkeys(["peak", "true_peak", "rms"], -np.inf))
    assert (found.misses, found.gain_db, found.advice) == (misses, None, "no gain brings it there" if misses else "")


@pytest.mark.parametrize(("text", "key", "low", "high"), [
    ("loudness=-23", "loudness", -23.1, -22.9), (" Loudness == −23 LUFS ± 0.5 LU ", "loudness", -23.5, -22.5),
    ("true peak<=-1dBTP", "true_peak", -np.inf, -1.0), ("noise-floor ≤ -60 dB", "noise_floor", -np.inf, -60.0),
    ("rms≥-23", "rms", -23.0, np.inf), ("peak=-3+/-1", "peak", -4.0, -2.0), ("rate=44.1k", "rate", 44_100, 44_100),
    ("duration>0.5 s", "duration", 0.5, np.inf), ("channels=2", "channels", 2, 2)])
def test_what_may_be_written(text: str, key: str, low: float, high: float) -> None:
    (found,) = parse_requirements(text)
    assert (found.key, found.low, found.high) == (key, pytest.approx(low), pytest.approx(high))


@pytest.mark.parametrize(("text", "words"), [
    ("loud=3", "unknown key 'loud'; did you mean loudness"), ("loudness", "allowed is a key"), ("", "allowed is a key"),
    ("loudness=", "loudness: found ''"), ("true_peak<=-1±2", "± goes with ="), ("loudness=-23±-1", "out of range"),
    ("rate=48 LUFS", "LUFS is not a unit here"), ("rms>-3,rms<-20", "contradict each other"),
    ("loudness=-23,5", "found '5'"), ("loudness=nan", "out of range")])
def test_what_cannot_be_meant_is_a_wrong_option(text: str, words: str, run: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        parse_requirements(text)
    done = run("info", "--require", text, tmp_path / "nothing_is_opened.wav")
    assert (done.code, done.out) == (2, "")


def test_the_help_tells_of_it() -> None:
    options = {name for param in app().commands["info"].params for name in param.opts}
    assert {"--stats", "--require"} <= options
