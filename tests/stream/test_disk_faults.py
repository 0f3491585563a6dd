"""Full disks and failing system calls: a non-zero exit, one line of words, the old bytes, no temporary file."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from support.rounds import ROUNDS
from support.strace import needs_strace

OLD = b"the old output"
FRAMES = 24_000

# What a temporary file is called once SCRIPT has fixed its process number and its random part.
PART = ".torchfx-0-00-39b7bcf3.part"
# One output of half a second of noise, written as the program would; exit code and one line as the program's.
SCRIPT = """
import os, sys
from pathlib import Path
import numpy as np
from torchfx_cli.errors import TorchfxError
from torchfx_cli.stream.formats import choose_output, read_format
from torchfx_cli.stream.reader import FileFacts
from torchfx_cli.stream.writer import Output
os.getpid, os.urandom = lambda: 0, lambda count: bytes(1)
path, frames = Path(sys.argv[1]), int(sys.argv[2])
facts = FileFacts(Path("in"), 48000, 1, "WAV", "PCM_16", None, read_format("PCM_16"), {}, (), 0)
chosen = choose_output(path, facts)
rng = np.random.default_rng(1)
try:
    with Output(path, 48000, 1, chosen, {}, frames * 2, overwrite=True) as output:
        for _ in range(frames // 6000):
            noise = rng.integers(-20000, 20000, (6000, 1)).astype(np.int16)
            output.write(noise if chosen.sample_format.is_integer else (noise / 32768).astype(np.float32))
        output.commit()
except TorchfxError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


def run(path: Path, *prefix: str, frames: int = FRAMES) -> subprocess.CompletedProcess[str]:
    command = [*prefix, sys.executable, "-c", SCRIPT, str(path), str(frames)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg"])
def test_a_failing_call_ends_in_an_error_and_the_old_file_or_in_the_whole_new_one(tmp_path: Path, name: str) -> None:
    needs_strace()
    folder, log = tmp_path / "out", tmp_path / "log"
    folder.mkdir()
    path, only_part = folder / name, ("-P", str(folder / PART))
    strace = ("strace", "-f", "--seccomp-bpf", "-qq", "-o", str(log))
    assert run(path, *strace, *only_part, "-e", "trace=write").returncode == 0
    whole = path.read_bytes()
    writes = log.read_text().count("write(")
    assert writes > 3
    faults = [
        (only_part, "write", "error=ENOSPC:when=1"), (only_part, "write", f"error=EDQUOT:when={writes // 2}+"),
        (only_part, "write", f"error=ENOSPC:when={writes - 1}"), (only_part, "write", f"error=EIO:when={writes}"),
        (only_part, "fsync", "error=EIO"), (only_part, "close", "error=EIO:when=1"), ((), "renameat", "error=EXDEV"),
    ]  # fmt: skip
    for where, call, fault in faults if name == "a.wav" or ROUNDS > 1 else faults[1:4]:
        path.write_bytes(OLD)
        done = run(path, *strace, *where, "-e", f"trace={call}", "-e", f"inject={call}:{fault}")
        assert "INJECTED" in log.read_text(), f"{call} was not reached"
        assert os.listdir(folder) == [name], f"{call} {fault}"
        if done.returncode == 0:  # what was lost had been written before: a header, rewritten with the same bytes
            assert call == "write"
            assert path.read_bytes() == whole, f"{call} {fault}"
        else:
            assert done.returncode in (1, 3), done.stderr
            assert len(done.stderr.strip().splitlines()) == 1, done.stderr
            assert path.read_bytes() == OLD, f"{call} {fault}"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB, gone after the test."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs permission to mount a tmpfs")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.caf"])
def test_a_full_disk_ends_the_run_and_says_how_much_is_missing(small_disk: Path, name: str) -> None:
    path = small_disk / name
    path.write_bytes(OLD)
    done = run(path, frames=1_200_000)
    assert done.returncode == 1
    assert re.fullmatch(rf"no space left on {small_disk}: needs about 2\.4 MB, 1\.0 MB free", done.stderr.strip())
    assert path.read_bytes() == OLD
    assert os.listdir(small_disk) == [name]


def test_a_disk_that_is_just_too_small_for_the_last_bytes_is_noticed(small_disk: Path) -> None:
    path = small_disk / "a.wav"
    samples = np.zeros(12_000, np.int16)
    sf.write(small_disk / "filler.wav", np.resize(samples, 506_000), 48000)
    done = run(path, frames=FRAMES)
    assert done.returncode == 1
    assert "no space left on" in done.stderr
    assert os.listdir(small_disk) == ["filler.wav"]
