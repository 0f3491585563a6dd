"""The C kernel, called through ctypes: a few pointers and numbers a call, the GIL released while it runs."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import POINTER, byref, c_char_p, c_double, c_int, c_int64, c_uint64, c_void_p
from typing import Any

import numpy as np

from torchfx_cli.kernel.base import Block, FftFir, Kernel, Samples
from torchfx_cli.kernel.following import Curve, Gate
from torchfx_cli.kernel.limiting import LimiterState, largest_gain
from torchfx_cli.kernel.reverberating import ReverbState

LANES = {"avx512": 8, "avx2": 4, "baseline": 2}
# Where overlap-save becomes cheaper than the direct sum: measured, one thread (benchmarks/kernel.py --thresholds).
DIRECT_MAX_TAPS = {"avx512": 48, "avx2": 128, "baseline": 48}
MIRRORED_MAX_TAPS = {"avx512": 48, "avx2": 176, "baseline": 60}
ALIGNMENT_BYTES = 64  # of a vector of 8 doubles
# Keyed by dtype objects: asking one for its name takes longer than a small block.
SUFFIXES = {np.dtype("int16"): "i16", np.dtype("int32"): "i32", np.dtype("float32"): "f32", np.dtype("float64"): "f64"}
FLOATS = (np.dtype("float32"), np.dtype("float64"))


class _Outcome(ctypes.Structure):
    _fields_ = (("clipped", c_int64), ("bad", c_int64), ("peak", c_double))


class _Plan(ctypes.Structure):
    """`fft_fir` in kernel.c."""

    _fields_ = (
        *((name, c_int64) for name in ("size", "taps", "channels", "filled", "response_step")),
        *((name, c_void_p) for name in ("split", "roots", "response", "pending", "work", "result")),
    )


class _Limiter(ctypes.Structure):
    """`limiter` in limiter.h; the names are those of `LimiterState`."""

    lengths = ("channels", "delay", "window", "first", "second")
    numbers = ("ceiling", "release", "norm")
    arrays = ("taps", "held", "heard", "block", "before", "first_ring", "second_ring")
    _fields_ = (
        *((name, c_int64) for name in lengths),
        ("places", c_int64 * 4),
        *((name, c_double) for name in numbers),
        ("memory", c_double * 4),
        *((name, c_void_p) for name in arrays),
    )


class _Reverb(ctypes.Structure):
    """`reverb` in reverb.h; the names are those of `ReverbState`."""

    arrays = ("starts", "lengths", "places", "gain", "pole", "ways_in", "ways_out", "memory", "lines")
    _fields_ = (("channels", c_int64), ("out_rows", c_int64), ("dry", c_double),
                *((name, c_void_p) for name in arrays))


_SIGNATURES: dict[str, tuple[Any, ...]] = {  # result, then arguments
    **{f"load_{suffix}": (c_int64, c_void_p, c_void_p, c_int64) for suffix in SUFFIXES.values()},
    **{
        f"store_{suffix}": (
            None, c_void_p, c_void_p, c_int64, c_int, c_int, c_uint64, c_uint64, c_int, POINTER(_Outcome)
        )
        for suffix in SUFFIXES.values()
    },
    **{f"from_rows_{suffix}": (None, c_void_p, c_int64, c_void_p, c_int64, c_int64) for suffix in ("f32", "f64")},
    **{f"to_rows_{suffix}": (None, c_void_p, c_int64, c_int64, c_void_p, c_int64) for suffix in ("f32", "f64")},
    "sos": (None, c_void_p, c_int64, c_int64, c_void_p, c_int64, c_void_p),
    "gain": (None, c_void_p, c_int64, c_double),
    "mix": (None, c_void_p, c_int64, c_int64, c_void_p, c_int64, c_void_p),
    "power": (None, c_void_p, c_int64, c_int64, c_void_p, c_int64, c_void_p, c_void_p, c_void_p),
    "follow": (None, c_void_p, c_void_p, c_void_p, c_int64, c_int64, c_void_p, c_void_p),
    "gate": (None, c_void_p, c_int64, c_int64, c_void_p, c_void_p),
    "true_peak": (c_double, c_void_p, c_int64, c_int64, c_void_p, c_double, c_void_p, c_double),
    "limit": (None, POINTER(_Limiter), c_void_p, c_int64),
    "reverb": (None, POINTER(_Reverb), c_void_p, c_void_p, c_int64),
    "fir": (None, c_void_p, c_void_p, c_int64, c_void_p, c_int64, c_int64),
    "fft_prepare": (None, POINTER(_Plan)),
    "fft_process": (None, POINTER(_Plan), c_void_p, c_int64, c_void_p),
}


def clones(library: ctypes.CDLL) -> dict[str, str]:
    """Suffix of the C functions -> name, for each clone that this processor runs, best first."""
    library.clones.restype = c_char_p
    return dict(clone.split("=") for clone in library.clones().decode().split())


class Native(Kernel):
    """See `Kernel`. `clone` is one of the suffixes that `clones` gives."""

    def __init__(self, library: ctypes.CDLL, clone: str, name: str, reason: str = "") -> None:
        self.name, self.reason, self.clone = name, reason, clone
        self.direct_max_taps, self.mirrored_max_taps = DIRECT_MAX_TAPS[clone], MIRRORED_MAX_TAPS[clone]
        c = {name: _function(library, f"{name}_{clone}", *types) for name, types in _SIGNATURES.items()}
        self._loaders = {dtype: c[f"load_{suffix}"] for dtype, suffix in SUFFIXES.items()}
        self._storers = {dtype: c[f"store_{suffix}"] for dtype, suffix in SUFFIXES.items()}
        self._from_rows = {dtype: c[f"from_rows_{SUFFIXES[dtype]}"] for dtype in FLOATS}
        self._to_rows = {dtype: c[f"to_rows_{SUFFIXES[dtype]}"] for dtype in FLOATS}
        self.c_sos, self.c_gain, self.c_fir = c["sos"], c["gain"], c["fir"]
        self.c_true_peak, self.c_mix, self.c_power = c["true_peak"], c["mix"], c["power"]
        self.c_follow, self.c_gate, self.c_limit = c["follow"], c["gate"], c["limit"]
        self.c_reverb = c["reverb"]
        self.c_fft_prepare, self.c_fft_process = c["fft_prepare"], c["fft_process"]

    def fft_fir(self, taps: Samples, channels: int, beside: FftFir | None = None) -> FftFir:
        return _NativeFftFir(self, taps, channels, beside)

    def from_rows(self, rows: Block, block: Samples) -> None:
        if rows.strides[1] == rows.itemsize:
            stride = rows.strides[0] // rows.itemsize
            self._from_rows[rows.dtype](rows.ctypes.data, stride, _address(block, np.float64), *block.shape)
        else:
            super().from_rows(rows, block)

    def to_rows(self, block: Samples, rows: Block) -> None:
        if rows.strides[1] == rows.itemsize:
            stride = rows.strides[0] // rows.itemsize
            self._to_rows[rows.dtype](_address(block, np.float64), *block.shape, rows.ctypes.data, stride)
        else:
            super().to_rows(block, rows)

    def _load(self, block: Block, out: Samples) -> int:
        return int(self._loaders[block.dtype](_address(block), _address(out, np.float64), block.size))

    def _store(
        self, x: Samples, out: Block, bits: int, dither: bool, seed: int, first_sample: int, limit: bool
    ) -> tuple[int, float, int]:
        seen = _Outcome()
        self._storers[out.dtype](
            _address(x, np.float64), _address(out), x.size, bits, dither, seed % 2**64, first_sample, limit, byref(seen)
        )
        return seen.clipped, seen.peak, seen.bad

    def _sos(self, x: Samples, sos: Samples, state: Samples) -> None:
        frames, channels = x.shape
        self.c_sos(
            _address(x, np.float64), frames, channels, _address(sos, np.float64), len(sos), _address(state, np.float64)
        )

    def _gain(self, x: Samples, factor: float) -> None:
        self.c_gain(_address(x, np.float64), x.size, factor)

    def _mix(self, x: Samples, weights: Samples, out: Samples) -> None:
        samples, rows, made = (_address(array, np.float64) for array in (x, weights, out))
        self.c_mix(samples, *x.shape, rows, len(weights), made)

    def _power(self, x: Samples, sos: Samples, state: Samples, weights: Samples, out: Samples) -> None:
        samples, rows, held, factors, made = (_address(array, np.float64) for array in (x, sos, state, weights, out))
        self.c_power(samples, *x.shape, rows, len(sos), held, factors, made)

    def _follow(self, x: Samples, key: Samples, curve: Curve, state: Samples, band: Samples | None) -> None:
        self.c_follow(
            _address(x, np.float64), _address(key, np.float64), None if band is None else _address(band, np.float64),
            *x.shape, _address(curve.numbers, np.float64), _address(state, np.float64)
        )

    def _gate(self, x: Samples, gate: Gate, state: Samples) -> None:
        self.c_gate(_address(x, np.float64), *x.shape, _address(gate.numbers, np.float64), _address(state, np.float64))

    def _true_peak(self, x: Samples, taps: Samples, heard: Samples, highest: float) -> float:
        samples, rows, before = (_address(array, np.float64) for array in (x, taps, heard))
        return float(self.c_true_peak(samples, *x.shape, rows, largest_gain(taps), before, highest))

    def _limit(self, x: Samples, state: LimiterState) -> None:
        values = {name: getattr(state, name) for name in _Limiter.lengths + _Limiter.numbers}
        arrays = ((name, getattr(state, name)) for name in _Limiter.arrays)
        addresses = {name: _address(array, np.float64) for name, array in arrays if array is not None}
        limiter = _Limiter(**values, **addresses, places=tuple(state.places), memory=tuple(state.memory))
        self.c_limit(byref(limiter), _address(x, np.float64), len(x))
        state.places[:], state.memory[:] = limiter.places, limiter.memory

    def _reverb(self, x: Samples, late: Samples, state: ReverbState) -> None:
        addresses = {name: _address(getattr(state, name)) for name in _Reverb.arrays}
        network = _Reverb(state.channels, state.out_rows, state.dry, **addresses)
        self.c_reverb(byref(network), _address(x, np.float64), _address(late, np.float64), len(x))

    def _fir(self, x: Samples, taps: Samples, out: Samples) -> None:
        first = _address(x, np.float64) + (len(taps) - 1) * x.shape[1] * x.itemsize
        self.c_fir(first, _address(out, np.float64), out.size, _address(taps, np.float64), len(taps), x.shape[1])


class _NativeFftFir(FftFir):
    """The arrays of fft.h's plan; the C code works in `pending` and in scratch of its own."""

    def __init__(self, kernel: Native, taps: Samples, channels: int, beside: FftFir | None) -> None:
        super().__init__(kernel, taps, channels)
        self._process = kernel.c_fft_process
        lanes = LANES[kernel.clone]
        points, responses = self.size // lanes, self.taps.reshape(len(self.taps), -1).T
        if isinstance(beside, _NativeFftFir) and beside.size == self.size:
            self._shared: dict[str, Samples] = beside._shared
        else:
            self._shared = {
                "split": _split_roots(self.size, lanes),
                "roots": _pass_roots(points),
                "work": _aligned(points, 2, lanes),
                "result": _aligned(2, self.size),
            }
        self._arrays = {**self._shared, "response": _aligned(len(responses), points, 2, lanes), "pending": self.pending}
        addresses = {name: _address(array, np.float64) for name, array in self._arrays.items()}
        self._plan = _Plan(self.size, len(self.taps), channels, self.filled, **addresses)
        for taps, response in zip(responses, self._arrays["response"], strict=True):
            self._arrays["result"][0] = 0.0
            self._arrays["result"][0, : len(taps)] = taps / self.size
            self._plan.response = response.ctypes.data
            kernel.c_fft_prepare(byref(self._plan))
        self._plan.response = addresses["response"]
        self._plan.response_step = 2 * self.size if len(responses) > 1 else 0

    def _push(self, x: Samples, out: Samples) -> None:
        self._plan.filled = self.filled
        self._process(byref(self._plan), _address(x, np.float64), len(x), _address(out, np.float64))
        self.filled = self._plan.filled


def _function(library: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    function = library[name]  # a new object each time, where an attribute would be shared
    function.restype, function.argtypes = result, arguments
    return function


def _split_roots(size: int, lanes: int) -> Samples:
    """e^(-2 pi i j b / size), [groups of j, b in bit-reversed order, re and im, j within the group]."""
    bits = lanes.bit_length() - 1
    b = np.array([int(f"{i:0{bits}b}"[::-1], 2) for i in range(lanes)])
    j = np.arange(size // lanes).reshape(-1, 1, lanes)
    roots = _unit_roots(j * b[:, None], size)
    return np.ascontiguousarray(np.stack([roots.real, roots.imag], axis=2))


def _pass_roots(points: int) -> Samples:
    """For n = points, points / 4, ... > 4: w^j, w^2j, w^3j (re, im), j < n / 4, of w = e^(-2 pi i / n); end to end."""
    tables = [np.zeros(0)]
    while points > 4:
        roots = _unit_roots(np.arange(points // 4)[:, None] * (1, 2, 3), points)
        tables.append(np.stack([roots.real, roots.imag], axis=-1).ravel())
        points //= 4
    return np.concatenate(tables)


def _unit_roots(k: np.ndarray, n: int) -> np.ndarray:
    return np.exp(-2j * np.pi / n * (k % n))


def _aligned(*shape: int) -> Samples:
    """Zeros that begin at a multiple of ALIGNMENT_BYTES."""
    count = int(np.prod(shape))
    raw = np.zeros(count + ALIGNMENT_BYTES // 8)
    start = -raw.ctypes.data % ALIGNMENT_BYTES // 8
    return raw[start : start + count].reshape(shape)


def _address(array: Block, dtype: type | None = None) -> int:
    if not array.flags.c_contiguous or (dtype is not None and array.dtype != dtype):
        raise ValueError(f"an array is {array.dtype} {array.shape}, not C-contiguous {dtype or ''}")
    return array.ctypes.data
