"""Which libsndfile is in use, and what is said of one that cannot be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from torchfx_cli import libsndfile
from torchfx_cli.errors import UsageError
from torchfx_cli.warm import place

PACKAGED = getattr(soundfile, "_full_path", "")
# A batch of two; then which libraries are in this process, from which workers are forked.
PROGRAM = """
import re, sys
from torchfx_cli.cli.program import run
code = run(["process", sys.argv[1], "-o", sys.argv[2], "--format", "flac", "--jobs", "2", "--quiet"])
from torchfx_cli import libsndfile
maps = open("/proc/self/maps").read()
print(code, *sorted(set(re.findall(r"\\S*libsndfile\\S*", maps))), libsndfile.words(), sep="\\n")
"""


@pytest.mark.skipif(not Path(PACKAGED).is_file() or sys.platform != "linux", reason="needs soundfile's own copy, Linux")
def test_the_library_that_is_named_is_the_only_one_in_use(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    sound = np.linspace(-0.5, 0.5, 4800)
    for name in "ab":
        soundfile.write(tmp_path / "in" / f"{name}.wav", sound, 48_000, "PCM_16")
    other = shutil.copy(PACKAGED, tmp_path / "libsndfile-other.so")
    done = subprocess.run([sys.executable, "-c", PROGRAM, tmp_path / "in", tmp_path / "out"], capture_output=True,
                          text=True, env={**os.environ, libsndfile.VARIABLE: str(other)}, check=True)
    version = soundfile.__libsndfile_version__
    assert done.stdout.splitlines() == ["0", str(other), f"{version}, {libsndfile.VARIABLE}={other}"], done.stderr
    for name in "ab":
        assert np.abs(soundfile.read(tmp_path / "out" / f"{name}.flac")[0] - sound).max() < 2**-15


@pytest.mark.parametrize(("wanted", "says"), [
    ("sytem", "expected system or an absolute path of a library, got 'sytem'"),
    ("lib/libsndfile.so", "expected system or an absolute path"),
    ("/nowhere/libsndfile.so", "no libsndfile can be loaded (cannot load library '/nowhere/libsndfile.so'"),
])
def test_what_cannot_be_loaded_is_refused(wanted: str, says: str) -> None:
    with pytest.raises(UsageError) as error:
        libsndfile._chosen(wanted)
    assert says in str(error.value)
    assert libsndfile.VARIABLE in str(error.value)


def test_a_library_without_sounds_is_refused() -> None:
    import _ctypes

    with pytest.raises(UsageError, match=r"no libsndfile can be loaded \(.*sf_version_string"):
        libsndfile._chosen(_ctypes.__file__)


@pytest.mark.parametrize("version", ["1.0.31", "1.1.0"])
def test_an_old_library_is_refused(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(libsndfile, "_version", lambda *_: version)
    with pytest.raises(UsageError, match=f"libsndfile {version} is too old; 1.2 or later is needed"):
        libsndfile._chosen(PACKAGED or "system")


def test_a_library_cannot_be_chosen_after_soundfile_was_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(libsndfile.VARIABLE, "system")
    with pytest.raises(UsageError, match="soundfile was imported before torchfx"):
        libsndfile._load()


def test_a_warm_process_with_another_library_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(libsndfile.VARIABLE, raising=False)
    usual = place.identity()
    monkeypatch.setenv(libsndfile.VARIABLE, "system")
    assert not usual or b"\nTORCHFX_LIBSNDFILE=system\n" in place.identity()
    for name in place.READ_ONCE:
        assert f'"{name.decode()}"' in Path(place.CLIENT + ".c").read_text(), name
