"""What must hold after any fault (HAZARDS, section 4): nothing that a user had is lost, nothing is half there.

    with nothing_lost(inputs, outputs):                # I1, I2, I3, I8
        done = subprocess.run(...)
    check_exit(done.returncode, outputs)               # I4
    check_told(done.stderr, failed=[...], inputs=3)    # I5, I6

`outputs` maps each planned output to the bytes that an undisturbed run makes of it, or to None where only a whole
file can be asked for (see `is_whole`).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import soundfile

from torchfx_cli.errors import printable

PART = re.compile(r"\.torchfx-.*\.part")
SUMMARY = re.compile(r"(\d+) ok, (\d+) warned, (\d+) failed, (\d+) skipped(?:, (\d+) not done)?(?:  in .*)?")
Outputs = Mapping[Path, bytes | None]


@contextmanager
def nothing_lost(inputs: Iterable[Path], outputs: Outputs, *, killed: bool = False,
                 also: Iterable[str] = ()) -> Iterator[None]:
    """Checks on leaving, also where the block raises: inputs untouched (I2), outputs old or new and whole (I1), no
    stray file beside them (I3, I8). `killed`: SIGKILL may leave temporaries; `also`: names (regular expressions) that
    may appear in the folders of the outputs, as a journal does.
    """
    inputs = list(inputs)
    looks = {path: _look(path) for path in inputs}
    old = {path: _bytes(path) for path in outputs}
    before = _names(outputs)
    try:
        yield
    finally:
        for path, look in looks.items():
            assert _look(path) == look, f"I2: the input {path} was changed"
        for path, expected in outputs.items():
            _check_output(path, old[path], expected)
        allowed = [re.compile(pattern) for pattern in (*also, *([PART.pattern] if killed else []))]
        strays = [path for path in _names(outputs) - before - set(outputs)
                  if not any(pattern.fullmatch(path.name) for pattern in allowed)]
        assert not strays, f"I3: left behind: {sorted(map(str, strays))}"


def check_exit(code: int, outputs: Outputs) -> None:
    """I4: 0 if and only if each planned output is there, whole and as expected."""
    there = [path for path, expected in outputs.items() if path.is_file() and _is_right(path, expected)]
    assert (code == 0) == (len(there) == len(outputs)), f"I4: exit {code}, but {len(there)} of {len(outputs)} outputs"


def check_told(stderr: str | bytes, failed: Iterable[Path] = (), inputs: int = 1) -> None:
    """I5: one line for each failed file, no traceback, counts that add up to `inputs`; I6: nothing a terminal obeys."""
    text = stderr.decode("utf-8") if isinstance(stderr, bytes) else stderr
    lines = text.splitlines()
    for line in lines:
        assert line.isprintable(), f"I6: {line!r}"
    assert "Traceback" not in text, f"I5: {text}"
    assert "a mistake in torchfx" not in text, f"I5: {text}"
    failed = list(failed)
    for path in failed:
        told = [line for line in lines if line.startswith(printable(str(path)) + ": ") and ": warning: " not in line]
        assert len(told) == 1, f"I5: {path} was told {len(told)} times in:\n{text}"
    if inputs > 1:
        counts = [found for line in lines if (found := SUMMARY.fullmatch(line))]
        assert len(counts) == 1, f"I5: no summary, or several, in:\n{text}"
        numbers = [int(number or 0) for number in counts[0].groups()]
        assert sum(numbers) == inputs, f"I5: {counts[0][0]}: not {inputs} inputs"
        assert numbers[2] == len(failed), f"I5: {counts[0][0]}: {len(failed)} failed"


def is_whole(path: Path) -> bool:
    """Whether every promised frame of the sound file can be read."""
    try:
        with soundfile.SoundFile(os.fsencode(path)) as sound:  # a name need not be UTF-8
            return sum(len(block) for block in sound.blocks(1 << 16, always_2d=True)) == sound.frames
    except soundfile.LibsndfileError:
        return False


def _check_output(path: Path, old: bytes | None, expected: bytes | None) -> None:
    now = _bytes(path)
    if now != old:
        assert now is not None, f"I1: the old {path} is gone"
        assert _is_right(path, expected), f"I1: {path} ({len(now)} bytes) is neither the old file nor the new one"


def _is_right(path: Path, expected: bytes | None) -> bool:
    return is_whole(path) if expected is None else path.read_bytes() == expected


def _look(path: Path) -> tuple[str, int] | None:
    """Hash and mtime of what `path` is or leads to, None where that is no readable regular file."""
    if not path.is_file():
        return None
    return hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _names(outputs: Iterable[Path]) -> set[Path]:
    return {folder / name for folder in {path.parent for path in outputs} if folder.is_dir()
            for name in os.listdir(folder)}
