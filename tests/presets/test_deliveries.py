"""Presets that bring a file to a level, a form or a norm, held to what they say by SciPy and the norms' formulas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.speech import (
    Samples,
    db,
    loudness_lufs,
    noise_floor_db,
    peak_db,
    rms_db,
    true_peak_db,
    voice,
)

from torchfx_cli.chain.parse import load_chain
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.errors import DesignError, FileError
from torchfx_cli.plan.assemble import assemble
from torchfx_cli.render.native import NativeEngine
from torchfx_cli.samples import FLOAT64

PRESETS = Path(__file__).parents[2] / "presets"
SHIPPED = sorted(path.stem for path in PRESETS.glob("*.yaml"))
FS = 48_000
TARGETS = {  # LUFS, dBTP
    "podcast": (-16.0, -1.0), "broadcast-r128": (-23.0, -1.0), "broadcast-a85": (-24.0, -2.0),
    "voice-over": (-18.0, -1.0), "lecture": (-18.0, -1.0), "speech-dataset": (-23.0, -1.0), "streaming": (-14.0, -1.0),
}
LIMITED_LU = 0.5  # what a limiter may take before it is told
EXACT_LU = 0.05
ABOVE_DB = 0.05  # what an interpolator of sixteen finds above the limiter's of eight
NEEDS_MORE = {  # what is refused at 8 kHz, and where
    "voice-over": "chain[4].peaking.frequency: 4 kHz", "mastering-eq": "chain[3].high_shelf.frequency: 10 kHz",
    "vinyl-restoration": "chain[2].high_shelf.frequency: 10 kHz", "de-ess": "chain[0].deesser.frequency: 5.5 kHz",
}


def made(name: str | Path, x: Samples, fs: int = FS, size: int = 1 << 20) -> Samples:
    """`x` through a preset or the chain in a file, in blocks of `size` frames."""
    chain = load_chain(PRESETS / f"{name}.yaml" if isinstance(name, str) else name)
    plan = assemble(design_chain(chain, fs, x.shape[1]), fs, x.shape[1], FLOAT64, FLOAT64, start=chain.start or "rest")
    blocks = [x[at : at + size] for at in range(0, len(x), size)]
    while target := plan.first_measured:
        measuring = plan.measuring()
        meter, engine = target.meter(measuring.output), NativeEngine(measuring)
        for heard in [*map(engine.process, blocks), *engine.flush()]:
            meter.process(heard)
        plan = plan.measured(meter.reading())
    engine = NativeEngine(plan)
    return np.concatenate([np.empty((0, plan.output.channels)), *map(engine.process, blocks), *engine.flush()])


def rate_of(name: str, fs: int) -> int:
    return 16_000 if name == "speech-dataset" else fs


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize(("channels", "level_db"), [(1, -45.0), (2, -14.0)])
def test_a_voice_comes_to_the_loudness_and_stays_below_the_true_peak(name: str, channels: int, level_db: float) -> None:
    lufs, dbtp = TARGETS[name]
    y = made(name, voice(FS, channels, rms_db=level_db))
    assert loudness_lufs(y, rate_of(name, FS)) == pytest.approx(lufs, abs=LIMITED_LU)
    assert true_peak_db(y) <= dbtp + ABOVE_DB


@pytest.mark.parametrize("name", sorted(TARGETS))
@pytest.mark.parametrize("fs", [8000, 44_100])
def test_the_loudness_is_right_at_other_rates_or_is_refused(name: str, fs: int) -> None:
    x = voice(fs, seconds=1.6)
    if name == "voice-over" and fs < 12_000:
        with pytest.raises(DesignError, match="is not below 4 kHz"):
            made(name, x, fs)
        return
    y = made(name, x, fs)
    assert loudness_lufs(y, rate_of(name, fs)) == pytest.approx(TARGETS[name][0], abs=LIMITED_LU)
    assert true_peak_db(y) <= TARGETS[name][1] + ABOVE_DB


def test_an_episode_at_192_khz() -> None:
    y = made("podcast", voice(192_000, seconds=1.6), 192_000)
    assert loudness_lufs(y, 192_000) == pytest.approx(-16.0, abs=LIMITED_LU)
    assert true_peak_db(y) <= -1.0 + ABOVE_DB


@pytest.mark.parametrize("name", ["broadcast-r128", "broadcast-a85", "streaming"])
def test_a_programme_below_the_ceiling_gets_one_gain_and_nothing_else(name: str) -> None:
    x = np.random.default_rng(1).uniform(-0.3, 0.3, (FS, 2))
    y = made(name, x)
    np.testing.assert_allclose(y, x * (y[0, 0] / x[0, 0]), rtol=1e-12)
    assert loudness_lufs(y, FS) == pytest.approx(TARGETS[name][0], abs=EXACT_LU)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("level_db", [-45.0, -15.0])
@pytest.mark.parametrize("fs", [8000, 44_100])
def test_a_chapter_passes_at_acx_where_its_noise_lies_45_db_below_its_rms(channels: int, level_db: float, fs: int
                                                                         ) -> None:
    x = voice(fs, channels, rms_db=level_db, floor_db=level_db - 45.0)
    assert noise_floor_db(x, fs) - rms_db(x) == pytest.approx(-45.0, abs=0.6)
    y = made("audiobook-acx", x, fs)
    assert rms_db(y) == pytest.approx(-20.0, abs=0.3)
    assert true_peak_db(y) <= -3.5 + ABOVE_DB
    assert noise_floor_db(y, fs) <= -60.0


def test_pauses_of_a_chapter_go_down_by_more_than_what_the_compressor_brings_them_up() -> None:
    x = voice(FS, rms_db=-30.0, floor_db=-80.0)
    y = made("audiobook-acx", x)
    assert (noise_floor_db(y, FS) - rms_db(y)) - (noise_floor_db(x, FS) - rms_db(x)) == pytest.approx(-6.5, abs=1.5)


def test_peaks_of_a_chapter_are_limited() -> None:
    x = voice(FS)
    x[FS // 4 :: FS] = 0.9  # clicks of the tongue
    y = made("audiobook-acx", x)
    assert true_peak_db(y) == pytest.approx(-3.5, abs=ABOVE_DB)
    assert -21.0 <= rms_db(y) <= -20.0


@pytest.mark.parametrize(("name", "least_db", "most_db"), [("podcast", 6.0, 10.0), ("voice-over", 4.0, 8.0),
                                                         ("lecture", 3.0, 6.0), ("broadcast-r128", 11.9, 12.1)])
def test_sentences_that_lie_12_db_apart_come_closer(name: str, least_db: float, most_db: float) -> None:
    near = voice(FS)
    y = made(name, np.concatenate([near, near * 10.0 ** (-12.0 / 20.0)]))
    assert least_db < rms_db(y[: len(near)]) - rms_db(y[len(near) :]) < most_db


@pytest.mark.parametrize("fs", [16_000, 44_100, 96_000])
def test_a_data_set_is_16_khz_and_mono_and_flat_from_60_hz_to_7_khz(fs: int) -> None:
    """Tones of whole periods in a second, on the left only, read by a DFT of the middle second of three."""
    at_hz = np.array([60, 100, 300, 1000, 2000, 4000, 6000, 7000])
    t = np.arange(3 * fs)[:, None] / fs
    phases = np.random.default_rng(1).uniform(0.0, 2.0 * np.pi, len(at_hz))
    x = np.stack([np.sin(2.0 * np.pi * at_hz * t + phases).sum(axis=1) / 20.0 + 0.2, np.zeros(3 * fs)], axis=1)
    y = made("speech-dataset", x, fs)
    assert y.shape == (48_000, 1)
    levels = np.abs(np.fft.rfft(y[16_000:32_000, 0]))
    gains_db = 20.0 * np.log10(levels[at_hz] / levels[1000])
    assert gains_db == pytest.approx(np.zeros(len(at_hz)), abs=0.1)
    assert db(levels[0] / levels[1000]) < -60.0


def test_nothing_above_8_khz_folds_into_a_data_set() -> None:
    t = np.arange(2 * 44_100)[:, None] / 44_100
    x = 0.2 * np.sin(2.0 * np.pi * 1000 * t) + 0.2 * np.sin(2.0 * np.pi * 9500 * t)
    levels = np.abs(np.fft.rfft(made("speech-dataset", x, 44_100)[8000:24_000, 0]))
    assert db(levels[16_000 - 9500] / levels[1000]) < -120.0


def test_a_loud_click_leaves_a_file_of_a_data_set_softer_and_not_limited() -> None:
    x = voice(16_000)
    x[8000] = 40.0 * np.abs(x).max()
    y = made("speech-dataset", x, 16_000)
    assert true_peak_db(y) == pytest.approx(-1.0, abs=0.2)
    assert loudness_lufs(y, 16_000) < -24.0


def tone(at_hz: float, level_db: float, fs: int = FS) -> Samples:
    return 10.0 ** (level_db / 20.0) * np.sin(2.0 * np.pi * at_hz * np.arange(fs // 2)[:, None] / fs)


def test_esses_come_down_by_8_db_at_most_and_all_else_stays() -> None:
    esses = [tone(9000.0, -40.0), tone(9000.0, -24.0), tone(9000.0, -3.0), tone(16_000.0, -3.0)]
    changes_db = [rms_db(made("de-ess", x)[FS // 4 :]) - rms_db(x[FS // 4 :]) for x in esses]
    assert changes_db == pytest.approx([0.0, -3.3, -6.3, -8.0], abs=0.1)  # at 9 kHz the shelf has not all of its gain
    vowel = tone(500.0, -12.0)
    np.testing.assert_array_equal(made("de-ess", vowel), vowel)


def test_the_esses_of_a_voice_over_come_down_by_6_db_at_most(tmp_path: Path) -> None:
    """An ess of 12 kHz against the voice, with and without the de-esser."""
    lines = (PRESETS / "voice-over.yaml").read_text().splitlines()
    (tmp_path / "plain.yaml").write_text("\n".join(line for line in lines if "- deesser:" not in line))
    at = slice(FS // 4, FS // 2)
    for level_db, softer_db in ((-60.0, 0.0), (-12.0, 5.6)):  # at 12 kHz the shelf has not all of its gain
        x = voice(FS)
        x[at] += tone(12_000.0, level_db)[at]
        ess, plain = (_level_db(made(chain, x), at, 12_000) for chain in ("voice-over", tmp_path / "plain.yaml"))
        assert plain - ess == pytest.approx(softer_db, abs=0.3), level_db


def _level_db(x: Samples, at: slice, at_hz: int) -> float:
    """Of a tone in a part of a mono `x`, against all that lies below 4 kHz."""
    powers = np.abs(np.fft.rfft(x[at, 0])) ** 2
    step = FS // len(x[at])
    return 10.0 * float(np.log10(powers[at_hz // step] / powers[: 4000 // step].sum()))


def test_an_outdoor_recording_keeps_its_dynamics_and_fades_at_its_ends() -> None:
    quiet, loud = tone(1000.0, -50.0), tone(1000.0, -20.0)
    y = made("field-recording", np.concatenate([quiet, loud, loud]))
    half = FS // 2
    assert true_peak_db(y) == pytest.approx(-1.0, abs=0.1)
    assert peak_db(y[half // 2 : half]) - peak_db(y[3 * half // 2 : 2 * half]) == pytest.approx(-30.0, abs=0.01)
    steady = y[-2 * FS // 10 : -FS // 10]
    faded_db = [peak_db(y[len(y) - at - 48 : len(y) - at]) - peak_db(steady) for at in (0, FS // 40, FS // 20)]
    assert faded_db[0] < -25.0
    assert faded_db[1:] == pytest.approx([-6.0, 0.0], abs=0.5)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_record_comes_to_its_true_peak(channels: int) -> None:
    assert true_peak_db(made("vinyl-restoration", voice(FS, channels))) == pytest.approx(-1.0, abs=0.1)


def test_clicks_of_a_record_are_mended() -> None:
    x = voice(FS, 1)
    clicked = x.copy()
    clicked[3000::6000] += 0.3
    clean, mended = made("vinyl-restoration", x), made("vinyl-restoration", clicked)
    left, added = np.sum((mended - clean) ** 2), np.sum((clicked - x) ** 2)
    assert 10 * np.log10(added / left) > 20.0


def test_hum_is_found_and_taken_away_and_nothing_else() -> None:
    x = np.round(voice(FS, 1, 4.0) * 32768) / 32768
    phase = 2 * np.pi * 50.1 * np.arange(len(x)) / FS
    hum = sum(0.02 / k * np.sin(k * phase) for k in range(1, 9))[:, None]
    assert np.array_equal(made("hum-removal", x), x)
    left = made("hum-removal", x + hum) - x
    window = np.hanning(len(x))
    for k in (1, 3):  # where the voice has no partial near
        line = window * np.exp(1j * k * phase)
        assert 20 * np.log10(abs(line @ left[:, 0]) / abs(line @ hum[:, 0])) < -30.0


def test_silence_is_cut_off_the_ends_and_stays_inside() -> None:
    sound, silence = tone(1000.0, -6.0), np.zeros((FS // 2, 1))
    y = made("trim-ends", np.concatenate([silence, sound, silence, sound, silence, silence]))
    margin = FS // 50
    assert len(y) == pytest.approx(2 * margin + 3 * (FS // 2), abs=2)
    assert not y[[0, -1]].any()
    assert np.abs(y[margin + FS // 2 + 10 : margin + FS - 10]).max() == 0.0
    np.testing.assert_array_equal(y[margin : margin + FS // 4], sound[1 : 1 + FS // 4])  # the first frame is silent
    with pytest.raises(FileError, match="silent: no sample reaches -60 dBFS"):
        made("trim-ends", silence)


def test_a_correction_of_a_room_is_put_in_front_as_the_preset_says(tmp_path: Path) -> None:
    """An echo at another rate, and the house curve behind it."""
    correction = np.zeros((960, 2))
    correction[192], correction[672] = (1.0, 0.5), 0.25  # 5 ms apart
    soundfile.write(tmp_path / "correction.wav", correction, 96_000, subtype="DOUBLE")
    (tmp_path / "room.yaml").write_text("chain: [convolve: correction.wav, preset: room-eq]\n")
    x = np.zeros((FS, 2))
    x[0] = 1.0
    gain = np.fft.rfft(made(tmp_path / "room.yaml", x), axis=0) / np.fft.rfft(made("room-eq", x), axis=0)
    wanted = [[0.75, 0.25], [1.25, 0.75], [0.75, 0.25]]
    np.testing.assert_allclose(np.abs(gain[[100, 200, 1100]]), wanted, rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", NEEDS_MORE)
def test_a_preset_that_needs_a_higher_rate_says_so_in_a_line(name: str) -> None:
    with pytest.raises(DesignError) as caught:
        design_chain(load_chain(PRESETS / f"{name}.yaml"), 8000)
    assert NEEDS_MORE[name] in str(caught.value)
    assert "is not below 4 kHz, half of" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("frames", [0, 1, 20_000])
def test_silence_and_next_to_nothing_stay_what_they_are(name: str, frames: int) -> None:
    silence = np.zeros((frames, 2))
    if name == "trim-ends" and frames:
        with pytest.raises(FileError, match="silent: no sample reaches -60 dBFS"):
            made(name, silence)
        return
    y = made(name, silence)
    assert y.shape == ((round(frames / 3), 1) if name == "speech-dataset" else (frames, 2))
    assert not y.any()


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("channels", [1, 2])
def test_chunked_is_whole_for_every_preset(name: str, channels: int) -> None:
    x = voice(FS, channels, seconds=0.5, rms_db=-10.0)
    whole = made(name, x)
    assert made(name, x, size=509).tobytes() == whole.tobytes()
