"""`process --album`: the files of a folder get one gain, whatever fails, is resumed or stands around the level."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from torchfx_cli.effects.loudness import LoudnessMeter
from torchfx_cli.tasks import onefile, workers
from torchfx_cli.tasks.job import Job
from torchfx_cli.tasks.report import FileResult

FS = 8000
LEVELS = {"loud.wav": -20.0, "mid.wav": -24.0, "soft.wav": -50.0}
# Of the blocks of all, the -50 LUFS are below the relative gate; all others count alike (BS.1770-5, annex 1).
CUT_DB = 0.1  # by which the true peak of a tone that ends at once lies above its samples
ALBUM_LUFS = 10 * np.log10((10**-2.0 + 10**-2.4) / 2)


def tone(path: Path, level_db: float, seconds: float = 1.0) -> None:
    """1 kHz in stereo, whose loudness is its peak level but for what the K weighting makes of 1 kHz at this rate."""
    path.parent.mkdir(parents=True, exist_ok=True)
    x = 10 ** (level_db / 20) * np.sin(2 * np.pi * 1000 * np.arange(round(seconds * FS)) / FS)
    soundfile.write(path, np.stack([x, x], axis=1), FS, "FLOAT")


@pytest.fixture
def album(tmp_path: Path) -> Path:
    for name, level_db in LEVELS.items():
        tone(tmp_path / "in" / name, level_db)
    return tmp_path / "in"


def gains_db(folder: Path, out: Path) -> dict[str, float]:
    """Of each output, by its name below `out`."""
    gains = {}
    for path in sorted(out.rglob("*.wav")):
        made, source = soundfile.read(path)[0], soundfile.read(folder / path.relative_to(out))[0]
        gains[str(path.relative_to(out))] = 20 * np.log10(np.abs(made).max() / np.abs(source).max())
    return gains


def loudness(path: Path) -> float:
    x, fs = soundfile.read(path)
    meter = LoudnessMeter(fs, (1.0, 1.0))
    meter.process(x)
    return meter.reading().lufs


def test_loudness_is_that_of_all_files_gated_together(run: Any, album: Path, tmp_path: Path) -> None:
    offset = loudness(album / "loud.wav") - LEVELS["loud.wav"]  # of the weighting
    assert run("process", album, "--loudness", "-16", "--album", "-o", tmp_path / "out").code == 0
    gains = gains_db(album, tmp_path / "out")
    assert gains == {name: pytest.approx(-16.0 - ALBUM_LUFS - offset, abs=1e-3) for name in LEVELS}


@pytest.mark.parametrize(("effect", "gain_db"), [
    ("normalize:-1", 19.0), ("normalize:true_peak=-1", 19.0),
    ("normalize:rms=-20", -20 - 10 * np.log10((10**-2.0 + 10**-2.4 + 10**-5.0) / 6))])
def test_peak_and_rms_are_those_of_all(run: Any, album: Path, tmp_path: Path, effect: str, gain_db: float) -> None:
    assert run("process", album, "-e", effect, "--album", "-o", tmp_path / "out").code == 0
    assert gains_db(album, tmp_path / "out") == {name: pytest.approx(gain_db, abs=CUT_DB) for name in LEVELS}


def test_each_folder_of_a_tree_is_an_album(run: Any, album: Path, tmp_path: Path) -> None:
    tone(album / "disc 2" / "a.wav", -40.0)
    tone(album / "disc 2" / "b.wav", -30.0)
    assert run("process", album, "--normalize", "-10", "--album", "-o", tmp_path / "out").code == 0
    assert gains_db(album, tmp_path / "out") == {
        "disc 2/a.wav": pytest.approx(20.0, abs=1e-3), "disc 2/b.wav": pytest.approx(20.0, abs=1e-3),
        **{name: pytest.approx(10.0, abs=1e-3) for name in LEVELS}}


def test_the_ceiling_is_that_of_the_album(run: Any, album: Path, tmp_path: Path) -> None:
    """Lowered, all files keep their distances; and a failure is the failure of each."""
    words = ("process", album, "--album", "-o", tmp_path / "out", "--overwrite", "-e")
    done = run(*words, "loudness:target=-2,true_peak=-6,ceiling=lower")
    assert done.code == 0
    assert done.err.count("for its true peak") == 3
    assert gains_db(album, tmp_path / "out") == {name: pytest.approx(14.0, abs=CUT_DB) for name in LEVELS}
    assert run(*words, "loudness:target=-2,true_peak=-6,ceiling=fail").err.count("would bring the true peak") == 3
    assert run(*words, "loudness:target=-2,true_peak=-6,ceiling=limit").code == 0
    gains = gains_db(album, tmp_path / "out")
    assert gains["loud.wav"] == pytest.approx(14.0, abs=CUT_DB)
    assert gains["soft.wav"] > 18.0


def test_what_is_measured_stage_by_stage_is_that_of_single_files_and_of_the_album(
        run: Any, album: Path, tmp_path: Path) -> None:
    """Silence is cut off each file by itself; the second level is of what the first made."""
    x = soundfile.read(album / "mid.wav")[0]
    soundfile.write(album / "mid.wav", np.concatenate([np.zeros((FS, 2)), x]), FS, "FLOAT")
    effects = ("trim_silence:threshold=-70,margin=0", "normalize:rms=-30", "gain:3", "normalize:-2")
    words = [word for effect in effects for word in ("-e", effect)]
    assert run("process", album, *words, "--album", "-o", tmp_path / "out").code == 0
    assert {path.name: soundfile.info(path).frames for path in (tmp_path / "out").glob("*.wav")} == {
        "loud.wav": pytest.approx(FS, abs=2), "mid.wav": pytest.approx(FS, abs=2), "soft.wav": pytest.approx(FS, abs=2)}
    assert gains_db(album, tmp_path / "out") == {name: pytest.approx(18.0, abs=1e-3) for name in LEVELS}


def test_an_album_goes_by_what_its_files_have_on_a_channel_and_in_branches(
        run: Any, album: Path, tmp_path: Path) -> None:
    """-20 dBFS at most come to -10 on channel 2; both then stand under a copy of the loudest that comes to -4."""
    chain = tmp_path / "branches.yaml"
    chain.write_text("chain: [{normalize: -10, channels: 2}, parallel: [normalize: -4, [gain: 0]]]\n")
    words = ("process", album, "--chain", chain, "--album", "-o", tmp_path / "out")
    done = run(*words, "--verbose")
    assert done.code == 0
    assert done.err.count("note: channel 2: normalize to -10 dBFS (+10.00 dB)") == len(LEVELS)
    assert done.err.count("note: normalize to -4 dBFS (+6.00 dB)") == len(LEVELS)
    twice = 1 + 10**0.3
    for name, level_db in LEVELS.items():
        made = soundfile.read(tmp_path / "out" / name)[0]
        source = 10 ** (level_db / 20)
        np.testing.assert_allclose(np.abs(made).max(axis=0), [source * twice, source * 10**0.5 * twice], rtol=1e-5)
    assert "0 ok, 0 warned, 0 failed, 3 skipped" in run(*words, "--resume").err
    (album / "loud.wav").unlink()
    assert "2 ok, 0 warned, 0 failed, 0 skipped" in run(*words, "--resume").err


def test_a_file_that_fails_is_left_out_and_named(run: Any, album: Path, tmp_path: Path) -> None:
    (album / "bad.wav").write_bytes(b"RIFF, but no more")
    soundfile.write(album / "nan.wav", np.array([0.9, np.nan]), FS, "FLOAT")
    done = run("process", album, "--normalize", "-1", "--album", "-o", tmp_path / "out")
    assert done.code == 3
    assert done.err.count("(its album is measured without it)") == 2
    assert "3 ok, 0 warned, 2 failed, 0 skipped" in done.err
    assert gains_db(album, tmp_path / "out") == {name: pytest.approx(19.0, abs=1e-3) for name in LEVELS}
    done = run("process", album, "--normalize", "-1", "--album", "-o", tmp_path / "two", "--fail-fast")
    assert (done.code, list((tmp_path / "two").glob("*.wav"))) == (3, [])


def test_a_file_that_crashes_its_worker_while_it_is_measured_is_left_out(
        run: Any, album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measure_file(job: Job, *others: Any) -> FileResult:
        if job.source.name == "loud.wav":
            os.kill(os.getpid(), signal.SIGKILL)
        return onefile.measure_file(job, *others)

    monkeypatch.setattr(
        workers, "step_of", lambda settings: measure_file if settings.measures else onefile.process_file)
    done = run("process", album, "--normalize", "-1", "--album", "-o", tmp_path / "out")
    assert (done.code, "was the memory used up? (its album is measured without it)" in done.err) == (3, True)
    assert gains_db(album, tmp_path / "out") == {
        "mid.wav": pytest.approx(23.0, abs=1e-3), "soft.wav": pytest.approx(23.0, abs=1e-3)}


def test_a_resumed_run_never_mixes_gains(run: Any, album: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("process", album, "--normalize", "-1", "--album", "-o", out, "--resume")
    assert run(*words).code == 0
    first = {path.name: path.stat().st_ino for path in out.glob("*.wav")}
    assert "0 ok, 0 warned, 0 failed, 3 skipped" in run(*words).err, "nothing has changed"
    (out / "mid.wav").unlink()
    assert "1 ok, 0 warned, 0 failed, 2 skipped" in run(*words).err, "the same gain for what is missing"
    assert gains_db(album, out) == {name: pytest.approx(19.0, abs=1e-3) for name in LEVELS}
    tone(album / "softer.wav", -60.0)
    assert "1 ok, 0 warned, 0 failed, 3 skipped" in run(*words).err, "the peak of the album is the same"
    tone(album / "louder.wav", -10.0)
    assert "5 ok, 0 warned, 0 failed, 0 skipped" in run(*words).err, "all are made anew"
    assert list(gains_db(album, out).values()) == pytest.approx([9.0] * 5, abs=1e-3)
    assert first["loud.wav"] != (out / "loud.wav").stat().st_ino
    done = run("process", album, "--normalize", "-1", "-o", out, "--resume")
    assert "5 ok" in done.err, "without --album it is another work"


def test_how_files_are_given_and_done_changes_no_bit(run: Any, album: Path, tmp_path: Path) -> None:
    files = sorted(album.iterdir())
    made = []
    for number, given in enumerate([files, [*files[::-1], "--jobs", 1], [album, "--jobs", 4, "--chunk", 0.1]]):
        out = tmp_path / f"out{number}"
        assert run("process", *given, "-e", "loudness:target=-9,true_peak=-1", "--album", "-o", f"{out}/").code == 0
        made.append([(out / path.name).read_bytes() for path in files])
    assert made[1] == made[2] == made[0]


def test_in_place_the_old_levels_are_measured(run: Any, album: Path, tmp_path: Path) -> None:
    before = shutil.copytree(album, tmp_path / "before")
    assert run("process", album, "--normalize", "-1", "--album", "--in-place", "--backup", ".bak").code == 0
    assert gains_db(before, album) == {name: pytest.approx(19.0, abs=1e-3) for name in LEVELS}


def test_a_dry_run_names_the_album(run: Any, album: Path) -> None:
    words = ("process", album, "--loudness", "-16", "--album", "--dry-run")
    assert run(*words).out.count(f"one gain for all files in {album} (--album)") == 3
    assert all(f"one gain for all files in {album} (--album)" in json.loads(line)["remarks"]
               for line in run(*words, "--json").out.splitlines())
    assert not list(album.parent.glob("**/processed"))


@pytest.mark.parametrize(("words", "why"), [
    (("-e", "gain:3"), "nothing in the chain goes by the level of a whole file"),
    (("-e", "trim_silence"), "nothing in the chain goes by the level of a whole file"),
    (("--normalize", "-1", "--skip-existing"), "--album and --skip-existing contradict"),
    (("--normalize", "-1", "--on-clip", "attenuate"), "--album and --on-clip attenuate contradict"),
    (("--normalize", "-1", "--in-place", "--backup", ".bak", "--resume"), "--album cannot resume --in-place")])
def test_what_would_give_files_gains_of_their_own_is_refused(run: Any, album: Path, words: tuple[str, ...], why: str
                                                             ) -> None:
    done = run("process", album, "--album", *words)
    assert (done.code, why in done.err) == (2, True)


def test_pipes_and_watched_folders_have_no_album(run: Any, album: Path, tmp_path: Path) -> None:
    done = run("process", "-", "--normalize", "-1", "--album", "-o", tmp_path / "a.wav")
    assert (done.code, "--album is for files; - is a pipe" in done.err) == (2, True)
    done = run("watch", album, "--normalize", "-1", "--album", "--once", "-o", tmp_path / "out")
    assert (done.code, "No such option: --album" in done.err) == (2, True)
