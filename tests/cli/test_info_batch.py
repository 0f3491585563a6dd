"""`torchfx info` of many files: by workers, in order, and a file that ends its worker costs one file."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from torchfx_cli.tasks import inspection, stats

NAMES = [f"{number}.wav" for number in range(5)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five tones, each 6 dB below the one before, the first the longest by far."""
    for number, name in enumerate(NAMES):
        x = 0.5 ** (number + 1) * np.sin(np.arange(8000 if number else 80_000) / 3)
        soundfile.write(tmp_path / name, x, 8000)
    return tmp_path


@pytest.fixture
def deadly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading 2.wav ends the process, as a decoder does that crashes."""
    whole = inspection.open_source

    def crashes(path: Path) -> Any:
        if path.name == "2.wav":
            os.kill(os.getpid(), signal.SIGTRAP)
        return whole(path)

    monkeypatch.setattr(inspection, "open_source", crashes)


@pytest.mark.parametrize("jobs", ["1", "3"])
@pytest.mark.usefixtures("deadly")
def test_a_decoder_that_crashes_costs_one_file(run: Any, folder: Path, jobs: str) -> None:
    done = run("info", "--stats", "--json", "--jobs", jobs, folder)
    found = [json.loads(line) for line in done.out.splitlines()]
    assert done.code == 3
    assert [Path(one["input"]).name for one in found] == NAMES, "in order, whatever ends first"
    peaks = [one["stats"]["peak"] for one in found if "stats" in one]
    assert peaks == pytest.approx([-6.02, -12.04, -24.08, -30.10], abs=0.02)
    assert found[2]["error"].startswith("crashed the decoder, twice (SIGTRAP)")
    assert sorted(folder.iterdir()) == [folder / name for name in NAMES], "nothing is written, nothing removed"


def test_a_file_that_takes_too_long_fails_and_the_others_are_told(
        run: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = inspection.open_source
    monkeypatch.setattr(inspection, "open_source",
                        lambda path: time.sleep(60) if path.name == "2.wav" else whole(path))
    for names in ([folder], [folder / "2.wav"]):
        done = run("info", "--timeout", "1", "--json", *names)
        found = {Path(one["input"]).name: one for one in map(json.loads, done.out.splitlines())}
        assert done.code == 3
        assert found.pop("2.wav")["error"] == "took longer than 1 s and was stopped (--timeout)"
        assert {one["fs"] for one in found.values()} in ({8000}, set())
    assert run("info", "--timeout", "0", folder).code == 2


@pytest.mark.usefixtures("deadly")
@pytest.mark.parametrize("options", [("--stats",), (), ("--csv",), ("--check",), ("--require", "peak<=-9")])
def test_the_crash_is_told_whatever_is_asked_for(run: Any, folder: Path, options: tuple[str, ...]) -> None:
    done = run("info", *options, folder)
    assert done.code == 3
    assert sum("crashed the decoder" in line for line in done.told) == 1
    assert all(name in done.out for name in NAMES if name != "2.wav")


def test_several_files_are_a_table_and_what_they_miss_stands_below_their_row(run: Any, folder: Path) -> None:
    done = run("info", "--stats", "--require", "peak<=-9", folder)
    head, *rows = done.out.splitlines()
    assert head.split()[:4] == ["file", "LUFS", "LRA", "max"]
    assert [row.split()[0] for row in rows] == [str(folder / "0.wav"), "misses", "needs", *(
        str(folder / name) for name in NAMES[1:])]
    assert rows[1:3] == ["  misses peak<=-9: -6.02 dBFS", "  needs a gain of -2.98 dB"]
    assert len({len(row) for row in (head, rows[0], *rows[3:])}) == 1, "columns are aligned"
    peak = head.split().index("peak") - 2  # "max M" and "max S" are two words
    assert [rows[at].split()[peak] for at in (0, 3, 4)] == ["-6.0", "-12.0", "-18.1"]


def test_samples_that_are_no_numbers_are_told_and_damage_with_check(run: Any, tmp_path: Path) -> None:
    x = np.full(8000, 0.5)
    x[4000] = np.nan
    soundfile.write(tmp_path / "a.wav", x, 8000, "FLOAT")
    done = run("info", "--stats", tmp_path / "a.wav")
    assert done.code == 0
    assert "  non finite 1" in done.out.splitlines()
    assert "  warning: 1 sample that is not finite, measured as silence" in done.out.splitlines()
    assert run("info", "--stats", "--check", tmp_path / "a.wav").code == 3
    assert run("info", "--require", "non_finite=0", tmp_path / "a.wav").code == 3
    assert run("info", "--require", "peak<=0", tmp_path / "a.wav").code == 3, "of which nobody counts them"


@pytest.mark.parametrize(("text", "misses"), [
    ("silence_start<=0.5 s", []), ("silence_start<=100 ms", ["silence_start<=100 ms: 125 ms"]),
    ("bits=16,clipped_runs=0", []), ("bits>=20", ["bits>=20: 16"]), ("dc_offset<=0.1 %", []),
    ("bandwidth>=3k", ["bandwidth>=3k: cannot be measured"])])
def test_every_figure_can_be_required_in_its_unit(run: Any, tmp_path: Path, text: str, misses: list[str],
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "BandwidthMeter", lambda *_, **__: None)
    x = 0.5 * np.sin(np.arange(8000) / 3)
    x[:1000] = 0.0
    x[1000] = 0.01
    soundfile.write(tmp_path / "a.wav", x, 8000)
    done = run("info", "--json", "--require", text, tmp_path / "a.wav")
    assert json.loads(done.out)["misses"] == misses
