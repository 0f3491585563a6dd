"""A disk that cannot be read is told as that, wherever it fails, and not as a damaged file or a mistake of ours."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from support.strace import needs_strace

from torchfx_cli.errors import ReadError
from torchfx_cli.stream.metadataplan import contents, pack
from torchfx_cli.stream.reader import Source, open_source

ROOT = Path(__file__).parents[2]
TOLD = "cannot be read (input/output error)"
NOISE = np.random.default_rng(3).integers(-9000, 9000, (400_000, 2)).astype(np.int16)


def write(path: Path, container: str, subtype: str) -> Path:
    with soundfile.SoundFile(path, "w", 48000, 2, subtype, format=container) as sound:
        for at in range(0, len(NOISE), 40_000):  # all at once is too much for the Vorbis encoder
            sound.write(NOISE[at : at + 40_000])
    return path


def never_closed(path: Path) -> Path:
    """A WAV whose header is put right while it is read."""
    content = bytearray(write(path, "WAV", "PCM_16").read_bytes())
    content[40:44] = bytes(4)
    path.write_bytes(content)
    return path


MAKERS: dict[str, Callable[[Path], Path]] = {
    "a.wav": lambda path: write(path, "WAV", "PCM_16"), "zero.wav": never_closed,
    "a.aiff": lambda path: write(path, "AIFF", "PCM_24"), "a.flac": lambda path: write(path, "FLAC", "PCM_16"),
    "a.ogg": lambda path: write(path, "OGG", "VORBIS"), "a.mp3": lambda path: write(path, "MP3", "MPEG_LAYER_III"),
}  # fmt: skip


def fail(source: Source) -> None:
    """From now on the disk under `source` fails: no process can read its address 0."""
    memory = os.open("/proc/self/mem", os.O_RDONLY)
    os.dup2(memory, source._fd)
    os.close(memory)


@pytest.mark.parametrize("name", MAKERS)
def test_a_disk_that_fails_in_the_middle_is_told(tmp_path: Path, name: str) -> None:
    with open_source(MAKERS[name](tmp_path / name)) as source:
        blocks = source.blocks(1000)
        next(blocks)
        fail(source)
        with pytest.raises(ReadError) as caught:
            list(blocks)
        assert str(caught.value) == TOLD
        with pytest.raises(ReadError) as caught:
            source.rewind()
        assert str(caught.value) == TOLD


def test_a_disk_that_fails_below_the_metadata_is_told(tmp_path: Path) -> None:
    from torchfx_cli.stream.formats import choose_output

    with open_source(MAKERS["a.flac"](tmp_path / "a.flac")) as source:
        facts, metadata = source.facts, source.metadata
        fail(source)
        for step in (lambda: contents(metadata),
                     lambda: pack(facts.tags, metadata, choose_output("out.wav", facts), facts.fs, facts.channels)):
            with pytest.raises(ReadError) as caught:
                step()
            assert str(caught.value) == TOLD


@pytest.mark.parametrize("name", MAKERS)
def test_a_file_that_cannot_be_read_at_all_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = MAKERS[name](tmp_path / name)

    def broken(*_: Any) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "pread", broken)
    with pytest.raises(ReadError) as caught:
        open_source(path)
    assert str(caught.value) == TOLD


@pytest.mark.parametrize(("name", "call"), [("a.wav", "read"), ("a.mp3", "read"), ("a.flac", "pread64"),
                                            ("zero.wav", "preadv2")])
def test_the_command_names_the_file_and_the_error(tmp_path: Path, name: str, call: str) -> None:
    needs_strace()
    MAKERS[name](tmp_path / name)
    strace = ("strace", "-f", "--seccomp-bpf", "-qq", "-o", os.devnull, "-P", str(tmp_path / name),
              "-e", f"trace={call}", "-e", f"inject={call}:error=EIO:when=2+", sys.executable, "-m", "torchfx_cli")
    for command in (("process", name, "-e", "gain:-1"), ("info", "--check", name)):
        done = subprocess.run([*strace, *command], cwd=tmp_path, capture_output=True, text=True, check=False,
                              env=os.environ | {"PYTHONPATH": str(ROOT), "TORCHFX_WARM": "off"}, timeout=60)
        assert (done.returncode, done.stderr) == (3, f"{name}: {TOLD}\n"), command


def test_what_macos_leaves_in_the_working_folder_does_not_confuse_the_decoder(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from support.rewrite import rewrite

    monkeypatch.chdir(tmp_path)
    Path("._").write_bytes(b"\0\5\x16\7" + bytes(100))
    Path(".AppleDouble").mkdir()
    source = MAKERS["a.mp3"](tmp_path / "a.mp3")
    Path("._out.mp3").write_bytes(b"\0\5\x16\7" + bytes(100))
    assert rewrite(tmp_path / "out.mp3", source) == ([], [])
    with open_source(tmp_path / "out.mp3") as output:
        assert sum(len(block) for block in output.blocks(4096)) >= len(NOISE)
    no_name = source.rename(tmp_path / "song")
    with open_source(no_name) as reader:
        assert reader.facts.container == "MP3"
    (tmp_path / "text.mp3").write_text("no sound at all\n" * 20)
    with pytest.raises(ReadError, match=r"not an audio file \(looks like text\)"):
        open_source(tmp_path / "text.mp3")
