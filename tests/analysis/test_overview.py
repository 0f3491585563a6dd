"""A file at a glance: levels and spectra of its columns against what was put there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from torchfx_cli.analysis.overview import MOST_COLUMNS, Overview, OverviewMeter, _rows

FS = 8000


def overview(samples: npt.NDArray[np.float64], *cuts: int) -> Overview:
    meter = OverviewMeter(FS, samples.shape[1])
    for block in np.split(samples, np.cumsum(cuts)):
        meter.process(block)
    return meter.result()


def sine(hz: float, frames: int) -> npt.NDArray[np.float64]:
    return np.repeat(np.sin(2 * np.pi * hz * np.arange(frames) / FS)[:, None], 2, axis=1)


def test_a_column_has_the_level_and_the_frequency_of_its_time() -> None:
    """Half a second at 500 Hz, half at 2 kHz and half as loud."""
    found = overview(np.concatenate([sine(500, FS // 2), 0.5 * sine(2000, FS // 2)]))
    assert found.column_s == pytest.approx(0.064)
    early, late = 3, 12
    assert found.rms[[early, late]] == pytest.approx([0.5**0.5, 0.125**0.5], rel=2e-3)
    assert found.peak[[early, late]] == pytest.approx([1.0, 0.5], rel=1e-3)
    assert found.power[:, [early, late]].sum(axis=0) == pytest.approx([0.5, 0.125], rel=1e-2)
    for column, hz in ((early, 500), (late, 2000)):
        assert found.row_hz[found.power[:, column].argmax()] == pytest.approx(hz, rel=0.02)


def test_however_the_file_is_cut_its_overview_is_the_same() -> None:
    samples = np.random.default_rng(1).standard_normal((50_000, 2))
    whole, cut = overview(samples), overview(samples, 1, 17, 509, 20_000, 4096)
    assert np.array_equal(whole.power, cut.power)
    assert np.array_equal(whole.peak, cut.peak)
    assert whole.rms == pytest.approx(cut.rms, rel=1e-12)


def test_a_long_file_has_longer_columns_but_no_more_of_them() -> None:
    samples = np.zeros((3_000_000, 1))
    samples[2_000_000] = 0.75
    found = overview(samples, *[100_000] * 29)
    assert MOST_COLUMNS / 2 <= len(found.peak) <= MOST_COLUMNS
    column = int(2_000_000 / FS / found.column_s)
    assert (int(found.peak.argmax()), found.peak.max()) == (column, 0.75)
    assert found.rms[column] == pytest.approx(0.75 / (found.column_s * FS) ** 0.5)
    assert found.power.shape == (len(found.row_hz), len(found.peak))


@pytest.mark.parametrize("frames", [0, 1, 100])
def test_a_file_of_few_frames_has_few_columns(frames: int) -> None:
    found = overview(np.full((frames, 1), 0.5))
    assert len(found.peak) == min(frames, 1)
    assert found.rms == pytest.approx([0.5] * min(frames, 1))


def test_the_rows_of_a_rate_are_made_once_for_all_files_of_a_batch() -> None:
    first, second = (_rows(44_100.0) for _ in range(2))
    assert first[1] is second[1]
    assert not np.array_equal(first[0], _rows(8000.0)[0])
