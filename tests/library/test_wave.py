"""Waves: from files, to files, through modules."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")

import torchfx_cli as fx  # noqa: E402
from torchfx_cli.errors import ReadError, TorchfxError, WriteError  # noqa: E402

FS = 48_000


def noise(channels: int = 2, frames: int = 5000) -> np.ndarray:
    return np.random.default_rng(5).standard_normal((channels, frames)) * 0.1


@pytest.mark.parametrize(
    ("subtype", "suffix"), [("PCM_16", "wav"), ("PCM_24", "flac"), ("FLOAT", "wav"), ("DOUBLE", "caf")]
)
def test_a_wave_read_and_saved_keeps_every_bit_and_its_tags(tmp_path: Path, subtype: str, suffix: str) -> None:
    source, target = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    with soundfile.SoundFile(source, "w", FS, 2, subtype) as file:
        file.title = "a title"
        file.write(noise().T)
    wave = fx.Wave.from_file(source)
    assert (wave.fs, wave.channels, wave.frames, wave.duration) == (FS, 2, 5000, 5000 / FS)
    (wave | torch.nn.Identity()).save(target, subtype, dither="none")
    before, after = (soundfile.read(path, dtype="float64")[0] for path in (source, target))
    assert (before == after).all()
    assert soundfile.SoundFile(target).title == (soundfile.SoundFile(source).title)


def test_the_blocks_of_a_wave_are_the_wave() -> None:
    wave = fx.Wave(noise(), FS)
    pieces = list(wave.blocks(0.01))
    assert {piece.frames for piece in pieces[:-1]} == {480}
    assert torch.equal(torch.cat([piece.ys for piece in pieces], dim=-1), wave.ys)


@pytest.mark.parametrize("turned", [
    lambda x: x[:, ::-1], lambda x: x.T.copy().T, lambda x: x.astype(">f8"), lambda x: np.broadcast_to(x[0], x.shape),
], ids=["backwards", "columns", "other byte order", "read-only"])
def test_a_wave_takes_any_array_as_it_is(turned) -> None:  # type: ignore[no-untyped-def]
    x = turned(noise())
    wave = fx.Wave(x, np.float64(FS))
    np.testing.assert_array_equal(wave.ys.numpy(), x)
    assert (repr(wave), type(wave.fs)) == ("Wave(2 channels, 0.104 s, 48000 Hz)", int)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_wave_of_any_floating_type_is_filtered_and_saved(tmp_path: Path, dtype: torch.dtype) -> None:
    wave = fx.Wave(torch.from_numpy(noise()).to(dtype), FS) | fx.filter.FIR([0.5])
    assert wave.ys.dtype == dtype
    wave.save(tmp_path / "out.wav")
    np.testing.assert_array_equal(soundfile.read(tmp_path / "out.wav")[0].T, wave.ys.double().numpy())


def test_what_the_command_line_would_warn_of_is_a_warning(tmp_path: Path) -> None:
    loud, cut = tmp_path / "loud.wav", tmp_path / "cut.wav"
    wave = fx.Wave(np.array([0.5, 1.5, -0.5]), FS)
    with pytest.warns(UserWarning, match=r"loud\.wav: 1 sample clipped \(peak \+3\.5 dBFS\)") as caught:
        wave.save(loud, 16)
    assert caught[0].filename == __file__  # it points at who called
    cut.write_bytes(loud.read_bytes()[:-2])
    with pytest.warns(UserWarning, match=r"cut\.wav: 2 of 3 frames \(cut off\)"):
        assert fx.Wave.from_file(cut).frames == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning):
            wave.save(tmp_path / "strict.wav", "16")
    assert not (tmp_path / "strict.wav").exists()


@pytest.mark.parametrize(("do", "error", "words"), [
    (lambda at: fx.Wave.from_file(at / "none.wav"), ReadError, r"none\.wav: does not exist"),
    (lambda at: fx.Wave(noise(), FS).save(at / "old.wav"), WriteError, r"old\.wav exists; with overwrite"),
    (lambda at: fx.Wave(noise(), FS).save(at / "x.banana"), TorchfxError, r"no audio format .* x\.banana"),
    (lambda at: fx.Wave(noise(), 44_100.5).save(at / "x.wav"), WriteError, r"x\.wav: .*whole .* not 44100\.5 Hz"),
    (lambda at: fx.Wave(noise() * np.nan, FS).save(at / "x.wav"), ReadError, r"x\.wav: non-finite sample at 0\."),
    (lambda at: fx.Wave(noise(), FS).save(at / "x.wav", dither="loud"), ValueError, "auto, none, tpdf, not 'loud'"),
    (lambda at: fx.Wave(np.zeros(9, np.int16), FS), TypeError, "scale integers"),
    (lambda at: fx.Wave(np.zeros((1, 2, 3)), FS), ValueError, "channels, frames"),
    (lambda at: fx.Wave(np.zeros(3), 0), ValueError, "above 0 Hz"),
    (lambda at: fx.Wave(np.zeros(3), float("inf")), ValueError, "above 0 Hz"),
    (lambda at: fx.Wave(np.zeros(3), FS) | 3, TypeError, "unsupported operand"),
])
def test_wrong_use_is_a_clear_error(tmp_path: Path, do, error: type[Exception], words: str) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "old.wav").touch()
    with pytest.raises(error, match=words):
        do(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["old.wav"]


@pytest.mark.parametrize("shape", [(48_000, 2), (1025, 48_000), (100, 2), (65, 64)])
def test_frames_in_the_place_of_channels_are_refused(shape: tuple[int, int]) -> None:
    words = rf"\[{shape[0]}, {shape[1]}\] would be {shape[0]} channels of {shape[1]} frames"
    with pytest.raises(ValueError, match=words):
        fx.Wave(np.zeros(shape), 48_000)


@pytest.mark.parametrize("shape", [(2, 1), (64, 0), (64, 1), (1024, 1024)])
def test_a_moment_in_a_few_channels_is_a_wave(shape: tuple[int, int]) -> None:
    assert fx.Wave(np.zeros(shape), 48_000).channels == shape[0]
