"""What a report shows of a file's sound: its levels, and thumbnails of its waveform and its spectrum."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import inf, isfinite, log10
from typing import Any

import numpy as np

from torchfx_cli.analysis.overview import OverviewMeter
from torchfx_cli.analysis.spectrum import third_octaves
from torchfx_cli.design.stage import Array
from torchfx_cli.effects.loudness import SHELF_HZ, LoudnessMeter, weights_of
from torchfx_cli.effects.meters import PeakMeter, RmsMeter
from torchfx_cli.plan.assemble import assemble
from torchfx_cli.render.engine import Block
from torchfx_cli.render.native import NativeEngine
from torchfx_cli.samples import FLOAT64, SampleFormat, Signal

COLUMNS, FIRST_FRAMES = 128, 4096
FLOOR_DB = -100.0  # of the spectrum


@dataclass(frozen=True, slots=True)
class Glance:
    """Levels in dBFS, a sine at full scale having an `rms_db` of -3.01; None of silence.

    lufs      BS.1770-5; None where there is none, as of less than 400 ms.
    waveform  the highest sample of each column of time, 255 = full scale.
    spectrum  the level of each third octave from 20 Hz on, in dBFS.
    """

    peak_db: float | None
    rms_db: float | None
    lufs: float | None
    waveform: tuple[int, ...]
    spectrum: tuple[int, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class GlanceMeter:
    """Makes a `Glance` of blocks of `sample_format`."""

    def __init__(self, signal: Signal, sample_format: SampleFormat) -> None:
        self._to_float = NativeEngine(assemble((), int(signal.fs), signal.channels, sample_format, FLOAT64))
        self._peak, self._rms = PeakMeter(), RmsMeter(signal.channels)
        self._overview = OverviewMeter(signal.fs, signal.channels, COLUMNS, FIRST_FRAMES)
        has_loudness = signal.fs > 2.0 * SHELF_HZ
        self._loudness = LoudnessMeter(signal.fs, weights_of(signal)[0]) if has_loudness else None

    def process(self, block: Block) -> None:
        """Take the next block [frames, channels]."""
        samples: Array = self._to_float.process(block).view(np.float64)
        for meter in (self._peak, self._rms, self._overview, self._loudness):
            if meter is not None:
                meter.process(samples)

    def result(self) -> Glance:
        """After the last block."""
        lufs = self._loudness.reading().lufs if self._loudness else -inf
        seen = self._overview.result()
        _, powers = third_octaves(seen.hz, seen.spectrum)
        levels = 10.0 * np.log10(np.maximum(powers, 10.0 ** (FLOOR_DB / 10.0)))
        return Glance(_db(self._peak.reading()), _db(self._rms.reading()), round(lufs, 2) if isfinite(lufs) else None,
                      tuple(min(255, round(255.0 * peak)) for peak in seen.peak.tolist()),
                      tuple(round(level) for level in levels.tolist()))


def _db(level: float) -> float | None:
    return round(20.0 * log10(level), 2) + 0.0 if level > 0.0 else None  # never -0.0
