"""The RenderPlan: everything an engine needs, and nothing that is running.

A plan belongs to a sample rate, a number of channels and two sample formats, not to a file, so one
serves every file that is alike. `normalize` needs the peak of the whole file before its gain is known: the
file is read once more for each (`passes`), the first time through `measuring()`, then through `measured(peak)`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from torchfx_cli.design.stages import Gain, Normalize, Sections, Stage, Taps
from torchfx_cli.plan.fuse import fuse
from torchfx_cli.samples import SampleFormat

Dither = Literal["auto", "none", "tpdf"]

TAIL_FLOOR = 1e-6  # -120 dB: where `tail="auto"` takes a decay to have ended
MAX_TAIL_S = 60.0
MAX_DITHERED_BITS = 16  # from 17 bits on the rounding error lies below what any converter resolves
MEASURED = SampleFormat("float64")


@dataclass(frozen=True, eq=False)
class RenderPlan:
    """What to do with blocks of `source` samples so that they become `sink` samples.

    The output starts `latency_frames` after the first computed frame, and is `tail_frames` longer than the input.
    """

    fs: int
    channels: int
    stages: tuple[Stage, ...]
    source: SampleFormat
    sink: SampleFormat
    dither: bool = False
    tail_frames: int = 0
    seed: int = 0

    @property
    def latency_frames(self) -> int:
        return sum(stage.delay_frames for stage in self.stages if isinstance(stage, Taps))

    @property
    def passes(self) -> int:
        return 1 + sum(isinstance(stage, Normalize) for stage in self.stages)

    def measuring(self) -> RenderPlan:
        """The plan of the pass that finds the peak in front of the first `Normalize`."""
        return replace(self, stages=self.stages[: self._first_normalize()], sink=MEASURED, dither=False)

    def measured(self, peak: float) -> RenderPlan:
        """This plan with the first `Normalize` replaced by the gain that follows from `peak` (silence stays)."""
        at = self._first_normalize()
        target = self.stages[at]
        assert isinstance(target, Normalize)
        factor = target.peak / peak if peak > 0.0 else 1.0
        gain = Gain(factor, f"{target.label} ({20 * math.log10(factor):+.2f} dB)")
        return replace(self, stages=fuse((*self.stages[:at], gain, *self.stages[at + 1 :])))

    def turned_down(self, peak: float) -> tuple[RenderPlan, float]:
        """This plan with its output lowered so that `peak`, above full scale, just fits the sink; by how many dB."""
        margin = 2.0 ** (2 - self.sink.bits) if self.sink.is_integer else 0.0  # the top step, and one of dither
        factor = (1.0 - margin) / peak
        change_db = -20.0 * math.log10(factor)
        gain = Gain(factor, f"turned down by {change_db:.2f} dB")
        return replace(self, stages=fuse((*self.stages, gain))), change_db

    def _first_normalize(self) -> int:
        return next(i for i, stage in enumerate(self.stages) if isinstance(stage, Normalize))

    def describe(self) -> list[str]:
        """One line a stage, for people."""
        return [_describe(stage) for stage in self.stages] or ["nothing to change"]


def assemble(
    stages: Sequence[Stage],
    fs: int,
    channels: int,
    source: SampleFormat,
    sink: SampleFormat,
    dither: Dither = "auto",
    tail_s: float | Literal["auto"] = 0.0,
) -> RenderPlan:
    """Fuse `stages`, designed for `fs`, and settle dither and tail.

    `dither="auto"` dithers where values change on the way to 16 bits or fewer. `tail_s="auto"` adds what the
    chain needs to fall below -120 dB, a minute at most.
    """
    fused = fuse(stages)
    changed = bool(fused) or not source.is_integer or source.bits > sink.bits
    wanted = dither == "tpdf" or (dither == "auto" and changed and sink.bits <= MAX_DITHERED_BITS)
    tail = _decay_frames(fused, fs) if tail_s == "auto" else round(tail_s * fs)
    return RenderPlan(fs, channels, fused, source, sink, wanted and sink.is_integer, tail)


def _decay_frames(stages: Sequence[Stage], fs: int) -> int:
    """Frames until what the last sample left behind has fallen to `TAIL_FLOOR`, of the loudest frequency's level."""
    rows = np.concatenate([np.empty((0, 6)), *(stage.sos for stage in stages if isinstance(stage, Sections))])
    behind = sum(len(stage.taps) - 1 - stage.delay_frames for stage in stages if isinstance(stage, Taps))
    return min(math.ceil(_ringing_frames(rows)) + behind, round(MAX_TAIL_S * fs))


def _ringing_frames(rows: np.ndarray) -> float:
    """Frames that sections [K, 6] ring, by Cauchy's estimate |h[n]| <= r^n max |H(r e^iw)|, r outside all poles.

    The radius of the slowest pole alone would be too hopeful where several are about as slow: m of them decay
    as n^(m-1) r^n. The estimate holds for every r, so the best of a few is taken.
    """
    poles = np.concatenate([np.empty(0), *(np.roots(row[3:]) for row in rows)])
    slowest = float(np.abs(poles).max(initial=0.0))
    if not slowest:
        return 2.0 * len(rows)
    angles = np.concatenate([np.linspace(0.0, np.pi, 257), np.abs(np.angle(poles))])  # the peaks are near the poles

    def highest(radius: float) -> float:
        delays = (radius * np.exp(1j * angles)[:, None]) ** -np.arange(3.0)
        return float(np.abs(np.prod((delays @ rows[:, :3].T) / (delays @ rows[:, 3:].T), axis=1)).max())

    floor = TAIL_FLOOR * highest(1.0)
    radii = (slowest + step * (1.0 - slowest) for step in (0.02, 0.05, 0.1, 0.2, 0.4))
    return min(max(0.0, math.log(highest(radius) / floor) / -math.log(radius)) for radius in radii)


def _describe(stage: Stage) -> str:
    if isinstance(stage, Sections):
        return f"{len(stage.sos)} second-order section{'s' * (len(stage.sos) > 1)}: {stage.label}"
    if isinstance(stage, Taps):
        delay = f"{stage.delay_frames} frames removed" if stage.delay_frames else "delay kept"
        return f"FIR of {len(stage.taps)} taps ({delay}): {stage.label}"
    return stage.label
