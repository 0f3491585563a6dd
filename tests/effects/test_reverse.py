"""The file from its end to its beginning, in memory and through the temporary file, and what becomes of its times."""

from __future__ import annotations

import copy
import errno
import os
import re
import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from test_kinds import FS, assert_the_law, noise, plan_of, render
from test_time import mark, processed

from torchfx_cli import scratch
from torchfx_cli.errors import RunError
from torchfx_cli.scratch import Scratch, check_room


@pytest.fixture(params=[scratch.MEMORY_BYTES, 999], ids=["in memory", "in a file"])
def memory_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(scratch, "MEMORY_BYTES", request.param)
    return int(request.param)


@pytest.mark.usefixtures("memory_bytes")
@pytest.mark.parametrize("size", [1, 509, 1 << 20])
def test_the_last_frame_is_the_first(size: int) -> None:
    x = noise(3001)
    np.testing.assert_array_equal(render(plan_of("reverse"), x, size), x[::-1])


@pytest.mark.usefixtures("memory_bytes")
def test_long_files_come_out_in_blocks_and_are_reversed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchfx_cli.effects.reverse.block_frames", lambda channels: 1000)
    x = noise(3001)
    np.testing.assert_array_equal(render(plan_of("reverse", "gain:0", "reverse"), x, 77), x)


@pytest.mark.usefixtures("memory_bytes")
@pytest.mark.parametrize("effects", [
    ["highpass:80", "reverse", "trim:start=1 ms,end=0.5", "resample:16 kHz", "mono"], ["reverse", "normalize:-1"]])
def test_chunked_is_whole_in_combination(effects: list[str]) -> None:
    assert_the_law(plan_of(*effects, tail_s=0.01))


def test_the_tail_comes_first() -> None:
    x = np.zeros((100, 1))
    x[99] = 1.0
    got = render(plan_of("delay:time=1 ms,mix=1", "reverse", channels=1, tail_s=0.01), x)[:, 0]
    heard = np.flatnonzero(got)
    assert (heard[-1], got[heard[-1]]) == (480 - 48, 1.0)


def test_parts_are_replaced_where_they_lie(memory_bytes: int) -> None:
    x, kept = noise(700), Scratch(2, "it")
    for at in range(0, 700, 90):
        kept.append(x[at : at + 90])
    for first, samples in kept.backwards(64):
        kept.write(first, -samples)
    np.testing.assert_array_equal(np.concatenate([kept.read(0, 55), kept.read(55, 700)]), -x)


def test_a_copy_has_what_was_heard_but_not_from_a_file(memory_bytes: int) -> None:
    x, kept = noise(700), Scratch(2, "it")
    kept.append(x)
    if memory_bytes == 999:
        with pytest.raises(TypeError, match="temporary file cannot be copied"):
            copy.deepcopy(kept)
        return
    copied = copy.deepcopy(kept)
    kept.write(0, -x)
    np.testing.assert_array_equal(copied.read(0, 700), x)


def test_a_full_disk_fails_the_file_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "MEMORY_BYTES", 1000)
    source = tmp_path / "in.wav"
    soundfile.write(source, noise(FS), FS)

    def full(*given: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    error = processed(source, tmp_path / "out.wav", "reverse").error
    assert error is not None
    assert re.match(r"cannot keep the sound for reverse in .*: No space left on device; TMPDIR may", error)
    assert [path.name for path in tmp_path.iterdir()] == ["in.wav"]


def test_what_does_not_fit_is_told_before_the_first_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "in.wav"
    soundfile.write(source, noise(FS), FS)
    monkeypatch.setattr(scratch, "MEMORY_BYTES", 1000)
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result([4096, 4096, 100, 100, 100, 9, 9, 9, 0, 255]))
    error = processed(source, tmp_path / "out.wav", "reverse").error
    assert error is not None
    assert re.search(r"in.wav for reverse in .*: 0.00 GB are needed, 0.00 GB are free; TMPDIR", error)
    check_room(999, "it")


def test_a_folder_for_temporary_files_that_is_gone_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch
                                                                 ) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    monkeypatch.setattr(scratch, "MEMORY_BYTES", 0)
    with pytest.raises(RunError, match="No such file or directory"):
        Scratch(1, "it").append(np.zeros((1, 1)))


def test_markers_are_left_out_and_named_and_the_recordings_time_stays(tmp_path: Path) -> None:
    source = tmp_path / "in.wav"
    soundfile.write(source, noise(FS), FS, "PCM_16")
    content = source.read_bytes()
    bext = b"bext" + struct.pack("<I", 602) + bytes(338) + struct.pack("<Q", 123_456) + bytes(256)
    source.write_bytes(content[:4] + struct.pack("<I", len(content) + len(bext) - 8) + content[8:] + bext)
    mark(source, 9)
    result = processed(source, tmp_path / "out.wav", "reverse", "trim:start=0.1")
    assert result.warnings == ("not carried over: cue",)
    made = (tmp_path / "out.wav").read_bytes()
    assert b"cue " not in made
    assert struct.unpack_from("<Q", made.partition(b"bext")[2], 4 + 338) == (123_456,)
