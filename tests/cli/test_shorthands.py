"""`--mono`, `--rate`, `--normalize`, `--loudness`, and what is done without a chain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from ramp import FS, samples

from torchfx_cli.chain.parse import join
from torchfx_cli.cli.process_options import asked_of
from torchfx_cli.cli.shorthands import is_conversion
from torchfx_cli.stream.formats import plain_subtype

CORPUS = ("--rate", "4k", "--mono", "--format", "flac", "--subtype", "16bit")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    (folder / "sub").mkdir(parents=True)
    soundfile.write(folder / "a.wav", samples() / 2.0**15, FS, "PCM_24")
    soundfile.write(folder / "sub" / "b.wav", samples()[:4000, :1], FS // 2, "PCM_16")
    return folder


def test_a_corpus_is_made_alike_without_a_chain_and_resumed(run: Any, corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("process", corpus, "-o", out, *CORPUS)
    assert done.code == 0
    assert done.told[-1].startswith("2 ok, 0 warned, 0 failed, 0 skipped  in ")
    facts = [soundfile.info(out / name) for name in ("a.flac", "sub/b.flac")]
    assert [(f.samplerate, f.channels, f.frames, f.subtype) for f in facts] == [
        (4000, 1, 4000, "PCM_16"), (4000, 1, 4000, "PCM_16")]
    same, _ = soundfile.read(out / "sub" / "b.flac", dtype="int16")
    np.testing.assert_array_equal(same, samples()[:4000, 0], "what has the channels and the rate stays bit for bit")
    again = run("process", corpus, "-o", out, "--resume", "--rate", "4000 Hz", "--mono", "--format", "flac",
                "--subtype", "pcm_16")
    assert again.told[-1] == "0 ok, 0 warned, 0 failed, 2 skipped", "the same in other words is done already"
    other = run("process", corpus, "-o", out, "--resume", *CORPUS, "--normalize", "-6")
    assert other.told[-1].startswith("2 ok, 0 warned, 0 failed, 0 skipped  in ")


def test_another_extension_is_a_conversion_without_loss(run: Any, read: Any, ramp: Path, tmp_path: Path) -> None:
    assert run("process", ramp, "-o", tmp_path / "out.flac").code == 0
    np.testing.assert_array_equal(read(tmp_path / "out.flac"), samples())
    assert run("process", ramp, "--name", "{stem}-{chain}.flac").code == 0
    np.testing.assert_array_equal(read(tmp_path / "processed" / "in-converted.flac"), samples())


def test_stages_come_behind_the_chain_in_one_order(run: Any, ramp: Path, tmp_path: Path) -> None:
    """However they are written: the level is that of what comes out."""
    asked = "--normalize", "-6.0206", "--rate", "6 kHz", "--mono", "-e", "gain:-20"
    soundfile.write(ramp, 0.1 * np.random.default_rng(1).uniform(-1, 1, (FS, 2)), FS, "PCM_16")
    done = run("process", ramp, *asked, "--dry-run", "--json")
    stages = json.loads(done.out)["stages"]
    assert [stage.split()[0] for stage in stages] == ["gain", "mono,", "resample", "normalize"]
    assert run("process", ramp, *asked, "--subtype", "float", "-o", tmp_path / "x.wav").code == 0
    peak = np.abs(soundfile.read(tmp_path / "x.wav")[0]).max()
    assert peak == pytest.approx(0.5, rel=1e-5)


def test_the_shorthands_say_the_same_as_effects() -> None:
    asked = asked_of([], ["gain:-3"], converts=False, mono=True, rate="16k", normalize=None, loudness="-16 LUFS")
    written = join([], ["gain:-3", "mono", "resample:16000", "loudness:-16"])
    assert asked.spec.digest == written.digest
    assert asked.word == "gain+mono+resample+loudness"


def test_in_place_keeps_the_old_bytes(run: Any, ramp: Path) -> None:
    old = ramp.read_bytes()
    assert run("process", ramp, "--in-place", "--backup", ".bak", "--rate", "4k", "--mono").code == 0
    assert (soundfile.info(ramp).samplerate, soundfile.info(ramp).channels) == (4000, 1)
    assert ramp.with_name("in.wav.bak").read_bytes() == old


@pytest.mark.parametrize(("arguments", "words"), [
    ((), "nothing to apply"), (("-o", "copy.wav"), "nothing to apply"), (("-o", "folder/"), "nothing to apply"),
    (("--normalize", "-1", "--loudness", "-16"), "--normalize and --loudness contradict each other"),
    (("--rate", "16,000"), "--rate '16,000': resample.rate: found"),
    (("--rate", "0"), "resample.rate: found '0' (out of range)"),
    (("--rate", "16kk", "--loudness", "loud"), "--loudness 'loud': loudness.target: found 'loud' (not a number)"),
    (("--format", "flac", "--subtype", "float"), "FLAC cannot hold float"),
])
def test_what_cannot_be_meant_is_told_before_any_file(run: Any, ramp: Path, arguments: Any, words: str) -> None:
    done = run("process", ramp, *arguments)
    assert done.code == 2
    assert words in done.err
    assert list(ramp.parent.iterdir()) == [ramp]


def test_watch_takes_them_too(run: Any, corpus: Path, tmp_path: Path) -> None:
    assert run("watch", corpus, "-o", tmp_path / "out", "--once", "--settle", "0", *CORPUS).code == 0
    assert soundfile.info(tmp_path / "out" / "a.flac").samplerate == 4000


@pytest.mark.parametrize(("inputs", "output", "name", "wishes", "is_one"), [
    (["a.wav"], "b.flac", None, (), True), (["a.wav"], "b.wav", None, (), False), (["a.wav"], "b", None, (), False),
    (["-"], "b.flac", None, (), True), (["-"], "-", None, (), False), (["-"], "-", None, ("flac",), True),
    (["a.flac", "b.wav"], "out/", "{stem}.flac", (), True), (["a.WAV"], None, "{stem}.wav", (), False),
    (["a.wav"], None, None, (None, "16"), True), ([], "out/", None, (None, None), False),
])
def test_a_conversion_is_seen_by_its_words(inputs: list[str], output: str | None, name: str | None, wishes: Any,
                                           is_one: bool) -> None:
    assert is_conversion(inputs, output, name, *wishes) is is_one


@pytest.mark.parametrize(("word", "plain"), [
    ("24", "24"), ("24bit", "24"), ("24-bit", "24"), ("24 bits", "24"), ("pcm_24", "24"), ("PCM24", "24"),
    ("s24le", "24"), ("pcm_s16le", "16"), ("float", "float"), ("u8", "u8"), ("s8", "s8"), ("pcm_s8", "s8"),
    ("8bit", "8"), ("alac-16", "alac_16"), ("float32", "float32"),
])
def test_spellings_of_a_sample_format_are_one(word: str, plain: str) -> None:
    assert plain_subtype(word) == plain
