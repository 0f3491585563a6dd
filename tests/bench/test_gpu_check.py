"""benchmarks/gpu_check.py on the CPU: every kind is covered, a cut run goes on, its lines tell the result."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from torchfx_cli.effects.table import KINDS

pytest.importorskip("torch")
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import gpu_check
from cases import kinds
from gpu import correct
from gpu.rows import Check


def test_every_kind_has_a_chain() -> None:
    assert list(kinds()) == list(KINDS)


@pytest.mark.parametrize(("kind", "on"), [
    ("highpass", "device"), ("swap", "host: swap left and right"), ("trim", "host: trim 0.5 s to 30 s")])
def test_a_row_tells_where_a_kind_is_computed_and_whether_it_is_right(kind: str, on: str) -> None:
    found = correct.against_the_cpu(Check("cpu", 60.0), kinds()[kind], (correct.FS,))
    assert (found["ok"], found["rates"], found["on"]) == (True, 1, on)
    assert found["snr_db"] > 140.0


def test_the_right_rows_of_a_cut_run_are_not_done_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gpu_check, "ROOT", tmp_path)
    done: list[str] = []

    def work(name: str, ok: bool = True) -> Any:
        return lambda: done.append(name) or {"ok": ok, "snr_db": 290.0}

    first = Check("cpu", 60.0, saved=lambda check: gpu_check.save(check, "a CPU"))
    first.row("kind", "highpass", work("highpass"))
    first.row("kind", "lowpass", work("lowpass", ok=False))
    assert len(json.loads(gpu_check.place(first, "a CPU").read_text())["rows"]) == 2, "kept after each row"
    second = Check("cpu", 60.0, done=gpu_check.earlier(first, "a CPU"))
    for name in ("highpass", "lowpass", "notch"):
        second.row("kind", name, work(name))
    assert done == ["highpass", "lowpass", "lowpass", "notch"]
    assert [row["status"] for row in second.rows] == ["ok"] * 3
    assert gpu_check.earlier(first, "another CPU") == {}
    lines = gpu_check.readme_lines(second, "a CPU")
    assert lines[0].startswith("| a CPU, torch ")
    assert lines[2] == "| kinds of stages against the CPU | 3 of 3 right, at least 290 dB of signal to error |"
