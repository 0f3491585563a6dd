"""Any command line ends in an exit code that means something, and never in a traceback."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest

LINES = 120
WORDS = [
    "in.wav", "gone.wav", "text.wav", ".", "/dev/null", "", "-", "--", "\x00", "\x1b[31m", "[/x]", "x" * 300, "é\udcff",
    "0", "-1", "0.01", "1e400", "nan", "auto", "cpu", "cuda", "cuda:99", "native", "scipy", "none", "tpdf",
    "podcast-voice", "bad.yaml", "eq.yaml", "gain:-3", "highpass:80", "highpass", "gain:1e9", "notch:50 Hz", ":", "=",
    "lowpass:cutoff=80,order=0", "fir:taps=1", "flac", "ogg", "PCM_24", "16", "float", "out", "out/x.flac", "process",
]
OPTIONS = [
    "-c", "-e", "-o", "--device", "--engine", "--chunk", "--format", "--subtype", "--dither", "--tail", "--overwrite",
    "--skip-existing", "--strict", "--dry-run", "--json", "-q", "-v", "--check", "-h", "--version",
    "--nope",
]
COMMANDS = [
    "process", "process in.wav -e gain:-3", "process in.wav -c eq.yaml --overwrite", "info", "presets", "filters",
    "process in.wav text.wav -e notch:60 -o out", "devices", "",
]


@pytest.mark.parametrize("seed", range(4))
def test_random_command_lines_end_in_a_known_code_without_a_traceback(
        run: Any, ramp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.wav").write_text("no sound")
    (tmp_path / "bad.yaml").write_text("chain:\n  - gain: loud\n")
    (tmp_path / "eq.yaml").write_text("chain:\n  - highpass: 80\n  - gain: -1 dB\n")
    before = ramp.read_bytes()
    rng = random.Random(seed)
    for _ in range(LINES // 4):
        extra = [rng.choice(rng.choice([OPTIONS, WORDS])) for _ in range(rng.randrange(5))]
        line = rng.choice(COMMANDS).split() + extra
        done = run(*line)
        assert done.code in (0, 1, 2, 3), (line, done)
        assert "a mistake in torchfx" not in done.err, (line, done.err)
        assert "Traceback" not in done.err, (line, done.err)
        assert "\x1b" not in done.err, (line, done.err)
    assert ramp.read_bytes() == before
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".torchfx")]
