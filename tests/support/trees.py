"""A tree of recordings, and runs over it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from support.started import Started

ROOT = Path(__file__).parents[2]
TORCHFX = [sys.executable, "-m", "torchfx_cli"]
FILES = {"a.wav": "PCM_16", "b.flac": "PCM_16", "c.wav": "FLOAT", "d.aiff": "PCM_24"}
FS = 16_000
SLOWLY = ("--chunk", "0.004")  # each file takes about 25 ms: long enough to be hit in the middle


@dataclass(frozen=True)
class Tree:
    """`source`, to become `out` by `arguments`; `truth` maps each output to its bytes."""

    folder: Path
    truth: dict[Path, bytes]

    @property
    def source(self) -> Path:
        return self.folder / "in"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def inputs(self) -> list[Path]:
        return sorted(path for path in self.source.rglob("*") if path.is_file())

    def command(self, *more: str) -> list[str]:
        return [*TORCHFX, "process", str(self.source), "-o", str(self.out), "-e", "highpass:cutoff=80,order=4",
                "-e", "peaking:frequency=1000,gain=3", "--jobs", "2", *more]

    def run(self, *more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*more), capture_output=True, text=True, env=environment(), timeout=120)

    def start(self, *more: str) -> Started:
        return Started(self.command(*SLOWLY, *more)[len(TORCHFX) :])

    def disturbed(self, **how: Any) -> tuple[int, str]:
        """Exit code and stderr of a run with `strace` or `limits`, as `Started` takes them."""
        started = Started(self.command()[len(TORCHFX) :], **how)
        _, told = started.communicate(timeout=120)
        return started.wait(), told


def environment() -> dict[str, str]:
    """Of a process of its own."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])}


def make_tree(folder: Path, files: int, seconds: float) -> None:
    rng = np.random.default_rng(7)
    for number in range(files):
        name, subtype = list(FILES.items())[number % len(FILES)]
        place = folder / f"{number // 4}"
        place.mkdir(parents=True, exist_ok=True)
        soundfile.write(place / name, rng.uniform(-0.3, 0.3, (round(seconds * FS), 2)), FS, subtype)
