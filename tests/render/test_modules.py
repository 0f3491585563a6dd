"""The torch modules against scipy.signal in float64: accuracy, streaming, gradients, devices, errors."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import pytest
import scipy.signal
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from torchfx_cli.render import cascade_tables  # noqa: E402
from torchfx_cli.render.cascade import SOSCascade  # noqa: E402
from torchfx_cli.render.modules import FIR, Chain, Filter, Gain  # noqa: E402

# Threads that share cores with other programs wait for each other at every operation: seconds in blocks this small.
torch.set_num_threads(1)

Samples = NDArray[np.float64]

# Both sides round; at 20 Hz and 192 kHz the recursion itself amplifies what float64 rounds to about -220 dB.
EXACT_DB = 200.0


def designs(fs: float) -> dict[str, Samples]:
    def butter(order: int, edge: Any, kind: str = "lowpass") -> Samples:
        return scipy.signal.butter(order, edge, kind, output="sos", fs=fs)

    return {
        "highpass 20 Hz": butter(2, 20, "highpass"),
        "13 sections at 20 Hz": np.tile(butter(2, 20, "highpass"), (13, 1)),
        "lowpass 20 Hz order 8": butter(8, 20),
        "first order": butter(1, 100, "highpass"),
        "at Nyquist": butter(4, 0.499 * fs),
        "notch 50 Hz": scipy.signal.tf2sos(*scipy.signal.iirnotch(50, 100, fs)),
        "elliptic band-pass": scipy.signal.ellip(8, 0.5, 80, [300, 3000], "bandpass", output="sos", fs=fs),
        "no feedback": np.array([[0.5, 0.3, 0.2, 1.0, 0.0, 0.0]]),
        "alternating pole": np.array([[1.0, 0.0, 0.0, 1.0, 0.99, 0.0], [1.0, 1.0, 1.0, 1.0, 0.0, -0.998]]),
    }


def noise(*shape: int) -> Samples:
    return np.random.default_rng(sum(shape)).standard_normal(shape)


def run(module: Filter, x: Samples) -> Samples:
    return module(torch.from_numpy(x)).numpy()


def run_in_steps(module: Filter, x: Samples, size: int) -> Samples:
    state, parts = module.initial_state(*x.shape[:-1]), []
    for n in range(0, x.shape[-1], size):
        y, state = module.step(torch.from_numpy(x[..., n : n + size]), state)
        parts.append(y.numpy())
    return np.concatenate(parts, axis=-1)


def snr_db(found: Samples, truth: Samples) -> float:
    error = np.sum((found - truth) ** 2)
    return float(10 * np.log10(np.sum(truth**2) / error)) if error else np.inf


@pytest.mark.parametrize("name", designs(48000))
@pytest.mark.parametrize("fs", [8000, 48000, 192000])
def test_a_cascade_is_sosfilt(fs: int, name: str) -> None:
    x, sos = noise(2, fs // 2 + 7), designs(fs)[name]
    assert snr_db(run(SOSCascade(sos), x), scipy.signal.sosfilt(sos, x)) > EXACT_DB


@pytest.mark.parametrize("frames", [0, 1, 2, 3, 63, 64, 65, 66, 128, 1023, 1024, 1025, 16 * 1024 + 1, 256 * 1024 + 65])
def test_every_length_fills_its_blocks_and_groups(frames: int) -> None:
    x, sos = noise(1, frames), designs(48000)["elliptic band-pass"]
    truth = scipy.signal.sosfilt(sos, x) if frames else x
    np.testing.assert_allclose(run(SOSCascade(sos), x), truth, rtol=0, atol=1e-11)


MODULES = {
    "cascade": lambda: SOSCascade(designs(192000)["highpass 20 Hz"]),
    "40 sections": lambda: SOSCascade(np.tile(designs(48000)["elliptic band-pass"], (5, 1))),
    "13 sections": lambda: SOSCascade(designs(48000)["13 sections at 20 Hz"]),
    "short fir": lambda: FIR(scipy.signal.firwin(31, 0.3)),
    "one tap": lambda: FIR([0.5]),
    "long fir": lambda: FIR(scipy.signal.firwin(511, 0.3)),
    "gain": lambda: Gain(-0.5),
    "chain": lambda: Chain(Gain(2.0), FIR(scipy.signal.firwin(31, 0.3)), SOSCascade(designs(48000)["first order"])),
    "empty chain": lambda: Chain(),
}


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("size", [1, 17, 509, 1024])
def test_steps_are_the_whole(name: str, size: int) -> None:
    x, module = noise(2, 100 if size == 1 else 3000), MODULES[name]()
    assert snr_db(run_in_steps(module, x, size), run(module, x)) > EXACT_DB


@pytest.mark.parametrize("name", MODULES)
def test_an_empty_block_changes_nothing(name: str) -> None:
    module = MODULES[name]()
    _, state = module.step(torch.from_numpy(noise(2, 70)), module.initial_state(2))
    silent, after = module.step(torch.empty(2, 0, dtype=torch.float64), state)
    assert silent.shape == (2, 0)
    again = torch.from_numpy(noise(2, 9))
    assert torch.equal(module.step(again, state)[0], module.step(again, after)[0])


@pytest.mark.parametrize("taps", [1, 2, 31, 32, 33, 511, 5000])
def test_an_fir_is_the_convolution(taps: int) -> None:
    x, h = noise(2, 9001), noise(taps)
    truth = np.array([np.convolve(row, h)[: x.shape[1]] for row in x])
    assert snr_db(run(FIR(h), x), truth) > EXACT_DB


@pytest.mark.parametrize("name", MODULES)
def test_channels_and_batches_do_not_touch_each_other(name: str) -> None:
    x, module = noise(2, 3, 200), MODULES[name]()
    x[1, 0] = 0.0
    y = run(module, x)
    assert not y[1, 0].any(), "a silent channel is not silent"
    alone = np.array([[run(module, row[None])[0] for row in item] for item in x])
    assert snr_db(y, alone) > EXACT_DB


def test_the_decay_of_a_state_ends_in_zeros() -> None:
    cascade = SOSCascade(designs(48000)["first order"])
    y, state = cascade.step(torch.full((1, 64), 1e-190, dtype=torch.float64), cascade.initial_state(1))
    for _ in range(100):
        y, state = cascade.step(torch.zeros(1, 1000, dtype=torch.float64), state)
    assert not state.any()
    assert not y.any()


def test_a_gradient_is_the_filter_backwards_in_time() -> None:
    sos, taps = designs(48000)["elliptic band-pass"], scipy.signal.firwin(101, 0.2)
    x, weights = torch.from_numpy(noise(2, 3000)).requires_grad_(), noise(2, 3000)
    (Chain(SOSCascade(sos), FIR(taps))(x) * torch.from_numpy(weights)).sum().backward()
    backwards = scipy.signal.sosfilt(sos, scipy.signal.lfilter(taps, 1.0, weights[:, ::-1]))[:, ::-1]
    assert snr_db(x.grad.numpy(), backwards) > EXACT_DB


@pytest.mark.parametrize("module", [SOSCascade([[0.3, 0.2, 0.1, 1.0, -1.2, 0.5]] * 2), FIR(np.hanning(9)), Gain(0.5)])
def test_gradients_reach_the_input_and_the_state_before(module: Filter) -> None:
    x = torch.from_numpy(noise(1, 70)).requires_grad_()
    state = module.initial_state(1)
    if state is None:
        assert torch.autograd.gradcheck(module, (x,))
    else:
        assert torch.autograd.gradcheck(module.step, (x, torch.rand_like(state).requires_grad_()))


def test_the_number_of_operations_grows_with_the_logarithm_of_the_length() -> None:
    class Counted(TorchDispatchMode):
        count = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.count += 1
            return func(*args, **(kwargs or {}))

    def operations(frames: int) -> int:
        cascade = SOSCascade(designs(48000)["highpass 20 Hz"])
        x = torch.zeros(1, frames, dtype=torch.float64)
        with Counted() as counted:
            cascade(x)
        return counted.count

    counts = [operations(cascade_tables.BLOCK_FRAMES * cascade_tables.GROUP_BLOCKS**level) for level in (1, 2, 3)]
    steps = [after - before for before, after in pairwise(counts)]
    assert steps[0] == steps[1] < 20, f"{counts} operations for blocks of 32, 1024, 32768"


@pytest.mark.parametrize("name", MODULES)
def test_no_tensor_is_left_behind_on_the_way_to_another_device(name: str) -> None:
    # Fake tensors know their device and shape only, and refuse to be mixed with those of another one.
    module, device = MODULES[name](), "cuda"
    with FakeTensorMode():
        moved = {key: torch.empty(b.shape, dtype=b.dtype, device=device) for key, b in module.named_buffers()}
        x = torch.empty(2, 3000, dtype=torch.float64, device=device)
        y = torch.func.functional_call(module, moved, (x,))
    assert (y.device.type, y.shape) == (device, (2, 3000))


def test_a_tensor_left_behind_would_be_noticed() -> None:
    class Forgetful(Gain):
        def step(self, x: Any, state: None) -> tuple[Any, None]:
            return torch.cat([torch.zeros(2, 1, dtype=torch.float64), x], dim=-1), None

    with FakeTensorMode(), pytest.raises(Exception, match="device"):
        Forgetful(1.0)(torch.empty(2, 50, dtype=torch.float64, device="meta"))


def test_tables_are_not_in_the_state_dict_and_nothing_is_trained() -> None:
    chain = MODULES["chain"]()
    assert not chain.state_dict()
    assert not list(chain.parameters())


def test_a0_is_divided_out() -> None:
    x, row = noise(1, 500), np.array([[0.5, 0.4, 0.3, 1.0, -0.2, 0.1]])
    np.testing.assert_allclose(run(SOSCascade(2 * row), x), scipy.signal.sosfilt(row, x), rtol=0, atol=1e-14)


@pytest.mark.parametrize("sos", [[], [1.0, 2.0], np.ones((2, 5)), [[1, 0, 0, 0, 0, 0]], [[np.nan, 0, 0, 1, 0, 0]]])
def test_what_is_no_cascade_is_refused(sos: Any) -> None:
    with pytest.raises(ValueError, match=r"sos is \[K, 6\]"):
        SOSCascade(sos)


@pytest.mark.parametrize("taps", [[], np.ones((2, 5)), [np.inf]])
def test_what_are_no_taps_is_refused(taps: Any) -> None:
    with pytest.raises(ValueError, match=r"taps are \[N\]"):
        FIR(taps)


@pytest.mark.parametrize("name", [name for name in MODULES if name != "empty chain"])
def test_the_wrong_input_is_refused_with_what_to_do(name: str) -> None:
    module = MODULES[name]()
    with pytest.raises(TypeError, match=r"filters float64, not torch.float32: pass x.double\(\)"):
        module(torch.zeros(2, 100))
    with pytest.raises(ValueError, match=r"needs \[\.\.\., frames\]"):
        module.step(torch.zeros((), dtype=torch.float64), module.initial_state())
    with pytest.raises(ValueError, match=r"input on meta, \w+ on cpu"):
        module.step(torch.zeros(2, 9, dtype=torch.float64, device="meta"), module.initial_state(2))


def test_a_cascade_may_be_cut_anywhere() -> None:
    x, cascade = noise(1, 3000), SOSCascade(designs(48000)["13 sections at 20 Hz"])
    lengths = np.random.default_rng(1).integers(0, 130, 60)
    state, parts = cascade.initial_state(1), []
    for end, length in zip(accumulate(lengths), lengths, strict=True):
        y, state = cascade.step(torch.from_numpy(x[:, end - length : end]), state)
        parts.append(y.numpy())
    whole = run(cascade, x)
    joined = np.concatenate(parts, axis=-1)
    assert snr_db(joined, whole[:, : joined.shape[1]]) > EXACT_DB


def test_a_long_cascade_is_sosfilt_too() -> None:
    x, sos = noise(2, 5000), np.concatenate([designs(48000)["notch 50 Hz"], designs(48000)["13 sections at 20 Hz"]] * 3)
    assert len(sos) == 42
    assert snr_db(run(SOSCascade(sos), x), scipy.signal.sosfilt(sos, x)) > EXACT_DB


@pytest.mark.parametrize("name", designs(192_000))
@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_cuts_change_no_more_than_the_law_allows(name: str, offset: float) -> None:
    # An offset is the hard case: a high-pass must forget it, and a state rounded to it would not.
    cascade, x = SOSCascade(designs(192_000)[name]), noise(1, 3000) * 0.1 + offset
    whole = run(cascade, x)
    for size in (17, 509, 1024):
        most = 1e-12 * max(np.abs(whole).max(), np.abs(x).max())
        np.testing.assert_allclose(run_in_steps(cascade, x, size), whole, rtol=0, atol=most)
