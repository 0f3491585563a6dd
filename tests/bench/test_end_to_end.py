"""Whole programs over files: what comes out is held against SciPy, times go to the part that spent them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from bench_fakes import chain, suite

from torchfx_cli.bench import end_to_end, loads
from torchfx_cli.bench.end_to_end import process_rows, rows, tool_rows
from torchfx_cli.bench.measure import Rule
from torchfx_cli.bench.other_tools import TOOLS, Tool, Work
from torchfx_cli.bench.records import Cell, Measurement
from torchfx_cli.bench.suites import END_TO_END, Suite, beside, suite_of
from torchfx_cli.bench.timings import Run
from torchfx_cli.exchange.words import CannotSayError

FS, FRAMES = 44_100, 5000
BIQUADS = suite("highpass:cutoff=80,order=4", "peaking:frequency=3200,gain=2.5", "gain:-3", channels=2)
FIRS = suite("fir:lowpass=8000,taps=101", "fir:lowpass=9000,taps=102", channels=2)
SHELVES = suite("peaking:frequency=1000,gain=3", "low_shelf:frequency=200,gain=-3", channels=2)
MIXED = suite("compressor:-30", "fir:lowpass=8000,taps=101,align=true", "resample:48000", "mono", channels=2)

# 24-bit float mantissas give some 150 dB. SoX computes in 32-bit fixed point at a quarter of full scale, pedalboard in
# float32 throughout: low cut-offs cost it 50 dB.
LEAST_DB = {"torchfx process": 145.0, "sox": 120.0, "ffmpeg": 145.0, "pedalboard": 90.0, "scipy script": 145.0}


def cells(spec: Suite, *names: str) -> tuple[Cell, ...]:
    return tuple(Cell(spec.name, name, FRAMES / FS, 2) for name in names)


@pytest.mark.parametrize(("spec", "names"), [
    (BIQUADS, {"sox", "ffmpeg"}), (FIRS, {"sox", "scipy script"}), (SHELVES, {"sox", "ffmpeg", "pedalboard"}),
    (MIXED, {"torchfx process"}),
], ids=["biquads", "firs", "shelves", "mixed"])
def test_every_program_that_can_say_the_chain_computes_it(spec: Suite, names: set[str],
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(end_to_end, "in_turn", lambda calls, *a, **k: {key: [RUN] for key in calls})
    asked = cells(spec, *names, *({"sox", "ffmpeg"} - names))
    for cell, found in tool_rows(asked, spec, Rule(reps=1)):
        if "not installed" in found.reason:
            continue
        if cell.backend in names:
            assert (found.status, found.reason, len(found.times_s)) == ("ok", "", 1)
            assert found.snr_db is not None
            assert found.snr_db > LEAST_DB[cell.backend], (cell, found)
        else:
            assert found.status == "unavailable"
            assert "has no words for" in found.reason


def fake(write: Callable[[Work], object], absent: str = "") -> dict[str, Tool]:
    """A tool that does nothing, beside an output that `write` has made when its command is asked for."""
    def command(work: Work) -> list[str]:
        write(work)
        return ["true"] if shutil.which("true") else [sys.executable, "-c", ""]

    return {"fake": Tool("fake", lambda: absent, command)}


def copied(work: Work) -> None:
    shutil.copyfile(work.source, work.output)


def emptied(work: Work) -> None:
    soundfile.write(work.output, np.zeros((0, 2)), FS, "FLOAT")


def refused(work: Work) -> None:
    raise CannotSayError("a loud noise")


@pytest.mark.parametrize(("tools", "status", "said", "db"), [
    (fake(copied), "wrong", "another filter came out", (-10.0, 30.0)),
    (fake(emptied), "wrong", "another filter came out", (-np.inf, -np.inf)),
    (fake(refused), "unavailable", "fake has no words for: a loud noise", None),
    (fake(copied, "fake is not installed"), "unavailable", "fake is not installed", None),
    ({"fake": Tool("fake", lambda: "", lambda work: [sys.executable, "-c", "import sys; sys.exit('no such filter')"])},
     "failed", "failed: no such filter", None),
], ids=["unfiltered", "empty", "no words", "absent", "failing"])
def test_a_program_that_does_not_filter_is_a_row_with_the_reason(
        tools: dict[str, Tool], status: str, said: str, db: tuple[float, float] | None) -> None:
    ((_, found),) = tool_rows(cells(BIQUADS, "fake"), BIQUADS, Rule(reps=1), tools)
    assert (found.status, found.times_s) == (status, ())
    assert said in found.reason
    assert (found.snr_db is None) == (db is None)
    if db is not None:
        assert found.snr_db is not None
        assert db[0] <= found.snr_db <= db[1]


def test_programs_are_repeated_in_turn_and_their_memory_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = iter(Run(float(n), 10.0 * n, b"") for n in range(1, 9))
    monkeypatch.setattr(end_to_end, "run_process", lambda command, longest_s: next(runs))
    monkeypatch.setattr(end_to_end, "output_snr_db", lambda *arguments: 150.0)
    tools = {name: Tool(name, lambda: "", lambda work: []) for name in ("a", "b")}
    found = dict(tool_rows(cells(BIQUADS, "a", "b"), BIQUADS, Rule(reps=3), tools))
    assert [(one.times_s, one.host_mb) for one in found.values()] == [((3.0, 5.0, 7.0), 70.0), ((4.0, 6.0, 8.0), 80.0)]


RUN = Run(1.0, 2.0, b"")
IO = replace(suite_of("io"), durations_s=(0.1,), channels=(1,))
WHOLE = Cell("io", "native", 0.1, 1, label=END_TO_END)


def test_process_gives_rows_for_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(end_to_end, "run_process", lambda command, **limit: commands.append(command) or RUN)
    found = process_rows(WHOLE, IO, Rule(reps=1))
    assert ["--dither" in command for command in commands] == [False, False], "as users run it"
    assert [cell.label for cell, _ in found] == [END_TO_END, "start-up", "read", "compute", "write"]
    assert all(measurement.status == "ok" and len(measurement.times_s) == 1 and measurement.times_s[0] > 0.0
               for _, measurement in found)


def test_time_goes_to_the_part_that_spent_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that moves 1 s a look: so every call takes 1 s, and the parts are the numbers of calls."""
    ticks = iter(range(10**6))
    source = loads.write_noise(tmp_path / "in.wav", 8000, 2, 3 * (1 << 16))
    monkeypatch.setattr(end_to_end.time, "perf_counter", lambda: float(next(ticks)))
    spent = end_to_end.parts(chain("highpass:80", "fir:lowpass=3000,taps=63,align=true"), "cpu", source,
                             tmp_path / "out.wav")
    assert spent["read"] == 4  # three blocks, and the end
    assert spent["compute"] == 3 + 2  # three blocks, the frames held back by the FIR, and the end
    assert spent["write"] == 3 + 1 + 1  # four blocks, and the commit
    assert not (tmp_path / "out.wav").exists()


def test_what_cannot_be_had_or_fails_is_a_row_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    ((_, missing),) = rows((replace(WHOLE, backend="cuda:99"),), IO, Rule())
    assert (missing.status, missing.reason[:14]) == ("unavailable", "no CUDA device")
    command = [sys.executable, "-c", "raise SystemExit('full')"]
    monkeypatch.setattr(end_to_end, "process_command", lambda *words: command)
    assert rows((WHOLE,), IO, Rule()) == [(WHOLE, Measurement(
        "failed", reason=f"RunError: {Path(sys.executable).name} failed: full"))]


def test_files_that_do_not_fit_on_the_disk_or_into_the_budget_are_skipped() -> None:
    huge = replace(WHOLE, duration_s=86_400.0, channels=1024)
    ((_, found),) = rows((huge,), IO, Rule())
    assert found.status == "skipped"
    assert "GB are free" in found.reason
    for spec in (IO, beside(BIQUADS, TOOLS)):
        ((_, found),) = rows((replace(WHOLE, duration_s=60.0),), spec, Rule(None, 0.1, 0.2))
        assert (found.status, found.reason[:16]) == ("skipped", "would take about")


def test_the_noise_is_as_long_and_loud_as_it_is_said_to_be(tmp_path: Path) -> None:
    for subtype, full in (("PCM_16", 2**15), ("FLOAT", 1)):
        path = loads.write_noise(tmp_path / f"{subtype}.wav", 8000, 3, 70_000, subtype)
        samples, fs = soundfile.read(path, dtype="int16" if full > 1 else "float32")
        assert (soundfile.info(path).subtype, fs, samples.shape) == (subtype, 8000, (70_000, 3))
        assert 0.99 * loads.LEVEL < np.abs(samples / full).max() <= loads.LEVEL
