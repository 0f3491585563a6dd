"""A command line in this process (`run`) and in one of its own (`torchfx`), and a small file to work on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from ramp import FS, samples

from torchfx_cli.__main__ import main

ROOT = Path(__file__).parents[2]

@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def told(self) -> list[str]:
        return self.err.splitlines()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """main(arguments) here, its output captured."""

    def run(*arguments: object) -> Done:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture
def torchfx(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The same in a process of its own, in `tmp_path`; `env` adds to the environment, `shell` is run with "$@"."""

    def torchfx(*arguments: object, env: dict[str, str] | None = None, shell: str = "",
                **popen: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "torchfx_cli", *map(str, arguments)]
        if shell:
            command = ["bash", "-c", shell, "bash", *command]
        popen = {"capture_output": True, "encoding": "utf-8", "cwd": tmp_path, "timeout": 60} | popen
        return subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}, **popen)

    return torchfx


@pytest.fixture
def ramp(tmp_path: Path) -> Path:
    """in.wav: `samples()` in 16 bits."""
    path = tmp_path / "in.wav"
    soundfile.write(path, samples(), FS, "PCM_16")
    return path


@pytest.fixture
def read() -> Callable[[Path], np.ndarray]:
    return lambda path: soundfile.read(path, dtype="int16", always_2d=True)[0]
