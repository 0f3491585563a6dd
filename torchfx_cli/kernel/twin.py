"""The kernel's plain twin in NumPy and SciPy: the same results, slower. It runs where the C kernel was not built.

Conversion, dither, rounding and clipping agree with the native kernel to the last bit, filters to 1e-12 of the signal.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from torchfx_cli.kernel.base import Block, FftFir, Kernel, Samples
from torchfx_cli.kernel.following import Curve, Gate
from torchfx_cli.kernel.limiting import GRAIN, LimiterState
from torchfx_cli.kernel.reverberating import LINES, ReverbState

# The largest float64 that float32 does not round to infinity.
FLOAT_LIMIT = float.fromhex("0x1.fffffefffffffp127")
# scipy.signal.sosfilt works on whole [channels, frames] copies; tiles keep these small.
TILE_SAMPLES = 1 << 20

Words = npt.NDArray[np.uint32]


class Twin(Kernel):
    """See `Kernel`."""

    name = "numpy twin"
    direct_max_taps = mirrored_max_taps = 32

    def __init__(self, reason: str = "") -> None:
        self.reason = reason

    def fft_fir(self, taps: Samples, channels: int, beside: FftFir | None = None) -> FftFir:
        return _TwinFftFir(self, taps, channels)

    def _load(self, block: Block, out: Samples) -> int:
        width = 8 * block.dtype.itemsize if block.dtype.kind == "i" else 1
        np.multiply(block, 2.0 ** (1 - width), out=out)
        return _first(~np.isfinite(out))

    def _store(
        self, x: Samples, out: Block, bits: int, dither: bool, seed: int, first_sample: int, limit: bool
    ) -> tuple[int, float, int]:
        largest = FLOAT_LIMIT if out.dtype == np.float32 and not limit else np.finfo(np.float64).max
        bad = ~(np.abs(x) <= largest)
        x = np.where(bad, 0.0, x)
        peak = float(np.abs(x).max(initial=0.0))
        high = 1.0
        if bits:
            scale = 2.0 ** (bits - 1)
            noise = tpdf(seed, first_sample, x.size).reshape(x.shape) if dither else 0.0
            # Far outside one step is as good as many, and cannot overflow.
            x, high = np.rint(np.clip(np.clip(x, -2.0, 2.0) * scale + noise, -scale - 1, scale)), scale - 1
            clipped = np.clip(x, -scale, high)
            out[...] = clipped.astype(out.dtype) << (8 * out.dtype.itemsize - bits)
        else:
            clipped = np.clip(x, -1.0, 1.0) if limit else x
            out[...] = clipped
        return int(np.count_nonzero(clipped != x)), peak, _first(bad)

    def _sos(self, x: Samples, sos: Samples, state: Samples) -> None:
        from scipy.signal import sosfilt

        tile = max(1, TILE_SAMPLES // x.shape[1])
        for n in range(0, len(x) if len(sos) else 0, tile):
            y, zi = sosfilt(sos, x[n : n + tile], axis=0, zi=state[..., :2].transpose(0, 2, 1))
            x[n : n + tile], state[..., :2] = y, zi.transpose(0, 2, 1)

    def _gain(self, x: Samples, factor: float) -> None:
        x *= factor

    def _mix(self, x: Samples, weights: Samples, out: Samples) -> None:
        out[...] = 0.0
        for made, row in zip(out.T, weights, strict=True):
            for n in np.flatnonzero(row):
                made += row[n] * x[:, n]

    def _power(self, x: Samples, sos: Samples, state: Samples, weights: Samples, out: Samples) -> None:
        out[...] = 0.0
        x = x.copy()
        self._sos(x, sos, state)
        for samples, weight in zip(x.T, weights, strict=True):
            out += weight * samples * samples

    def _follow(self, x: Samples, key: Samples, curve: Curve, state: Samples, band: Samples | None) -> None:
        gain, powers = float(state[0]), np.square(key)
        for n, power in enumerate(powers if curve.averaging else ()):
            state[1:] = curve.averaging * state[1:] + (1.0 - curve.averaging) * power
            powers[n] = state[1:]
        gains = []
        for power in powers.max(axis=1, initial=0.0).tolist():
            wanted = _wanted_db(curve, power)
            keep = curve.down if wanted < gain else curve.up
            gain = keep * gain + (1.0 - keep) * wanted
            gains.append(10.0 ** (gain / 20.0))
        state[0] = gain
        factors = curve.dry + curve.wet * np.array(gains).reshape(-1, 1)
        if band is None:
            x *= factors
        else:
            x += (factors - 1.0) * key + (np.sqrt(factors) - 1.0) * band

    def _gate(self, x: Samples, gate: Gate, state: Samples) -> None:
        gain, left = state.tolist()
        gains = []
        for level in np.abs(x).max(axis=1, initial=0.0).tolist():
            loud = level >= gate.open or (level >= gate.close and left > 0)
            left = gate.hold + 1 if loud else max(left - 1, 0)
            keep, goal = (gate.attack, 1.0) if left else (gate.release, gate.closed)
            gain = keep * gain + (1.0 - keep) * goal
            gains.append(gain)
        x *= np.array(gains).reshape(-1, 1)
        state[:] = gain, left

    def _true_peak(self, x: Samples, taps: Samples, heard: Samples, highest: float) -> float:
        return max(highest, float(_true_peaks(x, taps, heard).max(initial=0.0)))

    def _limit(self, x: Samples, state: LimiterState) -> None:
        level = np.abs(x).max(axis=1, initial=0.0)
        if state.taps is not None:
            level = _true_peaks(x, state.taps, state.heard)
        loud = level > state.ceiling
        needed = np.where(loud, state.ceiling / np.where(loud, level, 1.0), 1.0)
        gains = [_limited_gain(state, gain) for gain in needed.tolist()]
        place = state.places[0]
        held = np.concatenate([state.held[place:], state.held[:place], x])
        x[...] = np.clip(held[: len(x)] * np.array(gains).reshape(-1, 1), -state.ceiling, state.ceiling)
        state.held[...] = held[len(x) :]
        state.places[0] = 0

    def _reverb(self, x: Samples, late: Samples, state: ReverbState) -> None:
        done = 0
        while done < len(x):
            count = int(min(len(x) - done, (state.lengths - state.places).min()))
            _reverberate(state, x[done : done + count], late[done : done + count])
            done += count

    def _fir(self, x: Samples, taps: Samples, out: Samples) -> None:
        out[...] = 0.0
        for i, tap in enumerate(taps):
            first = len(taps) - 1 - i
            out += tap * x[first : first + len(out)]


class _TwinFftFir(FftFir):
    def __init__(self, kernel: Kernel, taps: Samples, channels: int) -> None:
        super().__init__(kernel, taps, channels)
        self._response = np.fft.rfft(self.taps.T, self.size)

    def _push(self, x: Samples, out: Samples) -> None:
        kept, capacity = len(self.taps) - 1, self.pending.shape[1]
        done = 0
        while len(x):
            taken = min(len(x), capacity - self.filled)
            self.pending[:, self.filled : self.filled + taken] = x[:taken].T
            x, self.filled = x[taken:], self.filled + taken
            if self.filled < capacity:
                break
            for first in (0, self.hop):
                spectrum = np.fft.rfft(self.pending[:, first : first + self.size])
                out[done : done + self.hop] = np.fft.irfft(spectrum * self._response, self.size)[:, kept:].T
                done += self.hop
            self.pending[:, :kept] = self.pending[:, self.pair_frames :]
            self.filled = kept


def _wanted_db(curve: Curve, power: float) -> float:
    """The gain of the static curve."""
    level_db = 10.0 * math.log10(max(power, 1e-300))
    over, half = curve.sign * (level_db - curve.threshold_db), curve.knee_db / 2.0
    bent = (over + half) ** 2 / (2.0 * curve.knee_db) if over > -half and curve.knee_db else 0.0
    return max(curve.slope * (over if over >= half else bent), curve.lowest_db)


def _true_peaks(x: Samples, taps: Samples, heard: Samples) -> Samples:
    """See truepeak.h; `heard` [channels, 2 len(taps) - 1] are the frames before x, updated."""
    half, level = len(taps), np.zeros(len(x))
    for before, samples in zip(heard, x.T, strict=True):
        row = np.concatenate([before, samples])
        before[...] = row[len(x) :]
        if len(x):
            around = np.lib.stride_tricks.sliding_window_view(row, 2 * half)
            left, right = around[:, half - 1 :: -1], around[:, half:]
            even, odd = np.abs((left + right) @ taps[:, ::2]), np.abs((left - right) @ taps[:, 1::2])
            even[:, :3] += odd
            level = np.maximum(level, np.maximum(np.abs(around[:, half - 1]), even.max(axis=1)))
    return level


def _limited_gain(state: LimiterState, needed: float) -> float:
    """See limiter.h, whose steps these are."""
    _, at, at_first, at_second = state.places
    lowest, released, first_sum, second_sum = state.memory
    state.block[at], lowest, at = needed, min(lowest, needed), at + 1
    target = min(float(state.before[at]), lowest)
    if at == state.window:
        state.before[:at] = np.minimum.accumulate(state.block[::-1])[::-1]
        lowest, at = 1.0, 0
    released = min(state.release * released + (1.0 - state.release) * target, target)
    fine = released + GRAIN - GRAIN
    first_sum += fine - float(state.first_ring[at_first])
    state.first_ring[at_first] = fine
    mean = first_sum * (1.0 / state.first) + GRAIN - GRAIN
    second_sum += mean - float(state.second_ring[at_second])
    state.second_ring[at_second] = mean
    state.places[1:] = at, (at_first + 1) % state.first, (at_second + 1) % state.second
    state.memory[:] = lowest, released, first_sum, second_sum
    return second_sum * (1.0 / state.second)


def _reverberate(state: ReverbState, x: Samples, late: Samples) -> None:
    """See reverb.h, whose steps these are; no line comes to its end within `x`."""
    from scipy.signal import lfilter

    count = len(x)
    first = state.starts + state.places
    v = np.empty((LINES, count))
    for i in range(LINES):
        line = state.lines[first[i] : first[i] + count]
        v[i] = lfilter([state.gain[i]], [1.0, -state.pole[i]], line, zi=[state.pole[i] * state.memory[i]])[0]
    state.memory[:] = v[:, -1]
    for step in (1, 4):
        a, b, c, d = np.moveaxis(v.reshape(-1, 4, step, count), 1, 0)
        a, b, c, d = a + b, a - b, c + d, c - d
        v = np.stack([a + c, b + d, a - c, b - d], axis=1).reshape(LINES, count)
    x *= state.dry
    for channel, way in enumerate(state.ways_out):
        wet = way[0] * v[0]
        for row in range(1, state.out_rows):
            wet += way[row] * v[row]
        x[:, channel] += wet
    back = 0.25 * v
    for way, heard in zip(state.ways_in, late.T, strict=True):
        back += way[:, None] * heard
    for i in range(LINES):
        state.lines[first[i] : first[i] + count] = back[i]
    state.places[:] = (state.places + count) % state.lengths


def tpdf(seed: int, first_sample: int, count: int) -> Samples:
    """The dither of `count` samples, in steps, from the `first_sample`-th of the file on: triangular in (-1, 1).

    A sample adds two uniform numbers, the 32-bit hashes of their places 2n and 2n + 1 in the file under a key that
    `seed` and the upper bits of the place give. See samples.h.
    """
    noise = np.empty(count)
    done = 0
    while done < count:
        epoch, start = divmod(first_sample + done, 1 << 31)
        part = min(count - done, (1 << 31) - start)
        places = np.arange(2 * start, 2 * (start + part), dtype=np.uint64).astype(np.uint32)
        words = _hash(places, *dither_key(seed, epoch)).astype(np.int64)
        noise[done : done + part] = (words[0::2] + words[1::2] - 0xFFFFFFFF) * 2.0**-32
        done += part
    return noise


def _hash(places: Words, before: int, between: int) -> Words:
    h = places + np.uint32(before)
    h = (h ^ h >> np.uint32(16)) * np.uint32(0x85EBCA6B)
    h = ((h ^ h >> np.uint32(13)) + np.uint32(between)) * np.uint32(0xC2B2AE35)
    return h ^ h >> np.uint32(16)


def dither_key(seed: int, epoch: int) -> tuple[int, int]:
    """SplitMix64 (Steele, Lea and Flood, 2014), its result in two halves."""
    mask = (1 << 64) - 1
    z = (seed + (epoch + 1) * 0x9E3779B97F4A7C15) & mask
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
    z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
    z ^= z >> 31
    return z & 0xFFFFFFFF, z >> 32


def _first(mask: npt.NDArray[np.bool_]) -> int:
    return int(mask.argmax()) if mask.any() else -1
