"""A warm process under test, and a small file."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.warmed import Warm


@pytest.fixture
def ramp(tmp_path: Path) -> Path:
    """in.wav: a ramp in 16 bits."""
    path = tmp_path / "in.wav"
    soundfile.write(path, np.linspace(-0.5, 0.5, 4410), 44_100, "PCM_16")
    return path


@pytest.fixture
def warm() -> Iterator[Warm]:
    place = tempfile.mkdtemp(prefix="torchfx-test-")  # a socket's path is short
    found = Warm(Path(place, "run"))
    try:
        yield found
    finally:
        if found.process is not None:
            found.process.kill()
            found.process.wait()
        shutil.rmtree(place)
