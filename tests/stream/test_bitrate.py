"""A lossy file that is encoded anew keeps about its bit rate, or gets the one that is asked for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from torchfx_cli.__main__ import main
from torchfx_cli.stream.bitrate import RateWish, rated
from torchfx_cli.stream.formats import Encoding, choose_output
from torchfx_cli.stream.reader import open_source

FS = 48000
NEAR = 0.2  # variable rates follow the sound, and a second of it bears the headers


def noise(channels: int = 2, fs: int = FS) -> np.ndarray:
    """A second of noise below 8 kHz, as an encoder saves nothing of white noise."""
    spectrum = np.fft.rfft(np.random.default_rng(1).standard_normal((fs, channels)), axis=0)
    spectrum[8000:] = 0
    return 0.1 * np.fft.irfft(spectrum, fs, axis=0)


def put(path: Path, channels: int = 2, fs: int = FS, **how: Any) -> Path:
    soundfile.write(path, noise(channels, fs), fs, format="MP3" if path.suffix == ".mp3" else "OGG", **how)
    return path


def kbps(path: Path) -> float:
    with open_source(path) as source:
        assert source.facts.kbps is not None
        return source.facts.kbps


def through(path: Path, out: Path, *words: str) -> float:
    """The bit rate of what the command makes of `path`."""
    assert main(["process", os.fspath(path), "-o", os.fspath(out), "--overwrite", "-e", "gain:-1", *words]) == 0
    return kbps(out)


@pytest.mark.parametrize(("name", "how"), [
    ("a.mp3", {"compression_level": 0.0, "bitrate_mode": "CONSTANT"}),
    ("a.mp3", {"compression_level": 256 / 288, "bitrate_mode": "CONSTANT"}),
    ("a.mp3", {"compression_level": 0.3, "bitrate_mode": "VARIABLE"}),
    ("a.ogg", {"subtype": "VORBIS", "compression_level": 0.1}),
    ("a.ogg", {"subtype": "VORBIS", "compression_level": 0.9}),
    ("a.opus", {"subtype": "OPUS", "compression_level": 0.2}),
    ("a.opus", {"subtype": "OPUS", "compression_level": 0.95}),
])
def test_a_lossy_file_made_anew_keeps_about_its_rate(tmp_path: Path, name: str, how: dict[str, Any]) -> None:
    """A 320 kbit/s MP3 came out with 140, a Vorbis of quality 9 with quality 4."""
    source = put(tmp_path / name, **how)
    assert through(source, tmp_path / f"out{source.suffix}") == pytest.approx(kbps(source), rel=NEAR)


def test_a_rate_is_kept_in_another_lossy_format_and_each_channel_keeps_its_share(tmp_path: Path) -> None:
    source = put(tmp_path / "a.mp3", compression_level=128 / 288, bitrate_mode="CONSTANT")
    assert kbps(source) == pytest.approx(192, rel=0.01)
    assert through(source, tmp_path / "a.opus") == pytest.approx(192, rel=NEAR)
    assert through(source, tmp_path / "b.mp3", "-e", "mono") == pytest.approx(96, rel=0.01)


@pytest.mark.parametrize("asked", ["64", "128k", "256"])
@pytest.mark.parametrize("name", ["a.mp3", "a.ogg", "a.opus"])
def test_a_rate_that_is_asked_for_is_had(tmp_path: Path, name: str, asked: str) -> None:
    near = 0.01 if name == "a.mp3" else NEAR
    source = put(tmp_path / "in.mp3")
    assert through(source, tmp_path / name, "--bitrate", asked) == pytest.approx(float(asked.rstrip("k")), rel=near)


@pytest.mark.parametrize("name", ["a.mp3", "a.ogg", "a.opus"])
def test_quality_makes_a_difference_at_both_ends(tmp_path: Path, name: str) -> None:
    source = put(tmp_path / "in.mp3")
    rates = [through(source, tmp_path / name, "--quality", quality) for quality in ("0", "5", "10")]
    assert rates[0] * 1.5 < rates[1] < rates[2] / 1.3, rates


@pytest.mark.parametrize(("name", "fs", "wish", "wanted"), [
    ("a.mp3", 44100, RateWish(kbps=100), "112 kbit/s"), ("a.mp3", 44100, RateWish(kbps=999), "320 kbit/s"),
    ("a.mp3", 22050, RateWish(kbps=320), "160 kbit/s"), ("a.mp3", 8000, RateWish(kbps=320), "64 kbit/s"),
    ("a.opus", 48000, RateWish(kbps=999), "about 512 kbit/s"), ("a.ogg", 44100, RateWish(), "quality 4"),
    ("a.mp3", 44100, RateWish(quality=10), "quality 10 of 10"),
])
def test_what_was_chosen_is_named(name: str, fs: int, wish: RateWish, wanted: str) -> None:
    class Facts:
        channels, container, subtype, channel_map = 2, "WAV", "PCM_16", ()

    Facts.fs = fs  # type: ignore[attr-defined]
    chosen = rated(choose_output(name, Facts()), fs, 2, wish)  # type: ignore[arg-type]
    assert isinstance(chosen.encoding, Encoding)
    assert chosen.encoding.words.startswith(wanted)
    assert str(chosen).endswith(chosen.encoding.words)


@pytest.mark.parametrize("words", [
    ["--bitrate", "96", "-o", "a.flac"], ["--quality", "3", "-o", "a.wav"], ["--bitrate", "0", "-o", "a.mp3"],
    ["--quality", "11", "-o", "a.mp3"], ["--bitrate", "fast", "-o", "a.mp3"],
    ["--bitrate", "96", "--quality", "0", "-o", "a.mp3"],
])
def test_what_makes_no_sense_is_refused(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "in.mp3")
    assert main(["process", "in.mp3", "-e", "gain:-1", *words]) == 2
    assert not (tmp_path / words[-1]).exists()


def test_of_a_batch_the_outputs_that_have_a_bit_rate_get_it_and_the_others_are_named(
        tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    put(tmp_path / "in/a.mp3")
    soundfile.write(tmp_path / "in/b.wav", noise(), FS)
    out = tmp_path / "out"
    assert main(["process", str(tmp_path / "in"), "-e", "gain:-1", "-o", str(out), "--bitrate", "64"]) == 0
    assert kbps(out / "a.mp3") == pytest.approx(64, rel=NEAR)
    assert soundfile.info(out / "b.wav").frames == FS
    assert "warning: --bitrate does nothing for WAV: there is no bit rate to choose" in capfd.readouterr().err
    (tmp_path / "in/a.mp3").unlink()
    assert main(["process", str(tmp_path / "in"), "-e", "gain:-1", "-o", str(tmp_path / "no"), "--bitrate", "64"]) == 2
    assert main(["process", str(tmp_path / "in/b.wav"), "--in-place", "--backup", ".bak", "-e", "gain:-1",
                 "--bitrate", "64"]) == 2
