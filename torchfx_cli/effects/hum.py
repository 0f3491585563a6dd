"""Mains hum, followed and taken away: what lies close to the multiples of a fundamental that is tracked over the file.

Each harmonic is turned to 0 Hz by its tracked frequency (complex demodulation), low-passed by an FIR under a Kaiser
window at a hundred frames a second, turned back and subtracted. So a notch moves with the mains; it has a flat bottom,
no phase, and is as narrow at the tenth harmonic as at the first: nothing is left within 0.2 of the width from the
harmonic, everything from 0.8 of it on, within 60 dB. Where the file begins and ends the low-pass takes what there is.
The first pass finds the fundamental, see effects/mains.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil, floor
from typing import ClassVar

import numpy as np

from torchfx_cli.design.stage import Array, Measured, Meter, Processor, Stage
from torchfx_cli.design.stages import Gain
from torchfx_cli.effects.kind import Kind, StageSpec, param
from torchfx_cli.effects.mains import (
    FAINT,
    FOUND,
    GROUP,
    OVERLAP,
    SEARCHED,
    SPAN,
    STEP,
    Analysis,
    Complex,
    Harmonics,
    Tracker,
)
from torchfx_cli.errors import DesignError
from torchfx_cli.samples import Signal, hertz

MAINS_HZ = (50.0, 60.0)
LEAST_RATIO = 10.0  # of the sample rate to the mains
BETA, ATTENUATION_DB = 5.65, 60.0


@dataclass(frozen=True, kw_only=True)
class HumSpec(StageSpec):
    """Takes mains hum and its harmonics away, following the mains; tells what was found. Reads the file twice."""

    is_measured, is_filter = True, False

    frequency_hz: float | str = param("about that of the mains; auto looks for 50 and 60 Hz, and does nothing where "
                                      "there is no hum", default="auto", unit="Hz", low=10.0, high=500.0,
                                      choices=("auto",))
    harmonics: int = param("how many are taken away, the fundamental too", default=10, form="integer", low=1, high=60)
    width_hz: float = param("of the band that is taken away around each, between the points of -6 dB", default=2.0,
                            unit="Hz", low=0.5, high=20.0)

    def design(self, source: Signal) -> Stage:
        """See `StageSpec`."""
        mains_hz = MAINS_HZ if isinstance(self.frequency_hz, str) else (self.frequency_hz,)
        least = LEAST_RATIO * max(mains_hz)
        if source.fs < least:
            raise DesignError(f"{self.origin}: mains of {hertz(max(mains_hz))} cannot be followed at "
                              f"{hertz(source.fs)}; {hertz(least)} is the least")
        label = f"hum, {hertz(mains_hz[0]) if len(mains_hz) == 1 else 'auto'}"
        return Hum(mains_hz, self.harmonics, self.width_hz, label)


KIND = Kind(HumSpec, "frequency_hz", "- hum: {frequency: 50 Hz, harmonics: 10, width: 2 Hz}")


@dataclass(frozen=True, eq=False)
class Found:
    """The mains frequency each second from `SPAN` / 2 on, and how clearly it stands out; see `Tracker`."""

    score: float
    track_hz: Array


def _harmonics(source: Signal, carrier_hz: float, count: int) -> Harmonics:
    """As many as lie a little below half the rate."""
    return Harmonics(source.fs, carrier_hz, min(count, floor((source.fs / 2.0 - 2.0 * carrier_hz) / carrier_hz)))


@dataclass(frozen=True)
class Hum(Measured):
    """Looks for all of `mains_hz`, and must find it where these are several."""

    mains_hz: tuple[float, ...]
    harmonics: int
    width_hz: float
    label: str

    def meter(self, source: Signal) -> Meter:
        """See `Measured`."""
        return _HumMeter(source, self.mains_hz)

    def resolved(self, reading: Found) -> Stage:
        """What takes it away; at a frequency that was asked for, also where none stands out and can be followed."""
        if not len(reading.track_hz) or (len(self.mains_hz) > 1 and reading.score < FOUND):
            return Gain(1.0, f"{self.label}: none was found, nothing is changed")
        if reading.score < FAINT:
            fixed = replace(reading, track_hz=np.full(1, self.mains_hz[0]))
            return Dehum(fixed, self.harmonics, self.width_hz, f"{self.label}: none stands out, so none is followed")
        low, high = reading.track_hz.min(), reading.track_hz.max()
        found = f"found at {low:.2f} Hz" if high - low < 0.005 else f"found at {low:.2f} to {high:.2f} Hz"
        return Dehum(reading, self.harmonics, self.width_hz, f"{self.label}: {found}")


class _HumMeter:
    def __init__(self, source: Signal, mains_hz: tuple[float, ...]) -> None:
        sought = [_harmonics(source, hz, SEARCHED) for hz in mains_hz]
        self._sought = [(Analysis(harmonics, source.channels), Tracker(harmonics)) for harmonics in sought]

    def process(self, samples: Array) -> None:
        """See `Meter`."""
        for analysis, tracker in self._sought:
            for amplitudes in analysis.push(samples):
                tracker.push(amplitudes)

    def reading(self) -> Found:
        """See `Meter`."""
        found = []
        for analysis, tracker in self._sought:
            for amplitudes in analysis.flush():
                tracker.push(amplitudes)
            found.append(Found(*tracker.track()))
        return max(found, key=lambda one: one.score)


@dataclass(frozen=True, eq=False)
class Dehum(Stage):
    """Hum that was `found`, taken away."""

    found: Found
    harmonics: int
    width_hz: float
    label: str
    cost_ns: ClassVar[float] = 60.0  # type: ignore[misc]
    pictures = ()
    peak_gain: ClassVar[float] = 2.0  # type: ignore[misc]  # a hum that begins or ends is estimated on either side

    def open(self, source: Signal) -> Processor:
        """See `Stage`."""
        carrier_hz = float(np.median(self.found.track_hz))
        return _Dehumming(self, _harmonics(source, carrier_hz, self.harmonics), source.channels)


@dataclass(frozen=True)
class _Group:
    """Amplitudes [GROUP, channels, count], turned to 0 Hz by the conjugate of `turns` [GROUP, count], and the share of
    each frame's window that lies in the file. `losses` are those of a window at each harmonic, twice.
    """

    amplitudes: Complex
    shares: Array
    turns: Complex
    losses: Array


class _Dehumming:
    """A group of amplitudes waits until those that the low-pass needs are there, the sound until its hum is."""

    def __init__(self, stage: Dehum, harmonics: Harmonics, channels: int) -> None:
        self._of, self._track_hz, self._channels = harmonics, stage.found.track_hz, channels
        self._analysis = Analysis(harmonics, channels)
        self._carriers = harmonics.carriers().transpose(0, 2, 1) / 2.0
        self._lowpass = _lowpass(stage.width_hz, harmonics.rate)
        self._around = self._lowpass.shape[1] // GROUP // 2  # groups on either side
        self._groups: deque[_Group] = deque()
        self._turned = 0.0
        self._frames = self._made_groups = 0
        self._tail = np.zeros((OVERLAP - 1, harmonics.hop, channels))
        self._waiting: list[Array] = []
        self._heard = self._left = 0
        self._end: int | None = None
        self._groups.extend(self._silent() for _ in range(self._around))

    def process(self, samples: Array) -> Array:
        """See `Processor`."""
        self._waiting.append(samples)
        self._heard += len(samples)
        made = [clean for amplitudes in self._analysis.push(samples) for clean in self._cleaned(self._turn(amplitudes))]
        return np.concatenate(made) if made else samples[:0]

    def flush(self) -> Iterator[Array]:
        """See `Processor`."""
        self._end = self._heard
        for amplitudes in self._analysis.flush():
            yield from self._cleaned(self._turn(amplitudes))
        while self._left < self._end:
            yield from self._cleaned(self._silent())

    def _silent(self) -> _Group:
        """Where there is no sound; the hum that is made there is never heard."""
        count = self._of.count
        return _Group(np.zeros((GROUP, self._channels, count), np.complex128), np.zeros(GROUP),
                      np.ones((GROUP, count), np.complex128), np.ones((GROUP, count)))

    def _turn(self, amplitudes: Complex) -> _Group:
        first, self._frames = self._frames, self._frames + GROUP
        frames, multiples = np.arange(first, first + GROUP), np.arange(1, self._of.count + 1)
        seconds = (frames - SPAN / 2.0) / STEP
        deviations = np.interp(seconds, np.arange(len(self._track_hz)), self._track_hz) - self._of.carrier_hz
        phases = self._turned + np.cumsum(deviations) / self._of.rate
        self._turned = float(phases[-1] % 1.0)
        turns = np.exp(2j * np.pi * phases[:, None] * multiples)
        losses = self._of.droop(deviations[:, None] * multiples) ** 2
        return _Group(amplitudes * turns.conj()[:, None], self._of.shares(frames, self._end), turns, losses)

    def _cleaned(self, newest: _Group) -> Iterator[Array]:
        """The sound that has its hum when `newest` has come."""
        self._groups.append(newest)
        if len(self._groups) <= 2 * self._around:
            return
        heard = np.concatenate([group.amplitudes for group in self._groups])
        shares = self._lowpass @ np.concatenate([group.shares for group in self._groups])
        low = (self._lowpass @ heard.reshape(len(heard), -1).view(np.float64)).view(np.complex128)
        group = self._groups[self._around]
        back = group.turns / (group.losses * np.where(shares > 1e-3, shares, np.inf)[:, None])
        yield self._less(low.reshape(group.amplitudes.shape) * back[:, None])
        self._groups.popleft()

    def _less(self, amplitudes: Complex) -> Array:
        """The next sound, less the hum of these amplitudes."""
        group = self._made_groups
        hum = self._of_amplitudes(amplitudes * self._of.phases(group * GROUP, GROUP)[:, None])
        self._made_groups += 1
        if not group:
            hum = hum[OVERLAP // 2 * self._of.hop :]
        sound = np.concatenate(self._waiting)
        hum = hum[: len(sound)]
        self._waiting = [sound[len(hum) :]]
        self._left += len(hum)
        return sound[: len(hum)] - hum

    def _of_amplitudes(self, amplitudes: Complex) -> Array:
        """The sound of them, as far as the next group adds nothing to it."""
        made = np.zeros((GROUP + OVERLAP - 1, self._of.hop, self._channels))
        made[: OVERLAP - 1] = self._tail
        for channel in range(self._channels):
            both = np.concatenate([amplitudes[:, channel].real, -amplitudes[:, channel].imag], axis=1)
            for n, carriers in enumerate(self._carriers):
                made[n : n + GROUP, :, channel] += both @ carriers
        self._tail = made[GROUP:]
        return made[:GROUP].reshape(-1, self._channels)


def _lowpass(width_hz: float, rate: float) -> Array:
    """[GROUP, frames]: what of the groups around makes a group; whole groups, as many on either side."""
    half = ceil((ATTENUATION_DB - 7.95) / (14.36 * 0.6 * width_hz / rate) / 2.0)
    places = np.arange(-half, half + 1)
    taps = width_hz / rate * np.sinc(width_hz / rate * places) * np.kaiser(2 * half + 1, BETA)
    reach = ceil(half / GROUP) * GROUP
    distances = np.arange(2 * reach + GROUP) - reach - np.arange(GROUP)[:, None]
    made: Array = np.where(np.abs(distances) <= half, taps[np.clip(distances + half, 0, 2 * half)], 0.0)
    return made
