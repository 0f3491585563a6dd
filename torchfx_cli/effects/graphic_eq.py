"""A graphic equaliser of ISO bands whose gains are those that were written, though the bands overlap.

The centres are the nominal ones of ISO 266. Each band is a peak of the RBJ cookbook, 1.5 bands wide (V. Valimaki and
J. Liski, "Accurate cascade graphic equalizer", IEEE Signal Processing Letters 24, 2017), so that neighbours reach into
each other; Newton's method finds the gains of the peaks with which the whole has the written gains at all centres.
Between the centres all bands at +12 dB waver by less than 0.8 dB; where neighbours differ by 24 dB, the curve is up to
2.2 dB off the straight line from centre to centre.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from math import log2

import numpy as np

from torchfx_cli.design import biquad
from torchfx_cli.design.stages import Array, Stage, section_responses
from torchfx_cli.effects.checks import not_below, validated
from torchfx_cli.effects.kind import Complaint, Kind, StageSpec, param
from torchfx_cli.effects.zero_phase import zero_phase
from torchfx_cli.errors import DesignError
from torchfx_cli.samples import Signal, hertz

THIRDS = (20.0, 25.0, 31.5, 40.0, 50.0, 63.0, 80.0, 100.0, 125.0, 160.0, 200.0, 250.0, 315.0, 400.0, 500.0, 630.0,
          800.0, 1000.0, 1250.0, 1600.0, 2000.0, 2500.0, 3150.0, 4000.0, 5000.0, 6300.0, 8000.0, 10000.0, 12500.0,
          16000.0, 20000.0)
CENTRES_HZ = {"octave": THIRDS[2::3], "third_octave": THIRDS}
OCTAVES = {"octave": 1.0, "third_octave": 1.0 / 3.0}
WIDTH_BANDS = 1.5
NEAR_OCTAVES = 1.0 / 12.0  # so that 31 Hz and 32 Hz are the band of 31.5 Hz
STEPS = 40
EXACT_DB = 1e-6
SMALL_DB = 1e-3


@dataclass(frozen=True, kw_only=True)
class GraphicEqSpec(StageSpec):
    """Raises or lowers ISO bands; the gain at each centre is what is written, 0 dB where nothing is."""

    bands: tuple[tuple[float, float], ...] = param("centre and gain of the bands that are not at 0 dB", default=(),
                                                   form="points", high=60.0)
    gains_db: tuple[float, ...] = param("the gains of all bands instead: 10 octaves from 31.5 Hz, or 31 thirds from "
                                        "20 Hz", default=(), unit="dB", form="numbers", low=-60.0, high=60.0)
    width: str = param("distance of the bands", default="octave", form="word", choices=tuple(CENTRES_HZ))
    zero_phase: bool = zero_phase()

    def problems(self, given: Collection[str]) -> Iterator[Complaint]:
        """See `StageSpec`."""
        if len({"bands", "gains"} & set(given)) != 1:
            yield "", "write either bands, like {63: 2, 1 kHz: -3}, or gains, a list"
        centres = CENTRES_HZ[self.width]
        if "gains" in given and len(self.gains_db) != len(centres):
            yield "gains", f"found {len(self.gains_db)}; {self.width} has {len(centres)} bands"
        taken: set[float] = set()
        for hz, _ in self.bands:
            nearest = _nearest(hz, centres)
            if abs(log2(hz / nearest)) > NEAR_OCTAVES:
                yield "bands", f"{hertz(hz)} is no {self.width} band; the nearest is {hertz(nearest)}"
            elif nearest in taken:
                yield "bands", f"the band of {hertz(nearest)} is given twice"
            taken.add(nearest)

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        fs, centres = source.fs, CENTRES_HZ[self.width]
        written = {_nearest(hz, centres): gain_db for hz, gain_db in self.bands}
        written |= dict(zip(centres, self.gains_db, strict=False))
        for hz, gain_db in written.items():
            if gain_db and not hz < fs / 2.0:
                raise DesignError(f"{self.origin}: {not_below(hz, fs)}")
        below = np.array([hz for hz in centres if hz < fs / 2.0])
        target_db = np.array([written.get(hz, 0.0) for hz in below])
        label = f"graphic_eq, {sum(1 for gain_db in written.values() if gain_db)} {self.width} bands"
        sos = _solved(below, target_db, WIDTH_BANDS * OCTAVES[self.width], fs)
        if sos is None:
            raise DesignError(f"{self.origin}: no peaks have these gains together at {hertz(fs)}")
        levels = list(zip(below.tolist(), target_db.tolist(), strict=True))
        return validated(self, fs, sos, label, *levels)


def _nearest(hz: float, centres: tuple[float, ...]) -> float:
    return min(centres, key=lambda centre: abs(log2(hz / centre)))


def _solved(centres_hz: Array, target_db: Array, octaves: float, fs: float) -> Array | None:
    """Peaks [K, 6] that together have `target_db` at `centres_hz`; None where Newton's method does not come to them."""
    w = 2.0 * np.pi * centres_hz / fs
    qs = [biquad.q_of_bandwidth(octaves, hz, fs) for hz in centres_hz]

    def peaks(gains_db: Array) -> Array:
        return np.concatenate([biquad.peaking(hz, gain_db, q, fs)
                               for hz, gain_db, q in zip(centres_hz, gains_db, qs, strict=True)])

    def levels_db(sos: Array) -> Array:
        """Of each peak at each centre, [K, K]."""
        level: Array = 20.0 * np.log10(np.abs(section_responses(sos, w)))
        return level

    gains_db = target_db
    with np.errstate(all="ignore"):
        for _ in range(STEPS):
            sos = peaks(gains_db)
            missing = target_db - levels_db(sos).sum(axis=0)
            if not np.isfinite(missing).all():
                return None
            if np.abs(missing).max(initial=0.0) < EXACT_DB:
                return sos
            slopes = (levels_db(peaks(gains_db + SMALL_DB)) - levels_db(peaks(gains_db - SMALL_DB))) / (2.0 * SMALL_DB)
            gains_db = gains_db + np.linalg.solve(slopes.T, missing)
    return None


KIND = Kind(GraphicEqSpec, None, "- graphic_eq: {bands: [[63, 2], [250, 1.5], [1000, -3]]}")
