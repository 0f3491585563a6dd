"""A process that does call after call, as the one with a GPU, keeps nothing of them."""

from __future__ import annotations

import gc
import os
from pathlib import Path

from torchfx_cli.cli import warm as cli

CALLS, BEFORE = 20, 10


def held() -> tuple[int, int]:
    """The descriptors and the objects of this process."""
    gc.collect()
    return len(os.listdir("/proc/self/fd")), len(gc.get_objects())


def test_calls_in_one_process_leave_neither_descriptors_nor_objects(ramp: Path, tmp_path: Path) -> None:
    line = ["process", str(ramp), "-e", "lowpass:1000", "-q", "--overwrite", "-o", str(tmp_path / "out.wav")]
    bad = ["process", str(tmp_path / "none.wav"), "-e", "lowpass:1000", "-q"]
    before = (0, 0)
    for number in range(CALLS):
        if number == BEFORE:
            before = held()
        assert cli._to_the_end(line) == 0
        assert cli._to_the_end(bad) != 0
    after = held()
    assert after[0] == before[0]
    assert after[1] - before[1] < CALLS - BEFORE, "one a call"
