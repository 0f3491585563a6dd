"""Workers, schedulers and clients that are lost in the middle: every file is done, whole, as one machine does it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.machines import Machines, machines

pytestmark = pytest.mark.cluster
pytest.importorskip("distributed")

FILES, FS = 40, 48_000
ROUNDS = 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Inputs in in/, and what one machine makes of them in local/."""
    top = tmp_path_factory.mktemp("batch")
    (top / "in").mkdir()
    for number in range(FILES):
        samples = np.random.default_rng(number).uniform(-0.3, 0.3, 2 * FS + number)
        soundfile.write(top / "in" / f"{number:02}.wav", samples, FS)
    done = finished(process(top, "local"))
    assert done == 0
    return top


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    with machines(tmp_path_factory.mktemp("machines"), 2) as made:
        yield made


def process(top: Path, output: str, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "torchfx_cli", "process", str(top / "in"), "-e", "highpass:80", "-e",
               "fir:lowpass=8000,taps=4095", "-o", str(top / output), "--report", str(top / f"{output}.json"), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, "TORCHFX_WARM": "off"})


def finished(run: subprocess.Popen[str]) -> int:
    """Its exit code; what it says is shown where a test fails."""
    _, said = run.communicate(timeout=300)
    print(said[-3000:])
    return run.returncode


def contents(root: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in root.iterdir() if not path.name.startswith(".torchfx-journal")}


def check_all(top: Path, output: str) -> None:
    """As on one machine, bit for bit; every file told of once; nothing left over."""
    deadline_s = time.monotonic() + 5.0  # those whose Dask worker was killed tidy up on their own
    while any((top / output).glob("*.part")) and time.monotonic() < deadline_s:
        time.sleep(0.1)
    assert contents(top / output) == contents(top / "local")
    report = json.loads((top / f"{output}.json").read_text())
    assert report["counts"]["failed"] == report["counts"]["not_done"] == 0
    assert sorted(Path(file["input"]).name for file in report["files"]) == sorted(contents(top / "in"))


def wait_for_outputs(root: Path, number: int) -> None:
    deadline_s = time.monotonic() + 120
    while len(list(root.glob("*.wav"))) < number:
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_workers_that_are_killed_at_random_moments_cost_nothing_but_time(
        folder: Path, two: Machines, number: int) -> None:
    chance = random.Random(number)
    run = process(folder, f"killed-{number}", "--cluster", two.address)
    wait_for_outputs(folder / f"killed-{number}", chance.randrange(FILES))
    for _ in range(chance.randrange(1, 3)):
        time.sleep(chance.uniform(0, 0.5))
        two.kill_worker(chance.randrange(2))
    assert finished(run) == 0
    check_all(folder, f"killed-{number}")
