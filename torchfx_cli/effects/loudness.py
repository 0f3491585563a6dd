"""The whole file brought to a programme loudness, ITU-R BS.1770-5.

The meter hears the signal through the K weighting (annex 1: a shelf and a high-pass, here the analogue filters behind
the standard's 48 kHz coefficients at the file's own rate): mean squares of 400 ms, every 100 ms; those above -70 LUFS
count, and of these those above their mean less 10 LU. Channels are weighted alike, as for mono and stereo.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, log10

import numpy as np

from torchfx_cli.design import biquad
from torchfx_cli.design.stage import Array, Measured, Meter, Stage
from torchfx_cli.design.stages import Gain, Sections
from torchfx_cli.effects.kind import Kind, StageSpec, param
from torchfx_cli.errors import DesignError
from torchfx_cli.samples import Signal, hertz

HOPS_A_SECOND, HOPS = 10, 4  # blocks of 400 ms, a new one each 100 ms
OFFSET_LU = -0.691
ABSOLUTE_GATE_LUFS, RELATIVE_GATE_LU = -70.0, -10.0
SHELF_HZ, SHELF_DB, SHELF_Q = 1681.974450955533, 3.999843853973347, 0.7071752369554196
HIGHPASS_HZ, HIGHPASS_Q = 38.13547087602444, 0.5003270373238773


@dataclass(frozen=True, kw_only=True)
class LoudnessSpec(StageSpec):
    """Brings the whole file to an integrated loudness in LUFS. Reads the file twice."""

    is_measured, is_filter = True, False

    target_lufs: float = param("integrated loudness", default=-23.0, unit="LUFS", low=-70.0, high=0.0)

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        if not source.fs > 2.0 * SHELF_HZ:
            raise DesignError(f"{self.origin}: loudness cannot be measured at {hertz(source.fs)}; resample first")
        return Loudness(self.target_lufs, f"loudness to {self.target_lufs:g} LUFS", (Sections(k_weighting(source.fs)),))


KIND = Kind(LoudnessSpec, "target_lufs", "- loudness: -16 LUFS")


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
    """See the module; `target` in LUFS."""

    target: float
    label: str
    sidechain: tuple[Stage, ...] = ()

    def meter(self, source: Signal) -> Meter:
        """See `Measured`."""
        return LoudnessMeter(source.fs)

    def resolved(self, reading: float) -> Stage:
        """The gain to the target; silence, and less than 400 ms, stay as they are."""
        gain_db = self.target - reading if isfinite(reading) else 0.0
        return Gain(10.0 ** (gain_db / 20.0), f"{self.label} ({gain_db:+.2f} dB)")


class LoudnessMeter:
    """Integrated loudness in LUFS of K-weighted blocks; -inf of silence, and of less than 400 ms."""

    def __init__(self, fs: float) -> None:
        self._hop = round(fs / HOPS_A_SECOND)
        self._energies: list[float] = []  # of each hop, all channels
        self._held = np.empty(0)

    def process(self, samples: Array) -> None:
        """See `Meter`."""
        power = np.concatenate([self._held, np.einsum("fc,fc->f", samples, samples)])
        whole = len(power) // self._hop * self._hop
        self._energies += power[:whole].reshape(-1, self._hop).mean(axis=1).tolist()
        self._held = power[whole:]

    def reading(self) -> float:
        """See `Meter`."""
        hops = np.array(self._energies)
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
