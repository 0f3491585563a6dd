"""`torchfx process -`: real pipes between real processes, against the same command on files."""

from __future__ import annotations

import io
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).parents[2]
FS = 48_000
PIPE_BYTES = 1 << 16  # what Linux holds in a pipe
EFFECTS = ("-e", "highpass:80", "-e", "gain:-3")
Torchfx = Callable[..., "subprocess.CompletedProcess[Any]"]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "torchfx_cli", "process", *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def sound(tmp_path: Path) -> bytes:
    """The bytes of in.wav: 24 bits, a second and a bit of noise."""
    noise = np.random.default_rng(8).uniform(-0.4, 0.4, (50_001, 2))
    soundfile.write(tmp_path / "in.wav", noise, FS, "PCM_24")
    return (tmp_path / "in.wav").read_bytes()


@pytest.fixture
def truth(run: Any, tmp_path: Path, sound: bytes) -> bytes:
    """in.wav done as a file."""
    return as_file(run, tmp_path, *EFFECTS)


def as_file(run: Any, tmp_path: Path, *options: str) -> bytes:
    assert run("process", tmp_path / "in.wav", *options, "-o", tmp_path / "truth.wav").code == 0
    return (tmp_path / "truth.wav").read_bytes()


@pytest.mark.parametrize(("words", "shell"), [
    (("-", "-o", "-"), 'cat in.wav | "$@" | cat > out.wav'),
    (("-",), 'cat in.wav | "$@" > out.wav'),
    (("-",), '"$@" < in.wav > out.wav'),
    (("in.wav", "-o", "-"), '"$@" | cat > out.wav'),
    (("-", "-o", "out.wav"), 'cat in.wav | "$@"'),
    (("-", "-o", "new/"), 'cat in.wav | "$@" && mv new/stdin.wav out.wav'),
    (("-", "-o", "new/", "--name", "{stem}.{chain}{ext}"),
     'cat in.wav | "$@" && mv new/stdin.highpass+gain.wav out.wav'),
])
def test_pipes_give_what_files_give(torchfx: Torchfx, tmp_path: Path, truth: bytes, words: tuple[str, ...], shell: str
                                    ) -> None:
    done = torchfx("process", *words, *EFFECTS, shell=shell)
    assert done.returncode == 0
    assert (tmp_path / "out.wav").read_bytes() == truth
    assert done.stdout == ""
    assert done.stderr.count("peak") == 1


@pytest.mark.parametrize("options", [("-e", "gain:20", "--on-clip", "attenuate"), ("-e", "normalize:-1")])
@pytest.mark.parametrize("shell", ['cat in.wav | "$@" | cat > out.wav', '"$@" < in.wav > out.wav'])
def test_a_chain_that_reads_twice_reads_a_pipe_too(torchfx: Torchfx, run: Any, tmp_path: Path, sound: bytes,
                                                   options: tuple[str, ...], shell: str) -> None:
    assert torchfx("process", "-", *options, shell=shell).returncode == 0
    assert (tmp_path / "out.wav").read_bytes() == as_file(run, tmp_path, *options)


def test_an_output_of_a_pipe_is_as_open_as_any_new_file(torchfx: Torchfx, tmp_path: Path, sound: bytes) -> None:
    (tmp_path / "new").touch()
    (tmp_path / "in.wav").chmod(0o600)
    assert torchfx("process", "-", *EFFECTS, "-o", "out.wav", shell='cat in.wav | "$@"').returncode == 0
    assert (tmp_path / "out.wav").stat().st_mode == (tmp_path / "new").stat().st_mode
    assert torchfx("process", "-", *EFFECTS, "-o", "own.wav", shell='"$@" < in.wav').returncode == 0
    assert (tmp_path / "own.wav").stat().st_mode & 0o777 == 0o600


def test_a_pipe_among_files_is_one_of_the_batch(torchfx: Torchfx, tmp_path: Path, truth: bytes) -> None:
    done = torchfx("process", "-", "in.wav", *EFFECTS, "-o", "out/", shell='cat in.wav | "$@"')
    assert done.returncode == 0
    assert (tmp_path / "out" / "stdin.wav").read_bytes() == (tmp_path / "out" / "in.wav").read_bytes() == truth


def test_the_first_samples_come_out_before_the_last_go_in(tmp_path: Path, sound: bytes) -> None:
    child = subprocess.Popen(command("-", "-e", "gain:0", "--chunk", "0.1"), env=environment(), cwd=tmp_path,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert child.stdin
    assert child.stdout
    child.stdin.write(sound[:200_000])
    child.stdin.flush()
    first = child.stdout.read(1000)
    child.stdin.write(sound[200_000:])
    child.stdin.close()
    assert first + child.stdout.read() == sound
    assert child.wait(20) == 0
    child.stdout.close()


def test_a_reader_that_leaves_ends_it_quietly(torchfx: Torchfx, sound: bytes) -> None:
    done = torchfx("process", "-", *EFFECTS, "-q", shell='cat in.wav | "$@" | head -c 4; echo ${PIPESTATUS[1]}')
    assert (done.stdout, done.stderr) == ("RIFF141\n", "")


def test_a_full_device_is_told(torchfx: Torchfx, sound: bytes) -> None:
    done = torchfx("process", "in.wav", *EFFECTS, "-o", "-", shell='"$@" > /dev/full')
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        1, "torchfx: error: cannot write to the standard output: No space left on device")


def fill(fd: int, data: bytes) -> None:
    """Write until the other side has begun to read and then, as nobody reads what it writes, has stopped."""
    os.set_blocking(fd, False)
    sent = refused = 0
    while refused < 30 and sent < len(data):
        try:
            sent, refused = sent + os.write(fd, data[sent:]), 0
        except BlockingIOError:
            refused += sent > PIPE_BYTES
            time.sleep(0.01)


@pytest.mark.parametrize("stalled", ["input", "output"])
def test_ctrl_c_ends_it_also_while_a_pipe_waits(tmp_path: Path, sound: bytes, stalled: str) -> None:
    child = subprocess.Popen(command("-", "-e", "gain:0", "--chunk", "0.01"), env=environment(), cwd=tmp_path,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdin
    assert child.stdout
    if stalled == "input":
        child.stdin.write(sound[:100_000])
        child.stdin.flush()
        child.stdout.read(1000)
    else:
        fill(child.stdin.fileno(), sound)
    child.send_signal(signal.SIGINT)
    assert child.wait(10) == 130
    assert child.stderr is not None
    assert child.stderr.read() == b"torchfx: interrupted\n"
    for stream in (child.stdin, child.stdout, child.stderr):
        stream.close()


def test_memory_does_not_grow_with_the_stream(tmp_path: Path) -> None:
    """40 MB and 160 MB of silence through both pipes: the largest resident size is the same within 10 MB."""
    peaks = []
    for megabytes in (40, 160):
        child = subprocess.Popen(command("-", "-q", "-e", "gain:-3"), env=environment(), cwd=tmp_path,
                                 stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        assert child.stdin
        header = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x02\0\x80\xbb\0\0\0\xee\x02\0\x04\0\x10\0data"
        child.stdin.write(header + b"\xff\xff\xff\xff")
        for _ in range(megabytes):
            child.stdin.write(bytes(1_000_000))
        child.stdin.close()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0
        peaks.append(usage.ru_maxrss)
    assert abs(peaks[1] - peaks[0]) < 10_000, peaks


@pytest.mark.parametrize(("arguments", "words"), [
    (("in.wav", "-o", "-", "--json"), "--json and audio cannot both go to the standard output"),
    (("-", "--json"), "--json and audio cannot both go to the standard output"),
    (("-", "-", "-o", "-"), "- is given twice"),
    (("-", "--files-from", "-", "-o", "x/"), "- is given twice"),
    (("in.wav", "in2.wav", "-o", "-"), "the standard output is one file, but there are 2 inputs"),
    (("-", "in.wav"), "the standard output is one file, but there are 2 inputs"),
    (("-", "-o", "x/", "--resume"), "--resume is for files"),
    (("-", "--in-place", "--backup", ".bak"), "--in-place is for files"),
    (("-", "--format", "aiff"), "--format aiff cannot be written to the standard output; it can be wav, au, flac"),
    (("-", "--subtype", "vorbis"), "WAV cannot hold vorbis"),
])
def test_what_makes_no_sense_is_told_before_anything_is_read(
        run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sound: bytes, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("process", *arguments, *EFFECTS)
    assert (done.code, done.out) == (2, "")
    assert words in done.err


@pytest.mark.parametrize(("arguments", "stream", "words"), [
    (("-", "-o", "out.wav"), "stdin", "the standard input is a terminal"),
    (("in.wav", "-o", "-"), "stdout", "the standard output is a terminal"),
])
def test_a_terminal_is_no_pipe(tmp_path: Path, sound: bytes, arguments: tuple[str, ...], stream: str, words: str
                               ) -> None:
    leader, terminal = pty.openpty()
    done = subprocess.run(command(*arguments, *EFFECTS), env=environment(), cwd=tmp_path, stderr=subprocess.PIPE,
                          timeout=20, **{stream: terminal})  # type: ignore[call-overload]
    os.close(leader)
    os.close(terminal)
    assert done.returncode == 2
    assert words in done.stderr.decode()


def test_a_cut_off_pipe_is_a_warning_and_a_strict_one_fails(torchfx: Torchfx, tmp_path: Path, sound: bytes) -> None:
    done = torchfx("process", "-", *EFFECTS, "-o", "out.wav", shell='head -c 30044 in.wav | "$@"')
    assert done.returncode == 0
    assert "of 50001 frames (cut off)" in done.stderr
    assert soundfile.info(tmp_path / "out.wav").frames == int(done.stderr.split("warning: ")[1].split()[0]) < 5001
    failed = torchfx("process", "-", *EFFECTS, "-o", "out2.wav", "--strict", shell='head -c 30044 in.wav | "$@"')
    assert failed.returncode == 3


def test_a_dry_run_of_a_pipe_tells_its_plan_and_writes_nothing(torchfx: Torchfx, sound: bytes) -> None:
    done = torchfx("process", "-", *EFFECTS, "--dry-run", shell='cat in.wav | "$@"')
    assert done.returncode == 0
    assert done.stdout.splitlines()[:2] == [
        "- -> -", "  WAV PCM_24, 48000 Hz, 2 channels -> WAV PCM_24, 1.04 s"]


def test_a_file_that_is_called_dash_is_a_file(torchfx: Torchfx, tmp_path: Path, truth: bytes) -> None:
    (tmp_path / "-").write_bytes((tmp_path / "in.wav").read_bytes())
    done = torchfx("process", "./-", *EFFECTS, "-o", "out.wav", shell='"$@" < /dev/null')
    assert done.returncode == 0
    assert (tmp_path / "out.wav").read_bytes() == truth


@pytest.mark.parametrize("subtype", ["PCM_U8", "FLOAT", "ULAW"])
def test_a_pipe_of_unknown_length_ends_with_its_last_frame(tmp_path: Path, subtype: str) -> None:
    soundfile.write(tmp_path / "in.wav", np.random.default_rng(9).uniform(-0.4, 0.4, 5001), FS, subtype)
    data = bytearray((tmp_path / "in.wav").read_bytes())
    at = data.find(b"data") + 4
    data[at : at + 4] = b"\xff\xff\xff\xff"
    pad = (len(data) - at - 4) % 5001  # behind samples of unknown number a pad byte is a sample
    out = through_pipes(bytes(data[: len(data) - pad]))
    with soundfile.SoundFile(io.BytesIO(out)) as made:
        assert len(made.read()) == 5001
    known = through_pipes((tmp_path / "in.wav").read_bytes())
    fact = known.find(b"fact")
    assert fact < 0 or int.from_bytes(known[fact + 8 : fact + 12], "little") == 5001


def through_pipes(data: bytes) -> bytes:
    done = subprocess.run(command("-", "-e", "gain:0", "-o", "-"), input=data, capture_output=True, env=environment())
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_loop_over_names_keeps_its_standard_input(torchfx: Torchfx, tmp_path: Path, sound: bytes) -> None:
    """`while read` would end after the first name if a run within it read on."""
    for name in ("a.wav", "b.wav", "c.wav"):
        (tmp_path / name).write_bytes(sound)
    loop = 'printf "a.wav\\nb.wav\\nc.wav\\n" | while read f; do "$@" "$f" -o "out/$f" -q; done'
    done = torchfx("process", *EFFECTS, shell=loop)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.wav", "b.wav", "c.wav"]
