"""What runs the tests, in pytest's first lines. torch is not imported for it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from torchfx_cli.kernel.load import load
from torchfx_cli.render.device import torch_version, why_no_cuda


def pytest_configure() -> None:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # of all processes that tests start


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
