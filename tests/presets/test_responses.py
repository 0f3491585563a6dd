"""Every shipped preset, measured where it matters: the gain that its description promises, at four sample rates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.speech import K_RLB, K_SHELF

from torchfx_cli.chain.parse import load_chain
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.design.stages import Stage, response
from torchfx_cli.effects.normalize import Normalize
from torchfx_cli.effects.peaking import PeakingSpec
from torchfx_cli.errors import DesignError
from torchfx_cli.samples import Signal

PRESETS = Path(__file__).parents[2] / "presets"
RATES = (44100, 48000, 96000, 192000)

SILENT_DB = -100.0  # a row (frequency, SILENT) asks for less than this
SILENT = None

# The bilinear transform draws the top octaves together, differently at each rate, so points there get more room;
# the curves of analogue circuits get the 0.1 dB of their design.
EXACT, CLOSE, ROUGH = 0.02, 0.1, 0.7

EXPECTED: dict[str, list[tuple[float, float | None, float]]] = {
    # 80 Hz of order 4, -10 log10(1 + 4^8) two octaves below; -2 dB, +2.5 dB, and all 1 dB lower.
    "podcast-voice": [(0.0, SILENT, 0.0), (20.0, -49.17, CLOSE), (80.0, -4.2, CLOSE), (250.0, -3.0, CLOSE),
                      (3200.0, 1.5, CLOSE), (15000.0, -0.9, CLOSE)],
    "hum-removal-50hz": [*((50.0 * n, SILENT, 0.0) for n in range(1, 9)), (0.0, 0.0, EXACT), (25.0, 0.0, EXACT),
                         (75.0, 0.0, CLOSE), (425.0, -0.35, CLOSE), (1000.0, 0.0, EXACT), (10000.0, 0.0, EXACT)],
    "hum-removal-60hz": [*((60.0 * n, SILENT, 0.0) for n in range(1, 9)), (0.0, 0.0, EXACT), (30.0, 0.0, EXACT),
                         (90.0, 0.0, CLOSE), (510.0, -0.35, CLOSE), (1200.0, 0.0, EXACT), (10000.0, 0.0, EXACT)],
    # -10 log10(1 + (30 / f)^8)
    "rumble-filter": [(0.0, SILENT, 0.0), (10.0, -38.17, EXACT), (30.0, -3.01, EXACT), (60.0, -0.02, EXACT),
                      (1000.0, 0.0, EXACT), (20000.0, 0.0, EXACT)],
    "telephone": [(0.0, SILENT, 0.0), (100.0, -41.0, CLOSE), (300.0, -3.01, EXACT), (1000.0, 0.0, EXACT),
                  (3400.0, -3.01, EXACT), (8000.0, -34.0, 2.0)],
    "am-radio": [(0.0, SILENT, 0.0), (50.0, -23.1, CLOSE), (150.0, -6.9, CLOSE), (1200.0, 0.0, CLOSE),
                 (4500.0, -6.55, CLOSE), (10000.0, -49.0, 5.0)],
    # -10 log10(1 + (2 pi f tau)^2)
    "deemphasis-50us": [(0.0, 0.0, EXACT), (1000.0, -0.41, CLOSE), (3183.1, -3.01, CLOSE), (10000.0, -10.36, CLOSE),
                        (15000.0, -13.66, CLOSE)],
    "deemphasis-cd": [(0.0, 0.0, EXACT), (1000.0, -0.37, CLOSE), (3183.1, -2.63, CLOSE), (10000.0, -7.60, CLOSE),
                      (20000.0, -9.49, CLOSE)],
    "deemphasis-75us": [(0.0, 0.0, EXACT), (1000.0, -0.87, CLOSE), (2122.1, -3.01, CLOSE), (10000.0, -13.66, CLOSE),
                        (15000.0, -17.07, CLOSE)],
    # The table of IEC 60098.
    "riaa-playback": [(20.0, 19.27, CLOSE), (50.0, 16.95, CLOSE), (100.0, 13.09, CLOSE), (200.0, 8.22, CLOSE),
                      (500.0, 2.65, CLOSE), (1000.0, 0.0, EXACT), (2000.0, -2.59, CLOSE), (5000.0, -8.21, CLOSE),
                      (10000.0, -13.73, CLOSE), (20000.0, -19.62, CLOSE)],
    "three-band-eq": [(0.0, 0.0, EXACT), (50.0, 0.0, CLOSE), (1000.0, -3.5, CLOSE), (10000.0, 0.0, CLOSE)],
    # Each band's own gain and a little of its neighbours', 6 dB lower.
    "ten-band-eq": [(0.0, -6.0, EXACT), (31.5, -0.3, 0.5), (63.0, -0.7, 0.5), (125.0, -3.2, 0.5), (1000.0, -5.9, CLOSE),
                    (2000.0, -5.8, CLOSE), (8000.0, -3.4, ROUGH), (16000.0, -1.8, ROUGH)],
    # Twice a Butterworth of order 2: -20 log10(1 + (f / 2000)^4)
    "crossover-low": [(0.0, 0.0, EXACT), (500.0, -0.03, EXACT), (2000.0, -6.02, EXACT), (4000.0, -24.61, ROUGH)],
    "crossover-high": [(0.0, SILENT, 0.0), (500.0, -48.2, 0.3), (2000.0, -6.02, EXACT), (8000.0, -0.03, EXACT)],
    # IEC 61672-1, table 3, and its class 1 is 0.7 dB at the least; the exact frequencies are 10^(n/10).
    "a-weighting": [(0.0, SILENT, 0.0), (31.623, -39.4, CLOSE), (63.096, -26.2, CLOSE), (125.893, -16.1, CLOSE),
                    (251.189, -8.6, CLOSE), (501.187, -3.2, CLOSE), (1000.0, 0.0, EXACT), (1995.26, 1.2, CLOSE),
                    (3981.07, 1.0, CLOSE), (7943.28, -1.1, CLOSE), (15848.9, -6.6, 0.15)],
    "c-weighting": [(0.0, SILENT, 0.0), (31.623, -3.0, CLOSE), (63.096, -0.8, CLOSE), (125.893, -0.2, CLOSE),
                    (1000.0, 0.0, EXACT), (3981.07, -0.8, CLOSE), (7943.28, -3.0, CLOSE), (15848.9, -8.5, 0.15)],
    # EBU Tech 3343 and BS.1770: about +0.691 dB at 997 Hz, 4 dB above.
    "k-weighting": [(0.0, SILENT, 0.0), (38.13547, -6.0, CLOSE), (100.0, -1.13, CLOSE), (997.0, 0.691, EXACT),
                    (10000.0, 4.04, CLOSE)],
    "speech-recognition": [(0.0, SILENT, 0.0), (10.0, -32.1, CLOSE), (60.0, -3.04, CLOSE), (1000.0, 0.0, EXACT),
                           (4000.0, 0.0, EXACT), (7200.0, -3.01, EXACT), (15000.0, -65.0, 17.0)],
    # -10 log10(1 + (2 / f)^2)
    "dc-removal": [(0.0, SILENT, 0.0), (2.0, -3.01, EXACT), (20.0, -0.04, EXACT), (1000.0, 0.0, EXACT)],
    "normalize-peak": [(0.0, 0.0, EXACT), (1000.0, 0.0, EXACT)],
    # -10 log10(1 + (f0 / f)^(2 n)) of order n; what dynamics and levels do is measured in test_deliveries.
    "podcast": [(0.0, SILENT, 0.0), (30.0, -12.3, EXACT), (60.0, -3.01, EXACT), (120.0, -0.26, EXACT),
                (1000.0, 0.0, EXACT), (15_000.0, 0.0, EXACT)],
    "audiobook-acx": [(0.0, SILENT, 0.0), (35.0, -12.3, EXACT), (70.0, -3.01, EXACT), (140.0, -0.26, EXACT),
                      (1000.0, 0.0, EXACT), (15_000.0, 0.0, EXACT)],
    "lecture": [(0.0, SILENT, 0.0), (50.0, -12.3, EXACT), (100.0, -3.01, EXACT), (300.0, 0.0, CLOSE),
                (3000.0, 2.0, EXACT), (15_000.0, 0.0, CLOSE)],
    "voice-over": [(0.0, SILENT, 0.0), (40.0, -12.3, CLOSE), (80.0, -3.1, CLOSE), (300.0, -1.5, CLOSE),
                   (1000.0, 0.0, CLOSE), (4000.0, 1.5, CLOSE), (15_000.0, 0.1, CLOSE)],
    "field-recording": [(0.0, SILENT, 0.0), (20.0, -24.1, EXACT), (40.0, -3.01, EXACT), (80.0, -0.02, EXACT),
                        (1000.0, 0.0, EXACT), (15_000.0, 0.0, EXACT)],
    "vinyl-restoration": [(0.0, SILENT, 0.0), (10.0, -24.1, EXACT), (20.0, -3.01, EXACT), (40.0, -0.02, EXACT),
                          (1000.0, 0.0, EXACT), (3000.0, 0.0, CLOSE), (10_000.0, -1.0, CLOSE), (20_000.0, -2.0, 0.15)],
    # The gains of the bands, 1.1 dB lower.
    "mastering-eq": [(0.0, SILENT, 0.0), (20.0, -3.2, CLOSE), (60.0, -0.4, CLOSE), (300.0, -2.1, CLOSE),
                     (3000.0, -1.1, CLOSE), (20_000.0, -0.1, CLOSE)],
    # The points of the curve within its tolerance of 0.25 dB, 3.3 dB lower; beyond the last ones it stays.
    "room-eq": [(20.0, -0.3, 0.25), (40.0, -0.3, 0.25), (200.0, -2.8, 0.25), (1000.0, -3.3, 0.25), (4000.0, -4.3, 0.25),
                (16_000.0, -6.3, 0.25), (20_000.0, -6.3, 0.25)],
    "speech-dataset": [],  # its filter is not at the rate of the file: see there
    **{name: [(20.0, 0.0, EXACT), (1000.0, 0.0, EXACT), (20_000.0, 0.0, EXACT)]
       for name in ("broadcast-r128", "broadcast-a85", "streaming", "de-ess", "trim-ends", "hum-removal")},
}
LEVELS_DB = {  # what `normalize` brings the highest sample, the true peak or the RMS to
    "normalize-peak": -1.0, "speech-recognition": -3.0, "field-recording": -1.0, "vinyl-restoration": -1.0,
    "audiobook-acx": -20.0,
}


def stages_of(name: str, fs: float) -> tuple[Stage, ...]:
    return design_chain(load_chain(PRESETS / f"{name}.yaml"), fs)


def gain_db(stages: tuple[Stage, ...], at_hz: np.ndarray | float, fs: float) -> np.ndarray:
    return 20 * np.log10(np.maximum(np.abs(response([stage for stage in stages if stage.is_linear], at_hz, fs)), 1e-30))


def test_every_shipped_preset_has_a_row_of_expected_points() -> None:
    assert {path.stem for path in PRESETS.glob("*.yaml")} == set(EXPECTED)


@pytest.mark.parametrize("fs", RATES)
@pytest.mark.parametrize("name", EXPECTED)
def test_a_preset_has_the_gain_that_it_promises(name: str, fs: int) -> None:
    stages = stages_of(name, fs)
    for at_hz, wanted_db, tolerance_db in EXPECTED[name]:
        got_db = float(gain_db(stages, at_hz, fs)[0])
        if wanted_db is SILENT:
            assert got_db < SILENT_DB, at_hz
        else:
            assert got_db == pytest.approx(wanted_db, abs=tolerance_db), at_hz


@pytest.mark.parametrize("name", EXPECTED)
def test_a_preset_brings_the_file_to_the_level_that_it_promises(name: str) -> None:
    levels = [stage.level for stage in stages_of(name, 48000) if isinstance(stage, Normalize)]
    assert 20 * np.log10(levels) == pytest.approx([LEVELS_DB[name]] if name in LEVELS_DB else [])


@pytest.mark.parametrize("fs", RATES)
def test_the_two_crossovers_sum_to_a_flat_response(fs: int) -> None:
    at_hz = np.geomspace(10.0, 20000.0, 300)
    total = sum(response(stages_of(name, fs), at_hz, fs) for name in ("crossover-low", "crossover-high"))
    assert 20 * np.log10(np.abs(total)) == pytest.approx(np.zeros(300), abs=0.01)


@pytest.mark.parametrize("fs", RATES)
def test_no_equaliser_preset_makes_a_tone_louder_than_it_says(fs: int) -> None:
    """podcast-voice peaks at +1.5 dB; the others stay below full scale."""
    at_hz = np.geomspace(5.0, fs / 2 * 0.999, 500)
    for name, highest_db in (("podcast-voice", 1.5), ("three-band-eq", 0.0), ("ten-band-eq", 0.0), ("am-radio", 0.05),
                             ("mastering-eq", 0.0), ("room-eq", 0.0), ("vinyl-restoration", 0.0)):
        assert gain_db(stages_of(name, fs), at_hz, fs).max() < highest_db + 0.01, name


def test_the_k_weighting_is_that_of_bs_1770_within_a_hundredth_of_a_db() -> None:
    at_hz = np.geomspace(20.0, 20000.0, 500)
    z1 = np.exp(-2j * np.pi * at_hz / 48000)
    want = np.prod([np.polyval(b[::-1], z1) / np.polyval(a[::-1], z1) for b, a in (K_SHELF, K_RLB)], axis=0)
    got_db = gain_db(stages_of("k-weighting", 48000), at_hz, 48000)
    assert np.abs(got_db - 20 * np.log10(np.abs(want))).max() < 0.01


def test_a_preset_that_needs_more_bandwidth_says_so() -> None:
    with pytest.raises(DesignError) as caught:
        stages_of("speech-recognition", 8000)
    assert str(caught.value).endswith("lowpass.cutoff: 7.2 kHz is not below 4 kHz, half of 8 kHz")


@pytest.mark.parametrize("name", ["hum-removal-50hz", "rumble-filter", "dc-removal", "normalize-peak", "podcast-voice",
                                  "c-weighting"])
def test_what_fits_into_8_khz_works_there(name: str) -> None:
    stages = stages_of(name, 8000)
    for at_hz, wanted_db, tolerance_db in EXPECTED[name]:
        if wanted_db is not SILENT and at_hz <= 1000.0:
            assert gain_db(stages, at_hz, 8000)[0] == pytest.approx(wanted_db, abs=tolerance_db), at_hz


@pytest.mark.parametrize("fs", [44_100, 48_000, 96_000])
def test_the_deemphasis_of_cds_is_the_analogue_one(fs: int) -> None:
    at_hz = np.geomspace(20.0, 20_000.0, 300)
    wanted = (1 + 2j * np.pi * at_hz * 15e-6) / (1 + 2j * np.pi * at_hz * 50e-6)
    assert np.abs(gain_db(stages_of("deemphasis-cd", fs), at_hz, fs) - 20 * np.log10(np.abs(wanted))).max() < 0.02


@pytest.mark.parametrize(("fs", "centre_hz", "octaves"), [(48_000, 1000, 1.0), (48_000, 4000, 0.97),
                                                          (44_100, 16_000, 0.34)])
def test_the_ten_bands_are_as_wide_as_is_said(fs: int, centre_hz: float, octaves: float) -> None:
    """Between the points of half the gain in dB of a band of 6 dB."""
    specs = load_chain(PRESETS / "ten-band-eq.yaml").stages
    (spec,) = (spec for spec in specs if isinstance(spec, PeakingSpec) and spec.frequency_hz == centre_hz)
    band = replace(spec, gain_db=6.0).design(Signal(fs, 1))
    at_hz = np.geomspace(centre_hz / 4, min(centre_hz * 4, fs / 2 * 0.9999), 20_000)
    inside = at_hz[gain_db((band,), at_hz, fs) >= 3.0]
    assert np.log2(inside[-1] / inside[0]) == pytest.approx(octaves, abs=0.02)
