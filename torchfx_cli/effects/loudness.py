"""The whole file brought to a programme loudness, ITU-R BS.1770-5.

The meter hears the signal through the K weighting (annex 1: a shelf and a high-pass, here the analogue filters behind
the standard's 48 kHz coefficients at the file's own rate): mean squares of 400 ms, every 100 ms; those above -70 LUFS
count, and of these those above their mean less 10 LU. Channels are weighted by where their speakers stand.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from math import inf, isfinite, log10

import numpy as np

from torchfx_cli.design import biquad
from torchfx_cli.design.stage import Array, Measured, Meter, Stage
from torchfx_cli.design.stages import Gain
from torchfx_cli.effects.kind import Complaint, Kind, StageSpec, param
from torchfx_cli.effects.layout import layout_of
from torchfx_cli.effects.meters import Powers, TruePeakMeter
from torchfx_cli.errors import DesignError, FileError
from torchfx_cli.samples import Signal, hertz

HOPS_A_SECOND, HOPS = 10, 4  # blocks of 400 ms, a new one each 100 ms
OFFSET_LU = -0.691
ABSOLUTE_GATE_LUFS, RELATIVE_GATE_LU = -70.0, -10.0
SHELF_HZ, SHELF_DB, SHELF_Q = 1681.974450955533, 3.999843853973347, 0.7071752369554196
HIGHPASS_HZ, HIGHPASS_Q = 38.13547087602444, 0.5003270373238773
SURROUND = 1.41  # 1.5 dB, as the standard rounds it


@dataclass(frozen=True, kw_only=True)
class LoudnessSpec(StageSpec):
    """Brings the whole file to an integrated loudness in LUFS. Reads the file twice."""

    is_measured, is_filter = True, False

    target_lufs: float = param("integrated loudness", default=-23.0, unit="LUFS", low=-70.0, high=0.0)
    true_peak_db: float | None = param("the highest true peak that may come out", default=None, unit="dBTP",
                                       low=-60.0, high=20.0)
    ceiling: str = param("where the true peak would pass that: lower the gain, and the loudness with it, or let the "
                         "file fail", default="lower", form="word", choices=("lower", "fail"))

    def problems(self, given: Collection[str]) -> Iterator[Complaint]:
        """See `StageSpec`."""
        if "ceiling" in given and self.true_peak_db is None:
            yield "ceiling", "says what to do at a true peak; write true_peak too"

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        if not source.fs > 2.0 * SHELF_HZ:
            raise DesignError(f"{self.origin}: loudness cannot be measured at {hertz(source.fs)}; resample first")
        label = f"loudness to {self.target_lufs:g} LUFS"
        if self.true_peak_db is not None:
            label += f", true peak at most {self.true_peak_db:g} dBTP"
        return Loudness(self.target_lufs, label, self.true_peak_db, self.ceiling == "fail", *weights_of(source))


KIND = Kind(LoudnessSpec, "target_lufs", "- loudness: -16 LUFS")


def weights_of(source: Signal) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """The weight of each channel (BS.1770-5, tables 3 and 4), and remarks on a layout that nothing tells.

    Speakers at 60 to 120 degrees to the side weigh 1.41: those called side, and those called back where there are none
    of these. The LFE is not heard.
    """
    speakers, remarks = layout_of(source, "loudness")
    sides = {"BL", "BR"} if not {"SL", "SR"} & set(speakers) else {"SL", "SR"}
    return tuple(0.0 if name == "LFE" else SURROUND if name in sides else 1.0 for name in speakers), remarks


def k_weighting(fs: float) -> Array:
    """Sections [2, 6]; the standard's coefficients at 48 kHz. Its shelf is an analogue one with a bandwidth of its own.

    Formulas: Brecht De Man, "Evaluation of implementations of the EBU R128 loudness measurement", AES 145 (2018).
    """
    k, high = np.tan(np.pi * SHELF_HZ / fs), 10.0 ** (SHELF_DB / 20.0)
    band = high**0.4996667741545416
    a0 = 1.0 + k / SHELF_Q + k * k
    shelf = [high + band * k / SHELF_Q + k * k, 2.0 * (k * k - high), high - band * k / SHELF_Q + k * k,
             a0, 2.0 * (k * k - 1.0), 1.0 - k / SHELF_Q + k * k]
    highpass = biquad.highpass(HIGHPASS_HZ, HIGHPASS_Q, fs)[0]
    b0 = highpass[0]  # the standard's numerator is 1, -2, 1
    return np.stack([np.array(shelf) / a0, np.array([*(highpass[:3] / b0), *highpass[3:]])])


@dataclass(frozen=True)
class Loudness(Measured):
    """See the module; `target` in LUFS, `true_peak_db` in dBTP, which `fails` a file or lowers its gain."""

    target: float
    label: str
    true_peak_db: float | None
    fails: bool
    weights: tuple[float, ...]
    remarks: tuple[str, ...] = ()

    @property
    def ceiling(self) -> float | None:  # type: ignore[override]
        """See `Stage`."""
        return None if self.true_peak_db is None else 10.0 ** (self.true_peak_db / 20.0)

    def meter(self, source: Signal) -> Meter:
        """See `Measured`."""
        peaks = None if self.true_peak_db is None else TruePeakMeter(source.channels)
        return LoudnessMeter(source.fs, self.weights, peaks)

    def told(self, reading: tuple[float, float]) -> tuple[str, ...]:
        """See `Measured`."""
        if not isfinite(reading[0]):
            return (f"{self.label}: left as loud as it is, for it is silence, or shorter than 400 ms",)
        over_db = self._over_db(reading)
        return (f"{self.label}: reaches {self.target - over_db:.2f} LUFS, for its true peak",) if over_db > 0.0 else ()

    def resolved(self, reading: tuple[float, float]) -> Stage:
        """The gain to the target, or to the true peak; silence, and less than 400 ms, stay as they are."""
        if not isfinite(reading[0]):
            return Gain(1.0, self.label)
        gain_db, over_db = self.target - reading[0], max(0.0, self._over_db(reading))
        if self.fails and over_db:
            raise FileError(f"{self.label}: the gain to it, {gain_db:+.2f} dB, would bring the true peak "
                            f"{over_db:.2f} dB above that")
        return Gain(10.0 ** ((gain_db - over_db) / 20.0), f"{self.label} ({gain_db - over_db:+.2f} dB)")

    def _over_db(self, reading: tuple[float, float]) -> float:
        """By how much the true peak would pass its limit at the target."""
        lufs, peak = reading
        return self.target - lufs + 20.0 * log10(peak) - self.true_peak_db if self.true_peak_db is not None else -inf


class LoudnessMeter:
    """Integrated loudness in LUFS, -inf of silence and of less than 400 ms, and the true peak by `peaks`."""

    def __init__(self, fs: float, weights: tuple[float, ...], peaks: TruePeakMeter | None = None) -> None:
        self._powers = Powers(round(fs / HOPS_A_SECOND), np.array(weights), k_weighting(fs))
        self._peaks = peaks

    def process(self, samples: Array) -> None:
        """See `Meter`."""
        if self._peaks is not None:
            self._peaks.process(samples)
        self._powers.process(samples)

    def reading(self) -> tuple[float, float]:
        """LUFS, and the true peak (linear), 0 where that is not measured."""
        return _integrated(self._powers.of_hops()), self._peaks.reading() if self._peaks is not None else 0.0


def _integrated(hops: Array) -> float:
    """Of the mean squares of 100 ms each: annex 1, equations 5 to 7."""
    if len(hops) < HOPS:
        return -inf
    blocks = np.convolve(hops, np.full(HOPS, 1.0 / HOPS), "valid")
    loud = blocks[_lufs(blocks) > ABSOLUTE_GATE_LUFS]
    if not len(loud):
        return -inf
    gate = OFFSET_LU + 10.0 * log10(loud.mean()) + RELATIVE_GATE_LU
    return float(OFFSET_LU + 10.0 * log10(loud[_lufs(loud) > gate].mean()))


def _lufs(power: Array) -> Array:
    with np.errstate(divide="ignore"):
        lufs: Array = OFFSET_LU + 10.0 * np.log10(power)
    return lufs
