"""Copies beside the computing: nothing is touched too early, and what comes out is what would come out without them."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
from rendering import BLEND, FLOAT64, INT16, INT24, plan_of, render, signal, stages_of

torch = pytest.importorskip("torch")

from late_copies import LateCopyStreams  # noqa: E402

from torchfx_cli.plan.assemble import RenderPlan  # noqa: E402
from torchfx_cli.render import torch_engine  # noqa: E402
from torchfx_cli.render.batched import BatchedRun  # noqa: E402
from torchfx_cli.render.copystreams import CudaCopyStreams, HostCopyStreams  # noqa: E402
from torchfx_cli.render.torch_engine import TorchEngine  # noqa: E402
from torchfx_cli.render.transfer import Downloads, Uploads  # noqa: E402

torch.set_num_threads(1)


@pytest.fixture
def _short_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_engine, "UNIT_SAMPLES", {"cpu": 600})


def on_late_streams(plan: RenderPlan) -> TorchEngine:
    return TorchEngine(plan, streams=LateCopyStreams())


@pytest.mark.usefixtures("_short_units")
@pytest.mark.parametrize("size", [1, 17, 509, 4096, 20_000])
@pytest.mark.parametrize("sink", [INT16, FLOAT64])
def test_what_arrives_late_is_the_same_to_the_last_bit(size: int, sink: Any) -> None:
    plan = plan_of(stages_of(*BLEND, "fir aligned"), 2, INT24, sink, tail_s=0.05)
    x = signal(300 if size == 1 else 20_000, 2, INT24)
    late = render(on_late_streams, plan, x, size)  # type: ignore[arg-type]
    assert late.same(render(TorchEngine, plan, x))


@pytest.mark.usefixtures("_short_units")
def test_an_engine_that_was_reset_in_the_middle_is_as_new() -> None:
    plan, x = plan_of(stages_of(*BLEND)), signal(5000)
    running = on_late_streams(plan)
    first = [running.process(x), *running.flush()]
    running.reset()
    running.process(x)
    running.reset()
    again = [running.process(x), *running.flush()]
    assert np.concatenate(first).tobytes() == np.concatenate(again).tobytes()


def test_batched_files_that_arrive_late_are_the_same() -> None:
    plan = plan_of(stages_of(*BLEND), 2, INT16, INT16)
    blocks = [signal(n, 2, INT16) for n in range(100, 12_000, 700)]
    late, at_once = BatchedRun(plan, streams=LateCopyStreams()).render(blocks), BatchedRun(plan).render(blocks)
    for one, other in zip(late, at_once, strict=True):
        assert isinstance(one, tuple)
        assert isinstance(other, tuple)
        assert one[0].tobytes() == other[0].tobytes()
        assert one[1] == other[1]


def test_the_next_block_is_sent_before_the_last_is_waited_for() -> None:
    streams = LateCopyStreams()
    plan = plan_of(stages_of("gain"), 1, INT16, INT16)
    running = TorchEngine(plan, streams=streams, unit_frames=1024)
    lengths = [len(running.process(signal(1024, 1, INT16))) for _ in range(5)]
    assert lengths == [0, 0, 1024, 1024, 1024], "two units are under way while the third is sent"
    assert streams.log[:8] == ["in", "compute", "out", "out", "in", "compute", "out", "out"]


def test_a_buffer_that_is_filled_too_early_would_be_noticed() -> None:
    streams = LateCopyStreams()
    uploads = Uploads(streams, (4,), torch.float64)
    host = uploads.staging
    host[:] = 1.0
    uploads.send()
    uploads.release()
    uploads.staging[:] = 2.0  # the other one
    uploads.send()
    uploads.release()
    host[:] = 3.0  # without asking `staging`
    with pytest.raises(AssertionError, match="filled again before it was copied"):
        _ = uploads.staging


def test_downloads_keep_their_order_and_hand_out_memory_of_their_own() -> None:
    downloads = Downloads(HostCopyStreams())
    for start in (0, 10):
        downloads.send(torch.arange(start, start + 3), torch.tensor([float(start)]))
    (first, _), (second, mark) = downloads.take(), downloads.take()
    downloads.send(torch.arange(50, 52), torch.tensor([0.0]))
    assert (first.tolist(), second.tolist(), mark.tolist()) == ([0, 1, 2], [10, 11, 12], [10.0])
    assert downloads.take()[0].tolist() == [50, 51]


class FakeStream:
    """Writes down what is asked of it."""

    log: ClassVar[list[tuple[str, ...]]] = []

    def __init__(self, device: Any = None, name: str = "") -> None:
        self.name = name or f"stream {sum(entry[0] == 'made' for entry in self.log)}"
        if not name:
            self.log.append(("made", self.name))

    def wait_event(self, event: Any) -> None:
        self.log.append((self.name, f"waits for {event}"))

    def record_event(self, event: Any) -> str:
        self.log.append((self.name, "records"))
        return f"{self.name}'s event"

    def __enter__(self) -> None:
        self.log.append((self.name, "enter"))

    def __exit__(self, *error: object) -> None:
        self.log.append((self.name, "leave"))


def test_on_cuda_a_copy_waits_on_its_own_stream_and_is_marked_there(monkeypatch: pytest.MonkeyPatch) -> None:
    # There is no GPU here: what is asked of torch.cuda is written down.
    monkeypatch.setattr(FakeStream, "log", log := [])
    monkeypatch.setattr(torch.cuda, "Stream", FakeStream)
    monkeypatch.setattr(torch.cuda, "Event", lambda blocking: f"event, blocking {blocking}")
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: FakeStream(device, "computing"))
    streams, to, source = CudaCopyStreams(torch.device("cuda:0")), torch.zeros(3), torch.ones(3)
    arrived = streams.copy_in(to, source, None)
    streams.compute_after(arrived)
    done = streams.computed()
    streams.copy_out(source, to, done)
    assert log == [
        ("made", "stream 0"),
        ("made", "stream 1"),
        *[("stream 0", what) for what in ("enter", "leave", "records")],
        ("computing", "waits for stream 0's event"),
        ("computing", "records"),
        *[("stream 1", what) for what in ("waits for computing's event", "enter", "leave", "records")],
    ]
    assert torch.equal(to, torch.ones(3))


def test_memory_that_cannot_be_pinned_is_ordinary_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = torch.empty

    def unpinnable(shape: Any, dtype: Any, pin_memory: bool = False) -> torch.Tensor:
        if pin_memory:
            raise RuntimeError("CUDA error: out of memory")
        return empty(shape, dtype=dtype)

    monkeypatch.setattr(torch.cuda, "Stream", FakeStream)
    monkeypatch.setattr(torch, "empty", unpinnable)
    assert CudaCopyStreams(torch.device("cuda:0")).host_buffer((5, 2), torch.int16).shape == (5, 2)
