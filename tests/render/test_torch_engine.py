"""The torch engine: the same numbers as the others, for any cutting, in bounded memory."""

from __future__ import annotations

import numpy as np
import pytest
from rendering import (
    BLEND,
    FLOAT32,
    FLOAT64,
    FORMATS,
    INT16,
    INT24,
    RATES,
    SPECS,
    plan_of,
    render,
    signal,
    snr_db,
    stages_of,
)

from torchfx_cli.design.stages import Gain
from torchfx_cli.effects.normalize import Normalize
from torchfx_cli.errors import DeviceError, FileError, ReadError
from torchfx_cli.render.engine import Engine
from torchfx_cli.render.native import NativeEngine
from torchfx_cli.render.scipy_engine import ScipyEngine

torch = pytest.importorskip("torch")

from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402

from torchfx_cli.render import modules, torch_engine  # noqa: E402
from torchfx_cli.render.copystreams import HostCopyStreams  # noqa: E402
from torchfx_cli.render.devicefaults import failing_as_one  # noqa: E402
from torchfx_cli.render.quantiser import quantise  # noqa: E402
from torchfx_cli.render.torch_engine import TorchEngine  # noqa: E402

# Threads that share cores with other programs wait for each other at every operation: seconds in blocks this small.
torch.set_num_threads(1)

SIZES = (1, 17, 509, 44100)

FLOAT64_DB = 200.0  # two float64 computations that round in another order
FLOAT32_DB = 140.0  # rounding to float32 alone leaves about 150


@pytest.fixture
def _short_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Units of few frames, so that short signals cross many of them."""
    monkeypatch.setattr(torch_engine, "UNIT_SAMPLES", {"cpu": 600})


@pytest.mark.usefixtures("_short_units")
@pytest.mark.parametrize("kind", SPECS)
def test_chunked_is_whole_for_every_kind(kind: str) -> None:
    plan = plan_of(stages_of(kind), tail_s=0.005)
    for size in SIZES:
        x = signal(min(400 * size, 3001))
        whole = render(TorchEngine, plan, x)
        assert whole.block.shape == (len(x) + plan.tail_frames, 2)
        # The units are the same for every cutting, so this is stricter than the law's 1e-12.
        assert render(TorchEngine, plan, x, size).same(whole), f"blocks of {size} frames"


@pytest.mark.parametrize("kind", SPECS)
def test_every_kind_is_what_scipy_computes(kind: str) -> None:
    for fs in RATES:
        stages, x = stages_of(kind, fs=fs), signal(8000)
        truth = render(ScipyEngine, plan_of(stages, fs=fs), x).block
        assert snr_db(render(TorchEngine, plan_of(stages, fs=fs), x).block, truth) > FLOAT64_DB, f"{fs} Hz"
        short = render(TorchEngine, plan_of(stages, fs=fs, sink=FLOAT32), x).block
        assert snr_db(short, truth) > FLOAT32_DB, f"{fs} Hz"


@pytest.mark.usefixtures("_short_units")
@pytest.mark.parametrize("channels", [1, 2, 3, 8, 32])
def test_a_blend_is_what_scipy_computes_over_many_units(channels: int) -> None:
    plan = plan_of(stages_of(*BLEND, "fir aligned", "normalize"), channels, INT24, FLOAT64, tail_s=0.05)
    x = signal(9000, channels, INT24)
    assert snr_db(render(TorchEngine, plan, x, 1000).block, render(ScipyEngine, plan, x).block) > FLOAT64_DB


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("sink", FORMATS)
def test_samples_of_any_type_come_in_and_go_out_as_in_the_native_engine(source: str, sink: str) -> None:
    # A gain of 1/2 is exact, so dither, rounding and counting must agree to the last bit.
    plan = plan_of([Gain(0.5)], 2, FORMATS[source], FORMATS[sink], dither="tpdf")
    x = signal(2000, 2, plan.source)
    assert render(TorchEngine, plan, x, 300).same(render(NativeEngine, plan, x))


@pytest.mark.parametrize("name", FORMATS)
def test_an_identity_changes_no_bit(name: str) -> None:
    x = signal(3000, 2, FORMATS[name])
    plan = plan_of([], 2, FORMATS[name], FORMATS[name])
    assert render(TorchEngine, plan, x, 509).block.tobytes() == x.tobytes()


@pytest.mark.parametrize("frames", [0, 1, 2, 30])
def test_a_file_shorter_than_the_filter_keeps_its_length(frames: int) -> None:
    plan, x = plan_of(stages_of(*BLEND)), signal(frames)
    y = render(TorchEngine, plan, x, 1).block
    np.testing.assert_allclose(y, render(ScipyEngine, plan, x).block, rtol=0, atol=1e-13)


@pytest.mark.usefixtures("_short_units")
@pytest.mark.parametrize("at", [0, 1, 700, 2999])
def test_an_aligned_filter_leaves_an_impulse_where_it_was(at: int) -> None:
    x = np.zeros((3000, 1))
    x[at] = 1.0
    y = render(TorchEngine, plan_of(stages_of("fir aligned", "fir aligned"), 1), x, 509).block
    assert y.shape == (3000, 1)
    assert np.abs(y).argmax() == at


@pytest.mark.usefixtures("_short_units")
def test_an_engine_that_was_reset_is_as_new() -> None:
    running, x = TorchEngine(plan_of(stages_of(*BLEND))), signal(4000)
    first = [running.process(x), *running.flush()]
    running.reset()
    again = [running.process(x), *running.flush()]
    assert np.concatenate(first).tobytes() == np.concatenate(again).tobytes()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("engine", [NativeEngine, TorchEngine, ScipyEngine])
def test_a_sample_that_is_no_number_is_reported_with_its_place(engine: type[Engine], bad: float) -> None:
    running, x = engine(plan_of(stages_of("highpass"))), signal(480)
    running.process(x)
    x[24, 1] = x[25, 0] = bad
    with pytest.raises(ReadError, match=r"^non-finite sample at 0\.010500 s, channel 2$"):
        running.process(x)


@pytest.mark.parametrize("engine", [NativeEngine, TorchEngine, ScipyEngine])
def test_a_chain_that_overflows_is_reported(engine: type[Engine]) -> None:
    plan = plan_of([Gain(1e300), *stages_of("notch")], 1)
    words = r"the chain \(.*notch.*\) made a non-finite"
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(FileError, match=words):
        render(engine, plan, np.full((100, 1), 1e10))


def test_normalize_needs_the_file_first() -> None:
    with pytest.raises(TypeError, match="is not linear"):
        TorchEngine(plan_of([Normalize(1.0)]))


def test_memory_holds_one_unit_however_long_the_file_is() -> None:
    streams = CountingCopyStreams()
    running = TorchEngine(plan_of(stages_of("highpass", "fir"), 2, INT16, INT16), streams=streams)
    for _ in range(20):
        running.process(np.zeros((50_000, 2), np.int16))
    unit = running.unit_frames * 2
    assert unit < 2 * torch_engine.UNIT_SAMPLES["cpu"]
    # Two buffers in, two out, in the types of the files, and what was seen in each block.
    assert sorted(streams.made) == [("float64", 3)] * 2 + [("int16", unit)] * 4


class CountingCopyStreams(HostCopyStreams):
    """Notes the memory that is asked for."""

    def __init__(self) -> None:
        self.made: list[tuple[str, int]] = []

    def host_buffer(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        buffer = super().host_buffer(shape, dtype)
        self.made.append((str(dtype).removeprefix("torch."), buffer.numel()))
        return buffer


@pytest.mark.parametrize("most", [1, 2000, 30_000, 10**9])
def test_a_unit_is_no_longer_than_was_asked_for(most: int) -> None:
    plan, x = plan_of(stages_of(*BLEND)), signal(100_000)
    engine = TorchEngine(plan, unit_frames=most)
    hop = modules.hop_of(511)
    assert hop <= engine.unit_frames <= max(hop, min(most + hop, 2**16 + hop))
    got = np.concatenate([engine.process(x), *engine.flush()])
    np.testing.assert_allclose(got, render(NativeEngine, plan, x).block, rtol=0, atol=1e-12)


@pytest.mark.parametrize("device", ["meta", "cuda"])
@pytest.mark.parametrize("sink", FORMATS)
def test_a_plan_leaves_no_tensor_behind_on_the_way_to_another_device(device: str, sink: str) -> None:
    # See test_modules. What is indexed by numbers asks the real device, so the code narrows and selects instead.
    plan = plan_of(stages_of(*BLEND, "fir aligned"), 2, INT16, FORMATS[sink], dither="tpdf")
    chain = torch_engine.modules_of(plan.stages)
    with FakeTensorMode():
        moved = {key: torch.empty(b.shape, dtype=b.dtype, device=device) for key, b in chain.named_buffers()}
        block = torch.empty(5000, 2, dtype=torch.int16, device=device)
        y = torch.func.functional_call(chain, moved, (torch_engine.samples_of(block),))
        stored = quantise(plan, torch.empty(5000, 2, dtype=torch.float64, device=device), 0)
    assert (y.device.type, y.dtype, y.shape) == (device, torch.float64, (2, 5000))
    assert (stored.block.device.type, stored.block.dtype) == (device, getattr(torch, plan.sink.dtype))
    assert (stored.seen.device.type, stored.seen.shape) == (device, (3,))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("kind", SPECS)
def test_cuda_gives_the_same_numbers_for_every_kind(kind: str) -> None:
    def on_cuda(plan: object) -> TorchEngine:
        return TorchEngine(plan, "cuda")  # type: ignore[arg-type]

    plan, x = plan_of(stages_of(kind), source=INT16), signal(20_000, 2, INT16)
    whole = render(on_cuda, plan, x).block  # type: ignore[arg-type]
    assert snr_db(whole, render(ScipyEngine, plan, x).block) > FLOAT64_DB
    np.testing.assert_allclose(render(on_cuda, plan, x, 509).block, whole, rtol=0, atol=1e-12)  # type: ignore[arg-type]


def test_a_process_that_begins_with_a_second_gpu_starts_cuda_first(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    for name in ("init", "reset_peak_memory_stats", "max_memory_allocated"):
        monkeypatch.setattr(torch.cuda, name, lambda *device, name=name: called.append(name) or 3 << 20)
    x = signal(1000, 2, INT16)
    engine = TorchEngine(plan_of((), source=INT16, sink=INT16), "cuda:1", streams=HostCopyStreams())  # no tensor there
    assert np.array_equal(np.concatenate([engine.process(x), *engine.flush()]), x)
    assert called == ["init", "reset_peak_memory_stats", "max_memory_allocated"]
    assert engine.notes == ["cuda:1: 3 MB of device memory at most"]


class SmallDevice:
    """A chain on a device that holds `most` frames at a time."""

    def __init__(self, engine: TorchEngine, most: int) -> None:
        self.chain, self.most = engine.chain, most

    def step(self, x: torch.Tensor, state: object) -> object:
        if x.shape[-1] > self.most:
            raise torch.OutOfMemoryError("out of memory")
        return self.chain.step(x, state)

    def initial_state(self, *batch: int) -> object:
        return self.chain.initial_state(*batch)


def test_where_memory_runs_out_smaller_pieces_go_on_from_the_carried_state() -> None:
    plan, x = plan_of(stages_of(*BLEND)), signal(200_000)
    whole = render(TorchEngine, plan, x).block
    engine = TorchEngine(plan)
    engine.chain = SmallDevice(engine, 9000)  # type: ignore[assignment]
    got = np.concatenate([engine.process(x), *engine.flush()])
    np.testing.assert_allclose(got, whole, rtol=0, atol=1e-12)
    assert engine.notes == ["cpu ran out of memory: smaller blocks were used from there on"]


def test_a_device_that_holds_nothing_fails_the_file() -> None:
    engine = TorchEngine(plan_of(stages_of("highpass")))
    engine.chain = SmallDevice(engine, 10)  # type: ignore[assignment]
    with pytest.raises(FileError, match="not enough memory on cpu for"):
        _ = [engine.process(signal(200_000)), *engine.flush()]


def test_memory_that_a_library_of_cuda_asks_for_in_vain_counts_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, x = plan_of(stages_of(*BLEND)), signal(100_000)
    whole = render(TorchEngine, plan, x).block
    engine, calls = TorchEngine(plan), []
    quantised = torch_engine.quantise

    def second_fails(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) == 2:
            raise RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED")
        return quantised(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(torch_engine, "quantise", second_fails)
    got = np.concatenate([engine.process(x), *engine.flush()])
    np.testing.assert_allclose(got, whole, rtol=0, atol=1e-12)
    assert len(engine.notes) == 1


STICKY = "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be asynchronously reported"


def test_a_gpu_that_fails_fails_the_file_in_one_line() -> None:
    words = r"^cuda:1 failed: CUDA error: an illegal memory access was encountered; try --device cpu$"
    with pytest.raises(DeviceError, match=words) as caught, failing_as_one(torch.device("cuda:1")):
        raise getattr(torch, "AcceleratorError", RuntimeError)(STICKY)  # new in torch 2.8
    assert (caught.value.exit_code, caught.value.reason) == (3, "device")
    first = torch.device("cuda:0")
    with pytest.raises(DeviceError, match=r"^not enough memory on cuda:0 to begin"), failing_as_one(first):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
    with pytest.raises(RuntimeError, match=r"^a mistake of ours$"), failing_as_one(torch.device("cpu")):
        raise RuntimeError("a mistake of ours")
