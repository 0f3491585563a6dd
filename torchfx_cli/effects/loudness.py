"""The whole file brought to a programme loudness, ITU-R BS.1770-5.

The meter hears the signal through the K weighting (annex 1: a shelf and a high-pass, here the analogue filters behind
the standard's 48 kHz coefficients at the file's own rate): mean squares of 400 ms, every 100 ms; those above -70 LUFS
count, and of these those above their mean less 10 LU. Channels are weighted by where their speakers stand.

A true-peak ceiling is held, whatever is done there; the target exactly where that is not passed, and under a limiter
less what this takes: some tenths of an LU where it comes down by 2 dB for single peaks, and told from 0.5 LU on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite, log10
from typing import Any, NamedTuple

import numpy as np

from torchfx_cli.design import biquad
from torchfx_cli.design.stage import Array, Measured, Meter, Processor, Stage, Telling
from torchfx_cli.design.stages import Gain
from torchfx_cli.effects.kind import Complaint, Kind, StageSpec, param
from torchfx_cli.effects.layout import layout_of
from torchfx_cli.effects.limiter import Limiter, limiter_at
from torchfx_cli.effects.meters import Powers, TruePeakMeter
from torchfx_cli.errors import DesignError, FileError
from torchfx_cli.samples import SampleFormat, Signal, hertz

HOPS_A_SECOND, HOPS = 10, 4  # blocks of 400 ms, a new one each 100 ms
OFFSET_LU = -0.691
EXACT_LU, MOST_STEPS = 1e-9, 30
ABSOLUTE_GATE_LUFS, RELATIVE_GATE_LU = -70.0, -10.0
SHELF_HZ, SHELF_DB, SHELF_Q = 1681.974450955533, 3.999843853973347, 0.7071752369554196
HIGHPASS_HZ, HIGHPASS_Q = 38.13547087602444, 0.5003270373238773
SURROUND = 1.41  # 1.5 dB, as the standard rounds it
LIMIT, LOWER, FAIL = "limit", "lower", "fail"
METER_COST_NS = 6.0
MISS_LU = 0.5  # from here on it is told by how much a limiter missed the target


@dataclass(frozen=True, kw_only=True)
class LoudnessSpec(StageSpec):
    """Brings the whole file to an integrated loudness in LUFS. Reads the file twice."""

    is_measured, is_shared, is_filter = True, True, False

    target_lufs: float = param("integrated loudness", default=-23.0, unit="LUFS", low=-70.0, high=0.0)
    true_peak_db: float | None = param("the highest true peak that may come out", default=None, unit="dBTP",
                                       low=-60.0, high=20.0)
    ceiling: str = param("where the true peak would pass that: a limiter, which takes a little of the loudness too; or "
                         "lower the gain, and the loudness with it; or let the file fail", default=LIMIT, form="word",
                         choices=(LIMIT, LOWER, FAIL))

    def problems(self, given: Collection[str]) -> Iterator[Complaint]:
        """See `StageSpec`."""
        if "ceiling" in given and self.true_peak_db is None:
            yield "ceiling", "says what to do at a true peak; write true_peak too"

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        if not source.fs > 2.0 * SHELF_HZ:
            raise DesignError(f"{self.origin}: loudness cannot be measured at {hertz(source.fs)}; resample first")
        label, limiter = f"loudness to {self.target_lufs:g} LUFS", None
        if self.true_peak_db is not None:
            label += f", true peak at most {self.true_peak_db:g} dBTP"
            limiter = limiter_at(self.true_peak_db, source.fs)
        if limiter is not None and self.ceiling == LIMIT:
            label += " by a limiter"
        return Loudness(self.target_lufs, label, limiter, self.ceiling, *weights_of(source))


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


class Heard(NamedTuple):
    """Loudness in LUFS, true peak (linear, 0 where it is not measured), the gain to a target, 0 where there is none.

    of_album  of all its files, not of this very one.
    """

    lufs: float
    peak: float
    gain_db: float = 0.0
    of_album: bool = False


@dataclass(frozen=True)
class Loudness(Measured):
    """See the module; `target` in LUFS, `limiter` the one to the true peak, and what `at_ceiling` is done: see `LIMIT`.

    Silence, and less than 400 ms, are left as loud as they are; a true peak above the ceiling is above it there, too.
    """

    target: float
    label: str
    limiter: Limiter | None
    at_ceiling: str
    weights: tuple[float, ...]
    remarks: tuple[str, ...] = ()

    is_shared = True

    @property
    def ceiling(self) -> float | None:  # type: ignore[override]
        """See `Stage`."""
        return None if self.limiter is None else self.limiter.ceiling

    def for_output(self, sink: SampleFormat) -> Stage:
        """See `Stage`."""
        return self if self.limiter is None else replace(self, limiter=self.limiter.for_output(sink))

    def meter(self, source: Signal) -> Meter:
        """See `Measured`."""
        peaks = None if self.limiter is None else TruePeakMeter(source.channels)
        return LoudnessMeter(source.fs, self.weights, peaks, self.target)

    def part(self, meter: Any) -> tuple[Array, float]:
        """See `Measured`: the power of each block, and the true peak."""
        return meter.blocks(), meter.peak()

    def of_album(self, parts: Sequence[tuple[Array, float]]) -> Heard:
        """See `Measured`: the blocks of all files are gated together."""
        blocks = np.concatenate([np.empty(0), *(blocks for blocks, _ in parts)])
        peak = max((peak for _, peak in parts), default=0.0)
        return Heard(_integrated(blocks), peak, _gain_db(blocks, self.target), of_album=True)

    def told(self, reading: Heard) -> tuple[str, ...]:
        """See `Measured`."""
        over_db = self._over_db(reading)
        lowers = over_db > 0.0 and self.at_ceiling == LOWER
        if not isfinite(reading.lufs):
            left = f"turned down by {over_db:.2f} dB, for its true peak" if lowers else "left as loud as it is"
            return (f"{self.label}: {left}, for it is silence, or shorter than 400 ms",)
        return (f"{self.label}: reaches {self.target - over_db:.2f} LUFS, for its true peak",) if lowers else ()

    def resolved(self, reading: Heard) -> Stage:
        """The gain to the target, and a limiter where the true peak would pass its ceiling; or less, or FileError."""
        gain_db, over_db = reading.gain_db, self._over_db(reading)
        if over_db > 0.0 and self.at_ceiling == FAIL:
            raise FileError(f"{self.label}: the gain to it, {gain_db:+.2f} dB, would bring the true peak "
                            f"{over_db:.2f} dB above that")
        if over_db > 0.0 and self.at_ceiling == LIMIT:
            assert self.limiter is not None
            label = f"{self.label} ({gain_db:+.2f} dB, limited by up to {over_db:.2f} dB)"
            target = self.target if isfinite(reading.lufs) and not reading.of_album else None
            return Limited(10.0 ** (gain_db / 20.0), self.limiter, target, self.weights, label)
        if over_db > 0.0:
            gain_db -= over_db
        return Gain(10.0 ** (gain_db / 20.0), f"{self.label} ({gain_db:+.2f} dB)")

    def _over_db(self, reading: Heard) -> float:
        """By how much the true peak would pass its ceiling behind the gain."""
        if self.limiter is None or not reading.peak:
            return -inf
        return reading.gain_db + 20.0 * log10(reading.peak) - self.limiter.ceiling_db


@dataclass(frozen=True)
class Limited(Stage):
    """A gain of `factor`, then a limiter; it is told where that takes the loudness further than `MISS_LU` off `target`.

    target  in LUFS; None: whatever comes out is right.
    """

    factor: float
    limiter: Limiter
    target: float | None
    weights: tuple[float, ...]
    label: str
    pictures = ()

    @property
    def ceiling(self) -> float:  # type: ignore[override]
        """See `Stage`."""
        return self.limiter.ceiling

    @property
    def cost_ns(self) -> float:  # type: ignore[override]
        """See `Stage`."""
        return self.limiter.cost_ns + METER_COST_NS

    def open(self, source: Signal) -> Processor:
        """See `Stage`."""
        return _Limiting(self, source)


class _Limiting(Telling):
    def __init__(self, stage: Limited, source: Signal) -> None:
        self._stage, self._limiting = stage, stage.limiter.open(source)
        self._meter = LoudnessMeter(source.fs, stage.weights)

    def process(self, samples: Array) -> Array:
        """See `Processor`."""
        samples *= self._stage.factor
        return self._metered(self._limiting.process(samples))

    def flush(self) -> Iterator[Array]:
        """See `Processor`."""
        return map(self._metered, self._limiting.flush())

    def told(self) -> tuple[str, ...]:
        """See `Telling`."""
        lufs, target = self._meter.reading().lufs, self._stage.target
        if target is None or abs(lufs - target) <= MISS_LU:
            return ()
        return (f"{self._stage.label}: reaches {lufs:.2f} LUFS, for the limiter takes {target - lufs:.2f} LU",)

    def _metered(self, samples: Array) -> Array:
        self._meter.process(samples)
        return samples


class LoudnessMeter:
    """Integrated loudness in LUFS, -inf of silence and of less than 400 ms; true peak by `peaks`, gain to `target`."""

    def __init__(self, fs: float, weights: tuple[float, ...], peaks: TruePeakMeter | None = None,
                 target: float | None = None, heard: Callable[[Array], None] | None = None) -> None:
        self._powers = Powers(round(fs / HOPS_A_SECOND), np.array(weights), k_weighting(fs), heard)
        self._peaks, self._target = peaks, target

    def process(self, samples: Array) -> None:
        """See `Meter`."""
        if self._peaks is not None:
            self._peaks.process(samples)
        self._powers.process(samples)

    def reading(self) -> Heard:
        """See `Meter`."""
        blocks = self.blocks()
        return Heard(_integrated(blocks), self.peak(), 0.0 if self._target is None else _gain_db(blocks, self._target))

    def blocks(self) -> Array:
        """The mean square of each block."""
        return self.windows(HOPS)

    def windows(self, count: int) -> Array:
        """The mean square of `count` hops, a new window at each hop."""
        hops = self._powers.of_hops()
        return np.convolve(hops, np.full(count, 1.0 / count), "valid") if len(hops) >= count else np.empty(0)

    def peak(self) -> float:
        """The true peak (linear), 0 where that is not measured."""
        return self._peaks.reading() if self._peaks is not None else 0.0


def _integrated(blocks: Array) -> float:
    """Of the mean squares of blocks: annex 1, equations 5 to 7."""
    loud = blocks[lufs_of(blocks) > ABSOLUTE_GATE_LUFS]
    if not len(loud):
        return -inf
    gate = OFFSET_LU + 10.0 * log10(loud.mean()) + RELATIVE_GATE_LU
    return float(OFFSET_LU + 10.0 * log10(loud[lufs_of(loud) > gate].mean()))


def _gain_db(blocks: Array, target: float) -> float:
    """What brings them to `target`, 0 for silence. It lifts quiet blocks above the gate, so it is looked for in steps.

    Where one block more jumps over the target, the step that comes closest counts.
    """
    gains = [0.0]
    misses = [target - _integrated(blocks)]
    while isfinite(misses[-1]) and abs(misses[-1]) > EXACT_LU and len(gains) < MOST_STEPS:
        gains.append(gains[-1] + misses[-1])
        misses.append(target - _integrated(blocks * 10.0 ** (gains[-1] / 10.0)))
    return gains[min(range(len(gains)), key=lambda step: abs(misses[step]))]


def lufs_of(power: Array) -> Array:
    """Of mean squares behind the K weighting."""
    with np.errstate(divide="ignore"):
        lufs: Array = OFFSET_LU + 10.0 * np.log10(power)
    return lufs
