"""Seeded attacks on whole commands: each a folder, options that meet, something hostile in between, and what must hold.

Every original's bytes are under its own name or its backup's; nothing appears outside the output folder; the exit code
is 0 to 3 or that of the signal that was sent; no traceback, no mistake of ours, no part file but after SIGKILL.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from support.oddfiles import FS, encode
from support.trees import environment

LIMIT_S = 60
MEMORY_BYTES = 4 << 30
OUT = ("-e", "gain:-3", "-o", "out")
KINDS = ("WAV", "FLAC", "AIFF", "OGG", "MP3")


def fate_of_attack(number: int, folder: Path) -> str:
    """Make the attack of that number in the empty `folder`; AssertionError where something is lost or told wrongly."""
    rng = random.Random(number)
    attack = rng.choice(ATTACKS)
    return f"{attack.__name__} {attack(rng, folder)}"


def in_place(rng: random.Random, folder: Path) -> str:
    old = _recordings(rng, folder / "in", 4)
    options = ["--in-place", "--backup", ".bak", *_some(rng, "--keep-mtime", "--resume", "--strict", "--no-tags"),
               "--jobs", rng.choice("12")]
    codes = []
    for _ in range(rng.randrange(1, 4)):
        codes.append(_run(["in", "-e", "gain:-3", *options], folder, _a_signal(rng)))
        for path, content in old.items():
            backup = Path(f"{path}.bak")
            kept = [one.read_bytes() for one in (path, backup) if one.exists()]
            assert content in kept, f"{path.name} is lost after {options}"
            assert not backup.exists() or backup.read_bytes() == content
    return " ".join(map(str, codes))


def resumed(rng: random.Random, folder: Path) -> str:
    old = _recordings(rng, folder / "in", 4)
    (folder / "out").mkdir()
    foreign = folder / "out" / rng.choice(sorted(old)).name if rng.random() < 0.3 else None
    if foreign is not None:
        foreign.write_bytes(b"somebody else's")
    options = ["-o", "out", *_some(rng, "--resume", "--hash", "--keep-mtime", "--strict", "--fail-fast")]
    codes = []
    for _ in range(rng.randrange(1, 4)):
        codes.append(_run(["in", "-e", f"gain:-{rng.choice('34')}", *options], folder, _a_signal(rng)))
        journal = folder / "out" / ".torchfx-journal"
        if journal.exists() and rng.random() < 0.3:
            content = journal.read_bytes()
            cut = content[: rng.randrange(len(content) + 1)]
            journal.write_bytes(rng.choice([cut, b"[" * 100_000, b"{}\n" + content]))
    assert foreign is None or foreign.read_bytes() == b"somebody else's"
    _check_untouched(old)
    return " ".join(map(str, codes))


def list_line(rng: random.Random, folder: Path) -> str:
    old = _recordings(rng, folder / "in", 2)
    _recordings(rng, folder / "evil", 1)
    steps = [".", "..", "in", "evil", "", "./.", "nowhere"]
    lines = ["/".join([*rng.choices(steps, k=rng.randrange(1, 6)), rng.choice(["0.wav", "0.flac", "\n", "-"])])
             for _ in range(6)]
    (folder / "list.txt").write_text("\n".join([*lines, *(str(path) for path in old)]))
    before = _all(folder)
    code = _run(["list.txt@", *OUT, *_some(rng, "--name={number}{ext}", "--resume")], folder)
    strays = {path for path in _all(folder) - before if path.relative_to(folder).parts[0] != "out"}
    assert not strays, f"outside the output folder: {strays}"
    _check_untouched(old)
    return str(code)


def damaged(rng: random.Random, folder: Path) -> str:
    old = _recordings(rng, folder / "in", 2)
    for path in old:
        content = bytearray(path.read_bytes())
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(content))
            piece = rng.choice([bytes(800), b"OggS" * 500, rng.randbytes(300), b"\xff\xfb\x90\xc4" * 50])
            content[at : at + len(piece)] = piece
        path.write_bytes(bytes(content) + rng.choice([b"", b"OggS" * 30_000, bytes(5000), bytes(content[:4000])]))
    old = {path: path.read_bytes() for path in old}
    code = _run(["in", *OUT, *_some(rng, "--strict", "--on-truncated=fail", "--on-nan=repair")], folder)
    _check_untouched(old)
    return str(code)


def tag_bomb(rng: random.Random, folder: Path) -> str:
    packer = zlib.compressobj(9)
    size = rng.choice([1 << 20, 1 << 26, 1 << 28])
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packer.flush()
    content = struct.pack(">I", size) + packed
    frame = _frame(rng.choice([b"TPE2", b"APIC", b"TXXX"]), content, b"\0\x80")
    text = rng.choice([b"\3" + b"\0".join(b"%d" % n for n in range(50_000)), b"\1\xff\xfe" + b"a\0" * 1_000_000])
    frame = rng.choice([frame, frame * 3, _frame(b"TIT3", text), _frame(b"TXXX", b"\3x\0y") * 30_000])
    for _ in range(rng.choice([0, 0, 1, 2, 100])):
        frame = _frame(b"CHAP", b"c\0" + bytes(16) + frame)
    length = bytes(len(frame) >> shift & 0x7F for shift in (21, 14, 7, 0))
    _recordings(rng, folder / "in", 1, "MP3")
    path = next((folder / "in").iterdir())
    path.write_bytes(b"ID3\3\0\0" + length + frame + path.read_bytes())
    return str(_run(["in", *OUT, "--format", rng.choice(["flac", "mp3", "wav", "ogg"])], folder))


def taps_file(rng: random.Random, folder: Path) -> str:
    """Numbers, silence or headers of arrays that are cut, repeated or lie."""
    shape = rng.choice(["(10,)", "(400000000,)", "(-1,)", "(0, 9)", "(" * 3000, "[" * 9000,
                        "(10,), 'x': '" + "y" * 9999])
    dtype = rng.choice(["<f8", ">i2", "|O", "<U99999999"])
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}}}"
    words = rng.choice([b"0.1 ", b"0.1\n", b"# ", b"#\n", b"\n", b"1", b"\0", b"a "])
    kind, content = rng.choice([
        (".npy", b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + bytes(80)),
        (".txt", words * rng.choice([1, 9, 1 << 22])),
        (".wav", encode(np.zeros((rng.choice([1, 10, 1 << 22]), rng.choice([1, 2])), np.int16), format="FLAC",
                        subtype="PCM_16"))])
    (folder / f"taps{kind}").write_bytes(content[: rng.choice([None, len(content) // 2])])
    _recordings(rng, folder / "in", 1, "WAV")
    return str(_run(["in", "-e", f"fir:file=taps{kind}", "-o", "out", *_some(rng, "--dry-run", "--tail=auto")], folder))


def pattern(rng: random.Random, folder: Path) -> str:
    (folder / "in").mkdir()
    (folder / "in" / ("a" * 240 + ".wav")).write_bytes(encode(_noise(rng), format="WAV", subtype="PCM_16"))
    stars = "".join(rng.choice(["*a", "**", "?", "[a-c]", "*", "a", "**/"]) for _ in range(rng.randrange(1, 40)))
    return str(_run(["in", *OUT, rng.choice(["--exclude", "--include"]), stars + "b"], folder))


def costly_chain(rng: random.Random, folder: Path) -> str:
    stage = rng.choice(["lowpass: {cutoff: %d, order: 40, family: bessel}", "fir: {lowpass: %d, taps: 100001}",
                        "lowpass: {cutoff: %d, order: 24, family: elliptic, ripple: 0.%d}",
                        "peaking: {frequency: %d, gain: 1}"])
    entries = "".join(f"  - {stage % ((n + 500,) * stage.count('%d'))}\n" for n in range(rng.choice([10, 500, 5000])))
    (folder / "eq.yaml").write_text("chain:\n" + entries)
    _recordings(rng, folder / "in", 1, "WAV")
    return str(_run(["in", "-c", "eq.yaml", "-o", "out", "--dry-run"], folder))


ATTACKS: tuple[Callable[[random.Random, Path], str], ...] = (
    in_place, in_place, resumed, resumed, list_line, damaged, damaged, tag_bomb, taps_file, pattern, costly_chain)


def _frame(name: bytes, content: bytes, flags: bytes = b"\0\0") -> bytes:
    """Of ID3v2.3."""
    return name + struct.pack(">I", len(content)) + flags + content


def _noise(rng: random.Random) -> np.ndarray:
    return np.random.default_rng(rng.randrange(1 << 30)).integers(-9000, 9000, FS // 2).astype(np.int16)


def _recordings(rng: random.Random, folder: Path, count: int, kind: str | None = None) -> dict[Path, bytes]:
    folder.mkdir()
    subtypes = {"OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}
    for number in range(count):
        name = kind or rng.choice(KINDS)
        content = encode(_noise(rng), format=name, subtype=subtypes.get(name, "PCM_16"))
        (folder / f"{number}.{name.lower()}").write_bytes(content)
    return {path: path.read_bytes() for path in sorted(folder.iterdir())}


def _some(rng: random.Random, *options: str) -> list[str]:
    return [option for option in options if rng.random() < 0.5]


def _a_signal(rng: random.Random) -> tuple[int, float] | None:
    number = rng.choice([None, signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
    return None if number is None else (number, rng.uniform(0.15, 0.7))


def _run(words: list[str], folder: Path, sent: tuple[int, float] | None = None) -> int:
    """The exit code of `torchfx process` with these words, to which a signal may be `sent`: its number, and when."""
    child = subprocess.Popen(
        [sys.executable, "-m", "torchfx_cli", "process", *words], cwd=folder, env=environment(), text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=_limited)
    if sent is not None:
        try:
            child.wait(sent[1])
        except subprocess.TimeoutExpired:
            child.send_signal(sent[0])
    began = time.monotonic()
    try:
        _, told = child.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        raise AssertionError(f"{words} took more than {LIMIT_S} s") from None
    if sent is None:
        assert child.returncode in (0, 1, 2, 3), (words, child.returncode, told)
        assert "Traceback" not in told, told
    else:
        assert child.returncode in (0, 1, 2, 3, 128 + sent[0], -sent[0]), (words, child.returncode, told)
        assert child.returncode in (0, 1, 2, 3) or time.monotonic() - began < 3.0, "it did not stop in time"
    assert "mistake in torchfx" not in told, told
    if sent is None or sent[0] != signal.SIGKILL:
        assert not list(folder.rglob(".torchfx-*.part")), "a temporary file is left"
    return child.returncode


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _check_untouched(old: dict[Path, bytes]) -> None:
    for path, content in old.items():
        assert path.read_bytes() == content, f"the input {path} was changed"


def _all(folder: Path) -> set[Path]:
    return {Path(top, name) for top, _, names in os.walk(folder) for name in names}
