"""A warm process under test, and a small file."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.warmed import ANSWER_S, NATIVE, Warm


@pytest.fixture(scope="session")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client in C; `hasty` beside it is as users get it, this one waits: a busy machine goes nowhere else."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    path = tmp_path_factory.mktemp("native") / "client"
    for made, more in ((path, [f"-DANSWER_MS={1000 * ANSWER_S:.0f}"]), (path.with_name("hasty"), [])):
        subprocess.run([compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", *more, "-o", made,
                        NATIVE.with_suffix(".c")], check=True)
    return path


@pytest.fixture
def ramp(tmp_path: Path) -> Path:
    """in.wav: a ramp in 16 bits."""
    path = tmp_path / "in.wav"
    soundfile.write(path, np.linspace(-0.5, 0.5, 4410), 44_100, "PCM_16")
    return path


@pytest.fixture(params=["python", "native"])
def warm(request: pytest.FixtureRequest) -> Iterator[Warm]:
    """Its callers are either client."""
    client = request.getfixturevalue("native") if request.param == "native" else None
    place = tempfile.mkdtemp(prefix="torchfx-test-")  # a socket's path is short
    found = Warm(Path(place, "run"), client)
    try:
        yield found
    finally:
        if found.process is not None:
            found.process.kill()
            found.process.wait()
        shutil.rmtree(place)
