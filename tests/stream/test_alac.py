"""ALAC that does not compress: libsndfile reads wide samples of it wrongly, so FFmpeg reads them, or nobody does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.avfiles import encode

from torchfx_cli.errors import ReadError
from torchfx_cli.stream import avsound, foreign
from torchfx_cli.stream.opened import Opened
from torchfx_cli.stream.reader import Source, open_source

FRAMES, FS = 9000, 48_000  # two packets, and a part of one
NOISE = np.random.default_rng(1).uniform(-0.9, 0.9, (FRAMES, 2))


def read(path: Path) -> tuple[Source, np.ndarray]:
    with open_source(path) as source:
        return source, np.concatenate(list(source.blocks(999)))


def test_noise_of_24_bits_in_two_channels_is_read_as_it_was_written(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    x = encode(tmp_path / "a.caf", "alac", NOISE, fs=FS, form="s32p")
    source, found = read(tmp_path / "a.caf")
    np.testing.assert_array_equal(found, x)
    assert (source.facts.container, source.facts.subtype, source.facts.frames) == ("CAF", "ALAC_24", FRAMES)
    assert (source.warnings, source.damaged) == ([], False)


def test_noise_of_32_bits_is_read_or_refused_but_never_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.round(NOISE[:, :1] * 2.0**31).astype(np.int32)
    soundfile.write(tmp_path / "a.caf", x, FS, "ALAC_32")
    if foreign.is_available():
        source, found = read(tmp_path / "a.caf")
        np.testing.assert_array_equal(found, x)
        assert (source.facts.subtype, source.facts.frames, source.warnings) == ("ALAC_32", FRAMES, [])
    monkeypatch.setattr(avsound, "is_available", lambda: False)
    with pytest.raises(ReadError, match="ALAC of 32 bits that does not compress cannot be decoded here; pip"):
        open_source(tmp_path / "a.caf")


@pytest.mark.parametrize(("subtype", "x"), [("ALAC_16", NOISE), ("ALAC_24", NOISE[:, :1]), ("ALAC_32", 0.2 * np.sin(
    np.arange(FRAMES) / 7))])
def test_all_other_alac_is_left_to_libsndfile(tmp_path: Path, subtype: str, x: np.ndarray) -> None:
    soundfile.write(tmp_path / "a.caf", x, FS, subtype)
    with open_source(tmp_path / "a.caf") as source:
        assert isinstance(source._opened, Opened)
