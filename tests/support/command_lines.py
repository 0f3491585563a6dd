"""Seeded command lines: a sensible beginning, then anything."""

from __future__ import annotations

import contextlib
import io
import random
from collections.abc import Iterator
from pathlib import Path

from support import oddfiles
from support.invariants import check_told, nothing_lost

from torchfx_cli.__main__ import main

WORDS = [
    "in.wav", "gone.wav", "text.wav", ".", "/dev/null", "", "-", "--", "\x00", "\x1b[31m", "[/x]", "x" * 300, "é\udcff",
    "0", "-1", "0.01", "1e400", "nan", "auto", "cpu", "cuda", "cuda:99", "native", "scipy", "none", "tpdf", "repair",
    "podcast-voice", "bad.yaml", "eq.yaml", "gain:-3", "highpass:80", "highpass", "gain:1e9", "notch:50 Hz", ":", "=",
    "lowpass:cutoff=80,order=0", "fir:taps=1", "flac", "ogg", "PCM_24", "16", "float", "out", "out/x.flac", "process",
    "*.wav", "list.txt@", "{stem}.{chain}{ext}", "{nope}", "keep", "fail", "attenuate",
]  # fmt: skip
OPTIONS = [
    "-c", "-e", "-o", "--device", "--engine", "--chunk", "--format", "--subtype", "--dither", "--tail", "--overwrite",
    "--skip-existing", "--strict", "--dry-run", "--json", "-q", "-v", "--check", "--schema", "-h", "--version",
    "--nope", "--jobs", "--resume", "--fail-fast", "--on-nan", "--on-truncated", "--on-clip", "--include", "--exclude",
    "--name", "--files-from", "-0", "--report", "--keep-mtime", "--timeout", "--failed",
]  # fmt: skip
COMMANDS = [
    "process", "process in.wav -e gain:-3", "process in.wav -c eq.yaml --overwrite", "info", "presets", "filters",
    "process in.wav text.wav -e notch:60 -o out", "process . -e gain:-3 -o out", "devices", "",
]  # fmt: skip


def command_line(number: int) -> list[str]:
    """The words of that number, always the same."""
    rng = random.Random(number)
    return rng.choice(COMMANDS).split() + [rng.choice(rng.choice([OPTIONS, WORDS])) for _ in range(rng.randrange(5))]


@contextlib.contextmanager
def something_to_work_on(folder: Path) -> Iterator[None]:
    """`folder` with a sound file, a text that pretends to be one, and two chains; untouched in the end."""
    oddfiles.put(folder, oddfiles.plain())
    oddfiles.put(folder, b"no sound", "text.wav")
    oddfiles.put(folder, b"chain:\n  - gain: loud\n", "bad.yaml")
    oddfiles.put(folder, b"chain:\n  - highpass: 80\n  - gain: -1 dB\n", "eq.yaml")
    with nothing_lost(folder.iterdir(), {}):
        yield
    assert not list(folder.rglob(".torchfx-*.part"))


def fate_of_line(words: list[str]) -> str:
    """The exit code of it, here in this process and folder; another code, a traceback or worse is a fault."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    assert code in (0, 1, 2, 3), (words, code, err.getvalue())
    check_told(err.getvalue())
    return f"exit {code}"
