"""Workers, schedulers and clients that are lost in the middle: every file is done, whole, as one machine does it."""

from __future__ import annotations

import json
import os
import random
import re
import signal
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
        two.signal_worker(chance.randrange(2), signal.SIGKILL)
    assert finished(run) == 0
    check_all(folder, f"killed-{number}")


def test_a_scheduler_that_is_started_anew_gets_what_is_left(folder: Path, tmp_path: Path) -> None:
    with machines(tmp_path / "machines", 2) as made:
        run = process(folder, "restarted", "--cluster", made.address)
        wait_for_outputs(folder / "restarted", FILES // 4)
        made.kill_scheduler()
        made.start_scheduler()
        for _ in range(2):  # the workers of before ended with theirs
            made.start_worker()
        assert finished(run) == 0
        check_all(folder, "restarted")


def test_a_client_that_is_killed_goes_on_with_resume(folder: Path, two: Machines) -> None:
    run = process(folder, "resumed", "--cluster", two.address)
    wait_for_outputs(folder / "resumed", FILES // 4)
    run.kill()
    run.communicate()
    run = process(folder, "resumed", "--cluster", two.address, "--resume")
    assert finished(run) == 0
    check_all(folder, "resumed")


def test_workers_of_a_client_that_is_killed_do_not_go_on(folder: Path, two: Machines) -> None:
    run = process(folder, "left", "--cluster", two.address)
    wait_for_outputs(folder / "left", 1)
    run.kill()
    run.communicate()
    time.sleep(3.0)
    done = contents(folder / "left")
    time.sleep(3.0)
    assert contents(folder / "left") == done
    assert len(done) < FILES


def test_a_local_cluster_whose_client_is_killed_ends_with_it(folder: Path) -> None:
    run = process(folder, "ended", "--cluster", "local:2")
    wait_for_outputs(folder / "ended", 1)
    run.kill()
    run.communicate()
    run = process(folder, "ended", "--cluster", "local:2", "--resume")
    assert finished(run) == 0
    check_all(folder, "ended")


def test_workers_that_are_stopped_for_a_while_keep_what_they_had(folder: Path, two: Machines) -> None:
    run = process(folder, "stopped", "--cluster", two.address)
    wait_for_outputs(folder / "stopped", 2)
    two.signal_worker(0, signal.SIGSTOP)
    time.sleep(5.0)
    two.signal_worker(0, signal.SIGCONT)
    assert finished(run) == 0
    check_all(folder, "stopped")


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Machines]:
    with machines(tmp_path / "machines", 0) as made:
        yield made


def said_of(run: subprocess.Popen[str]) -> tuple[int, str]:
    _, said = run.communicate(timeout=120)
    return run.returncode, said


def test_a_worker_without_torchfx_or_with_another_is_named_before_the_first_file(folder: Path, alone: Machines) -> None:
    other = alone.folder / "other" / "torchfx_cli"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text('__version__ = "0.0.9"\n')
    alone.start_worker(PYTHONPATH=str(other.parent))
    code, said = said_of(process(folder, "none", "--cluster", alone.address))
    assert code == 1
    assert re.search(r"the worker at tcp://127\.0\.0\.1:\d+ has no torchfx [\d.]+ \(", said), said
    assert contents(folder / "none") == {}


def test_a_scheduler_without_workers_is_waited_for(folder: Path, alone: Machines) -> None:
    run = process(folder, "late", "--cluster", alone.address)
    time.sleep(8.0)
    alone.start_worker()
    code, said = said_of(run)
    assert code == 0, said
    assert f"torchfx: waiting for a worker at {alone.address}" in said
    check_all(folder, "late")
