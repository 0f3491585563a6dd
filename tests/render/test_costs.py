"""Predicted seconds, and the calibration that a user keeps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rendering import BLEND, stages_of

from torchfx_cli.render import costs
from torchfx_cli.render.costs import DEFAULTS, BackendCost, Work, predict


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def test_a_prediction_is_the_sum_of_its_parts() -> None:
    cost = BackendCost(start_s=1.0, file_s=0.5, sample_s=1e-3, section_s=1e-4, octave_s=1e-5)
    assert predict(cost, Work(0, files=0)) == 1.0
    assert predict(cost, Work(0, files=4)) == 3.0
    assert predict(cost, Work(1000, files=2, sections=3, taps=511)) == pytest.approx(1 + 1 + 1 + 0.3 + 0.09)


def test_the_work_of_a_plan_counts_its_sections_and_taps() -> None:
    stages = stages_of(*BLEND)  # order 9 is 5 sections, then 511 taps, a peak, 24 taps, a gain, a notch
    assert Work.of(stages, 10, 2) == Work(samples=10, files=2, sections=7, taps=535)


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf"), "1", None])
def test_a_cost_is_a_number_of_seconds(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"^file_s is .* not a number of seconds$"):
        BackendCost(file_s=wrong)  # type: ignore[arg-type]


def test_without_a_calibration_the_defaults_are_used_without_a_word() -> None:
    notes: list[str] = []
    assert costs.load(notes.append) == dict(DEFAULTS)
    assert not notes


def test_a_calibration_wins_over_the_default_of_its_backend_alone() -> None:
    mine, other = BackendCost(start_s=0.125, sample_s=1e-10), BackendCost(file_s=0.1)
    path = costs.save({"native": mine})
    assert costs.save({"cuda": other}) == path
    assert costs.load() == {**DEFAULTS, "native": mine, "cuda": other}
    assert set(json.loads(path.read_text())) == {"native", "cuda"}, "the default of the CPU through torch is not kept"
    assert [entry.name for entry in path.parent.iterdir()] == ["costs.json"]


BAD = [
    "",
    "{",
    "[]",
    '{"cuda": 3}',
    '{"cuda": {}}',
    '{"cuda": {"start_s": 1}}',
    json.dumps({"cuda": {"start_s": -1, "file_s": 0, "sample_s": 0, "section_s": 0, "octave_s": 0}}),
    json.dumps({"cuda": {"start_s": "1", "file_s": 0, "sample_s": 0, "section_s": 0, "octave_s": 0}}),
    "[" * 100_000,
    "\xff",
]


@pytest.mark.parametrize("text", BAD)
def test_a_bad_calibration_is_a_note_and_the_defaults(text: str) -> None:
    path = costs.costs_file()
    assert path is not None
    path.parent.mkdir()
    path.write_bytes(text.encode("latin-1"))
    notes: list[str] = []
    assert costs.load(notes.append) == dict(DEFAULTS)
    assert len(notes) == 1
    assert notes[0].startswith(f"{path}: ")
    assert "\n" not in notes[0]
    assert notes[0].endswith("the built-in costs are used (torchfx bench --calibrate writes the file anew)")
    costs.save({"cuda": DEFAULTS["cuda"]})
    assert costs.load(notes.append) == dict(DEFAULTS)
    assert len(notes) == 1, "what is saved is good again"


def test_a_user_without_a_home_has_no_calibration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "config_folder", lambda: None)
    assert costs.load() == dict(DEFAULTS)
    with pytest.raises(OSError, match="neither XDG_CONFIG_HOME nor a home folder"):
        costs.save({})
