"""declick and hum mend what was added to a sound, and leave the sound as it is."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy import signal
from support.processing import FS, processed
from test_kinds import plan_of, render

from torchfx_cli.chain.parse import join
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.design.stage import Array, Measured
from torchfx_cli.errors import ChainError, DesignError
from torchfx_cli.plan.assemble import assemble
from torchfx_cli.render.native import NativeEngine
from torchfx_cli.samples import FLOAT64, Signal
from torchfx_cli.tasks.job import Job, Settings
from torchfx_cli.tasks.local import run_jobs
from torchfx_cli.tasks.onefile import RunObserver

Places = list[tuple[int, int]]


def voice(frames: int, fs: int = FS, seed: int = 1) -> Array:
    """Rosenberg's glottal pulses of a moving pitch, with breath, through four formants, with pauses."""
    rng, t = np.random.default_rng(seed), np.arange(frames) / fs
    phase = np.cumsum(120 * (1 + 0.15 * np.sin(2 * np.pi * 0.7 * t))) / fs % 1
    opening, closing = 0.5 * (1 - np.cos(np.pi * phase / 0.4)), np.cos(np.pi / 2 * (phase - 0.4) / 0.16)
    flow = np.where(phase < 0.4, opening, np.where(phase < 0.56, closing, 0.0))
    x = np.diff(flow, prepend=0.0) * fs / 4000 + 0.01 * rng.standard_normal(frames)
    for hz, width_hz in ((600, 80), (1200, 100), (2500, 140), (3600, 200)):
        radius = np.exp(-np.pi * width_hz / fs)
        a = [1, -2 * radius * np.cos(2 * np.pi * hz / fs), radius**2]
        x = signal.lfilter([sum(a)], a, x)
    x *= np.clip(3 * np.sin(2 * np.pi * 1.3 * t) + 1.5, 0, 1)
    made: Array = 0.3 * x / np.abs(x).max() + 1e-4 * rng.standard_normal(frames)
    return made


def plucked(frames: int, fs: int = FS, seed: int = 2) -> Array:
    """Four notes a second of twelve partials each, over pink noise."""
    rng, t = np.random.default_rng(seed), np.arange(frames) / fs
    x = 4e-3 * signal.lfilter([0.05], [1, -0.95], rng.standard_normal(frames)) + 1e-4 * rng.standard_normal(frames)
    for start in range(0, frames, fs // 4):
        note = slice(start, start + fs)
        since, hz = t[note] - t[start], rng.choice([110, 147, 196, 262, 330, 440])
        for h in range(1, 13):
            fall = np.minimum(since / 0.008, 1) * np.exp(-since * (2 + h))
            x[note] += 0.1 * h**-1.5 * fall * np.sin(2 * np.pi * h * hz * since + rng.uniform(0, 6.28))
    return x


def drums(frames: int, fs: int = FS, seed: int = 3) -> Array:
    """A bass drum, a hi-hat and a snare, each beginning at once."""
    rng, x, t = np.random.default_rng(seed), np.zeros(frames), np.arange(fs // 4) / fs
    for n, start in enumerate(range(1000, frames - len(t), fs // 8)):
        noise = rng.standard_normal(len(t))
        x[start : start + len(t)] += (0.7 * np.sin(2 * np.pi * 55 * t) * np.exp(-8 * t), 0.15 * noise * np.exp(-60 * t),
                                      0.4 * noise * np.exp(-25 * t))[n % 3]
    return x + 1e-4 * rng.standard_normal(frames)


def sawtooth(frames: int, fs: int = FS, seed: int = 0) -> Array:
    """A synthesiser's, with a jump a period."""
    made: Array = 0.5 * signal.sawtooth(2 * np.pi * 110.3 * np.arange(frames) / fs + seed)
    return made


def clicks(frames: int, low: float, high: float, seed: int = 4) -> tuple[Array, Places]:
    """About 20 a second at 48 kHz, each of 1 to 29 samples of falling noise, and of a peak between two levels."""
    rng, x, places, at = np.random.default_rng(seed), np.zeros(frames), [], 1500
    while at < frames - 1500:
        length, peak = int(rng.integers(1, 30)), np.exp(rng.uniform(np.log(low), np.log(high)))
        x[at : at + length] = peak * rng.standard_normal(length) * np.exp(-2 * np.arange(length) / length)
        x[at] = peak * rng.choice([-1, 1])
        places.append((at, at + length))
        at += int(2400 * rng.uniform(0.3, 1.7))
    return x, places


@pytest.mark.parametrize("sound", [voice, plucked, drums, sawtooth])
@pytest.mark.parametrize("fs", [16_000, 48_000])
def test_clean_sound_passes_declick_bit_for_bit(sound: object, fs: int) -> None:
    x = sound(fs, fs)[:, None]  # type: ignore[operator]
    np.testing.assert_array_equal(processed("declick", x, 5000, fs), x)


@pytest.mark.parametrize(("sound", "low", "high", "least_percent", "least_db"), [
    (voice, 0.05, 0.5, 100, 22), (plucked, 0.05, 0.5, 97, 18),
    (voice, 0.01, 0.03, 85, 7), (plucked, 0.01, 0.03, 65, 0)])
def test_clicks_are_found_and_the_sound_below_them_comes_back(sound: object, low: float, high: float,
                                                              least_percent: float, least_db: float) -> None:
    x = sound(2 * FS)  # type: ignore[operator]
    added, places = clicks(len(x), low, high)
    made = processed("declick", (x + added)[:, None])[:, 0]
    touched = made != x + added
    found = np.mean([touched[start:end].any() for start, end in places])
    better_db = 10 * np.log10(np.sum(added**2) / np.sum((made - x) ** 2))
    near = np.zeros(len(x), bool)
    for start, end in places:
        near[start - 10 : end + 10] = True
    assert 100 * found >= least_percent, f"{found:.2f} of {len(places)}, {better_db:.1f} dB"
    assert better_db >= least_db, f"{better_db:.1f} dB"
    assert not touched[~near].any()


def test_what_was_mended_is_told_and_a_click_at_the_very_end_is_left(tmp_path: Path) -> None:
    x = 0.3 * voice(FS)
    x[[9000, 20_000, 30_000, FS - 1]] += 0.5
    soundfile.write(tmp_path / "in.wav", x, FS, "PCM_24")
    chain = join([], ["highpass:20", "declick"])
    report = run_jobs([Job(tmp_path / "in.wav", tmp_path / "out.wav")], Settings(chain), RunObserver())
    notes = [note for note in report.results[0].notes if "declick" in note]
    assert notes == ["declick, threshold 8: 3 clicks mended, 9 samples"]


def test_what_a_branch_has_to_tell_comes_out() -> None:
    x = np.zeros((9000, 1))
    x[4000] = 0.5
    engine = NativeEngine(plan_of("parallel:[{chain: [declick]}, {gain: -6 dB}]", channels=1))
    made = np.concatenate([engine.process(x), *engine.flush()])
    assert engine.notes == ["declick, threshold 8: 1 click mended, 3 samples"]
    assert made[4000, 0] == pytest.approx(0.5 * 10 ** (-6 / 20))


@pytest.mark.parametrize("effect", ["declick", "declick:threshold=3,max_length=10 ms"])
def test_chunked_is_whole(effect: str) -> None:
    x = voice(12_000) + clicks(12_000, 0.01, 0.5)[0]
    for frames in (0, 1, 2, 300, len(x)):
        part = np.stack([x, x[::-1]], axis=1)[:frames]
        whole = processed(effect, part)
        assert whole.shape == part.shape
        for size in (17, 509):
            assert processed(effect, part, size).tobytes() == whole.tobytes(), f"{frames} in blocks of {size}"


def hum(frames: int, fs: int, start_hz: float, end_hz: float, level: float = 0.02) -> Array:
    """Ten harmonics of a frequency that drifts."""
    phase = 2 * np.pi * np.cumsum(np.linspace(start_hz, end_hz, frames)) / fs
    made: Array = level * sum(np.cos(h * phase + h * h) / h**0.5 for h in range(1, 11))
    return made


def dehummed(effect: str, x: Array, fs: int, *others: Array) -> list[Array]:
    """`x` [frames, channels] without its hum, and what becomes of `others` in its place."""
    source = Signal(fs, x.shape[1])
    (stage,) = design_chain(join([], [effect]), fs, x.shape[1])
    assert isinstance(stage, Measured)
    meter = stage.meter(source)
    meter.process(x.copy())
    made = []
    for sound in (x, *others):
        run = stage.resolved(meter.reading()).open(source)
        made.append(np.concatenate([run.process(sound.copy()), *run.flush()]))
    return made


@pytest.mark.parametrize(("sound", "fs", "mains_hz", "effect"), [
    (voice, 8000, 50.0, "hum:50 Hz"), (plucked, 11_025, 50.0, "hum"), (voice, 4000, 60.0, "hum:auto"),
    (voice, 8000, 48.9, "hum:49")])
def test_hum_that_drifts_goes_and_what_lies_between_stays(sound: object, fs: int, mains_hz: float, effect: str) -> None:
    """Tones half way between the harmonics, and 2 Hz beside where the first one is."""
    frames, t = 20 * fs, np.arange(20 * fs) / fs
    speech = sound(frames, fs)  # type: ignore[operator]
    added = hum(frames, fs, mains_hz + 0.13, mains_hz - 0.1)
    tones_hz = (mains_hz - 2, mains_hz + 2, *mains_hz * (np.arange(1, 11) + 0.5))
    beside = sum(np.sin(2 * np.pi * hz * t) for hz in tones_hz)
    both = np.stack([speech + added, 0.5 * speech - added], axis=1)
    got, left, kept = dehummed(effect, both, fs, np.stack([added, -added], axis=1), np.stack([beside] * 2, axis=1))
    assert got.shape == both.shape
    middle = slice(3 * fs, -3 * fs)

    def lower_db(part: slice) -> float:
        return float(10 * np.log10(np.mean(added[part] ** 2) / np.mean(left[part, 1] ** 2)))

    assert lower_db(slice(None)) > 38, lower_db(slice(None))
    assert lower_db(middle) > 55, lower_db(middle)
    for hz in tones_hz:
        level = 2 * abs(np.mean(kept[middle, 0] * np.exp(-2j * np.pi * hz * t[middle])))
        assert abs(20 * np.log10(level)) < 0.05, f"{hz} Hz: {20 * np.log10(level):.3f} dB"


@pytest.mark.parametrize(("effect", "sound", "level", "note"), [
    ("hum", voice, 0.0, "hum, auto: none was found, nothing is changed"),
    ("hum", drums, 0.0, "hum, auto: none was found, nothing is changed"),
    ("hum:60 Hz", voice, 0.0, "hum, 60 Hz: none stands out, so none is followed"),
    ("hum", plucked, 0.02, "hum, auto: found at 60.07 Hz")])
def test_what_was_found_is_told_and_by_auto_not_a_bit_changes_without_hum(
        tmp_path: Path, effect: str, sound: object, level: float, note: str) -> None:
    fs, frames = 8000, 48_000
    x = sound(frames, fs) + hum(frames, fs, 60.07, 60.07, level)  # type: ignore[operator]
    soundfile.write(tmp_path / "in.wav", x, fs, "PCM_16")
    report = run_jobs([Job(tmp_path / "in.wav", tmp_path / "out.wav")], Settings(join([], [effect])), RunObserver())
    assert note in report.results[0].notes
    before, after = (soundfile.read(tmp_path / name, dtype="int16")[0] for name in ("in.wav", "out.wav"))
    assert (before == after).all() == note.endswith("nothing is changed")


@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
@pytest.mark.parametrize("tone_hz", [180.0, 200.0])
@pytest.mark.parametrize("harmonics", [(1.0,), (1.0, 0.5, 0.3)])
def test_a_tone_does_not_hide_hum_of_few_harmonics_nor_make_hum_of_itself(
        mains_hz: float, tone_hz: float, harmonics: tuple[float, ...]) -> None:
    """180 Hz are the third harmonic of 60 Hz, 200 Hz the fourth of 50 Hz."""
    fs, t = 2000, np.arange(6 * 2000) / 2000
    tone = (0.5 * np.sin(2 * np.pi * tone_hz * t) + 1e-4 * np.random.default_rng(1).normal(size=len(t)))[:, None]
    added = sum(10 ** (-30 / 20) * level * np.sin(2 * np.pi * mains_hz * (n + 1) * t)
                for n, level in enumerate(harmonics))[:, None]
    source = Signal(fs, 1)
    (stage,) = design_chain(join([], ["hum"]), fs, 1)
    assert isinstance(stage, Measured)
    told = []
    for sound in (tone + added, tone):
        meter = stage.meter(source)
        meter.process(sound.copy())
        told.append(stage.resolved(meter.reading()).label)
    assert all(float(hz) == pytest.approx(mains_hz, abs=0.03) for hz in re.findall(r"[\d.]+", told[0])), told
    assert "found at" in told[0]
    assert "none was found" in told[1]


@pytest.mark.parametrize("harmonics", [(1.0,), (1.0, 0.5, 0.3), (1.0, 0.5, 0.33, 0.25, 0.2, 0.16)])
@pytest.mark.parametrize("bass_hz", [48.5, 49.0, 49.3, 51.0, 51.9, 58.8, 61.2])
def test_a_steady_bass_is_no_hum_and_hides_none(bass_hz: float, harmonics: tuple[float, ...]) -> None:
    fs, t = 2000, np.arange(4 * 2000) / 2000
    quiet = 1e-4 * np.random.default_rng(1).normal(size=len(t))
    bass, mains = (quiet + sum(0.3 * level * np.sin(2 * np.pi * hz * (n + 1) * t) for n, level in enumerate(harmonics))
                   for hz in (bass_hz, 50.0))
    (stage,) = design_chain(join([], ["hum"]), fs, 1)
    assert isinstance(stage, Measured)
    told = []
    for sound in (bass, bass + 0.5 * mains):
        meter = stage.meter(Signal(fs, 1))
        meter.process(sound[:, None].copy())
        told.append(stage.resolved(meter.reading()).label)
    assert "none was found" in told[0]
    if len(harmonics) > 1:  # a fundamental alone could be the bass's
        assert "found at" in told[1]
        assert all(float(hz) == pytest.approx(50.0, abs=0.1) for hz in re.findall(r"[\d.]+", told[1])), told


def test_dehumming_is_the_same_in_blocks_of_any_size() -> None:
    fs = 2000
    for frames in (0, 1, 2, 300, 9000):
        x = (voice(9000, fs) + hum(9000, fs, 50.1, 50.0))[:frames, None]
        plan = assemble(design_chain(join([], ["hum:frequency=50 Hz,width=5 Hz"]), fs, 1), fs, 1, FLOAT64, FLOAT64)
        whole, *cut = [render(plan, x, size) for size in (1 << 20, 17, 509)]
        assert whole.shape == x.shape
        assert [other.tobytes() == whole.tobytes() for other in cut] == [True, True]


def test_a_rate_too_low_for_hum_is_told() -> None:
    with pytest.raises(DesignError, match="mains of 60 Hz cannot be followed at 500 Hz; 600 Hz is the least"):
        design_chain(join([], ["hum"]), 500)


@pytest.mark.parametrize(("effect", "words"), [
    ("hum:5 Hz", r"'5 Hz' \(out of range\); allowed: auto, or a number from 10 to 500 Hz"),
    ("hum:none", "allowed: auto, or a number"), ("hum:harmonics=61", "harmonics.*from 1 to 60"),
    ("hum:width=0", r"width.*from 0\.5 to 20 Hz"),
    ("declick:threshold=2", "threshold.*from 3 to 1000"), ("declick:max_length=20 ms", r"max_length.*to 0\.01 s"),
])
def test_what_makes_no_sense_is_told_before_any_file(effect: str, words: str) -> None:
    with pytest.raises(ChainError, match=words):
        join([], [effect])
