"""Each write that puts metadata into a file fails once: an error and the old bytes, or the whole new file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile as sf
from support import oddfiles
from support.oddfiles import TONE, put
from support.rounds import ROUNDS
from support.strace import needs_strace

OLD = b"the old output"
PART = ".torchfx-0-00-39b7bcf3.part"
SCRIPT = """
import os, sys
from pathlib import Path
from support.rewrite import rewrite
from torchfx_cli.errors import TorchfxError
os.getpid, os.urandom = lambda: 0, lambda count: bytes(1)
try:
    rewrite(Path(sys.argv[1]), Path(sys.argv[2]))
except TorchfxError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


def run(path: Path, source: Path, *prefix: str) -> subprocess.CompletedProcess[str]:
    command = [*prefix, sys.executable, "-c", SCRIPT, str(path), str(source)]
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=env)


def wav_with_chunks(folder: Path) -> Path:
    chunks = (b"bext", bytes(603)), (b"iXML", b"<BWFXML/>")
    return put(folder, oddfiles.riff(oddfiles.fmt_chunk(), oddfiles.data_chunk(), *chunks))


def flac_with_values(folder: Path) -> Path:
    flac = pytest.importorskip("mutagen.flac")
    path = put(folder, oddfiles.encode(TONE, format="FLAC"), "in.flac")
    song = flac.FLAC(path)
    song["artist"] = ["Zoë", "Åse"]
    song.save()
    return path


@pytest.mark.parametrize(("maker", "name"), [
    (wav_with_chunks, "a.wav"), (flac_with_values, "a.flac"), (flac_with_values, "a.ogg"), (flac_with_values, "a.mp3"),
])  # fmt: skip
def test_a_failing_write_of_metadata_leaves_the_old_file_or_the_whole_new_one(
    tmp_path: Path, maker: Callable[[Path], Path], name: str
) -> None:
    needs_strace()
    folder, log = tmp_path / "out", tmp_path / "log"
    folder.mkdir()
    path, source = folder / name, maker(tmp_path)
    strace = ("strace", "-f", "--seccomp-bpf", "-qq", "-o", str(log), "-P", str(folder / PART))
    calls = "write,pwrite64,ftruncate"
    assert run(path, source, *strace, "-e", f"trace={calls}").returncode == 0
    whole = path.read_bytes()
    traced = re.findall(r" (write|pwrite64|ftruncate)\(", log.read_text())
    for at in range(len(traced), max(0, len(traced) - 7), -1 if ROUNDS > 1 else -2):
        call, nth = traced[at - 1], traced[:at].count(traced[at - 1])
        path.write_bytes(OLD)
        done = run(path, source, *strace, "-e", f"trace={call}", "-e", f"inject={call}:error=ENOSPC:when={nth}")
        assert "INJECTED" in log.read_text(), f"{call} {nth} was not reached"
        assert os.listdir(folder) == [name], f"{call} {nth}"
        if done.returncode == 0:  # what was lost had been written before
            assert path.read_bytes() == whole, f"{call} {nth}"
        else:
            assert done.returncode in (1, 3), done.stderr
            own = [line for line in done.stderr.splitlines() if not line.startswith("Warning: Xing")]  # libmpg123
            assert len(own) == 1, done.stderr
            assert path.read_bytes() == OLD, f"{call} {nth}"
    assert sf.info(source).frames == len(TONE)
