"""Every clone of the C kernel that runs here, and the twin, against SciPy, exact integers and each other."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from scipy import signal

from torchfx_cli.kernel import load as loading
from torchfx_cli.kernel.base import LONG_TAPS, MIN_FFT_SIZE, Kernel, at_rest, fft_size
from torchfx_cli.kernel.load import available, load
from torchfx_cli.kernel.native import Native
from torchfx_cli.kernel.twin import FLOAT_LIMIT, tpdf

CLONES = ("avx512", "avx2", "baseline", "twin")
KERNELS: dict[str, Kernel] = {k.clone if isinstance(k, Native) else "twin": k for k in available()}
SECTIONS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 13)
# float64 sums in another order differ by a few units of 1.1e-16 times the conditioning of the filters used here.
SAME_FILTER = 1e-13
# Of an FFT convolution, relative to the full output: 200 dB.
SNR_200_DB = 1e-10
SNR_240_DB = 1e-12


@pytest.fixture(params=CLONES)
def kernel(request: pytest.FixtureRequest) -> Kernel:
    if request.param not in KERNELS:
        pytest.skip(f"{request.param}: {KERNELS['twin'].reason or 'not on this processor'}")
    return KERNELS[request.param]


def noise(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def cascade(sections: int) -> np.ndarray:
    """Stable resonances spread over the band, with zeros elsewhere on and off the circle."""
    angle = np.linspace(0.1, 2.9, sections)
    radius = np.linspace(0.98, 0.6, sections)
    rows = [
        [0.7, -1.1 * np.cos(a + 0.3), 0.6 + 0.1 * r, 1.0, -2 * r * np.cos(a), r * r]
        for a, r in zip(angle, radius, strict=True)
    ]
    return np.array(rows)


def cut(frames: int, size: int) -> list[int]:
    return [*range(0, frames, size), frames]


def sos_in_blocks(kernel: Kernel, x: np.ndarray, sos: np.ndarray, edges: list[int]) -> tuple[np.ndarray, np.ndarray]:
    y, state = x.copy(), at_rest(len(sos), x.shape[1])
    for start, end in pairwise(edges):
        kernel.sos(y[start:end], sos, state)
    return y, state


def relative(got: np.ndarray, truth: np.ndarray) -> float:
    return float(np.abs(got - truth).max() / np.abs(truth).max())


# ---- rows and blocks


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 2, 3, 5, 8, 9, 17])
def test_rows_become_blocks_and_blocks_rows(kernel: Kernel, channels: int, dtype: type) -> None:
    for frames in (0, 1, 7, 8, 33):
        shape = channels, 50
        for whole in (np.ones(shape, dtype), np.ones(shape[::-1], dtype).T, np.ones(shape, dtype)[::-1]):
            rows, block, values = whole[:, 5 : 5 + frames], np.empty((frames, channels)), noise(frames, channels)
            kernel.to_rows(values, rows)
            assert np.array_equal(rows, values.T.astype(dtype)), rows.strides
            kernel.from_rows(rows, block)
            assert np.array_equal(block, rows.T), rows.strides
            assert np.count_nonzero(whole == 1.0) == whole.size - rows.size  # nothing beside them was written


# ---- second-order sections


@pytest.mark.parametrize("sections", SECTIONS)
def test_a_cascade_is_what_scipy_computes_for_any_number_of_channels(kernel: Kernel, sections: int) -> None:
    sos = cascade(sections)
    for channels in (1, 2, 3, 4, 7, 8, 9, 33):
        x = noise(700, channels)
        truth = signal.sosfilt(sos, x, axis=0)
        y, _ = sos_in_blocks(kernel, x, sos, [0, 700])
        assert relative(y, truth) < SAME_FILTER, f"{channels} channels"


@pytest.mark.parametrize("sections", SECTIONS)
def test_ragged_blocks_change_no_bit_of_a_cascade(kernel: Kernel, sections: int) -> None:
    sos, edges = cascade(sections), [0, 0, 1, 2, 3, 5, 5, 22, 39, 40, 57, 57, 566, 583, 584, 700]
    for channels in range(1, 34):
        x = noise(700, channels)
        whole, whole_state = sos_in_blocks(kernel, x, sos, [0, 700])
        blocks, state = sos_in_blocks(kernel, x, sos, edges)
        assert np.array_equal(whole, blocks), f"{channels} channels"
        assert np.array_equal(whole_state, state), f"{channels} channels"


@pytest.mark.parametrize("channels", [1, 2, 5, 8])
@pytest.mark.parametrize("size", [1, 17, 509, 44100])
def test_equal_blocks_change_no_bit_of_a_cascade(kernel: Kernel, size: int, channels: int) -> None:
    frames = 1000 if size == 1 else 9000
    x, sos = noise(frames, channels), cascade(13)
    whole, _ = sos_in_blocks(kernel, x, sos, [0, frames])
    blocks, _ = sos_in_blocks(kernel, x, sos, cut(frames, size))
    assert np.array_equal(whole, blocks)


@pytest.mark.parametrize("sections", [1, 6, 13])
def test_a_channel_is_the_same_alone_and_among_others(kernel: Kernel, sections: int) -> None:
    x, sos = noise(300, 19), cascade(sections)
    together, _ = sos_in_blocks(kernel, x, sos, [0, 300])
    for channel in range(19):
        alone, _ = sos_in_blocks(kernel, np.ascontiguousarray(x[:, [channel]]), sos, [0, 300])
        assert np.array_equal(alone[:, 0], together[:, channel]), f"channel {channel}"


def test_the_state_of_several_sections_is_that_of_the_transposed_direct_form(kernel: Kernel) -> None:
    x, sos = noise(400, 3), cascade(6)
    _, state = sos_in_blocks(kernel, x, sos, [0, 400])
    _, zi = signal.sosfilt(sos, x, axis=0, zi=np.zeros((6, 2, 3)))
    assert relative(state[..., :2].transpose(0, 2, 1), zi) < SAME_FILTER


def test_a_hundred_sections_work(kernel: Kernel) -> None:
    sos = np.tile(signal.butter(2, 0.6, output="sos"), (100, 1))
    for channels in (1, 2, 8):
        x = noise(2000, channels)
        y, _ = sos_in_blocks(kernel, x, sos, [0, 2000])
        assert relative(y, signal.sosfilt(sos, x, axis=0)) < SAME_FILTER


def test_a_20_hz_highpass_at_192_khz_keeps_200_db(kernel: Kernel) -> None:
    sos = signal.butter(4, 20, "highpass", fs=192000, output="sos")
    x = noise(100_000, 2)
    y, _ = sos_in_blocks(kernel, x, sos, [0, len(x)])
    assert relative(y, signal.sosfilt(sos, x, axis=0)) < SNR_200_DB


@pytest.mark.skipif(np.finfo(np.longdouble).nmant <= 52, reason="no type here is finer than float64")
@pytest.mark.parametrize("fs", [48000, 192000])
@pytest.mark.parametrize("kind", ["lowpass", "highpass"])
def test_a_section_alone_keeps_240_db_at_20_hz(kernel: Kernel, kind: str, fs: int) -> None:
    """Of what the same coefficients make in a finer type; SciPy, which the twin calls, keeps 223 dB."""
    sos, x = signal.butter(2, 20, kind, fs=fs, output="sos"), np.cumsum(noise(20_000))
    b0, b1, b2, _, a1, a2 = sos[0].astype(np.longdouble)
    s1 = s2 = np.longdouble(0)
    truth = np.empty(len(x), np.longdouble)
    for n, sample in enumerate(x):
        truth[n] = y = b0 * sample + s1
        s1, s2 = b1 * sample - a1 * y + s2, b2 * sample - a2 * y
    got, _ = sos_in_blocks(kernel, x[:, None], sos, [0, len(x)])
    error = np.sqrt(np.sum((got[:, 0] - truth) ** 2) / np.sum(truth**2))
    assert error < (SNR_240_DB if isinstance(kernel, Native) else SNR_200_DB)


def test_no_sections_or_no_frames_leave_all_as_it_was(kernel: Kernel) -> None:
    x = noise(10, 2)
    y = x.copy()
    kernel.sos(y, np.zeros((0, 6)), at_rest(0, 2))
    assert np.array_equal(x, y)
    state = noise(*at_rest(3, 2).shape)
    before = state.copy()
    kernel.sos(np.zeros((0, 2)), cascade(3), state)
    assert np.array_equal(state, before)


def test_gradual_underflow_works_after_each_call(kernel: Kernel) -> None:
    tiny, fir = np.full(16, 5e-310), kernel.fft_fir(np.ones(100), 1)
    x, state = np.full((100, 8), 1e-300), at_rest(6, 8)
    kernel.sos(x, cascade(6), state)
    kernel.fir_direct(x, np.ones(3), np.zeros((2, 8)), np.empty_like(x))
    fir.process(np.ones((5000, 1)))
    assert np.array_equal(tiny * 0.5, np.full(16, 2.5e-310))


@pytest.mark.parametrize("channels", [1, 2, 8])
def test_a_native_filter_decays_to_silence_and_not_to_subnormal_numbers(kernel: Kernel, channels: int) -> None:
    if not isinstance(kernel, Native):
        pytest.skip("SciPy keeps them")
    x = np.zeros((20000, channels))
    x[0] = 1.0
    y, state = sos_in_blocks(kernel, x, np.array([[1.0, 0, 0, 1.0, -1.8, 0.9]]), [0, len(x)])
    assert (np.abs(state) >= np.finfo(float).tiny).all() or (state == 0.0).all()
    assert not y[-1].any()


# ---- impulse responses


def mirrored(taps: int) -> np.ndarray:
    """A linear-phase design as far as rounding lets it be one."""
    half = noise(taps, seed=2)
    return (half + half[::-1]) * (1.0 + 2e-16 * np.sign(noise(taps, seed=3)))


@pytest.mark.parametrize("taps", [1, 2, 7, 12, 32, 65, 101])
@pytest.mark.parametrize("design", [lambda taps: noise(taps, seed=2), mirrored], ids=["any", "mirrored"])
def test_a_direct_fir_is_a_convolution_in_any_blocks(
    kernel: Kernel, taps: int, design: Callable[[int], np.ndarray]
) -> None:
    h = design(taps)
    for channels in (1, 2, 3, 5, 8, 33):
        x = noise(600, channels)
        truth = np.stack([np.convolve(c, h)[:600] for c in x.T], axis=1)
        results = []
        for edges in ([0, 600], [0, 0, 1, 2, 4, 21, 38, 547, 600], [*range(70), 600]):
            out, history = np.empty_like(x), np.zeros((taps - 1, channels))
            for start, end in pairwise(edges):
                kernel.fir_direct(x[start:end], h, history, out[start:end])
            results.append(out)
            assert np.array_equal(history, x[600 - taps + 1 :])
        assert relative(results[0], truth) < SAME_FILTER
        assert all(np.array_equal(results[0], other) for other in results[1:]), f"{channels} channels"


@pytest.mark.parametrize("design", [lambda taps: noise(taps, seed=2), mirrored], ids=["any", "mirrored"])
def test_a_direct_fir_keeps_float64_over_a_long_block_and_writes_nothing_else(
    kernel: Kernel, design: Callable[[int], np.ndarray]
) -> None:
    """Each value against exact sums, within a few roundings of the sum of |tap sample|."""
    h = design(65)
    for channels, start in ((1, 9100), (2, 4711), (3, 2222)):
        x, out = noise(9200, channels), np.full((9200, channels), 7.0)
        whole = out[64:-3]
        kernel._fir(x[:-3], h, whole)
        assert (out[:64] == 7.0).all()
        assert (out[-3:] == 7.0).all()
        for n in (64, start, 9196):
            for c in range(channels):
                terms = [Fraction(a) * Fraction(b) for a, b in zip(h, x[n - 64 : n + 1, c][::-1], strict=True)]
                assert abs(Fraction(out[n, c]) - sum(terms)) < 1e-15 * sum(map(abs, terms))
        for n in (start, 9197):
            again = np.empty((n - 64, channels))
            kernel._fir(x[:n], h, again)
            assert np.array_equal(again, whole[: len(again)])


def push(kernel: Kernel, h: np.ndarray, x: np.ndarray, edges: list[int]) -> np.ndarray:
    """The convolution as the engine gets it: blocks in, then zeros until all frames are out."""
    fir = kernel.fft_fir(h, x.shape[1])
    out = [fir.process(x[start:end]) for start, end in pairwise(edges)]
    while sum(map(len, out)) < len(x):
        out.append(fir.process(np.zeros((1000, x.shape[1]))))
    return np.concatenate(out)[: len(x)]


@pytest.mark.parametrize(("taps", "channels"), [(1, 1), (49, 2), (511, 1), (511, 2), (512, 3), (513, 8), (3000, 1)])
def test_an_fft_fir_keeps_200_db_and_no_bit_depends_on_blocks(kernel: Kernel, taps: int, channels: int) -> None:
    x, h = noise(20_011, channels), noise(taps, seed=2) / taps
    truth = signal.oaconvolve(x, h[:, None], axes=0)[: len(x)]
    truth[:300] = np.stack([np.convolve(c[:300], h)[:300] for c in x.T], axis=1)
    whole = push(kernel, h, x, [0, len(x)])
    assert relative(whole, truth) < SNR_200_DB
    for size in (17, 509, 4410):
        assert np.array_equal(whole, push(kernel, h, x, cut(len(x), size))), f"blocks of {size}"


def test_an_fft_fir_gives_the_same_frames_whatever_follows(kernel: Kernel) -> None:
    x, h = noise(9000, 2), noise(300, seed=2)
    longer = np.concatenate([x, np.zeros((50_000, 2))])
    assert np.array_equal(push(kernel, h, x, cut(9000, 1)), push(kernel, h, longer, [0, len(longer)])[:9000])


def test_an_fft_fir_returns_its_taps_for_an_impulse_and_silence_for_silence(kernel: Kernel) -> None:
    h = noise(700, seed=2)
    x = np.zeros((6000, 3))
    x[0, 0], x[:, 2] = 1.0, noise(6000)
    y = push(kernel, h, x, [0, 6000])
    assert np.abs(y[:700, 0] - h).max() < 1e-14
    assert not y[:, 1].any()


def test_a_response_of_100_000_taps_works(kernel: Kernel) -> None:
    h = noise(100_000, seed=2)
    x = np.zeros((100_003, 1))
    x[2] = 1.0
    assert np.abs(push(kernel, h, x, [0, len(x)])[2:100_002, 0] - h).max() < 1e-12


def test_reset_begins_a_new_recording(kernel: Kernel) -> None:
    x, fir = noise(5000, 2), kernel.fft_fir(noise(200, seed=2), 2)
    first = fir.process(x)
    fir.reset()
    assert len(first)
    assert np.array_equal(first, fir.process(x))


def test_transforms_are_powers_of_two_that_hold_at_least_as_many_outputs_as_taps() -> None:
    for taps in (1, 2, 511, 512, 513, LONG_TAPS, LONG_TAPS + 1, 1 << 20):
        size = fft_size(taps)
        assert size >= MIN_FFT_SIZE
        assert size & (size - 1) == 0
        assert size - taps + 1 >= taps


def test_each_channel_may_have_its_own_response(kernel: Kernel) -> None:
    """To the last bit what that channel is by itself."""
    x, h = noise(9000, 3), noise(300, 3, seed=2)
    together = kernel.fft_fir(h, 3).process(x)
    for channel in range(3):
        alone = kernel.fft_fir(np.ascontiguousarray(h[:, channel]), 1).process(np.ascontiguousarray(x[:, [channel]]))
        assert np.array_equal(together[:, [channel]], alone)
        assert len(alone) > 3000


def test_all_clones_agree() -> None:
    x, sos, h = noise(8200, 5), cascade(8), noise(60, seed=2)
    results = []
    for kernel in KERNELS.values():
        out = np.empty_like(x)
        kernel.fir_direct(x, h, np.zeros((59, 5)), out)
        results.append((sos_in_blocks(kernel, x, sos, [0, 8200])[0], out, push(kernel, h, x, [0, 8200])))
    for result in results[1:]:
        for got, truth in zip(result, results[0], strict=True):
            assert relative(got, truth) < SAME_FILTER


def test_gain_multiplies(kernel: Kernel) -> None:
    x = noise(37, 3)
    y = x.copy()
    kernel.gain(y, -0.3)
    assert np.array_equal(y, x * -0.3)


@pytest.mark.parametrize(("heard", "made"), [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (6, 2)])
def test_a_mix_adds_in_the_order_of_the_channels(kernel: Kernel, heard: int, made: int) -> None:
    """To the last bit, and none of it is -0."""
    x, weights = noise(37, heard), noise(made, heard, seed=2)
    weights[-1, 0], x[3] = 0.0, -0.0
    truth = np.zeros((37, made))
    for n in range(heard):
        truth += x[:, [n]] * weights[:, n]
    out = np.empty((37, made))
    kernel.mix(x, weights, out)
    assert out.tobytes() == truth.tobytes()


@pytest.mark.parametrize("channels", [1, 2, 5, 700])
def test_power_is_a_weighted_sum_of_squares_however_it_is_cut(kernel: Kernel, channels: int) -> None:
    x, weights, sos = noise(1100, channels), np.linspace(1.41, 0.0, channels), cascade(2)
    for rows in (np.zeros((0, 6)), sos):
        results = []
        for edges in ([0, 1100], [0, 1, 18, 527, 1100]):
            out, state = np.empty(1100), at_rest(len(rows), channels)
            for start, end in pairwise(edges):
                kernel.power(x[start:end], rows, state, weights, out[start:end])
            results.append(out)
        truth = (signal.sosfilt(rows, x, axis=0) if len(rows) else x) ** 2 @ weights
        assert relative(results[0], truth) < SAME_FILTER
        assert np.array_equal(*results)


# ---- samples in


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32", "float64"])
def test_loading_scales_exactly(kernel: Kernel, dtype: str) -> None:
    rng = np.random.default_rng(3)
    for frames in (0, 1, 7, 100):
        if dtype.startswith("int"):
            info = np.iinfo(dtype)
            block = rng.integers(info.min, info.max, (frames, 3), dtype, endpoint=True)
            block[:1] = [info.min, info.max, -1]
            truth = block / 2.0 ** (info.bits - 1)
        else:
            block = rng.standard_normal((frames, 3)).astype(dtype)
            truth = block.astype(float)
        out = np.empty((frames, 3))
        assert kernel.load_samples(block, out) == -1
        assert np.array_equal(out, truth)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf, -np.inf])
def test_loading_finds_the_first_non_finite_sample(kernel: Kernel, value: float, dtype: str) -> None:
    for position in (0, 5, 8, 31, 44, 45):
        block = np.full((23, 2), np.finfo(dtype).max, dtype)
        block.flat[position] = value
        block.flat[45] = np.nan
        assert kernel.load_samples(block, np.empty((23, 2))) == position


# ---- samples out


def quantised(x: float, bits: int, width: int) -> int:
    """Scaled, rounded half to even, clipped, left-justified: in exact fractions."""
    half = 1 << (bits - 1)
    return max(-half, min(half - 1, round(Fraction(x) * half))) << (width - bits)


@pytest.mark.parametrize(("dtype", "bits"), [("int16", 8), ("int16", 16), *(("int32", b) for b in (8, 16, 20, 24, 32))])
def test_integers_are_rounded_to_nearest_clipped_and_left_justified(kernel: Kernel, dtype: str, bits: int) -> None:
    half = 2.0 ** (bits - 1)
    top = [half - 2.5, half - 1.5, half - 1, half - 0.5, half, half + 1]
    centres = np.array([0, 0.5, 1, 1.5, 2.5, 100.5, *top]) / half
    near = np.concatenate([centres, np.nextafter(centres, -9), np.nextafter(centres, 9)])
    rng = np.random.default_rng(4)
    x = np.concatenate([near, -near, [1.5, -3, 1e10, -1e300, 1.7e308], rng.uniform(-1.1, 1.1, 400)])
    x = x[: len(x) // 3 * 3].reshape(-1, 3)
    out = np.empty(x.shape, dtype)
    clipped, peak, bad = kernel.store_samples(x, out, bits, False, 0, 0, False)
    assert out.ravel().tolist() == [quantised(v, bits, out.itemsize * 8) for v in x.ravel().tolist()]
    exact = [round(Fraction(v) * int(half)) for v in x.ravel().tolist()]
    assert clipped == sum(not -half <= v <= half - 1 for v in exact)
    assert (peak, bad) == (np.abs(x).max(), -1)


@pytest.mark.parametrize(("dtype", "bits"), [("int16", 8), ("int16", 16), ("int32", 24), ("int32", 32)])
def test_integers_survive_loading_and_storing(kernel: Kernel, dtype: str, bits: int) -> None:
    width = np.iinfo(dtype).bits
    values = np.random.default_rng(5).integers(-(1 << (bits - 1)), 1 << (bits - 1), (5000, 2)) << (width - bits)
    block, out = values.astype(dtype), np.empty((5000, 2), dtype)
    x = np.empty((5000, 2))
    kernel.load_samples(block, x)
    assert kernel.store_samples(x, out, bits, False, 0, 0, False)[0] == 0
    assert np.array_equal(out, block)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_are_kept_and_clipped_only_on_request(kernel: Kernel, dtype: str) -> None:
    x = np.array([[0.3, -0.0], [1.0, -1.0], [1.0000001, -7.0], [1e-40, 1e30]])
    out = np.empty(x.shape, dtype)
    assert kernel.store_samples(x, out, 0, False, 0, 0, False) == (0, 1e30, -1)
    assert out.tobytes() == x.astype(dtype).tobytes()
    assert kernel.store_samples(x, out, 0, False, 0, 0, True) == (3, 1e30, -1)
    assert np.array_equal(out, np.clip(x, -1, 1).astype(dtype))


@pytest.mark.parametrize(("dtype", "bits"), [("int16", 16), ("int32", 24), ("float32", 0), ("float64", 0)])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_found_and_stored_as_zero(kernel: Kernel, dtype: str, bits: int, value: float) -> None:
    for position in (0, 5, 8, 31, 45):
        for limit in (False, True):
            x = np.full((23, 2), 0.5)
            x.flat[position] = value
            x.flat[45] = np.nan
            out = np.ones(x.shape, dtype)
            assert kernel.store_samples(x, out, bits, False, 0, 0, limit) == (0, 0.5, position)
            assert np.array_equal(out == 0, ~np.isfinite(x))


def test_what_float32_cannot_hold_is_bad_unless_it_is_limited(kernel: Kernel) -> None:
    x, out = np.array([[FLOAT_LIMIT], [np.nextafter(FLOAT_LIMIT, np.inf)]]), np.empty((2, 1), np.float32)
    assert kernel.store_samples(x, out, 0, False, 0, 0, False) == (0, FLOAT_LIMIT, 1)
    assert out.ravel().tolist() == [np.finfo(np.float32).max, 0.0]
    assert kernel.store_samples(x, out, 0, False, 0, 0, True) == (2, x.max(), -1)
    assert out.ravel().tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("dtype", "bits"), [("int16", 8), ("int16", 16), ("int32", 24)])
def test_dithered_bits_are_those_of_the_twin_in_any_blocks(kernel: Kernel, dtype: str, bits: int) -> None:
    x = noise(1000, 3) * 0.5
    for first in (0, 12345, (1 << 31) // 3 - 300, (1 << 45) + 7):
        truth, out = np.empty(x.shape, dtype), np.empty(x.shape, dtype)
        seen = KERNELS["twin"].store_samples(x, truth, bits, True, 99, first, False)
        clipped = 0
        for start, end in pairwise([0, 1, 2, 19, 19, 528, 1000]):
            clipped += kernel.store_samples(x[start:end], out[start:end], bits, True, 99, first + start, False)[0]
        assert np.array_equal(out, truth), f"from frame {first}"
        assert clipped == seen[0]


# ---- dither: statistics of 400 000 errors, bounds of five standard deviations


COUNT = 400_000
FIVE_SIGMA = 5 / COUNT**0.5


def errors(kernel: Kernel, value_steps: float, seed: int = 1, channels: int = 1) -> np.ndarray:
    """Total error, in steps, of a constant stored with 16 bits."""
    x = np.full((COUNT // channels, channels), value_steps / 32768)
    out = np.empty(x.shape, np.int16)
    kernel.store_samples(x, out, 16, True, seed, 0, False)
    return out - value_steps


@pytest.mark.parametrize("value_steps", [0.0, 0.25, 0.5, -100.9])
def test_the_error_has_no_mean_and_a_quarter_step_of_variance_for_any_signal(
    kernel: Kernel, value_steps: float
) -> None:
    error = errors(kernel, value_steps)
    assert abs(error.mean()) < 0.5 * FIVE_SIGMA
    assert error.var() == pytest.approx(0.25, abs=1.5 * 0.25 * FIVE_SIGMA)


def test_dither_is_triangular() -> None:
    numbers = np.sort(tpdf(3, 0, COUNT))
    below = np.where(numbers < 0, (numbers + 1) ** 2 / 2, 1 - (1 - numbers) ** 2 / 2)
    assert np.abs(below - np.arange(COUNT) / COUNT).max() < 1.95 / COUNT**0.5  # Kolmogorov-Smirnov, p = 0.001
    assert numbers.var() == pytest.approx(1 / 6, rel=0.01)


@pytest.mark.parametrize("seed", [0, 1, 2**63])
def test_dither_is_white_and_channels_and_seeds_are_independent(kernel: Kernel, seed: int) -> None:
    error = errors(kernel, 0.5, seed)[:, 0] * 2
    lags = [float(np.mean(error[lag:] * error[:-lag])) for lag in (1, 2, 3, 4, 7, 8, 16, 64, 1024, 65536)]
    assert max(map(abs, lags)) < 1.1 * FIVE_SIGMA
    power = np.abs(np.fft.rfft(error.reshape(-1, 400)))[:, 1:-1] ** 2 / 400
    assert np.abs(power.mean(axis=0) - 1).max() < 5 / len(power) ** 0.5
    left, right = errors(kernel, 0.5, seed, channels=2).T * 2
    assert abs(np.mean(left * right)) < 2**0.5 * FIVE_SIGMA
    assert abs(np.mean(error * errors(kernel, 0.5, seed + 1)[:, 0] * 2)) < FIVE_SIGMA


# ---- finding and calling it


def test_wrong_shapes_and_types_are_refused(kernel: Kernel) -> None:
    x = np.zeros((10, 2))
    with pytest.raises(ValueError, match="shapes"):
        kernel.sos(x, np.zeros((2, 6)), np.zeros((2, 3, 2)))
    with pytest.raises(ValueError, match="differ in shape"):
        kernel.store_samples(x, np.zeros((9, 2)), 0, False, 0, 0, False)
    with pytest.raises(ValueError, match="does not hold 24-bit"):
        kernel.store_samples(x, np.zeros((10, 2), np.int16), 24, False, 0, 0, False)
    with pytest.raises(ValueError, match="block or out"):
        kernel.load_samples(x.astype(np.int64), x)
    if isinstance(kernel, Native):
        with pytest.raises(ValueError, match="not C-contiguous"):
            kernel.gain(np.zeros((2, 10)).T, 2.0)


def test_the_best_kernel_is_taken_and_the_twin_says_why_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded(value: str) -> tuple[str, str]:
        monkeypatch.setenv(loading.VARIABLE, value)
        load.cache_clear()
        return load().name, load().reason

    try:
        assert loaded("")[0] == available()[0].name
        assert loaded("twin") == ("numpy twin", "forced by TORCHFX_KERNEL=twin")
        assert loaded("vax") == ("numpy twin", f"TORCHFX_KERNEL=vax, but {_missing()}")
        monkeypatch.setattr(loading, "EXTENSION_SUFFIXES", [])
        assert loaded("") == ("numpy twin", "the C kernel was not built (no C compiler at installation?)")
    finally:
        load.cache_clear()


def _missing() -> str:
    return KERNELS["twin"].reason or "this processor has no such clone"
