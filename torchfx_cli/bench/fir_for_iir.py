"""FIR or IIR for this response? The linear-phase FIR of a chain's magnitude response, and what both cost here.

Frequency sampling (Oppenheim & Schafer, "Discrete-Time Signal Processing", 7.5): the magnitude on a grid fine enough
for the sharpest pole, its inverse transform, shortened by a Kaiser window. A grid step, not an equation, decides
whether a length is enough: the response of the taps is held against the chain's on the whole grid, where the
chain lets something through, and the length grows until the largest difference is within the tolerance. Equiripple
designs would save a tenth of the taps and take minutes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from torchfx_cli.bench.backends import Native, nothing
from torchfx_cli.bench.loads import Load
from torchfx_cli.bench.timings import median_seconds
from torchfx_cli.chain.spec import ChainSpec
from torchfx_cli.design.stages import Array, Linear, Stage, Taps, linear, pole_radius, response
from torchfx_cli.errors import UsageError

TOLERANCE_DB = 0.1
NOISE = 0.1  # of such short runs
FLOOR_DB = -60.0  # below its loudest frequency: what lies lower is not held to the tolerance
FIRST_HALF = 8  # the first length tried is 17 taps
MAX_FIR_TAPS = (1 << 17) - 1
BETAS = (0.0, 3.0, 6.0, 9.0)  # no window is best for a smooth response, much of one for a sharp edge
POINTS_A_BANDWIDTH = 32  # of the sharpest resonance
POINTS_A_TAP = 16  # of the transform, so that nothing between its points is overlooked
MAX_GRID = 1 << 21
PROBED_SAMPLES = 1 << 21


@dataclass(frozen=True)
class Match:
    """The shortest FIR found and how far its response is from the chain's where that is above the floor.

    met         whether `off_db` is within the tolerance; if not, `taps` is the longest that was tried.
    worst_hz    where the difference is largest.
    """

    taps: Array
    met: bool
    off_db: float
    worst_hz: float

    @property
    def stage(self) -> Taps:
        """Linear phase: half of its length is delay, and is taken out."""
        return Taps(self.taps, len(self.taps) // 2, f"linear-phase FIR of {len(self.taps)} taps")


def iir_stages(stages: Iterable[Stage]) -> tuple[Linear, ...]:
    """What of a chain is recursive; raises UsageError where nothing is."""
    found = linear(stage for stage in stages if stage.section_count)
    if not found:
        raise UsageError("the chain has no recursive (IIR) stage, so there is no FIR to hold against it")
    return found


def linear_phase(stages: Iterable[Stage], fs: float, tolerance_db: float = TOLERANCE_DB, floor_db: float = FLOOR_DB,
                 max_taps: int = MAX_FIR_TAPS) -> Match:
    """The shortest linear-phase FIR, to 3 %, with the magnitude of `stages` at `fs` in Hz.

    Within `tolerance_db` wherever the chain's response is above `floor_db` of its own maximum.
    """
    stages, half = tuple(stages), FIRST_HALF
    sampled = _Sampled(stages, fs, floor_db, half)
    best = sampled.match(half, tolerance_db)
    while not best.met:
        if 4 * half + 1 > max_taps:
            return best
        half *= 2
        sampled = _Sampled(stages, fs, floor_db, half)
        best = sampled.match(half, tolerance_db)
    low = half // 2
    while half - low > max(1, half // 32):
        middle = (low + half) // 2
        tried = sampled.match(middle, tolerance_db)
        low, half, best = (low, middle, tried) if tried.met else (middle, half, best)
    return best


@dataclass(frozen=True)
class Weighed:
    """Both ways to one response, and what a sample takes on each; `fir_s` is None where no FIR comes close enough."""

    sections: int
    match: Match
    fs: float
    iir_s: float
    fir_s: float | None

    def words(self) -> list[str]:
        """The answer first, then the two."""
        match, taps = self.match, len(self.match.taps)
        of = f"{self.sections} second-order section{'s' * (self.sections > 1)}"
        iir = f"IIR: {of}, {1e9 * self.iir_s:.2f} ns a sample, no delay"
        if self.fir_s is None:
            return [f"FIR or IIR: IIR. No linear-phase FIR of up to {taps} taps is within {TOLERANCE_DB:g} dB: "
                    f"at {match.worst_hz:.4g} Hz it is {match.off_db:.2g} dB off", iir]
        ratio = self.fir_s / self.iir_s
        if abs(ratio - 1.0) <= NOISE:
            answer = "they are as fast within the noise"
        else:
            answer = f"IIR, {ratio:.2g} times as fast" if ratio > 1.0 else f"FIR, {1.0 / ratio:.2g} times as fast"
        return [f"FIR or IIR: {answer}; the FIR keeps all frequencies in time, the IIR has no delay", iir,
                f"FIR: {taps} taps, {1e9 * self.fir_s:.2f} ns a sample, {1e3 * (taps // 2) / self.fs:.3g} ms of delay; "
                f"within {match.off_db:.2g} dB where the response is above {FLOOR_DB:g} dB"]


def weigh(stages: Iterable[Stage], fs: int, channels: int, samples: int = PROBED_SAMPLES) -> Weighed:
    """The recursive part of a chain against its FIR, both timed here. Raises UsageError where nothing is recursive."""
    recursive = iir_stages(stages)
    match = linear_phase(recursive, fs)
    frames = max(1, samples // channels)

    def a_sample(*chosen: Stage) -> float:
        load = Load(ChainSpec("", ()), chosen, fs, channels, frames)
        run = Native("native").prepare(load).run
        return median_seconds(lambda: run(nothing)) / load.samples

    fir_s = a_sample(match.stage) if match.met else None
    return Weighed(sum(len(stage.recursive()) for stage in recursive), match, fs, a_sample(*recursive), fir_s)


class _Sampled:
    """A chain's magnitude on a grid from 0 to fs / 2, and its zero-phase impulse response [grid / 2 + 1]."""

    def __init__(self, stages: tuple[Stage, ...], fs: float, floor_db: float, half: int) -> None:
        self.grid = _grid(stages, half)
        self.hz = np.arange(self.grid // 2 + 1) * (fs / self.grid)
        self.wanted = np.abs(response(stages, self.hz, fs))
        self.held = self.wanted > self.wanted.max() * 10.0 ** (floor_db / 20.0)
        self._centred = np.fft.irfft(self.wanted, self.grid)

    def match(self, half: int, tolerance_db: float) -> Match:
        """The best of a few windows over 2 `half` + 1 taps."""
        around = self._centred[np.arange(-half, half + 1)]
        return min((self._held_against(around * np.kaiser(2 * half + 1, beta), tolerance_db) for beta in BETAS),
                   key=lambda match: match.off_db)

    def _held_against(self, taps: Array, tolerance_db: float) -> Match:
        got = np.abs(np.fft.rfft(taps, self.grid))[self.held]
        off_db = np.abs(20.0 * np.log10(np.maximum(got, 1e-300) / self.wanted[self.held]))
        at = int(off_db.argmax())
        return Match(taps, bool(off_db[at] <= tolerance_db), float(off_db[at]), float(self.hz[self.held][at]))


def _grid(stages: tuple[Stage, ...], half: int) -> int:
    """A power of two that resolves 2 `half` taps, and the pole nearest to the unit circle (its half width is 1 - r)."""
    radius = max((pole_radius(stage.recursive()) for stage in linear(stages)), default=0.0)
    sharpest = POINTS_A_BANDWIDTH * math.pi / max(1.0 - radius, 1e-9)
    return min(MAX_GRID, 1 << math.ceil(math.log2(max(sharpest, POINTS_A_TAP * 2 * half))))
