"""What runs the tests, in pytest's first lines. torch is not imported for it."""

from __future__ import annotations

import gc
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is loaded, and of all processes that tests start
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or each of them would compile the program anew

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from torchfx_cli.kernel.load import load
from torchfx_cli.render.device import torch_version, why_no_cuda

ROOT = Path(__file__).parents[1]
LOADS_TORCH = re.compile(r"^(import torch|from torch |(torch = )?pytest\.importorskip\(.torch.\))", re.MULTILINE)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Each half in processes of its own: to fork a worker takes 3 ms, and 27 ms from one that has loaded torch."""
    parser.addoption("--torch", choices=("with", "without"), help="only the files that load torch, or only the others")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    half = config.getoption("--torch")
    if half is None or collection_path.suffix != ".py":
        return None
    loads = LOADS_TORCH.search(collection_path.read_text()) is not None
    return True if loads != (half == "with") else None


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Collected tests and imported modules stay: the collector never visits them, nor copies their pages in a fork."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_configure(config: pytest.Config) -> None:
    """Command lines that tests start are done by warm processes of this run, in a folder of its own; see `warm`.

    TORCHFX_WARM=off lets each be a new interpreter, and all tests must pass so too.
    """
    if not hasattr(config, "workerinput"):
        os.environ["XDG_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="torchfx-tests-")
        os.environ.setdefault("TORCHFX_WARM", "60")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, "-m", "torchfx_cli", "warm", "stop"], env=environment, capture_output=True)
        shutil.rmtree(os.environ["XDG_RUNTIME_DIR"], ignore_errors=True)


def pytest_report_header() -> list[str]:
    kernel = load()
    return [
        f"torch: {torch_version() or 'not installed'}; cuda: {why_no_cuda() or 'asked of torch when a test needs it'}",
        f"kernel: {kernel.name}" + (f" ({kernel.reason})" if kernel.reason else ""),
    ]


@pytest.fixture
def files_of_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that examples of kinds name are in the current folder."""
    response = np.random.default_rng(1).uniform(-0.1, 0.1, (500, 2))
    soundfile.write(tmp_path / "hall.wav", response, 44_100, "DOUBLE")
    monkeypatch.chdir(tmp_path)
