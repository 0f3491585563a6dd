"""The resampler's qualities, measured."""

from __future__ import annotations

import numpy as np
import pytest
from test_kinds import FS

from torchfx_cli.chain.parse import join, parse_chain
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.plan.assemble import RenderPlan, assemble
from torchfx_cli.render.native import NativeEngine
from torchfx_cli.samples import FLOAT64, SampleFormat


def resampled(x: np.ndarray, rate: int, quality: str = "very_high", fs: int = FS) -> np.ndarray:
    stages = design_chain(join([], [f"resample:rate={rate},quality={quality}"]), fs, 1)
    engine = NativeEngine(assemble(stages, fs, 1, FLOAT64, FLOAT64))
    return np.concatenate([engine.process(x[:, None].copy()), *engine.flush()])[:, 0]


def tone(frequency_hz: float, fs: int, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * fs)) / fs)


def middle_db(error: np.ndarray, beside: float = 0.5) -> float:
    """The mean square of the middle half, in dB beside that of a full-scale sine."""
    part = error[len(error) // 4 : -len(error) // 4]
    return float(10 * np.log10(np.mean(part**2) / beside))


@pytest.mark.parametrize(("fs", "rate"), [(48_000, 16_000), (48_000, 44_100), (44_100, 48_000), (48_000, 96_000)])
def test_a_tone_of_997_hz_is_clean(fs: int, rate: int) -> None:
    got = resampled(tone(997, fs), rate, fs=fs)
    assert middle_db(got - tone(997, rate)) < -180.0


@pytest.mark.parametrize(("quality", "least_db"), [("low", 105), ("medium", 105), ("high", 135), ("very_high", 180)])
def test_what_the_new_rate_cannot_hold_is_rejected(quality: str, least_db: float) -> None:
    """Tones above half the new rate, down to 16 kHz, leave nothing; going up, nothing is mirrored above 24 kHz."""
    for frequency_hz in (8_100.0, 9_000.0, 12_000.0, 20_000.0):
        assert middle_db(resampled(tone(frequency_hz, FS), 16_000, quality)) < -least_db, frequency_hz
    up = resampled(tone(15_000, FS), 96_000, quality)
    n = len(up) // 4
    windowed = up[n : 3 * n] * np.kaiser(2 * n, 30)
    spectrum = np.abs(np.fft.rfft(windowed))
    assert 20 * np.log10(spectrum[n // 2 + 200 :].max() / spectrum.max()) < -least_db


@pytest.mark.parametrize("quality", ["quick", "low", "medium", "high", "very_high"])
@pytest.mark.parametrize("rate", [16_000, 44_100, 96_000])
def test_an_impulse_stays_in_place(quality: str, rate: int) -> None:
    """To a thousandth of a sample, by the slope of its phase; 0.1 s is a whole frame at each rate."""
    x = np.zeros(9600)
    x[4800] = 1.0
    spectrum = np.fft.rfft(np.roll(resampled(x, rate, quality), -rate // 10))
    low = np.arange(1, 200)
    slope = np.polyfit(low, np.unwrap(np.angle(spectrum[low])), 1)[0]
    assert abs(slope * len(x) * rate / FS / (2 * np.pi)) < 1e-3



@pytest.mark.parametrize("around", ["{}", "parallel: [[{}], [{}]]"])
@pytest.mark.parametrize(("sink", "quality"), [
    (SampleFormat("int16", 8), "high"), (SampleFormat("int16", 16), "high"), (SampleFormat("int32", 24), "very_high"),
    (SampleFormat("float32"), "very_high")])
def test_the_quality_follows_the_output_where_nobody_chooses(around: str, sink: SampleFormat, quality: str) -> None:
    """Bit for bit that of the quality's own name, which a dry run tells."""
    plan, named = (plan_of(around.replace("{}", f"resample: {{rate: 16000{words}}}"), sink)
                   for words in ("", f", quality: {quality}"))
    x = np.random.default_rng(0).uniform(-0.5, 0.5, (4800, 1))
    assert rendered(plan, x).tobytes() == rendered(named, x).tobytes()
    assert plan.describe() == named.describe()
    assert around != "{}" or plan.describe() == [f"resample 48 kHz to 16 kHz, {quality.replace('_', ' ')} quality"]


def plan_of(text: str, sink: SampleFormat) -> RenderPlan:
    return assemble(design_chain(parse_chain(f"chain: [{text}]"), FS, 1), FS, 1, FLOAT64, sink)


def rendered(plan: RenderPlan, x: np.ndarray) -> np.ndarray:
    engine = NativeEngine(plan)
    return np.concatenate([engine.process(x.copy()), *engine.flush()])
