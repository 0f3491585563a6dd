"""Harmonics of the mains as complex amplitudes, about a hundred a second, and the frequency of the mains in them.

It is found by the product of the spectrum at its multiples (M. R. Schroeder, "Period histogram and product spectrum:
new methods for fundamental-frequency measurement", JASA 43, 1968).

Frame b of the grid lies around the sound's frame b `hop`, under a Hann window of four hops. Times the carriers, whose
frequencies are multiples of one close to that of the mains, and added up, it gives the amplitude of each harmonic; what
the mains deviates by turns that slowly round. The same window and carriers make sound of amplitudes again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from torchfx_cli.design.stage import Array

Complex = npt.NDArray[np.complex128]
FRAMES_A_SECOND = 100
OVERLAP = 4  # hops in a window
GROUP = 64  # frames that are computed at a time, whatever the blocks
SPAN, STEP = 400, 100  # frames that one frequency is found in, and to the next
SEARCHED_HZ, GRID = 0.6, 241  # the mains keeps within 0.2 Hz of its frequency
BINS = 8192
TINY = 1e-30  # of a power, where the loudest amplitude is 1
SEARCHED = 10  # harmonics
FOUND = 3.8  # the score, a mean of logarithms, from which on there is hum; noise, speech and drums have up to 3
FAINT = 3.0  # from which on hum that is said to be there is followed
CLEAR = 60.0 * np.log(10.0) / 10.0  # by which one harmonic counts at most, so that a tone at one makes no hum
ALONE, ALONE_HZ = 3.0, 5.0  # a fundamental that is the highest so far around counts as so many harmonics of SEARCHED


@dataclass(frozen=True)
class Harmonics:
    """`count` of them, of `carrier_hz`, at the sample rate `fs`."""

    fs: float
    carrier_hz: float
    count: int

    @property
    def hop(self) -> int:
        """Frames of sound."""
        return round(self.fs / FRAMES_A_SECOND)

    @property
    def rate(self) -> float:
        """Frames of the grid a second."""
        return self.fs / self.hop

    def shares(self, frames: npt.NDArray[np.int64], end: int | None) -> Array:
        """How much of the window of each of `frames` lies in a sound that ends at `end`, or is not known to end."""
        sums = np.concatenate([[0.0], np.cumsum(self.window())]) / self.window().sum()
        starts = frames * self.hop - OVERLAP // 2 * self.hop
        outside = np.clip(-starts, 0, len(sums) - 1)
        inside = np.clip((starts + len(sums) if end is None else end) - starts, 0, len(sums) - 1)
        made: Array = np.maximum(sums[inside] - sums[outside], 0.0)
        return made

    def window(self) -> Array:
        """Four hops of a Hann window; the windows of all frames add up to 2."""
        length = OVERLAP * self.hop
        made: Array = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length)
        return made

    def carriers(self) -> Array:
        """[OVERLAP, hop, 2 count]: the cosines and then the sines, in phase in the middle of a frame, windowed."""
        times = np.arange(-2 * self.hop, 2 * self.hop) / self.fs
        angles = 2.0 * np.pi * self.carrier_hz * times[:, None] * np.arange(1, self.count + 1)
        both = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) * self.window()[:, None]
        return both.reshape(OVERLAP, self.hop, 2 * self.count)

    def phases(self, first: int, frames: int) -> Complex:
        """[frames, count]: where the carriers, in phase at the sound's first frame, are in the middle of each frame."""
        turns = np.arange(first, first + frames) * self.hop * self.carrier_hz / self.fs % 1.0
        made: Complex = np.exp(2j * np.pi * turns[:, None] * np.arange(1, self.count + 1))
        return made

    def droop(self, deviation_hz: Array) -> Array:
        """How much of a tone is left under the window, which lies so far from its carrier."""
        x = deviation_hz * OVERLAP * self.hop / self.fs
        made: Array = np.sinc(x) / (1.0 - x * x)
        return made


class Analysis:
    """Amplitudes of a stream of blocks, [GROUP, channels, count] at a time."""

    def __init__(self, harmonics: Harmonics, channels: int) -> None:
        self._of, self._carriers = harmonics, harmonics.carriers() * (2.0 / harmonics.window().sum())
        self._kept = (OVERLAP - 1) * harmonics.hop
        self._sound = np.zeros((self._kept + GROUP * harmonics.hop, channels))
        self._filled = 2 * harmonics.hop
        self._first = 0

    def push(self, samples: Array) -> Iterator[Complex]:
        """The next groups; frames that the sound does not reach count as silence there."""
        while len(samples):
            part = samples[: len(self._sound) - self._filled]
            self._sound[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            samples = samples[len(part) :]
            if self._filled == len(self._sound):
                yield self._group()
                self._sound[: self._kept] = self._sound[-self._kept :]
                self._filled = self._kept

    def flush(self) -> Iterator[Complex]:
        """The last group, silence behind the sound."""
        yield from self.push(np.zeros((len(self._sound) - self._filled, self._sound.shape[1])))

    def _group(self) -> Complex:
        count, channels = self._of.count, self._sound.shape[1]
        both = np.zeros((channels, GROUP, 2 * count))
        for channel, made in enumerate(both):
            hops = np.ascontiguousarray(self._sound[:, channel]).reshape(-1, self._of.hop)
            for n, carriers in enumerate(self._carriers):
                made += hops[n : n + GROUP] @ carriers
        amplitudes = (both[..., :count] - 1j * both[..., count:]).transpose(1, 0, 2)
        amplitudes *= self._of.phases(self._first, GROUP).conj()[:, None]
        self._first += GROUP
        return amplitudes


class Tracker:
    """Finds the frequency of the mains, second by second: where the multiples of a frequency stand out together."""

    def __init__(self, harmonics: Harmonics) -> None:
        self._of, self._waiting = harmonics, np.empty((0, 0, harmonics.count), np.complex128)
        self._found: list[tuple[float, float]] = []
        self.deviations = np.linspace(-SEARCHED_HZ, SEARCHED_HZ, GRID)
        multiples = np.arange(1, harmonics.count + 1)
        self._bins = np.rint(multiples[:, None] * self.deviations * BINS / harmonics.rate).astype(int) % BINS
        self._taper = np.hanning(SPAN)[:, None, None]

    def push(self, amplitudes: Complex) -> None:
        """Take the next, as `Analysis` gives them."""
        self._waiting = np.concatenate([self._waiting, amplitudes]) if len(self._waiting) else amplitudes
        while len(self._waiting) >= SPAN:
            self._find(self._waiting[:SPAN])
            self._waiting = self._waiting[STEP:]

    def track(self) -> tuple[float, Array]:
        """The score of the whole, and the mains frequency each second from the second 2 on."""
        if not self._found and len(self._waiting):
            short = self._waiting
            self._find(np.concatenate([short, np.zeros((SPAN - len(short), *short.shape[1:]))]))
        if not self._found:
            return 0.0, np.empty(0)
        scores, deviations = np.array(self._found).T
        sure = np.flatnonzero(scores >= min(FOUND, np.median(scores)))
        steady = np.interp(np.arange(len(scores)), sure, deviations[sure])
        padded = np.pad(steady, 2, "edge")
        smooth = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)
        return float(np.median(scores)), self._of.carrier_hz + smooth

    def _find(self, amplitudes: Complex) -> None:
        loudest = np.abs(amplitudes).max() or 1.0
        spectra = np.fft.fft(amplitudes / loudest * self._taper, BINS, axis=0)
        powers = (spectra.real**2 + spectra.imag**2).sum(axis=1)  # [BINS, count]
        usual = np.maximum(np.median(powers, axis=0)[:, None] + TINY, self._leaked(powers))
        heights = np.log(np.maximum(powers[self._bins, np.arange(self._of.count)[:, None]] / usual, 1.0))
        best = int(heights.mean(axis=0).argmax())
        together = (float(np.minimum(heights[:, best], CLEAR).mean()), float(self.deviations[best]))
        self._found.append(max(together, self._alone(powers[:, 0], heights[0])))

    def _leaked(self, powers: Array) -> Array:
        """At most what the window lets through of the loudest tone around each harmonic, beyond the tone's main lobe.

        In the main lobe, too, where the tone itself lies where no mains is sought.
        """
        loudest = powers.argmax(axis=0)[:, None]
        away = np.abs((self._bins - loudest + BINS // 2) % BINS - BINS // 2) * (SPAN / BINS)
        is_sought = away.min(axis=1, keepdims=True) < 0.25  # no place in the grid is further than 0.1 from the next
        lobes = np.maximum(away, 2.0)
        beyond = 1.0 / (np.pi * lobes * (lobes * lobes - 1.0)) ** 2
        made: Array = powers.max(axis=0)[:, None] * np.where(away >= 2.0, beyond, ~is_sought)
        return made

    def _alone(self, powers: Array, heights: Array) -> tuple[float, float]:
        """Score and deviation of a fundamental without harmonics; a score of 0 where something close is higher."""
        best, around = int(powers[self._bins[0]].argmax()), round(ALONE_HZ * BINS / self._of.rate)
        is_highest = powers[self._bins[0, best]] == powers[np.arange(-around, around + 1)].max()
        return float(heights[best]) * ALONE / SEARCHED * is_highest, float(self.deviations[best])
