"""`torchfx verify`: what agrees is told as such, and what does not is found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from torchfx_cli.__main__ import main
from torchfx_cli.analysis import agreement
from torchfx_cli.chain.parse import parse_chain
from torchfx_cli.design.stage import Processor, Stage
from torchfx_cli.samples import FLOAT64, Signal

FS = 8000
CHAIN = "chain:\n  - highpass: 80\n  - compressor: -30\n  - normalize: -1\n"
SIGNAL = Signal(FS, 2)
Array = npt.NDArray[np.float64]


@pytest.fixture(autouse=True)
def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "torch_version", lambda: None)


@dataclass(frozen=True)
class Forgetful(Stage):
    """Breaks the law: it begins anew with each block."""

    label: str = "forgetful"

    def open(self, source: Signal) -> Processor:
        return _Forgetful()


class _Forgetful:
    def process(self, samples: Array) -> Array:
        return np.cumsum(samples, axis=0) * 0.01

    def flush(self) -> Iterator[Array]:
        return iter(())


def noise(frames: int = FS) -> Array:
    return np.random.default_rng(1).uniform(-0.5, 0.5, (frames, 2))


def test_every_way_agrees_and_each_is_told() -> None:
    found = list(agreement.ways(parse_chain(CHAIN), noise(), FLOAT64, SIGNAL))
    assert [(way.engine, way.blocks) for way in found if way.engine == "native"] == [
        ("native", words) for words, _ in agreement.CUTS]
    assert all(way.agrees for way in found)
    assert all(way.error_db == -inf for way in found if way.against == "whole file")
    (across,) = [way for way in found if way.against == "native"]
    assert (across.engine, across.bound_db) == ("scipy", -180.0)
    assert -400.0 < across.error_db < -200.0
    assert [way.skipped for way in found if way.engine == "torch"] == ["torch is not installed"]


def test_a_stage_that_goes_by_blocks_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "design_chain", lambda *given: (Forgetful(),))
    found = list(agreement.ways(parse_chain(CHAIN), noise(), FLOAT64, SIGNAL))
    assert {way.blocks for way in found if not way.agrees} == {"17 frames", "509 frames", "uneven blocks"}
    assert all(-20.0 < way.error_db < 20.0 for way in found if way.blocks == "17 frames")


def test_the_command_ends_with_1_where_something_does_not_agree(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile.write(tmp_path / "in.wav", noise(2 * FS), FS)
    (tmp_path / "eq.yaml").write_text(CHAIN)
    arguments = [str(tmp_path / "eq.yaml"), str(tmp_path / "in.wav")]
    assert run(capsys, *arguments, "--quiet") == (0, "", "")
    code, out, _ = run(capsys, *arguments, "--json", "--seconds", "0.5")
    records: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [record["same"] for record in records if record["engine"] == "native"] == [True] * 4
    monkeypatch.setattr(agreement, "design_chain", lambda *given: (Forgetful(),))
    code, out, _ = run(capsys, *arguments, "--quiet", "--seconds", "0.5")
    assert code == 1
    assert "native         17 frames" in out
    assert "which is no rounding" in out


def test_what_cannot_be_read_or_designed_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write(tmp_path / "in.wav", noise(100), FS)
    (tmp_path / "eq.yaml").write_text("chain: [lowpass: 5 kHz]\n")
    code, _, told = run(capsys, str(tmp_path / "eq.yaml"), str(tmp_path / "in.wav"))
    assert (code, "5 kHz is not below 4 kHz" in told) == (3, True)
    code, _, told = run(capsys, "podcast-voice", str(tmp_path / "none.wav"))
    assert (code, "none.wav: does not exist" in told) == (3, True)
    assert run(capsys, "podcast-voice", "in.wav", "--seconds", "3600")[0] == 2


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["verify", *arguments])
    return code, *capsys.readouterr()
