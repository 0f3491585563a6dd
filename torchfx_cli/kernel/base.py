"""What a kernel does, and the checks in front of it: raw pointers follow, so shapes and types are settled here.

Samples are float64, [frames, channels], C-contiguous, full scale 1. All state is the caller's (or an `FftFir`'s),
and no result depends on where a signal was cut into blocks. Wrong shapes and types are a bug of ours: ValueError.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from torchfx_cli.kernel.following import Curve, Gate
from torchfx_cli.kernel.limiting import LimiterState
from torchfx_cli.kernel.reverberating import ReverbState

Samples = npt.NDArray[np.float64]
Block = npt.NDArray[Any]

BITS = {
    np.dtype("int16"): (8, 16),
    np.dtype("int32"): (8, 16, 20, 24, 32),
    np.dtype("float32"): (0,),
    np.dtype("float64"): (0,),
}
MIN_FFT_SIZE = 2048
LONG_TAPS = 1 << 16
MIRRORED = 2.0**-50  # of the largest tap: how far two that mirror each other may differ, as in fir.h
POWER_CHANNELS = 2048  # at most, see power.h
SECTION_STATE, ALONE_STATE = 2, 24  # numbers a section and channel, of several sections and of one alone
TABLES, RESPONSE = 10, 2  # of a transform's size: roots and room to work in, which others may share, and its own


def at_rest(sections: int, channels: int) -> Samples:
    """The state of so many sections that have heard nothing, for `Kernel.sos`; its numbers have meaning there alone."""
    return np.zeros(_state_shape(sections, channels))


def _state_shape(sections: int, channels: int) -> tuple[int, int, int]:
    return sections, channels, ALONE_STATE if sections == 1 else SECTION_STATE


class Kernel(ABC):
    """One way to run the loops. `name` says which, `reason` why it is not a better one ("" if it is the best).

    direct_max_taps    up to here `fir_direct` is faster than `fft_fir`,
    mirrored_max_taps  and up to here where taps mirror each other (linear phase).
    """

    name = ""
    reason = ""
    direct_max_taps = 0
    mirrored_max_taps = 0

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy is the same; in another process it is the kernel of this name, or the best there where it has none."""
        from torchfx_cli.kernel.load import named

        return named, (self.name,)

    def load_samples(self, block: Block, out: Samples) -> int:
        """Write `block` (int16, int32, float32, float64), scaled to full scale 1, to `out` of the same shape.

        Returns the flat index of the first sample that is not finite, or -1.
        """
        _require(block.shape == out.shape and block.dtype in BITS, "block or out", block, out)
        return self._load(block, out)

    def store_samples(
        self, x: Samples, out: Block, bits: int, dither: bool, seed: int, first_frame: int, limit: bool
    ) -> tuple[int, float, int]:
        """Write `x` to `out`; returns (samples clipped, highest absolute value, flat index of the first bad or -1).

        Integers (`bits` > 0) are scaled by 2^(bits-1), rounded to nearest (ties to even), clipped and left-justified.
        `dither` adds triangular noise of +-1 step before rounding: the error then has mean 0 and variance 1/4 step^2
        whatever the signal (Lipshitz, Wannamaker and Vanderkooy, JAES 40, 1992). The noise of a sample is a hash of
        `seed` and of its place in the file, given by `first_frame`. Floats (`bits` = 0) are clipped to +-1 only with
        `limit`. Bad are NaN, infinities, and what a float32 cannot hold; they are stored as 0.
        """
        _require(x.shape == out.shape and x.ndim == 2, "x and out differ in shape", x, out)
        if bits not in BITS.get(out.dtype, ()):
            raise ValueError(f"{out.dtype} does not hold {bits}-bit samples")
        return self._store(x, out, bits, dither, seed, first_frame * x.shape[1], limit)

    def from_rows(self, rows: Block, block: Samples) -> None:
        """Write `rows` [channels, frames], float32 or float64, to `block` [frames, channels]."""
        block[...] = rows.T

    def to_rows(self, block: Samples, rows: Block) -> None:
        """The way back, rounded to the type of `rows`."""
        rows[...] = block.T

    def sos(self, x: Samples, sos: Samples, state: Samples) -> None:
        """Filter `x` in place by second-order sections `sos` [K, 6] (b0 b1 b2 1 a1 a2 a row).

        `state`: see `at_rest`.
        """
        shape = _state_shape(len(sos), x.shape[1])
        _require(sos.ndim == 2 and sos.shape[1] == 6 and state.shape == shape, "shapes", sos, state)
        self._sos(x, sos, state)

    def gain(self, x: Samples, factor: float) -> None:
        """Multiply `x` in place."""
        self._gain(x, factor)

    def mix(self, x: Samples, weights: Samples, out: Samples) -> None:
        """Write to `out` [frames, made] what `weights` [made, heard] make of `x` [frames, heard].

        The products are added in the order of the channels heard; a weight of 0 is no channel.
        """
        _require(out.shape == (len(x), len(weights)) and weights.shape[1:] == x.shape[1:], "shapes", x, weights, out)
        self._mix(x, weights, out)

    def power(self, x: Samples, sos: Samples, state: Samples, weights: Samples, out: Samples) -> None:
        """Write to `out` [frames] the squares of `x` behind `sos`, by `weights` [channels], added in their order.

        `x` stays as it is; for `sos` and `state` see `sos`.
        """
        _require(out.shape == x.shape[:1] and weights.shape == x.shape[1:], "shapes", x, weights, out)
        _require(x.shape[1] <= POWER_CHANNELS or not len(sos), "channels", x)
        _require(state.shape == _state_shape(len(sos), x.shape[1]), "shapes", sos, state)
        self._power(x, sos, state, weights, out)

    def is_short(self, taps: Samples) -> bool:
        """Whether `fir_direct` is faster than `fft_fir`."""
        if not self.direct_max_taps < len(taps) <= self.mirrored_max_taps:
            return len(taps) <= self.direct_max_taps
        return bool(np.abs(taps - taps[::-1]).max() <= MIRRORED * np.abs(taps).max())

    def fir_direct(self, x: Samples, taps: Samples, history: Samples, out: Samples) -> None:
        """Convolve `x` with `taps` [N] into `out`; `history` [N-1, channels] are the input frames before x, updated."""
        kept = len(taps) - 1
        _require(x.shape == out.shape and history.shape == (kept, x.shape[1]), "x, out or history", x, out, history)
        start = np.concatenate([history, x[:kept]])
        self._fir(start, taps, out[:kept])
        self._fir(x, taps, out[kept:])
        history[...] = x[len(x) - kept :] if len(x) >= kept else start[len(x) :]

    def follow(self, x: Samples, key: Samples, curve: Curve, state: Samples, band: Samples | None = None) -> None:
        """Scale `x` in place by gains that follow the level of `key`, all channels alike; see `Curve`.

        `state` [1 + channels] holds the smoothed gain in dB and the mean squares. With `band` the gain
        is that of a shelf: `key` is what lies above it, `band` what lies around its frequency.
        """
        _require(x.ndim == 2 and x.shape == key.shape and state.shape == (1 + x.shape[1],), "shapes", x, key, state)
        _require(band is None or band.shape == x.shape, "band", x)
        self._follow(x, key, curve, state, band)

    def gate(self, x: Samples, gate: Gate, state: Samples) -> None:
        """Scale `x` in place; `state` [2]: the gain, and for how many frames the gate is still open; see `Gate`."""
        _require(x.ndim == 2 and state.shape == (2,), "shapes", x, state)
        self._gate(x, gate, state)

    def true_peak(self, x: Samples, taps: Samples, heard: Samples, highest: float = 0.0) -> float:
        """The highest of `highest` and the peaks of `x` at eight times the rate; see design/truepeak.py for the taps.

        `heard` [channels, 2 len(taps) - 1] are the frames before x, updated: zeros at first, and len(taps) frames of
        zeros behind the end bring out what was held.
        """
        _require(x.ndim == 2 and heard.shape == (x.shape[1], 2 * len(taps) - 1), "x or heard", x, heard)
        return self._true_peak(x, taps, heard, highest)

    def limit(self, x: Samples, state: LimiterState) -> None:
        """Replace `x` by the frames of `state.delay` ago, turned down where a peak needs it; see `LimiterState`."""
        _require(x.ndim == 2 and x.shape[1] == state.channels, "channels", x)
        self._limit(x, state)

    def reverb(self, x: Samples, late: Samples, state: ReverbState) -> None:
        """Make of `x`, in place, the dry sound and what the network answers to `late`; see `ReverbState`."""
        _require(x.ndim == 2 and x.shape == late.shape and x.shape[1] == state.channels, "x or late", x, late)
        self._reverb(x, late, state)

    @abstractmethod
    def fft_fir(self, taps: Samples, channels: int, beside: FftFir | None = None) -> FftFir:
        """A convolution with `taps` [N], or [N, channels] for each channel its own, by FFT, at rest.

        beside  another of as many taps, of which it shares the tables and the room to work in; the two must not be at
                work at the same time.
        """

    @abstractmethod
    def _load(self, block: Block, out: Samples) -> int: ...

    @abstractmethod
    def _store(
        self, x: Samples, out: Block, bits: int, dither: bool, seed: int, first_sample: int, limit: bool
    ) -> tuple[int, float, int]: ...

    @abstractmethod
    def _sos(self, x: Samples, sos: Samples, state: Samples) -> None: ...

    @abstractmethod
    def _gain(self, x: Samples, factor: float) -> None: ...

    @abstractmethod
    def _mix(self, x: Samples, weights: Samples, out: Samples) -> None: ...

    @abstractmethod
    def _power(self, x: Samples, sos: Samples, state: Samples, weights: Samples, out: Samples) -> None: ...

    @abstractmethod
    def _follow(self, x: Samples, key: Samples, curve: Curve, state: Samples, band: Samples | None) -> None: ...

    @abstractmethod
    def _gate(self, x: Samples, gate: Gate, state: Samples) -> None: ...

    @abstractmethod
    def _true_peak(self, x: Samples, taps: Samples, heard: Samples, highest: float) -> float: ...

    @abstractmethod
    def _limit(self, x: Samples, state: LimiterState) -> None: ...

    @abstractmethod
    def _reverb(self, x: Samples, late: Samples, state: ReverbState) -> None: ...

    @abstractmethod
    def _fir(self, x: Samples, taps: Samples, out: Samples) -> None:
        """out[n] = sum over i of taps[i] x[n + N - 1 - i]; len(out) = len(x) - N + 1, or 0 where x is shorter."""


class FftFir(ABC):
    """Overlap-save convolution on a grid of pairs of hops that starts with the stream.

    `process` gives back whole pairs of hops, so the output comes in bursts, late by less than `pair_frames`, and whole
    only after zeros were pushed behind the end. Joined, it is the same to the last bit for any cutting of the input.
    """

    in_step = False

    def __init__(self, kernel: Kernel, taps: Samples, channels: int) -> None:
        self._kernel = kernel
        self.taps, self.channels = np.ascontiguousarray(taps, np.float64), channels
        _require(taps.shape[1:] in ((), (channels,)), "taps", taps)
        self.size = fft_size(len(taps))
        self.hop = self.size - len(taps) + 1
        self.pair_frames = 2 * self.hop
        self.pending = np.zeros((channels, self.size + self.hop))
        self.reset()

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy has tables of its own, and what was heard."""
        return _as_heard, (self._kernel, self.taps, self.channels, self.pending, self.filled)

    def reset(self) -> None:
        """Forget everything heard."""
        self.pending[:] = 0.0
        self.filled = len(self.taps) - 1

    def process(self, x: Samples) -> Samples:
        """Take `x` [frames, channels], give the frames of output that became ready."""
        _require(x.ndim == 2 and x.shape[1] == self.channels, "channels", x)
        ready = (self.filled - len(self.taps) + 1 + len(x)) // self.pair_frames * self.pair_frames
        out = np.empty((ready, self.channels))
        self._push(x, out)
        return out

    @abstractmethod
    def _push(self, x: Samples, out: Samples) -> None:
        """Append x to `pending` behind `filled`; whenever it is full, convolve, write to out and keep the last N-1."""


def _as_heard(kernel: Kernel, taps: Samples, channels: int, pending: Samples, filled: int) -> FftFir:
    made = kernel.fft_fir(taps, channels)
    made.pending[...], made.filled = pending, filled
    return made


def fft_bytes(taps: int, channels: int, count: int = 1) -> int:
    """Memory that `count` `FftFir`s beside each other take, their largest blocks of output with them."""
    size = fft_size(taps)
    hop = size - taps + 1
    return 8 * (TABLES * size + count * (RESPONSE * size + channels * (size + 3 * hop)))


def fft_size(taps: int) -> int:
    """Points of the transform: a power of two, four times the taps or more, so that at least 3 of 4 outputs are valid.

    Below MIN_FFT_SIZE the copying around it costs more than the transform (measured); beyond LONG_TAPS, where the
    arrays leave the caches and begin to fill memory, twice the taps.
    """
    covering = 1 << (taps - 1).bit_length()
    return max(MIN_FFT_SIZE, (4 if taps <= LONG_TAPS else 2) * covering)


def _require(condition: bool, what: str, *arrays: Block) -> None:
    if not condition:
        raise ValueError(f"{what}: " + ", ".join(f"{array.dtype} {array.shape}" for array in arrays))
