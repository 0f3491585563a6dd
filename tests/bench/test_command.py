"""`torchfx bench`: mistakes are told before anything runs, what was measured is kept, and a run can be gone on with."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from bench_fakes import Fake

from torchfx_cli.__main__ import main
from torchfx_cli.bench import advise as advising
from torchfx_cli.bench import calibrate as calibrating
from torchfx_cli.bench import end_to_end, matrix, plot, stored
from torchfx_cli.bench import profile as profiling
from torchfx_cli.bench.backends import Prepared, backend_of
from torchfx_cli.bench.environment import Waiting
from torchfx_cli.bench.loads import Load
from torchfx_cli.bench.other_tools import TOOLS
from torchfx_cli.bench.records import Results
from torchfx_cli.errors import Interrupted
from torchfx_cli.render.costs import BackendCost

ROOT = Path(__file__).parents[2]
TINY = ("--durations", "0.05,0.1", "--channels", "1,2", "--backends", "native,scipy", "--reps", "2")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """`torchfx bench ...` in this process and in `tmp_path`: exit code, stdout, stderr without the lines of cells."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["bench", *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, re.sub(r"^\d+/\d+  .*\n", "", err, flags=re.MULTILINE)

    return run


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> dict[str, Fake]:
    """What is tested is what becomes of measurements, so the backends make them up."""
    found = {"native": Fake("native"), "scipy": Fake("scipy", lambda load: 4e-3)}
    monkeypatch.setattr(Waiting, "words", lambda self: "")  # however busy the machine is
    monkeypatch.setattr(matrix, "backend_of", lambda name: found[name] if name in found else backend_of(name))
    return found


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be measured."""
    for place, name in ((matrix, "run"), (profiling, "run"), (advising.Bench, "measured"), (calibrating, "calibrate")):
        monkeypatch.setattr(place, name, lambda *a, **k: pytest.fail("measured something"))


def statuses(results: Results) -> dict[tuple[str, float, int, str], str]:
    return {(cell.suite, cell.duration_s, cell.channels, cell.backend): measurement.status
            for cell, measurement in results.rows}


def test_the_matrix_is_shown_and_written(run: Run, tmp_path: Path) -> None:
    code, out, err = run(*TINY, "--csv", "r.csv", "--json", "r.json", "--markdown", "r.md")
    assert (code, err) == (0, "")
    found = stored.load(tmp_path / "r.json", "")
    assert statuses(found) == {(suite, duration_s, channels, backend): "ok" for suite in ("fir", "iir")
                               for duration_s in (0.05, 0.1) for channels in (1, 2) for backend in ("native", "scipy")}
    assert all(len(measurement.times_s) == 2 for _, measurement in found.rows)
    assert found.missing == ()
    rows = list(csv.DictReader((tmp_path / "r.csv").read_text().splitlines()))
    assert [float(row["median_s"]) for row in rows] == [measurement.seconds for _, measurement in found.rows]
    header, *lines = out.splitlines()[:17]
    assert header.split() == ["suite", "audio", "backend", "median", "min", "spread", "x", "real", "time", "samples/s",
                              "x", "SciPy", "SNR", "memory"]
    assert len(lines) == 16
    assert sum(" * " in line for line in lines) == 8, "the fastest of each group is marked"
    assert "measured on cpu " in out
    assert (tmp_path / "r.md").read_text().startswith("# torchfx bench\n\n## fir\n")
    assert run(*TINY, "-q", "--json", "r.json") == (0, "", "")


@pytest.mark.parametrize(("arguments", "said"), [
    (["--durations", "abc"], "--durations: found 'abc'; allowed is a number of seconds, above 0 to 1e+06"),
    (["--durations", "0"], "--durations: found '0'"), (["--durations", "5,-1"], "--durations: found '-1'"),
    (["--durations", "inf"], "--durations: found 'inf'"), (["--durations", "nan"], "--durations: found 'nan'"),
    (["--durations", "5,,6"], "--durations: found '5,,6'; expected a list such as 5,60"),
    (["--durations", ""], "--durations: found ''"), (["--durations", "5\x1b[2J"], r"found '5\x1b[2J'"),
    (["--channels", "1000000000"], "--channels: found '1000000000'; allowed is a whole number from 1 to 1024"),
    (["--channels", "0"], "--channels: found '0'"), (["--channels", "1.5"], "--channels: found '1.5'"),
    (["--channels", "9" * 5000], "--channels: found '999"), (["--channels", "\u0662"], "--channels: found"),
    (["--suite", "xyz"], "--suite: found 'xyz'; allowed are fir, iir, api, io, or a chain of your own with --chain"),
    (["--suite", "chain"], "--suite chain: give the chain with --chain FILE or --effect"),
    (["--suite", "io", "--backends", "scipy"], "--suite io: its backends are cuda and native"),
    (["--backends", "gpu"], "--backends: found 'gpu'; allowed are cuda, native, cpu, scipy, scipy-sos"),
    (["--backends", "cuda:x"], "--backends: found 'cuda:x'"),
    (["--reps", "0"], "--reps: found '0'; allowed is a whole number from 1 to 1000000"),
    (["--reps", "few"], "--reps: found 'few'"), (["--budget", "-1"], "--budget: found '-1'"),
    (["--json", ""], "--json: '' is a folder"),
    (["--csv", "no/r.csv"], "--csv: no/r.csv cannot be written: the folder no does not exist"),
    (["--json", "."], "--json: . is a folder"),
    (["--markdown", "/dev/full/x"], "--markdown: "), (["--plot", "r.pdf"], "--plot r.pdf: the name has to end in"),
    (["--plot", "no/r.png"], "--plot: no/r.png cannot be written: the folder no does not exist"),
    (["--csv", "r", "--json", "./r"], "--csv and --json are the same file: ./r"),
    (["-c", "no.yaml"], "no.yaml: no such file"), (["-e", "highpass:30000"], "30 kHz is not below 22.05 kHz"),
    (["-e", "normalize:-1"], "normalize to -1 dBFS has to hear the whole file first"),
    (["--input", "in.wav"], "--input goes with --chain"),
    (["-e", "gain:1", "--input", "no.wav"], "--input no.wav: does not exist"),
    (["-e", "gain:1", "--input", "text.wav"], "--input text.wav: not an audio file"),
    (["-e", "gain:1", "--input", "empty.wav"], "--input empty.wav: no audio in it"),
    (["-e", "gain:1", "--input", "in.wav", "--durations", "5"], "--durations says nothing to --input"),
    (["--resume", "no.json"], "--resume no.json: No such file"), (["--resume", "text.wav"], "no JSON: line 1"),
    (["--compare", "text.wav"], "--compare text.wav: no JSON"), (["--files", "3"], "--files says nothing to"),
    (["--resume", "a", "--compare", "b"], "--compare says nothing to --resume"),
    (["--advise", "--calibrate"], "--advise and --calibrate are runs of their own"),
    (["--advise", "--csv", "r.csv"], "--csv says nothing to --advise"),
    (["--advise", "--files", "0"], "--files: found '0'"),
    (["--advise", "--durations", "5,60"], "--durations: one value is enough here, not 2"),
    (["--calibrate", "--suite", "fir"], "--suite says nothing to --calibrate"),
    (["--profile", "t.json", "--backends", "native"], "--profile: looks into the torch modules"),
])
def test_bad_input_is_one_line_before_anything_runs(run: Run, tmp_path: Path, never: None, arguments: list[str],
                                                    said: str) -> None:
    soundfile.write(tmp_path / "in.wav", np.zeros(100), 8000)
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 8000)
    (tmp_path / "text.wav").write_text("text\n")
    before = sorted(os.listdir(tmp_path))
    code, out, err = run(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert said in err
    assert sorted(os.listdir(tmp_path)) == before, "nothing is left behind"


def test_each_cell_is_a_line_as_soon_as_it_is_measured_where_nobody_sees_a_bar(
        capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--suite", "fir", *TINY]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition("  ")[0] for line in lines] == [f"{n}/8" for n in range(1, 9)]
    assert lines[0] == "1/8  fir 0.05 s x 1 native: 1 ms"
    assert lines[1] == "2/8  fir 0.05 s x 1 scipy: 4 ms"


def test_the_words_of_the_table_are_explained_below_it(run: Run) -> None:
    _, out, _ = run("--suite", "fir", *TINY)
    lines = out.splitlines()
    assert "*  the fastest of its group; groups do the same work" in lines
    assert "native  the C kernel on one core" in lines
    assert "fir  five FIR low-passes of 101 to 105 taps" in lines
    assert not any(line.startswith(("cuda  ", "iir  ", "~  ")) for line in lines), "only of what occurs"


def test_a_chain_that_normalizes_is_measured_without_and_that_is_told(run: Run) -> None:
    code, out, err = run("-e", "highpass:80", "-e", "normalize:-1", *TINY)
    assert (code, err) == (0, "chain highpass+normalize: measured without normalize to -1 dBFS, "
                              "which has to hear the whole file first, which no backend does\n")
    assert out.count("native *") == 4


def test_a_busy_machine_is_told(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Waiting, "words", lambda self: "31 % of the time for a core")
    _, _, err = run("--suite", "fir", *TINY, "--json", "r.json")
    assert err == ("the machine was busy: the program waited 31 % of the time for a core; "
                   "its times are too long, and uneven\n")
    assert stored.load("r.json", "").environment.waited == "31 % of the time for a core"


def test_a_wrong_backend_shows_no_speed_and_ends_with_3(run: Run, tmp_path: Path, fakes: dict[str, Fake]) -> None:
    fakes["native"] = Fake("native", spoil=np.float16)
    code, out, _ = run("--suite", "iir", *TINY, "--json", "r.json", "--csv", "r.csv")
    assert code == 3
    for line in out.splitlines()[1:9]:
        assert ("native" in line) == (" wrong " in line)
    assert "dB against float64 SciPy; 140 dB is the least" in out
    code, out, err = run("--suite", "iir", *TINY, "-q")
    assert (code, out) == (3, "")
    assert "wrong: " in err, "what is wrong is told in any case"
    rows = list(csv.DictReader((tmp_path / "r.csv").read_text().splitlines()))
    assert all(not row["median_s"] for row in rows if row["backend"] == "native")
    assert set(statuses(stored.load(tmp_path / "r.json", "")).values()) == {"wrong", "ok"}


class Stopping(Fake):
    """Ctrl-C while it prepares for the time after `count`."""

    def __init__(self, count: int) -> None:
        super().__init__("scipy")
        self._left = count

    def prepare(self, load: Load, label: str = "") -> Prepared:
        self._left -= 1
        if self._left < 0:
            raise Interrupted(signal.SIGINT)
        return super().prepare(load, label)


def test_an_interruption_keeps_what_is_done_and_resume_goes_on(
        run: Run, tmp_path: Path, fakes: dict[str, Fake], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plot, "drawn", lambda results, name: b"a picture of %d cells" % len(results.rows))
    fakes["scipy"] = Stopping(3)
    code, out, err = run(*TINY, "--json", "r.json", "--csv", "r.csv", "--plot", "r.png")
    assert code == 130
    assert err == "9 cells not measured; go on with --resume r.json\ntorchfx: interrupted\n"
    assert len(out.partition("\n*  ")[0].splitlines()) == 1 + 7
    first = stored.load(tmp_path / "r.json", "")
    assert (len(first.rows), len(first.missing)) == (7, 9)
    assert len((tmp_path / "r.csv").read_text().splitlines()) == 8
    assert (tmp_path / "r.png").read_bytes() == b"a picture of 7 cells"

    fakes["scipy"] = Fake("scipy")
    code, out, err = run("--resume", "r.json", "--reps", "2", "--csv", "r.csv")
    assert (code, err, len(out.partition("\n*  ")[0].splitlines())) == (0, "", 1 + 16)
    second = stored.load(tmp_path / "r.json", "")
    assert (len(second.rows), second.missing) == (16, ())
    assert dict(first.rows).items() <= dict(second.rows).items(), "what was measured stays as it was"
    groups = [cell.group for cell, _ in second.rows]
    assert len(set(groups)) == 8 == 1 + sum(a != b for a, b in pairwise(groups))


def test_a_signal_in_the_middle_of_a_run_keeps_what_is_done(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "torchfx_cli", "bench", "--suite", "iir", "--durations", "0.1,100",
               "--channels", "12", "--backends", "native", "--budget", "9e5", "--json", "r.json"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, cwd=tmp_path,
                             env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"})
    os.close(theirs)
    seen = b""
    while b"2/2" not in seen:
        seen += os.read(ours, 65536)
    child.send_signal(signal.SIGINT)
    out = child.communicate(timeout=60)[0]
    os.close(ours)
    found = stored.load(tmp_path / "r.json", "")
    assert child.returncode == 130
    assert [cell.duration_s for cell, _ in found.rows] == [0.1]
    assert [cell.duration_s for cell in found.missing] == [100.0]
    assert b"0.1 s x 12" in out
    assert b"100 s x 12" not in out
    assert re.search(rb"iir 0\.1 s x 12 native .*1/2  0%  \d+:[\d:]+ left", seen), seen


def test_what_was_skipped_is_tried_again_with_a_larger_budget(run: Run, tmp_path: Path) -> None:
    sizes = ("--suite", "iir", "--durations", "0.05,30", "--channels", "1", "--backends", "native,scipy")
    assert run(*sizes, "--budget", "1e-9", "--json", "r.json")[0] == 0
    assert set(statuses(stored.load(tmp_path / "r.json", "")).values()) == {"skipped"}
    assert run("--resume", "r.json", "--reps", "1")[0] == 0
    assert set(statuses(stored.load(tmp_path / "r.json", "")).values()) == {"ok"}


def test_resume_with_sizes_adds_those_that_are_not_there(run: Run, tmp_path: Path) -> None:
    run("--suite", "iir", *TINY, "--json", "r.json")
    before = stored.load(tmp_path / "r.json", "")
    run("--suite", "iir", *TINY, "--durations", "0.1,0.2", "--resume", "r.json", "--json", "s.json")
    after = stored.load(tmp_path / "s.json", "")
    assert {cell.duration_s for cell, _ in after.rows} == {0.05, 0.1, 0.2}
    assert dict(before.rows).items() <= dict(after.rows).items()
    assert stored.load(tmp_path / "r.json", "") == before, "--json says where, so the other file is left alone"


@pytest.mark.parametrize(("change", "said"), [
    (lambda found: replace(found, environment=replace(found.environment, cpu="an abacus")),
     "was measured with cpu an abacus, here it is"),
    (lambda found: Results(found.rows[:2], found.environment, (found.rows[2][0],), (("iir", "0123"),)),
     "'iir' has other filters or another input there"),
    (lambda found: replace(found, missing=tuple(replace(cell, suite="chain mine") for cell, _ in found.rows)),
     "holds cells of 'chain mine'; give that chain again"),
], ids=["machine", "filters", "chain"])
def test_two_halves_of_a_run_are_of_one_machine_and_one_chain(run: Run, tmp_path: Path, change: Any, said: str) -> None:
    run("--suite", "iir", *TINY, "--json", "r.json")
    found = stored.load(tmp_path / "r.json", "")
    text = stored.to_json(change(found))
    (tmp_path / "r.json").write_text(text)
    code, out, err = run("--resume", "r.json")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert (tmp_path / "r.json").read_text() == text


def test_a_chain_over_a_file_has_the_size_of_the_file(run: Run, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", np.random.default_rng(1).uniform(-0.5, 0.5, (4001, 3)), 48_000, "PCM_24")
    (tmp_path / "eq.yaml").write_text("chain:\n  - highpass: 80 Hz\n")
    code, _, err = run("-c", "eq.yaml", "-e", "gain:-3", "--input", "in.wav", "--reps", "1", "--json", "r.json",
                       "--backends", "native,scipy")
    assert (code, err) == (0, "")
    found = stored.load(tmp_path / "r.json", "")
    assert {(cell.suite, cell.frames, cell.channels, cell.fs) for cell, _ in found.rows} == {
        ("chain eq+gain", 4001, 3, 48_000)}
    assert set(statuses(found).values()) == {"ok"}
    assert run("--resume", "r.json", "-c", "eq.yaml", "-e", "gain:-3", "--input", "in.wav")[0] == 0
    code, _, err = run("--compare", "r.json", "-e", "gain:-3")
    assert (code, "holds cells of 'chain eq+gain'; give that chain again" in err) == (2, True)


def test_a_chain_is_measured_at_the_usual_channels_that_it_can_be_for(run: Run, tmp_path: Path) -> None:
    line = ("-e", "channels:[2,1]", "--durations", "0.1", "--reps", "1", "--backends", "native", "--json", "r.json")
    assert run(*line)[0] == 0
    assert [(cell.channels, found.status) for cell, found in stored.load("r.json", "").rows] == [(2, "ok")]
    code, _, err = run(*line, "--channels", "1")
    assert (code, "there is no channel 2" in err) == (2, True)


def test_compare_measures_the_same_cells_again_and_tells_what_changed(run: Run, tmp_path: Path) -> None:
    run("--suite", "iir", *TINY, "--json", "r.json")
    found = stored.load(tmp_path / "r.json", "")
    slow = tuple((cell, replace(measurement, times_s=tuple(1000.0 * time_s for time_s in measurement.times_s)))
                 for cell, measurement in found.rows)
    (tmp_path / "r.json").write_text(stored.to_json(replace(
        found, rows=slow, environment=replace(found.environment, cpu="an abacus"))))
    code, out, err = run("--compare", "r.json", "--reps", "2")
    assert code == 0
    assert "not the same machine or programs: cpu: an abacus -> " in err
    changes = out.splitlines()[-8:]
    assert all("x faster (noise " in line for line in changes), out


def test_versus_is_planned_beside_the_chains(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(end_to_end, "rows", lambda cells, suite, rule: asked.append(cells) or [])
    code, _, err = run("--suite", "iir", *TINY, "--versus", "--json", "r.json")
    assert (code, err) == (0, "20 cells not measured; go on with --resume r.json\n")
    assert {cell.suite for cells in asked for cell in cells} == {"iir, file to file"}
    assert {cell.backend for cell in asked[0]} == set(TOOLS)


def test_advice_is_for_the_chain_and_the_files_that_were_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def advise(question: advising.Question, told: Any) -> advising.Advice:
        asked.append(question)
        told("native")
        return advising.Advice(question, (advising.Candidate("native", "cpu", 0.2),), chunks=((None, 1.0),))

    monkeypatch.setattr(advising, "advise", advise)
    code, out, _ = run("-e", "gain:-3", "--advise", "--durations", "600", "--channels", "8", "--files", "20")
    (question,) = asked
    assert code == 0
    assert (question.duration_s, question.channels, question.files) == (600.0, 8, 20)
    assert [stage.kind for stage in question.chain.stages] == ["gain"]
    assert "use: --device cpu" in out


def test_calibration_is_kept_for_the_user_or_told(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    found = [calibrating.Calibration("native", BackendCost(0.1, 0.2, 0.3, 0.4, 0.5)),
             calibrating.Calibration("cuda", None, reason="no CUDA device")]
    monkeypatch.setattr(calibrating, "calibrate", lambda told: found)
    code, out, _ = run("--calibrate")
    kept = tmp_path / "config" / "torchfx" / "costs.json"
    assert (code, f"kept in {kept}" in out) == (0, True)
    assert json.loads(kept.read_text())["native"]["octave_s"] == 0.5
    monkeypatch.setenv("XDG_CONFIG_HOME", str(kept))
    code, _, err = run("--calibrate")
    assert (code, err.count("\n"), "cannot be written: " in err) == (2, 1, True)


def test_a_profile_is_of_the_modules_of_the_chain(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(profiling, "run", lambda *arguments: asked.append(arguments) or ([], b"trace"))
    code, out, _ = run("--profile", "t.json", "-e", "highpass:80", "--durations", "3", "--channels", "4")
    ((load, device),) = asked
    assert (code, device, load.frames, load.channels) == (0, "cpu", 3 * 44_100, 4)
    assert "trace in t.json" in out
    assert Path("t.json").read_bytes() == b"trace"


OPTIONS = ("--csv", "--json", "--markdown", "--plot", "--profile")


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize(("way", "victim"), [
    ("plain", "in.wav"), ("plain", "eq.yaml"), ("plain", "taps.txt"), ("plain", "old.json"),
    ("soft", "eq.yaml"), ("soft", "old.json"), ("hard", "in.wav"), ("hard", "taps.txt"),
])
@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_what_a_bench_reads_is_never_written(run: Run, tmp_path: Path, never: None, option: str, way: str,
                                             overwrite: list[str], victim: str) -> None:
    if option == "--plot":
        pytest.importorskip("matplotlib")
        if way == "plain":
            pytest.skip("nothing that is read ends in .png")
    soundfile.write("in.wav", np.zeros(100), 8000)
    Path("taps.txt").write_text("1\n0.5\n")
    Path("eq.yaml").write_text("chain:\n  - fir: {file: taps.txt}\n")
    Path("old.json").write_text(stored.to_json(Results(())))
    name = victim if way == "plain" else "other.png"
    if way == "soft":
        Path(name).symlink_to(victim)
    elif way == "hard":
        os.link(victim, name)
    before = Path(victim).read_bytes()
    reads = ["--compare", "old.json"] if victim == "old.json" else ["-c", "eq.yaml", "--input", "in.wav"]
    if option == "--profile":
        if victim == "old.json":
            pytest.skip("--profile compares nothing")
        pytest.importorskip("torch")
    code, out, err = run(option, name, *reads, *overwrite)
    assert (code, out) == (2, "")
    assert f"{option}: {name} is " in err
    assert Path(victim).read_bytes() == before
    assert not [path for path in os.listdir() if path.startswith(".")]


@pytest.mark.parametrize("name", ["notes", "link"])
def test_what_bench_did_not_write_needs_overwrite_and_links_stay(run: Run, tmp_path: Path, name: str) -> None:
    names = {option: f"{name}{option}" for option in ("--csv", "--json", "--markdown")}
    for option in names:
        Path(f"notes{option}").write_text("mine")
        Path(f"link{option}").symlink_to(f"notes{option}")
    line = ("--suite", "iir", *TINY, "-q", *(word for pair in names.items() for word in pair))
    code, _, err = run(*line)
    assert (code, err.splitlines()) == (2, [
        f"torchfx: error: {option}: {names[option]} exists, and torchfx did not write it for this option; --overwrite "
        "replaces it" for option in names])
    assert {Path(f"notes{option}").read_text() for option in names} == {"mine"}
    assert run(*line, "--overwrite") == (0, "", "")
    first = {option: Path(f"notes{option}").read_text() for option in names}
    assert run(*line) == (0, "", ""), "its own files it may replace"
    for option in names:
        assert "mine" not in (first[option], Path(f"notes{option}").read_text())
        assert os.readlink(f"link{option}") == f"notes{option}"
    crossed = ("--csv", names["--json"], "--markdown", names["--csv"])
    assert run("--suite", "iir", *TINY, "-q", *crossed)[0] == 2, "a table is not replaced by another kind"


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_picture_is_replaced_where_it_is_its_own(run: Run, tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("matplotlib")
    Path("far").mkdir()
    Path("link").symlink_to("far")
    picture, line = Path(f"far/p.{suffix}"), ("--suite", "iir", *TINY, "--channels", "1", "-q", "--plot")
    picture.write_bytes(b"\x89PNG mine")
    assert run(*line, f"link/p.{suffix}")[0] == 2
    assert picture.read_bytes() == b"\x89PNG mine"
    picture.write_bytes({"png": b"\x89PNG", "svg": b"<?xml"}[suffix] + b" torchfx bench: an earlier one")
    assert run(*line, f"link/p.{suffix}") == (0, "", "")
    assert b"torchfx bench" in picture.read_bytes()
    assert len(picture.read_bytes()) > 1000
    assert os.listdir("far") == [picture.name]


def test_results_on_the_standard_output_are_alone_there(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/stdout")
    done = subprocess.run(
        [sys.executable, "-m", "torchfx_cli", "bench", "--suite", "iir", *TINY, "--json", "link"], cwd=tmp_path,
        capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert len(stored.from_json(done.stdout).rows) == 8
    assert "measured on cpu " in done.stderr, "the tables are beside it"
    assert os.readlink(tmp_path / "link") == "/dev/stdout"


def test_a_dash_is_the_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--suite", "iir", *TINY, "--json", "-"]) == 0
    out, err = capfd.readouterr()
    assert len(stored.from_json(out).rows) == 8
    assert "measured on cpu " in err


def test_the_run_that_is_gone_on_with_may_be_a_link_and_other_files_stay_apart(run: Run, tmp_path: Path) -> None:
    assert run("--suite", "iir", *TINY, "-q", "--json", "r.json")[0] == 0
    Path("link").symlink_to("r.json")
    for arguments in (["--resume", "link"], ["--resume", "link", "--json", "r.json"]):
        assert run(*arguments, "-q") == (0, "", "")
        assert Path("link").is_symlink()
    before = Path("r.json").read_bytes()
    for arguments in (["--resume", "r.json", "--csv", "link"], ["--resume", "r.json", "--json", "s", "--csv", "link"]):
        assert run(*arguments, "--overwrite")[0] == 2
        assert Path("r.json").read_bytes() == before
