"""Sound files as panels: long-term spectra and how they differ, level over time, spectrograms. In constant memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from torchfx_cli.analysis.curve import Array
from torchfx_cli.analysis.overview import LOWEST_HZ, Overview, OverviewMeter
from torchfx_cli.analysis.panels import Image, Panel, Series, coloured, rounded
from torchfx_cli.analysis.samples import float_blocks
from torchfx_cli.analysis.spectrum import SpectrumMeter, bands
from torchfx_cli.stream.reader import Source

A_DECADE = 40  # bands of a twelfth of an octave
SILENT_DB = -140.0
LEVELS = 120  # of the level over time, about
DEPTH_DB = 90.0  # of an axis, below the highest level
UNITS = ((7200.0, 3600.0, "h"), (180.0, 60.0, "min"), (0.0, 1.0, "s"))  # from how many seconds on


@dataclass(frozen=True, eq=False)
class FileView:
    """A file that was heard from its beginning to its end.

    hz, level_db  [B] of its bands, in dBFS: a sine at full scale has -3.01 in its own.
    """

    name: str
    fs: int
    channels: int
    frames: int
    hz: Array
    level_db: Array
    overview: Overview


def view(source: Source, name: str) -> FileView:
    """Hear `source`, called `name`, once. Raises FileError."""
    fs, channels = source.facts.fs, source.facts.channels
    spectrum, overview = SpectrumMeter(fs, channels), OverviewMeter(fs, channels)
    for block in float_blocks(source):
        spectrum.process(block)
        overview.process(block)
    hz, power = bands(spectrum.frequencies_hz, spectrum.power().mean(axis=1), A_DECADE)
    level_db = 10.0 * np.log10(np.maximum(power, 10.0 ** (SILENT_DB / 10.0)))
    return FileView(name, fs, channels, source.frames_read, hz, level_db, overview.result())


def panels_of(views: Sequence[FileView], expected: tuple[str, Array, Array] | None = None) -> list[Panel | Image]:
    """What there is to draw of some files, the others held against the first.

    expected  the name of a chain, and its response in dB over Hz, beside the difference.
    """
    found = [_spectra(views)]
    if len(views) > 1:
        found.append(_changes(views, expected))
    found.append(_loudness(views))
    return [*(coloured(panel, is_compared=len(views) > 1) for panel in found), *_spectrograms(views)]


def record_of(view: FileView) -> dict[str, Any]:
    """The numbers, for JSON."""
    seen = view.overview
    return {
        "file": view.name, "fs": view.fs, "channels": view.channels, "frames": view.frames,
        "frequencies_hz": np.round(view.hz, 3).tolist(), "level_dbfs": np.round(view.level_db, 3).tolist(),
        "column_s": seen.column_s, "rms_dbfs": np.round(_db(seen.rms), 3).tolist(),
        "peak_dbfs": np.round(_db(seen.peak), 3).tolist(),
    }


def _spectra(views: Sequence[FileView]) -> Panel:
    series = tuple(Series(view.hz, view.level_db, n) for n, view in enumerate(views))
    return Panel("spectrum", "long-term spectrum, dBFS in a twelfth of an octave", "Hz", _band_limits(views),
                 _depth([view.level_db for view in views]), series)


def _changes(views: Sequence[FileView], expected: tuple[str, Array, Array] | None) -> Panel:
    first, *others = views
    series = []
    for n, view in enumerate(others, 1):
        count = min(len(first.hz), len(view.hz))
        has_sound = np.maximum(first.level_db, SILENT_DB)[:count] > first.level_db.max() - DEPTH_DB
        change_db: Array = np.where(has_sound, view.level_db[:count] - first.level_db[:count], np.nan)
        series.append(Series(first.hz[:count], change_db, n))
    if expected is not None:
        name, hz, level_db = expected
        series.append(Series(hz, level_db, 1, name, is_faint=True))
    values = np.concatenate([one.y[np.isfinite(one.y)] for one in series if not one.is_faint] or [np.zeros(1)])
    values = values if len(values) else np.zeros(1)
    low, high = float(np.quantile(values, 0.01)), float(np.quantile(values, 0.99))
    return Panel("change", "change from the first in dB", "Hz", _band_limits(views),
                 rounded(min(low, -3.0), max(high, 3.0)), tuple(series))


def _loudness(views: Sequence[FileView]) -> Panel:
    last_s = max(view.frames / view.fs for view in views)
    factor, unit = _time_unit(last_s)
    series = []
    for n, view in enumerate(views):
        rms = view.overview.rms if view.frames else np.zeros(1)  # no sound is silence
        starts = np.arange(0, len(rms), max(1, len(rms) // LEVELS))
        squares = np.add.reduceat(np.square(rms), starts)
        counts = np.diff(starts, append=len(rms))
        places: Array = (starts + counts / 2.0) * (view.overview.column_s / factor)
        series.append(Series(places, _db(np.sqrt(squares / counts)), n))
    return Panel("loudness", "level over time, RMS in dBFS", unit, (0.0, max(last_s, 1e-3) / factor),
                 _depth([one.y for one in series], 60.0), tuple(series))


def _spectrograms(views: Sequence[FileView]) -> list[Image]:
    """All of one range of levels, so that they can be compared."""
    levels = [10.0 * np.log10(np.maximum(view.overview.power, 10.0 ** (SILENT_DB / 10.0))) for view in views]
    top = 10.0 * ceil(max(float(one.max(initial=SILENT_DB)) for one in levels) / 10.0)
    return [_spectrogram(view, one, (top - DEPTH_DB, top)) for view, one in zip(views, levels, strict=True)]


def _spectrogram(view: FileView, levels: Array, limits: tuple[float, float]) -> Image:
    factor, unit = _time_unit(view.frames / view.fs)
    seen = view.overview
    lowest = min(LOWEST_HZ, view.fs / 8.0)
    return Image(f"spectrogram: {view.name}", unit, (0.0, max(len(seen.rms), 1) * seen.column_s / factor),
                 (lowest, view.fs / 2.0), levels, limits)


def _time_unit(last_s: float) -> tuple[float, str]:
    return next((factor, unit) for least_s, factor, unit in UNITS if last_s >= least_s)


def _band_limits(views: Sequence[FileView]) -> tuple[float, float]:
    return min(float(view.hz[0]) for view in views), max(float(view.hz[-1]) for view in views)


def _depth(levels: Sequence[Array], most_db: float = DEPTH_DB) -> tuple[float, float]:
    high = max(float(one.max(initial=SILENT_DB)) for one in levels)
    low = min(float(np.quantile(one, 0.02)) if len(one) else high for one in levels)
    return rounded(min(max(low, high - most_db), high - 12.0), high)


def _db(levels: Array) -> Array:
    found: Array = 20.0 * np.log10(np.maximum(levels, 10.0 ** (SILENT_DB / 20.0)))
    return found
