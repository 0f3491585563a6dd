"""The whole file brought to a level: of its highest sample, of its true peak, or of its mean square."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from math import fsum, log10, sqrt
from typing import Any

from torchfx_cli.design.stage import Measured, Meter, Stage
from torchfx_cli.design.stages import Gain
from torchfx_cli.effects.kind import Complaint, Kind, StageSpec, listed, param
from torchfx_cli.effects.meters import PeakMeter, RmsMeter, TruePeakMeter
from torchfx_cli.samples import SampleFormat, Signal

PEAK, TRUE_PEAK, RMS = "peak", "true peak", "rms"
UNITS = {PEAK: "dBFS", TRUE_PEAK: "dBTP", RMS: "dBFS rms"}


@dataclass(frozen=True, kw_only=True)
class NormalizeSpec(StageSpec):
    """Brings the whole file to a level: highest sample, true peak or RMS, over all channels. Reads the file twice."""

    is_measured, is_shared, is_filter = True, True, False

    peak_db: float = param("level of the highest sample", default=-1.0, unit="dBFS", low=-300.0, high=60.0)
    true_peak_db: float | None = param("instead, level of the highest value between samples (BS.1770-5, 8 times "
                                       "oversampled)", default=None, unit="dBTP", low=-300.0, high=60.0)
    rms_db: float | None = param("instead, level of the mean square; a full-scale sine has -3.01 dBFS, and what is "
                                 "loud may clip", default=None, unit="dBFS", low=-300.0, high=60.0)

    def problems(self, given: Collection[str]) -> Iterator[Complaint]:
        """See `StageSpec`."""
        if len(given) > 1:
            yield sorted(given)[-1], f"{listed(given)} contradict each other; write one of them"

    @property
    def by(self) -> str:
        """What is brought to the level."""
        return TRUE_PEAK if self.true_peak_db is not None else RMS if self.rms_db is not None else PEAK

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        level_db = next(db for db in (self.true_peak_db, self.rms_db, self.peak_db) if db is not None)
        return Normalize(10.0 ** (level_db / 20.0), f"normalize to {level_db:g} {UNITS[self.by]}", self.by)


KIND = Kind(NormalizeSpec, "peak_db", "- normalize: {peak: -1 dBFS}", by_unit=(("dBTP", "true_peak_db"),))


@dataclass(frozen=True)
class Normalize(Measured):
    """The whole file's level, measured `by` one of `UNITS`, is brought to `level` (linear, 1 = full scale)."""

    level: float
    label: str = ""
    by: str = PEAK

    is_shared = True

    @property
    def ceiling(self) -> float | None:  # type: ignore[override]
        """No sample is above a peak."""
        return None if self.by == RMS else self.level

    @property
    def minds_end(self) -> bool:  # type: ignore[override]
        """Silence lowers the mean."""
        return self.by == RMS

    def for_output(self, sink: SampleFormat) -> Stage:
        """See `Stage`: full scale is brought to what fits."""
        return self if self.by == RMS else replace(self, level=sink.fitting(self.level))

    def meter(self, source: Signal) -> Meter:
        """See `Measured`."""
        if self.by == RMS:
            return RmsMeter(source.channels)
        return PeakMeter() if self.by == PEAK else TruePeakMeter(source.channels)

    def part(self, meter: Any) -> Any:
        """See `Measured`: the level, or the sum of squares and the number of frames."""
        return meter.sum() if self.by == RMS else meter.reading()

    def of_album(self, parts: Sequence[Any]) -> float:
        """See `Measured`: the highest level; RMS over all frames."""
        if self.by != RMS:
            return float(max(parts, default=0.0))
        frames = sum(count for _, count in parts)
        return sqrt(fsum(total for total, _ in parts) / frames) if frames else 0.0

    def resolved(self, reading: float) -> Stage:
        """The gain that brings the level `reading` to `level`; silence stays."""
        factor = self.level / reading if reading > 0.0 else 1.0
        return Gain(factor, f"{self.label} ({20 * log10(factor):+.2f} dB)")
