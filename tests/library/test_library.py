"""The Python library: the same numbers as scipy.signal and as the command line, as modules, waves and streams."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal as sp
import soundfile

torch = pytest.importorskip("torch")

from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402

import torchfx_cli as fx  # noqa: E402
from torchfx_cli.__main__ import main  # noqa: E402
from torchfx_cli.chain.parse import join  # noqa: E402
from torchfx_cli.chain.spec import design_chain  # noqa: E402
from torchfx_cli.effects.table import KINDS  # noqa: E402
from torchfx_cli.plan.assemble import assemble  # noqa: E402
from torchfx_cli.render import modules, native_forward  # noqa: E402
from torchfx_cli.render.native import NativeEngine  # noqa: E402
from torchfx_cli.samples import SampleFormat  # noqa: E402

# Threads that share cores with other programs wait for each other at every operation: seconds in blocks this small.
torch.set_num_threads(1)

FS = 48_000
FILTERS = fx.filter
ANOTHER_ORDER = 1e-12  # two float64 computations in another order
LAW = 1e-12  # chunked = whole: of the loudest sample that went in or came out

DESIGNS = {
    "LoButterworth": (FILTERS.LoButterworth(1000, 3), sp.butter(3, 1000, fs=FS, output="sos")),
    "HiButterworth": (FILTERS.HiButterworth(80, 4), sp.butter(4, 80, "high", fs=FS, output="sos")),
    "LoChebyshev1": (FILTERS.LoChebyshev1(1800, 2, 0.5), sp.cheby1(2, 0.5, 1800, fs=FS, output="sos")),
    "HiChebyshev1": (FILTERS.HiChebyshev1(1500, 3, 1.0), sp.cheby1(3, 1.0, 1500, "high", fs=FS, output="sos")),
    "LoChebyshev2": (FILTERS.LoChebyshev2(3000, 4, 50), sp.cheby2(4, 50, 3000, fs=FS, output="sos")),
    "HiChebyshev2": (FILTERS.HiChebyshev2(3000, 4, 50), sp.cheby2(4, 50, 3000, "high", fs=FS, output="sos")),
    "LoElliptic": (FILTERS.LoElliptic(2000, 4, 0.5, 60), sp.ellip(4, 0.5, 60, 2000, fs=FS, output="sos")),
    "HiElliptic": (FILTERS.HiElliptic(2000, 4, 0.5, 60), sp.ellip(4, 0.5, 60, 2000, "high", fs=FS, output="sos")),
    "LinkwitzRiley": (FILTERS.LinkwitzRiley(800, 4), np.tile(sp.butter(2, 800, fs=FS, output="sos"), (2, 1))),
    "SOS": (FILTERS.SOS(sp.butter(2, 500, fs=FS, output="sos")), sp.butter(2, 500, fs=FS, output="sos")),
}


def noise(channels: int = 2, frames: int = 5000, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(5).standard_normal((channels, frames)) * 0.1).to(dtype)


@pytest.mark.parametrize("name", DESIGNS)
def test_a_filter_computes_what_scipy_computes(name: str) -> None:
    module, sos = copy.deepcopy(DESIGNS[name])
    x = noise()
    got = (fx.Wave(x, FS) | module).ys
    truth = sp.sosfilt(sos, x.numpy())
    np.testing.assert_allclose(got, truth, atol=1e-9 * np.abs(truth).max())


@pytest.mark.parametrize(("module", "hz", "db"), [
    (FILTERS.Peaking(1000, 6.0, 2.0), 1000, 6.0),
    (FILTERS.ParametricEQ(1000, -4.0), 1000, -4.0),
    (FILTERS.LoShelving(200, 6.0), 1, 6.0),
    (FILTERS.HiShelving(2000, -6.0), 23_999, -6.0),
    (FILTERS.BandPass(1000, 3.0), 1000, 0.0),
    (FILTERS.AllPass(1000), 3000, 0.0),
    (fx.effect.Gain(-3.5), 500, -3.5),
])
def test_a_gain_in_db_is_that_gain(module: torch.nn.Module, hz: float, db: float) -> None:
    impulse = torch.zeros(1, 1 << 16, dtype=torch.float64)
    impulse[0, 0] = 1.0
    response = (fx.Wave(impulse, FS) | copy.deepcopy(module)).ys[0].numpy()
    at = np.abs(np.exp(-2j * np.pi * hz / FS * np.arange(len(response))) @ response)
    assert 20 * np.log10(at) == pytest.approx(db, abs=0.01)


def test_fir_filters_are_lfilter_and_align_removes_the_delay() -> None:
    x, taps = noise(), sp.firwin(101, 1000, fs=FS)
    truth = sp.lfilter(taps, 1.0, x.numpy())
    for module in (FILTERS.FIR(taps), FILTERS.DesignableFIR(101, 1000, FS)):
        np.testing.assert_allclose(module(x), truth, atol=1e-12)
    aligned = FILTERS.DesignableFIR(101, 1000, FS, align=True)(x)
    np.testing.assert_allclose(aligned[:, :-50], truth[:, 50:], atol=1e-12)
    assert aligned.shape == x.shape


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 9), (9,), (3, 2, 9)])
def test_any_shape_comes_back_as_it_was(shape: tuple[int, ...]) -> None:
    module = FILTERS.LoButterworth(1000, fs=FS) | FILTERS.DesignableFIR(65, 5000, FS, align=True)
    assert module(torch.zeros(shape)).shape == shape


def test_the_input_type_comes_back_and_the_recursion_is_in_float64() -> None:
    x = noise(dtype=torch.float32)
    got = FILTERS.HiButterworth(20, 2, fs=192_000)(x)
    truth = sp.sosfilt(sp.butter(2, 20, "high", fs=192_000, output="sos"), x.numpy().astype(np.float64))
    assert got.dtype == torch.float32
    snr = 10 * np.log10(np.mean(truth**2) / np.mean((got.numpy() - truth) ** 2))
    assert snr > 140


def test_one_after_the_other_and_side_by_side() -> None:
    x = noise()
    low, high = FILTERS.LinkwitzRiley(800, 4, fs=FS), FILTERS.LinkwitzRiley(800, 4, "highpass", fs=FS)
    gain = fx.effect.Gain(-6)
    torch.testing.assert_close((low | gain)(x), gain(low(x)))
    torch.testing.assert_close((low + high)(x), low(x) + high(x))
    assert len((low | gain | high).parts) == 3
    level = lambda y: float(y[:, 2000:].square().mean())  # noqa: E731
    assert level((low + high)(x)) == pytest.approx(level(x), rel=0.02)  # both halves of a crossover: an all-pass


@pytest.mark.parametrize("fir", [
    FILTERS.FIR([0.5, -0.25]), FILTERS.DesignableFIR(31, 900, FS, align=True), FILTERS.DesignableFIR(2001, 900, FS),
], ids=["in step", "aligned", "in bursts"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_sum_is_rounded_once(fir: torch.nn.Module, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchfx_cli.render.native_forward.THREAD_SAMPLES", 1)
    x = noise(4, 20_000).to(dtype)
    gain = fx.effect.Gain(-6) | fir  # as late as the other, where it is aligned
    other = FILTERS.HiButterworth(80, fs=FS) | fir
    assert torch.equal((gain + other)(x), (gain(x.double()) + other(x.double())).to(dtype))


@pytest.mark.parametrize("gradient", [False, True])
@pytest.mark.parametrize("frames", [1, 700, 30_000])
def test_sums_may_stand_anywhere_and_their_parts_give_their_frames_at_different_times(
    frames: int, gradient: bool
) -> None:
    x = noise(2, frames)
    short, long = (sp.firwin(taps, 900, fs=FS) for taps in (301, 2001))
    high, low = sp.butter(2, 80, "high", fs=FS, output="sos"), sp.butter(3, 5000, fs=FS, output="sos")
    inner = FILTERS.FIR(long) + FILTERS.SOS(low)
    side_by_side = FILTERS.FIR(short) + (FILTERS.SOS(low) | inner) + fx.effect.Gain(-6)
    module = FILTERS.SOS(high) | side_by_side | FILTERS.SOS(low)
    heard = sp.sosfilt(high, x)
    lowered = sp.sosfilt(low, heard)
    summed = (sp.lfilter(short, 1.0, heard) + heard * 10 ** (-6 / 20)
              + sp.lfilter(long, 1.0, lowered) + sp.sosfilt(low, lowered))
    got = module(x.requires_grad_(gradient)).detach()
    np.testing.assert_allclose(got, sp.sosfilt(low, summed), rtol=0, atol=ANOTHER_ORDER)


@pytest.mark.parametrize("nest", ["pipe", "sequential", "module"])
def test_filters_take_the_rate_of_the_wave_however_they_are_nested(nest: str) -> None:
    class Mine(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = FILTERS.LoButterworth(1000), FILTERS.Notch(50)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.second(self.first(x))

    first, second = FILTERS.LoButterworth(1000), FILTERS.Notch(50)
    module = {"pipe": first | second, "sequential": torch.nn.Sequential(first, second), "module": Mine()}[nest]
    x = noise()
    alpha, cos = np.sin(2 * np.pi * 50 / FS) / 60, np.cos(2 * np.pi * 50 / FS)  # the cookbook's notch of Q 30
    notch = np.array([1, -2 * cos, 1, 1 + alpha, -2 * cos, 1 - alpha]) / (1 + alpha)
    truth = sp.sosfilt([*sp.butter(2, 1000, fs=FS, output="sos"), notch], x)
    np.testing.assert_allclose((fx.Wave(x, FS) | module).ys, truth, atol=1e-11)


MANY = (FILTERS.HiButterworth(20, 3, fs=FS) | FILTERS.DesignableFIR(301, 5000, FS, align=True) | fx.effect.Gain(-3)
        | FILTERS.FIR([0.5, 0.25, -0.125]) | FILTERS.HiElliptic(200, 5, fs=FS))
CROSSOVER = MANY | (FILTERS.LoButterworth(500, fs=FS) + FILTERS.FIR([0.5, 0.5]))


@pytest.mark.filterwarnings("ignore")  # torch's own, about what it calls itself and how fast it maps
@pytest.mark.parametrize("module", [FILTERS.HiButterworth(20, 3, fs=FS), MANY, CROSSOVER], ids=["one", "many", "sum"])
@pytest.mark.parametrize("way", ["gradient", "forward gradient", "vmap", "trace", "units"])
def test_who_asks_for_more_than_numbers_gets_the_same_numbers(
    way: str, module: torch.nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = noise()
    numbers = module(x)
    if way == "vmap":
        got = torch.func.vmap(module)(x.unsqueeze(1)).squeeze(1)
    elif way == "trace":
        got = torch.jit.trace(copy.deepcopy(module), (x,), check_trace=False)(x)
    elif way == "forward gradient":
        got, change = torch.func.jvp(module, (x,), (x,))
        torch.testing.assert_close(change, numbers, rtol=0, atol=LAW)  # of what is linear, the thing itself
    else:
        if way == "units":
            monkeypatch.setattr("torchfx_cli.library.units.UNIT_SAMPLES", 1)
            monkeypatch.setattr("torchfx_cli.library.units.UNIT_GRID", 448)
        got = module(x.requires_grad_())
        assert got.requires_grad
    torch.testing.assert_close(got, numbers, rtol=0, atol=LAW)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # jvp uses it
@pytest.mark.parametrize("way", ["inference", "forward gradient", "default device", "functional", "float32"])
def test_what_holds_when_a_filter_is_first_used_does_not_stick_to_it(way: str) -> None:
    x = noise()
    module = copy.deepcopy(CROSSOVER)
    if way == "inference":
        module.to("meta")  # on the CPU no table would be needed
        with torch.inference_mode():
            module(x.to("meta"))
        module(x.to("meta").requires_grad_()).sum().backward()
        return
    if way == "forward gradient":
        torch.func.jvp(module, (x,), (x,))
    elif way == "default device":
        with torch.device("meta"):
            module(x.requires_grad_())
    elif way == "functional":
        moved = {name: buffer.to("meta") for name, buffer in module.named_buffers()}
        assert torch.func.functional_call(module, moved, (x.to("meta"),)).device.type == "meta"
    else:
        module(x.requires_grad_())
        module.float()
    got = copy.deepcopy(module)(x.requires_grad_())
    got.sum().backward()
    torch.testing.assert_close(got, CROSSOVER(x.detach()), rtol=0, atol=LAW)


def test_on_the_cpu_the_numbers_are_the_command_lines_to_the_last_bit() -> None:
    for dtype in ("float32", "float64"):
        x = noise(dtype=getattr(torch, dtype))
        form = SampleFormat(dtype)
        engine = NativeEngine(assemble(MANY.row, FS, 2, form, form))
        blocks = [engine.process(x.T.contiguous().numpy()), *engine.flush()]
        assert np.array_equal(MANY(x).T.numpy(), np.concatenate(blocks))


def test_what_is_computed_together_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    x = noise(13)
    alone = torch.cat([MANY(channel) for channel in x.split(1)])
    monkeypatch.setattr("torchfx_cli.render.native_forward.THREAD_SAMPLES", 1)
    monkeypatch.setattr("torch.get_num_threads", lambda: 4)
    assert torch.equal(MANY(x), alone)


def test_the_filters_of_a_chain_are_one_on_other_devices() -> None:
    chain = FILTERS.DesignableFIR(101, 1000, FS) | FILTERS.DesignableFIR(102, 5000, FS) | fx.effect.Gain(-3)
    assert chain.to("meta")(noise().to("meta")).shape == (2, 5000)
    assert [module.taps for module in chain.core().filters] == [202]


def test_nothing_is_left_behind_on_the_way_to_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    # Fake tensors know their device and shape only, and refuse to be mixed with those of another one.
    monkeypatch.setattr("torchfx_cli.library.units._unit_frames", lambda x: 1 << 19)  # it would ask a real one
    module = copy.deepcopy(CROSSOVER)
    with FakeTensorMode():
        moved = {key: torch.empty(b.shape, dtype=b.dtype, device="cuda") for key, b in module.named_buffers()}
        y = torch.func.functional_call(module, moved, (torch.empty(2, 5000, device="cuda"),))
    assert (y.device.type, y.shape, y.dtype) == ("cuda", (2, 5000), torch.float32)


@pytest.mark.parametrize("gradient", [False, True])
def test_where_a_device_has_no_more_memory_smaller_units_go_on(gradient: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    aligned = MANY | FILTERS.DesignableFIR(9001, 900, FS, align=True)  # whose delay is more than a unit
    x = noise(2, 30_000)
    whole = aligned(x)
    step, asked = modules.Chain.step, []

    def small(self: modules.Chain, samples: torch.Tensor, state: Any) -> Any:
        asked.append(samples.shape[-1])
        if samples.shape[-1] > room:
            raise RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED")
        return step(self, samples, state)

    monkeypatch.setattr(modules.Chain, "step", small)
    monkeypatch.setattr(native_forward, "is_plain", lambda x: False)
    room = 5000
    torch.testing.assert_close(aligned(x.requires_grad_(gradient)).detach(), whole, rtol=0, atol=LAW)
    assert asked[:4] == [34_650, 20_480, 12_288, 8192]
    assert set(asked[4:-1]) == {4096}
    room = 4000
    with pytest.raises(torch.OutOfMemoryError, match="not enough memory on cpu for 4096 frames of 2 channels"):
        aligned(x)


def test_a_filter_without_a_rate_is_designed_where_the_wave_is() -> None:
    wave = fx.Wave(noise().to("meta"), FS)  # "meta" stands for the GPU
    unmoved, moved, mixed = FILTERS.LoButterworth(1000), FILTERS.HiButterworth(80), fx.load_chain("podcast-voice")
    for filters in (unmoved, moved.to("meta"), mixed.to("meta")):
        assert (wave | filters | FILTERS.Notch(50)).ys.device.type == "meta"
    with pytest.raises(ValueError, match=r"input on meta, Gain on cpu: move one"):
        _ = wave | fx.effect.Gain(-3)
    with pytest.raises(ValueError, match=r"input on cpu, FIR on meta: move one"):
        FILTERS.FIR([0.5, 0.5]).to("meta")(noise())
    with pytest.raises(ValueError, match=r"coefficients on cpu and meta: move all"):
        (FILTERS.FIR([0.5, 0.5]).to("meta") | FILTERS.FIR([0.5, 0.5]))(noise())


def test_a_filter_keeps_its_rate() -> None:
    module = FILTERS.LoButterworth(1000)
    _ = fx.Wave(noise(), FS) | module
    with pytest.raises(ValueError, match="was designed for 48000 Hz, not 44100 Hz"):
        _ = fx.Wave(noise(), 44_100) | module


@pytest.mark.parametrize("make", [FILTERS.SOS, FILTERS.FIR])
def test_given_coefficients_are_for_any_rate_unless_one_is_given(make: Any) -> None:
    numbers = np.array([[0.5, 0.5, 0, 1, 0, 0]]) if make is FILTERS.SOS else [0.5, 0.5]
    x = noise()
    truth = sp.lfilter([0.5, 0.5], 1.0, x)
    for module in (make(numbers), make(numbers, fs=FS), make(numbers) | fx.effect.Gain(0)):
        np.testing.assert_allclose(module(x), truth, atol=ANOTHER_ORDER)
        np.testing.assert_allclose((fx.Wave(x, FS) | module).ys, truth, atol=ANOTHER_ORDER)
    _ = fx.Wave(x, 44_100) | module
    with pytest.raises(ValueError, match="was designed for 48000 Hz, not 44100 Hz"):
        _ = fx.Wave(x, 44_100) | make(numbers, fs=FS)


def test_gradients_are_right() -> None:
    x = noise(1, 40).requires_grad_()
    module = FILTERS.HiButterworth(2000, 3, fs=FS) | FILTERS.FIR([0.5, 0.3, 0.2]) | fx.effect.Gain(-3)
    assert torch.autograd.gradcheck(module, (x,))


@pytest.mark.parametrize("way", ["deepcopy", "pickle", "state_dict"])
def test_a_filter_survives_being_copied(way: str) -> None:
    module = FILTERS.HiChebyshev1(300, 3, fs=FS) | FILTERS.Peaking(1000, 3, fs=FS)
    if way == "deepcopy":
        again = copy.deepcopy(module)
    elif way == "pickle":
        again = pickle.loads(pickle.dumps(module))
    else:
        again = FILTERS.HiChebyshev1(300, 3) | FILTERS.Peaking(1000, 3)
        again.load_state_dict(module.state_dict())
    assert torch.equal(again(noise()), module(noise()))


@pytest.mark.parametrize(("module", "text"), [
    (FILTERS.HiButterworth(80, order=4, fs=FS), "HiButterworth(highpass, cutoff_hz=80, order=4, fs=48000)"),
    (FILTERS.Peaking(3200.5, -2.5), "Peaking(peaking, frequency_hz=3200.5, gain_db=-2.5)"),
    (FILTERS.FIR([0.5, 0.25]), "FIR(fir, taps=(0.5, 0.25))"),
    (FILTERS.FIR(np.ones(99)), "FIR(fir, taps=99 values)"),
    (FILTERS.Filter("highpass:80,q=2"), "Filter(highpass, cutoff_hz=80, q=2)"),
    (fx.effect.Gain(-3), "Gain(gain, gain_db=-3)"),
])
def test_a_filter_shows_what_was_asked_for(module: torch.nn.Module, text: str) -> None:
    assert repr(module) == text


def test_the_state_of_another_filter_is_refused() -> None:
    with pytest.raises(RuntimeError, match="coefficients are those of another filter"):
        FILTERS.LoButterworth(1000, fs=FS).load_state_dict(FILTERS.LoButterworth(1200, fs=FS).state_dict())


def test_a_chain_file_is_the_same_as_a_module_and_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "eq.yaml").write_text(
        "chain:\n  - highpass: {cutoff: 80, order: 4}\n  - fir: {lowpass: 9 kHz, taps: 301, align: true}\n"
        "  - gain: -3 dB\n  - normalize: -1 dB\n"
    )
    soundfile.write(tmp_path / "in.wav", noise().T.numpy(), FS, "DOUBLE")
    monkeypatch.chdir(tmp_path)
    assert main(["process", "in.wav", "-c", "eq.yaml", "-q"]) == 0
    wave = fx.Wave.from_file(tmp_path / "in.wav") | fx.load_chain(str(tmp_path / "eq.yaml"))
    got = soundfile.read(tmp_path / "processed" / "in.wav")[0].T
    np.testing.assert_allclose(wave.ys, got, atol=ANOTHER_ORDER)


@pytest.mark.parametrize("size", [1, 17, 509, 5000])
def test_a_stream_in_blocks_is_the_whole(size: int) -> None:
    module = FILTERS.HiButterworth(20, 3) | FILTERS.DesignableFIR(301, 5000, align=True) | (
        FILTERS.LoButterworth(500) + FILTERS.FIR([0.5, 0.5]))
    x = noise(frames=600 if size == 1 else 5000)
    whole = (fx.Wave(x, FS) | module).ys
    stream = fx.Renderer(module, FS, 2)
    for _ in range(1 if size < 100 else 2):  # flush leaves it at rest
        cut = [stream.process(block) for block in x.split(size, dim=-1)]
        joined = torch.cat([*cut, stream.flush()], dim=-1)
        assert joined.shape == x.shape
        torch.testing.assert_close(joined, whole, rtol=0, atol=LAW * 0.1)


EVERY_KIND = """chain:
  - highpass: {cutoff: 20}
  - highpass: {cutoff: 80, order: 9}
  - lowpass: {cutoff: 1 kHz, family: elliptic, order: 6}
  - bandpass: {low: 300, high: 3400, order: 4}
  - bandstop: {low: 900, high: 1100}
  - peaking: {frequency: 3200, gain: 6, q: 0.9}
  - low_shelf: {frequency: 120, gain: 6}
  - high_shelf: {frequency: 3000, gain: -6}
  - notch: {frequency: 50}
  - tilt: {gain: 4, frequency: 700}
  - allpass: {frequency: 700}
  - dc_block
  - analog: {poles: [50.05, 2122.07], zeros: [500.5]}
  - sos: {sections: [[0.2, 0.3, 0.2, 1.0, -0.5, 0.3]]}
  - fir: {lowpass: 2000, taps: 511, align: true}
  - fir: {taps: [0.5, 0.25, -0.125]}
  - graphic_eq: {bands: [[63, 2], [1000, -3]]}
  - eq_curve: {points: [[500, 3], [2000, 0]]}
  - gain: -3
  - invert
"""


@pytest.mark.parametrize("fs", [8000, 192_000])
@pytest.mark.parametrize("make", [lambda n: noise(1, n), lambda n: torch.ones(1, n).double()], ids=["noise", "offset"])
def test_every_kind_of_stage_keeps_the_law_wherever_it_is_cut(tmp_path: Path, fs: int, make: Any) -> None:
    (tmp_path / "chain.yaml").write_text(EVERY_KIND)
    stages = list(fx.load_chain(str(tmp_path / "chain.yaml")).parts)
    assert {stage.spec.kind for stage in stages} == {k for k, kind in KINDS.items() if kind.record.is_filter}
    anywhere = np.sort(np.random.default_rng(1).integers(0, 3000, 40)).tolist()
    x = make(3000)
    for stage in [*stages, fx.load_chain(str(tmp_path / "chain.yaml"))]:
        whole = (fx.Wave(x, fs) | stage).ys
        for cuts in (anywhere, range(1, 20)):
            stream, blocks = fx.Renderer(stage, fs, 1), x.tensor_split(tuple(cuts), dim=-1)
            joined = torch.cat([*map(stream.process, blocks), stream.flush()], dim=-1)
            by_transforms = stage.delay_frames > 0
            most = LAW * max(1.0, float(whole.abs().max())) if by_transforms else 0.0
            torch.testing.assert_close(joined, whole, rtol=0, atol=most, msg=str(stage))


def test_a_stream_shorter_than_the_delay_comes_out_whole() -> None:
    module = FILTERS.DesignableFIR(301, 5000, FS, align=True) | fx.effect.Gain(-3)
    for frames in (1, 50, 149, 150, 151, 400):
        x = noise(2, frames)
        stream = fx.Renderer(module, FS, 2)
        got = torch.cat([stream.process(x), stream.flush()], dim=-1)
        torch.testing.assert_close(got, module(x), rtol=0, atol=LAW)


def test_a_stream_may_change_its_rate_channels_and_level() -> None:
    """As the command line's engine does it, block by block, also where filters stand between."""
    chain = join([], ["fir:lowpass=9000,taps=301,align=true", "compressor:-30", "mono", "highpass:80",
                      "resample:16 kHz", "peaking:frequency=3000,gain=3", "trim:start=0.01"])
    x = noise(2, 20_000).double()
    plan = assemble(design_chain(chain, FS, 2), FS, 2, SampleFormat("float64"), SampleFormat("float64"))
    engine = NativeEngine(plan)
    wanted = np.concatenate([engine.process(np.ascontiguousarray(x.T.numpy())), *engine.flush()]).T
    stream = fx.Renderer(chain, FS, 2)
    assert (stream.fs_out, stream.channels_out, stream.latency_frames) == (16_000, 1, 150)
    for size in (20_000, 777):
        got = torch.cat([*(stream.process(block) for block in x.split(size, dim=-1)), stream.flush()], dim=-1)
        np.testing.assert_allclose(got, wanted, rtol=0, atol=LAW)
    torch.testing.assert_close((fx.Wave(x, FS) | fx.load_chain(chain)).ys, got, rtol=0, atol=LAW)
    with pytest.raises(ValueError, match="loudness to -20 LUFS needs the whole recording"):
        fx.Renderer(join([], ["loudness:-20"]), FS, 2)


def test_a_stream_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ValueError, match="Normalize carries no state"):
        fx.Renderer(fx.effect.Normalize() | fx.effect.Gain(3), FS, 2)
    stream = fx.Renderer("podcast-voice", FS, 2)
    with pytest.raises(ValueError, match=r"\[2, frames\], not \[3, 9\]"):
        stream.process(torch.zeros(3, 9))
    with pytest.raises(TypeError, match="floating-point"):
        stream.process(torch.zeros(2, 9, dtype=torch.int16))


@pytest.mark.parametrize("number", [np.float64, np.float32, np.int64, lambda value: torch.tensor(value)])
def test_numbers_of_numpy_and_torch_are_numbers(number: Any) -> None:
    made = [
        (FILTERS.LoElliptic(number(1000), number(4), number(1), number(60), number(FS)),
         FILTERS.LoElliptic(1000, 4, 1, 60, fs=FS)),
        (FILTERS.Peaking(number(1000), number(-3), number(2), FS), FILTERS.Peaking(1000, -3, 2, fs=FS)),
        (FILTERS.DesignableFIR(number(101), [number(100), number(900)], number(FS), kind="bandpass"),
         FILTERS.DesignableFIR(101, (100, 900), FS, kind="bandpass")),
        (FILTERS.Filter("highpass", number(FS), cutoff=number(80), order=number(3)),
         FILTERS.Filter("highpass:cutoff=80,order=3", FS)),
        (fx.effect.Gain(number(-3)), fx.effect.Gain(-3)),
    ]
    for got, due in made:
        assert torch.equal(got.coefficients, due.coefficients), due


@pytest.mark.parametrize(("make", "error", "words"), [
    (lambda: FILTERS.LoButterworth(30_000, fs=FS), ValueError, "30 kHz is not below 24 kHz"),
    (lambda: FILTERS.LoButterworth(-3), ValueError, r"LoButterworth: lowpass\.cutoff: found '-3'"),
    (lambda: FILTERS.LoButterworth(100, FS), ValueError, r"order: found '48000' .* from 1 to 40"),
    (lambda: FILTERS.LoButterworth(100, 0), ValueError, r"order: found '0' .* from 1 to 40"),
    (lambda: FILTERS.LinkwitzRiley(100, 3), ValueError, "even"),
    (lambda: FILTERS.SOS([[1, 0, 0, 1, -2.1, 1.2]]), ValueError, "not stable"),
    (lambda: FILTERS.SOS([1, 0, 0, 1, 0, 0]), ValueError, r"\[K, 6\].*got shape \(6,\)"),
    (lambda: FILTERS.FIR([]), ValueError, "at least one"),
    (lambda: FILTERS.FIR([1.0, float("nan")]), ValueError, "finite"),
    (lambda: FILTERS.LinkwitzRiley(100, kind="peaking"), ValueError, "lowpass or highpass, not 'peaking'"),
    (lambda: FILTERS.DesignableFIR(101, 100, kind="taps"), ValueError, "bandstop, not 'taps'"),
    (lambda: FILTERS.LoButterworth(100, fs=0), ValueError, "above 0 Hz, not 0"),
    (lambda: FILTERS.LoButterworth(100, fs="48000"), TypeError, "a number in Hz, not '48000'"),
    (lambda: FILTERS.LoButterworth(100, fs=FS)(np.zeros(9)), TypeError, "filters tensors, not ndarray"),
    (lambda: fx.effect.Normalize()(np.zeros(9)), TypeError, "filters tensors, not ndarray"),
    (lambda: fx.Renderer("podcast-voice", FS, 0), ValueError, "one channel or more, not 0"),
    (lambda: FILTERS.LoButterworth(100)(torch.zeros(9)), ValueError, "no sample rate"),
    (lambda: FILTERS.LoButterworth(100, fs=FS)(torch.zeros(9, dtype=torch.int16)), TypeError, "scale them"),
    (lambda: FILTERS.LoButterworth(100) | 3, TypeError, "nn.Module"),
    (lambda: fx.effect.Normalize(0.0), ValueError, "above 0"),
    (lambda: fx.Wale, AttributeError, "Wale"),
])
def test_wrong_use_is_a_clear_error(make, error: type[Exception], words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=words):
        make()


def test_normalize_is_linear_and_leaves_silence() -> None:
    normalize = fx.effect.Normalize(peak=0.5)
    assert float(normalize(noise()).abs().max()) == pytest.approx(0.5, rel=1e-12)
    assert not normalize(torch.zeros(2, 9)).any()


def test_importing_the_package_loads_neither_torch_nor_numpy() -> None:
    script = "import sys, torchfx_cli as fx; print({'torch', 'numpy'} & set(sys.modules), 'Wave' in dir(fx))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set() True\n"


def test_effects_have_the_parameters_of_their_kind_and_tell_them() -> None:
    assert str(inspect.signature(fx.effect.Resample)) == "(rate, *, quality='auto', fs=None)"
    assert "attack: time constant of turning down; a number from 0 to 10 s" in fx.effect.Compressor.__doc__
    for wrong, words in ((lambda: fx.effect.Compressor(), "Compressor: missing a required argument: 'threshold'"),
                         (lambda: fx.effect.Trim(1), "Trim: too many positional arguments"),
                         (lambda: fx.effect.Mono(how="sum"), "Mono: got an unexpected keyword argument 'how'")):
        with pytest.raises(TypeError, match=words):
            wrong()


def test_filters_have_parameters_of_their_own() -> None:
    classes = [one for name, one in vars(FILTERS).items()
               if isinstance(one, type) and issubclass(one, FILTERS.Filter) and one is not FILTERS.Filter]
    assert len(classes) > 15
    for one in classes:
        assert not any(param.kind == param.VAR_KEYWORD for param in inspect.signature(one).parameters.values()), one


EACH = [FILTERS.HiButterworth(80, fs=FS), FILTERS.LoElliptic(80, fs=FS), FILTERS.LinkwitzRiley(80, fs=FS),
        FILTERS.Peaking(80, 3, fs=FS), FILTERS.Notch(50, fs=FS), FILTERS.FIR([1, 0.5]),
        FILTERS.LoShelving(80, 3, fs=FS), FILTERS.DesignableFIR(101, 5000, FS), FILTERS.SOS([[1, 0, 0, 1, 0.5, 0]]),
        fx.effect.Gain(3),
        fx.effect.Compressor(-20, fs=FS), fx.effect.Mono(), MANY, CROSSOVER, FILTERS.Notch(50) + FILTERS.Notch(60)]


@pytest.mark.parametrize("module", EACH, ids=lambda module: type(module).__name__)
@pytest.mark.parametrize("name", ["cutoff", "cutoff_hz", "order", "gain", "frequency", "q", "taps", "num_taps",
                                  "ripple", "coefficients", "spec", "stage", "threshold", "b", "a", "sos"])
def test_what_was_designed_cannot_be_said_to_be_something_else(module: torch.nn.Module, name: str) -> None:
    before = repr(module)
    with pytest.raises(AttributeError, match=r"cannot be set: make a new one|has no .* of its own; make its parts"):
        setattr(module, name, 1000.0)
    assert repr(module) == before


def test_a_rate_may_be_given_once_by_its_name() -> None:
    module = FILTERS.LoButterworth(1000)
    module.fs = FS
    torch.testing.assert_close(module(noise()), FILTERS.LoButterworth(1000, fs=FS)(noise()), rtol=0, atol=0)
    module.fs = FS  # the same again is no change
    for rated in (module, FILTERS.LoButterworth(1000, fs=96_000), fx.effect.Compressor(-20, fs=96_000)):
        with pytest.raises(ValueError, match=r"Hz, not 8000 Hz; make one for each rate"):
            rated.fs = 8000
    with pytest.raises(AttributeError, match="Chain has no fs of its own"):
        MANY.fs = FS


def test_normalize_takes_a_gain_for_each_example() -> None:
    x = torch.stack([noise(2, 100), 0.1 * noise(2, 100), torch.zeros(2, 100)])
    y = fx.effect.Normalize(0.5)(x)
    torch.testing.assert_close(y.abs().amax((1, 2)), torch.tensor([0.5, 0.5, 0.0], dtype=x.dtype))
    torch.testing.assert_close(y[0] / y[0].abs().max(), x[0] / x[0].abs().max())
    assert fx.effect.Normalize(0.5)(x[0, 0]).abs().max() == pytest.approx(0.5)


@pytest.mark.parametrize("pair", [([1.0, 0.5], [1.0]), (np.ones(3), np.ones(3))])
def test_b_and_a_are_no_sections(pair: Any) -> None:
    with pytest.raises(ValueError, match=r"sos is \[K, 6\]"):
        fx.filter.SOS(pair)
