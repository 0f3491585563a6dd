"""No name, tag, chunk, list, chain or journal makes a terminal obey: each command meets them, on a terminal and off.

`EVIL` retitles a terminal's window, rings, goes back to the start of the line, turns the text round and starts a line
of its own that looks like ours.
"""

from __future__ import annotations

import ast
import os
import re
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from test_screen import AT_ONCE, on_a_terminal

from torchfx_cli.cli import show

EVIL = "\x1b]0;owned\x07\r\u202e\x9b2J\ntorchfx: all is well"
LINE = re.sub("[\r\n]", "", EVIL)
SHOWN = r"\x1b]0;owned\x07\r\u202e\x9b2J\ntorchfx: all is well"
CLI = Path(show.__file__).parent
# What we say to a terminal ourselves: colours, the bar and its cursor.
OURS = re.compile(r"\x1b\[[\d;]*m|\x1b\[\?25[hl]|\x1b\[\d*[AK]|\r")


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def wav(path: Path, *more: bytes) -> None:
    """A tone, and chunks behind it."""
    soundfile.write(os.fsencode(path), np.full(800, 1000, np.int16), 8000, format="WAV")
    content = path.read_bytes() + b"".join(more)
    path.write_bytes(content[:4] + struct.pack("<I", len(content) - 8) + content[8:])


def flac(path: Path, key: str, value: str) -> None:
    """A tone with one comment, whose key no writer of tags would take."""
    soundfile.write(os.fsencode(path), np.full(800, 1000, np.int16), 8000, format="FLAC")
    content = path.read_bytes()
    comment = f"{key}={value}".encode()
    block = struct.pack("<II", 0, 1) + struct.pack("<I", len(comment)) + comment
    streaminfo, rest = content[:42], content[42:]
    while not rest[0] & 0x80:
        rest = rest[4 + int.from_bytes(rest[1:4], "big") :]
    path.write_bytes(streaminfo + b"\x04" + len(block).to_bytes(3, "big") + block + rest)


def id3(key: str, text: str) -> bytes:
    body = b"\x03" + key.encode() + b"\0" + text.encode()
    frame = b"TXXX" + struct.pack(">I", len(body)) + b"\0\0" + body
    return b"ID3\x03\0\0" + bytes((0, 0, len(frame) >> 7, len(frame) & 0x7F)) + frame


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in which everything that can be named is named EVIL, as far as file systems go."""
    evil = EVIL.replace("/", "")
    inside = tmp_path / "in"
    inside.mkdir()
    wav(inside / f"{evil}.wav", chunk(b"LIST", b"\x1b]0;" + bytes(4)), chunk(b"id3 ", id3(EVIL, EVIL)),
        chunk(b"LIST", b"INFO" + chunk(b"INAM", EVIL.encode())))
    flac(inside / "keys.flac", EVIL, EVIL)
    flac(inside / "title.flac", "TITLE", EVIL)
    (inside / f"{evil}.flac").write_text(EVIL)
    (tmp_path / "bad.yaml").write_text(f"chain: [{evil!a}: 3, highpass: {evil!a}]".replace("'", '"'))
    (tmp_path / f"{evil}.yaml").write_text("chain: [gain: -1]")
    (tmp_path / "list.txt").write_text(f"{evil}\nin/keys.flac\n")
    presets = tmp_path / "config" / "torchfx" / "presets"
    presets.mkdir(parents=True)
    (presets / f"{evil}.yaml").write_text(f'description: "{EVIL!a}"\nchain: [gain: -1]'.replace("'", ""))
    (presets / "raw.yaml").write_text(f"# {LINE}\nchain: [gain: -1]")
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / ".torchfx-journal").write_text(f'{{"input": "{EVIL}"}}\n{EVIL}\n')
    return tmp_path


EVIL_NAME = EVIL.replace("/", "")
BENCH = ("bench", "-c", f"{EVIL_NAME}.yaml", "--durations", "0.01", "--channels", "1", "--backends", "native",
         "--reps", "1")
COMMANDS: Sequence[Sequence[str]] = (
    ("info", f"in/{EVIL_NAME}.wav", "in/keys.flac", "in/title.flac", f"in/{EVIL_NAME}.flac", EVIL),
    ("info", "--json", "--check", f"in/{EVIL_NAME}.wav", "in/keys.flac", EVIL),
    ("process", "in", "-c", f"{EVIL_NAME}.yaml", "-o", "out", "-v", "--dry-run"),
    ("process", "in", "-c", f"{EVIL_NAME}.yaml", "-o", f"out{EVIL_NAME}", "-v", "--format", "au"),
    ("process", f"in/{EVIL_NAME}.wav", "-c", f"{EVIL_NAME}.yaml", "-o", "one", "-v", "--chunk", "0.001"),
    ("process", "in", "-e", "gain:-1", "-o", "journal", "--resume", "--json"),
    ("process", "in", "-c", "bad.yaml", "-o", "out"),
    ("process", "in", "-c", EVIL, "-o", "out"),
    ("process", "in", "-e", EVIL, "-e", f"highpass:{EVIL}", "-e", f"fir:file={EVIL}", "-e", f"preset:{EVIL}"),
    ("process", "--files-from", "list.txt", "-e", "gain:-1", "-o", "out"),
    ("process", "--files-from", EVIL, "-e", "gain:-1", "-o", "out"),
    ("process", "in", "-e", "gain:-1", "--format", EVIL, "--subtype", EVIL),
    ("process", "in", "-e", "gain:-1", "-o", "out", "--name", EVIL + "{stem}{nothing}"),
    ("process", "in", "-e", "gain:-1", "-o", "out", "--exclude", f"{EVIL}[z-a]"),
    ("process", "in", "-e", "gain:-1", "-o", "out", "--report", f"no/{EVIL}"),
    ("process", "in", "-e", "gain:-1", "-o", "out", "--device", EVIL),
    ("process", "in", f"--{EVIL}"),
    (EVIL,),
    ("watch", "in", "-c", f"{EVIL_NAME}.yaml", "-o", f"w{EVIL_NAME}", "--once", "--settle", "0", "-v"),
    ("presets",), ("presets", EVIL), ("presets", "raw"), ("presets", "--json"), ("filters", EVIL),
    BENCH,
    ("bench", "--input", f"in/{EVIL_NAME}.flac", "-e", "gain:-1"),
    ("bench", "--compare", EVIL), ("bench", "--suite", EVIL), ("bench", "--json", f"no/{EVIL}"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: ascii(" ".join(words))[:60])
def test_no_line_holds_anything_unprintable(run: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch,
                                            command: Sequence[str]) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    monkeypatch.setenv("TORCHFX_DEBUG", "1")
    done = run(*command)
    told = done.err + done.out
    assert told
    if command == ("presets", "raw"):
        assert told == f"# {LINE}\nchain: [gain: -1]\n", "off a terminal a preset is copied as it is"
        return
    for line in told.removesuffix("\n").split("\n"):
        assert line.isprintable(), f"{line!r} of {command}"
        assert line != "torchfx: all is well"


@pytest.mark.parametrize("command", [COMMANDS[0], COMMANDS[3], COMMANDS[4], COMMANDS[8], ("presets",),
                                     ("presets", "raw"), BENCH], ids=lambda words: ascii(" ".join(words))[:60])
def test_a_terminal_gets_no_sequence_but_ours(folder: Path, command: Sequence[str]) -> None:
    script = AT_ONCE if command[0] == "process" else ""
    _, seen = on_a_terminal(folder, *command, script=script, XDG_CONFIG_HOME=str(folder / "config"))
    for line in OURS.sub("", seen).split("\n"):
        assert line.isprintable(), f"{line!r} of {command}"
        assert line != "torchfx: all is well"


def test_what_tags_are_called_is_escaped(run: Callable[..., Any], folder: Path) -> None:
    done = run("info", folder / "in" / "keys.flac", folder / "in" / "title.flac")
    assert f"title: {SHOWN}" in done.out
    key = re.search("also holds: (.*)", done.out)
    assert key is not None
    assert key[1] == r"\x1b]0;OWNED\x07\r\xe2\x80\xae\xc2\x9b2J\nTORCHFX: ALL IS WELL"


def test_say_and_tell_print_one_line_whatever_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    show.say(EVIL, "second")
    show.tell(EVIL, "red")
    show.table(("a", "b"), [(EVIL, "x")])
    out, err = capsys.readouterr()
    assert out.splitlines() == [SHOWN, "second", f"{SHOWN}  x"]
    assert err == SHOWN + "\n"


def test_only_show_writes_to_the_streams() -> None:
    """What draws a bar or a table by rich takes a console of its own, on texts that `printable` made."""
    for path in sorted(CLI.glob("*.py")):
        tree = ast.parse(path.read_text())
        calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        written = {call for call in calls if call == "print" or call.endswith(("stdout.write", "stderr.write", "echo"))}
        assert path.name == "show.py" or not written, f"{path.name} writes by {written}"
        may_copy = ("show.py", "presets.py", "bench_screen.py", "plot.py")
        assert path.name in may_copy or "show.copy" not in calls, path.name
