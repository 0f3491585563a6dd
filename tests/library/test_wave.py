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
    (lambda at: fx.Wave(noise(), FS).save(at / "none" / "x.wav"), WriteError, r"x\.wav: the output folder .*none does"),
    (lambda at: fx.Wave(noise(), FS).save(at / "old.wav" / "x.wav"), WriteError, r"x\.wav: its folder is a file"),
    (lambda at: fx.Wave.merge([]), ValueError, "one wave or more"),
    (lambda at: fx.Wave.merge([fx.Wave(noise(), FS), fx.Wave(noise(), 44_100)]), ValueError, "rates .* 44100 Hz"),
    (lambda at: fx.Wave.merge([fx.Wave(noise(2), FS), fx.Wave(noise(3), FS)]), ValueError, "2 and 3 channels have no"),
    (lambda at: fx.Wave(noise(), FS).get_channel(2), IndexError, "out of bounds"),
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


@pytest.mark.parametrize("split", [False, True])
def test_waves_merge_as_a_sum_or_side_by_side(split: bool) -> None:
    voice, music = noise(1, 300), noise(2, 500).astype(np.float32)
    waves = [fx.Wave(voice, FS), fx.Wave(music, FS)]
    waves[0].tags = {"title": "a title"}
    got = fx.Wave.merge(waves, split_channels=split)
    padded = np.pad(voice, ((0, 0), (0, 200)))
    np.testing.assert_array_equal(got.ys, np.concatenate([padded, music]) if split else padded + music)
    assert (got.fs, got.ys.dtype, got.tags) == (FS, torch.float64, {"title": "a title"})
    assert torch.equal(fx.Wave.merge(waves[1:], split).ys, waves[1].ys)


def test_a_channel_and_what_a_function_makes_are_waves() -> None:
    wave = fx.Wave(noise(3), FS)
    wave.tags = {"title": "a title"}
    for index in (0, 2, -1):
        np.testing.assert_array_equal(wave.get_channel(index).ys, noise(3)[[index]])
    later = wave.transform(torch.roll, 48, dims=-1)
    np.testing.assert_array_equal(later.ys, np.roll(noise(3), 48, axis=-1))
    assert (later.fs, later.tags, wave.get_channel(1).tags) == (FS, wave.tags, wave.tags)
    with pytest.raises(TypeError, match="floating-point samples"):
        wave.transform(torch.isnan)


class Hidden(torch.nn.Module):
    """Keeps filters where torch does not look, and makes one on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.filters = {"low": [fx.filter.LoButterworth(1000)], "level": fx.effect.Compressor(0.0)}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.filters["level"]((self.filters["low"][0] | fx.filter.DesignableFIR(31, 900, align=True))(x))


def test_filters_take_the_rate_of_the_wave_wherever_a_module_keeps_them() -> None:
    module = Hidden()
    got = (fx.Wave(noise() * 0.1, FS) | torch.nn.Sequential(module)).ys
    chain = fx.filter.LoButterworth(1000, fs=FS) | fx.filter.DesignableFIR(31, 900, FS, align=True)
    np.testing.assert_allclose(got, chain(torch.from_numpy(noise() * 0.1)), rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="no sample rate"):
        Hidden()(torch.zeros(1, 9))
